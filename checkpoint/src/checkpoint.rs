//! A checkpoint: checked once, never changed, shared by cloning.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::digest::{self, Digest};
use crate::error::Invalid;
use crate::pages::{Pages, Runs, page_len, pages_of};
use crate::parts::{Actor, Emitted, Head, Key, Kind, PAGE_BYTES, Parts, Pending, Shard, Taken};

/// The states of some actors at one moment, and what belongs to that moment. Immutable; a clone shares it.
///
/// ```
/// use resident_checkpoint::{Actor, Checkpoint, Key, Kind, Parts, Status};
///
/// let key = Key { shard: 0, row: 0, generation: 1 };
/// let checkpoint = Checkpoint::new(Parts {
///     kinds: vec![Kind { name: "Counter".into(), layout: 7, state_bytes: 4 }],
///     actors: vec![Actor { key, name: Some("one".into()), kind: 0, status: Status::Live, handled: 3, offset: 0, bytes: 4 }],
///     states: 3u32.to_le_bytes().to_vec().into(),
///     ..Parts::default()
/// })?;
/// let one = checkpoint.named("one").unwrap();
/// assert_eq!(checkpoint.state(one)[..], [3, 0, 0, 0]);
/// assert_eq!(checkpoint.kind_of(one).name, "Counter");
/// # Ok::<(), resident_checkpoint::Invalid>(())
/// ```
#[derive(Clone)]
pub struct Checkpoint {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) head: Head,
    /// Sorted by key; `offset` is 0.
    pub(crate) actors: Vec<Actor>,
    /// The place in `pages` of each actor's first page, and at the end the number of pages.
    pub(crate) first: Vec<usize>,
    pub(crate) pages: Pages,
    pub(crate) page_digests: OnceLock<Vec<u128>>,
    pub(crate) digest: OnceLock<Digest>,
    names: OnceLock<Names>,
}

/// The named actors by the hash of the name, and where hashes are equal by name, so that forged names cost no more than others.
struct Names(Vec<(u64, u32)>);

impl Checkpoint {
    /// Checks the parts: every state within the bytes, of a kind there is and as long as that says, no key and no name twice.
    pub fn new(parts: Parts) -> Result<Checkpoint, Invalid> {
        let Parts { taken, kinds, mut actors, shards, pending, emitted, notes, states } = parts;
        let head = Head { taken, kinds, shards, pending, emitted, notes };
        if !actors.is_sorted_by_key(|actor| actor.key) {
            actors.sort_unstable_by_key(|actor| actor.key);
        }
        unique(&actors)?;
        for actor in &actors {
            of_its_kind(&head.kinds, actor)?;
            let end = actor.offset.checked_add(actor.bytes.into());
            if end.is_none_or(|end| end > states.len() as u64) {
                let Actor { key, offset, bytes, .. } = *actor;
                return Err(Invalid::Range { key, offset, bytes, states: states.len() as u64 });
            }
        }
        let first = first_pages(&actors);
        let mut pages = Pages::beside(&Pages::default(), states, first[actors.len()]);
        for actor in &mut actors {
            let offset = std::mem::take(&mut actor.offset);
            (0..pages_of(actor.bytes)).for_each(|page| pages.push(offset + u64::from(page) * PAGE_BYTES as u64));
        }
        let checkpoint = Checkpoint::assemble(head, actors, first, pages);
        checkpoint.unique_names()?;
        Ok(checkpoint)
    }

    /// A checkpoint of parts that were checked, but for the names.
    pub(crate) fn assemble(head: Head, actors: Vec<Actor>, first: Vec<usize>, pages: Pages) -> Checkpoint {
        let (page_digests, digest, names) = Default::default();
        Checkpoint { inner: Arc::new(Inner { head, actors, first, pages, page_digests, digest, names }) }
    }

    /// When, and of which device.
    pub fn taken(&self) -> &Taken {
        &self.inner.head.taken
    }

    /// The kinds of the actors.
    pub fn kinds(&self) -> &[Kind] {
        &self.inner.head.kinds
    }

