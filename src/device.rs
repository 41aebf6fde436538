//! One device as the host runs it: its shards, its arena and its counters, the pumps that fetch what it says, and who lives on it, without
//! knowing who that is.

pub(crate) mod claims;
pub(crate) mod core;
pub(crate) mod directory;
pub(crate) mod later;
pub(crate) mod leaving;
pub(crate) mod links;
pub(crate) mod names;
pub(crate) mod nursery;
mod outward;
pub(crate) mod pump;
pub(crate) mod route;
pub(crate) mod runtime;
pub(crate) mod shared;
mod takeover;
