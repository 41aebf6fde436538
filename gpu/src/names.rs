//! The table of names that handlers look up (`kernels/cuda/names.h`): written here, by the application alone, and read by every shard.
//!
//! - **NM-1 (whole)** A reader has an entry as it was written, or none.
//! - **NM-2 (once)** A name is in no two entries at a time, and is not changed but taken out and put in again: so an entry that is being
//!   changed is nobody's, and a reader need not ask again.
//! - **NM-3 (one of a hash)** No two names of one hash are in the table.
//!
//! ```
//! use resident_gpu::names::NameError;
//! use resident_gpu::region::{Geometry, Region};
//! use resident_gpu::rows::RowId;
//!
//! let region = Region::heap(&Geometry { shards: 1, capacity: 64, rows: 9, reply_lines: 0, arena_bytes: 0, names: 16, nursery: 0, inbox: 0 }).unwrap();
//! let mut names = region.names().unwrap();
//! let tower = RowId { row: 3, generation: 1 };
//! let place = names.insert(0x70e3, 7, 0, tower).unwrap();
//! assert_eq!(names.find(0x70e3, 7), Some((0, tower)));
//! assert_eq!(names.find(0x70e3, 8), None);
//! assert_eq!(names.insert(0x70e3, 7, 0, tower), Err(NameError::Taken));
//! names.remove(place);
//! assert_eq!(names.find(0x70e3, 7), None);
//! ```

use std::any::Any;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use resident_kernels::wire::{NAME_END, NAME_WINDOW, name_place};

use crate::rows::RowId;
use crate::sync::{AtomicU64, Sync};

/// An entry as its words: each chunk's low word, and its high one, whose upper half is the version.
#[derive(Default)]
#[repr(C, align(32))]
pub struct NameWords {
    hash: AtomicU64,
    /// Shard, tag of the kind, version.
    who: AtomicU64,
    /// Row and generation.
    row: AtomicU64,
    /// Zero, version.
    again: AtomicU64,
}

#[cfg(not(loom))]
const _: () = {
    use resident_kernels::wire::NameEntry;
    use std::mem::offset_of;
    assert!(size_of::<NameWords>() == size_of::<NameEntry>() && align_of::<NameWords>() == align_of::<NameEntry>());
    assert!(offset_of!(NameWords, who) == offset_of!(NameEntry, shard) && offset_of!(NameEntry, version) == 12);
    assert!(offset_of!(NameWords, row) == offset_of!(NameEntry, row) && offset_of!(NameEntry, version_again) == 28);
};

impl NameWords {
    fn version(&self) -> u32 {
        (self.who.load(Relaxed) >> 32) as u32
    }

    /// Gives a free entry to an actor. The only writer's.
    pub fn set(&self, hash: u64, kind: u16, shard: u32, id: RowId) {
        let version = u64::from(self.version().wrapping_add(1)) << 32;
        // SYNC name-busy: pairs with the loads in `get`: who sees one of these sees that the versions are even.
        self.hash.store(hash, Sync::NameBusy.store());
        self.row.store(u64::from(id.row) | u64::from(id.generation) << 32, Sync::NameBusy.store());
        // SYNC name-ready: pairs with the loads in `get`.
        self.who.store(u64::from(shard as u16) | u64::from(kind) << 16 | version, Sync::NameReady.store());
        self.again.store(version, Sync::NameReady.store());
    }

    /// Takes it back; `end` says that no name that could be here is further on.
    pub fn clear(&self, end: bool) {
        // The next even one, and never 0, which says that nobody was ever there.
        let version = u64::from(match (self.version() | 1).wrapping_add(1) {
            0 => 2,
            version => version,
        }) << 32;
        self.who.store(version | if end { u64::from(NAME_END) } else { 0 }, Relaxed);
        self.again.store(version, Relaxed);
    }

    /// Whether a reader that is here need not look further.
    fn is_end(&self) -> bool {
        let who = self.who.load(Relaxed);
        who == 0 || who >> 32 & 1 == 0 && who & u64::from(NAME_END) != 0
    }

