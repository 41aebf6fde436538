//! Deltas: made from two checkpoints or by a device, applied to their base and nothing else.

use bytes::Bytes;
use resident_checkpoint::{ChangedPage, Checkpoint, Delta, DeltaParts, Invalid, Key, Kind, PAGE_BYTES, Parts, Refused};

use crate::samples::{actor, chain, checkpoint, key, later, parts};

/// The small things of `checkpoint`, and no changes.
fn unchanged(checkpoint: &Checkpoint) -> DeltaParts {
    let Parts { taken, kinds, shards, pending, emitted, notes, .. } = checkpoint.parts();
    DeltaParts { taken, kinds, shards, pending, emitted, notes, ..DeltaParts::default() }
}

fn refused(change: impl FnOnce(&mut DeltaParts)) -> Invalid {
    let base = checkpoint();
    let mut parts = unchanged(&base);
    change(&mut parts);
    base.advance(parts).map(drop).unwrap_err()
}

const BOOK: Key = Key { shard: 1, row: 0, generation: 1 };

#[test]
fn a_delta_carries_what_changed() {
    let (base, new) = (checkpoint(), later());
    let delta = Checkpoint::delta_from(&base, &new);
    assert_eq!((delta.base(), delta.result()), (base.digest(), new.digest()));
    assert_eq!(delta.removed(), [key(0, 2)]);
    assert_eq!(delta.changed().iter().map(|actor| actor.key).collect::<Vec<_>>(), [BOOK, key(1, 1)]);
    let pages: Vec<_> = delta.pages().iter().map(|page| (page.changed, page.page)).collect();
    assert_eq!((pages, delta.page_bytes()), (vec![(0, 1), (1, 0)], 904 + 4), "the book's second page and the new counter");
    assert_eq!(delta.taken(), new.taken());
    let applied = Checkpoint::apply(&base, &delta).unwrap();
    assert_eq!(applied.parts(), new.parts());
}

#[test]
fn a_delta_of_nothing_is_empty() {
    let base = checkpoint();
    let delta = Checkpoint::delta_from(&base, &base);
    assert!(delta.changed().is_empty() && delta.removed().is_empty() && delta.page_bytes() == 0);
    assert_eq!(Checkpoint::apply(&base, &delta).unwrap(), base);
}

/// C-2
#[test]
fn a_base_that_is_not_the_deltas_is_refused() {
    let chain = chain(4);
    let deltas: Vec<Delta> = chain.windows(2).map(|pair| Checkpoint::delta_from(&pair[0], &pair[1])).collect();
    for (at, base) in chain.iter().enumerate() {
        for (of, delta) in deltas.iter().enumerate() {
            match Checkpoint::apply(base, delta) {
                Ok(made) => assert!(at == of && made == chain[of + 1]),
                Err(error) => {
                    assert!(at != of);
                    assert_eq!(error, Refused::Base { base: base.digest(), wanted: chain[of].digest() });
                }
            }
        }
    }
}

#[test]
fn a_device_tells_what_changed() {
    let base = checkpoint();
    let new = later();
    let book = new.actor(BOOK).unwrap().clone();
    let second = new.state(&book)[PAGE_BYTES..].to_vec();
    let mut parts = unchanged(&base);
    parts.taken = new.taken().clone();
    parts.removed = vec![key(0, 2)];
    // In no order, and with something between.
    parts.changed = vec![actor(key(1, 1), Some("new"), 0, 77, 4), book];
    parts.bytes = [&second[..], &[0xee; 3], &[9; 4]].concat().into();
    parts.pages =
        vec![ChangedPage { changed: 1, page: 1, offset: 0 }, ChangedPage { changed: 0, page: 0, offset: second.len() as u64 + 3 }];
    let (made, delta) = base.advance(parts).unwrap();
    assert_eq!(made.parts(), new.parts());
    assert_eq!((delta.base(), delta.result()), (base.digest(), new.digest()));
    assert_eq!(Checkpoint::apply(&base, &delta).unwrap(), new);
}

