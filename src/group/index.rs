//! Which slot has a key. The keys stand with the members: of each there are four bytes here and what a table of them has around it.

use std::array;
use std::hash::{BuildHasher, Hash};
use std::panic::resume_unwind;
use std::{iter, thread};

use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{Entry, HashTable};
use parking_lot::Mutex;

/// Tables that share the slots by their keys' hashes, so that many are entered by several threads.
const PARTS: usize = 16;
/// Fewer are entered sooner by one thread than others are started.
const FEW: u32 = 1 << 15;

/// Slots, to be found by the keys of those who have them.
pub(crate) struct Index {
    parts: [Part; PARTS],
    hasher: DefaultHashBuilder,
}

type Part = HashTable<u32>;

/// Whose table it is. A table takes its own bits from both ends of a hash.
fn part_of(hash: u64) -> usize {
    (hash >> 32) as usize % PARTS
}

impl Index {
    /// Nobody's slots.
    pub(crate) fn new() -> Index {
        Index { parts: array::from_fn(|_| Part::new()), hasher: DefaultHashBuilder::default() }
    }

    /// Those of `count` members, whose keys `key_of` says; the first slot whose key another has ahead of it, if there is one.
    pub(crate) fn of<'k, K: Hash + Eq + 'k>(count: u32, key_of: impl Fn(u32) -> &'k K + Sync) -> Result<Index, u32> {
        let mut index = Index::new();
        let Index { parts, hasher } = &mut index;
        let (hasher, key_of) = (&*hasher, &key_of);
        let enter = |first: usize, parts: &mut [Part]| {
            parts.iter_mut().for_each(|part| part.reserve(count as usize / PARTS, |slot| hasher.hash_one(key_of(*slot))));
            (0..count).find(|slot| {
                let hash = hasher.hash_one(key_of(*slot));
                parts.get_mut(part_of(hash).wrapping_sub(first)).is_some_and(|part| !insert(part, hasher, hash, *slot, key_of))
            })
        };
        let threads = if count < FEW { 1 } else { thread::available_parallelism().map_or(1, |cores| cores.get().min(PARTS)) };
        let each = PARTS.div_ceil(threads);
        let jobs = Mutex::new(parts.chunks_mut(each).enumerate().collect::<Vec<_>>());
        let next = || jobs.lock().pop();
        let work = || iter::from_fn(next).filter_map(|(n, parts)| enter(n * each, parts)).min();
        let twice = thread::scope(|scope| {
            // What helpers that do not start would have done, this thread does.
            let helpers: Vec<_> = (1..threads).filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok()).collect();
            let own = work();
            let others = helpers.into_iter().map(|helper| helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
            others.chain([own]).flatten().min()
        });
        twice.map_or(Ok(index), Err)
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(HashTable::len).sum()
    }

    /// The slot of `key`; `is` says whether a slot is.
    pub(crate) fn find<K: Hash>(&self, key: &K, is: impl Fn(u32) -> bool) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.parts[part_of(hash)].find(hash, |slot| is(*slot)).copied()
    }

    /// Enters a slot that is nobody's, with a key that is nobody's.
    pub(crate) fn insert<'k, K: Hash + Eq + 'k>(&mut self, slot: u32, key_of: impl Fn(u32) -> &'k K) {
        let hash = self.hasher.hash_one(key_of(slot));
        insert(&mut self.parts[part_of(hash)], &self.hasher, hash, slot, &key_of);
    }

    /// The slot of `key` is nobody's any more.
    pub(crate) fn remove<K: Hash>(&mut self, key: &K, slot: u32) {
        let hash = self.hasher.hash_one(key);
        if let Ok(found) = self.parts[part_of(hash)].find_entry(hash, |found| *found == slot) {
            found.remove();
        }
    }
}

/// Enters a slot; false if another has its key.
fn insert<'k, K: Hash + Eq + 'k>(
    part: &mut Part,
    hasher: &DefaultHashBuilder,
    hash: u64,
    slot: u32,
    key_of: &impl Fn(u32) -> &'k K,
) -> bool {
    let key = key_of(slot);
    match part.entry(hash, |other| key_of(*other) == key, |slot| hasher.hash_one(key_of(*slot))) {
        Entry::Occupied(_) => false,
        Entry::Vacant(free) => {
            free.insert(slot);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many as several threads enter.
    const MANY: u32 = 3 * FEW;

    fn keys(count: u32) -> Vec<String> {
        (0..count).map(|slot| format!("key {slot}")).collect()
    }

    #[test]
    fn every_key_is_found_in_its_slot_until_it_is_removed() {
        for count in [0, 1, 100, MANY] {
            let keys = keys(count);
            let key_of = |slot: u32| &keys[slot as usize];
            let mut index = Index::of(count, key_of).unwrap();
            assert_eq!(index.len(), count as usize);
            for slot in 0..count {
                assert_eq!(index.find(key_of(slot), |found| found == slot), Some(slot));
            }
            assert_eq!(index.find(&"nobody".to_owned(), |slot| key_of(slot) == "nobody"), None);
            for slot in (0..count).step_by(3) {
                index.remove(key_of(slot), slot);
            }
            for slot in 0..count {
                assert_eq!(index.find(key_of(slot), |found| found == slot), (slot % 3 != 0).then_some(slot));
            }
            for slot in (0..count).step_by(3) {
                index.insert(slot, key_of);
            }
            assert!((0..count).all(|slot| index.find(key_of(slot), |found| found == slot) == Some(slot)));
        }
    }

    #[test]
    fn the_first_of_those_that_come_twice_is_told() {
        for count in [100, MANY] {
            let mut keys = keys(count);
            for (twin, of) in [(count - 1, 3), (count / 2, 7), (count / 2 + 1, count / 2 - 1)] {
                keys[twin as usize] = keys[of as usize].clone();
            }
            assert_eq!(Index::of(count, |slot| &keys[slot as usize]).err(), Some(count / 2));
        }
    }
}
