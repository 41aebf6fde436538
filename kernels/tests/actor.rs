//! A kind, its handlers called as the CPU device calls them, and its message enum.
#![cfg(feature = "host")]

use std::mem::{offset_of, size_of};
use std::sync::Mutex;

use resident_kernels::actor::Kind;
use resident_kernels::host::{self, Calls};
use resident_kernels::prelude::*;
use resident_kernels::wire::{
    BUSY_MESSAGE, CtxRaw, DISPATCH_DONE, DISPATCH_FAILED, DISPATCH_KILL, DISPATCH_STOP, DISPATCH_UNKNOWN, FAULT_FAILED, FAULT_PANIC, Given,
    HOLD_BYTES, HOLDS, HOLDS_CLOSED, LANE_BYTES, LANE_GIVEN, LANE_PLACE, LANE_REPLY, MAX_PAYLOAD, OP_TELL, Outgoing, Pulse, ROOM_BYTES,
    RawAddress, ReplyTo, SHORT_REPLY,
};

#[derive(State, Default, Debug, Clone, PartialEq)]
#[repr(C)]
struct Gate {
    open: u32,
    passed: u64,
}

#[derive(Message)]
#[repr(C)]
struct Pass {
    count: u32,
}

#[derive(Message)]
struct Close;

#[derive(Message)]
#[reply(Passed)]
struct Ask;

#[derive(Message)]
#[reply([u64; 40])]
#[repr(C)]
struct AskPowers {
    base: u64,
}

#[derive(Message)]
#[repr(C)]
struct Relay {
    times: u32,
}

#[derive(Reply, Debug, PartialEq)]
#[repr(C)]
struct Passed {
    open: u32,
    passed: u64,
}

#[derive(Emit, Debug, PartialEq)]
#[repr(C)]
struct Crowded {
    count: u32,
    row: u32,
}

#[actor]
impl Gate {
    /// Lets some pass.
    fn pass(&mut self, msg: &Pass, ctx: &mut Ctx) {
        assert!(self.open != 0, "{} before a closed gate", msg.count);
        if msg.count > 100 {
            ctx.emit(Crowded { count: msg.count, row: ctx.address::<Self>().row() });
        }
        self.passed += u64::from(msg.count);
    }

    fn close(&mut self, _: &Close, ctx: &mut Ctx) {
        if self.open == 0 {
            ctx.fail(format_args!("closed twice, at {}", ctx.now()));
            ctx.fail("only the first reason counts");
        }
        self.open = 0;
    }

    fn ask(&self, _: &Ask, _ctx: &mut Ctx) -> Passed {
        Passed { open: self.open, passed: self.passed }
    }

    fn ask_powers(&mut self, msg: &AskPowers, _ctx: &mut Ctx<'_>) -> [u64; 40] {
        core::array::from_fn(|i| msg.base.wrapping_pow(i as u32))
    }

    fn relay(&mut self, msg: &Relay, ctx: &mut Ctx) {
        for count in 0..msg.times {
            let me = ctx.address::<Self>();
            ctx.send(&me, Pass { count });
        }
    }
}

resident_kernels::export!(Gate);

const LANES: usize = 3;

/// A lane, as far as a dispatch sees it.
#[repr(C, align(16))]
struct Lane {
    given: Given,
    place: Outgoing,
    placed: [u8; 32],
    reply: [u8; SHORT_REPLY],
    rest: [u8; LANE_BYTES - LANE_REPLY - SHORT_REPLY],
}

const _: () =
    assert!(offset_of!(Lane, given) == LANE_GIVEN && offset_of!(Lane, place) == LANE_PLACE && offset_of!(Lane, reply) == LANE_REPLY);
const _: () = assert!(size_of::<Lane>() == LANE_BYTES);

/// What the engine keeps beside an actor.
#[repr(C, align(16))]
struct Bench {
    ctx: CtxRaw,
    lanes: [Lane; LANES],
    payloads: [Payload; LANES],
    room: [u8; ROOM_BYTES],
    state: Aligned,
    pulse: Pulse,
    holds: [Hold; HOLDS],
    busy: u64,
}

