//! A tile's cells: a cube, x first, then y, then z. Side `2 * axis` is at the beginning of an axis, the side after it at the end.

/// Cells along an edge.
pub const EDGE: usize = 8;
/// Cells of a side.
pub const FACE: usize = EDGE * EDGE;
/// Cells of a tile.
pub const CELLS: usize = EDGE * FACE;
/// Sides of a tile.
pub const SIDES: usize = 6;

const LAST: usize = EDGE - 1;
/// Cells from one to the next along each axis.
const STRIDES: [usize; 3] = [1, EDGE, FACE];

/// The cells at a side, in their order.
pub(crate) fn face(cells: &[f32; CELLS], side: usize) -> [f32; FACE] {
    let across = STRIDES[side / 2];
    let (low, high) = match side / 2 {
        0 => (STRIDES[1], STRIDES[2]),
        1 => (STRIDES[0], STRIDES[2]),
        _ => (STRIDES[0], STRIDES[1]),
    };
    let first = if side.is_multiple_of(2) { 0 } else { LAST * across };
    let mut face = [0.0; FACE];
    for (at, cell) in face.iter_mut().enumerate() {
        *cell = cells[first + at % EDGE * low + at / EDGE * high];
    }
    face
}

/// Where a cell is, x first.
#[inline]
pub(crate) fn place(at: usize) -> [usize; 3] {
    [at % EDGE, at / EDGE % EDGE, at / FACE]
}

/// The six cells around one, by side; beyond the tile is what the faces of its neighbours say.
#[inline]
pub(crate) fn around(cells: &[f32; CELLS], halo: &[[f32; FACE]; SIDES], [x, y, z]: [usize; 3]) -> [f32; SIDES] {
    let at = x + EDGE * y + FACE * z;
    [
        if x > 0 { cells[at - 1] } else { halo[0][y + EDGE * z] },
        if x < LAST { cells[at + 1] } else { halo[1][y + EDGE * z] },
        if y > 0 { cells[at - EDGE] } else { halo[2][x + EDGE * z] },
        if y < LAST { cells[at + EDGE] } else { halo[3][x + EDGE * z] },
        if z > 0 { cells[at - FACE] } else { halo[4][x + EDGE * y] },
        if z < LAST { cells[at + FACE] } else { halo[5][x + EDGE * y] },
    ]
}
