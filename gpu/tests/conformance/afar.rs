//! What `kernels/cuda/mail.h` promises of messages from and to other devices of a system: they go by the host.

use super::*;
use resident_kernels::address::Address;

/// The number of a system, and of the device of it that is tested.
const SYSTEM: u32 = 0x5eed << DEVICE_BITS;
const DEVICE: u32 = 2;
/// The actor on another device, and that device.
const FAR: (u32, u32, u32) = (77, 3, 5);
const THERE: u32 = 9;

/// Addresses of nobody on the device: of no shard that there is, and of no generation.
const NOBODY: [[u32; 4]; 2] = [[SYSTEM | DEVICE, 0, 1, 1], [SYSTEM | DEVICE, 0, 0, 0]];
/// As many frames to nobody, and to an actor, as a lane holds back.
const BALLS: u32 = HOLDS as u32 / 2;

fn tag() -> u32 {
    u32::from(Player::KIND.tag())
}

fn index<M: Message>() -> u16
where
    Player: Handles<M>,
{
    <Player as Handles<M>>::INDEX
}

fn bytes<M: Message>(msg: &M) -> Vec<u8> {
    let mut bytes = vec![0; size_of::<M>()];
    msg.encode(&mut bytes);
    bytes
}

/// What stands for the correlation in a frame to an actor of that shard.
fn route(device: u32, shard: u32) -> u32 {
    tag() | (device << SHARD_BITS | shard) << 16
}

/// A host with a player in row 0, who sends to the actor on the other device.
fn court(options: Options) -> Host {
    let mut host = Host::start(Options { system: Some(SYSTEM | DEVICE), ..options });
    assert_eq!(host.device.system(), SYSTEM | DEVICE);
    host.spawn(0, 1, &Player::default());
    let (shard, row, generation) = FAR;
    let meet = Meet { next: Address::new(SYSTEM | THERE, shard, row, generation) };
    host.cast::<Player, _>(0, 1, &meet);
    host
}

fn tell<M: Message>(host: &mut Host, row: u32, generation: u32, msg: &M)
where
    Player: Handles<M>,
{
    host.push(OP_TELL_IN, index::<M>(), row, generation, tag(), &bytes(msg));
}

/// The next frame to another device, of which it says to whom it goes.
fn outward(host: &mut Host) -> Heard {
    let heard = host.hear();
    let (shard, row, generation) = FAR;
    assert_eq!((heard.row, heard.generation, heard.correlation), (row, generation, route(THERE, shard)), "{heard:?}");
    heard
}

fn score(host: &mut Host) -> Score {
    host.reply::<Player, _>(0, 1, &Show)
}

/// MB-5, O-6: messages, asks and answers go out and come in, of one slot and of several, in their order, with stamps that rise.
pub fn afar(options: Options) {
    let mut host = court(options);
    host.cast::<Player, _>(0, 1, &Ball { hops: 7 });
    let ball = outward(&mut host);
    assert_eq!((ball.op, ball.message, Ball::decode(&ball.payload).hops), (OP_TELL_OUT, index::<Ball>(), 6));

    // An ask says who has asked; its answer is a message.
    host.cast::<Player, _>(0, 1, &Wonder { number: 21 });
    let asked = outward(&mut host);
    let (to, request) = asked.payload.split_first_chunk().expect("whom it goes back to");
    let ReplyTo { row, generation, shard, message } = ReplyTo::from_bytes(to);
    assert_eq!((asked.op, asked.message, Double::decode(request).number), (OP_ASK_OUT, index::<Double>(), 21));
    assert_eq!((row, generation, shard), (0, 1, DEVICE << SHARD_BITS));
    assert_eq!(message, u32::from(index::<Doubled>()) | tag() << 16);
    tell(&mut host, 0, 1, &Doubled { number: 42 });

    // One that comes is answered where it is from.
    let (shard, row, generation) = FAR;
    let reply = ReplyTo { row, generation, shard: THERE << SHARD_BITS | shard, message: 4 | tag() << 16 };
    let stamp = asked.hlc + 1_000_000_000;
    host.clock = stamp;
    host.push(OP_ASK_IN, index::<Double>(), 0, 1, tag(), &[&reply.to_bytes()[..], &bytes(&Double { number: 5 })].concat());
    let answer = outward(&mut host);
    assert_eq!((answer.op, answer.message, Doubled::decode(&answer.payload).number), (OP_TELL_OUT, 4, 10));
    assert!(answer.hlc > stamp, "it comes behind what it answers");

    const COUNT: u32 = 300;
    host.cast::<Player, _>(0, 1, &Serve { sender: 3, count: COUNT, heavy: 7, panic: 0 });
    for number in 0..u64::from(COUNT) {
        let heard = outward(&mut host);
        let heavy = number.is_multiple_of(7);
        let (message, there) = if heavy {
            (index::<Heavy>(), Heavy::decode(&heard.payload).words[0])
        } else {
            (index::<Light>(), Light::decode(&heard.payload).number)
        };
        assert_eq!((heard.op, heard.message, there), (OP_TELL_OUT, message, number));
    }
    for number in 0..u64::from(COUNT) {
        // Others come between.
        if number % 5 == 0 {
            host.cast::<Player, _>(0, 1, &Light { sender: 1, pad: 0, number: number / 5 });
        }
        match number % 7 {
            0 => tell(&mut host, 0, 1, &Heavy { sender: 4, pad: 0, words: [number; HEAVY_WORDS] }),
            _ => tell(&mut host, 0, 1, &Light { sender: 4, pad: 0, number }),
        }
    }
    let score = until(&mut host, |score| score.expected[4] == u64::from(COUNT));
    assert_eq!((score.wrong, score.numbers, score.expected[1]), (0, u64::from(COUNT) + 60, 60));
    assert_eq!((score.answers, score.sum, host.device.progress(0).refused), (1, 42, 0));
    host.end();
}

