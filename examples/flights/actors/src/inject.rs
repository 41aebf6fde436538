//! For `flights --inject` alone: a message that breaks its handler. No other program has such a message.

use core::hint::black_box;

use resident_kernels::prelude::*;

/// Breaks the aircraft, which counts nothing of it.
#[derive(Message, Clone, Copy, Debug)]
#[reply(u32)]
#[repr(C)]
pub struct Break {
    /// How: [`PANIC`], [`TRAP`], [`HANG`].
    pub how: u32,
}

/// A panic.
pub const PANIC: u32 = 0;
/// A trap; on a CPU `abort`.
pub const TRAP: u32 = 1;
/// A loop without end.
pub const HANG: u32 = 2;

impl Break {
    pub(crate) fn carry_out(&self, flights: u32) -> u32 {
        match self.how {
            PANIC => panic!("asked to panic after {flights} flights"),
            TRAP => trap(),
            HANG => while black_box(flights) == flights {},
            _ => {}
        }
        flights
    }
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
    unsafe { __assertfail(c"asked to".as_ptr().cast(), c"flights".as_ptr().cast(), 0, c"trap".as_ptr().cast(), 1) }
}

#[cfg(not(target_arch = "nvptx64"))]
fn trap() -> ! {
    unsafe extern "C" {
        safe fn abort() -> !;
    }
    abort()
}
