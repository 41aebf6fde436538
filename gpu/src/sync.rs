//! The atomics of rings, replies and control words, and every ordering between them by name.
//!
//! Each [`Sync`] is one pair of a releasing store and an acquiring load; `docs/memory-model.md` has a row for
//! each, with both ends and the reason. Under `--cfg loom` the types are loom's, and `RESIDENT_WEAKEN`
//! (`slot-ready/store`, `slot-ready/load`, ...) relaxes one end of one pair, so that `ci/orderings.sh` can
//! require a test to notice.

use std::sync::atomic::Ordering;

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicI64, AtomicU32, AtomicU64},
};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicI64, AtomicU32, AtomicU64},
};

macro_rules! syncs {
    ($($(#[$meta:meta])* $name:ident = $text:literal,)*) => {
        /// A pair of orderings: who stores with [`Sync::store`] hands what it did before to who loads with [`Sync::load`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Sync { $($(#[$meta])* $name,)* }

        impl Sync {
            /// The name in `SYNC` comments, in `docs/memory-model.md` and in `RESIDENT_WEAKEN`.
            #[cfg(loom)]
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Sync::$name => $text),* }
            }

            /// Every pair.
            #[cfg(loom)]
            pub(crate) const ALL: &[Sync] = &[$(Sync::$name),*];
        }
    };
}

syncs! {
    /// A chunk of a ring slot is written: its high word, with the lap tag.
    SlotReady = "slot-ready",
    /// Slots of a ring may be written again: the consumer's head word.
    SlotFree = "slot-free",
    /// A chunk of a reply line is written: its high word, with the reply tag.
    ReplyReady = "reply-ready",
    /// A kill is asked for: `ShardControl.kill`, behind the row and generation it names.
    Kill = "kill",
    /// A kill is carried out: `ShardProgress.kill_done`; the kill words may be written again.
    KillDone = "kill-done",
    /// A shard is told to run or to leave: `ShardControl.command`.
    Command = "command",
    /// An egress ring was mended: `ShardControl.mended`, behind the slots taken back.
    Mended = "mended",
    /// A direct call was ended by the host: a word beside its line, behind the fault that it ends with.
    Ended = "ended",
    /// A shard has left, or runs: `ShardProgress.running`, behind its last frames and counters.
    Running = "running",
    /// All shards stand still for a cut: `RegionHeader.stood`, behind how far each has come.
    Stood = "stood",
    /// The application has noted what is in the rings: `RegionHeader.noted`; their slots may be written again.
    Noted = "noted",
    /// The device has answered what its clock says: `RegionHeader.clock_answer`, behind `clock_nanos`.
    Clock = "clock",
    /// An entry of the table of names is somebody's: both its versions, behind its low words.
    NameReady = "name-ready",
    /// An entry of the table of names is being written: its low words, behind the versions that say that it is nobody's.
    NameBusy = "name-busy",
}

impl Sync {
    /// The ordering of the end that hands over.
    #[inline(always)]
    pub(crate) fn store(self) -> Ordering {
        #[cfg(loom)]
        if weakened(self, "store") {
            return Ordering::Relaxed;
        }
        Ordering::Release
    }

    /// The ordering of the end that takes over.
    #[inline(always)]
    pub(crate) fn load(self) -> Ordering {
        #[cfg(loom)]
        if weakened(self, "load") {
            return Ordering::Relaxed;
        }
        Ordering::Acquire
    }
}

/// Whether `RESIDENT_WEAKEN` names this end of this pair.
#[cfg(loom)]
fn weakened(sync: Sync, end: &str) -> bool {
    static WEAKEN: std::sync::OnceLock<Option<(Sync, &'static str)>> = std::sync::OnceLock::new();
    let weaken = WEAKEN.get_or_init(|| {
        let text = std::env::var("RESIDENT_WEAKEN").ok()?;
        let both = Sync::ALL.iter().flat_map(|&sync| [(sync, "store"), (sync, "load")]);
        let known = both.into_iter().find(|(sync, end)| text == format!("{}/{end}", sync.name()));
        Some(known.unwrap_or_else(|| panic!("RESIDENT_WEAKEN={text} names no ordering")))
    });
    *weaken == Some((sync, end))
}

/// Locks, whether or not a thread panicked while it held the lock: what our locks guard is whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
