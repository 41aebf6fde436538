//! From a checkpoint back to actors.
//!
//! Rows and cells are claimed first, then each device takes all its states in one go. Then each actor gets a shell of its framework's, and before
//! anybody can find it, what was pending for it is sent. Whatever fails on the way, nothing of it is left: who has a shell is killed, who
//! has only a row gives it up.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::thread::{self, available_parallelism};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use resident_checkpoint::{Actor as Saved, Checkpoint, Key, Kind as SavedKind, Status};
use resident_gpu::cut::{CutError, Load};
use resident_host::apart;
use resident_kernels::actor::{Actor, Kind};
use tokio::time::{Instant, sleep, timeout};
use tracing::{Instrument, info_span};

use super::error::{RestoreError, StateError};
use super::state::fill;
use crate::actor::incarnation::{Loaded, Place};
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

/// Actors that the devices have, and nobody else yet.
pub(crate) struct Brought {
    /// Those on which they are.
    pub devices: Vec<Arc<Core>>,
    pub live: Vec<Back>,
    /// Those that had failed when the checkpoint was taken, which are not on the device.
    pub failed: Vec<Saved>,
}

/// One of them.
pub(crate) struct Back {
    pub saved: Saved,
    pub place: Loaded,
    /// What was sent to it before.
    pub pending: Vec<Returned>,
}

/// Puts every `A` that lived when the checkpoint was taken on a device, each where the system places it. `is_taken` says whether somebody has a name.
pub(crate) async fn bring<A: Actor>(
    system: &System,
    checkpoint: &Checkpoint,
    is_taken: impl Fn(&str) -> bool,
) -> Result<Brought, RestoreError> {
    let kinds = of_kind(checkpoint, A::KIND)?;
    let of_kind = |actor: &&Saved| kinds.contains(&checkpoint.kind_of(actor));
    let (live, failed): (Vec<_>, Vec<_>) =
        checkpoint.actors().iter().filter(of_kind).cloned().partition(|actor| actor.status == Status::Live);
    let mut pending = pending(checkpoint, A::KIND, &live)?;
    if let Some(taken) = live.iter().filter_map(|actor| actor.name.as_ref()).find(|name| is_taken(name)) {
        return Err(SpawnError::Name(taken.clone()).into());
    }
    let shares = shares::<A>(system, live)?;
    let devices: Vec<_> = shares.iter().map(|share| share.core.clone()).collect();
    let loaded = join_all(shares.into_iter().map(|share| load_in_span(checkpoint, A::KIND, share))).await;
    // Of what others have taken nothing is left, either.
    let loaded = match loaded.into_iter().collect::<Result<Vec<_>, RestoreError>>() {
        Ok(loaded) => loaded,
        Err(error) => {
            settle(&devices).await;
            return Err(error);
        }
    };
    let back = |(saved, place): (Saved, Loaded)| Back { pending: pending.remove(&saved.key).unwrap_or_default(), saved, place };
    let mut live: Vec<_> = loaded.into_iter().flatten().map(back).collect();
    live.sort_by_key(|back| back.saved.key);
    Ok(Brought { devices, live, failed })
}

/// What one device gets.
struct Share {
    core: Arc<Core>,
    live: Vec<Saved>,
    places: Vec<Place>,
}

/// A place for each of these, and which device has which.
fn shares<A: Actor>(system: &System, live: Vec<Saved>) -> Result<Vec<Share>, SpawnError> {
    let mut shares: Vec<Share> = Vec::new();
    for saved in live {
        let place = Place::claim::<A>(system)?;
        let at = shares.iter().position(|share| Arc::ptr_eq(&share.core, place.core())).unwrap_or_else(|| {
            shares.push(Share { core: place.core().clone(), live: Vec::new(), places: Vec::new() });
            shares.len() - 1
        });
        shares[at].live.push(saved);
        shares[at].places.push(place);
    }
    Ok(shares)
}

impl System {
    /// Gives what actors had emitted, and nobody had got when the checkpoint was taken, to where it is routed now; how many were taken.
    /// The others are counted as dead letters.
    pub fn redeliver(&self, checkpoint: &Checkpoint) -> usize {
        let devices = self.fleet().devices();
        // What an actor has set for later is set again on its own device.
        let core = devices.iter().find(|core| *core.name == *checkpoint.taken().device).unwrap_or(self.fleet().first());
        let emitted = checkpoint.emitted();
        let taken = emitted.iter().filter(|emitted| core.emitted(emitted.ty, &emitted.payload)).count();
        core.dead_letters_more((emitted.len() - taken) as u64);
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

/// The same as [`load`], told.
async fn load_in_span(checkpoint: &Checkpoint, kind: &'static Kind, share: Share) -> Result<Vec<(Saved, Loaded)>, RestoreError> {
    let (core, actors, begun) = (share.core.clone(), share.live.len(), Instant::now());
    let (system, device, kind_name) = (core.system(), &*core.name, kind.name);
    let span = info_span!("restore", system, device, kind = kind_name, actors);
    let loaded = load(checkpoint, kind, share).instrument(span.clone()).await?;
    span.in_scope(|| tracing::info!(system, device, kind = kind_name, actors, took = ?begun.elapsed(), "actors are back"));
    Ok(loaded)
}

/// Puts the states of a share on its device.
async fn load(checkpoint: &Checkpoint, kind: &'static Kind, share: Share) -> Result<Vec<(Saved, Loaded)>, RestoreError> {
    let Share { core, live, places } = share;
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
            Ok(()) => return Ok(live.into_iter().zip(loaded).collect()),
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

/// Waits until the devices have given up what they were told to; one that says nothing does not hold this up for ever.
pub(crate) async fn settle(devices: &[Arc<Core>]) {
    join_all(devices.iter().map(|core| timeout(core.stop_timeout, core.fence()))).await;
}
