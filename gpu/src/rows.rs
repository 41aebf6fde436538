//! The rows of a shard, as the host gives them out. A plain value: no memory is shared, nothing waits.
//!
//! ```
//! use resident_gpu::rows::Rows;
//!
//! let mut rows = Rows::new(1);
//! let first = rows.claim().unwrap();
//! assert!(rows.claim().is_none());
//! assert!(rows.release(first));
//! let second = rows.claim().unwrap();
//! assert_eq!(second.row, first.row);
//! assert!(rows.is_live(second) && !rows.is_live(first));
//! let third = rows.renew(second).unwrap();
//! assert!(rows.is_live(third) && !rows.is_live(second));
//! assert_eq!((third.row, rows.free()), (second.row, 0));
//! ```

use std::collections::VecDeque;

/// An actor's place in its shard: a row, and which of the row's actors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId {
    /// The row.
    pub row: u32,
    /// Raised with every actor of the row; never 0.
    pub generation: u32,
}

/// Which rows of a shard are taken, and by which generation.
#[derive(Debug)]
pub struct Rows {
    /// Rows free, the next one last.
    free: VecDeque<u32>,
    /// Each row's generation, 0 before its first, and whether it is live.
    rows: Vec<(u32, bool)>,
}

impl Rows {
    /// `rows` rows, all free.
    pub fn new(rows: u32) -> Rows {
        Rows { free: (0..rows).rev().collect(), rows: vec![(0, false); rows as usize] }
    }

    /// Takes a free row at its next generation; `None` while there is none.
    pub fn claim(&mut self) -> Option<RowId> {
        let row = self.free.pop_back()?;
        Some(self.begin(row))
    }

    /// The same, of those that [`claim`](Self::claim) would come to last.
    pub fn claim_last(&mut self) -> Option<RowId> {
        let row = self.free.pop_front()?;
        Some(self.begin(row))
    }

    fn begin(&mut self, row: u32) -> RowId {
        let (generation, live) = &mut self.rows[row as usize];
        *generation = generation.checked_add(1).unwrap_or(1);
        *live = true;
        RowId { row, generation: *generation }
    }

    /// Takes the row of `id` at its next generation, which ends this one; `None`, and nothing changed, if `id` is not live.
    pub fn renew(&mut self, id: RowId) -> Option<RowId> {
        if !self.is_live(id) {
            return None;
        }
        let generation = id.generation.checked_add(1).unwrap_or(1);
        self.rows[id.row as usize].0 = generation;
        Some(RowId { row: id.row, generation })
    }

    /// Gives a row back; false, and nothing changed, if `id` is not live.
    pub fn release(&mut self, id: RowId) -> bool {
        if !self.is_live(id) {
            return false;
        }
        self.rows[id.row as usize].1 = false;
        self.free.push_back(id.row);
        true
    }

    /// Whether `id` was claimed and not released since.
    pub fn is_live(&self, id: RowId) -> bool {
        self.rows.get(id.row as usize) == Some(&(id.generation, true))
    }

    /// Rows that can be claimed.
    pub fn free(&self) -> u32 {
        self.free.len() as u32
    }

    /// Rows taken.
    pub fn live(&self) -> u32 {
        (self.rows.len() - self.free.len()) as u32
    }

    /// Rows in all.
    pub fn capacity(&self) -> u32 {
        self.rows.len() as u32
    }
}
