//! The way from a row to its group: who does not know a group's keys sees it as a crew.

use std::sync::{Arc, Weak};

use ractor::ActorCell;
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;

use super::members::Group;
use super::table::{Key, Leaver, Phase};
use crate::fault::{FaultClass, GpuFault};
use crate::incarnation::At;

/// A group, as whoever does not know its keys sees it.
pub(crate) trait Crew: Send + Sync {
    /// Its actor.
    fn actor(&self) -> &ActorCell;
    /// Its members' kind.
    fn kind(&self) -> &'static Kind;
    /// Members that have no actor of their own.
    fn members(&self) -> usize;
    /// Their shards and rows.
    fn rows(&self) -> Vec<(u32, RowId)>;
    /// The member in `slot` has failed, if its row is `id`.
    fn fail(&self, slot: u32, id: RowId, class: FaultClass, at: Option<At>, text: String);
    /// The member in `slot` has asked for its end, if its row is `id`.
    fn end(&self, slot: u32, id: RowId);
    /// Why the member in `slot` failed, if it has and its row is `id`.
    fn fault(&self, slot: u32, id: RowId) -> Option<GpuFault>;
    /// All have failed with their device.
    fn lose(&self, text: &str);
}

/// A thin pointer, since each row has one.
pub(crate) type CrewRef = Arc<Box<dyn Crew>>;

/// The way from a row to its group.
pub(crate) struct Known<K> {
    pub actor: ActorCell,
    pub kind: &'static Kind,
    pub group: Weak<Group<K>>,
}

impl<K: Key> Crew for Known<K> {
    fn actor(&self) -> &ActorCell {
        &self.actor
    }

    fn kind(&self) -> &'static Kind {
        self.kind
    }

    fn members(&self) -> usize {
        self.group.upgrade().map_or(0, |group| {
            let table = group.table.read();
            table.index.len() - table.own.len()
        })
    }

    fn rows(&self) -> Vec<(u32, RowId)> {
        let Some(group) = self.group.upgrade() else { return Vec::new() };
        let table = group.table.read();
        table.slots().filter(|(_, seat)| seat.phase.has_row()).map(|(_, seat)| (seat.shard, seat.id)).collect()
    }

    fn fail(&self, slot: u32, id: RowId, class: FaultClass, at: Option<At>, text: String) {
        let Some(group) = self.group.upgrade() else { return };
        let fault = group.fault_of(class, at, text);
        let shard;
        {
            let mut table = group.table.write();
            let Some(seat) = table.seats.get_mut(slot as usize).filter(|seat| seat.id == id) else { return };
            shard = seat.shard;
            match seat.phase {
                Phase::Live => seat.phase = Phase::Failed,
                Phase::Moving => {}
                Phase::Empty | Phase::Failed | Phase::Gone | Phase::Own => return,
            }
            let first = table.faults.insert(slot, fault).is_none();
            debug_assert!(first, "a member fails once");
        }
        group.core.metrics.faults(class, 1);
        // Who waits to send to it hears of it.
        group.port(shard).credit.notify_waiters();
    }

    fn end(&self, slot: u32, id: RowId) {
        let Some(group) = self.group.upgrade() else { return };
        let mut table = group.table.write();
        let Some(seat) = table.seats.get(slot as usize).filter(|seat| seat.id == id) else { return };
        match seat.phase {
            Phase::Live => {
                let (seat, fault, _) = table.take(slot);
                drop(table);
                group.send_off(vec![Leaver { seat, fault }]);
            }
            // It is told once it is an actor.
            Phase::Moving => drop(table.ended.insert(slot)),
            Phase::Empty | Phase::Failed | Phase::Gone | Phase::Own => {}
        }
    }

    fn fault(&self, slot: u32, id: RowId) -> Option<GpuFault> {
        let group = self.group.upgrade()?;
        let table = group.table.read();
        table.seats.get(slot as usize).filter(|seat| seat.id == id)?;
        table.fault(slot)
    }

    fn lose(&self, text: &str) {
        let Some(group) = self.group.upgrade() else { return };
        let fault = group.fault_of(FaultClass::DeviceLost, None, text.to_owned());
        let mut table = group.table.write();
        let lost = table.slots().filter(|(_, seat)| seat.phase == Phase::Live).count();
        table.lost = Some(fault);
        drop(table);
        group.core.metrics.faults(FaultClass::DeviceLost, lost as u64);
    }
}
