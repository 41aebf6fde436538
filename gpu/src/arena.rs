//! The state arena of a device or shard, as the host gives it out: offsets, not memory. A plain value.
//!
//! The arena is cut into slabs of [`SLAB_BYTES`]; a slab in use holds cells of one size class, and a slab with
//! no cell in use can become any class's. So a free costs a bit, an allocation a look at one bitmap, and what
//! one kind of actor gave back another kind can have.
//!
//! ```
//! use resident_gpu::arena::Arena;
//!
//! let mut arena = Arena::new(0, 1 << 20);
//! let state = arena.allocate(40).unwrap();
//! assert_eq!(state.offset % 16, 0);
//! assert!(arena.free(state));
//!
//! assert_eq!(arena.allocate_many(40, 100).unwrap().len(), 100);
//! let used = arena.used();
//! assert!(arena.allocate_many(40, 1 << 20).is_err());
//! assert_eq!(arena.used(), used);
//!
//! let rest = (0..).map_while(|_| arena.allocate(1 << 16).ok()).count();
//! assert_eq!((rest, arena.largest_free()), (15, 48));
//! ```

use resident_kernels::wire::MAX_STATE;

/// Bytes of a slab: one cell of the largest class.
pub const SLAB_BYTES: u64 = MAX_STATE as u64;
/// What every offset is a multiple of.
pub const ALIGN: u64 = 16;
/// Size classes: every multiple of 16 up to 128, then four to a doubling.
const CLASSES: usize = class_of(MAX_STATE as u64) + 1;

/// A piece of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// Where it begins, a multiple of [`ALIGN`].
    pub offset: u64,
    /// Bytes asked for.
    pub bytes: u32,
}

/// Why there is no cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArenaError {
    /// No slab has room for it.
    #[error(
        "the state arena is full: no room for {bytes} bytes, {used} of {capacity} in use; \
         stop actors, or start with a larger arena"
    )]
    Exhausted {
        /// Bytes asked for.
        bytes: u32,
        /// Bytes in use, as the size classes round them.
        used: u64,
        /// Bytes of the arena.
        capacity: u64,
    },
    /// No state is that large.
    #[error("a state of {bytes} bytes, the limit is {MAX_STATE}: keep the rest on the host")]
    TooLarge {
        /// Bytes asked for.
        bytes: u32,
    },
}

/// Which pieces of the arena are taken.
#[derive(Debug)]
pub struct Arena {
    base: u64,
    slabs: Vec<Slab>,
    /// Slabs of no class, the next one last.
    empty: Vec<u32>,
    /// For each class, its slabs with a free cell.
    partial: Vec<Vec<u32>>,
    used: u64,
}

#[derive(Debug, Default)]
struct Slab {
    class: u8,
    /// Cells in use; 0 says that the slab is of no class.
    used: u32,
    /// Where it stands in its class's `partial`.
    position: u32,
    /// One bit for each cell, 1 while it is free.
    free: Box<[u64]>,
}

/// The class of cells that hold `bytes`.
const fn class_of(bytes: u64) -> usize {
    let units = if bytes == 0 { 1 } else { bytes.div_ceil(ALIGN) };
    if units <= 8 {
        return units as usize - 1;
    }
    // `units` is in 2^log < units <= 2^(log + 1), four classes to that.
    let log = (units - 1).ilog2();
    let step = (units - (1 << log)).div_ceil(1 << (log - 2));
    8 + (log as usize - 3) * 4 + step as usize - 1
}

/// Bytes of a class's cells.
const fn class_bytes(class: usize) -> u64 {
    if class < 8 {
        return (class as u64 + 1) * ALIGN;
    }
    let (log, step) = (3 + (class - 8) / 4, (class - 8) % 4 + 1);
    ((1 << log) + ((step as u64) << (log - 2))) * ALIGN
}

const _: () = {
    let mut class = 0;
    while class < CLASSES {
        assert!(class_of(class_bytes(class)) == class && class_bytes(class).is_multiple_of(ALIGN));
        assert!(class + 1 == CLASSES || class_of(class_bytes(class) + 1) == class + 1);
        class += 1;
    }
    assert!(class_bytes(CLASSES - 1) == SLAB_BYTES);
};

/// Bytes of an arena that holds `count` states of `bytes` bytes and nothing else.
pub const fn room_for(bytes: u32, count: u64) -> u64 {
    let bytes = if bytes as usize > MAX_STATE { MAX_STATE as u64 } else { bytes as u64 };
    count.div_ceil(SLAB_BYTES / class_bytes(class_of(bytes))) * SLAB_BYTES
}

impl Arena {
    /// The arena from offset `base` on, a multiple of [`ALIGN`] (it is rounded up); `bytes` is rounded down to whole slabs.
    pub fn new(base: u64, bytes: u64) -> Arena {
        let aligned = base.next_multiple_of(ALIGN);
        let slabs = (bytes.saturating_sub(aligned - base) / SLAB_BYTES).min(u32::MAX as u64) as u32;
        Arena {
            base: aligned,
            slabs: (0..slabs).map(|_| Slab::default()).collect(),
            empty: (0..slabs).rev().collect(),
            partial: vec![Vec::new(); CLASSES],
            used: 0,
        }
    }

