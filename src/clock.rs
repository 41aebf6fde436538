//! The process's hybrid logical clock: one atomic word that every stamp of every system here comes from.
//!
//! The word holds the last stamp. A send adds one to it; the pumps raise it to the system's time while they are awake, and
//! whoever finds them asleep does so himself. So a stamp costs one atomic addition and no system call.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use resident_kernels::clock::stamp;

#[repr(align(128))]
struct Word(AtomicU64);

static LAST: Word = Word(AtomicU64::new(0));

/// The stamp of a send. Stamps order themselves by the atomic word alone, so no other memory hangs on their ordering.
#[inline]
pub(crate) fn tick() -> u64 {
    LAST.0.fetch_add(1, Relaxed) + 1
}

/// Merges a stamp received: every later one is greater.
#[inline]
pub(crate) fn observe(stamp: u64) {
    if LAST.0.load(Relaxed) < stamp {
        LAST.0.fetch_max(stamp, Relaxed);
    }
}

/// Raises the clock to the system's time. It never goes back, whatever the system's does.
pub(crate) fn refresh() {
    observe(stamp(micros(), 0));
}

/// The system's microseconds since the Unix epoch; 0 if its clock stands before that.
pub(crate) fn micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_rise_and_follow_what_was_received() {
        refresh();
        let first = tick();
        assert!(tick() > first);
        observe(first + 1_000_000);
        assert!(tick() > first + 1_000_000);
        refresh();
        assert!(tick() > first + 1_000_000);
    }
}
