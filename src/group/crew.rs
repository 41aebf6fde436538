//! The way from a row to its group: who does not know a group's keys sees it as a crew.

use std::sync::{Arc, Weak};

use ractor::ActorCell;
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;

use super::members::Group;
use super::table::{Key, Leaver, Phase};
use crate::fault::{At, FaultClass, GpuFault};

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
            table.len() - table.own.len()
        })
    }

    fn rows(&self) -> Vec<(u32, RowId)> {
        let Some(group) = self.group.upgrade() else { return Vec::new() };
        let table = group.table.read();
        let seats = table.slots().map(|(_, member)| member.seat);
        seats.filter(|seat| seat.phase.has_row()).map(|seat| (seat.shard, seat.id)).collect()
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

    fn end(&self, slot: u32, id: RowId) {
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
                    home.actor.stop(None);
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

    fn lose(&self, text: &str) {
        let Some(group) = self.group.upgrade() else { return };
        let fault = group.fault_of(FaultClass::DeviceLost, None, text.to_owned());
        let mut table = group.table.write();
        let lost = table.slots().filter(|(_, member)| member.seat.phase == Phase::Live).count();
        table.lost = Some(fault);
        drop(table);
        group.core.metrics.faults(FaultClass::DeviceLost, lost as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ractor::ActorCell;
    use resident_gpu::device::Choice;

    use crate::config::Config;
    use crate::fault::FaultClass;
    use crate::handle::watch;
    use crate::home::tests::Log;
    use crate::spawn::Spawn;
    use crate::system::System;

    async fn ended(cell: ActorCell) {
        tokio::time::timeout(Duration::from_secs(60), watch(cell)).await.expect("it ends");
    }

    /// A pump that has looked up whose row it is, and is late: the member is an actor of its own by then.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_comes_late_is_the_actors() {
        let system = System::start(Config { device: Choice::Cpu, shards: Some(1), ..Config::default() }).await.unwrap();
        let (group, _) = Log::spawn_many(None, [("fails", Log::default()), ("ends", Log::default())], &system).await.unwrap();
        let crew = group.group.crew.get().unwrap().clone();
        let seat = |key| {
            let table = group.group.table.read();
            let slot = table.find(&key).unwrap();
            (slot, table.seat(slot).unwrap().id)
        };
        let (fails, ends) = (seat("fails"), seat("ends"));
        let (failing, ending) = (group.member(&"fails").await.unwrap(), group.member(&"ends").await.unwrap());

        crew.fail(fails.0, fails.1, FaultClass::Panic, None, "late".into());
        ended(failing.get_cell()).await;
        let fault = failing.fault().expect("a fault");
        assert_eq!((fault.class, fault.text.as_str()), (FaultClass::Panic, "late"));

        crew.end(ends.0, ends.1);
        ended(ending.get_cell()).await;
        assert!(ending.fault().is_none());
        group.actor().stop(None);
        system.stop().await;
    }
}
