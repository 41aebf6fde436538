//! The lock of a ring's writing end.
//!
//! It is held for some tens of nanoseconds and taken once per message. What costs there is not the lock itself: every atomic
//! read-modify-write waits until the slot written before it has reached the cache, and the device has just read that line. A
//! spin lock has one such operation where a parking lock has two.

use std::cell::Cell;
use std::hint::spin_loop;
use std::thread::yield_now;

use spin::mutex::SpinMutex;
use spin::relax::RelaxStrategy;

/// A lock for moments.
pub(crate) type SpinLock<T> = SpinMutex<T, Patience>;

/// Spins, and every so often lets others run: the holder may not be on a core.
pub(crate) struct Patience;

const SPINS: u32 = 64;

impl RelaxStrategy for Patience {
    fn relax() {
        thread_local!(static TURN: Cell<u32> = const { Cell::new(0) });
        let turn = TURN.get().wrapping_add(1);
        TURN.set(turn);
        if turn.is_multiple_of(SPINS) { yield_now() } else { spin_loop() }
    }
}
