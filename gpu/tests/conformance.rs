//! One suite for every engine: what `gpu/src/engine.rs` and `kernels/cuda/engine.h` promise, seen through the rings.
//!
//! It runs on the CPU device, on the CPU device with pollers and handler on threads of their own, and on a GPU where there is
//! one. With `RESIDENT_REQUIRE_GPU=1` a missing GPU is a failure.

#[path = "conformance/afar.rs"]
mod afar;
#[path = "conformance/births.rs"]
mod births;
#[path = "conformance/cuts.rs"]
mod cuts;
#[path = "conformance/messages.rs"]
mod messages;
#[path = "conformance/teams.rs"]
mod teams;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use resident_gpu::Class;
use resident_gpu::device::{Choice, Device, Health, Isolation, Options, StartError};
use resident_gpu::ring::{Consumer, Frame, Producer, PushError};
use resident_kernels::actor::{Actor, Emit, Handles, Message};
use resident_kernels::plain::Plain;
use resident_kernels::wire::*;
use resident_test_actors::*;
use rustix::process::{Pid, Signal, kill_process};

use self::afar::*;
use self::births::*;
use self::cuts::*;
use self::messages::*;
use self::teams::*;

/// Many of these tests may share one GPU.
const PATIENCE: Duration = Duration::from_secs(60);
const NONE: u32 = u32::MAX;
/// Some milliseconds of work, well within the budget.
fn rounds(options: &Options) -> u64 {
    match options.device {
        Choice::Cuda(_) => 50_000,
        _ if cfg!(debug_assertions) => 500_000,
        _ => 8_000_000,
    }
}

/// How often something is done that takes long where 32 lanes take turns on a thread (ci/fibers.sh).
const fn times(often: u32) -> u32 {
    if cfg!(fibers) { often / 10 } else { often }
}

/// An answer, kept.
#[derive(Debug, Clone, PartialEq)]
struct Heard {
    op: u16,
    message: u16,
    row: u32,
    generation: u32,
    correlation: u32,
    hlc: u64,
    payload: Vec<u8>,
}

/// A device of one shard, its rings, and an arena that only grows.
struct Host {
    device: Arc<Device>,
    into: Producer,
    from: Consumer,
    arena: u64,
    clock: u64,
    /// Heard, and not asked for yet.
    others: VecDeque<Heard>,
}

impl Host {
    fn start(options: Options) -> Host {
        let device = Device::start(options).unwrap_or_else(|error| panic!("{error}"));
        let (into, from) = device.take_ports(0).expect("the ports are there once");
        assert!(device.take_ports(0).is_none());
        Host { device, into, from, arena: 0, clock: 1, others: VecDeque::new() }
    }

    /// The same for another shard of the device.
    fn beside(&self, shard: u32) -> Host {
        let device = self.device.clone();
        let (into, from) = device.take_ports(shard).expect("the ports are there once");
        Host { device, into, from, arena: u64::from(shard) << 16, clock: 1, others: VecDeque::new() }
    }

    fn kill_worker(&self) {
        let worker = self.device.worker().and_then(|id| Pid::from_raw(id as i32)).expect("a process");
        kill_process(worker, Signal::KILL).expect("it is ours");
    }

    fn push(&mut self, op: u16, message: u16, row: u32, generation: u32, correlation: u32, payload: &[u8]) {
        let begun = Instant::now();
        loop {
            match self.try_push(op, message, row, generation, correlation, payload) {
                Ok(()) => return,
                Err(PushError::Full) => assert!(begun.elapsed() < PATIENCE, "the ring stays full"),
                Err(other) => panic!("{other}"),
            }
            std::thread::yield_now();
        }
    }

    fn try_push(&mut self, op: u16, message: u16, row: u32, generation: u32, correlation: u32, payload: &[u8]) -> Result<(), PushError> {
        self.clock += 1;
        self.into.push(&Frame { op, message, row, generation, correlation, reply_tag: 0, hlc: self.clock, payload })
    }

    fn try_hear(&mut self) -> Option<Heard> {
        let frame = self.from.pop().expect("the engine keeps the protocol")?;
        let Frame { op, message, row, generation, correlation, hlc, payload, .. } = frame;
        Some(Heard { op, message, row, generation, correlation, hlc, payload: payload.to_vec() })
    }

