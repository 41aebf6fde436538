//! Breaks the device that it runs on, on demand: what a panic can not show.

use core::hint::black_box;
use core::ptr;

use resident_kernels::prelude::*;

/// A trap; on a CPU `abort`.
pub const TRAP: u32 = 0;
/// A read of an address that is nobody's.
pub const WILD_READ: u32 = 1;
/// A loop without end.
pub const SPIN: u32 = 2;
/// A write to an address that is nobody's. A GPU says so later, when the handler has come to its end.
pub const WILD_WRITE: u32 = 3;

/// An address where neither a GPU nor a CPU has anything.
const NOWHERE: usize = 1 << 46 | 1 << 20;

/// Adds up, until it breaks.
#[derive(State, Default, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Breaker {
    /// Messages handled.
    pub handled: u64,
    /// The sum of what was added.
    pub sum: u64,
}

/// Adds, and answers the sum.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
#[repr(C)]
pub struct Deposit {
    /// What is added.
    pub n: u64,
}

/// Breaks.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Break {
    /// How: [`TRAP`] and the others; anything else breaks nothing.
    pub how: u32,
}

/// Breaks instead of an answer.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
#[repr(C)]
pub struct BreakInCall {
    /// How: [`TRAP`] and the others; anything else breaks nothing.
    pub how: u32,
}

/// Adds one so many times, and answers the sum: for as long as that takes, the state is half of one thing and half of another.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
#[repr(C)]
pub struct Work {
    /// How many times.
    pub rounds: u64,
}

impl Breaker {
    fn break_down(&mut self, how: u32) {
        match how {
            TRAP => trap(),
            // SAFETY: not safe, which is the point: nothing is mapped there.
            WILD_READ => self.sum += unsafe { ptr::read_volatile(ptr::without_provenance::<u64>(NOWHERE)) },
            // SAFETY: as above.
            WILD_WRITE => unsafe { ptr::write_volatile(ptr::without_provenance_mut::<u64>(NOWHERE), 1) },
            SPIN => while black_box(self.handled) == self.handled {},
            _ => {}
        }
    }
}

#[cfg(all(target_arch = "nvptx64", resident_nightly))]
pub(crate) fn trap() -> ! {
    core::intrinsics::abort()
}

/// Without a nightly's word for a trap, the driver's for a failed assertion.
#[cfg(all(target_arch = "nvptx64", not(resident_nightly)))]
pub(crate) fn trap() -> ! {
    unsafe extern "C" {
        fn __assertfail(message: *const u8, file: *const u8, line: u32, function: *const u8, bytes: usize) -> !;
    }
    // SAFETY: every text ends with a zero.
    unsafe { __assertfail(c"asked to".as_ptr().cast(), c"breaker.rs".as_ptr().cast(), 0, c"trap".as_ptr().cast(), 1) }
}

#[cfg(not(target_arch = "nvptx64"))]
pub(crate) fn trap() -> ! {
    unsafe extern "C" {
        safe fn abort() -> !;
    }
    abort()
}

#[actor(budget_ms = 400)]
impl Breaker {
    fn deposit(&mut self, msg: &Deposit, _ctx: &mut Ctx) -> u64 {
        self.handled += 1;
        self.sum += msg.n;
        self.sum
    }

    fn work(&mut self, msg: &Work, _ctx: &mut Ctx) -> u64 {
        for _ in 0..msg.rounds {
            *black_box(&mut self.sum) += 1;
        }
        self.handled += 1;
        self.sum
    }

    fn break_now(&mut self, msg: &Break, _ctx: &mut Ctx) {
        self.break_down(msg.how);
        self.handled += 1;
    }

    fn break_in_call(&mut self, msg: &BreakInCall, _ctx: &mut Ctx) -> u64 {
        self.break_down(msg.how);
        self.handled += 1;
        self.sum
    }
}
