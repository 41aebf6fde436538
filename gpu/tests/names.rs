//! The table of names as its writer and its readers have it. Its ordering is loom's (`gpu/tests/loom.rs`).

use std::collections::HashMap;

use resident_gpu::names::{NameError, Names};
use resident_gpu::region::{Geometry, Region};
use resident_gpu::rows::RowId;
use resident_kernels::wire::{digest, name_place};

fn names(names: u32) -> Names {
    let geometry = Geometry { shards: 1, capacity: 32, rows: 1, reply_lines: 0, arena_bytes: 0, names, nursery: 0, inbox: 0 };
    let region = Region::heap(&geometry).unwrap();
    let writer = region.names().unwrap();
    assert!(region.names().is_none(), "there is one writer");
    writer
}

fn hash(n: u32) -> u64 {
    digest(format!("actor-{n}").as_bytes())
}

fn id(n: u32) -> RowId {
    RowId { row: n, generation: n + 1 }
}

#[test]
fn as_many_as_there_is_room_for() {
    let mut names = names(1000);
    for n in 0..1000 {
        names.insert(hash(n), n as u16, n % 7, id(n)).unwrap();
    }
    for n in 0..1000 {
        assert_eq!(names.find(hash(n), n as u16), Some((n % 7, id(n))));
        assert_eq!(names.find(hash(n), n as u16 + 1), None, "of another kind");
    }
    assert_eq!(names.find(hash(1000), 0), None);
}

#[test]
fn two_of_one_hash_are_refused() {
    let mut names = names(8);
    let place = names.insert(7, 1, 0, id(1)).unwrap();
    assert_eq!(names.insert(7, 2, 1, id(2)), Err(NameError::Taken));
    assert_eq!(names.find(7, 1), Some((0, id(1))));
    assert_eq!(names.find(7, 2), None);
    names.remove(place);
    names.remove(place);
    names.insert(7, 2, 1, id(2)).unwrap();
    assert_eq!(names.find(7, 2), Some((1, id(2))));
}

/// Those that want the same entries are refused when these are taken, and nobody takes another's.
#[test]
fn a_full_window_is_told() {
    let mut names = names(64);
    let same: Vec<u64> = (0..).map(hash).filter(|hash| name_place(*hash, 8) == 3).take(33).collect();
    for (n, hash) in (0..).zip(&same[..32]) {
        names.insert(*hash, 1, 0, id(n)).unwrap();
    }
    assert_eq!(names.insert(same[32], 1, 0, id(32)), Err(NameError::Full));
    for (n, hash) in (0..).zip(&same[..32]) {
        assert_eq!(names.find(*hash, 1), Some((0, id(n))));
    }
}

/// However they come and go, what is in is found, and nothing else.
#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn they_come_and_go() {
    let mut names = names(64);
    let mut places = HashMap::new();
    let mut random = 1u64;
    for _ in 0..20_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let n = (random >> 40) as u32 % 100;
        match places.remove(&n) {
            Some(place) => names.remove(place),
            None => match names.insert(hash(n), 1, 0, id(n)) {
                Ok(place) => assert!(places.insert(n, place).is_none()),
                Err(error) => assert!(error == NameError::Full && places.len() == 64),
            },
        }
        for n in 0..100 {
            assert_eq!(names.find(hash(n), 1).is_some(), places.contains_key(&n));
        }
    }
}
