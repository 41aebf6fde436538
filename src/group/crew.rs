//! The way to a group for whoever does not know its keys: from a row, and from the directory of its system.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;

use super::members::Group;
use super::table::{Key, Leaver, Phase};
use crate::actor::shell::Shell;
use crate::device::directory::Lodger;
use crate::fault::{At, FaultClass, GpuFault};
use crate::shard::occupant::Occupant;
use crate::who::ActorKey;

/// The way from a row to its group.
pub(crate) struct Known<K> {
    pub shell: Arc<dyn Shell>,
    pub kind: &'static Kind,
    pub group: Weak<Group<K>>,
}

impl<K> Clone for Known<K> {
    fn clone(&self) -> Self {
        Known { shell: self.shell.clone(), kind: self.kind, group: self.group.clone() }
    }
}

impl<K: Key> Lodger for Known<K> {
    fn key(&self) -> ActorKey {
        self.shell.who().key
    }

    /// Members that have no actor of their own.
    fn actors(&self) -> usize {
        self.group.upgrade().map_or(0, |group| {
            let table = group.table.read();
            table.len() - table.own.len()
        })
    }

    fn drained(&self, limit: Duration) -> BoxFuture<'_, bool> {
        self.shell.drained(limit)
    }

    fn rows(&self, is_wanted: &dyn Fn(&'static Kind) -> bool) -> Vec<(u32, RowId)> {
        let Some(group) = self.group.upgrade().filter(|_| is_wanted(self.kind)) else { return Vec::new() };
        let table = group.table.read();
        let seats = table.slots().map(|(_, member)| member.seat);
        seats.filter(|seat| seat.phase.has_row()).map(|seat| (seat.shard, seat.id)).collect()
    }

    fn lose(&self, text: &str) {
        let Some(group) = self.group.upgrade() else { return };
        let fault = group.fault_of(FaultClass::DeviceLost, None, text.to_owned());
        let mut table = group.table.write();
        let lost = table.slots().filter(|(_, member)| member.seat.phase == Phase::Live).count();
        table.lost = Some(fault);
        drop(table);
        group.core.metrics.faults(FaultClass::DeviceLost, lost as u64);
    }

    fn lost(&self) {
        self.shell.stop(Some(FaultClass::DeviceLost.to_string()));
    }
}

impl<K: Key> Occupant for Known<K> {
    fn kind(&self, _: u32) -> &'static Kind {
        self.kind
    }

    fn fail_linked(&self, slot: u32, id: RowId, text: String) -> Option<String> {
        if self.fault(slot, id).is_some() {
            return None;
        }
        self.fail(slot, id, FaultClass::Linked, None, text);
        // It may have left meanwhile.
        self.fault(slot, id)?;
        Some(format!("a member of {} ({})", self.shell.who(), self.kind.name))
    }

    fn fail(&self, slot: u32, id: RowId, class: FaultClass, at: Option<At>, text: String) {
        let Some(group) = self.group.upgrade() else { return };
        let fault = group.fault_of(class, at, text);
        let shard;
        {
            let mut table = group.table.write();
            // Its link may have failed it a moment before its handler did.
            let known = table.faults.contains_key(&slot);
            let Some(seat) = table.seat_mut(slot).filter(|seat| seat.id == id) else { return };
            shard = seat.shard;
            match seat.phase {
                Phase::Live => seat.phase = Phase::Failed,
                Phase::Moving if !known => {}
                Phase::Own => {
                    // It has become an actor since the pump looked whose row it is.
                    let own = table.own.get(&slot).cloned();
                    drop(table);
                    if let Some(life) = own.as_ref().map(|home| home.life()).filter(|life| life.row == id) {
                        life.fail(class, at, fault.text);
                        life.stop_proxy();
                    }
                    return;
                }
                Phase::Failed | Phase::Gone | Phase::Moving => return,
            }
            table.faults.insert(slot, fault.clone());
        }
        group.core.metrics.faults(class, 1);
        if !class.comes_from_elsewhere() {
            group.core.links.failed((shard, id), || format!("a member of a group: {fault}"));
        }
        // Who waits to send to it hears of it.
        group.port(shard).credit.notify_waiters();
    }

    fn ended(&self, slot: u32, id: RowId) {
        let Some(group) = self.group.upgrade() else { return };
        let mut table = group.table.write();
        let Some(seat) = table.seat(slot).filter(|seat| seat.id == id) else { return };
        match seat.phase {
            Phase::Live => {
                let taken = table.take(slot);
                drop(table);
                group.send_off(taken.into_iter().map(|(seat, fault, _)| Leaver { seat, fault }).collect());
            }
            // It is told once it is an actor.
            Phase::Moving => drop(table.ended.insert(slot)),
            // As in `fail`.
            Phase::Own => {
                if let Some(home) = table.own.get(&slot).filter(|home| home.life().row == id) {
                    home.shell.stop(None);
                }
            }
            Phase::Failed | Phase::Gone => {}
        }
    }

    fn fault(&self, slot: u32, id: RowId) -> Option<GpuFault> {
        let group = self.group.upgrade()?;
        let table = group.table.read();
        table.seat(slot).filter(|seat| seat.id == id)?;
        table.fault(slot)
    }
}
