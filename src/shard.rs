//! One shard as the host sees it: the way into its ring, its rows, and what waits for its answers.

pub(crate) mod doorbell;
pub(crate) mod frames;
pub(crate) mod link;
mod pending;
pub(crate) mod port;
mod room;
mod spinlock;
pub(crate) mod tenants;
