//! Resident actors as ractor's: their proxies and handles, how they are spawned, the device's own actor, errors.

mod adopt;
mod checkpoint;
pub(crate) mod control;
mod error;
pub(crate) mod group;
pub(crate) mod guardian;
pub(crate) mod handle;
pub(crate) mod proxy;
pub(crate) mod restore;
mod route;
pub(crate) mod shell;
pub(crate) mod spawn;
#[cfg(test)]
mod tests;
pub(crate) mod watch;
