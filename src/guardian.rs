//! Supervision with OTP's meaning, for ractor's actors, actix's actors and resident actors alike.
//!
//! A supervisor starts its children in their order, starts them again when they fail, and stops them in reverse. What it does is
//! decided by [`resident_supervisor`]; here it is carried out. The old incarnation of a child is gone, with all it held, before
//! the next one starts; a supervisor that gives up stops its children in order first, and then fails with a [`SupervisorError`]
//! that keeps what it all began with.
//!
//! A resident actor is restarted in place: its `GpuRef`s, its name, its groups, its links and its mailbox stay. Whoever sends to
//! it meanwhile waits; what was on its way to the old incarnation is refused, so each call ends once. An actor of ractor's is
//! spawned anew: look it up by its name, or by [`SupervisorRef::actor`]. One of actix's is, too: `SupervisorRef::addr` has its address.
//!
//! A supervisor runs in a framework, as an actor of it: [`Builder::start`] starts it under ractor, `Builder::start_actix` under actix. Its
//! resident actors, its devices and the supervisors among its children are actors of the same one.
//!
//! To whoever watches, a restart in place is what a restart is in OTP: the incarnation has ended. [`GpuRef::ends`](crate::GpuRef::ends) says
//! so at once; monitors and links of ractor's hear `ActorFailed`, or `ActorTerminated` if it had not failed, once the next one has begun.
//! When the actor ends for good, they hear that from ractor, as of any actor; [`GpuRef::ended`](crate::GpuRef::ended) waits for that alone.
//!
//! ```
//! # use resident_kernels::prelude::*;
//! # #[derive(State, Default)] #[repr(C)] pub struct Book { pub orders: u64 }
//! # #[derive(Message)] pub struct Insert;
//! # #[derive(Message)] #[reply(u64)] pub struct Count;
//! # #[actor]
//! # impl Book {
//! #     fn insert(&mut self, _: &Insert, _ctx: &mut Ctx) { self.orders += 1; }
//! #     fn count(&mut self, _: &Count, _ctx: &mut Ctx) -> u64 { self.orders }
//! # }
//! # resident_kernels::export!(Book);
//! use std::time::Duration;
//!
//! use ractor::{Actor, ActorProcessingErr, ActorRef, call, cast};
//! use resident::guardian::{Directive, Restart, Shutdown, Strategy};
//! use resident::prelude::*;
//!
//! struct Feed;
//!
//! #[ractor::actor(message = (), state = (), arguments = u32)]
//! impl Feed {
//!     async fn pre_start(&self, _: ActorRef<()>, _port: u32) -> Result<(), ActorProcessingErr> {
//!         Ok(())
//!     }
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::start(Config::cpu()).await?;
//! let trading = Supervisor::builder("trading")
//!     .strategy(Strategy::RestForOne)
//!     .intensity(3, Duration::from_secs(5))
//!     .child(ChildSpec::actor("feed", || Feed, 8080))
//!     .child(
//!         ChildSpec::gpu("book", Book::default)
//!             .on(&system)
//!             .restart(Restart::Transient)
//!             .shutdown(Shutdown::Drain(Duration::from_secs(2)))
//!             .on_fault(|fault| match fault.class {
//!                 FaultClass::Failed => Directive::Resume,
//!                 _ => Directive::Restart,
//!             }),
//!     )
//!     .start()
//!     .await?;
//!
//! let book = trading.child::<Book>("book").await.unwrap();
//! cast!(book, BookMsg::Insert)?;
//! assert_eq!(call!(book, BookMsg::Count)?, 1);
//! trading.stop().await?;
//! system.stop().await;
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
//! ```

mod child;
mod device;
mod engine;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod front;
mod handle;
mod report;
mod spec;
pub(crate) mod start;
pub(crate) mod supervisor;

pub use device::{DeviceSlot, On};
pub use error::{AdminError, Cause, Ignore, SupervisorError};
pub use handle::SupervisorRef;
pub use resident_supervisor::{
    AutoShutdown, Backoff, Child, ChildInfo, ChildKey, Counts, Directive, End, Flags, Invalid, Kind, Restart, Shutdown, Status, Strategy,
    Target,
};
pub use spec::{ChildSpec, GpuChild, InFlight, Restore};
pub use supervisor::{Builder, Supervisor};
