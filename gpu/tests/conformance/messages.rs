//! What `kernels/cuda/mail.h` promises: messages from actor to actor.

use super::*;
use resident_kernels::address::Address;

const SHARDS: u32 = 3;

/// A device of several shards with players on all of them, one after another.
struct Court {
    hosts: Vec<Host>,
    players: Vec<(usize, u32)>,
}

impl Court {
    fn open(options: Options, shards: u32, players: usize) -> Court {
        let first = Host::start(Options { shards: Some(shards), ..options });
        let mut hosts: Vec<Host> = (1..shards).map(|shard| first.beside(shard)).collect();
        hosts.insert(0, first);
        let players: Vec<_> = (0..players).map(|n| (n % shards as usize, n as u32 / shards)).collect();
        let mut court = Court { hosts, players };
        for (shard, row) in court.players.clone() {
            court.hosts[shard].spawn(row, 1, &Player::default());
        }
        court
    }

    fn address(&self, player: usize) -> Address<Player> {
        let (shard, row) = self.players[player];
        Address::new(self.hosts[0].device.system(), shard as u32, row, 1)
    }

    fn cast<M: Message>(&mut self, player: usize, msg: &M)
    where
        Player: Handles<M>,
    {
        let (shard, row) = self.players[player];
        self.hosts[shard].cast::<Player, M>(row, 1, msg);
    }

    fn meets(&mut self, player: usize, next: usize) {
        let next = self.address(next);
        self.cast(player, &Meet { next });
    }

    fn ring(&mut self) {
        for player in 0..self.players.len() {
            self.meets(player, (player + 1) % self.players.len());
        }
        // All know their next one before one hears from another.
        self.sum(|_| 0);
    }

    /// What a player has had. What its shard has said meanwhile of faults is not asked for.
    fn score(&mut self, player: usize) -> Score {
        let (shard, row) = self.players[player];
        let host = &mut self.hosts[shard];
        host.call::<Player, _>(row, 1, 11, &Show);
        loop {
            let heard = host.hear();
            match heard.op {
                OP_REPLY => return Score::decode(&heard.payload),
                OP_RETURN | OP_BLAMED => continue,
                _ => panic!("{heard:?}"),
            }
        }
    }

    fn sum(&mut self, of: impl Fn(&Score) -> u64) -> u64 {
        (0..self.players.len()).map(|player| of(&self.score(player))).sum()
    }

    /// Until `of` summed over all players is `expected`.
    fn until(&mut self, what: &str, expected: u64, of: impl Fn(&Score) -> u64) {
        let begun = Instant::now();
        loop {
            let sum = self.sum(&of);
            if sum == expected {
                return;
            }
            assert!(sum < expected && begun.elapsed() < PATIENCE, "{what}: {sum} of {expected}");
        }
    }

    fn refused(&self) -> u64 {
        (0..self.hosts.len() as u32).map(|shard| self.hosts[0].device.progress(shard).refused).sum()
    }

    fn end(self) {
        self.hosts.into_iter().next().expect("a shard").end();
    }
}

/// MB-1: through one shard and several, of one slot and of many, each player's numbers come in order.
pub fn mail(options: Options) {
    for shards in [1, SHARDS] {
        let mut court = Court::open(options.clone(), shards, 12);
        court.ring();
        const COUNT: u32 = 150;
        for player in 0..12 {
            court.cast(player, &Serve { sender: player as u32 % SENDERS as u32, count: COUNT, heavy: 3 + player as u32, panic: 0 });
            court.cast(player, &Ball { hops: 200 });
            court.cast(player, &Wonder { number: player as u64 });
        }
        court.until("balls", 12 * 201, |score| score.balls);
        court.until("numbers", 12 * u64::from(COUNT), |score| score.numbers);
        court.until("answers", 12, |score| score.answers);
        assert_eq!((court.sum(|score| score.wrong), court.sum(|score| score.sum), court.refused()), (0, 2 * 66, 0));
        court.end();
    }
}

/// MB-3: two shards that fill each other's inboxes, and then their outboxes, both go on; so does one with itself.
pub fn mail_cycle(options: Options) {
    for shards in [1, 2] {
        let mut court = Court::open(options.clone(), shards, 2);
        court.ring();
        const COUNT: u32 = 2000;
        for turn in 1..=4 {
            for player in 0..2 {
                court.cast(player, &Serve { sender: player as u32, count: COUNT, heavy: 0, panic: 0 });
            }
            court.until("numbers", turn * 2 * u64::from(COUNT), |score| score.numbers);
        }
        // Each turn but the first begins at 0 again.
        assert_eq!(court.sum(|score| score.wrong), 3 * 2);
        court.end();
    }
}