#[repr(C, align(16))]
struct Hold(Outgoing, [u8; 32]);

const _: () = assert!(size_of::<Hold>() == HOLD_BYTES);

#[repr(C, align(16))]
struct Payload([u8; MAX_PAYLOAD]);

#[repr(C, align(16))]
struct Aligned(Gate);

impl Bench {
    fn new(open: u32) -> Box<Self> {
        let hlc = resident_kernels::clock::stamp(1234, 5);
        let ctx = CtxRaw { hlc, row: 7, generation: 2, shard: 1, system: 9, ..CtxRaw::NONE };
        let given = || Given { sent: 0, payload: 0, room: 0, message: 0, bytes: 0, asks: 0, said: 0, pad: 0 };
        let place = || Outgoing { op: 0, to: 0, row: 0, generation: 0, correlation: 0, message: 0, bytes: 0, system: 0 };
        let lane = |_| Lane {
            given: given(),
            place: place(),
            placed: [0; 32],
            reply: [0xff; SHORT_REPLY],
            rest: [0; LANE_BYTES - LANE_REPLY - SHORT_REPLY],
        };
        Box::new(Bench {
            ctx,
            lanes: std::array::from_fn(lane),
            payloads: std::array::from_fn(|_| Payload([0xff; MAX_PAYLOAD])),
            room: [0xff; ROOM_BYTES],
            state: Aligned(Gate { open, passed: 0 }),
            pulse: Pulse { now: 0, kill: 0, pad: 0 },
            holds: std::array::from_fn(|_| Hold(place(), [0; 32])),
            busy: 0,
        })
    }

    /// Has a lane take a message.
    fn give<M: Message>(&mut self, lane: usize, msg: &M)
    where
        Gate: Handles<M>,
    {
        msg.encode(&mut self.payloads[lane].0);
        self.give_raw(lane, u32::from(<Gate as Handles<M>>::INDEX), size_of::<M>() as u32);
    }

    fn give_raw(&mut self, lane: usize, message: u32, bytes: u32) {
        let given = &mut self.lanes[lane].given;
        (given.message, given.bytes, given.asks) = (message, bytes, 0);
        self.ctx.messages |= 1 << lane;
    }

    /// Handles what lanes have taken: how that has ended, and at what.
    fn handle(&mut self) -> (u32, u32) {
        let room = self.room.as_mut_ptr().expose_provenance() as u64;
        for (lane, payload) in self.lanes.iter_mut().zip(&self.payloads) {
            (lane.given.room, lane.given.payload) = (room, payload.0.as_ptr().expose_provenance() as u64);
        }
        self.ctx.lanes = self.lanes.as_mut_ptr().expose_provenance() as u64;
        self.ctx.pulse = (&raw mut self.pulse).expose_provenance() as u64;
        self.ctx.busy = (&raw mut self.busy).expose_provenance() as u64;
        self.ctx.holds = self.holds.as_mut_ptr().expose_provenance() as u64;
        let first = self.ctx.messages.trailing_zeros() as usize;
        let given = self.lanes.as_mut_ptr().wrapping_add(first).cast::<Given>();
        (self.ctx.sent, self.ctx.room) = (self.lanes[first].given.sent, room);
        // SAFETY: the state is a `Gate`; each lane that has a message has its payload, room for its reply and for what it sends; all are
        // aligned to 16, and nobody else has any of it.
        let ended = unsafe { (Gate::KIND.dispatch)(&raw mut self.ctx, (&raw mut self.state.0).cast(), given) };
        ((ended >> 32) as u32, ended as u32)
    }

    /// Handles one message. What has come of it: the bytes of its reply, if nothing else.
    fn send<M: Message>(&mut self, msg: &M) -> u32
    where
        Gate: Handles<M>,
    {
        msg.encode(&mut self.payloads[0].0);
        self.raw(u32::from(<Gate as Handles<M>>::INDEX), size_of::<M>() as u32)
    }

