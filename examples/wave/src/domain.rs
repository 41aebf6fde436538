//! The domain: a cube of cells, cut into tiles.

use wave_tile::{EDGE, Pulse};

/// What is beyond the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walls {
    /// Zeros.
    Fixed,
    /// The domain once more.
    Periodic,
}

/// A domain, and what the wave in it begins with.
#[derive(Clone, Copy, Debug)]
pub struct Domain {
    /// Tiles along an edge.
    pub tiles: usize,
    /// What is beyond.
    pub walls: Walls,
    /// What the wave begins with.
    pub pulse: Pulse,
}

impl Domain {
    /// Cells along an edge.
    pub fn size(&self) -> usize {
        self.tiles * EDGE
    }

    /// All cells.
    pub fn cells(&self) -> usize {
        self.size().pow(3)
    }

    /// All tiles.
    pub fn all_tiles(&self) -> usize {
        self.tiles.pow(3)
    }

    /// Sides of tiles that have a neighbour: messages in each step.
    pub fn faces(&self) -> usize {
        let layers = if self.walls == Walls::Periodic { self.tiles } else { self.tiles - 1 };
        6 * self.tiles.pow(2) * layers
    }

    /// Where a tile is among tiles, or a cell among cells, of which there are `count` along an edge; x first.
    pub fn place(number: usize, count: usize) -> [usize; 3] {
        [number % count, number / count % count, number / count / count]
    }

    /// Which one is at a place.
    pub fn number([x, y, z]: [usize; 3], count: usize) -> usize {
        x + count * (y + count * z)
    }

    /// Who is beside one of `count` along each edge; nobody beyond a wall.
    pub fn beside(&self, mut at: [usize; 3], side: usize, count: usize) -> Option<usize> {
        let (axis, up) = (side / 2, !side.is_multiple_of(2));
        let (first, last) = if up { (0, count - 1) } else { (count - 1, 0) };
        at[axis] = match (at[axis] == last, self.walls) {
            (true, Walls::Fixed) => return None,
            (true, Walls::Periodic) => first,
            (false, _) if up => at[axis] + 1,
            (false, _) => at[axis] - 1,
        };
        Some(Domain::number(at, count))
    }
}