    /// What is there: hash, tag of the kind, shard and row; `None` if nobody is. As the engine reads it.
    pub fn get(&self) -> Option<(u64, u16, u32, RowId)> {
        // SYNC name-ready: pairs with the stores in `set`.
        let (who, again) = (self.who.load(Sync::NameReady.load()), self.again.load(Sync::NameReady.load()));
        // SYNC name-busy: pairs with the stores in `set`.
        let (hash, row) = (self.hash.load(Sync::NameBusy.load()), self.row.load(Sync::NameBusy.load()));
        let whole = self.who.load(Relaxed) == who && self.again.load(Relaxed) == again && who >> 32 == again >> 32;
        let id = RowId { row: row as u32, generation: (row >> 32) as u32 };
        (whole && who >> 32 & 1 == 1).then_some((hash, (who >> 16) as u16, u32::from(who as u16), id))
    }
}

/// Why a name can not be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// One with this hash is there.
    #[error("another name has the same hash: choose another")]
    Taken,
    /// There are as many as there is room for, or the few entries are taken in which it could be.
    #[error("the table of names is full: start with more `names`")]
    Full,
}

/// The table's writer.
pub struct Names {
    entries: NonNull<NameWords>,
    log2: u32,
    /// Entries in use.
    used: usize,
    _home: Arc<dyn Any + Send + std::marker::Sync>,
}

// SAFETY: `entries` are words, which `_home` keeps in place.
unsafe impl Send for Names {}

/// # Safety
///
/// (names) `1 << log2` entries are at `entries` as long as `home` lives, all zero or as an earlier writer has left them, and there is no
/// other writer.
pub(crate) unsafe fn at(entries: NonNull<NameWords>, log2: u32, home: Arc<dyn Any + Send + std::marker::Sync>) -> Names {
    Names { entries, log2, used: 0, _home: home }
}

impl Names {
    fn entry(&self, at: u64) -> &NameWords {
        let at = at & ((1 << self.log2) - 1);
        // SAFETY: (names) `at` is below their number, and they are words only.
        unsafe { self.entries.add(at as usize).as_ref() }
    }

    /// Puts a name in: where it is.
    pub fn insert(&mut self, hash: u64, kind: u16, shard: u32, id: RowId) -> Result<u32, NameError> {
        let first = name_place(hash, self.log2);
        let window = (first..first + NAME_WINDOW as u64).map(|at| (at, self.entry(at).get()));
        let mut free = None;
        for (at, found) in window {
            match found {
                Some((there, ..)) if there == hash => return Err(NameError::Taken),
                Some(_) => {}
                None => free = free.or(Some(at)),
            }
        }
        // Most entries stay free, so that a window is full next to never. The first free one: a reader comes past no end ahead of it.
        let at = free.filter(|_| self.used < 1 << (self.log2 - 2)).ok_or(NameError::Full)?;
        self.entry(at).set(hash, kind, shard, id);
        self.used += 1;
        Ok((at & ((1 << self.log2) - 1)) as u32)
    }

    /// Takes a name out, by what [`insert`](Self::insert) has said.
    pub fn remove(&mut self, place: u32) {
        let entry = self.entry(place.into());
        if entry.get().is_some() {
            // Where the next one is an end this is one, since it is free too; and so may be those ahead of it.
            let end = self.entry(u64::from(place) + 1).is_end();
            entry.clear(end);
            self.used -= 1;
            let mut at = u64::from(place);
            loop {
                at = at.wrapping_sub(1);
                let before = self.entry(at);
                if !end || before.get().is_some() || before.is_end() {
                    return;
                }
                before.clear(true);
            }
        }
    }

    /// Shard and row of the actor with this hash of its name and this tag of its kind, as a handler finds them.
    pub fn find(&self, hash: u64, kind: u16) -> Option<(u32, RowId)> {
        let first = name_place(hash, self.log2);
        let window = (first..first + NAME_WINDOW as u64).map(|at| self.entry(at)).take_while(|entry| !entry.is_end());
        let found = window.filter_map(NameWords::get).find(|(there, ..)| *there == hash);
        found.filter(|(_, tag, ..)| *tag == kind).map(|(_, _, shard, id)| (shard, id))
    }
}
