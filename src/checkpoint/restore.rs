//! From a checkpoint back to actors.
//!
//! Rows and cells are claimed first, then the device takes all states in one go, then each actor gets its proxy. Before anybody can
//! find the actor, what was pending for it is sent. Whatever fails on the way, nothing of it is left: who has a proxy is killed, who
//! has only a row gives it up.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::thread::{self, available_parallelism};
use std::time::Duration;

use bytes::Bytes;
use ractor::concurrency::JoinHandle;
use ractor::{ActorCell, registry};
use resident_checkpoint::{Actor as Saved, Checkpoint, Key, Kind as SavedKind, Status};
use resident_gpu::cut::{CutError, Load};
use resident_host::apart;
use resident_kernels::actor::Kind;
use resident_kernels::host::Resident;
use tokio::time::{Instant, sleep, timeout};

use super::error::{RestoreError, StateError};
use super::state::fill;
use crate::actor::handle::GpuRef;
use crate::actor::incarnation::{Loaded, Place};
use crate::actor::proxy::{self, Origin, Start};
use crate::device::core::Core;
use crate::error::SpawnError;
use crate::fault::Returned;
use crate::system::System;

/// How long a device may take, takeovers included.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries, while one worker takes over from another.
const REST: Duration = Duration::from_millis(5);
/// States begin at multiples of this, so that the device takes them from where they lie.
const ALIGN: usize = 16;

/// So many bytes of states are put together by several threads.
const MANY: usize = 16 << 20;

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
    /// Members of groups come back as actors without a name. On an error none is back.
    pub async fn restore<A: Resident>(
        &self,
        checkpoint: &Checkpoint,
        supervisor: Option<ActorCell>,
    ) -> Result<Restoration<A>, RestoreError> {
        let core = self.core();
        core.check_proxies()?;
        let kinds = of_kind(checkpoint, A::KIND)?;
        let of_kind = |actor: &&Saved| kinds.contains(&checkpoint.kind_of(actor));
        let (live, failed): (Vec<_>, Vec<_>) =
            checkpoint.actors().iter().filter(of_kind).cloned().partition(|actor| actor.status == Status::Live);
        let pending = pending(checkpoint, A::KIND, &live)?;
        if let Some(taken) = live.iter().filter_map(|actor| actor.name.as_ref()).find(|name| registry::where_is(*name).is_some()) {
            return Err(SpawnError::Name(taken.clone()).into());
        }
        let places = live.iter().map(|_| Place::claim::<A>(core)).collect::<Result<Vec<_>, SpawnError>>()?;
        let loaded = load(core, checkpoint, A::KIND, live.clone(), places).await;
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                settle(core).await;
                return Err(error);
            }
        };
        let actors = move_in(core, live, loaded, pending, supervisor).await?;
        Ok(Restoration { actors, failed })
    }

    /// Gives what actors had emitted, and nobody had got when the checkpoint was taken, to where it is routed now; how many were taken.
    /// The others are counted as dead letters.
    pub fn redeliver(&self, checkpoint: &Checkpoint) -> usize {
        let emitted = checkpoint.emitted();
        let taken = emitted.iter().filter(|emitted| self.core().emitted(emitted.ty, &emitted.payload)).count();
        self.core().dead_letters_more((emitted.len() - taken) as u64);
        taken
    }
}

/// The checkpoint's kinds that are `kind`: those of its name, or of several the ones with its layout.
fn of_kind<'a>(checkpoint: &'a Checkpoint, kind: &'static Kind) -> Result<Vec<&'a SavedKind>, RestoreError> {
    let mut named: Vec<_> = checkpoint.kinds().iter().filter(|saved| saved.name == kind.name).collect();
    if named.iter().any(|saved| saved.layout == kind.layout) {
        named.retain(|saved| saved.layout == kind.layout);
    }
    match named.as_slice() {
        [] => {
            let known: Vec<_> = checkpoint.kinds().iter().map(|saved| format!("`{}`", saved.name)).collect();
            Err(RestoreError::Kind { kind: kind.name, known: if known.is_empty() { "none".into() } else { known.join(", ") } })
        }
        // None is nearer than another.
        [saved, _, ..] if saved.layout != kind.layout => {
            Err(StateError::Layout { kind: kind.name, saved: saved.layout, present: kind.layout }.into())
        }
        _ => Ok(named),
    }
}

/// What waits for each actor, in the order in which it was sent.
fn pending(checkpoint: &Checkpoint, kind: &'static Kind, live: &[Saved]) -> Result<HashMap<Key, Vec<Returned>>, RestoreError> {
    let mut pending: HashMap<Key, Vec<Returned>> = live.iter().map(|actor| (actor.key, Vec::new())).collect();
    for sent in checkpoint.pending() {
        let Some(waiting) = pending.get_mut(&sent.key) else { continue };
        let info = kind.messages.get(sent.message as usize);
        if info.is_none_or(|info| info.bytes as usize != sent.payload.len()) {
            let (message, bytes) = (sent.message, sent.payload.len());
            return Err(RestoreError::Message { kind: kind.name, key: sent.key, message, bytes });
        }
        waiting.push(Returned { message: sent.message, payload: sent.payload.clone() });
    }
    Ok(pending)
}

