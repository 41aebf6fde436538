//! The resident actors of the chaos example: clerks that keep a sheet of what they have handled, and break on demand.
//!
//! Every entry carries the number that its sender gave it, so the sheet says which entries were handled, not only how many: each
//! sender's form stretches without a hole, a new one only where an incarnation has gone on with the sheet of one that failed.
#![no_std]
#![cfg_attr(resident_nightly, feature(core_intrinsics), allow(internal_features, reason = "a real trap"))]

use core::hint::black_box;
use core::ptr;

use resident_kernels::prelude::*;

/// Senders, each with numbers of its own.
pub const LANES: usize = 6;
/// Words beside the sheet of a [`Vault`]: its state is larger than what a loss is undone for.
pub const SHELF: usize = 64;
/// A [`Courier`] sends a slip for an entry in so many.
pub const SLIP_EVERY: u32 = 4;

/// Of so many entries, so many take their time: without them a worker is hardly ever lost in the middle of one. The first of them has
/// sent a slip, the second has not.
const HEAVY: (u32, u32) = (16, 2);
/// Rounds of a loop.
const WORK: u32 = 20_000;

/// A panic.
pub const PANIC: u32 = 0;
/// `ctx.fail`.
pub const FAIL: u32 = 1;
/// An emitted message larger than a frame.
pub const OVERSIZED: u32 = 2;
/// A trap; on a CPU `abort`.
pub const TRAP: u32 = 3;
/// A read of an address that is nobody's.
pub const WILD_READ: u32 = 4;
/// A loop without end.
pub const SPIN: u32 = 5;

/// An address where neither a GPU nor a CPU has anything.
const NOWHERE: usize = 1 << 46 | 1 << 20;

/// What was handled of one sender.
#[derive(Plain, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Run {
    /// The first number of the last stretch; 0 before the first.
    pub since: u32,
    /// The last number handled.
    pub last: u32,
    /// Stretches before the last one.
    pub gaps: u32,
    /// Always 0.
    pub spare: u32,
    /// All numbers handled, folded together in their order.
    pub fold: u64,
}

/// What a clerk has handled.
#[derive(Reply, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Sheet {
    /// Whose sheet it is: given at the start, never twice.
    pub life: u64,
    /// Entries handled.
    pub handled: u64,
    /// Entries begun and entries ended: they differ while one is being handled.
    pub begun: u64,
    /// See `begun`.
    pub ended: u64,
    /// By sender.
    pub runs: [Run; LANES],
}

/// An entry that nobody waits for.
#[derive(Message, Clone, Copy, Debug)]
#[repr(C)]
pub struct Entry {
    /// The sender.
    pub lane: u32,
    /// Counts the sender's entries up from 1.
    pub number: u32,
}

/// An entry whose sender waits for a receipt.
#[derive(Message, Clone, Copy, Debug)]
#[reply(Receipt)]
#[repr(C)]
pub struct Query {
    /// The sender.
    pub lane: u32,
    /// Counts the sender's entries up from 1.
    pub number: u32,
}

/// The answer to a [`Query`].
#[derive(Reply, Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Receipt {
    /// The sheet that it was entered on.
    pub life: u64,
    /// [`proof`] of life and number.
    pub proof: u64,
    /// Its number.
    pub number: u32,
    /// From which number on all are on the sheet.
    pub since: u32,
}

/// Breaks.
#[derive(Message, Clone, Copy, Debug)]
#[repr(C)]
pub struct Break {
    /// How: [`PANIC`] and the others.
    pub how: u32,
}

/// Breaks instead of an answer.
#[derive(Message, Clone, Copy, Debug)]
#[reply(u64)]
#[repr(C)]
pub struct BreakInCall {
    /// How: [`PANIC`] and the others.
    pub how: u32,
}

/// Asks for the sheet.
#[derive(Message, Clone, Copy, Debug)]
#[reply(Sheet)]
pub struct Balance;

/// A courier's word that it has handled an entry.
#[derive(Emit, Clone, Copy, Debug)]
#[repr(C)]
pub struct Slip {
    /// The courier's sheet.
    pub life: u64,
    /// The sender.
    pub lane: u32,
    /// The entry's number.
    pub number: u32,
}

/// More than a frame carries. The derive refuses it, so the trait is implemented by hand.
#[derive(Plain)]
#[repr(C)]
struct Oversized {
    words: [u64; 128],
}

impl Emit for Oversized {
    const NAME: &'static str = "Oversized";
    const TYPE: u32 = 0x0b1e;
}

/// Mixes two words.
#[inline]
pub fn mix(a: u64, b: u64) -> u64 {
    let mut x = a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^ (x >> 32)
}

/// What only a clerk that has this sheet and this entry answers.
#[inline]
pub fn proof(life: u64, number: u32) -> u64 {
    mix(mix(life, 0x7265_6369), u64::from(number))
}

impl Sheet {
    /// An empty sheet.
    pub fn new(life: u64) -> Sheet {
        Sheet { life, ..Sheet::default() }
    }