/// What did not change lies where it lay, and what changed lies where the device put it.
#[test]
fn bytes_are_shared() {
    let kinds = vec![Kind { name: "Book".into(), layout: 0, state_bytes: 4 * PAGE_BYTES as u32 }];
    let actors = (0..100).map(|row| actor(key(0, row), None, 0, u64::from(row) * 4 * PAGE_BYTES as u64, 4 * PAGE_BYTES as u32)).collect();
    let states = Bytes::from(vec![7u8; 400 * PAGE_BYTES]);
    let base = Checkpoint::new(Parts { kinds, actors, states: states.clone(), ..parts() }).unwrap();
    assert_eq!(base.state(&base.actors()[1]).as_ptr(), states[4 * PAGE_BYTES..].as_ptr());

    let page = Bytes::from(vec![8u8; PAGE_BYTES]);
    let changed = vec![base.actors()[1].clone()];
    let pages = vec![ChangedPage { changed: 0, page: 2, offset: 0 }];
    let (new, _) = base.advance(DeltaParts { changed, pages, bytes: page.clone(), ..unchanged(&base) }).unwrap();
    let runs: Vec<_> = new.runs(&new.actors()[1]).map(|run| (run.as_ptr(), run.len() / PAGE_BYTES)).collect();
    let at = |page: usize| states[page * PAGE_BYTES..].as_ptr();
    assert_eq!(runs, [(at(4), 2), (page.as_ptr(), 1), (at(7), 1)]);
    assert_eq!(new.state(&new.actors()[2]).as_ptr(), at(8));
}

#[test]
fn changes_that_make_no_sense_are_refused() {
    let book = || checkpoint().actor(BOOK).unwrap().clone();
    let page = |changed, page, offset| ChangedPage { changed, page, offset };
    let bytes = || Bytes::from(vec![0; 5000]);
    assert_eq!(refused(|parts| parts.removed = vec![key(9, 9)]), Invalid::Unknown(key(9, 9)));
    assert_eq!(refused(|parts| parts.removed = vec![key(0, 0), key(0, 2)]), Invalid::Unknown(key(0, 0)));
    assert_eq!(refused(|parts| parts.removed = vec![BOOK, BOOK]), Invalid::Twice(BOOK));
    assert_eq!(refused(|parts| parts.changed = vec![book(), book()]), Invalid::Twice(BOOK));
    assert_eq!(refused(|parts| (parts.changed, parts.removed) = (vec![book()], vec![BOOK])), Invalid::Twice(BOOK));
    assert_eq!(refused(|parts| parts.pages = vec![page(0, 1, 0)]), Invalid::PageOfNobody { changed: 0, page: 1, actors: 0 });
    let twice = vec![page(0, 1, 0), page(0, 1, 8)];
    let no_page = |page| Invalid::Page { key: BOOK, page, pages: 2 };
    assert_eq!(refused(|parts| (parts.changed, parts.pages, parts.bytes) = (vec![book()], twice, bytes())), no_page(1));
    assert_eq!(refused(|parts| (parts.changed, parts.pages, parts.bytes) = (vec![book()], vec![page(0, 2, 0)], bytes())), no_page(2));
    for offset in [4097, u64::MAX] {
        let outside = Invalid::PageRange { key: BOOK, page: 1, offset, bytes: 5000 };
        assert_eq!(refused(|parts| (parts.changed, parts.pages, parts.bytes) = (vec![book()], vec![page(0, 1, offset)], bytes())), outside);
    }
    let new = actor(key(2, 2), None, 1, 0, 5000);
    let half = Invalid::NoPage { key: new.key, page: 1 };
    assert_eq!(refused(|parts| (parts.changed, parts.pages, parts.bytes) = (vec![new], vec![page(0, 0, 0)], bytes())), half);
    let named = actor(BOOK, Some("one"), 1, 0, 5000);
    assert_eq!(refused(|parts| parts.changed = vec![named]), Invalid::Name("one".into()));
    assert_eq!(refused(|parts| parts.kinds.truncate(1)), Invalid::Kind { key: key(0, 2), kind: 2, kinds: 1 });
}

#[test]
fn a_name_passes_from_one_to_another() {
    let base = checkpoint();
    let parts = DeltaParts { changed: vec![actor(key(0, 7), None, 0, 0, 4), actor(BOOK, Some("one"), 1, 0, 5000)], ..unchanged(&base) };
    let (new, _) = base.advance(parts).unwrap();
    assert_eq!(new.named("one").unwrap().key, BOOK);
    assert_eq!((base.named("one").unwrap().key, new.state(new.actor(BOOK).unwrap())), (key(0, 7), base.state(base.actor(BOOK).unwrap())));
}
