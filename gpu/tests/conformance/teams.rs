//! What `kernels/cuda/lanes.h` promises: lanes that work together.

use super::*;

/// What a team's items come to, by plain loops.
struct Model(Vec<u64>);

impl Model {
    fn filled(seed: u64) -> Model {
        Model((0..TEAM).map(|i| filled(seed, i)).collect())
    }

    fn blur(&mut self) {
        let sum = |i: usize| {
            [self.0[i], self.0[(i + TEAM - 1) % TEAM], self.0[(i + 1) % TEAM]].iter().fold(0u64, |sum, item| sum.wrapping_add(*item))
        };
        self.0 = (0..TEAM).map(sum).collect();
    }

    fn paint(&mut self, words: &[u64]) {
        self.0 = words.iter().copied().cycle().take(TEAM).collect();
    }

    fn grind(&mut self, rounds: u64) {
        self.0.iter_mut().for_each(|item| *item = ground(*item, rounds));
    }

    fn prefix(&mut self) {
        let mut all = 0u64;
        self.0.iter_mut().for_each(|item| {
            all = all.wrapping_add(*item);
            *item = all;
        });
    }

    fn totals(&self) -> Totals {
        let largest = *self.0.iter().max().expect("items");
        // By 64 pieces, as `Lanes::reduce` says.
        let bounds = |piece: usize| piece * TEAM / 64..(piece + 1) * TEAM / 64;
        let fold = |items: &[u64]| items.iter().map(|item| float(*item)).reduce(|a, b| a + b).expect("items");
        let rounded = (0..64).map(|piece| fold(&self.0[bounds(piece)])).reduce(|a, b| a + b).expect("pieces");
        Totals {
            sum: self.0.iter().fold(0, |sum, item| sum.wrapping_add(*item)),
            largest: self.0.iter().position(|item| *item == largest).expect("it is there") as u64,
            rounded: rounded.to_bits(),
            empty: 0,
        }
    }
}

/// J-1, J-2: every item is done once, and what lanes have written is there, whether messages come alone or many at a time, and beside those
/// of actors that have a lane each.
fn work_together<A>(options: Options)
where
    A: Actor + Default + Handles<Fill> + Handles<Paint> + Handles<Grind> + Handles<Blur> + Handles<Prefix> + Handles<Total>,
{
    let mut host = Host::start(options);
    for row in 0..8 {
        host.spawn(row, 1, &A::default());
        host.spawn(8 + row, 1, &Counter::default());
    }
    for round in 0..10 {
        let mut models: Vec<_> = (0..8).map(|row| Model::filled(8 * round + row)).collect();
        for (row, model) in (0..).zip(&mut models) {
            host.cast::<A, Fill>(row, 1, &Fill { seed: 8 * round + u64::from(row) });
            host.cast::<Counter, _>(8 + row, 1, &Add { amount: 1 });
            host.cast::<A, Blur>(row, 1, &Blur);
            model.blur();
            if round % 3 == 2 {
                let words = std::array::from_fn(|i| filled(round, i));
                host.cast::<A, Paint>(row, 1, &Paint { words });
                model.paint(&words);
            }
            if row == 3 {
                host.cast::<A, Grind>(row, 1, &Grind { rounds: 1000 });
                model.grind(1000);
            }
            if round % 2 == 1 {
                host.cast::<A, Prefix>(row, 1, &Prefix);
                model.prefix();
            }
        }
        for (row, model) in (0..).zip(&models) {
            assert_eq!(host.reply::<A, Total>(row, 1, &Total), model.totals(), "row {row} in round {round}");
            assert_eq!(host.reply::<Counter, _>(8 + row, 1, &AddAndGet { amount: 0 }), round + 1);
        }
    }
    host.end();
}

/// J-3, J-4: a lane's panic is its actor's and nobody else's, however many lanes have ended of it, and what is not the actor's is refused.
fn trip_together<A>(options: Options)
where
    A: Actor + Default + Handles<Fill> + Handles<Trip> + Handles<Overreach> + Handles<Total>,
{
    let mut host = Host::start(options);
    host.spawn(1, 1, &A::default());
    host.cast::<A, Fill>(1, 1, &Fill { seed: 1 });
    for generation in 1..60 {
        host.spawn(0, generation, &A::default());
        let at = u64::from(generation) * 37 % TEAM as u64;
        host.cast::<A, Trip>(0, generation, &Trip { at: u64::MAX });
        host.cast::<A, Trip>(0, generation, &Trip { at });
        let fault = host.hear();
        assert_eq!((fault.op, fault.message, fault.row, fault.generation), (OP_FAULT, FAULT_PANIC, 0, generation));
        let text = String::from_utf8(fault.payload[size_of::<FaultInfo>()..].to_vec()).expect("text");
        assert!(text.contains("team.rs") && text.ends_with(&format!("tripped over {at}")), "{text}");
        host.stop_row(0, generation);
        assert_eq!(host.reply::<A, Total>(1, 1, &Total), Model::filled(1).totals(), "the other is as it was");
    }
    host.cast::<A, Overreach>(1, 1, &Overreach);
    let fault = host.hear();
    assert_eq!((fault.op, fault.message, fault.row), (OP_FAULT, FAULT_PANIC, 1));
    let text = String::from_utf8(fault.payload[size_of::<FaultInfo>()..].to_vec()).expect("text");
    assert!(text.contains("team.rs") && text.contains("parts of the actor's state"), "{text}");
    host.end();
}

pub(super) fn warp_works_together(options: Options) {
    work_together::<WarpTeam>(options);
}

pub(super) fn block_works_together(options: Options) {
    work_together::<BlockTeam>(options);
}

pub(super) fn warp_trips(options: Options) {
    trip_together::<WarpTeam>(options);
}

pub(super) fn block_trips(options: Options) {
    trip_together::<BlockTeam>(options);
}