fn until(host: &mut Host, condition: impl Fn(&Score) -> bool) -> Score {
    let begun = Instant::now();
    loop {
        let score = score(host);
        if condition(&score) {
            return score;
        }
        assert!(begun.elapsed() < PATIENCE, "{score:?}");
    }
}

/// E-4: what leads nowhere is refused, whichever way it comes, and nobody hears of it.
pub fn afar_forged(options: Options) {
    let mut host = court(options);
    let mut refused = 0;
    let mut is_refused = |host: &mut Host| {
        refused += 1;
        host.until("a refusal", |device| device.progress(0).refused == refused);
        assert_eq!((score(host).balls, host.try_hear()), (0, None));
    };
    for (system, shard, row, generation) in [
        // Of another system, of none, of no shard that a device can have, of nobody.
        (SYSTEM + (1 << DEVICE_BITS), 0, 0, 1),
        (0, 0, 0, 1),
        (SYSTEM | THERE, 1 << SHARD_BITS, 0, 1),
        (SYSTEM | THERE, u32::MAX, 0, 1),
        (SYSTEM | THERE, 0, 0, 0),
        // Of no shard of this device.
        (SYSTEM | DEVICE, 1, 0, 1),
    ] {
        host.cast::<Player, _>(0, 1, &Guess { words: [system, row, generation, shard] });
        is_refused(&mut host);
    }
    let ball = bytes(&Ball { hops: 0 });
    for (row, generation, kind) in [(0, 2, tag()), (1, 1, tag()), (u32::MAX, 1, tag()), (0, 1, tag() ^ 1), (0, 0, tag())] {
        host.push(OP_TELL_IN, index::<Ball>(), row, generation, kind, &ball);
        is_refused(&mut host);
    }
    // An ask without room for whom it is from, a message of another size, one that there is not.
    host.push(OP_ASK_IN, index::<Double>(), 0, 1, tag(), &[0; 15]);
    is_refused(&mut host);
    host.push(OP_TELL_IN, index::<Ball>(), 0, 1, tag(), &[0; 4]);
    is_refused(&mut host);
    host.push(OP_TELL_IN, 999, 0, 1, tag(), &ball);
    is_refused(&mut host);
    host.end();
}

/// E-4: a frame to nobody is refused where it stands among others that its handler sends, and those go to whom they are for.
pub fn afar_strays(options: Options) {
    let mut host = court(options);
    for (sender, words) in (0..).zip(NOBODY) {
        host.cast::<Player, _>(0, 1, &Scatter { words, sender, balls: BALLS, count: 0 });
        let score = until(&mut host, |score| score.expected[sender as usize] == u64::from(BALLS));
        assert_eq!((score.wrong, score.balls), (0, 0));
        host.until("the refusals", |device| device.progress(0).refused == u64::from((sender + 1) * BALLS));
    }
    assert_eq!(host.try_hear(), None);
    host.end();
}

/// E-4, MB-4: of a batch that was committed and not carried out, what stands behind a frame to nobody goes where it is for, too.
pub fn afar_strays_and_a_loss(options: Options) {
    if !survives(&options) {
        return;
    }
    let count = options.capacity * 3 / 2;
    let mut host = court(options);
    for (loss, words) in (1..).zip(NOBODY) {
        let sender = loss as u32;
        host.cast::<Player, _>(0, 1, &Scatter { words, sender, balls: BALLS, count });
        // The batch is committed, and its host has not room for all of it: the worker waits ahead of what is for actors.
        let mut heard = 0;
        is_next(&outward(&mut host), &mut heard, count.into());
        host.kill_worker();
        host.until("the takeover", |device| matches!(device.losses(), (n, Some(last)) if n == loss && last.resumed.is_some()));
        while heard < count.into() {
            is_next(&outward(&mut host), &mut heard, count.into());
        }
        let score = until(&mut host, |score| score.expected[sender as usize] == u64::from(BALLS));
        assert_eq!((score.wrong, score.balls), (0, 0));
    }
    assert_eq!(host.try_hear(), None);
    host.end();
}