/// Puts the states on the device.
async fn load(
    core: &Arc<Core>,
    checkpoint: &Checkpoint,
    kind: &'static Kind,
    live: Vec<Saved>,
    places: Vec<Place>,
) -> Result<Vec<Loaded>, RestoreError> {
    if live.is_empty() {
        return Ok(Vec::new());
    }
    let length = kind.state_bytes as usize;
    let stride = length.next_multiple_of(ALIGN);
    let bytes = {
        let (core, checkpoint, live) = (core.clone(), checkpoint.clone(), live.clone());
        let staged = apart(move || stage(&core, &checkpoint, kind, &live, stride)).await;
        staged.map_err(|error| RestoreError::thread(&error))?.ok_or(RestoreError::Runtime)??
    };
    let range = |at: usize| -> Range<usize> { at * stride..at * stride + length };
    let load = |(at, (place, actor)): (usize, (&Place, &Saved))| Load {
        shard: place.port.shard,
        row: place.row,
        kind: place.kind_index,
        at: place.offset(),
        handled: actor.handled,
        state: range(at),
    };
    let loads: Arc<[Load]> = places.iter().zip(&live).enumerate().map(load).collect();
    // From here on the device may have them.
    let loaded: Vec<Loaded> = places.into_iter().map(Place::loaded).collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (core_there, loads, bytes) = (core.clone(), loads.clone(), bytes.clone());
        let done = apart(move || core_there.device.load(&loads, &bytes)).await;
        match done.map_err(|error| RestoreError::thread(&error))?.ok_or(RestoreError::Runtime)? {
            Ok(()) => return Ok(loaded),
            // The same once more: nobody else has these rows.
            Err(CutError::Lost | CutError::Late(_)) if Instant::now() < deadline => sleep(REST).await,
            Err(CutError::Lost | CutError::Late(_)) => return Err(RestoreError::Late(PATIENCE)),
            Err(CutError::Ended(fault)) => {
                return Err(core.check_running().err().unwrap_or(SpawnError::Lost(fault)).into());
            }
            Err(refused) => return Err(RestoreError::Refused(refused.to_string())),
        }
    }
}

/// The states one behind another, in memory that the device takes them from. Blocks.
fn stage(core: &Core, checkpoint: &Checkpoint, kind: &'static Kind, live: &[Saved], stride: usize) -> Result<Bytes, RestoreError> {
    let fill = |room: &mut [u8], live: &[Saved]| {
        let mut states = room.chunks_mut(stride.max(1)).zip(live);
        states.try_for_each(|(room, actor)| fill(checkpoint, actor, kind, &mut room[..kind.state_bytes as usize]))
    };
    let mut filled = Ok(());
    let bytes = core.device.stage(live.len() * stride, |room| {
        // One thread takes a tenth of a second for a gigabyte.
        let threads = if room.len() < MANY { 1 } else { available_parallelism().map_or(1, usize::from).min(8) };
        let each = live.len().div_ceil(threads).max(1);
        filled = thread::scope(|scope| {
            let parts = room.chunks_mut((each * stride).max(1)).zip(live.chunks(each));
            let parts: Vec<_> = parts.map(|(room, live)| thread::Builder::new().spawn_scoped(scope, move || fill(room, live))).collect();
            parts.into_iter().try_for_each(|part| {
                let part = part.map_err(|error| RestoreError::thread(&error))?;
                part.join().map_err(|_| RestoreError::Runtime)?.map_err(RestoreError::from)
            })
        });
    });
    let bytes = bytes.map_err(|error| RestoreError::Refused(error.to_string()))?;
    filled?;
    Ok(bytes)
}

/// Gives each actor its proxy. If one can not have it, none keeps his.
async fn move_in<A: Resident>(
    core: &Arc<Core>,
    live: Vec<Saved>,
    loaded: Vec<Loaded>,
    mut pending: HashMap<Key, Vec<Returned>>,
    supervisor: Option<ActorCell>,
) -> Result<Vec<Restored<A>>, RestoreError> {
    let mut actors: Vec<Restored<A>> = Vec::with_capacity(live.len());
    let mut loaded = loaded.into_iter();
    for (Saved { key, name, .. }, place) in live.into_iter().zip(loaded.by_ref()) {
        let origin = Origin::Loaded(place, pending.remove(&key).unwrap_or_default());
        let start = Start { origin, core: core.clone(), keeper: None, recovery: None };
        match proxy::start::<A>(name, start, supervisor.clone()).await {
            Ok((actor, join)) => actors.push(Restored { actor, join, key }),
            Err(error) => {
                drop(loaded);
                for Restored { actor, join, .. } in actors {
                    if let Some(supervisor) = &supervisor {
                        // It has not heard of them yet, as far as it is concerned.
                        actor.unlink(supervisor.clone());
                    }
                    actor.kill();
                    let _ = join.await;
                    let life = actor.home().life().clone();
                    let _ = timeout(core.stop_timeout, life.gone()).await;
                }
                settle(core).await;
                return Err(error.into());
            }
        }
    }
    Ok(actors)
}

/// Waits until the device has given up what it was told to; one that says nothing does not hold this up for ever.
async fn settle(core: &Core) {
    let _ = timeout(core.stop_timeout, core.fence()).await;
}
