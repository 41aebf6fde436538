//! How senders wake a pump that sleeps.
//!
//! A pump that is going to sleep says so first and then looks at every port under its lock; a sender looks at the bell after
//! it has pushed under that lock. One of the two comes second and sees the other, so no message is slept over.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::clock;

const AWAKE: u8 = 0;
/// Sleeps for a moment while the device is at work: a call wakes it, a cast does not.
const NAPPING: u8 = 1;
/// Sleeps while nothing is to be done: everything wakes it.
const PARKED: u8 = 2;

#[derive(Default)]
pub(crate) struct Doorbell {
    state: CachePadded<AtomicU8>,
    thread: OnceLock<Thread>,
}

impl Doorbell {
    /// A cast was pushed.
    #[inline]
    pub(crate) fn pushed(&self) {
        // The port's lock orders this load, see above.
        if self.state.load(Ordering::Relaxed) == PARKED {
            self.ring();
        }
    }

    /// Somebody waits for what the pump brings.
    #[inline]
    pub(crate) fn waiting(&self) {
        if self.state.load(Ordering::Relaxed) != AWAKE {
            self.ring();
        }
    }

    /// Wakes the pump; while it slept nobody kept the clock.
    #[cold]
    pub(crate) fn ring(&self) {
        clock::refresh();
        self.state.store(AWAKE, Ordering::Relaxed);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Names the pump's thread: the calling one.
    pub(crate) fn attend(&self) {
        let _ = self.thread.set(thread::current());
    }

    /// Sleeps for at most `time`, unless a call comes; whether one came.
    pub(crate) fn nap(&self, time: Duration) -> bool {
        self.state.store(NAPPING, Ordering::Relaxed);
        thread::park_timeout(time);
        self.state.swap(AWAKE, Ordering::Relaxed) == AWAKE
    }

    /// Sleeps for at most `time`, unless anything comes; not at all if `quiet`, which looks under the locks, finds work.
    /// Whether something came.
    pub(crate) fn park(&self, time: Duration, quiet: impl FnOnce() -> bool) -> bool {
        self.state.store(PARKED, Ordering::Relaxed);
        let quiet = quiet();
        if quiet {
            thread::park_timeout(time);
        }
        self.state.swap(AWAKE, Ordering::Relaxed) == AWAKE || !quiet
    }
}
