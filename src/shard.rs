//! One shard as the host sees it: the way into its ring, its rows, and what waits for its answers.

pub(crate) mod doorbell;
pub(crate) mod frames;
pub(crate) mod link;
pub(crate) mod occupant;
mod pending;
pub(crate) mod port;
pub(crate) mod relay;
mod room;
mod spinlock;
pub(crate) mod tenants;
pub(crate) mod trace;
pub(crate) mod waiting;
