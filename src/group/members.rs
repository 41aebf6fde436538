//! What the handles of a group, its actor and the pumps share.
//!
//! - **GM-1 (last)** A member's stop is its last frame: messages are pushed while the table is locked for reading, and a member is
//!   taken out of it, locked for writing, ahead of its stop.
//! - **GM-2 (one owner)** A row belongs to the group, to the member's own actor once it is becoming one, or to a stop on its way.
//! - **GM-3 (one change)** Members are added, taken out and moved one after another; messages go on meanwhile.

use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;
use resident_kernels::host::Envelope;
use tokio::sync::oneshot;

use super::batch::{Newcomer, Spawns};
use super::claim::claim;
use super::crew::Known;
use super::index::Index;
use super::quarters::{Quarter, Quarters, Shard};
use super::table::{Key, Member, Table};
use crate::actor::shell::Shell;
use crate::device::core::Core;
use crate::error::{CastError, SpawnError};
use crate::fault::{At, FaultClass, GpuFault};
use crate::shard::link::Path;
use crate::shard::occupant::{OccupantRef, Tenant};
use crate::shard::port::Port;
use crate::system::System;

/// Members that are made ready before the device hears of them.
const AT_ONCE: usize = 1 << 16;

/// A group.
pub(crate) struct Group<K> {
    pub quarters: Quarters,
    pub kind: &'static Kind,
    pub kind_index: u32,
    pub shell: Arc<dyn Shell>,
    pub table: RwLock<Table<K>>,
    /// GM-3.
    pub changes: tokio::sync::Mutex<()>,
    /// By device.
    pub crew: OnceLock<Box<[OccupantRef]>>,
}

/// Where a message went.
pub(crate) struct Sent<'a> {
    pub port: &'a Arc<Port>,
    pub id: RowId,
    /// The place of its device.
    device: u8,
}

impl<K: Key> Group<K> {
    /// A group with these members, which are not on their way yet.
    pub(crate) fn new(
        system: &System,
        kind: &'static Kind,
        shell: Arc<dyn Shell>,
        index: Index,
        mut members: Vec<Member<K>>,
    ) -> Result<Arc<Group<K>>, SpawnError> {
        let quarters = Quarters::new(system.fleet(), system.placement())?;
        // All devices know the kinds of the program.
        let kind_index = quarters.devices()[0].core.device.kind_index(kind).ok_or(SpawnError::Kind(kind.name))?;
        claim(&quarters, kind, &mut members)?;
        let mut moved_in = vec![0; quarters.devices().len()];
        members.iter().for_each(|member| moved_in[member.seat.device as usize] += 1);
        let table = RwLock::new(Table::new(index, members));
        let changes = tokio::sync::Mutex::new(());
        let group = Arc::new(Group { quarters, kind, kind_index, shell: shell.clone(), table, changes, crew: OnceLock::new() });
        let known = |quarter: &Quarter| Known { shell: shell.clone(), kind, group: Arc::downgrade(&group), device: quarter.place };
        let crew = group.devices().iter().map(|quarter| -> OccupantRef { Arc::new(Box::new(known(quarter))) });
        let _ = group.crew.set(crew.collect());
        for (quarter, members) in group.devices().iter().zip(moved_in) {
            quarter.core.moved_in(kind_index, members);
            quarter.core.directory.enter(Arc::new(known(quarter)));
        }
        Ok(group)
    }

    /// Sends all of them to the device, and waits until it has them. Once.
    pub(crate) async fn begin(&self, states: Arc<Vec<u8>>) -> Result<(), SpawnError> {
        let mut arrivals = Vec::new();
        let count = self.table.read().len();
        // The device takes the first of them up while the others are made ready.
        for begin in (0..count).step_by(AT_ONCE) {
            let mut of_shard: Vec<Vec<Newcomer>> = self.shards().iter().map(|_| Vec::new()).collect();
            for (slot, Member { seat, .. }) in self.table.read().slots_in(begin..count.min(begin + AT_ONCE)) {
                of_shard[seat.shard as usize].push(Newcomer::of(slot, seat));
            }
            for (Shard { port, device }, newcomers) in self.shards().iter().zip(of_shard).filter(|(_, newcomers)| !newcomers.is_empty()) {
                if let Some(crew) = self.crew_of(*device) {
                    let mut tenants = port.tenants();
                    newcomers.iter().for_each(|new| tenants.enter(new.id, Tenant { who: crew.clone(), slot: new.number }));
                }
                arrivals.push((*device, self.send_states(port, states.clone(), newcomers)));
            }
        }
        drop(states);
        for (device, arrival) in arrivals {
            if arrival.await.is_err() {
                return Err(self.core(device).check_running().err().unwrap_or(SpawnError::Stopped));
            }
        }
        Ok(())
    }