    fn raw(&mut self, message: u32, len: u32) -> u32 {
        self.ctx.messages = 0;
        self.give_raw(0, message, len);
        self.handle().1
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.room[MAX_PAYLOAD..][..self.ctx.text_bytes as usize]).unwrap()
    }
}

/// One for all tests, which run side by side.
static CALLS: Calls = Calls { emit, send, ..Calls::NONE };
static EMITTED: Mutex<Vec<(u32, u32, Vec<u8>)>> = Mutex::new(Vec::new());
static SENT: Mutex<Vec<u32>> = Mutex::new(Vec::new());

unsafe extern "C" fn emit(ctx: *mut CtxRaw, ty: u32, payload: *const u8, len: u32) {
    // SAFETY: `Ctx::emit` hands out its context and a payload of `len` bytes.
    let (row, payload) = unsafe { ((*ctx).row, std::slice::from_raw_parts(payload, len as usize)) };
    EMITTED.lock().unwrap().push((row, ty, payload.to_vec()));
}

unsafe extern "C" fn send(_: *mut CtxRaw, _: *const RawAddress, _: u32, payload: *const u8, _: u32, _: *const ReplyTo) {
    // SAFETY: `Ctx::send` hands out a payload, here of a `Pass`.
    SENT.lock().unwrap().push(unsafe { payload.cast::<u32>().read() });
}

#[test]
fn a_kind_says_what_it_handles() {
    let kind: &Kind = Gate::KIND;
    assert_eq!((kind.name, kind.state_bytes, kind.state_align), ("Gate", 16, 8));
    let messages: Vec<_> = kind.messages.iter().map(|m| (m.name, m.bytes, m.reply_bytes)).collect();
    assert_eq!(messages, [("Pass", 4, 0), ("Close", 0, 0), ("Ask", 0, 16), ("AskPowers", 8, 320), ("Relay", 4, 0)]);
    assert_eq!(<Gate as Handles<Ask>>::INDEX, 2);
}

#[test]
#[cfg_attr(miri, ignore = "finds kinds by the linker's sections")]
fn an_exported_kind_is_found() {
    let module = &host::modules()[0];
    assert_eq!(module.krate, "resident-kernels");
    assert_eq!(module.kinds[0].name, "Gate");
    assert!(matches!(module.ptx, host::Gpu::Missing(text) if text.contains("build.rs")));
    assert_eq!(host::locate(Gate::KIND), Some((0, 0)));
}

#[test]
fn messages_reach_their_handlers_and_replies_come_back() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.send(&Pass { count: 3 }), 0);
    assert_eq!(bench.send(&Ask), 16);
    assert_eq!(Passed::decode(&bench.lanes[0].reply), Passed { open: 1, passed: 3 });
    assert_eq!(bench.send(&AskPowers { base: 3 }), 320);
    let powers = <[u64; 40]>::decode(&bench.room);
    assert_eq!(powers[..4], [1, 3, 9, 27]);
}

#[test]
fn unknown_messages_and_other_sizes_are_refused() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.raw(5, 0), DISPATCH_UNKNOWN);
    assert_eq!(bench.raw(0, 5), DISPATCH_UNKNOWN);
    assert_eq!(bench.raw(u32::MAX, 4), DISPATCH_UNKNOWN);
    assert_eq!(bench.state.0.passed, 0);
}

#[test]
fn a_panic_is_a_fault_with_its_place() {
    let mut bench = Bench::new(0);
    for count in 0..3 {
        bench.ctx.fault = 0;
        assert_eq!(bench.send(&Pass { count }), DISPATCH_FAILED);
        assert_eq!(bench.ctx.fault, u32::from(FAULT_PANIC));
        assert!(bench.text().contains("actor.rs:"), "{}", bench.text());
        assert!(bench.text().ends_with(&format!(": {count} before a closed gate")), "{}", bench.text());
    }
}

#[test]
fn a_handler_can_fail_its_actor() {
    let mut bench = Bench::new(0);
    assert_eq!(bench.send(&Close), DISPATCH_FAILED);
    assert_eq!(bench.ctx.fault, u32::from(FAULT_FAILED));
    assert_eq!(bench.text(), "closed twice, at 1234");
}

