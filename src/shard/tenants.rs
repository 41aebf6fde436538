//! The rows of a shard, and who lives there.

use std::collections::VecDeque;
use std::sync::Arc;

use resident_gpu::rows::{RowId, Rows};
use resident_kernels::actor::Kind;

use crate::fault::{At, FaultClass, GpuFault};
use crate::group::CrewRef;
use crate::incarnation::Incarnation;
use crate::nursery::Nursery;
use crate::shard::link::Recipient;

/// Faults that a shard remembers after their actors have gone, for callers that come to ask late.
const REMEMBERED: usize = 128;

/// The rows of a shard, and who lives there.
pub(crate) struct Tenants {
    rows: Rows,
    /// Rows that the nursery is to have, and those that it has.
    due: u32,
    granted: u32,
    live: Vec<Option<Tenant>>,
    /// While a cut is being taken: who has left meanwhile, and may be in it.
    departed: Option<Vec<Resident>>,
    faults: VecDeque<(RowId, GpuFault)>,
}

/// Who lives in a row.
#[derive(Clone)]
pub(crate) enum Tenant {
    Actor(Arc<Incarnation>),
    /// A member of a group, by its slot there.
    Member(CrewRef, u32),
    /// One that a handler has spawned, of this kind.
    Child(Arc<Nursery>, u32),
}

impl Tenant {
    /// Records why it failed; `id` is its row.
    pub(crate) fn fail(&self, id: RowId, class: FaultClass, at: Option<At>, text: String) {
        match self {
            Tenant::Actor(actor) => actor.fail(class, at, text),
            Tenant::Member(crew, slot) => crew.fail(*slot, id, class, at, text),
            Tenant::Child(nursery, _) => drop(nursery.fail(id, class, text)),
        }
    }

    /// The same, for one that takes messages and is linked to one that has failed: who it is.
    pub(crate) fn fail_linked(&self, id: RowId, text: String) -> Option<String> {
        let class = FaultClass::Linked;
        match self {
            Tenant::Actor(actor) => {
                if !actor.is_open() {
                    return None;
                }
                actor.fail(class, None, text);
                Some(match actor.actor.get_name() {
                    Some(name) => format!("actor `{name}` ({})", actor.kind.name),
                    None => format!("actor {} ({})", actor.actor.get_id(), actor.kind.name),
                })
            }
            Tenant::Member(crew, slot) => {
                if crew.fault(*slot, id).is_some() {
                    return None;
                }
                crew.fail(*slot, id, class, None, text);
                // It may have left meanwhile.
                crew.fault(*slot, id)?;
                Some(match crew.actor().get_name() {
                    Some(name) => format!("a member of `{name}` ({})", crew.kind().name),
                    None => format!("a member of {} ({})", crew.actor().get_id(), crew.kind().name),
                })
            }
            Tenant::Child(nursery, kind) => nursery.fail(id, class, text).then(|| nursery.who(*kind, id)),
        }
    }

