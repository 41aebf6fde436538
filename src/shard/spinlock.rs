//! The lock of a ring's writing end.
//!
//! It is held for some tens of nanoseconds and taken once per message. What costs there is not the lock itself: every atomic
//! read-modify-write waits until the slot written before it has reached the cache, and the device has just read that line. A
//! spin lock has one such operation where a parking lock has two.

use crossbeam_utils::Backoff;
use spin::mutex::{SpinMutex, SpinMutexGuard};

/// A lock for moments.
pub(crate) struct SpinLock<T>(SpinMutex<T>);

impl<T> SpinLock<T> {
    pub(crate) fn new(value: T) -> SpinLock<T> {
        SpinLock(SpinMutex::new(value))
    }

    /// Spins, and then lets others run between two looks, because the holder may not be on a core.
    #[inline]
    pub(crate) fn lock(&self) -> SpinMutexGuard<'_, T> {
        let backoff = Backoff::new();
        loop {
            if let Some(guard) = self.0.try_lock() {
                return guard;
            }
            while self.0.is_locked() {
                backoff.snooze();
            }
        }
    }
}
