//! Resident actors that tests and benches drive. The tile of the example `wave` is among them: a program has one handler crate on a GPU.
#![no_std]
#![cfg_attr(resident_nightly, feature(core_intrinsics), allow(internal_features, reason = "a real trap"))]

mod alarm;
mod big;
mod breaker;
mod counter;
mod echo;
mod emitter;
mod failer;
mod kin;
mod ledger;
mod mixer;
mod panicker;
mod player;
mod team;

pub use alarm::*;
pub use big::*;
pub use breaker::*;
pub use counter::*;
pub use echo::*;
pub use emitter::*;
pub use failer::*;
pub use kin::*;
pub use ledger::*;
pub use mixer::*;
pub use panicker::*;
pub use player::*;
pub use team::*;

resident_kernels::export!(
    Counter,
    Echo,
    Panicker,
    Emitter,
    Failer,
    Big,
    Breaker,
    Ledger,
    Player,
    Mixer,
    Kin,
    WarpTeam,
    BlockTeam,
    Alarm,
    wave_tile::Tile
);
