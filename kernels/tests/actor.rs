//! A kind, its handlers called as the CPU device calls them, and its message enum.
#![cfg(feature = "host")]

use std::mem::size_of;
use std::sync::Mutex;

use resident_kernels::actor::Kind;
use resident_kernels::host::{self, Calls};
use resident_kernels::prelude::*;
use resident_kernels::wire::{CtxRaw, DISPATCH_FAILED, DISPATCH_UNKNOWN, FAULT_FAILED, FAULT_PANIC, MAX_PAYLOAD, ROOM_BYTES};

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
}

resident_kernels::export!(Gate);

/// What the engine keeps beside an actor.
#[repr(C, align(16))]
struct Bench {
    ctx: CtxRaw,
    payload: [u8; MAX_PAYLOAD],
    reply: [u8; MAX_PAYLOAD],
    room: [u8; ROOM_BYTES],
    state: Aligned,
}

#[repr(C, align(16))]
struct Aligned(Gate);

impl Bench {
    fn new(open: u32) -> Box<Self> {
        let hlc = resident_kernels::clock::stamp(1234, 5);
        let ctx = CtxRaw { hlc, row: 7, generation: 2, shard: 1, system: 9, ..CtxRaw::NONE };
        Box::new(Bench {
            ctx,
            payload: [0xff; MAX_PAYLOAD],
            reply: [0xff; MAX_PAYLOAD],
            room: [0xff; ROOM_BYTES],
            state: Aligned(Gate { open, passed: 0 }),
        })
    }

    fn send<M: Message>(&mut self, msg: &M) -> u32
    where
        Gate: Handles<M>,
    {
        msg.encode(&mut self.payload);
        self.raw(u32::from(<Gate as Handles<M>>::INDEX), size_of::<M>() as u32)
    }

    fn raw(&mut self, message: u32, len: u32) -> u32 {
        let state = (&raw mut self.state.0).cast();
        self.ctx.room = self.room.as_mut_ptr().expose_provenance() as u64;
        let (payload, ctx, reply) = (self.payload.as_ptr(), &raw mut self.ctx, self.reply.as_mut_ptr());
        // SAFETY: the state is a `Gate`; payload and reply have MAX_PAYLOAD bytes; all are aligned to 16.
        unsafe { (Gate::KIND.dispatch)(message, state, payload, len, ctx, reply) }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.room[MAX_PAYLOAD..][..self.ctx.text_bytes as usize]).unwrap()
    }
}

#[test]
fn a_kind_says_what_it_handles() {
    let kind: &Kind = Gate::KIND;
    assert_eq!((kind.name, kind.state_bytes, kind.state_align), ("Gate", 16, 8));
    let messages: Vec<_> = kind.messages.iter().map(|m| (m.name, m.bytes, m.reply_bytes)).collect();
    assert_eq!(messages, [("Pass", 4, 0), ("Close", 0, 0), ("Ask", 0, 16), ("AskPowers", 8, 320)]);
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
    assert_eq!(Passed::decode(&bench.reply), Passed { open: 1, passed: 3 });
    assert_eq!(bench.send(&AskPowers { base: 3 }), 320);
    let powers = <[u64; 40]>::decode(&bench.room);
    assert_eq!(powers[..4], [1, 3, 9, 27]);
}

#[test]
fn unknown_messages_and_other_sizes_are_refused() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.raw(4, 0), DISPATCH_UNKNOWN);
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
fn emitted_messages_go_to_the_engine() {
    static SENT: Mutex<Vec<(u32, u32, Vec<u8>)>> = Mutex::new(Vec::new());
    unsafe extern "C" fn emit(ctx: *mut CtxRaw, ty: u32, payload: *const u8, len: u32) {
        // SAFETY: `Ctx::emit` hands out its context and a payload of `len` bytes.
        let (row, payload) = unsafe { ((*ctx).row, std::slice::from_raw_parts(payload, len as usize)) };
        SENT.lock().unwrap().push((row, ty, payload.to_vec()));
    }
    host::set_calls(&Calls { emit, ..Calls::NONE });
    let mut bench = Bench::new(1);
    assert_eq!(bench.send(&Pass { count: 101 }), 0);
    let sent = SENT.lock().unwrap();
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
        assert!(msg.completion().is_none());
        assert_eq!((GateMsg::Close.index(), GateMsg::Close.encode(&mut out)), (1, 0));
    }

    #[test]
    fn a_call_is_completed_by_its_bytes() {
        let (port, mut receiver) = port();
        let msg = GateMsg::Ask(port);
        assert!(msg.wants_reply());
        let complete = msg.completion().unwrap();
        let mut bytes = [0; size_of::<Passed>()];
        let passed = Passed { open: 1, passed: 5 };
        passed.encode(&mut bytes);
        complete(&bytes);
        assert_eq!(receiver.try_recv().unwrap(), passed);
    }

    #[test]
    fn a_call_with_fields_carries_both() {
        let (port, mut receiver) = port();
        let msg = GateMsg::AskPowers(AskPowers { base: 3 }, port);
        let mut out = [0; MAX_PAYLOAD];
        assert_eq!((msg.index(), msg.encode(&mut out)), (3, 8));
        assert_eq!(out[0], 3);
        drop(msg.completion());
        assert_eq!(receiver.try_recv().unwrap_err(), tokio::sync::oneshot::error::TryRecvError::Closed);
    }

    #[test]
    fn a_short_reply_closes_the_port() {
        let (port, mut receiver) = port();
        GateMsg::Ask(port).completion().unwrap()(&[0; 3]);
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