    /// The actors, sorted by key.
    pub fn actors(&self) -> &[Actor] {
        &self.inner.actors
    }

    /// The actor of this key.
    pub fn actor(&self, key: Key) -> Option<&Actor> {
        self.place(key).ok().map(|place| &self.inner.actors[place])
    }

    /// The actor of this name.
    pub fn named(&self, name: &str) -> Option<&Actor> {
        let actors = &self.inner.actors;
        let place = self.names().find(actors, name)?;
        Some(&actors[place])
    }

    /// The actor's kind.
    pub fn kind_of(&self, actor: &Actor) -> &Kind {
        &self.inner.head.kinds[actor.kind as usize]
    }

    /// The actor's state, which is copied only if deltas have left it in several pieces. `actor` is one of this checkpoint's; the
    /// state is found by its key.
    ///
    /// # Panics
    ///
    /// If the checkpoint has no actor of that key.
    pub fn state(&self, actor: &Actor) -> Cow<'_, [u8]> {
        let mut runs = self.runs(actor);
        let Some(first) = runs.next() else { return Cow::Borrowed(&[]) };
        if first.len() == actor.bytes as usize {
            return Cow::Borrowed(first);
        }
        let mut state = Vec::with_capacity(actor.bytes as usize);
        state.extend_from_slice(first);
        runs.for_each(|run| state.extend_from_slice(run));
        Cow::Owned(state)
    }

    /// The actor's state piece by piece, without a copy: pieces of whole pages, as long as they lie together.
    ///
    /// # Panics
    ///
    /// If the checkpoint has no actor of that key.
    pub fn runs(&self, actor: &Actor) -> impl Iterator<Item = &[u8]> {
        match self.place(actor.key) {
            Ok(place) => self.runs_at(place),
            Err(_) => panic!("actor {} is of another checkpoint", actor.key),
        }
    }

    /// How far each shard was.
    pub fn shards(&self) -> &[Shard] {
        &self.inner.head.shards
    }

    /// Messages sent before the cut and not handled.
    pub fn pending(&self) -> &[Pending] {
        &self.inner.head.pending
    }

    /// Messages emitted before the cut and not delivered.
    pub fn emitted(&self) -> &[Emitted] {
        &self.inner.head.emitted
    }

    /// The application's note of this name.
    pub fn note(&self, name: &str) -> Option<&[u8]> {
        self.notes().get(name).map(Vec::as_slice)
    }

    /// All the application's notes.
    pub fn notes(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.inner.head.notes
    }

    /// Bytes of all states together.
    pub fn state_bytes(&self) -> u64 {
        self.inner.actors.iter().map(|actor| u64::from(actor.bytes)).sum()
    }

    /// Says which contents these are. Computed once; for a checkpoint that came of another by a delta, from the changed pages.
    pub fn digest(&self) -> Digest {
        let inner = &*self.inner;
        *inner.digest.get_or_init(|| digest::of_contents(&inner.head, &inner.actors, self.page_digests()))
    }

    /// The parts again, to make another checkpoint of; states are copied into one span, one after another.
    pub fn parts(&self) -> Parts {
        let mut states = Vec::with_capacity(self.state_bytes() as usize);
        let mut actors = self.inner.actors.clone();
        for (place, actor) in actors.iter_mut().enumerate() {
            actor.offset = states.len() as u64;
            self.runs_at(place).for_each(|run| states.extend_from_slice(run));
        }
        let Head { taken, kinds, shards, pending, emitted, notes } = self.inner.head.clone();
        Parts { taken, kinds, actors, shards, pending, emitted, notes, states: Bytes::from(states) }
    }

    pub(crate) fn place(&self, key: Key) -> Result<usize, usize> {
        self.inner.actors.binary_search_by_key(&key, |actor| actor.key)
    }

    /// The state of the actor at `place`.
    pub(crate) fn runs_at(&self, place: usize) -> Runs<'_> {
        self.inner.pages.runs(self.inner.first[place], self.inner.actors[place].bytes)
    }

    /// Where in the table the pages of the actor at `place` are.
    pub(crate) fn pages_at(&self, place: usize) -> Range<usize> {
        self.inner.first[place]..self.inner.first[place + 1]
    }

    /// The digest of each page of each state.
    pub(crate) fn page_digests(&self) -> &[u128] {
        self.inner.page_digests.get_or_init(|| {
            let inner = &*self.inner;
            lens(&inner.actors).zip(0..).map(|(len, page)| digest::of_page(inner.pages.page(page, len))).collect()
        })
    }

    /// No name twice.
    pub(crate) fn unique_names(&self) -> Result<(), Invalid> {
        let actors = &self.inner.actors;
        let name = |(_, actor): &(u64, u32)| &actors[*actor as usize].name;
        match self.names().0.windows(2).find(|pair| pair[0].0 == pair[1].0 && name(&pair[0]) == name(&pair[1])) {
            Some(pair) => Err(Invalid::Name(name(&pair[0]).clone().unwrap_or_default())),
            None => Ok(()),
        }
    }

    fn names(&self) -> &Names {
        self.inner.names.get_or_init(|| Names::of(&self.inner.actors))
    }
}

