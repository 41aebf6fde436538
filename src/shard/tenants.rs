//! The rows of a shard, and who lives there.

use std::collections::VecDeque;

use resident_gpu::rows::{RowId, Rows};

use crate::fault::GpuFault;
use crate::shard::occupant::{Residence, Tenant};

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
    departed: Option<Vec<Residence>>,
    faults: VecDeque<(RowId, GpuFault)>,
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

    /// Rows that are taken, those that the nursery has among them, and those that are not.
    pub(crate) fn taken_and_free(&self) -> (u32, u32) {
        (self.rows.live(), self.rows.free())
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

    /// An actor has left its row, and why if it had failed; `residence` says what it was.
    pub(crate) fn leave(&mut self, id: RowId, residence: impl FnOnce() -> Residence, fault: Option<&GpuFault>) {
        self.vacate(id);
        self.rows.release(id);
        if let Some(departed) = &mut self.departed {
            departed.push(residence());
        }
        if let Some(fault) = fault {
            self.remember(id, fault.clone());
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
    pub(crate) fn residence(&self, id: RowId) -> Option<Residence> {
        let departed = || self.departed.iter().flatten().find(|residence| residence.row == id).cloned();
        self.tenant(id).and_then(|tenant| tenant.who.residence()).or_else(departed)
    }

    /// Who lives at `id`.
    pub(crate) fn tenant(&self, id: RowId) -> Option<&Tenant> {
        self.live.get(id.row as usize)?.as_ref().filter(|_| self.rows.is_live(id))
    }

    /// Why the actor that was at `id` failed, shortly after it has gone.
    pub(crate) fn remembered(&self, id: RowId) -> Option<GpuFault> {
        self.faults.iter().rev().find(|(row, _)| *row == id).map(|(_, fault)| fault.clone())
    }

    /// Every actor of its own.
    pub(crate) fn alone(&self) -> Vec<Tenant> {
        self.live.iter().flatten().filter(|tenant| tenant.who.is_alone()).cloned().collect()
    }
}
