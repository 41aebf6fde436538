//! How a group ends: all members are told to stop, and their rows and states are free.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use resident_gpu::rows::RowId;
use tokio::time::timeout;

use super::batch::Stops;
use super::claim::CHUNK;
use super::members::Group;
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
        self.core.ports.iter().for_each(|port| port.credit.notify_waiters());
    }

    /// Tells members that were taken out to stop, behind everything they were sent. Each shard's rows are free once it has come there.
    pub(crate) fn send_off(&self, all: Vec<Leaver>) {
        let mut of_shard: Vec<Vec<(RowId, u64)>> = self.core.ports.iter().map(|_| Vec::new()).collect();
        for Leaver { seat, fault } in all {
            of_shard[seat.shard as usize].push((seat.id, seat.offset));
            if let Some(fault) = fault {
                self.port(seat.shard).tenants().remember(seat.id, fault);
            }
        }
        for (port, rows) in self.core.ports.iter().zip(of_shard).filter(|(_, rows)| !rows.is_empty()) {
            {
                let mut tenants = port.tenants();
                rows.iter().for_each(|(id, _)| tenants.vacate(*id));
            }
            rows.iter().for_each(|(id, _)| self.core.links.ended((port.shard, *id)));
            for rows in rows.chunks(CHUNK) {
                port.batch(Box::new(Stops { leaving: self.leaving(port, rows.to_vec()), next: 0 }));
            }
        }
    }

    pub(crate) fn leaving(&self, port: &Arc<Port>, rows: Vec<(RowId, u64)>) -> Leaving {
        let (core, port) = (self.core.clone(), port.clone());
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
        let limit = self.core.stop_timeout;
        let own = join_all(own.iter().map(|home| home.shell.stopped(limit)));
        let passed = join_all(self.core.ports.iter().map(|port| self.passed(port)));
        let (passed, _) = tokio::join!(passed, own);
        self.core.directory.leave(self.shell.who().key);
        if let Some(lost) = self.table.read().lost.clone() {
            return Err(lost);
        }
        if passed.into_iter().all(|passed| passed) {
            return Ok(());
        }
        let text = format!("no answer within {:?}: a handler of one of its shards runs on", self.core.stop_timeout);
        self.core.metrics.faults(FaultClass::Hang, 1);
        Err(self.fault_of(FaultClass::Hang, None, text))
    }

    /// Waits until a shard has handled everything that it was sent; false if for too long it has handled nothing.
    async fn passed(&self, port: &Port) -> bool {
        let mut fence = port.fence();
        let head = || self.core.device.progress(port.shard).ingress_head;
        loop {
            let before = head();
            // An error says that the device no longer runs: then everything is free.
            if timeout(self.core.stop_timeout, &mut fence).await.is_ok() {
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
            self.core.links.failed((seat.shard, seat.id), || format!("a member of a group ({}), which was killed", self.kind.name));
        }
        let begun = Instant::now();
        for Leaver { seat, .. } in all.iter().take_while(|_| begun.elapsed() < REVOKING) {
            self.core.device.kill(seat.shard, seat.id.row, seat.id.generation);
        }
        self.send_off(all);
        self.core.directory.leave(self.shell.who().key);
    }
}
