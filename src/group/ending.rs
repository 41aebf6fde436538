//! How a group ends: all members are told to stop, and their rows and states are free.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use resident_gpu::rows::RowId;
use tokio::time::timeout;

use super::batch::Stops;
use super::claim::CHUNK;
use super::members::Group;
use super::quarters::Shard;
use super::table::{Key, Leaver, Stage};
use crate::device::leaving::Leaving;
use crate::fault::{FaultClass, GpuFault};
use crate::shard::port::Port;

/// How long a group that is killed takes back what its members were sent, one by one. What is left is at most what rings hold.
const REVOKING: Duration = Duration::from_millis(10);

impl<K: Key> Group<K> {
    /// No message is taken from here on; `stage` says why.
    fn close(&self, stage: Stage) {
        self.table.write().stage = stage;
        self.shards().iter().for_each(|shard| shard.port.credit.notify_waiters());
    }

    /// Tells members that were taken out to stop, behind everything they were sent. Each shard's rows are free once it has come there.
    pub(crate) fn send_off(&self, all: Vec<Leaver>) {
        let mut of_shard: Vec<Vec<(RowId, u64)>> = self.shards().iter().map(|_| Vec::new()).collect();
        for Leaver { seat, fault } in all {
            of_shard[seat.shard as usize].push((seat.id, seat.offset));
            if let Some(fault) = fault {
                self.port(seat.shard).tenants().remember(seat.id, fault);
            }
        }
        for (Shard { port, device }, rows) in self.shards().iter().zip(of_shard).filter(|(_, rows)| !rows.is_empty()) {
            {
                let mut tenants = port.tenants();
                rows.iter().for_each(|(id, _)| tenants.vacate(*id));
            }
            rows.iter().for_each(|(id, _)| self.core(*device).links.ended((port.shard, *id)));
            for rows in rows.chunks(CHUNK) {
                port.batch(Box::new(Stops { leaving: self.leaving(*device, port, rows.to_vec()), next: 0 }));
            }
        }
    }

    pub(crate) fn leaving(&self, device: u8, port: &Arc<Port>, rows: Vec<(RowId, u64)>) -> Leaving {
        let (core, port) = (self.core(device).clone(), port.clone());
        Leaving { core, port, kind_index: self.kind_index, state_bytes: self.kind.state_bytes, rows }
    }

    /// Stops all members after what they were sent, and waits until rows and states are free.
    pub(crate) async fn stop(&self) -> Result<(), GpuFault> {
        self.close(Stage::Closing);
        let (all, own) = {
            let _change = self.changes.lock().await;
            self.table.write().clear()
        };
        self.send_off(all);
        let limit = self.first().stop_timeout;
        let own = join_all(own.iter().map(|home| home.shell.stopped(limit)));
        let passed = join_all(self.shards().iter().map(|shard| self.passed(shard)));
        let (passed, _) = tokio::join!(passed, own);
        self.leave();
        if self.quarters.are_lost()
            && let Some(lost) = self.table.read().lost.values().next()
        {
            return Err(lost.clone());
        }
        let Some((Shard { device, .. }, _)) = self.shards().iter().zip(passed).find(|(_, passed)| !passed) else { return Ok(()) };
        let text = format!("no answer within {limit:?}: a handler of one of its shards runs on");
        self.core(*device).metrics.faults(FaultClass::Hang, 1);
        Err(self.fault_of(*device, FaultClass::Hang, None, text))
    }

    /// Nobody finds it any more.
    fn leave(&self) {
        self.devices().iter().for_each(|quarter| quarter.core.directory.leave(self.shell.who().key));
    }

    /// Waits until a shard has handled everything that it was sent; false if for too long it has handled nothing.
    async fn passed(&self, Shard { device, port }: &Shard) -> bool {
        let core = self.core(*device);
        let mut fence = port.fence();
        let head = || core.device.progress(port.shard).ingress_head;
        loop {
            let before = head();
            // An error says that the device no longer runs: then everything is free.
            if timeout(core.stop_timeout, &mut fence).await.is_ok() {
                return true;
            }
            if head() == before {
                return false;
            }
        }
    }

    /// The group's actor has gone: all members are killed that are left. Does not wait.
    pub(crate) fn abandon(&self) {
        self.close(Stage::Ended);
        let (all, own) = self.table.write().clear();
        own.iter().for_each(|home| home.shell.kill());
        for Leaver { seat, .. } in &all {
            let place = (self.port(seat.shard).shard, seat.id);
            self.core(seat.device).links.failed(place, || format!("a member of a group ({}), which was killed", self.kind.name));
        }
        let begun = Instant::now();
        for Leaver { seat, .. } in all.iter().take_while(|_| begun.elapsed() < REVOKING) {
            self.core(seat.device).device.kill(self.port(seat.shard).shard, seat.id.row, seat.id.generation);
        }
        self.send_off(all);
        self.leave();
    }
}
