//! From a device's cut to a checkpoint.
//!
//! - **T-1 (before)** What was sent before the call has been handled: a fence has passed each shard first.
//! - **T-2 (one moment)** All rings are noted at one moment, while no shard runs and nothing is being sent.
//! - **T-3 (names)** Whoever is in the cut has its name in the checkpoint, also if it left before the cut was read.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use resident_checkpoint::{Actor, ChangedPage, Checkpoint, Delta, DeltaParts, Emitted, Key, Kind, Parts, Pending, Shard, Status, Taken};
use resident_gpu::cut::{Cut, CutError, Queued};
use resident_gpu::rows::RowId;
use resident_host::apart;
use resident_kernels::wire::{CutRow, FROM_ACTOR, ROW_FREE, ROW_LIVE};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{Instrument, field, info_span};

use super::error::CheckpointError;
use super::scope::Scope;
use crate::actor::home::Home;
use crate::clock;
use crate::device::core::{Core, Last};
use crate::error::SpawnError;
use crate::shard::occupant::Residence;
use crate::shard::port::Ports;
use crate::who::ActorKey;

/// Between two tries, while one worker takes over from another.
const REST: Duration = Duration::from_millis(5);

/// Takes a checkpoint; and, where the device knows `base`, what has changed since.
pub(crate) async fn take(
    core: &Arc<Core>,
    scope: Scope,
    notes: BTreeMap<String, Vec<u8>>,
    base: Option<&Checkpoint>,
    patience: Duration,
) -> Result<(Checkpoint, Option<Delta>), CheckpointError> {
    if !core.is_mine() {
        return Err(CheckpointError::Forked);
    }
    let begun = Instant::now();
    let (system, device) = (core.system(), &*core.name);
    let span = info_span!("checkpoint", system, device, actors = field::Empty, bytes = field::Empty, pause_us = field::Empty);
    let taken = attempts(core, &scope, &notes, base, begun + patience).instrument(span.clone()).await;
    let taken = taken.unwrap_or(Err(CheckpointError::Late(patience)));
    match &taken {
        Ok((checkpoint, delta, pause)) => {
            let bytes = delta.as_ref().map_or_else(|| checkpoint.state_bytes(), Delta::page_bytes);
            let (actors, took) = (checkpoint.actors().len(), begun.elapsed());
            core.metrics.checkpoint(took, *pause, bytes, matches!(scope, Scope::Device));
            span.record("actors", actors).record("bytes", bytes).record("pause_us", pause.as_micros() as u64);
            span.in_scope(|| tracing::info!(system, device, actors, bytes, ?pause, ?took, "a checkpoint is taken"));
        }
        Err(_) => core.metrics.checkpoint_failed(),
    }
    taken.map(|(checkpoint, delta, _)| (checkpoint, delta))
}

type Answer = Result<(Checkpoint, Option<Delta>, Duration), CheckpointError>;

