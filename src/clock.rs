//! The process's hybrid logical clock, in two words: one of the process, one of each thread.
//!
//! The process's word holds the greatest stamp received, and the system's time as the pumps look at it. A thread's word holds
//! its last stamp. A send is stamped above both and above the last stamp of its ring, so stamps rise along each thread, along
//! each ring, and from what was received to what is sent; and sending writes no word that another thread reads. Two threads'
//! sends to two shards are ordered by the system's time, to some microseconds.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use crossbeam_utils::CachePadded;
use resident_kernels::clock::stamp;

/// What the process's word may lag behind the system's time, in microseconds, so that senders keep it in their caches.
const COARSE: u64 = 4;

static SEEN: CachePadded<AtomicU64> = CachePadded::new(AtomicU64::new(0));

thread_local!(static LAST: Cell<u64> = const { Cell::new(0) });

/// The stamp of a send into a ring whose last stamp is `ring`. Nothing else hangs on the order of these words.
#[inline]
pub(crate) fn tick(ring: u64) -> u64 {
    let stamp = ring.max(LAST.get()).max(SEEN.load(Relaxed)) + 1;
    LAST.set(stamp);
    stamp
}

/// Merges a stamp that this thread received: its later ones are greater.
#[inline]
pub(crate) fn merge(stamp: u64) {
    LAST.set(LAST.get().max(stamp));
}

/// Merges a stamp that is handed on to other threads: every later one of the process is greater.
#[inline]
pub(crate) fn observe(stamp: u64) {
    if SEEN.load(Relaxed) < stamp {
        SEEN.fetch_max(stamp, Relaxed);
    }
}

/// Raises the clock to the system's time. It never goes back, whatever the system's does.
pub(crate) fn refresh() {
    let now = micros();
    if stamp(now, 0) >= SEEN.load(Relaxed) + stamp(COARSE, 0) {
        SEEN.fetch_max(stamp(now, 0), Relaxed);
    }
}

/// The system's microseconds since the Unix epoch; 0 if its clock stands before that.
pub(crate) fn micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_rise_along_threads_and_rings_and_from_what_was_received() {
        refresh();
        let first = tick(0);
        assert!(tick(0) > first);
        assert!(tick(first + 50) > first + 50);
        merge(first + 1000);
        assert!(tick(0) > first + 1000);
        let ring = tick(0);
        observe(ring + 1_000_000);
        let other = std::thread::spawn(move || (tick(ring), tick(0)));
        let (behind_ring, next) = other.join().unwrap();
        assert!(behind_ring > ring + 1_000_000 && next > behind_ring);
        refresh();
        assert!(tick(0) > ring + 1_000_000);
    }
}