    /// Takes a piece for a state of `bytes` bytes.
    pub fn allocate(&mut self, bytes: u32) -> Result<Cell, ArenaError> {
        if bytes as usize > MAX_STATE {
            return Err(ArenaError::TooLarge { bytes });
        }
        let class = class_of(bytes as u64);
        let size = class_bytes(class);
        let index = match self.partial[class].last() {
            Some(&index) => index,
            None => {
                let exhausted = ArenaError::Exhausted { bytes, used: self.used, capacity: self.capacity() };
                let index = self.empty.pop().ok_or(exhausted)?;
                self.slabs[index as usize].open(class, SLAB_BYTES / size);
                self.enter(index, class);
                index
            }
        };
        let slab = &mut self.slabs[index as usize];
        let cell = slab.take();
        if slab.used as u64 == SLAB_BYTES / size {
            self.leave(index, class);
        }
        self.used += size;
        Ok(Cell { offset: self.base + index as u64 * SLAB_BYTES + cell as u64 * size, bytes })
    }

    /// Takes `count` pieces of `bytes` bytes, or none: where each begins.
    pub fn allocate_many(&mut self, bytes: u32, count: usize) -> Result<Vec<u64>, ArenaError> {
        let mut offsets = Vec::with_capacity(count);
        for _ in 0..count {
            match self.allocate(bytes) {
                Ok(cell) => offsets.push(cell.offset),
                Err(error) => {
                    for offset in offsets {
                        self.free(Cell { offset, bytes });
                    }
                    return Err(error);
                }
            }
        }
        Ok(offsets)
    }

    /// How many states of `bytes` bytes there is room for.
    pub fn room(&self, bytes: u32) -> Result<usize, ArenaError> {
        if bytes as usize > MAX_STATE {
            return Err(ArenaError::TooLarge { bytes });
        }
        let class = class_of(bytes as u64);
        let each = SLAB_BYTES / class_bytes(class);
        let begun = self.partial[class].iter().map(|index| each - self.slabs[*index as usize].used as u64);
        Ok((self.empty.len() as u64 * each + begun.sum::<u64>()) as usize)
    }

    /// Gives a piece back; false, and nothing changed, if it is not one that was taken.
    pub fn free(&mut self, cell: Cell) -> bool {
        let Some(at) = cell.offset.checked_sub(self.base) else { return false };
        let (index, within) = (at / SLAB_BYTES, at % SLAB_BYTES);
        if cell.bytes as usize > MAX_STATE || index >= self.slabs.len() as u64 {
            return false;
        }
        let (index, class) = (index as u32, class_of(cell.bytes as u64));
        let size = class_bytes(class);
        let slab = &mut self.slabs[index as usize];
        if slab.used == 0 || slab.class as usize != class || !within.is_multiple_of(size) || within / size >= SLAB_BYTES / size {
            return false;
        }
        let full = slab.used as u64 == SLAB_BYTES / size;
        if !slab.give((within / size) as u32) {
            return false;
        }
        let empty = slab.used == 0;
        self.used -= size;
        match (full, empty) {
            (false, false) => {}
            (true, false) => self.enter(index, class),
            (full, true) => {
                if !full {
                    self.leave(index, class);
                }
                self.empty.push(index);
            }
        }
        true
    }

    /// Bytes taken, as the size classes round them.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Bytes in all.
    pub fn capacity(&self) -> u64 {
        self.slabs.len() as u64 * SLAB_BYTES
    }

    /// Bytes of the largest state that there is room for.
    pub fn largest_free(&self) -> u64 {
        if !self.empty.is_empty() {
            return SLAB_BYTES;
        }
        self.partial.iter().rposition(|slabs| !slabs.is_empty()).map_or(0, class_bytes)
    }

    /// Adds a slab to those of its class with a free cell.
    fn enter(&mut self, index: u32, class: usize) {
        self.slabs[index as usize].position = self.partial[class].len() as u32;
        self.partial[class].push(index);
    }

    /// Takes a slab from those of its class with a free cell.
    fn leave(&mut self, index: u32, class: usize) {
        let position = self.slabs[index as usize].position;
        self.partial[class].swap_remove(position as usize);
        if let Some(&moved) = self.partial[class].get(position as usize) {
            self.slabs[moved as usize].position = position;
        }
    }
}

impl Slab {
    /// Becomes a slab of `cells` cells, all free.
    fn open(&mut self, class: usize, cells: u64) {
        self.class = class as u8;
        self.free = (0..cells.div_ceil(64)).map(|word| if cells - word * 64 >= 64 { u64::MAX } else { (1 << (cells % 64)) - 1 }).collect();
    }

    /// Takes the first free cell; there is one.
    fn take(&mut self) -> u32 {
        let word = self.free.iter().position(|&bits| bits != 0).expect("a slab among the partial ones has a free cell");
        let bit = self.free[word].trailing_zeros();
        self.free[word] &= !(1 << bit);
        self.used += 1;
        word as u32 * 64 + bit
    }

    /// Gives a cell back; false if it is free or there is none.
    fn give(&mut self, cell: u32) -> bool {
        match self.free.get_mut(cell as usize / 64) {
            Some(bits) if *bits >> (cell % 64) & 1 == 0 => *bits |= 1 << (cell % 64),
            _ => return false,
        }
        self.used -= 1;
        true
    }
}
