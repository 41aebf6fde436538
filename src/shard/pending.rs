//! What waits for an answer of one shard: calls, spawns, stops, reads. A slab whose index, with a generation, is the
//! correlation on the wire, so that an answer finds its question without a search and an old answer finds none.

const INDEX_BITS: u32 = 20;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;
/// One below what the bits hold, so that no correlation is `u32::MAX`, which says "none" on the wire.
const LIMIT: u32 = INDEX_MASK;
const NONE: u32 = u32::MAX;

struct Slot<T> {
    generation: u32,
    content: Content<T>,
}

enum Content<T> {
    Free { next: u32 },
    Waiting(T),
}

/// The table.
pub(crate) struct Table<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    len: u32,
}

impl<T> Table<T> {
    pub(crate) fn new() -> Table<T> {
        Table { slots: Vec::new(), free: NONE, len: 0 }
    }

    /// The correlation that the next [`insert`](Self::insert) gives; `None` while the table is full.
    #[inline]
    pub(crate) fn next(&self) -> Option<u32> {
        match self.free {
            NONE if self.slots.len() as u32 >= LIMIT => None,
            NONE => Some(self.slots.len() as u32),
            index => Some(index | self.slots[index as usize].generation << INDEX_BITS),
        }
    }

    /// Keeps `waiting` until its answer comes; `next` has said that there is room.
    #[inline]
    pub(crate) fn insert(&mut self, waiting: T) {
        self.len += 1;
        if self.free == NONE {
            self.slots.push(Slot { generation: 0, content: Content::Waiting(waiting) });
            return;
        }
        let slot = &mut self.slots[self.free as usize];
        if let Content::Free { next } = slot.content {
            self.free = next;
        }
        slot.content = Content::Waiting(waiting);
    }

    /// What waits for `correlation`, which no longer waits.
    #[inline]
    pub(crate) fn take(&mut self, correlation: u32) -> Option<T> {
        let index = correlation & INDEX_MASK;
        let slot = self.slots.get_mut(index as usize)?;
        if slot.generation != correlation >> INDEX_BITS || matches!(slot.content, Content::Free { .. }) {
            return None;
        }
        let Content::Waiting(waiting) = std::mem::replace(&mut slot.content, Content::Free { next: self.free }) else {
            return None;
        };
        slot.generation = (slot.generation + 1) & ((1 << (32 - INDEX_BITS)) - 1);
        self.free = index;
        self.len -= 1;
        Some(waiting)
    }

    /// Everything that waits.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        let held = std::mem::replace(self, Table::new());
        held.slots
            .into_iter()
            .filter_map(|slot| match slot.content {
                Content::Waiting(waiting) => Some(waiting),
                Content::Free { .. } => None,
            })
            .collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_once_and_an_old_one_finds_nothing() {
        let mut table = Table::new();
        let first = table.next().unwrap();
        table.insert("first");
        let second = table.next().unwrap();
        table.insert("second");
        assert_ne!(first, second);
        assert_eq!(table.take(first), Some("first"));
        assert_eq!(table.take(first), None);
        let third = table.next().unwrap();
        table.insert("third");
        assert_eq!(table.take(first), None);
        assert_eq!(table.take(third), Some("third"));
        assert_eq!(table.take(second), Some("second"));
        assert!(table.is_empty());
        assert_eq!(table.take(77), None);
    }

    #[test]
    fn generations_wrap_without_reaching_the_word_for_none() {
        let mut table = Table::new();
        for _ in 0..10_000 {
            let correlation = table.next().unwrap();
            assert_ne!(correlation, u32::MAX);
            table.insert(());
            assert_eq!(table.take(correlation), Some(()));
        }
    }

    #[test]
    fn drain_hands_out_what_waits() {
        let mut table = Table::new();
        let first = table.next().unwrap();
        table.insert(1);
        table.next().unwrap();
        table.insert(2);
        table.take(first);
        assert_eq!(table.drain(), [2]);
        assert!(table.is_empty());
    }
}
