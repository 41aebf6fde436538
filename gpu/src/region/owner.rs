//! Which process something belongs to, told by one load.
//!
//! A child that is forked and runs no other program has a copy of everything but the threads. Its copies of a ring's end and of a link
//! lead to the same rings and sockets as its parent's, and both would write to the same place. So what leads out of the process asks first.
//!
//! - **OW-1 (told)** In a child, and in children of it, nothing that was made before the fork is its own ([`Owner::is_me`]). In the parent
//!   all of it stays so, and what a child makes is the child's.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

/// What is said to whoever uses in a child what its parent has made.
pub const FORKED: &str = "this process was forked from the one that has started the system, and has only a copy of it: start a system \
                          after the fork, or leave it to the parent";

/// Forks that lie between this process and the first of its ancestors that had a system: in each process it is written only before any of
/// its threads can look. All senders read it, so nothing that is written lies beside it.
static FORKS: CachePadded<AtomicU32> = CachePadded::new(AtomicU32::new(0));

/// The process that something was made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(u32);

impl Owner {
    /// This process.
    pub fn me() -> Owner {
        static WATCHED: Once = Once::new();
        WATCHED.call_once(|| {
            // SAFETY: (owner) the child runs `forked` between `fork` and whatever comes next. That only adds to a number, which may be done
            // in whatever state the parent's other threads were. Where the system has no memory for it, forks are not told.
            unsafe { libc::pthread_atfork(None, None, Some(forked)) };
        });
        Owner(FORKS.load(Relaxed))
    }

    /// Whether this process is the one, and no child that was forked from it.
    #[inline]
    pub fn is_me(self) -> bool {
        FORKS.load(Relaxed) == self.0
    }
}

unsafe extern "C" fn forked() {
    FORKS.fetch_add(1, Relaxed);
}
