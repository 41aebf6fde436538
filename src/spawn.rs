//! Spawning: `Aircraft::spawn(..)` and `Aircraft::spawn_linked(..)`, as with any ractor actor.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use ractor::concurrency::JoinHandle;
use ractor::{Actor as _, ActorCell};
use resident_kernels::host::Resident;

use crate::error::SpawnError;
use crate::handle::GpuRef;
use crate::home::Home;
use crate::incarnation;
use crate::proxy::{Origin, Proxy, Start};
use crate::system::System;

/// Spawns resident actors; implemented for every kind.
pub trait Spawn: Resident {
    /// Starts an actor with `state` on `system`'s device. The handle ends when the actor has, and its row is free again.
    ///
    /// The name, if any, is ractor's: one living actor in the process has it.
    fn spawn(
        name: Option<String>,
        state: Self,
        system: &System,
    ) -> impl Future<Output = Result<(GpuRef<Self>, JoinHandle<()>), SpawnError>> + Send {
        start(name, incarnation::payload(&state), system, None)
    }

    /// Starts an actor under `supervisor`, which hears of its end: `ActorFailed` with a [`GpuFault`](crate::GpuFault) if it failed.
    fn spawn_linked(
        name: Option<String>,
        state: Self,
        system: &System,
        supervisor: ActorCell,
    ) -> impl Future<Output = Result<(GpuRef<Self>, JoinHandle<()>), SpawnError>> + Send {
        start(name, incarnation::payload(&state), system, Some(supervisor))
    }
}

impl<A: Resident> Spawn for A {}

async fn start<A: Resident>(
    name: Option<String>,
    payload: Vec<u8>,
    system: &System,
    supervisor: Option<ActorCell>,
) -> Result<(GpuRef<A>, JoinHandle<()>), SpawnError> {
    let start = Start { origin: Origin::State(payload), core: system.core().clone(), keeper: None, recovery: None };
    let (home, join) = proxy::<A>(name, start, supervisor).await?;
    Ok((GpuRef::new(home), join))
}

/// Starts a proxy and its actor.
pub(crate) async fn proxy<A: Resident>(
    name: Option<String>,
    start: Start,
    supervisor: Option<ActorCell>,
) -> Result<(Arc<Home>, JoinHandle<()>), SpawnError> {
    let home = Arc::new(OnceLock::new());
    let proxy = Proxy::<A> { home: home.clone(), kind: PhantomData };
    let (_, join) = match supervisor {
        Some(supervisor) => Proxy::spawn_linked(name, proxy, start, supervisor).await?,
        None => Proxy::spawn(name, proxy, start).await?,
    };
    Ok((home.get().cloned().ok_or(SpawnError::Stopped)?, join))
}
