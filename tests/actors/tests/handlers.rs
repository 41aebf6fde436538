//! What these actors answer, called as the CPU device calls them; the GPU's answers are compared with the same.

use std::mem::{offset_of, size_of};
use std::sync::Mutex;

use resident_kernels::host::{self, Calls, Gpu};
use resident_kernels::prelude::*;
use resident_kernels::wire::{
    CtxRaw, DISPATCH_FAILED, FAULT_FAILED, FAULT_PANIC, Given, LANE_BYTES, LANE_GIVEN, LANE_REPLY, MAX_FAULT_TEXT, MAX_PAYLOAD, ROOM_BYTES,
    SHORT_REPLY,
};
use resident_test_actors::*;

static SENT: Mutex<Vec<(u32, Vec<u8>)>> = Mutex::new(Vec::new());

/// One for all tests, which run side by side: what is emitted goes to `SENT`.
static CALLS: Calls = Calls { emit, ..Calls::NONE };

unsafe extern "C" fn emit(_: *mut CtxRaw, ty: u32, payload: *const u8, len: u32) {
    // SAFETY: `Ctx::emit` hands out a payload of `len` bytes.
    SENT.lock().unwrap().push((ty, unsafe { std::slice::from_raw_parts(payload, len as usize) }.to_vec()));
}

/// A lane, as far as a dispatch sees it.
#[repr(C, align(16))]
struct Lane {
    given: Given,
    places: [u8; LANE_REPLY - size_of::<Given>()],
    reply: [u8; SHORT_REPLY],
    rest: [u8; LANE_BYTES - LANE_REPLY - SHORT_REPLY],
}

const _: () = assert!(offset_of!(Lane, given) == LANE_GIVEN && offset_of!(Lane, reply) == LANE_REPLY);

/// What the engine keeps beside an actor.
#[repr(C, align(16))]
struct Bench<A> {
    ctx: CtxRaw,
    lane: Lane,
    payload: [u8; MAX_PAYLOAD],
    room: [u8; ROOM_BYTES],
    state: A,
}

impl<A: Actor> Bench<A> {
    fn new(state: A) -> Box<Self> {
        let ctx = CtxRaw { generation: 1, ..CtxRaw::NONE };
        assert_eq!(offset_of!(Bench<A>, state) % 16, 0);
        let given = Given { sent: 0, payload: 0, room: 0, message: 0, bytes: 0, asks: 0, said: 0, pad: 0 };
        let (places, reply, rest) = ([0; LANE_REPLY - size_of::<Given>()], [0; SHORT_REPLY], [0; LANE_BYTES - LANE_REPLY - SHORT_REPLY]);
        let lane = Lane { given, places, reply, rest };
        Box::new(Bench { ctx, lane, payload: [0; MAX_PAYLOAD], room: [0; ROOM_BYTES], state })
    }

