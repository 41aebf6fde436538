//! Supervision by ractor: a supervisor's own actor, how its children are started, and what is found behind its handle.

mod front;
mod handle;
mod spec;
pub(crate) mod start;
mod supervisor;
