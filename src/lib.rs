//! GPU-resident actors for ractor.
//!
//! The state and the handlers of a *resident actor* live in a kernel that is launched once and stays on the GPU. To the rest
//! of a ractor application it is an ordinary actor: `cast!`, `call!`, names, groups, links, supervision. Without a GPU the same
//! program runs the same engine on the CPU.
//!
//! Handlers stand in a crate of their own, which is compiled for the host and for the GPU ([`resident_kernels`] says how);
//! the application needs `resident` and `ractor`:
//!
//! ```
//! # use resident_kernels::prelude::*;
//! # #[derive(State, Default)] #[repr(C)] pub struct Aircraft { pub flights: u32, pub delay: i64 }
//! # #[derive(Message)] #[repr(C)] pub struct Landed { pub delay: i32 }
//! # #[derive(Message)] #[reply(Totals)] #[repr(C)] pub struct Report;
//! # #[derive(Reply)] #[repr(C)] pub struct Totals { pub flights: u32, pub delay: i64 }
//! # #[actor]
//! # impl Aircraft {
//! #     fn landed(&mut self, msg: &Landed, _ctx: &mut Ctx) { self.flights += 1; self.delay += i64::from(msg.delay); }
//! #     fn report(&mut self, _: &Report, _ctx: &mut Ctx) -> Totals { Totals { flights: self.flights, delay: self.delay } }
//! # }
//! # resident_kernels::export!(Aircraft);
//! use ractor::{ActorRef, call, cast};
//! use resident::prelude::*;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! # let config = Config::cpu();
//! # #[cfg(any())]
//! let config = Config::default(); // a GPU if one can be used, else the CPU device
//! let system = System::start(config).await?;
//! println!("running on {}", system.device());
//!
//! let (plane, join) = Aircraft::spawn(Some("N14228".into()), Aircraft::default(), &system).await?;
//! cast!(plane, AircraftMsg::Landed(Landed { delay: 11 }))?; // ractor's own macros, straight into the ring
//! cast!(plane, AircraftMsg::Landed(Landed { delay: 31 }))?;
//! let totals = call!(plane, AircraftMsg::Report)?;
//! assert_eq!((totals.flights, totals.delay), (2, 42));
//!
//! let same: ActorRef<AircraftMsg> = ActorRef::where_is("N14228").unwrap(); // and it is an ordinary actor
//! same.stop(None);
//! join.await?;
//! system.stop().await;
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
//! ```
//!
//! # Ways to send
//!
//! | | | |
//! | --- | --- | --- |
//! | [`GpuRef::cast`], [`GpuRef::call`], `cast!`, `call!` | into the ring | a full ring gives a cast back, as `SendErr`; a call waits |
//! | [`GpuRef::send`] | into the ring | waits for room |
//! | [`GpuRef::cast_many`] | into the ring, many at once | says how many there was room for |
//! | [`GpuRef::ask`] | into the ring, the reply on a line that the caller watches | blocks the thread |
//! | [`Pipeline`] | the same, many in flight | for a thread of its own |
//! | `ActorRef`, from the registry, a group, a link | through the proxy's mailbox | as any ractor actor |
//!
//! - Messages of one sender to one actor by one of these ways are handled in the order in which they were sent. Rings and
//!   mailbox are two ways; the first five rows are one.
//! - Each call ends once: with its reply, a fault, a timeout, or the news that the actor has stopped.
//! - `stop` lets the actor handle what its shard was sent; `drain` its mailbox too; `kill` revokes it at once.
//! - A handler that panics fails its actor alone. Its supervisor hears `ActorFailed` with a [`GpuFault`], which holds the text,
//!   the place and the state.
//! - What reaches nobody is counted: [`System::dead_letters`].
//!
//! # Without ractor
//!
//! [`Handle`] starts actors that no framework runs, and sends to them by the types of their messages. With the feature `actix` they are
//! ordinary actors of actix's, `Addr<Gpu<A>>`: `StartActix` starts them, or a supervisor does.
//!
//! # Groups
//!
//! An actor costs its host a task, a mailbox and some kilobytes. Where there are to be a million, [`Spawn::spawn_many`] starts them as
//! a [`GpuGroup`]: one actor for all, members by key.
//!
//! # Spawned by handlers
//!
//! A handler finds others by their names (`ctx.lookup`), links itself to them (`ctx.link`) and spawns actors on its shard (`ctx.spawn`),
//! without waiting for the application; [`System::adopt`] makes one of these an actor of ractor's.
//!
//! # Supervision
//!
//! [`guardian`] has supervisors with OTP's meaning for ractor's actors, actix's and resident ones. A resident actor of theirs is restarted
//! in place: its handles, its name, its groups and its mailbox stay, and whoever sends meanwhile waits. [`GpuRef::ends`] tells of each of its
//! incarnations that ends.
//!
//! # Checkpoints
//!
//! [`checkpoint`] takes the states of running actors and brings them back, after a crash or elsewhere.
//!
//! The metrics that a system reports are listed in [`metrics`].
#![forbid(unsafe_code)]
// Without ractor there are no groups, without any framework no supervisors, so much of the core has no caller.
#![cfg_attr(not(feature = "ractor"), allow(dead_code))]