#[test]
fn an_actors_messages_are_handled_in_one_call_in_their_order() {
    let mut bench = Bench::new(1);
    bench.give(0, &Pass { count: 3 });
    bench.give(1, &Ask);
    bench.give(2, &Pass { count: 4 });
    bench.pulse.now = 99;
    assert_eq!(bench.handle(), (DISPATCH_DONE, 0));
    assert_eq!((bench.ctx.messages, bench.state.0.passed, bench.ctx.now), (0, 7, 99));
    assert_eq!((bench.lanes[1].given.said, Passed::decode(&bench.lanes[1].reply)), (16, Passed { open: 1, passed: 3 }));
    assert_eq!(bench.busy, 2 * BUSY_MESSAGE);
}

#[test]
fn what_is_not_just_handled_ends_the_call() {
    let mut bench = Bench::new(0);
    bench.give(0, &Ask);
    bench.give(1, &Close);
    bench.give(2, &Ask);
    assert_eq!((bench.handle(), bench.ctx.messages), ((DISPATCH_STOP, DISPATCH_FAILED), 0b110));
    assert_eq!((bench.lanes[0].given.said, bench.lanes[2].given.said), (16, 0));

    // A reply that the engine sends.
    let mut bench = Bench::new(1);
    bench.give(0, &Ask);
    bench.give(1, &Pass { count: 1 });
    bench.lanes[0].given.asks = 1;
    assert_eq!((bench.handle(), bench.ctx.messages, bench.state.0.passed), ((DISPATCH_STOP, 16), 0b11, 0));

    let mut bench = Bench::new(1);
    bench.give(0, &Pass { count: 1 });
    bench.give(2, &Pass { count: 1 });
    bench.pulse.kill = 1;
    assert_eq!((bench.handle(), bench.ctx.messages, bench.state.0.passed, bench.busy), ((DISPATCH_KILL, 0), 0b100, 1, 0));
    bench.ctx.kills = 1;
    assert_eq!((bench.handle(), bench.ctx.messages, bench.state.0.passed), ((DISPATCH_DONE, 0), 0, 2));
}

#[test]
fn what_is_sent_goes_to_free_places_then_beside_them_and_then_to_the_engine() {
    host::set_calls(&CALLS);
    let mut bench = Bench::new(1);
    bench.give(1, &Relay { times: 1 });
    const BESIDE: u32 = HOLDS as u32;
    bench.give(2, &Relay { times: BESIDE + 2 });
    (bench.ctx.places, bench.ctx.held) = (0b110, 0);
    assert_eq!((bench.handle(), bench.ctx.places, bench.ctx.placed, bench.ctx.held), ((DISPATCH_DONE, 0), 0, 0b110, BESIDE));
    for (lane, count) in [(1, 0), (2, 0)] {
        let Lane { place, placed, .. } = &bench.lanes[lane];
        assert_eq!((place.row, place.generation, place.system, place.to, place.bytes), (7, 2, 9, 1, 4));
        assert_eq!(u32::decode(placed), count);
    }
    for (n, Hold(frame, payload)) in bench.holds.iter().enumerate() {
        assert_eq!((frame.op, frame.row, frame.system, frame.bytes, u32::decode(payload)), (u32::from(OP_TELL), 7, 9, 4, n as u32 + 1));
    }
    assert_eq!(*SENT.lock().unwrap(), [BESIDE + 1]);

    // Behind what the engine has taken comes what it takes, too.
    let mut bench = Bench::new(1);
    bench.ctx.held = 3 | HOLDS_CLOSED;
    bench.send(&Relay { times: 1 });
    assert_eq!((bench.ctx.held, SENT.lock().unwrap().len()), (3 | HOLDS_CLOSED, 2));
}

#[test]
fn emitted_messages_go_to_the_engine() {
    host::set_calls(&CALLS);
    let mut bench = Bench::new(1);
    assert_eq!(bench.send(&Pass { count: 101 }), 0);
    let sent = EMITTED.lock().unwrap();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].0, sent[0].1), (7, Crowded::TYPE));
    assert_eq!(Crowded::decode(&sent[0].2), Crowded { count: 101, row: 7 });
}

