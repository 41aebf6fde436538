//! Spawning: `Aircraft::spawn(..)` and `Aircraft::spawn_linked(..)`, as with any ractor actor.

use std::future::Future;
use std::hash::Hash;

use ractor::ActorCell;
use ractor::concurrency::JoinHandle;
use resident_kernels::host::Resident;
use tracing::{Instrument, debug_span};

use crate::actor::incarnation::Place;
use crate::embed::ractor::group::{self, GpuGroup};
use crate::embed::ractor::handle::GpuRef;
use crate::embed::ractor::proxy::{self, Origin, Start};
use crate::error::SpawnError;
use crate::group::gather::Gathered;
use crate::shard::frames::encoded;
use crate::system::System;

/// Spawns resident actors; implemented for every kind.
pub trait Spawn: Resident {
    /// Starts an actor with `state` on a device of `system`'s. The handle ends when the actor has, and its row is free again.
    ///
    /// The name, if any, is ractor's: one living actor in the process has it.
    fn spawn(
        name: Option<String>,
        state: Self,
        system: &System,
    ) -> impl Future<Output = Result<(GpuRef<Self>, JoinHandle<()>), SpawnError>> + Send {
        start(name, encoded(&state), system, None)
    }

    /// Starts an actor under `supervisor`, which hears of its end: `ActorFailed` with a [`GpuFault`](crate::GpuFault) if it failed.
    fn spawn_linked(
        name: Option<String>,
        state: Self,
        system: &System,
        supervisor: ActorCell,
    ) -> impl Future<Output = Result<(GpuRef<Self>, JoinHandle<()>), SpawnError>> + Send {
        start(name, encoded(&state), system, Some(supervisor))
    }

    /// Starts a group of actors with these keys and states: all of them, or none. One ractor actor, of this name, stands for all; a
    /// member costs a row, its state and some seventy bytes of the host's beside its entry in the map of keys. In a system of several devices
    /// its [`Placement`](crate::Placement) says where the members are.
    ///
    /// The members are taken from the iterator at once, and are on the device when this is done. Two with one key are a
    /// [`SpawnError::Duplicate`], more than there are rows for [`SpawnError::Members`].
    ///
    /// ```
    /// # use resident_kernels::prelude::*;
    /// # #[derive(State, Default)] #[repr(C)] pub struct Meter { pub read: u64 }
    /// # #[derive(Message)] #[reply(u64)] pub struct Read;
    /// # #[actor]
    /// # impl Meter { fn read(&mut self, _: &Read, _ctx: &mut Ctx) -> u64 { self.read } }
    /// # resident_kernels::export!(Meter);
    /// use resident::prelude::*;
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let config = Config::cpu();
    /// # #[cfg(any())]
    /// let config = Config { rows: 1 << 20, ..Config::default() }; // room for a million in each shard
    /// let system = System::start(config).await?;
    /// let meters = ["north", "south"].map(|place| (place, Meter::default()));
    /// let (meters, _) = Meter::spawn_many(None, meters, &system).await?;
    /// assert_eq!(meters.ask(&"north", &Read, std::time::Duration::from_secs(1))?, 0);
    /// # system.stop().await;
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
    /// ```
    fn spawn_many<K>(
        name: Option<String>,
        members: impl IntoIterator<Item = (K, Self)>,
        system: &System,
    ) -> impl Future<Output = Result<(GpuGroup<Self, K>, JoinHandle<()>), SpawnError>> + Send
    where
        K: Eq + Hash + Clone + Send + Sync + 'static,
    {
        group::spawn(name, Gathered::of(members), system, None)
    }

    /// Starts a group under `supervisor`, which hears of the group's end and not of single members: what these failed with is kept in
    /// the group.
    fn spawn_many_linked<K>(
        name: Option<String>,
        members: impl IntoIterator<Item = (K, Self)>,
        system: &System,
        supervisor: ActorCell,
    ) -> impl Future<Output = Result<(GpuGroup<Self, K>, JoinHandle<()>), SpawnError>> + Send
    where
        K: Eq + Hash + Clone + Send + Sync + 'static,
    {
        group::spawn(name, Gathered::of(members), system, Some(supervisor))
    }
}

impl<A: Resident> Spawn for A {}

async fn start<A: Resident>(
    name: Option<String>,
    state: Vec<u8>,
    system: &System,
    supervisor: Option<ActorCell>,
) -> Result<(GpuRef<A>, JoinHandle<()>), SpawnError> {
    system.fleet().check_proxies()?;
    let span = debug_span!("spawn", system = system.name(), kind = A::KIND.name, actor = name.as_deref());
    let start = Start { origin: Origin::State(state, Place::claim::<A>(system)?), keeper: None, recovery: None };
    proxy::start(name, start, supervisor).instrument(span).await
}
