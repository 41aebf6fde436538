//! Supervision by actix: a supervisor's own actor, how its children are started, and what is found behind its handle.
//!
//! - **AG-1 (heard)** Each end of a kept actor is heard: its context is polled here, so neither a panic nor a stop of its passes by.
//! - **AG-2 (not left behind)** A child ends with its supervisor's engine, also where that is cut off with its arbiter.

mod front;
mod handle;
mod kept;
mod spec;
pub(crate) mod start;
mod supervisor;