#[cfg(feature = "ractor")]
mod ractor_enum {
    use super::*;
    use ractor::RpcReplyPort;
    use resident_kernels::host::{Cross, Envelope};

    fn port<T>() -> (RpcReplyPort<T>, tokio::sync::oneshot::Receiver<T>) {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        (sender.into(), receiver)
    }

    #[test]
    fn a_cast_is_its_index_and_bytes() {
        let mut out = [0xff; MAX_PAYLOAD];
        let msg = GateMsg::Pass(Pass { count: 9 });
        assert_eq!((msg.index(), msg.encode(&mut out)), (0, 4));
        assert_eq!(out[..4], [9, 0, 0, 0]);
        assert!(!msg.wants_reply());
        assert!(msg.answer().is_none());
        assert_eq!((GateMsg::Close.index(), GateMsg::Close.encode(&mut out)), (1, 0));
    }

    #[test]
    fn a_call_is_answered_by_its_bytes() {
        let (port, mut receiver) = port();
        let msg = GateMsg::Ask(port);
        assert!(msg.wants_reply());
        let answer = msg.answer().unwrap();
        let mut bytes = [0; size_of::<Passed>()];
        let passed = Passed { open: 1, passed: 5 };
        passed.encode(&mut bytes);
        answer.end(Ok(&bytes));
        assert_eq!(receiver.try_recv().unwrap(), passed);
    }

    #[test]
    fn a_call_with_fields_carries_both() {
        let (port, mut receiver) = port();
        let msg = GateMsg::AskPowers(AskPowers { base: 3 }, port);
        let mut out = [0; MAX_PAYLOAD];
        assert_eq!((msg.index(), msg.encode(&mut out)), (3, 8));
        assert_eq!(out[0], 3);
        drop(msg.answer());
        assert_eq!(receiver.try_recv().unwrap_err(), tokio::sync::oneshot::error::TryRecvError::Closed);
    }

    #[test]
    fn a_short_reply_closes_the_port() {
        let (port, mut receiver) = port();
        GateMsg::Ask(port).answer().unwrap().end(Ok(&[0; 3]));
        assert!(receiver.try_recv().is_err());
    }

    #[test]
    fn casts_cross_to_another_node_and_calls_do_not() {
        let there = |msg: GateMsg| GateMsg::of_bytes(msg.to_bytes());
        assert!(matches!(there(GateMsg::Pass(Pass { count: 9 })), GateMsg::Pass(Pass { count: 9 })));
        assert!(matches!(there(GateMsg::Close), GateMsg::Close));
        let (port, mut receiver) = port();
        let lost = there(GateMsg::Ask(port));
        assert_eq!(lost.index(), u16::MAX);
        assert!(!lost.wants_reply());
        assert!(receiver.try_recv().is_err(), "the caller sees its port closed");
        for bytes in [vec![], vec![0], vec![0, 0, 1], vec![9, 9], vec![2, 0]] {
            assert_eq!(GateMsg::of_bytes(bytes).index(), u16::MAX);
        }
    }

    #[test]
    fn the_enum_is_a_message_of_ractors() {
        fn is_message<M: ractor::Message>() {}
        is_message::<GateMsg>();
        assert_eq!(format!("{:?}", GateMsg::Pass(Pass { count: 1 })), "Pass");
    }

    /// An actor in a function: macros and all stay in there.
    #[test]
    fn an_actor_can_be_local() {
        #[derive(State)]
        #[repr(C)]
        struct Local {
            n: u32,
        }
        #[derive(Message)]
        #[reply(u32)]
        struct Next;
        #[actor]
        impl Local {
            fn next(&mut self, _: &Next, _ctx: &mut Ctx) -> u32 {
                self.n += 1;
                self.n
            }
        }
        let (port, _receiver) = port();
        assert_eq!(LocalMsg::Next(port).index(), 0);
    }
}
