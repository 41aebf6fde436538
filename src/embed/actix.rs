//! Resident actors as actix's: `Addr<Gpu<A>>`, an ordinary address of an ordinary actor.
//!
//! - **AB-1 (straight)** A message is pushed by actix's own call of its handler. Nothing is allocated for it beside actix's envelope and, of
//!   a call, the box that takes its reply; no task and no future is made unless the ring is full.
//! - **AB-2 (order)** While a message waits for room the mailbox stands still, so none overtakes it. Over a supervised restart the message
//!   that was not pushed stays the first.
//! - **AB-3 (end)** Whatever ends the bridge, actix or the core, its actor is told to stop, and the row is free once it has.

mod addr;
mod bridge;
pub mod control;
mod error;
mod free;
mod gpu;
pub(crate) mod guardian;
mod registry;
mod route;
mod shell;
mod start;

pub use addr::ResidentAddr;
pub use error::ActixError;
pub use gpu::Gpu;
pub use start::StartActix;
