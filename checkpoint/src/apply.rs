//! Making deltas and applying them: merges of two sorted lists of actors.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::checkpoint::{Checkpoint, Inner, lens, of_its_kind};
use crate::delta::{ChangedPage, Changes, Delta, DeltaParts, Side};
use crate::error::{Invalid, Refused};
use crate::pages::{Pages, page_len, pages_of};
use crate::parts::{Actor, Key};

impl Checkpoint {
    /// What became of `base` in `new`.
    pub fn delta_from(base: &Checkpoint, new: &Checkpoint) -> Delta {
        let (before, after) = (&base.inner.actors, &new.inner.actors);
        let (mut removed, mut changed, mut pages, mut page_digests) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut bytes = BytesMut::new();
        let mut old = 0;
        for (place, actor) in after.iter().enumerate() {
            while old < before.len() && before[old].key < actor.key {
                removed.push(before[old].key);
                old += 1;
            }
            let same = (old < before.len() && before[old].key == actor.key).then_some(old);
            old += usize::from(same.is_some());
            let whose = changed.len() as u32;
            let digests = &new.page_digests()[new.pages_at(place)];
            let known: &[u128] = match same {
                Some(same) if before[same].bytes == actor.bytes => &base.page_digests()[base.pages_at(same)],
                _ => &[],
            };
            for (page, digest) in digests.iter().enumerate().filter(|(page, digest)| known.get(*page) != Some(digest)) {
                pages.push(ChangedPage { changed: whose, page: page as u32, offset: bytes.len() as u64 });
                page_digests.push(*digest);
                bytes.extend_from_slice(new.inner.pages.page(new.pages_at(place).start + page, page_len(actor.bytes, page as u32)));
            }
            let touched = pages.last().is_some_and(|page| page.changed == whose);
            if touched || same.is_none_or(|same| before[same] != *actor) {
                changed.push(actor.clone());
            }
        }
        removed.extend(before[old..].iter().map(|actor| actor.key));
        let changes = Changes { head: new.inner.head.clone(), removed, changed, pages, page_digests, bytes: bytes.freeze() };
        Delta { base: Side::Known(base.digest()), result: Side::Known(new.digest()), changes: Arc::new(changes) }
    }

    /// What comes of `base` by `delta`. Refused if `base` is not the delta's, or if not what the delta says comes of it.
    pub fn apply(base: &Checkpoint, delta: &Delta) -> Result<Checkpoint, Refused> {
        let (found, wanted) = (base.digest(), delta.base());
        if found != wanted {
            return Err(Refused::Base { base: found, wanted });
        }
        let new = changed(base, &delta.changes)?;
        let (made, wanted) = (new.digest(), delta.result());
        if made != wanted {
            return Err(Refused::Result { made, wanted });
        }
        Ok(new)
    }

    /// The checkpoint that differs from this one by `parts`, and the delta that says so. What did not change is shared with this
    /// checkpoint; what of it was hashed is not hashed again, and what was not is hashed when a digest is asked for.
    pub fn advance(&self, parts: DeltaParts) -> Result<(Checkpoint, Delta), Invalid> {
        let changes = Changes::new(parts)?;
        let new = changed(self, &changes)?;
        let delta = Delta { base: Side::Of(self.clone()), result: Side::Of(new.clone()), changes: Arc::new(changes) };
        Ok((new, delta))
    }
}

/// `base` with the changes. Costs a copy of the table of pages and of the list of actors, and none of states.
fn changed(base: &Checkpoint, changes: &Changes) -> Result<Checkpoint, Invalid> {
    if changes.head.kinds != base.inner.head.kinds {
        // Kinds may have moved under the feet of actors that did not change.
        unchanged(base, changes).try_for_each(|actor| of_its_kind(&changes.head.kinds, actor))?;
    }
    let mut merge = Merge::new(base, changes);
    for actor in &changes.changed {
        merge.keep_until(Some(actor.key));
        merge.change(actor)?;
    }
    merge.keep_until(None);
    merge.finish()
}

/// The actors of `base` that the changes leave as they are.
fn unchanged<'a>(base: &'a Checkpoint, changes: &'a Changes) -> impl Iterator<Item = &'a Actor> {
    let touched = |actor: &Actor| {
        changes.removed.binary_search(&actor.key).is_ok() || changes.changed.binary_search_by_key(&actor.key, |other| other.key).is_ok()
    };
    base.inner.actors.iter().filter(move |actor| !touched(actor))
}

