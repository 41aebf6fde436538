//! Rows and arenas against models so simple that they can be seen to be right.
#![cfg(not(loom))]

use proptest::prelude::*;
use resident_gpu::arena::{Arena, ArenaError, Cell, SLAB_BYTES, room_for};
use resident_gpu::rows::{RowId, Rows};
use resident_kernels::wire::MAX_STATE;
use std::collections::{BTreeMap, HashSet};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases: if cfg!(miri) { 4 } else { cases }, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn rows_are_a_set(count in 0..20u32, steps in proptest::collection::vec((any::<bool>(), any::<u32>()), 0..200)) {
        let mut rows = Rows::new(count);
        let mut live: Vec<RowId> = Vec::new();
        let mut seen: HashSet<RowId> = HashSet::new();
        for (claim, pick) in steps {
            if claim {
                match rows.claim() {
                    Some(id) => {
                        prop_assert!(id.row < count && id.generation > 0);
                        prop_assert!(live.iter().all(|other| other.row != id.row));
                        prop_assert!(seen.insert(id), "{:?} twice", id);
                        live.push(id);
                    }
                    None => prop_assert_eq!(live.len(), count as usize),
                }
            } else if !live.is_empty() {
                let id = live.swap_remove(pick as usize % live.len());
                prop_assert!(rows.release(id));
                prop_assert!(!rows.release(id));
            }
            prop_assert_eq!(rows.live() as usize, live.len());
            for id in &seen {
                prop_assert_eq!(rows.is_live(*id), live.contains(id));
            }
        }
        let never = [RowId { row: count, generation: 1 }, RowId { row: 0, generation: 0 }];
        prop_assert!(never.iter().all(|&id| !rows.is_live(id)));
        prop_assert_eq!(rows.capacity(), count);
    }

    #[test]
    fn cells_never_overlap(
        base in (0..1000u64),
        slabs in 0..6u64,
        steps in proptest::collection::vec((any::<bool>(), prop_oneof![0..200u32, 0..5_000u32, 0..=MAX_STATE as u32], any::<u32>()), 0..300),
    ) {
        let bytes = slabs * SLAB_BYTES + 15;
        let mut arena = Arena::new(base, bytes);
        prop_assert_eq!(arena.capacity(), slabs * SLAB_BYTES);
        let mut live: BTreeMap<u64, Cell> = BTreeMap::new();
        for (allocate, bytes, pick) in steps {
            if allocate {
                match arena.allocate(bytes) {
                    Ok(cell) => {
                        let end = cell.offset + (cell.bytes as u64).max(1);
                        prop_assert_eq!(cell.bytes, bytes);
                        prop_assert!(cell.offset % 16 == 0 && cell.offset >= base && end <= base + slabs * SLAB_BYTES + 15);
                        if let Some((_, before)) = live.range(..end).next_back() {
                            prop_assert!(before.offset + (before.bytes as u64).max(1) <= cell.offset);
                        }
                        live.insert(cell.offset, cell);
                    }
                    Err(ArenaError::Exhausted { bytes: asked, used, capacity }) => {
                        prop_assert_eq!((asked, used, capacity), (bytes, arena.used(), arena.capacity()));
                        // Every slab holds something, so at least so many cells are live.
                        prop_assert!(live.len() as u64 >= slabs);
                    }
                    Err(error) => prop_assert!(false, "{}", error),
                }
            } else if let Some(&offset) = live.keys().nth(pick as usize % live.len().max(1)) {
                let cell = live.remove(&offset).unwrap();
                prop_assert!(arena.free(cell));
                prop_assert!(!arena.free(cell));
            }
            let least: u64 = live.values().map(|cell| cell.bytes as u64).sum();
            prop_assert!(arena.used() >= least);
            prop_assert!(arena.used() <= least + least / 4 + 16 * live.len() as u64);
        }
        for cell in live.into_values() {
            prop_assert!(arena.free(cell));
        }
        prop_assert_eq!(arena.used(), 0);
        for _ in 0..slabs {
            prop_assert!(arena.allocate(MAX_STATE as u32).is_ok());
        }
        prop_assert!(arena.allocate(0).is_err());
    }

    #[test]
    fn what_was_not_given_out_is_not_taken_back(offset in 0..4 * SLAB_BYTES, bytes in any::<u32>(), cells in 0..900u32) {
        let mut arena = Arena::new(0, 3 * SLAB_BYTES);
        let given: HashSet<Cell> = (0..cells).map(|_| arena.allocate(80).unwrap()).collect();
        let used = arena.used();
        let cell = Cell { offset, bytes };
        let known = given.iter().any(|other| other.offset == offset) && (65..=80).contains(&bytes);
        prop_assert_eq!(arena.free(cell), known);
        prop_assert_eq!(arena.used(), if known { used - 80 } else { used });
        let behind_the_last_whole_one = Cell { offset: 819 * 80, bytes: 80 };
        prop_assert!(!arena.free(behind_the_last_whole_one));
    }
}

#[test]
fn generations_wrap_past_zero() {
    let mut rows = Rows::new(1);
    let first = rows.claim().unwrap();
    rows.release(first);
    let second = rows.claim().unwrap();
    assert_eq!((first.generation, second.generation), (1, 2));
}

#[test]
fn errors_say_what_to_do() {
    let mut arena = Arena::new(0, SLAB_BYTES);
    assert_eq!(arena.allocate(MAX_STATE as u32 + 1), Err(ArenaError::TooLarge { bytes: 65_537 }));
    assert_eq!(arena.room(MAX_STATE as u32 + 1), Err(ArenaError::TooLarge { bytes: 65_537 }));
    arena.allocate(1).unwrap();
    let error = arena.allocate(1000).unwrap_err();
    assert_eq!(error, ArenaError::Exhausted { bytes: 1000, used: 16, capacity: SLAB_BYTES });
    assert!(error.to_string().contains("larger arena"));
}

/// Those that are set aside are not the ones that come next.
#[test]
fn the_last_ones_are_set_aside() {
    let mut rows = Rows::new(4);
    let (aside, next) = (rows.claim_last().unwrap(), rows.claim().unwrap());
    assert_eq!((aside.row, next.row, rows.free()), (3, 0, 2));
    assert!(rows.release(next) && rows.release(aside));
    assert_eq!((rows.claim().unwrap().row, rows.claim_last().unwrap().row), (3, 2), "what came back last comes next");
    assert!(rows.claim().is_some() && rows.claim().is_some());
    assert!(rows.claim().is_none() && rows.claim_last().is_none());
}

/// Room for so many states is as much as they take, whatever their size.
#[test]
fn room_is_as_much_as_it_takes() {
    for bytes in [0, 1, 16, 100, 256, 5000, MAX_STATE as u32] {
        for count in [0, 1, 7, 300] {
            let room = room_for(bytes, count);
            let mut arena = Arena::new(0, room);
            let before = arena.room(bytes).unwrap();
            assert_eq!(arena.allocate_many(bytes, count as usize).map(|cells| cells.len()), Ok(count as usize));
            assert!(arena.used() + SLAB_BYTES > room || bytes > 100, "{bytes} {count}");
            let left = arena.room(bytes).unwrap();
            assert_eq!(
                (before - left, arena.allocate_many(bytes, left).is_ok(), arena.allocate(bytes).is_err()),
                (count as usize, true, true)
            );
        }
    }
}