impl Names {
    fn of(actors: &[Actor]) -> Names {
        let named = actors.iter().zip(0..).filter_map(|(actor, place)| Some((xxh3_64(actor.name.as_ref()?.as_bytes()), place)));
        let mut names: Vec<(u64, u32)> = named.collect();
        let name = |place: u32| &actors[place as usize].name;
        names.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| name(a.1).cmp(name(b.1))));
        Names(names)
    }

    fn find(&self, actors: &[Actor], name: &str) -> Option<usize> {
        let hash = xxh3_64(name.as_bytes());
        let by_name = |place: u32| actors[place as usize].name.as_deref().cmp(&Some(name));
        let found = self.0.binary_search_by(|&(other, place)| other.cmp(&hash).then_with(|| by_name(place)));
        found.ok().map(|found| self.0[found].1 as usize)
    }
}

impl PartialEq for Checkpoint {
    /// Of equal contents.
    fn eq(&self, other: &Checkpoint) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner) || self.digest() == other.digest()
    }
}

impl Eq for Checkpoint {}

impl Debug for Checkpoint {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let Inner { head, actors, digest, .. } = &*self.inner;
        let mut shown = f.debug_struct("Checkpoint");
        shown.field("taken", &head.taken).field("actors", &actors.len()).field("state_bytes", &self.state_bytes());
        shown.field("digest", &digest.get()).finish_non_exhaustive()
    }
}

/// The length of each page of each state.
pub(crate) fn lens(actors: &[Actor]) -> impl Iterator<Item = usize> + Clone {
    actors.iter().flat_map(|actor| (0..pages_of(actor.bytes)).map(|page| page_len(actor.bytes, page)))
}

/// The place of each actor's first page, and at the end the number of pages.
pub(crate) fn first_pages(actors: &[Actor]) -> Vec<usize> {
    let mut first = Vec::with_capacity(actors.len() + 1);
    first.push(0);
    first.extend(actors.iter().scan(0, |pages, actor| {
        *pages += pages_of(actor.bytes) as usize;
        Some(*pages)
    }));
    first
}

/// `actors` are sorted; no key is there twice.
pub(crate) fn unique(actors: &[Actor]) -> Result<(), Invalid> {
    match actors.windows(2).find(|pair| pair[0].key.cmp(&pair[1].key) == Ordering::Equal) {
        Some(pair) => Err(Invalid::Twice(pair[0].key)),
        None => Ok(()),
    }
}

/// The actor is of a kind there is, and its state as long as that says.
pub(crate) fn of_its_kind(kinds: &[Kind], actor: &Actor) -> Result<(), Invalid> {
    let Actor { key, kind, bytes, .. } = *actor;
    match kinds.get(kind as usize) {
        None => Err(Invalid::Kind { key, kind, kinds: kinds.len() }),
        Some(Kind { name, state_bytes, .. }) if *state_bytes != bytes => {
            Err(Invalid::Bytes { key, bytes, kind: name.clone(), state_bytes: *state_bytes })
        }
        Some(_) => Ok(()),
    }
}
