//! What a handler crate uses, on the host and on the GPU alike.
//!
//! A handler crate is ordinary `no_std` Rust: types that cross to the GPU by their bytes, and one `#[actor]`
//! block for each kind of actor. The same crate is compiled for the host and, by its build script, for the GPU.
//!
//! ```
//! use resident_kernels::prelude::*;
//!
//! #[derive(State, Default)]
//! #[repr(C)]
//! pub struct Aircraft {
//!     pub flights: u32,
//!     pub delay: i64,
//! }
//!
//! #[derive(Message)]
//! #[repr(C)]
//! pub struct Landed {
//!     pub delay: i32,
//! }
//!
//! #[derive(Message)]
//! #[reply(Totals)]
//! pub struct Report;
//!
//! #[derive(Reply)]
//! #[repr(C)]
//! pub struct Totals {
//!     pub flights: u32,
//!     pub delay: i64,
//! }
//!
//! #[actor]
//! impl Aircraft {
//!     fn landed(&mut self, msg: &Landed, _ctx: &mut Ctx) {
//!         self.flights += 1;
//!         self.delay += i64::from(msg.delay);
//!     }
//!
//!     fn report(&mut self, _: &Report, _ctx: &mut Ctx) -> Totals {
//!         Totals { flights: self.flights, delay: self.delay }
//!     }
//! }
//!
//! resident_kernels::export!(Aircraft);
//! # fn main() {}
//! ```
//!
//! Its `Cargo.toml` names `resident-kernels` under `[dependencies]` and `resident-build` under
//! `[build-dependencies]`, and its `build.rs` is `fn main() { resident_build::handlers() }`.
//!
//! - [`plain`]: what may cross to the GPU, and how it becomes bytes.
//! - [`actor`](mod@actor): messages, replies, states and kinds; [`dispatch`]: how a message finds its handler.
//! - [`ctx`]: what a handler may know and say while it runs; [`address`]: where other actors are.
//! - [`wire`], [`clock`], [`module`]: the layouts, the clock and the table of kinds that host and device share.
//! - `host`: what an application sees of a handler crate (not on the GPU).
#![no_std]

extern crate self as resident_kernels;

#[cfg(all(feature = "host", not(target_arch = "nvptx64")))]
extern crate std;

pub mod actor;
pub mod address;
pub mod clock;
pub mod ctx;
pub mod dispatch;
#[cfg(all(feature = "host", not(target_arch = "nvptx64")))]
pub mod engine;
#[cfg(target_arch = "nvptx64")]
mod gpu;
#[cfg(not(target_arch = "nvptx64"))]
pub mod host;
pub mod lanes;
pub mod module;
pub mod plain;
mod text;
pub mod timer;
pub mod wire;

pub use resident_macros::{Emit, Message, Plain, Reply, State, actor, export};

/// Everything a handler crate names.
pub mod prelude {
    pub use crate::actor::{Actor, Emit, Handles, Message, Reply, State};
    pub use crate::address::Address;
    pub use crate::ctx::Ctx;
    pub use crate::lanes::Lanes;
    pub use crate::plain::Plain;
    pub use crate::timer::Timer;
    pub use resident_macros::{Emit, Message, Plain, Reply, State, actor};
}

#[doc(hidden)]
pub mod __private {
    //! Names that the macros expand to; no part of the interface.
    #[cfg(all(feature = "host", not(target_arch = "nvptx64")))]
    pub extern crate std;

    #[cfg(all(feature = "actix", not(target_arch = "nvptx64")))]
    pub use actix;
    #[cfg(all(feature = "host", not(target_arch = "nvptx64")))]
    pub use linkme;
    #[cfg(all(feature = "ractor", not(target_arch = "nvptx64")))]
    pub use ractor;

    pub use crate::actor::{ReplyOf, kind_fingerprint};
    pub use crate::dispatch::{Call, UNKNOWN, entry, entry_one};
    pub use crate::module::{ModuleTable, kind_entry, table};
    pub use resident_macros::__message_enum;
}

/// Keeps its body where the feature `host` is on.
#[cfg(all(feature = "host", not(target_arch = "nvptx64")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __host {
    ($($body:tt)*) => { $($body)* };
}

/// Keeps its body where the feature `host` is on.
#[cfg(not(all(feature = "host", not(target_arch = "nvptx64"))))]
#[doc(hidden)]
#[macro_export]
macro_rules! __host {
    ($($body:tt)*) => {};
}

/// Keeps its body where the feature `ractor` is on.
#[cfg(all(feature = "ractor", not(target_arch = "nvptx64")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __ractor {
    ($($body:tt)*) => { $($body)* };
}

/// Keeps its body where the feature `ractor` is on.
#[cfg(not(all(feature = "ractor", not(target_arch = "nvptx64"))))]
#[doc(hidden)]
#[macro_export]
macro_rules! __ractor {
    ($($body:tt)*) => {};
}

/// Keeps its body where the feature `actix` is on.
#[cfg(all(feature = "actix", not(target_arch = "nvptx64")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __actix {
    ($($body:tt)*) => { $($body)* };
}

/// Keeps its body where the feature `actix` is on.
#[cfg(not(all(feature = "actix", not(target_arch = "nvptx64"))))]
#[doc(hidden)]
#[macro_export]
macro_rules! __actix {
    ($($body:tt)*) => {};
}
