//! Resident actors that tests and benches drive.
#![no_std]

mod big;
mod counter;
mod echo;
mod emitter;
mod failer;
mod panicker;

pub use big::*;
pub use counter::*;
pub use echo::*;
pub use emitter::*;
pub use failer::*;
pub use panicker::*;

resident_kernels::export!(Counter, Echo, Panicker, Emitter, Failer, Big);
