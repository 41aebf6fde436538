//! The way to a group for whoever does not know its keys: from a row, and from the directory of its system.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;

use super::members::Group;
use super::table::{Key, Leaver, Phase, Seat};
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
    /// The place of the device, which is one of those of the group.
    pub device: u8,
}

impl<K> Known<K> {
    /// Whether somebody of the group has this row of the device.
    fn is(&self, seat: &Seat, id: RowId) -> bool {
        seat.device == self.device && seat.id == id
    }
}

impl<K: Key> Lodger for Known<K> {
    fn key(&self) -> ActorKey {
        self.shell.who().key
    }

    /// Members that have no actor of their own, whichever their device.
    fn actors(&self) -> usize {
        self.group.upgrade().map_or(0, |group| {
            let table = group.table.read();
            table.len() - table.own.len()
        })
    }

    fn drained(&self, limit: Duration) -> BoxFuture<'_, bool> {
        self.shell.drained(limit)
    }

    /// It is drained once, and so is there on the first of its devices.
    fn is_live(&self) -> bool {
        self.device == 0
    }

    fn rows(&self, is_wanted: &dyn Fn(&'static Kind) -> bool) -> Vec<(u32, RowId)> {
        let Some(group) = self.group.upgrade().filter(|_| is_wanted(self.kind)) else { return Vec::new() };
        let table = group.table.read();
        let seats = table.slots().map(|(_, member)| member.seat);
        let there = seats.filter(|seat| seat.device == self.device && seat.phase.has_row());
        there.map(|seat| (group.port(seat.shard).shard, seat.id)).collect()
    }

    fn lose(&self, text: &str) {
        let Some(group) = self.group.upgrade() else { return };
        let fault = group.fault_of(self.device, FaultClass::DeviceLost, None, text.to_owned());
        let (there, live) = group.table.write().lose(self.device, fault);
        group.core(self.device).metrics.faults(FaultClass::DeviceLost, live as u64);
        // Links hear of it, whose lock is ahead of the table's.
        group.send_off(there);
    }

    fn lost(&self) {
        if self.group.upgrade().is_none_or(|group| group.quarters.are_lost()) {
            self.shell.stop(Some(FaultClass::DeviceLost.to_string()));
        }
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
        let fault = group.fault_of(self.device, class, at, text);
        let port;
        {
            let mut table = group.table.write();
            // Its link may have failed it a moment before its handler did.
            let known = table.faults.contains_key(&slot);
            let Some(seat) = table.seat_mut(slot).filter(|seat| self.is(seat, id)) else { return };
            port = group.port(seat.shard);
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
        let core = group.core(self.device);
        core.metrics.faults(class, 1);
        if !class.comes_from_elsewhere() {
            core.links.failed((port.shard, id), || format!("a member of a group: {fault}"));
        }
        // Who waits to send to it hears of it.
        port.credit.notify_waiters();
    }

    fn ended(&self, slot: u32, id: RowId) {
        let Some(group) = self.group.upgrade() else { return };
        let mut table = group.table.write();
        let Some(seat) = table.seat(slot).filter(|seat| self.is(seat, id)) else { return };
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
        table.seat(slot).filter(|seat| self.is(seat, id))?;
        table.fault(slot)
    }
}