    fn call<M: Message>(&mut self, msg: &M) -> Result<M::Reply, String>
    where
        A: Handles<M>,
    {
        msg.encode(&mut self.payload);
        let (payload, room) = (self.payload.as_ptr().expose_provenance() as u64, self.room.as_mut_ptr().expose_provenance() as u64);
        let (message, bytes) = (A::INDEX.into(), size_of::<M>() as u32);
        self.lane.given = Given { sent: 0, payload, room, message, bytes, asks: 0, said: 0, pad: 0 };
        self.ctx.lanes = (&raw mut self.lane).expose_provenance() as u64;
        (self.ctx.messages, self.ctx.room) = (1, room);
        // SAFETY: the state is an `A`, the lane's payload has MAX_PAYLOAD bytes, there is room for its reply, all are aligned to 16.
        let bytes = unsafe { (A::KIND.dispatch)(&raw mut self.ctx, (&raw mut self.state).cast(), (&raw mut self.lane).cast()) } as u32;
        match bytes {
            DISPATCH_FAILED => {
                Err(String::from_utf8(self.room[MAX_PAYLOAD..][..self.ctx.text_bytes as usize].to_vec()).expect("a fault's text is UTF-8"))
            }
            bytes => {
                assert_eq!(bytes as usize, size_of::<M::Reply>());
                Ok(M::Reply::decode(if bytes as usize <= SHORT_REPLY { &self.lane.reply[..] } else { &self.room }))
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "finds kinds by the linker's sections")]
fn all_kinds_are_exported_with_their_gpu_code() {
    let [module] = host::modules() else { panic!("one handler crate") };
    let names: Vec<_> = module.kinds.iter().map(|kind| kind.name).collect();
    assert_eq!(
        names,
        [
            "Counter",
            "Echo",
            "Panicker",
            "Emitter",
            "Failer",
            "Big",
            "Breaker",
            "Ledger",
            "Player",
            "Mixer",
            "Kin",
            "WarpTeam",
            "BlockTeam",
            "Alarm",
            "Tile"
        ]
    );
    match module.ptx {
        Gpu::Ptx(text) => assert!(text.contains("resident_kind")),
        Gpu::Missing(text) => assert!(text.contains("rustup") || text.contains("RESIDENT_NVPTX"), "{text}"),
    }
}

#[test]
fn a_counter_counts() {
    let mut bench = Bench::new(Counter::default());
    bench.call(&Add { amount: 5 }).unwrap();
    bench.call(&Tick).unwrap();
    assert_eq!(bench.call(&AddAndGet { amount: 4 }), Ok(10));
    // Each message is one tick of a clock that stands.
    assert_eq!(bench.call(&Get), Ok(Count { total: 10, added: 3, hlc: 4 }));
}

#[test]
fn an_echo_answers_from_request_and_state() {
    let mut bench = Bench::new(Echo::new(77));
    let mut twin = Echo::new(77);
    for nonce in 0..20 {
        let ask = Ask { nonce, words: words(nonce) };
        assert_eq!(bench.call(&ask).unwrap(), twin.answer(&ask));
        twin.remember(nonce);
        let large = AskLarge { nonce, words: words(nonce) };
        assert_eq!(bench.call(&large).unwrap(), twin.answer_large(&large));
        twin.remember(nonce);
        bench.call(&Note { nonce, words: words(nonce) }).unwrap();
        twin.remember(nonce);
    }
    assert_eq!(bench.call(&Recall).unwrap(), History { answered: 60, history: twin.history });
    let torn = bench.call(&Note { nonce: 9, words: words(8) }).unwrap_err();
    assert_eq!(torn, "the words of note 9 are not its own");
    assert_eq!((size_of::<AskLarge>(), size_of::<AnswerLarge>()), (MAX_PAYLOAD, MAX_PAYLOAD));
}

#[test]
fn a_panicker_panics_as_asked() {
    let mut bench = Bench::new(Panicker::default());
    assert_eq!(bench.call(&CountUp), Ok(1));
    for (how, value, text) in [
        (OUT_OF_BOUNDS, 8, "index out of bounds: the len is 8 but the index is 8"),
        (EXPLICIT, 42, "asked to panic with 42"),
        (OVERFLOW, 0, "attempt to divide with overflow"),
        (UNWRAP, 0, "called `Option::unwrap()` on a `None` value"),
    ] {
        for fault in [bench.call(&Panic { how, value }).unwrap_err(), bench.call(&PanicInCall { how, value }).unwrap_err()] {
            assert!(fault.contains("panicker.rs:") && fault.ends_with(text), "{fault}");
            assert_eq!(bench.ctx.fault, u32::from(FAULT_PANIC));
        }
    }
    assert_eq!(bench.call(&PanicInCall { how: LONG, value: 0 }).unwrap_err().len(), MAX_FAULT_TEXT);
    assert_eq!(bench.call(&PanicInCall { how: u32::MAX, value: 0 }), Ok(1), "and counts otherwise");
}

#[test]
fn a_failer_fails_as_asked() {
    let mut bench = Bench::new(Failer::default());
    assert_eq!(bench.call(&FailWith { code: 0 }), Ok(1));
    assert_eq!(bench.call(&FailWith { code: 7 }), Err("asked to fail with code 7".into()));
    assert_eq!(bench.call(&Fail), Err("asked to fail".into()));
    assert_eq!(bench.ctx.fault, u32::from(FAULT_FAILED));
}

#[test]
fn an_emitter_numbers_what_it_emits() {
    host::set_calls(&CALLS);
    let mut bench = Bench::new(Emitter::default());
    bench.call(&EmitLate { count: 3, minutes: 150 }).unwrap();
    assert_eq!(bench.call(&EmitParcel), Ok(3));
    let sent = SENT.lock().unwrap();
    for (number, (ty, bytes)) in sent[..3].iter().enumerate() {
        assert_eq!(*ty, Late::TYPE);
        assert_eq!(Late::decode(bytes), Late { number: number as u64, minutes: 150, row: 0 });
    }
    assert_eq!(sent[3].0, Parcel::TYPE);
    assert_eq!(Parcel::decode(&sent[3].1), Parcel { number: 3, words: words(3) });
}

#[test]
fn a_big_state_is_all_there() {
    assert_eq!(size_of::<Big>(), resident_kernels::wire::MAX_STATE);
    let mut bench = Bench::new(Big::new(3));
    let mut twin = Big::new(3);
    assert_eq!(bench.call(&Digest), Ok(twin.digest()));
    bench.call(&Put { at: 8191, word: 1 }).unwrap();
    twin.words[8191] = 1;
    assert_eq!(bench.call(&Peek { at: 8191 }), Ok(1));
    assert_eq!(bench.call(&Digest), Ok(twin.digest()));
    assert!(bench.call(&Peek { at: 8192 }).unwrap_err().contains("the index is 8192"));
}

#[test]
fn a_team_does_by_itself_what_lanes_do() {
    host::set_calls(&CALLS);
    let mut bench = Bench::new(WarpTeam::default());
    bench.call(&Fill { seed: 5 }).unwrap();
    bench.call(&Prefix).unwrap();
    let sum = (0..TEAM).fold(0u64, |sum, i| sum.wrapping_add(filled(5, i)));
    let totals = bench.call(&Total).unwrap();
    assert_eq!(totals.empty, 0, "nothing of no items");
    bench.call(&Fill { seed: 5 }).unwrap();
    assert_eq!(bench.call(&Total).unwrap().sum, sum);
    let text = bench.call(&Trip { at: 7 }).unwrap_err();
    assert!(text.contains("team.rs:") && text.ends_with(": tripped over 7"), "{text}");
    let mut bench = Bench::new(BlockTeam::default());
    bench.call(&Trip { at: u64::MAX }).unwrap();
    assert_eq!(bench.call(&Total).unwrap().sum, TEAM as u64);
}