    pub(crate) fn send_states(&self, port: &Port, states: Arc<Vec<u8>>, newcomers: Vec<Newcomer>) -> oneshot::Receiver<()> {
        let (done, arrived) = oneshot::channel();
        let state_bytes = self.kind.state_bytes as usize;
        port.batch(Box::new(Spawns { kind_index: self.kind_index, state_bytes, states, newcomers, next: (0, 0), done }));
        arrived
    }

    /// The devices that it may be on.
    pub(crate) fn devices(&self) -> &[Quarter] {
        self.quarters.devices()
    }

    /// Their shards, as seats count them.
    pub(crate) fn shards(&self) -> &[Shard] {
        self.quarters.shards()
    }

    pub(crate) fn port(&self, shard: u32) -> &Arc<Port> {
        &self.shards()[shard as usize].port
    }

    pub(crate) fn core(&self, device: u8) -> &Arc<Core> {
        &self.devices()[device as usize].core
    }

    /// The first of the devices, whose it is what is of the whole group.
    pub(crate) fn first(&self) -> &Arc<Core> {
        self.core(0)
    }

    /// Who its members are to the shards of a device.
    pub(crate) fn crew_of(&self, device: u8) -> Option<&OccupantRef> {
        self.crew.get()?.get(device as usize)
    }

    /// Pushes a message to a member, or gives it back.
    pub(crate) fn push<E: Envelope>(&self, key: &K, msg: E) -> Result<Sent<'_>, CastError<E>> {
        let table = self.table.read();
        self.push_to(&table, table.find(key), msg)
    }

    /// The same, to the member in a slot of the locked table.
    pub(super) fn push_to<E: Envelope>(&self, table: &Table<K>, slot: Option<u32>, msg: E) -> Result<Sent<'_>, CastError<E>> {
        let Some(slot) = slot else { return Err(table.missing(msg)) };
        let Some(to) = table.to(slot, self.kind, self.kind_index) else { return Err(table.refuse(slot, msg)) };
        let Some(seat) = table.seat(slot) else { return Err(table.missing(msg)) };
        let port = self.port(seat.shard);
        match port.send(&to, Path::Ring, msg) {
            Ok(()) => Ok(Sent { port, id: seat.id, device: seat.device }),
            Err(CastError::Stopped(msg)) => Err(table.refuse(slot, msg)),
            Err(unsent) => Err(unsent),
        }
    }

    /// The same, waiting for room.
    pub(crate) async fn send<E: Envelope>(&self, key: &K, msg: E) -> Result<Sent<'_>, CastError<E>> {
        let mut msg = match self.push(key, msg) {
            Err(CastError::Full(msg)) => msg,
            done => return done,
        };
        loop {
            let shard = self.shard(key);
            let Some(shard) = shard else { return Err(self.table.read().missing(msg)) };
            let port = self.port(shard);
            // Where it lives may have changed by the next try.
            let again = |msg| match self.push(key, msg) {
                Err(CastError::Full(msg)) => Err(msg),
                done => Ok(done),
            };
            match port.try_or_wait(msg, again).await {
                Ok(done) => return done,
                Err(back) => msg = back,
            }
        }
    }

    fn shard(&self, key: &K) -> Option<u32> {
        let table = self.table.read();
        table.find(key).and_then(|slot| table.seat(slot)).map(|seat| seat.shard)
    }

    /// Why the member that a message went to has not answered, if that was a fault: its row may be another's by now, or nobody's.
    pub(crate) fn why_gone(&self, sent: &Sent<'_>) -> Option<GpuFault> {
        sent.port.fault(sent.id).or_else(|| self.table.read().lost.get(&sent.device).cloned())
    }

    /// What has failed on a device.
    pub(crate) fn fault_of(&self, device: u8, class: FaultClass, at: Option<At>, text: String) -> GpuFault {
        self.core(device).subject(self.kind, self.shell.who()).fault(class, at, 0, text)
    }
}