    fn hear(&mut self) -> Heard {
        let begun = Instant::now();
        loop {
            if let Some(heard) = self.try_hear() {
                return heard;
            }
            assert!(begun.elapsed() < PATIENCE, "no answer; {:?}; {:?}", self.device.health(), self.device.progress(0));
            std::thread::yield_now();
        }
    }

    /// The next frame of a row, whatever is said of others: what is for different actors is handled in no order.
    fn hear_of(&mut self, row: u32) -> Heard {
        if let Some(at) = self.others.iter().position(|heard| heard.row == row) {
            return self.others.remove(at).expect("it is there");
        }
        loop {
            let heard = self.hear();
            if heard.row == row {
                return heard;
            }
            self.others.push_back(heard);
        }
    }

    fn spawn<A: Actor>(&mut self, row: u32, generation: u32, state: &A) {
        let mut bytes = vec![0; size_of::<A>()];
        state.encode(&mut bytes);
        let at = self.arena;
        self.arena += (bytes.len() as u64).next_multiple_of(16);
        let head = bytes.len().min(SPAWN_STATE_BYTES);
        for (i, piece) in bytes[head..].chunks(INIT_STATE_BYTES).enumerate() {
            let offset = at + (head + i * INIT_STATE_BYTES) as u64;
            self.push(OP_INIT, 0, row, generation, 0, &[&offset.to_le_bytes()[..], piece].concat());
        }
        let kind = self.device.kind_index(A::KIND).expect("an exported kind");
        let mut payload = [kind.to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
        payload.extend_from_slice(&at.to_le_bytes());
        payload.extend_from_slice(&bytes[..head]);
        self.push(OP_SPAWN, 0, row, generation, 7, &payload);
        let ack = self.hear();
        assert_eq!((ack.op, ack.row, ack.generation, ack.correlation), (OP_ACK, row, generation, 7));
    }

    fn cast<A: Handles<M>, M: Message>(&mut self, row: u32, generation: u32, msg: &M) {
        let mut payload = vec![0; size_of::<M>()];
        msg.encode(&mut payload);
        self.push(OP_CAST, A::INDEX, row, generation, NONE, &payload);
    }

    fn call<A: Handles<M>, M: Message>(&mut self, row: u32, generation: u32, correlation: u32, msg: &M) {
        let mut payload = vec![0; size_of::<M>()];
        msg.encode(&mut payload);
        self.push(OP_CALL, A::INDEX, row, generation, correlation, &payload);
    }

    fn reply<A: Handles<M>, M: Message>(&mut self, row: u32, generation: u32, msg: &M) -> M::Reply {
        self.call::<A, M>(row, generation, 11, msg);
        let heard = self.hear();
        assert_eq!((heard.op, heard.correlation, heard.payload.len()), (OP_REPLY, 11, size_of::<M::Reply>()), "{heard:?}");
        M::Reply::decode(&heard.payload)
    }

    fn stop_row(&mut self, row: u32, generation: u32) {
        self.push(OP_STOP, 0, row, generation, 9, &[]);
        let heard = self.hear();
        assert_eq!((heard.op, heard.correlation), (OP_ACK, 9), "{heard:?}");
    }

    fn until(&self, what: &str, condition: impl Fn(&Device) -> bool) {
        let begun = Instant::now();
        while !condition(&self.device) {
            assert!(begun.elapsed() < PATIENCE, "{what}; {:?}", self.device.progress(0));
            std::thread::yield_now();
        }
    }

    fn end(self) {
        self.device.stop(PATIENCE).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(self.device.health(), Health::Stopped);
        self.device.stop(PATIENCE).expect("stopping twice is stopping once");
    }
}

/// E-1, E-2: casts are handled in order, calls are answered in order, and the clock only rises.
fn order(options: Options) {
    let mut host = Host::start(options);
    host.spawn(3, 1, &Echo::new(5));
    let (mut history, mut hlc) = (0, 0);
    for nonce in 0..5000u64 {
        host.cast::<Echo, _>(3, 1, &Note { nonce, words: words(nonce) });
        history = fold_nonce(history, nonce);
        if nonce % 100 == 99 {
            host.call::<Echo, _>(3, 1, nonce as u32, &Recall);
            let heard = host.hear();
            assert_eq!((heard.op, heard.row, heard.generation, heard.correlation), (OP_REPLY, 3, 1, nonce as u32));
            assert!(heard.hlc > hlc, "the shard's clock went back");
            hlc = heard.hlc;
            let remembered = History::decode(&heard.payload);
            assert_eq!((remembered.answered, remembered.history), (nonce + 1, history));
        }
    }
    host.end();
}

/// Payloads of one slot and of twenty-one arrive whole, both ways.
fn sizes(options: Options) {
    let mut host = Host::start(options);
    let mut echo = Echo::new(77);
    host.spawn(0, 1, &echo);
    for nonce in 0..300 {
        let large = AskLarge { nonce, words: words(nonce) };
        assert_eq!(host.reply::<Echo, _>(0, 1, &large), echo.answer_large(&large));
        let small = Ask { nonce, words: words(nonce) };
        echo.remember(nonce);
        assert_eq!(host.reply::<Echo, _>(0, 1, &small), echo.answer(&small));
        echo.remember(nonce);
    }
    host.end();
}

/// A state of 64 KiB goes ahead of its spawn and is read back.
fn large_state(options: Options) {
    let mut host = Host::start(options);
    let big = Big::new(42);
    host.spawn(0, 1, &big);
    assert_eq!(host.reply::<Big, _>(0, 1, &Digest), big.digest());
    let mut bytes = vec![0; size_of::<Big>()];
    big.encode(&mut bytes);
    for (i, piece) in bytes.chunks(MAX_PAYLOAD).enumerate() {
        let read = [((i * MAX_PAYLOAD) as u32).to_le_bytes(), (piece.len() as u32).to_le_bytes()].concat();
        host.push(OP_READ, 0, 0, 1, i as u32, &read);
        assert_eq!(host.hear().payload, piece);
    }
    host.end();
}

/// A caller watches its own reply line.
fn direct(options: Options) {
    let mut host = Host::start(options);
    host.spawn(0, 1, &Counter::default());
    let mut slot = host.device.replies().clone().claim(2).expect("lines are free");
    for amount in 1..500u64 {
        let tag = slot.next_tag().expect("the reply before was read");
        let payload = amount.to_le_bytes();
        let frame = Frame {
            op: OP_CALL_DIRECT,
            message: <Counter as Handles<AddAndGet>>::INDEX,
            row: 0,
            generation: 1,
            correlation: slot.index(),
            reply_tag: tag,
            hlc: amount,
            payload: &payload,
        };
        host.into.push(&frame).expect("room");
        let begun = Instant::now();
        let total = loop {
            if let Some(reply) = slot.poll(tag).expect("the engine keeps the protocol") {
                assert_eq!(reply.op, OP_REPLY);
                break u64::decode(reply.payload);
            }
            assert!(begun.elapsed() < PATIENCE);
            std::thread::yield_now();
        };
        assert_eq!(total, amount * (amount + 1) / 2);
    }
    assert_eq!(host.try_hear(), None);
    host.end();
}

/// E-2, E-4: what can not be handled is refused with its reason, and harms nothing.
fn refusals(options: Options) {
    let rows = options.rows;
    let mut host = Host::start(options);
    host.spawn(1, 4, &Counter::default());
    let refused = |host: &mut Host, op, message, row, generation, payload: &[u8], reason| {
        host.push(op, message, row, generation, 5, payload);
        let heard = host.hear();
        assert_eq!((heard.op, heard.message, heard.correlation), (OP_REFUSED, reason, 5), "op {op} row {row}");
    };
    let get = <Counter as Handles<Get>>::INDEX;
    let add = <Counter as Handles<AddAndGet>>::INDEX;
    refused(&mut host, OP_CALL, get, 1, 3, &[], REFUSED_STALE);
    refused(&mut host, OP_CALL, get, 1, 5, &[], REFUSED_STALE);
    refused(&mut host, OP_CALL, get, 2, 1, &[], REFUSED_STALE);
    refused(&mut host, OP_CALL, get, rows, 1, &[], REFUSED_PROTOCOL);
    refused(&mut host, OP_CALL, 999, 1, 4, &[], REFUSED_MESSAGE);
    refused(&mut host, OP_CALL, add, 1, 4, &[0; 9], REFUSED_MESSAGE);
    refused(&mut host, OP_STOP, 0, 1, 3, &[], REFUSED_STALE);
    refused(&mut host, OP_READ, 0, 1, 4, &[0xff; 8], REFUSED_PROTOCOL);
    refused(&mut host, OP_SPAWN, 0, 1, 5, &[0; 16], REFUSED_PROTOCOL);
    refused(&mut host, OP_SPAWN, 0, 2, 1, &[0; 3], REFUSED_PROTOCOL);
    // A state beyond the arena, one not aligned, and one larger than any.
    for (bytes, offset) in [(64u32, u64::MAX - 63), (64, 8), (64, 1 << 50), (u32::MAX, 0)] {
        let payload = [&0u32.to_le_bytes()[..], &bytes.to_le_bytes(), &offset.to_le_bytes()].concat();
        refused(&mut host, OP_SPAWN, 0, 2, 1, &payload, REFUSED_PROTOCOL);
    }
    host.push(OP_INIT, 0, 2, 1, 0, &[&(u64::MAX - 8).to_le_bytes()[..], &[1; 64]].concat());
    host.cast::<Counter, _>(1, 3, &Add { amount: 1 });
    host.push(OP_FENCE, 0, 0, 0, 6, &[]);
    assert_eq!(host.hear().op, OP_ACK);
    assert_eq!(host.reply::<Counter, _>(1, 4, &Get).total, 0);
    host.end();
}

/// E-3: a panic fails its actor, with message and place, and nobody else; the row can be used again.
fn panics(options: Options) {
    let mut host = Host::start(options);
    host.spawn(0, 1, &Panicker::default());
    host.spawn(1, 1, &Counter::default());
    host.call::<Panicker, _>(0, 1, 21, &PanicInCall { how: OUT_OF_BOUNDS, value: 99 });
    host.call::<Counter, _>(1, 1, 22, &AddAndGet { amount: 5 });
    let fault = host.hear_of(0);
    assert_eq!((fault.op, fault.message, fault.row, fault.correlation), (OP_FAULT, FAULT_PANIC, 0, 21));
    let text = String::from_utf8(fault.payload[size_of::<FaultInfo>()..].to_vec()).expect("text");
    assert!(text.contains("index out of bounds") && text.contains("panicker.rs:"), "{text}");
    let next = host.hear_of(1);
    assert_eq!((next.op, next.correlation), (OP_REPLY, 22));
    // The state is kept, calls are refused, and the row is free after a stop.
    host.push(OP_READ, 0, 0, 1, 23, &[0u32.to_le_bytes(), 8u32.to_le_bytes()].concat());
    assert_eq!(host.hear().op, OP_REPLY);
    host.call::<Panicker, _>(0, 1, 24, &CountUp);
    let refused = host.hear();
    assert_eq!((refused.op, refused.message, refused.correlation), (OP_REFUSED, REFUSED_FAILED, 24));
    host.stop_row(0, 1);
    host.spawn(0, 2, &Panicker::default());
    host.call::<Panicker, _>(0, 2, 25, &CountUp);
    assert_eq!(host.hear().op, OP_REPLY);
    host.end();
}

/// 10,000 panics in a row lose no other message: on a GPU the stack runs out many times, and the kernel's generations swap.
fn many_panics(options: Options) {
    let mut host = Host::start(options);
    host.spawn(1, 1, &Counter::default());
    host.spawn(0, 1, &Panicker::default());
    let panics = times(10_000);
    for turn in 1..=panics {
        host.call::<Panicker, _>(0, turn, turn, &PanicInCall { how: OUT_OF_BOUNDS, value: 99 });
        host.cast::<Counter, _>(1, 1, &Add { amount: u64::from(turn) });
        let fault = host.hear();
        assert_eq!((fault.op, fault.message, fault.correlation), (OP_FAULT, FAULT_PANIC, turn), "{fault:?}");
        host.stop_row(0, turn);
        host.arena = 64;
        host.spawn(0, turn + 1, &Panicker::default());
    }
    let n = u64::from(panics);
    let count = host.reply::<Counter, _>(1, 1, &Get);
    assert_eq!((count.total, count.added), (n * (n + 1) / 2, n));
    assert_eq!(host.device.health(), Health::Running);
    host.end();
}

/// A handler that fails itself: its reason, and the fault of a cast.
fn failures(options: Options) {
    let mut host = Host::start(options);
    host.spawn(0, 1, &Failer::default());
    host.call::<Failer, _>(0, 1, 4, &FailWith { code: 17 });
    let fault = host.hear();
    assert_eq!((fault.op, fault.message, fault.correlation), (OP_FAULT, FAULT_FAILED, 4));
    assert!(String::from_utf8_lossy(&fault.payload).contains("code 17"));
    host.spawn(1, 1, &Failer::default());
    host.cast::<Failer, _>(1, 1, &Fail);
    let fault = host.hear();
    assert_eq!((fault.op, fault.message, fault.row, fault.correlation), (OP_FAULT, FAULT_FAILED, 1, NONE));
    host.end();
}

/// Emitted messages come in order, also many more than the egress ring holds.
fn emits(options: Options) {
    let mut host = Host::start(options);
    host.spawn(0, 1, &Emitter::default());
    let each = 100u32;
    for _ in 0..100 {
        host.cast::<Emitter, _>(0, 1, &EmitLate { count: each, minutes: 3 });
    }
    for number in 0..100 * u64::from(each) {
        let heard = host.hear();
        assert_eq!((heard.op, heard.correlation), (OP_EMIT, <Late as Emit>::TYPE));
        assert_eq!(Late::decode(&heard.payload).number, number);
    }
    host.end();
}

/// A kill goes ahead of what is queued; the stop behind it frees the row.
fn kill(options: Options) {
    let mut host = Host::start(options);
    host.spawn(0, 1, &Counter::default());
    host.device.kill(0, 0, 1);
    let begun = Instant::now();
    while host.device.progress(0).kill_done == 0 {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    host.call::<Counter, _>(0, 1, 3, &Get);
    let refused = host.hear();
    assert_eq!((refused.op, refused.message), (OP_REFUSED, REFUSED_STALE));
    host.stop_row(0, 1);
    host.spawn(0, 2, &Counter::default());
    assert_eq!(host.reply::<Counter, _>(0, 2, &Get).total, 0);
    host.end();
}

/// A kill that meets its actor's end takes nothing from whoever has the row next.
fn kill_meets_the_end(options: Options) {
    let mut host = Host::start(options);
    let kills = times(5_000);
    for generation in 1..=kills {
        host.spawn(0, generation, &Counter::default());
        host.push(OP_STOP, 0, 0, generation, 9, &[]);
        host.device.kill(0, 0, generation);
        let heard = host.hear();
        assert_eq!((heard.op, heard.correlation), (OP_ACK, 9), "{heard:?}");
    }
    host.until("all kills are carried out", |device| device.progress(0).kill_done == kills);
    host.spawn(0, kills + 1, &Counter::default());
    assert_eq!(host.reply::<Counter, _>(0, kills + 1, &Get).total, 0);
    host.end();
}

/// E-5: a stop leaves at a message boundary; what was not handled is still in the ring.
fn stop(options: Options) {
    let mut host = Host::start(options);
    host.spawn(0, 1, &Counter::default());
    for _ in 0..2000 {
        host.cast::<Counter, _>(0, 1, &Tick);
    }
    let device = host.device.clone();
    host.end();
    let progress = device.progress(0);
    assert_eq!(progress.running, 0);
    assert!(progress.handled >= 1 && progress.handled <= 2001, "{progress:?}");
}

/// E-6, N-5: a trap costs the actor whose message was being handled. Everything else goes on, in its order, as if nothing had been.
fn takeover(options: Options) {
    if !survives(&options) {
        return;
    }
    let mut host = Host::start(Options { rows: 4, ..options });
    let device = host.device.clone();
    host.spawn(1, 1, &Counter::default());
    for (round, (how, class)) in
        [(TRAP, FAULT_TRAP), (WILD_READ, FAULT_ADDRESS), (SPIN, FAULT_HANG), (TRAP, FAULT_TRAP)].into_iter().enumerate()
    {
        let generation = 1 + round as u32;
        host.spawn(0, generation, &Breaker::default());
        assert_eq!(host.reply::<Breaker, _>(0, generation, &Deposit { n: 5 }), 5);
        for _ in 0..40 {
            host.cast::<Counter, _>(1, 1, &Tick);
        }
        host.cast::<Breaker, _>(0, generation, &Break { how });
        for _ in 0..40 {
            host.cast::<Counter, _>(1, 1, &Tick);
        }
        host.call::<Breaker, _>(0, generation, 21, &Deposit { n: 1 });
        host.call::<Counter, _>(1, 1, 22, &Get);
        let back = host.hear_of(0);
        assert_eq!(
            (back.op, back.message, back.row, back.generation),
            (OP_RETURN, <Breaker as Handles<Break>>::INDEX, 0, generation),
            "{how}"
        );
        assert_eq!(back.payload, how.to_le_bytes());
        let blamed = host.hear_of(0);
        assert_eq!((blamed.op, blamed.row, blamed.generation, blamed.correlation), (OP_BLAMED, 0, generation, NONE));
        assert_eq!(blamed.message, class, "{how}");
        assert_eq!(&blamed.payload[..16], [&1u64.to_le_bytes()[..], &back.message.to_le_bytes(), &[0, 0], &1u32.to_le_bytes()].concat());
        let refused = host.hear_of(0);
        assert_eq!((refused.op, refused.message, refused.correlation), (OP_REFUSED, REFUSED_FAILED, 21));
        let total = host.hear_of(1);
        assert_eq!((total.op, total.correlation), (OP_REPLY, 22));
        assert_eq!(Count::decode(&total.payload).total, 80 * (round as u64 + 1));
        // What it was is kept: five, and one message handled.
        host.push(OP_READ, 0, 0, generation, 23, &[0u32.to_le_bytes(), (size_of::<Breaker>() as u32).to_le_bytes()].concat());
        let state = Breaker::decode(&host.hear().payload);
        assert_eq!((state.handled, state.sum), (1, 5));
        host.stop_row(0, generation);
        let (losses, last) = device.losses();
        // Where others were being handled beside it, it took a second loss to know which one it was.
        assert!((round as u64 + 1..=2 * (round as u64 + 1)).contains(&losses), "{losses} losses");
        assert!(last.is_some_and(|last| !last.fault.text.is_empty()));
        assert_eq!(device.health(), Health::Running);
    }
    host.end();
}

/// A wild write: on a GPU its fault comes when the handler has ended, so nobody is blamed if nothing else is being handled then.
fn wild_write(options: Options) {
    if !survives(&options) {
        return;
    }
    let mut host = Host::start(options);
    host.spawn(0, 1, &Breaker::default());
    host.spawn(1, 1, &Counter::default());
    host.cast::<Counter, _>(1, 1, &Tick);
    host.cast::<Breaker, _>(0, 1, &Break { how: WILD_WRITE });
    host.until("the loss is seen", |device| device.losses().0 == 1);
    assert_eq!(host.device.losses().1.map(|loss| loss.fault.class), Some(Class::IllegalAddress));
    host.call::<Counter, _>(1, 1, 41, &Get);
    let heard = std::iter::from_fn(|| Some(host.hear())).find(|heard| !matches!(heard.op, OP_RETURN | OP_BLAMED)).expect("a reply");
    assert_eq!((heard.op, heard.correlation, Count::decode(&heard.payload).total), (OP_REPLY, 41, 1));
    host.end();
}

/// E-6: a call that was being handled is named, whichever way it came; a control frame is carried out.
fn takeover_of_calls(options: Options) {
    if !survives(&options) {
        return;
    }
    let mut host = Host::start(options);
    let replies = host.device.replies().clone();
    host.spawn(0, 1, &Breaker::default());
    host.call::<Breaker, _>(0, 1, 31, &BreakInCall { how: TRAP });
    host.push(OP_FENCE, 0, 0, 0, 32, &[]);
    assert_eq!(host.hear().op, OP_RETURN);
    let blamed = host.hear();
    assert_eq!((blamed.op, blamed.correlation, &blamed.payload[16..20]), (OP_BLAMED, 31, &NONE.to_le_bytes()[..]));
    let fence = host.hear();
    assert_eq!((fence.op, fence.correlation), (OP_ACK, 32));
    host.stop_row(0, 1);

    host.spawn(0, 2, &Breaker::default());
    let mut slot = replies.claim(1).expect("a line");
    let tag = slot.next_tag().expect("nothing outstanding");
    let frame = Frame {
        op: OP_CALL_DIRECT,
        message: <Breaker as Handles<BreakInCall>>::INDEX,
        row: 0,
        generation: 2,
        correlation: slot.index(),
        reply_tag: tag,
        hlc: host.clock + 1,
        payload: &WILD_READ.to_le_bytes(),
    };
    host.into.push(&frame).expect("room");
    assert_eq!(host.hear().op, OP_RETURN);
    let blamed = host.hear();
    let told = [slot.index().to_le_bytes(), (tag as u32).to_le_bytes()].concat();
    assert_eq!((blamed.op, blamed.correlation, &blamed.payload[16..]), (OP_BLAMED, NONE, &told[..]));
    replies.end(slot.index(), tag);
    assert_eq!(slot.poll(tag).expect("a line of ours").map(|frame| frame.op), Some(OP_BLAMED));
    host.stop_row(0, 2);
    host.end();
}

/// E-6: the worker is killed again and again, wherever it is, and no message is lost or handled twice.
fn killed_anywhere(options: Options) {
    if !survives(&options) {
        return;
    }
    let mut host = Host::start(options);
    host.spawn(0, 1, &Counter::default());
    for round in 0..12 {
        for n in 0..3000 {
            if n == 700 + 100 * round {
                host.kill_worker();
            }
            host.cast::<Counter, _>(0, 1, &Tick);
        }
        // What was killed may live on for some milliseconds.
        host.until("the loss is seen", |device| device.losses().0 == round + 1);
        assert_eq!(host.reply::<Counter, _>(0, 1, &Get).total, 3000 * (round + 1));
    }
    host.end();
}

/// E-6: a message that was being handled when the worker was killed is handled as if it had not been begun.
fn killed_in_a_handler(options: Options) {
    if !survives(&options) {
        return;
    }
    let rounds = rounds(&options);
    let mut host = Host::start(options);
    host.spawn(0, 1, &Breaker { handled: 0, sum: 7 });
    let (mut sum, mut kills) = (7, 0);
    while kills < 5 {
        host.call::<Breaker, _>(0, 1, 61, &Work { rounds });
        // Seen at work it is killed; on a busy machine it may be done before that.
        let heard = loop {
            if let Some(heard) = host.try_hear() {
                break heard;
            }
            if host.device.busy(0).is_some() {
                host.kill_worker();
                kills += 1;
                break host.hear();
            }
        };
        sum += rounds;
        assert_eq!((heard.op, heard.correlation, u64::decode(&heard.payload)), (OP_REPLY, 61, sum), "{:?}", host.device.losses());
        // Until the next worker runs `busy` may be what the one that was killed has left, and that one is no process to kill.
        host.until("the takeover", |device| {
            let (losses, last) = device.losses();
            losses == kills && last.is_none_or(|last| last.resumed.is_some())
        });
    }
    host.end();
}

/// Of several messages that were being handled when the device trapped, the one that did it is blamed and the others are handled.
fn takeover_of_several(options: Options) {
    if !survives(&options) {
        return;
    }
    let rounds = rounds(&options);
    let mut innocent = Host::start(Options { shards: Some(3), ..options });
    let (mut hung, mut trapped) = (innocent.beside(1), innocent.beside(2));
    for host in [&mut innocent, &mut hung, &mut trapped] {
        host.spawn(0, 1, &Breaker { handled: 0, sum: 7 });
    }
    hung.call::<Breaker, _>(0, 1, 72, &BreakInCall { how: SPIN });
    innocent.until("it spins", |device| device.busy(1).is_some() || device.losses().0 > 0);
    innocent.call::<Breaker, _>(0, 1, 71, &Work { rounds });
    trapped.call::<Breaker, _>(0, 1, 73, &BreakInCall { how: TRAP });
    let heard = innocent.hear();
    assert_eq!((heard.op, heard.correlation, u64::decode(&heard.payload)), (OP_REPLY, 71, 7 + rounds));
    for (host, correlation, fault) in [(&mut hung, 72, FAULT_HANG), (&mut trapped, 73, FAULT_TRAP)] {
        assert_eq!(host.hear().op, OP_RETURN);
        let blamed = host.hear();
        assert_eq!((blamed.op, blamed.correlation, blamed.message), (OP_BLAMED, correlation, fault));
    }
    // The trap, the hang in its turn, the trap in its turn; unless this machine is so busy that the hang came first.
    let losses = innocent.device.losses().0;
    assert!((2..=3).contains(&losses), "{losses} losses");
    assert_eq!(innocent.reply::<Breaker, _>(0, 1, &Deposit { n: 1 }), 8 + rounds);
    innocent.end();
}

/// Sizes that no device takes are refused before anything is opened.
fn options_are_checked(options: Options) {
    for (wrong, text) in [
        (Options { capacity: 100, ..options.clone() }, "power of two"),
        (Options { shards: Some(0), ..options.clone() }, "at least one"),
        (Options { rows: 0, ..options.clone() }, "at least one row"),
        (Options { shards: Some(2), inboxes: u32::MAX, ..options.clone() }, "those of 2 shards have 536870912 slots at most"),
    ] {
        let error = Device::start(wrong).expect_err("a wrong size");
        assert!(matches!(error, StartError::Options(_)) && error.to_string().contains(text), "{error}");
    }
}

/// With `RESIDENT_TEST_ISOLATION=thread` the worker is a thread, as tools want it that look into one process.
fn small(device: Choice, cpu_threads: bool) -> Options {
    let isolation = match std::env::var("RESIDENT_TEST_ISOLATION").as_deref() {
        Ok("thread") => Isolation::Thread,
        _ => Isolation::Process,
    };
    Options {
        device,
        cpu_threads,
        isolation,
        shards: Some(1),
        capacity: 256,
        rows: 64,
        reply_lines: 64,
        arena_bytes: 4 << 20,
        ..Options::default()
    }
}

/// The options of a GPU, or nothing if there is none and none is required.
fn gpu() -> Option<Options> {
    let options = small(Choice::Cuda(0), false);
    match Device::start(options.clone()) {
        Ok(device) => device.stop(PATIENCE).expect("it only just started"),
        Err(error) if std::env::var_os("RESIDENT_REQUIRE_GPU").is_none_or(|v| v != "1") => {
            println!("not run: {error}");
            return None;
        }
        Err(error) => panic!("RESIDENT_REQUIRE_GPU=1, and {error}"),
    }
    Some(options)
}

/// Whether a worker can be lost without this process.
fn survives(options: &Options) -> bool {
    let process = options.isolation == Isolation::Process;
    if !process {
        println!("not run: the worker is a thread of this process");
    }
    process
}

macro_rules! suite {
    ($($name:ident)*) => {
        mod cpu { $(#[test] fn $name() { super::$name(super::small(super::Choice::Cpu, false)) })* }
        mod cpu_threads { $(#[test] fn $name() { super::$name(super::small(super::Choice::Cpu, true)) })* }
        mod cuda { $(#[test] fn $name() { if let Some(options) = super::gpu() { super::$name(options) } })* }
    };
}
suite!(order sizes large_state direct refusals panics many_panics failures emits kill kill_meets_the_end stop options_are_checked takeover takeover_of_calls wild_write killed_anywhere killed_in_a_handler takeover_of_several
    cut_whole cut_changed cut_some cut_rings cut_is_consistent load cut_and_kill
    mail mail_cycle mail_drip mail_and_kills killed_with_mail_in_hand
    afar afar_forged afar_strays afar_strays_and_a_loss afar_cut afar_and_kills
    births grants_are_looked_at births_and_a_loss
    warp_works_together block_works_together warp_trips block_trips);

/// More shards than the device holds: the error names both numbers.
#[test]
fn too_many_shards() {
    if let Some(options) = gpu() {
        let error = Device::start(Options { shards: Some(4000), ..options }).expect_err("no device holds so many");
        assert!(matches!(&error, StartError::TooManyShards(text) if text.contains("4000") && text.contains("at most")), "{error}");
    }
}

/// A second engine of this process on a device could not load anything before the first one's kernel ends: it is refused, and may
/// start after.
#[test]
fn one_system_a_device() {
    if let Some(options) = gpu().map(|options| Options { isolation: Isolation::Thread, ..options }) {
        let first = Device::start(options.clone()).unwrap_or_else(|error| panic!("{error}"));
        let error = Device::start(options.clone()).expect_err("the device is taken");
        assert!(matches!(&error, StartError::Busy(text) if text.contains("stop it first")), "{error}");
        first.stop(PATIENCE).expect("it only just started");
        Host::start(options).end();
    }
}
