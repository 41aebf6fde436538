//! Actors of a checkpoint as ractor's: each gets a proxy.

use std::fmt;
use std::sync::Arc;

use ractor::concurrency::JoinHandle;
use ractor::{ActorCell, registry};
use resident_checkpoint::{Actor as Saved, Checkpoint, Key};
use resident_kernels::host::Resident;
use tokio::time::timeout;

use crate::checkpoint::RestoreError;
use crate::checkpoint::restore::{self, Back, Brought};
use crate::device::core::Core;
use crate::embed::ractor::handle::GpuRef;
use crate::embed::ractor::proxy::{self, Origin, Start};
use crate::system::System;

/// What became of the actors of one kind.
#[derive(Debug)]
#[non_exhaustive]
pub struct Restoration<A: Resident> {
    /// Those that are back.
    pub actors: Vec<Restored<A>>,
    /// Those that had failed when the checkpoint was taken, which are not.
    pub failed: Vec<Saved>,
}

/// An actor that is back.
#[non_exhaustive]
pub struct Restored<A: Resident> {
    /// Its handle.
    pub actor: GpuRef<A>,
    /// Ends when the actor has, and its row is free again.
    pub join: JoinHandle<()>,
    /// What the checkpoint knows it by.
    pub key: Key,
}

impl<A: Resident> fmt::Debug for Restored<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restored").field("actor", &self.actor).field("key", &self.key).finish_non_exhaustive()
    }
}

impl System {
    /// Brings back every `A` that lived when the checkpoint was taken, with its name and its state, here or on another device; under
    /// `supervisor`, if there is one. Each first gets what was pending for it, calls too, which nobody waits for any more.
    /// Members of groups come back as actors without a name. On an error none is back. In a system of several devices each comes to where it is
    /// [placed](System::placing), whichever device it was on.
    pub async fn restore<A: Resident>(
        &self,
        checkpoint: &Checkpoint,
        supervisor: Option<ActorCell>,
    ) -> Result<Restoration<A>, RestoreError> {
        self.fleet().check_proxies()?;
        let Brought { devices, live, failed } = restore::bring::<A>(self, checkpoint, |name| registry::where_is(name).is_some()).await?;
        let actors = move_in(&devices, live, supervisor).await?;
        Ok(Restoration { actors, failed })
    }
}

/// Gives each actor its proxy. If one can not have it, none keeps his.
async fn move_in<A: Resident>(
    devices: &[Arc<Core>],
    live: Vec<Back>,
    supervisor: Option<ActorCell>,
) -> Result<Vec<Restored<A>>, RestoreError> {
    let mut actors: Vec<Restored<A>> = Vec::with_capacity(live.len());
    let mut live = live.into_iter();
    for Back { saved: Saved { key, name, .. }, place, pending } in live.by_ref() {
        let start = Start { origin: Origin::Loaded(place, pending), keeper: None, recovery: None };
        match proxy::start::<A>(name, start, supervisor.clone()).await {
            Ok((actor, join)) => actors.push(Restored { actor, join, key }),
            Err(error) => {
                drop(live);
                for Restored { actor, join, .. } in actors {
                    if let Some(supervisor) = &supervisor {
                        // It has not heard of them yet, as far as it is concerned.
                        actor.unlink(supervisor.clone());
                    }
                    actor.kill();
                    let _ = join.await;
                    let life = actor.home().life().clone();
                    let _ = timeout(life.core.stop_timeout, life.gone()).await;
                }
                restore::settle(devices).await;
                return Err(error.into());
            }
        }
    }
    Ok(actors)
}
