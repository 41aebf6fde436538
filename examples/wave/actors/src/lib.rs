//! The handler crate of the wave example.
//!
//! A program on a GPU has one handler crate; the actor is in a crate of its own, so that another program's can export it beside others.
#![no_std]

pub use wave_tile::*;

resident_kernels::export!(Tile);
