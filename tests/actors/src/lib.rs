//! Resident actors that tests and benches drive.
#![no_std]
#![cfg_attr(resident_nightly, feature(core_intrinsics), allow(internal_features, reason = "a real trap"))]

mod big;
mod breaker;
mod counter;
mod echo;
mod emitter;
mod failer;
mod ledger;
mod panicker;
mod player;

pub use big::*;
pub use breaker::*;
pub use counter::*;
pub use echo::*;
pub use emitter::*;
pub use failer::*;
pub use ledger::*;
pub use panicker::*;
pub use player::*;

resident_kernels::export!(Counter, Echo, Panicker, Emitter, Failer, Big, Breaker, Ledger, Player);