/// Tries until there is a checkpoint; `None` if there is none by `deadline`.
async fn attempts(
    core: &Arc<Core>,
    scope: &Scope,
    notes: &BTreeMap<String, Vec<u8>>,
    base: Option<&Checkpoint>,
    deadline: Instant,
) -> Option<Answer> {
    let mut last = timeout_at(deadline, core.last.lock()).await.ok()?;
    // T-1.
    match timeout_at(deadline, core.fence()).await {
        Ok(true) => {}
        Ok(false) => return Some(Err(ended(core))),
        Err(_) => return None,
    }
    loop {
        if core.check_running().is_err() {
            return Some(Err(ended(core)));
        }
        // Two that are called the same are the same, unless somebody has forged one; then the delta does not fit the forged one.
        let known =
            last.as_ref().filter(|last| matches!(scope, Scope::Device) && base.is_some_and(|base| base.taken() == last.checkpoint.taken()));
        let known = known.map(|last| (last.number, last.checkpoint.clone()));
        let (task, notes) = ((core.clone(), scope.clone()), notes.clone());
        let attempt = apart(move || attempt(&task.0, &task.1, notes, known));
        match timeout_at(deadline, attempt).await {
            Err(_) => {
                // It goes on by itself; what the worker then has as its last is not known here.
                *last = None;
                return None;
            }
            Ok(Err(error)) => return Some(Err(CheckpointError::thread(&error))),
            Ok(Ok(None)) => return Some(Err(CheckpointError::Runtime)),
            Ok(Ok(Some(Ok(made)))) => {
                if let Some(number) = made.number {
                    *last = Some(Last { number, checkpoint: made.checkpoint.clone() });
                }
                return Some(Ok((made.checkpoint, made.delta, made.pause)));
            }
            Ok(Ok(Some(Err(Failed::Checkpoint(error))))) => {
                *last = None;
                return Some(Err(error));
            }
            Ok(Ok(Some(Err(Failed::Again)))) => {
                // Numbers begin anew with each worker.
                *last = None;
                if timeout_at(deadline, sleep(REST)).await.is_err() {
                    return None;
                }
            }
        }
    }
}

/// Why a system that does not run takes no checkpoint.
fn ended(core: &Core) -> CheckpointError {
    match core.check_running() {
        Err(SpawnError::Lost(fault)) => CheckpointError::Lost(fault),
        _ => CheckpointError::Stopped,
    }
}

struct Made {
    checkpoint: Checkpoint,
    delta: Option<Delta>,
    pause: Duration,
    number: Option<u64>,
}

enum Failed {
    /// Another try may succeed.
    Again,
    Checkpoint(CheckpointError),
}

impl From<CheckpointError> for Failed {
    fn from(error: CheckpointError) -> Failed {
        Failed::Checkpoint(error)
    }
}

/// Takes a cut and makes a checkpoint of it. Blocks.
fn attempt(core: &Arc<Core>, scope: &Scope, notes: BTreeMap<String, Vec<u8>>, known: Option<(u64, Checkpoint)>) -> Result<Made, Failed> {
    let departures = Departures::watch(core);
    let wanted = wanted(core, scope)?;
    let rows = wanted.as_deref();
    let base = known.as_ref().map(|(number, _)| *number);
    // T-2.
    let cut = core.device.cut(rows, base, &Ports(&core.ports)).map_err(|error| match error {
        CutError::Lost | CutError::Late(_) => Failed::Again,
        CutError::Ended(_) => Failed::Checkpoint(ended(core)),
        other => Failed::Checkpoint(CheckpointError::Refused(other.to_string())),
    })?;
    let (number, pause) = (cut.number, cut.pause);
    let reading = Reading { core, cut, notes };
    let (checkpoint, delta) = match known.filter(|_| reading.cut.base.is_some()) {
        Some((_, base)) => reading.advance(&base).map(|(checkpoint, delta)| (checkpoint, Some(delta)))?,
        None => (reading.whole(wanted)?, None),
    };
    drop(departures);
    if let Scope::Actors(actors) = scope
        && checkpoint.actors().len() < actors.iter().collect::<HashSet<_>>().len()
    {
        return Err(missing(core, &checkpoint, actors).into());
    }
    remember(core, &checkpoint);
    Ok(Made { checkpoint, delta, pause, number })
}

/// The rows to be copied; `None` for all.
fn wanted(core: &Core, scope: &Scope) -> Result<Option<Vec<(u32, RowId)>>, CheckpointError> {
    Ok(match scope {
        Scope::Device => None,
        Scope::Actors(actors) => {
            let place = |actor: &ActorKey| {
                let home = core.directory.find::<Home>(*actor).ok_or(CheckpointError::NoActor(*actor))?;
                let life = home.life();
                Ok((life.port.shard, life.row))
            };
            Some(actors.iter().map(place).collect::<Result<_, CheckpointError>>()?)
        }
        Scope::Kinds(kinds) => {
            let is_wanted =
                |kind: &'static resident_kernels::actor::Kind| kinds.iter().any(|wanted| wanted.fingerprint == kind.fingerprint);
            let lodgers = core.directory.all().into_iter().flat_map(|lodger| lodger.rows(&is_wanted));
            let children = core.nurseries.iter().flat_map(|nursery| nursery.rows(is_wanted));
            Some(lodgers.chain(children).collect())
        }
    })
}

