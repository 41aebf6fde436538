//! The wave equation in tiles: the resident actor [`Tile`], and the arithmetic that it shares with a plain computation.
#![no_std]

mod cube;
mod tile;
mod wave;

pub use cube::{CELLS, EDGE, FACE, SIDES};
pub use tile::*;
pub use wave::*;