/// MB-2: one sends more than a whole inbox again and again; another a message now and then, by what it was allowed long ago, into slots that
/// only the first has seen handled.
pub fn mail_drip(options: Options) {
    let mut court = Court::open(options, SHARDS, 3);
    court.meets(1, 0);
    court.meets(2, 0);
    const COUNT: u32 = 600;
    const TURNS: u64 = times(200) as u64;
    for turn in 1..=TURNS {
        court.cast(1, &Serve { sender: 1, count: COUNT, heavy: 0, panic: 0 });
        court.until("a flood", turn * u64::from(COUNT) + turn - 1, |score| score.numbers);
        court.cast(2, &Serve { sender: 2, count: 1, heavy: 0, panic: 0 });
        court.until("a drop", turn * u64::from(COUNT) + turn, |score| score.numbers);
    }
    // Each turn of the first but one begins at 0 again, and the other's only number is 0.
    assert_eq!((court.score(0).wrong, court.refused()), (2 * (TURNS - 1), 0));
    court.end();
}

/// MB-4, E-6: workers are killed while balls are in the air. Each is still there once, also one whose player was in the middle of it.
pub fn mail_and_kills(options: Options) {
    if !survives(&options) {
        return;
    }
    const PLAYERS: usize = 30;
    const HOPS: u64 = u64::MAX >> 1;
    for _ in 0..3 {
        let mut court = Court::open(options.clone(), 2, PLAYERS);
        court.ring();
        for player in 0..PLAYERS {
            court.cast(player, &Ball { hops: HOPS });
        }
        for loss in 1..=4 {
            let before = court.sum(|score| score.balls);
            let begun = Instant::now();
            while court.sum(|score| score.balls) < before + 300 {
                assert!(begun.elapsed() < PATIENCE, "they do not go on after {} losses", loss - 1);
            }
            court.hosts[0].kill_worker();
            court.hosts[0]
                .until("the takeover", |device| matches!(device.losses(), (n, Some(last)) if n == loss && last.resumed.is_some()));
            let cut = court.hosts[0].device.cut(None, None, &Still(&court.hosts)).unwrap_or_else(|error| panic!("{error}"));
            assert!(cut.rows.iter().all(|row| row.status == u32::from(ROW_LIVE)), "nobody is blamed");
            // All are in the air, and were had as often as they have hops less.
            let had: u64 = cut.rows.iter().map(|row| Player::decode(&cut.bytes[row.offset as usize..]).balls).sum();
            let ball = <Player as Handles<Ball>>::INDEX;
            let balls: Vec<_> = cut.queued.iter().filter(|queued| queued.message == u32::from(ball)).collect();
            let gone: u64 = balls.iter().map(|queued| HOPS - Ball::decode(&queued.payload).hops).sum();
            assert_eq!((balls.len(), gone), (PLAYERS, had), "after {loss} losses");
        }
        court.end();
    }
}

/// The ends of the rings of a court where nobody sends.
struct Still<'a>(&'a [Host]);

impl resident_gpu::cut::Hold for Still<'_> {
    fn hold(&self, _: &[u64]) -> Vec<resident_gpu::cut::Ends> {
        let ends = |host: &Host| resident_gpu::cut::Ends { pushed: host.into.position(), fetched: host.from.position() };
        self.0.iter().map(ends).collect()
    }

    fn release(&self, _: u32) {}
}

/// MB-4: what a handler sends is held back, so one that is killed ahead of its end has sent nothing: it is handled anew, and nobody is blamed.
pub fn killed_with_mail_in_hand(options: Options) {
    if !survives(&options) {
        return;
    }
    let rounds = 20 * rounds(&options);
    let mut court = Court::open(options, 2, 2);
    court.meets(0, 1);
    let device = court.hosts[0].device.clone();
    let (mut kills, mut first) = (0, 0);
    while kills < 5 {
        court.cast(0, &Juggle { first, rounds });
        first += IN_HAND;
        // Seen at work it is killed; on a busy machine it may be done before that.
        while court.score(1).numbers < first {
            if device.busy(0).is_some() {
                court.hosts[0].kill_worker();
                kills += 1;
                break;
            }
        }
        court.until("numbers", first, |score| score.numbers);
        court.hosts[0].until("the takeover", |device| {
            let (losses, last) = device.losses();
            losses == kills && last.is_none_or(|last| last.resumed.is_some())
        });
    }
    assert_eq!((court.sum(|score| score.wrong), court.refused()), (0, 0));
    court.end();
}
