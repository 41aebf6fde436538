//! Who lives on a device: its actors and its groups, in the order in which they have started.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;

use crate::who::ActorKey;

/// Who is stopped with the system: an actor, or a group.
pub(crate) trait Lodger: Any + Send + Sync {
    fn key(&self) -> ActorKey;
    /// How many end with it.
    fn actors(&self) -> usize;
    /// Has it handle what it was sent and end; false if that took longer than `limit`, and it was killed.
    fn drained(&self, limit: Duration) -> BoxFuture<'_, bool>;
    /// Whether it is there, and does not rest between two incarnations.
    fn is_live(&self) -> bool {
        true
    }
    /// Whether it goes back to checkpoints.
    fn is_recoverable(&self) -> bool {
        false
    }
    /// Shards and rows of those of some kinds.
    fn rows(&self, is_wanted: &dyn Fn(&'static Kind) -> bool) -> Vec<(u32, RowId)>;
    /// Its members have failed with their device. An actor hears of that in its row.
    fn lose(&self, _: &str) {}
    /// Everything that waited for one of them has ended.
    fn lost(&self) {}
}

/// Who lives on a device.
#[derive(Default)]
pub(crate) struct Directory(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    all: BTreeMap<ActorKey, Entry>,
    /// Those of them that go back to checkpoints.
    recoverable: BTreeMap<ActorKey, Arc<dyn Lodger>>,
}

/// Who is here, and since when. Keys do not tell: those of several frameworks are counted apart.
struct Entry {
    /// The later one's is greater, whatever system it is of.
    since: u64,
    lodger: Arc<dyn Lodger>,
}

/// The next number.
fn now() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Relaxed: a number is all that is told.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Directory {
    /// From here on it is found.
    pub(crate) fn enter(&self, lodger: Arc<dyn Lodger>) {
        let key = lodger.key();
        let mut entries = self.0.lock();
        if lodger.is_recoverable() {
            entries.recoverable.insert(key, lodger.clone());
        }
        entries.all.insert(key, Entry { since: now(), lodger });
    }

    /// It has ended.
    pub(crate) fn leave(&self, key: ActorKey) {
        let mut entries = self.0.lock();
        let gone = (entries.all.remove(&key), entries.recoverable.remove(&key));
        drop(entries);
        // Perhaps the last who has it: to drop it may take a lock.
        drop(gone);
    }

    /// Everyone who is here now.
    pub(crate) fn all(&self) -> Vec<Arc<dyn Lodger>> {
        self.0.lock().all.values().map(|entry| entry.lodger.clone()).collect()
    }

    /// Those who do not rest, and since when they are here.
    pub(crate) fn live(&self) -> Vec<(u64, Arc<dyn Lodger>)> {
        let mut all: Vec<_> = self.0.lock().all.values().map(|entry| (entry.since, entry.lodger.clone())).collect();
        all.retain(|(_, lodger)| lodger.is_live());
        all
    }

    /// Whether somebody with this key is here.
    pub(crate) fn has(&self, key: ActorKey) -> bool {
        self.0.lock().all.contains_key(&key)
    }

    /// Those that go back to checkpoints, as far as they are `L`s.
    pub(crate) fn recoverable<L: Lodger>(&self) -> Vec<Arc<L>> {
        let all: Vec<_> = self.0.lock().recoverable.values().cloned().collect();
        all.into_iter().filter_map(of).collect()
    }

    /// The `L` with this key, if it is here.
    pub(crate) fn find<L: Lodger>(&self, key: ActorKey) -> Option<Arc<L>> {
        let lodger = self.0.lock().all.get(&key)?.lodger.clone();
        of(lodger)
    }
}

/// The last one that came first.
pub(crate) fn newest_first(mut live: Vec<(u64, Arc<dyn Lodger>)>) -> Vec<Arc<dyn Lodger>> {
    live.sort_unstable_by_key(|(since, _)| Reverse(*since));
    live.into_iter().map(|(_, lodger)| lodger).collect()
}

fn of<L: Lodger>(lodger: Arc<dyn Lodger>) -> Option<Arc<L>> {
    let lodger: Arc<dyn Any + Send + Sync> = lodger;
    lodger.downcast().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(ActorKey);

    impl Lodger for Named {
        fn key(&self) -> ActorKey {
            self.0
        }

        fn actors(&self) -> usize {
            1
        }

        fn drained(&self, _: Duration) -> BoxFuture<'_, bool> {
            Box::pin(async { true })
        }

        fn rows(&self, _: &dyn Fn(&'static Kind) -> bool) -> Vec<(u32, RowId)> {
            Vec::new()
        }
    }

    #[test]
    fn the_newest_is_the_last_that_came_whosever_key_it_has() {
        let own = ActorKey::next();
        let keys = [ActorKey::new(5), own, ActorKey::new(3), ActorKey::next(), ActorKey::new(9)];
        let directory = Directory::default();
        for key in keys {
            directory.enter(Arc::new(Named(key)));
        }
        let newest_first = || newest_first(directory.live()).iter().map(|lodger| lodger.key()).collect::<Vec<_>>();
        assert_eq!(newest_first(), keys.into_iter().rev().collect::<Vec<_>>());
        // Whoever comes again is new.
        directory.leave(own);
        directory.enter(Arc::new(Named(own)));
        assert_eq!(newest_first()[0], own);
    }
}