/// MB-5: each message that has come is handled by the time of a cut, or in it, wherever it was: in the ring or handed on.
pub fn afar_cut(options: Options) {
    let rounds = 20 * rounds(&options);
    let mut host = Host::start(options);
    // Of one warp, which works while messages come.
    const BESIDE: u32 = WORK_WARPS as u32;
    host.spawn(0, 1, &Breaker { handled: 0, sum: 0 });
    host.spawn(BESIDE, 1, &Player::default());
    const COUNT: u64 = 100;
    let nobody = ReplyTo { row: 0, generation: 0, shard: 0, message: 0 };
    for turn in 0.. {
        host.call::<Breaker, _>(0, 1, 5, &Work { rounds });
        let before = host.device.progress(0).handled;
        host.until("it works", |device| device.busy(0).is_some() || device.progress(0).handled > before);
        for number in turn * COUNT..(turn + 1) * COUNT {
            let light = bytes(&Light { sender: 0, pad: 0, number });
            match number % 2 {
                0 => host.push(OP_TELL_IN, index::<Light>(), BESIDE, 1, tag(), &light),
                _ => host.push(OP_ASK_IN, index::<Light>(), BESIDE, 1, tag(), &[&nobody.to_bytes()[..], &light].concat()),
            }
        }
        let cut = take(&[&host], None);
        assert_eq!(host.hear().correlation, 5);
        let row = cut.rows.iter().find(|row| row.row == BESIDE).expect("it is there");
        let handled = Player::decode(&cut.bytes[row.offset as usize..]).numbers;
        let mut queued: Vec<_> = cut.queued.iter().filter(|it| it.row.row == BESIDE).map(|it| Light::decode(&it.payload).number).collect();
        queued.sort_unstable();
        assert_eq!(queued, (handled..(turn + 1) * COUNT).collect::<Vec<_>>());
        if !queued.is_empty() {
            break;
        }
        assert!(turn < 50, "the shard was never in the middle of its work");
    }
    host.end();
}

/// MB-5, E-6: workers are killed while messages go out and come in: each goes once, in its order.
pub fn afar_and_kills(options: Options) {
    if !survives(&options) {
        return;
    }
    const COUNT: u64 = 100;
    let mut host = court(options);
    let (mut turns, mut heard) = (0, 0);
    // What comes is taken meanwhile, or the device would wait for that.
    let push = |host: &mut Host, op, message, correlation, payload: &[u8], heard: &mut u64| {
        while let Err(full) = host.try_push(op, message, 0, 1, correlation, payload) {
            assert_eq!(full, PushError::Full);
            while let Some(out) = host.try_hear() {
                is_next(&out, heard, COUNT);
            }
        }
    };
    for loss in 1..=times(6).into() {
        for turn in 0..20 {
            let serve = Serve { sender: 0, count: COUNT as u32, heavy: turn % 3 * 5, panic: 0 };
            push(&mut host, OP_CAST, index::<Serve>(), NONE, &bytes(&serve), &mut heard);
            for number in 0..COUNT {
                let (sender, pad, number) = (1, 0, turns * COUNT + number);
                let (message, payload) = match number % 9 {
                    0 => (index::<Heavy>(), bytes(&Heavy { sender, pad, words: [number; HEAVY_WORDS] })),
                    _ => (index::<Light>(), bytes(&Light { sender, pad, number })),
                };
                push(&mut host, OP_TELL_IN, message, tag(), &payload, &mut heard);
            }
            turns += 1;
            if turn == 7 {
                host.kill_worker();
            }
        }
        host.until("the takeover", |device| matches!(device.losses(), (n, Some(last)) if n == loss && last.resumed.is_some()));
    }
    while heard < turns * COUNT {
        let out = host.hear();
        is_next(&out, &mut heard, COUNT);
    }
    let score = until(&mut host, |score| score.numbers >= turns * COUNT);
    assert_eq!((score.wrong, score.numbers, score.expected[1]), (0, turns * COUNT, turns * COUNT));
    assert_eq!((host.try_hear(), host.device.progress(0).refused), (None, 0));
    host.end();
}

/// A frame to another device is the next of those that were served.
fn is_next(out: &Heard, heard: &mut u64, count: u64) {
    assert_eq!(out.op, OP_TELL_OUT, "{out:?}");
    let number = if out.message == index::<Heavy>() { Heavy::decode(&out.payload).words[0] } else { Light::decode(&out.payload).number };
    assert_eq!(number, *heard % count);
    *heard += 1;
}