/// The new checkpoint as it grows, key by key.
struct Merge<'a> {
    base: &'a Inner,
    /// If they are known.
    base_digests: Option<&'a [u128]>,
    changes: &'a Changes,
    /// The base's next actor, the next to be removed, the next changed actor, the next changed page.
    old: usize,
    removed: usize,
    changed: usize,
    page: usize,
    /// A name was given to an actor that did not have it.
    renamed: bool,
    actors: Vec<Actor>,
    first: Vec<usize>,
    pages: Pages,
    digests: Vec<u128>,
}

impl<'a> Merge<'a> {
    fn new(base: &'a Checkpoint, changes: &'a Changes) -> Merge<'a> {
        let base = &*base.inner;
        let base_digests = base.page_digests.get().map(Vec::as_slice);
        let (actors, pages) = (base.actors.len() + changes.changed.len(), base.pages.len() + changes.pages.len());
        let mut first = Vec::with_capacity(actors + 1);
        first.push(0);
        Merge {
            base,
            base_digests,
            changes,
            old: 0,
            removed: 0,
            changed: 0,
            page: 0,
            renamed: false,
            actors: Vec::with_capacity(actors),
            first,
            pages: Pages::beside(&base.pages, changes.bytes.clone(), pages),
            digests: Vec::with_capacity(pages),
        }
    }

    /// Takes over the base's actors below `end`, but for those that are removed.
    fn keep_until(&mut self, end: Option<Key>) {
        let base = self.base;
        while let Some(actor) = base.actors.get(self.old).filter(|actor| end.is_none_or(|end| actor.key < end)) {
            if self.changes.removed.get(self.removed) == Some(&actor.key) {
                self.removed += 1;
            } else {
                self.take(base.first[self.old]..base.first[self.old + 1]);
                self.push(actor.clone());
            }
            self.old += 1;
        }
    }

    /// Takes over the next of the changed actors, with pages of its former self where none are given.
    fn change(&mut self, actor: &Actor) -> Result<(), Invalid> {
        let before = self.base.actors.get(self.old).filter(|before| before.key == actor.key);
        let pages_before = before.filter(|before| before.bytes == actor.bytes).map(|_| self.base.first[self.old]);
        self.renamed |= actor.name.is_some() && before.is_none_or(|before| before.name != actor.name);
        self.old += usize::from(before.is_some());
        for page in 0..pages_of(actor.bytes) {
            let given = self.changes.pages.get(self.page).filter(|next| (next.changed as usize, next.page) == (self.changed, page));
            if let Some(given) = given {
                self.pages.push(given.offset);
                self.digests.push(self.changes.page_digests[self.page]);
                self.page += 1;
            } else {
                let place = pages_before.ok_or(Invalid::NoPage { key: actor.key, page })? + page as usize;
                self.take(place..place + 1);
            }
        }
        self.changed += 1;
        self.push(actor.clone());
        Ok(())
    }

    /// Takes over pages of the base.
    fn take(&mut self, pages: Range<usize>) {
        match self.base_digests {
            Some(known) => self.digests.extend_from_slice(&known[pages.clone()]),
            None => self.digests.resize(self.digests.len() + pages.len(), 0),
        }
        self.pages.extend(&self.base.pages, pages);
    }

    /// Ends an actor, whose pages are there.
    fn push(&mut self, actor: Actor) {
        self.actors.push(actor);
        self.first.push(self.digests.len());
    }

    fn finish(mut self) -> Result<Checkpoint, Invalid> {
        // One that the base does not have was never come across, nor was any behind it.
        if let Some(unknown) = self.changes.removed.get(self.removed) {
            return Err(Invalid::Unknown(*unknown));
        }
        self.pages.settle(lens(&self.actors), self.changes.bytes.len() as u64);
        let new = Checkpoint::assemble(self.changes.head.clone(), self.actors, self.first, self.pages);
        if self.base_digests.is_some() {
            // Nobody else has seen it yet, so this sets it.
            let _ = new.inner.page_digests.set(self.digests);
        }
        // Names that were unique stay so unless one was given.
        if self.renamed {
            new.unique_names()?;
        }
        Ok(new)
    }
}

/// The pages' bytes one after another, as short as they are: `bytes` without what is not pointed at.
pub(crate) fn packed(changes: &Changes) -> Bytes {
    let mut next = 0;
    let tight = changes.pages.iter().zip(changes.lens()).all(|(page, len)| {
        let here = page.offset == next;
        next += len as u64;
        here
    });
    if tight {
        return changes.bytes.slice(..next as usize);
    }
    let mut packed = BytesMut::with_capacity(changes.lens().sum());
    changes.pages.iter().zip(changes.lens()).for_each(|(page, len)| packed.extend_from_slice(changes.page(page, len)));
    packed.freeze()
}
