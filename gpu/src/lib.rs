//! Mechanism of resident actors.

pub mod arena;
pub mod clock;
#[cfg(not(loom))]
pub mod cut;
#[cfg(not(loom))]
pub mod device;
#[cfg(not(loom))]
mod engine;
#[cfg(not(loom))]
mod fault;
mod frame;
#[cfg(not(loom))]
mod keeper;
#[cfg(not(loom))]
mod mailboxes;
pub mod names;
#[cfg(not(loom))]
mod options;
#[cfg(not(loom))]
mod protocol;
#[cfg(not(loom))]
pub mod region;
pub mod replies;
pub mod ring;
pub mod rows;
#[cfg(not(loom))]
mod shared;
mod sync;
#[cfg(not(loom))]
mod tables;
pub mod words;
#[cfg(not(loom))]
mod worker;

#[cfg(not(loom))]
pub use fault::Class;