/// The first of `actors` that is not there.
fn missing(core: &Core, checkpoint: &Checkpoint, actors: &[ActorKey]) -> CheckpointError {
    let is_there = |actor: &&ActorKey| {
        let key = core.directory.find::<Home>(**actor).map(|home| key(home.life().port.shard, home.life().row));
        key.is_some_and(|key| checkpoint.actor(key).is_some())
    };
    // Where all are there by now, one was restarted meanwhile.
    let missing = actors.iter().find(|actor| !is_there(actor)).or(actors.first());
    missing.map_or(CheckpointError::Stopped, |actor| CheckpointError::NoActor(*actor))
}

/// Supervised actors go back to the last checkpoint that they are in.
fn remember(core: &Arc<Core>, checkpoint: &Checkpoint) {
    let mut fullest: Option<f64> = None;
    for home in core.directory.recoverable::<Home>() {
        let life = home.life();
        let key = key(life.port.shard, life.row);
        if let (Some(actor), Some(recovery)) = (checkpoint.actor(key), home.recovery())
            && actor.status == Status::Live
            && Arc::ptr_eq(&life.core, core)
        {
            let fill = recovery.save(checkpoint, key, actor.handled);
            fullest = fill.into_iter().chain(fullest).reduce(f64::max);
        }
    }
    if let Some(fill) = fullest {
        core.metrics.journal_fill(fill);
    }
}

fn key(shard: u32, row: RowId) -> Key {
    Key { shard, row: row.row, generation: row.generation }
}

/// T-3: remembers who leaves, as long as the value lives.
struct Departures<'a>(&'a Core);

impl Departures<'_> {
    fn watch(core: &Core) -> Departures<'_> {
        core.ports.iter().for_each(|port| port.tenants().watch_departures(true));
        Departures(core)
    }
}

impl Drop for Departures<'_> {
    fn drop(&mut self) {
        self.0.ports.iter().for_each(|port| port.tenants().watch_departures(false));
    }
}

/// A cut, and what belongs to it.
struct Reading<'a> {
    core: &'a Core,
    cut: Cut,
    notes: BTreeMap<String, Vec<u8>>,
}