    pub(crate) fn kind(&self) -> &'static Kind {
        match self {
            Tenant::Actor(actor) => actor.kind,
            Tenant::Member(crew, _) => crew.kind(),
            Tenant::Child(nursery, kind) => nursery.kind(*kind),
        }
    }

    /// Tells that it has failed. A group goes on without the member, and a child has gone by then.
    pub(crate) fn stop_proxy(&self) {
        if let Tenant::Actor(actor) = self {
            actor.stop_proxy();
        }
    }

    /// It has asked for its end; `id` is its row.
    pub(crate) fn end(&self, id: RowId) {
        match self {
            Tenant::Actor(actor) => actor.stop_actor(),
            Tenant::Member(crew, slot) => crew.end(*slot, id),
            Tenant::Child(nursery, _) => nursery.end(id),
        }
    }

    /// Why it failed, if it has; `id` is its row.
    pub(crate) fn fault(&self, id: RowId) -> Option<GpuFault> {
        match self {
            Tenant::Actor(actor) => actor.fault().cloned(),
            Tenant::Member(crew, slot) => crew.fault(*slot, id),
            // Whoever has failed is none any more.
            Tenant::Child(..) => None,
        }
    }
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
    /// Of so many rows, of which `due` are for the nursery.
    pub(crate) fn new(rows: u32, due: u32) -> Tenants {
        Tenants { rows: Rows::new(rows), due, granted: 0, live: Vec::new(), departed: None, faults: VecDeque::new() }
    }

    /// Takes a row; `None` while there is none.
    pub(crate) fn claim(&mut self) -> Option<RowId> {
        if self.free() == 0 {
            return None;
        }
        self.rows.claim()
    }

    /// Takes a row for the nursery, which is to have `most`: none if it has them, an error if there is no row.
    pub(crate) fn grant(&mut self, most: u32) -> Result<Option<RowId>, ()> {
        if self.granted >= most {
            return Ok(None);
        }
        let id = self.rows.claim_last().ok_or(())?;
        self.granted += 1;
        Ok(Some(id))
    }

    /// Nobody was born in this row.
    pub(crate) fn take_grant_back(&mut self, id: RowId) {
        if self.rows.release(id) {
            self.granted -= 1;
        }
    }

    /// Somebody was.
    pub(crate) fn born(&mut self, id: RowId, tenant: Tenant) {
        self.granted -= 1;
        self.enter(id, tenant);
    }

    /// Rows that can be claimed.
    pub(crate) fn free(&self) -> u32 {
        self.rows.free().saturating_sub(self.due.saturating_sub(self.granted))
    }

    /// Somebody moves into its row.
    pub(crate) fn enter(&mut self, id: RowId, tenant: Tenant) {
        let row = id.row as usize;
        if self.live.len() <= row {
            self.live.resize(row + 1, None);
        }
        self.live[row] = Some(tenant);
    }

    /// The next generation of a row, for whoever lives there.
    pub(crate) fn renew(&mut self, id: RowId) -> Option<RowId> {
        self.rows.renew(id)
    }

    /// Nobody lives in this row any more. It is taken until it is [given back](Self::give_back).
    pub(crate) fn vacate(&mut self, id: RowId) {
        if let Some(place) = self.live.get_mut(id.row as usize) {
            *place = None;
        }
    }

    /// Remembers a fault after its actor has gone.
    pub(crate) fn remember(&mut self, id: RowId, fault: GpuFault) {
        if self.faults.len() == REMEMBERED {
            self.faults.pop_front();
        }
        self.faults.push_back((id, fault));
    }

    /// An actor has left its row.
    pub(crate) fn leave(&mut self, actor: &Incarnation) {
        self.vacate(actor.row);
        self.rows.release(actor.row);
        if let Some(departed) = &mut self.departed {
            departed.push(Resident::of(actor));
        }
        if let Some(fault) = actor.fault() {
            self.remember(actor.row, fault.clone());
        }
    }

    /// The device has ended: there are no rows any more.
    pub(crate) fn release(&mut self) {
        (self.rows, self.live) = (Rows::new(0), Vec::new());
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

    /// Who lives at `id`.
    pub(crate) fn tenant(&self, id: RowId) -> Option<&Tenant> {
        self.live.get(id.row as usize)?.as_ref().filter(|_| self.rows.is_live(id))
    }

    /// The actor at `id`.
    pub(crate) fn actor(&self, id: RowId) -> Option<&Arc<Incarnation>> {
        match self.tenant(id)? {
            Tenant::Actor(actor) => Some(actor),
            Tenant::Member(..) | Tenant::Child(..) => None,
        }
    }

    /// Why the actor that was at `id` failed, shortly after it has gone.
    pub(crate) fn remembered(&self, id: RowId) -> Option<GpuFault> {
        self.faults.iter().rev().find(|(row, _)| *row == id).map(|(_, fault)| fault.clone())
    }

    /// Every actor.
    pub(crate) fn all(&self) -> Vec<Arc<Incarnation>> {
        let actor = |tenant: &Tenant| match tenant {
            Tenant::Actor(actor) => Some(actor.clone()),
            Tenant::Member(..) | Tenant::Child(..) => None,
        };
        self.live.iter().flatten().filter_map(actor).collect()
    }
}
