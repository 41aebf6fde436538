//! Who lives in a system: its actors and its groups, in the order in which they have started.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
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

/// Who lives in a system.
#[derive(Default)]
pub(crate) struct Directory(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    /// A key says who started first.
    all: BTreeMap<ActorKey, Arc<dyn Lodger>>,
    /// Those of them that go back to checkpoints.
    recoverable: BTreeMap<ActorKey, Arc<dyn Lodger>>,
}

impl Directory {
    /// From here on it is found.
    pub(crate) fn enter(&self, lodger: Arc<dyn Lodger>) {
        let key = lodger.key();
        let mut entries = self.0.lock();
        if lodger.is_recoverable() {
            entries.recoverable.insert(key, lodger.clone());
        }
        entries.all.insert(key, lodger);
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
        self.0.lock().all.values().cloned().collect()
    }

    /// Those who do not rest, the last one started first.
    pub(crate) fn newest_first(&self) -> Vec<Arc<dyn Lodger>> {
        let mut all = self.all();
        all.retain(|lodger| lodger.is_live());
        all.reverse();
        all
    }

    /// Those that go back to checkpoints, as far as they are `L`s.
    pub(crate) fn recoverable<L: Lodger>(&self) -> Vec<Arc<L>> {
        let all: Vec<_> = self.0.lock().recoverable.values().cloned().collect();
        all.into_iter().filter_map(of).collect()
    }

    /// The `L` with this key, if it is here.
    pub(crate) fn find<L: Lodger>(&self, key: ActorKey) -> Option<Arc<L>> {
        let lodger = self.0.lock().all.get(&key)?.clone();
        of(lodger)
    }
}

fn of<L: Lodger>(lodger: Arc<dyn Lodger>) -> Option<Arc<L>> {
    let lodger: Arc<dyn Any + Send + Sync> = lodger;
    lodger.downcast().ok()
}