impl Reading<'_> {
    /// A checkpoint of the whole cut; of `wanted`, if that is not all, since a row may have another actor by the time of the cut.
    fn whole(self, wanted: Option<Vec<(u32, RowId)>>) -> Result<Checkpoint, CheckpointError> {
        let wanted: Option<HashSet<Key>> = wanted.map(|rows| rows.into_iter().map(|(shard, row)| key(shard, row)).collect());
        let is_wanted = |key: &Key| wanted.as_ref().is_none_or(|wanted| wanted.contains(key));
        let rows = self.cut.rows.iter().filter(|row| row.status != u32::from(ROW_FREE) && is_wanted(&row_key(row)));
        let actors: Vec<Actor> = rows.map(|row| self.actor(row)).collect();
        let live: HashSet<Key> = actors.iter().filter(|actor| actor.status == Status::Live).map(|actor| actor.key).collect();
        let pending = self.pending(|key| live.contains(key));
        // Of a part of the device, what that part has emitted.
        let emitted = self.emitted(|key| wanted.is_none() || is_wanted(key));
        let (taken, kinds, shards) = (self.taken(), self.kinds(), self.shards());
        Ok(Checkpoint::new(Parts { taken, kinds, actors, shards, pending, emitted, notes: self.notes, states: self.cut.bytes })?)
    }

    /// What became of `base`.
    fn advance(self, base: &Checkpoint) -> Result<(Checkpoint, Delta), CheckpointError> {
        let mut removed = Vec::new();
        let mut changed = Vec::new();
        // The place among the changed of each row of the cut.
        let mut places = Vec::with_capacity(self.cut.rows.len());
        for row in &self.cut.rows {
            if row.gone != 0 {
                removed.push(Key { generation: row.gone, ..row_key(row) });
            }
            places.push(changed.len() as u32);
            if row.status != u32::from(ROW_FREE) {
                changed.push(self.actor(row));
            }
        }
        let page = |page: &resident_gpu::cut::Page| ChangedPage {
            changed: places[page.row as usize],
            page: page.page,
            offset: page.bytes.start as u64,
        };
        let pages = self.cut.pages.iter().map(page).collect();
        let news: BTreeMap<Key, Status> = changed.iter().map(|actor: &Actor| (actor.key, actor.status)).collect();
        let gone: HashSet<Key> = removed.iter().copied().collect();
        let status = |key: &Key| news.get(key).copied().or_else(|| base.actor(*key).map(|actor| actor.status));
        let pending = self.pending(|key| !gone.contains(key) && status(key) == Some(Status::Live));
        let emitted = self.emitted(|_| true);
        let (taken, kinds, shards) = (self.taken(), self.kinds(), self.shards());
        let (notes, bytes) = (self.notes, self.cut.bytes);
        Ok(base.advance(DeltaParts { taken, kinds, shards, pending, emitted, notes, removed, changed, pages, bytes })?)
    }

    fn actor(&self, row: &CutRow) -> Actor {
        let id = RowId { row: row.row, generation: row.generation };
        let residence = self.core.ports.get(row.shard as usize).and_then(|port| port.tenants().residence(id));
        let Residence { name, before, .. } = residence.unwrap_or(Residence { row: id, name: None, before: 0 });
        let status = if row.status == u32::from(ROW_LIVE) { Status::Live } else { Status::Failed };
        let CutRow { kind, bytes, offset, .. } = *row;
        Actor { key: row_key(row), name, kind, status, handled: before + (row.handled & (FROM_ACTOR - 1)), offset, bytes }
    }

    fn taken(&self) -> Taken {
        let newest = self.cut.shards.iter().map(|shard| shard.hlc).max().unwrap_or(0);
        // A stamp of its own, above all that is in it.
        let hlc = clock::tick(newest);
        Taken { wall_micros: self.cut.micros, hlc, device: self.core.name.to_string() }
    }

    fn kinds(&self) -> Vec<Kind> {
        let kinds = self.core.device.kinds().iter();
        kinds.map(|kind| Kind { name: kind.name.into(), layout: kind.layout, state_bytes: kind.state_bytes }).collect()
    }

    fn shards(&self) -> Vec<Shard> {
        let shards = self.cut.shards.iter();
        shards.map(|stand| Shard { consumed: stand.consumed, produced: stand.produced, handled: stand.handled, hlc: stand.hlc }).collect()
    }

    fn pending(&self, is_in: impl Fn(&Key) -> bool) -> Vec<Pending> {
        let pending = |queued: &Queued| Pending {
            key: key(queued.shard, queued.row),
            message: queued.message as u16,
            hlc: queued.hlc,
            payload: queued.payload.clone(),
        };
        self.cut.queued.iter().map(pending).filter(|pending| is_in(&pending.key)).collect()
    }

    fn emitted(&self, is_in: impl Fn(&Key) -> bool) -> Vec<Emitted> {
        let emitted = |queued: &Queued| Emitted {
            key: key(queued.shard, queued.row),
            ty: queued.message,
            hlc: queued.hlc,
            payload: queued.payload.clone(),
        };
        self.cut.emitted.iter().map(emitted).filter(|emitted| is_in(&emitted.key)).collect()
    }
}

fn row_key(row: &CutRow) -> Key {
    Key { shard: row.shard, row: row.row, generation: row.generation }
}
