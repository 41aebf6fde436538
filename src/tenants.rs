//! The rows of a shard, and who lives there.

use std::collections::VecDeque;
use std::sync::Arc;

use resident_gpu::rows::{RowId, Rows};

use crate::fault::GpuFault;
use crate::incarnation::Incarnation;

/// Faults that a shard remembers after their actors have gone, for callers that come to ask late.
const REMEMBERED: usize = 128;

/// The rows of a shard, and who lives there.
pub(crate) struct Tenants {
    rows: Rows,
    live: Vec<Option<Arc<Incarnation>>>,
    /// While a cut is being taken: who has left meanwhile, and may be in it.
    departed: Option<Vec<Resident>>,
    faults: VecDeque<(RowId, GpuFault)>,
}

/// What a checkpoint says of an actor and its device does not.
#[derive(Clone)]
pub(crate) struct Resident {
    pub row: RowId,
    pub name: Option<String>,
    /// Messages that its state held before the device's count began.
    pub before: u64,
}

impl Resident {
    fn of(actor: &Incarnation) -> Resident {
        Resident { row: actor.row, name: actor.actor.get_name(), before: actor.before }
    }
}

impl Tenants {
    pub(crate) fn new(rows: u32) -> Tenants {
        Tenants { rows: Rows::new(rows), live: Vec::new(), departed: None, faults: VecDeque::new() }
    }

    /// Takes a row; `None` while there is none.
    pub(crate) fn claim(&mut self) -> Option<RowId> {
        self.rows.claim()
    }

    /// An actor moves into its row.
    pub(crate) fn enter(&mut self, actor: &Arc<Incarnation>) {
        let row = actor.row.row as usize;
        if self.live.len() <= row {
            self.live.resize(row + 1, None);
        }
        self.live[row] = Some(actor.clone());
    }

    /// An actor has left its row.
    pub(crate) fn leave(&mut self, actor: &Incarnation) {
        if let Some(place) = self.live.get_mut(actor.row.row as usize) {
            *place = None;
        }
        self.rows.release(actor.row);
        if let Some(departed) = &mut self.departed {
            departed.push(Resident::of(actor));
        }
        if let Some(fault) = actor.fault() {
            if self.faults.len() == REMEMBERED {
                self.faults.pop_front();
            }
            self.faults.push_back((actor.row, fault.clone()));
        }
    }

    /// A row that nobody moved into is free.
    pub(crate) fn give_back(&mut self, id: RowId) {
        self.rows.release(id);
    }

    /// From now on who leaves is remembered, or no longer.
    pub(crate) fn watch_departures(&mut self, watch: bool) {
        self.departed = watch.then(Vec::new);
    }

    /// Who is or was at `id`, since departures are watched.
    pub(crate) fn resident(&self, id: RowId) -> Option<Resident> {
        let departed = || self.departed.iter().flatten().find(|resident| resident.row == id).cloned();
        self.actor(id).map(|actor| Resident::of(actor)).or_else(departed)
    }

    /// The actor at `id`.
    pub(crate) fn actor(&self, id: RowId) -> Option<&Arc<Incarnation>> {
        self.live.get(id.row as usize)?.as_ref().filter(|actor| actor.row == id)
    }

    /// Why the actor at `id` failed, also shortly after it has gone.
    pub(crate) fn fault(&self, id: RowId) -> Option<GpuFault> {
        if let Some(actor) = self.actor(id) {
            return actor.fault().cloned();
        }
        self.faults.iter().rev().find(|(row, _)| *row == id).map(|(_, fault)| fault.clone())
    }

    /// Everyone.
    pub(crate) fn all(&self) -> Vec<Arc<Incarnation>> {
        self.live.iter().flatten().cloned().collect()
    }
}
