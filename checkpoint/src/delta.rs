//! What became of one checkpoint since another, its base: whole what is small, of the states the changed pages.
//!
//! Whoever has both checkpoints asks [`Checkpoint::delta_from`]. Whoever has a base and knows what changed, as a device does, hands
//! over [`DeltaParts`] and gets the new checkpoint with the delta ([`Checkpoint::advance`]): what did not change is neither copied nor
//! hashed again.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::checkpoint::Checkpoint;
use crate::digest::{self, Digest};
use crate::error::Invalid;
use crate::pages::{page_len, pages_of};
use crate::parts::{Actor, Emitted, Head, Key, Kind, Pending, Shard, Taken};

/// What became of one checkpoint since another, its base: of the small things all, of the states the changed pages. Immutable; a clone
/// shares it. One that [`Checkpoint::advance`] has made holds on to its base and to the checkpoint that comes of it.
#[derive(Clone, Debug)]
pub struct Delta {
    pub(crate) base: Side,
    pub(crate) result: Side,
    pub(crate) changes: Arc<Changes>,
}

/// A checkpoint's digest, or the checkpoint that is asked for it: nobody waits for a digest that is not needed yet.
#[derive(Clone, Debug)]
pub(crate) enum Side {
    Known(Digest),
    Of(Checkpoint),
}

impl Side {
    fn digest(&self) -> Digest {
        match self {
            Side::Known(digest) => *digest,
            Side::Of(checkpoint) => checkpoint.digest(),
        }
    }
}

/// Everything that [`Checkpoint::advance`] wants to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeltaParts {
    /// As in [`Parts`](crate::Parts), whole.
    pub taken: Taken,
    /// As in [`Parts`](crate::Parts), whole. Actors that did not change go by these kinds too.
    pub kinds: Vec<Kind>,
    /// As in [`Parts`](crate::Parts), whole.
    pub shards: Vec<Shard>,
    /// As in [`Parts`](crate::Parts), whole.
    pub pending: Vec<Pending>,
    /// As in [`Parts`](crate::Parts), whole.
    pub emitted: Vec<Emitted>,
    /// As in [`Parts`](crate::Parts), whole.
    pub notes: BTreeMap<String, Vec<u8>>,
    /// Actors that the base has and that are gone.
    pub removed: Vec<Key>,
    /// Actors of which anything changed, or that are new. [`Actor::offset`] means nothing here.
    pub changed: Vec<Actor>,
    /// Their pages that changed; of an actor that is new or whose state has another length than in the base, all. In any order.
    pub pages: Vec<ChangedPage>,
    /// The pages' bytes. Delta and checkpoint keep these very bytes; they copy none.
    pub bytes: Bytes,
}

/// A page that changed. It is as long as every page, [`PAGE_BYTES`](crate::PAGE_BYTES), or reaches to its state's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangedPage {
    /// Whose: a place in [`DeltaParts::changed`].
    pub changed: u32,
    /// Which page of its state.
    pub page: u32,
    /// Where it begins in [`DeltaParts::bytes`].
    pub offset: u64,
}

/// Changes that make sense among themselves, whatever the base: sorted, unique, each page of an actor and within the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Changes {
    pub(crate) head: Head,
    /// Sorted.
    pub(crate) removed: Vec<Key>,
    /// Sorted by key; `offset` is 0.
    pub(crate) changed: Vec<Actor>,
    /// Sorted.
    pub(crate) pages: Vec<ChangedPage>,
    pub(crate) page_digests: Vec<u128>,
    pub(crate) bytes: Bytes,
}

impl Delta {
    /// The checkpoint that it can be applied to.
    pub fn base(&self) -> Digest {
        self.base.digest()
    }

    /// The checkpoint that comes of it.
    pub fn result(&self) -> Digest {
        self.result.digest()
    }

    /// When the checkpoint that comes of it was taken, and of which device.
    pub fn taken(&self) -> &Taken {
        &self.changes.head.taken
    }

