//! Making deltas and applying them: merges of two sorted lists of actors.

use std::cmp::Ordering;

use bytes::{Bytes, BytesMut};

use crate::checkpoint::{Checkpoint, Inner, lens, of_its_kind};
use crate::delta::{ChangedPage, Changes, Delta, DeltaParts, Outcome};
use crate::error::{Invalid, Refused};
use crate::pages::{Pages, page_len, pages_of};
use crate::parts::{Actor, Head};

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
        Delta { base: base.digest(), result: Outcome::Known(new.digest()), changes }
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
    /// checkpoint and is not hashed again.
    pub fn advance(&self, parts: DeltaParts) -> Result<(Checkpoint, Delta), Invalid> {
        let changes = Changes::new(parts)?;
        let new = changed(self, &changes)?;
        let delta = Delta { base: self.digest(), result: Outcome::Of(new.clone()), changes };
        Ok((new, delta))
    }
}

/// `base` with the changes. Costs a copy of the table of pages and of the list of actors, and none of states.
fn changed(base: &Checkpoint, changes: &Changes) -> Result<Checkpoint, Invalid> {
    let Changes { head, removed, changed, .. } = changes;
    if *head.kinds != base.inner.head.kinds {
        // Kinds may have moved under the feet of actors that did not change.
        for actor in unchanged(base, changes) {
            of_its_kind(&head.kinds, actor)?;
        }
    }
    let mut merge = Merge::new(base, changes);
    let mut renamed = false;
    let (mut old, mut gone) = (0, 0);
    let before = &base.inner.actors;
    for (whose, actor) in changed.iter().enumerate() {
        old = merge.keep(old, |key| key < actor.key, removed, &mut gone);
        let same = (old < before.len() && before[old].key == actor.key).then_some(old);
        old += usize::from(same.is_some());
        renamed |= actor.name.is_some() && same.is_none_or(|same| before[same].name != actor.name);
        merge.change(whose, same)?;
    }
    merge.keep(old, |_| true, removed, &mut gone);
    if let Some(unknown) = removed.get(gone) {
        return Err(Invalid::Unknown(*unknown));
    }
    let new = merge.finish(head.clone());
    // Names that were unique stay so unless one was given.
    if renamed {
        new.unique_names()?;
    }
    Ok(new)
}

/// The actors of `base` that the changes leave as they are.
fn unchanged<'a>(base: &'a Checkpoint, changes: &'a Changes) -> impl Iterator<Item = &'a Actor> {
    let touched = |actor: &Actor| {
        changes.removed.binary_search(&actor.key).is_ok() || changes.changed.binary_search_by_key(&actor.key, |other| other.key).is_ok()
    };
    base.inner.actors.iter().filter(move |actor| !touched(actor))
}

/// The new checkpoint as it grows.
struct Merge<'a> {
    base: &'a Inner,
    base_digests: &'a [u128],
    changes: &'a Changes,
    /// The next changed page.
    page: usize,
    actors: Vec<Actor>,
    first: Vec<usize>,
    pages: Pages,
    digests: Vec<u128>,
}

impl<'a> Merge<'a> {
    fn new(base: &'a Checkpoint, changes: &'a Changes) -> Merge<'a> {
        let base_digests = base.page_digests();
        let base = &*base.inner;
        let (actors, pages) = (base.actors.len() + changes.changed.len(), base.pages.len() + changes.pages.len());
        let mut first = Vec::with_capacity(actors + 1);
        first.push(0);
        Merge {
            base,
            base_digests,
            changes,
            page: 0,
            actors: Vec::with_capacity(actors),
            first,
            pages: Pages::beside(&base.pages, changes.bytes.clone(), pages),
            digests: Vec::with_capacity(pages),
        }
    }

    /// Takes over the base's actors from `old` on for which `below` holds, but for the removed from `gone` on; says where it stopped.
    fn keep(&mut self, mut old: usize, below: impl Fn(crate::Key) -> bool, removed: &[crate::Key], gone: &mut usize) -> usize {
        while let Some(actor) = self.base.actors.get(old).filter(|actor| below(actor.key)) {
            match removed.get(*gone).map(|key| key.cmp(&actor.key)) {
                Some(Ordering::Equal) => *gone += 1,
                // One that the base does not have: `gone` stays, and the caller says so.
                Some(Ordering::Less | Ordering::Greater) | None => {
                    self.pages.extend(&self.base.pages, self.base.first[old]..self.base.first[old + 1]);
                    self.digests.extend_from_slice(&self.base_digests[self.base.first[old]..self.base.first[old + 1]]);
                    self.push(actor.clone());
                }
            }
            old += 1;
        }
        old
    }

    /// Takes over changed actor `whose`, which is the base's `same`, if it has it.
    fn change(&mut self, whose: usize, same: Option<usize>) -> Result<(), Invalid> {
        let actor = &self.changes.changed[whose];
        let below = same.filter(|same| self.base.actors[*same].bytes == actor.bytes).map(|same| self.base.first[same]);
        for page in 0..pages_of(actor.bytes) {
            match self.changes.pages.get(self.page).filter(|next| (next.changed as usize, next.page) == (whose, page)) {
                Some(next) => {
                    self.pages.push(next.offset);
                    self.digests.push(self.changes.page_digests[self.page]);
                    self.page += 1;
                }
                None => {
                    let place = below.ok_or(Invalid::NoPage { key: actor.key, page })? + page as usize;
                    self.pages.extend(&self.base.pages, place..place + 1);
                    self.digests.push(self.base_digests[place]);
                }
            }
        }
        self.push(actor.clone());
        Ok(())
    }

    fn push(&mut self, actor: Actor) {
        self.actors.push(actor);
        self.first.push(self.digests.len());
    }

    fn finish(mut self, head: Head) -> Checkpoint {
        self.pages.settle(lens(&self.actors), self.changes.bytes.len() as u64);
        let new = Checkpoint::assemble(head, self.actors, self.first, self.pages);
        // Nobody else has seen it yet, so this sets it.
        let _ = new.inner.page_digests.set(self.digests);
        new
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
