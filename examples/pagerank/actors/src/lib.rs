//! The resident actors of the pagerank example: one [`Vertex`] per vertex of a graph, and [`Edges`] for those of many edges.
#![no_std]

mod edges;
mod rank;
mod vertex;

pub use edges::*;
pub use rank::*;
pub use vertex::*;

resident_kernels::export!(Vertex, Edges);