    /// Actors that the base has and that are gone, sorted.
    pub fn removed(&self) -> &[Key] {
        &self.changes.removed
    }

    /// Actors of which anything changed, or that are new, sorted by key.
    pub fn changed(&self) -> &[Actor] {
        &self.changes.changed
    }

    /// Pages that changed, in the order of the actors.
    pub fn pages(&self) -> &[ChangedPage] {
        &self.changes.pages
    }

    /// Bytes of those pages.
    pub fn page_bytes(&self) -> u64 {
        self.changes.lens().map(|len| len as u64).sum()
    }
}

impl Changes {
    /// Checks the parts as far as they can be without the base. Digests the pages.
    pub(crate) fn new(parts: DeltaParts) -> Result<Changes, Invalid> {
        let mut changes = Changes::undigested(parts)?;
        changes.page_digests =
            changes.pages.iter().zip(changes.lens()).map(|(page, len)| digest::of_page(changes.page(page, len))).collect();
        Ok(changes)
    }

    /// Checks the parts as far as they can be without the base; the pages' digests are still to be given.
    pub(crate) fn undigested(parts: DeltaParts) -> Result<Changes, Invalid> {
        let DeltaParts { taken, kinds, shards, pending, emitted, notes, mut removed, changed, mut pages, bytes } = parts;
        let head = Head { taken, kinds, shards, pending, emitted, notes };
        let changed = sorted(changed, &mut pages);
        crate::checkpoint::unique(&changed)?;
        removed.sort_unstable();
        if let Some(pair) = removed.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Invalid::Twice(pair[0]));
        }
        for actor in &changed {
            crate::checkpoint::of_its_kind(&head.kinds, actor)?;
            if removed.binary_search(&actor.key).is_ok() {
                return Err(Invalid::Twice(actor.key));
            }
        }
        if !pages.is_sorted() {
            pages.sort_unstable();
        }
        for (place, &ChangedPage { changed: whose, page, offset }) in pages.iter().enumerate() {
            let Some(actor) = changed.get(whose as usize) else {
                return Err(Invalid::PageOfNobody { changed: whose, page, actors: changed.len() });
            };
            let (key, pages_there) = (actor.key, pages_of(actor.bytes));
            let again = place > 0 && (pages[place - 1].changed, pages[place - 1].page) == (whose, page);
            if page >= pages_there || again {
                return Err(Invalid::Page { key, page, pages: pages_there });
            }
            let end = offset.checked_add(page_len(actor.bytes, page) as u64);
            if end.is_none_or(|end| end > bytes.len() as u64) {
                return Err(Invalid::PageRange { key, page, offset, bytes: bytes.len() as u64 });
            }
        }
        Ok(Changes { head, removed, changed, pages, page_digests: Vec::new(), bytes })
    }

    /// The length of each page.
    pub(crate) fn lens(&self) -> impl Iterator<Item = usize> {
        self.pages.iter().map(|page| page_len(self.changed[page.changed as usize].bytes, page.page))
    }

    /// One of the pages, of `len` bytes.
    pub(crate) fn page(&self, page: &ChangedPage, len: usize) -> &[u8] {
        &self.bytes[page.offset as usize..][..len]
    }
}

/// The actors sorted by key, and the pages pointing at them where they are now.
fn sorted(mut changed: Vec<Actor>, pages: &mut [ChangedPage]) -> Vec<Actor> {
    if !changed.is_sorted_by_key(|actor| actor.key) {
        let mut order: Vec<u32> = (0..changed.len() as u32).collect();
        order.sort_unstable_by_key(|place| changed[*place as usize].key);
        let mut now = vec![0u32; order.len()];
        order.iter().zip(0..).for_each(|(before, place)| now[*before as usize] = place);
        // A page of nobody stays one.
        pages.iter_mut().for_each(|page| page.changed = now.get(page.changed as usize).copied().unwrap_or(page.changed));
        changed.sort_by_key(|actor| actor.key);
    }
    changed.iter_mut().for_each(|actor| actor.offset = 0);
    changed
}
