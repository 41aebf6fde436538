//! The resident actors of the pagerank example: one [`Vertex`] per vertex of a graph, [`Edges`] for where it points to, and a
//! tree of [`Branch`]es that begins and ends rounds.
#![no_std]

mod branch;
mod edges;
mod rank;
mod vertex;

pub use branch::*;
pub use edges::*;
pub use rank::*;
pub use vertex::*;

resident_kernels::export!(Vertex, Edges, Branch);
