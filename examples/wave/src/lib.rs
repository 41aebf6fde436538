//! The wave equation on a cube of cells, cut into tiles: as actors, and plainly.
//!
//! The handlers' GPU code is not in here: a program brings it, this one's from `wave-actors`.

mod actors;
mod domain;
mod plain;

pub use actors::{Actors, room};
pub use domain::{Domain, Walls};
pub use plain::Plain;