    /// Enters `number` of `lane`. In between the sheet is half of one thing and half of another.
    #[inline]
    pub fn enter(&mut self, lane: u32, number: u32) {
        *black_box(&mut self.begun) += 1;
        let run = &mut self.runs[lane as usize % LANES];
        if run.since == 0 {
            run.since = number;
        } else if number != run.last.wrapping_add(1) {
            run.since = number;
            run.gaps += 1;
        }
        run.last = number;
        run.fold = mix(run.fold, u64::from(number));
        if number % HEAVY.0 < HEAVY.1 {
            for round in 0..WORK {
                black_box(round);
            }
        }
        *black_box(&mut self.handled) += 1;
        *black_box(&mut self.ended) += 1;
    }

    /// The receipt of an entry that was entered just now.
    pub fn receipt(&self, lane: u32, number: u32) -> Receipt {
        Receipt { life: self.life, proof: proof(self.life, number), number, since: self.runs[lane as usize % LANES].since }
    }
}

/// A clerk whose state is small: what it was doing when somebody else broke the device is undone and done again.
#[derive(State, Clone, Copy, Debug)]
#[repr(C)]
pub struct Till {
    /// What it has handled.
    pub sheet: Sheet,
}

/// A clerk that sends slips: what was seen outside can not be undone.
#[derive(State, Clone, Copy, Debug)]
#[repr(C)]
pub struct Courier {
    /// What it has handled.
    pub sheet: Sheet,
    /// Slips sent.
    pub slips: u64,
}

/// A clerk whose state is too large to be undone.
#[derive(State, Clone, Copy, Debug)]
#[repr(C)]
pub struct Vault {
    /// What it has handled.
    pub sheet: Sheet,
    /// Entries by their number's remainder.
    pub shelf: [u64; SHELF],
}

impl Till {
    fn enter(&mut self, lane: u32, number: u32, _ctx: &mut Ctx) {
        self.sheet.enter(lane, number);
    }
}

impl Courier {
    fn enter(&mut self, lane: u32, number: u32, ctx: &mut Ctx) {
        if number.is_multiple_of(SLIP_EVERY) {
            ctx.emit(Slip { life: self.sheet.life, lane, number });
            self.slips += 1;
        }
        self.sheet.enter(lane, number);
    }
}

impl Vault {
    fn enter(&mut self, lane: u32, number: u32, _ctx: &mut Ctx) {
        self.shelf[number as usize % SHELF] += 1;
        self.sheet.enter(lane, number);
    }
}

macro_rules! clerks {
    ($($kind:ident)*) => { $(
        #[actor(budget_ms = 400)]
        impl $kind {
            fn entry(&mut self, msg: &Entry, ctx: &mut Ctx) {
                self.enter(msg.lane, msg.number, ctx);
            }

            fn query(&mut self, msg: &Query, ctx: &mut Ctx) -> Receipt {
                self.enter(msg.lane, msg.number, ctx);
                self.sheet.receipt(msg.lane, msg.number)
            }

            fn break_now(&mut self, msg: &Break, ctx: &mut Ctx) {
                break_down(msg.how, &self.sheet, ctx);
            }

            fn break_in_call(&mut self, msg: &BreakInCall, ctx: &mut Ctx) -> u64 {
                break_down(msg.how, &self.sheet, ctx);
                0
            }

            fn balance(&mut self, _: &Balance, _ctx: &mut Ctx) -> Sheet {
                self.sheet
            }
        }
    )* };
}
clerks!(Till Courier Vault);
resident_kernels::export!(Till, Courier, Vault);

#[inline(never)]
fn break_down(how: u32, sheet: &Sheet, ctx: &mut Ctx) {
    match how {
        PANIC => panic!("asked to panic after {} entries", sheet.handled),
        FAIL => ctx.fail(format_args!("asked to fail after {} entries", sheet.handled)),
        OVERSIZED => emit_oversized(ctx),
        TRAP => trap(),
        WILD_READ => {
            // SAFETY: not safe, which is the point: nothing is mapped there.
            black_box(unsafe { ptr::read_volatile(ptr::without_provenance::<u64>(NOWHERE)) });
        }
        _ => while black_box(sheet.handled) == sheet.handled {},
    }
}

/// Out of line: a large value takes stack.
#[inline(never)]
fn emit_oversized(ctx: &mut Ctx) {
    ctx.emit(Oversized { words: [0; 128] });
}

#[cfg(all(target_arch = "nvptx64", resident_nightly))]
fn trap() -> ! {
    core::intrinsics::abort()
}

/// Without a nightly's word for a trap, the driver's for a failed assertion.
#[cfg(all(target_arch = "nvptx64", not(resident_nightly)))]
fn trap() -> ! {
    unsafe extern "C" {
        fn __assertfail(message: *const u8, file: *const u8, line: u32, function: *const u8, bytes: usize) -> !;
    }
    // SAFETY: every text ends with a zero.
    unsafe { __assertfail(c"asked to".as_ptr().cast(), c"chaos".as_ptr().cast(), 0, c"trap".as_ptr().cast(), 1) }
}

#[cfg(not(target_arch = "nvptx64"))]
fn trap() -> ! {
    unsafe extern "C" {
        safe fn abort() -> !;
    }
    abort()
}