mod actor;
pub mod checkpoint;
mod clock;
mod config;
mod device;
mod embed;
mod error;
mod fault;
mod group;
pub mod guardian;
pub mod metrics;
mod shard;
mod system;
pub mod trace;
mod who;

pub use actor::destination::Destination;
pub use actor::ends::{IncarnationEnd, IncarnationEnds};
pub use actor::handle::Handle;
pub use actor::info::ActorInfo;
pub use actor::pipeline::Pipeline;
pub use checkpoint::{Checkpoint, CheckpointError, RestoreError, Scope};
pub use config::{Config, ConfigError, DeviceOptions, DevicesError, Origin, Pump, Setting, Settings, Wait};
#[cfg(feature = "actix")]
pub use embed::actix::{ActixError, Gpu, ResidentAddr, StartActix, control};
#[cfg(feature = "ractor")]
pub use embed::ractor::{
    control::DeviceMsg,
    group::{GpuGroup, GroupMsg},
    handle::GpuRef,
    restore::{Restoration, Restored},
    spawn::Spawn,
    watch::watch,
};
pub use error::{
    AdoptError, AskError, CallError, CastError, FenceError, MemberError, PlacementError, Refusal, RouteError, SpawnError, StartError,
};
pub use fault::FaultClass;
/// A ractor supervisor finds it in `ActorFailed`:
///
/// ```
/// # use ractor::SupervisionEvent;
/// use resident::{FaultClass, GpuFault};
///
/// fn is_panic(event: &SupervisionEvent) -> bool {
///     match event {
///         SupervisionEvent::ActorFailed(_, error) => {
///             error.downcast_ref::<GpuFault>().is_some_and(|fault| fault.class == FaultClass::Panic)
///         }
///         _ => false,
///     }
/// }
/// ```
#[doc(inline)]
pub use fault::GpuFault;
pub use group::Folded;
pub use resident_gpu::Class;
pub use resident_gpu::arena::ArenaError;
pub use resident_gpu::device::{
    Choice, DeviceFault, DeviceInfo, DeviceKind, Health, Isolation, Loss, StartError as DeviceStartError, StopError,
};
pub use resident_kernels;
pub use resident_kernels::address::Address;
pub use resident_kernels::timer::Timer;
pub use system::System;
pub use system::device::Device;
pub use system::placement::Placement;
pub use system::snapshot::Snapshot;
pub use system::stop::StopReport;
pub use who::ActorKey;

/// What most programs name.
pub mod prelude {
    pub use crate::checkpoint::StateOf;
    pub use crate::guardian::{ChildSpec, Supervisor, SupervisorRef};
    pub use crate::{AskError, CastError, Choice, Config, DeviceOptions, FaultClass, GpuFault, Handle, Pipeline, Placement, System};
    #[cfg(feature = "ractor")]
    pub use crate::{GpuGroup, GpuRef, Spawn};
    #[cfg(feature = "actix")]
    pub use crate::{ResidentAddr, StartActix};
}
