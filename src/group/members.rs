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
    pub core: Arc<Core>,
    pub kind: &'static Kind,
    pub kind_index: u32,
    pub shell: Arc<dyn Shell>,
    pub table: RwLock<Table<K>>,
    /// GM-3.
    pub changes: tokio::sync::Mutex<()>,
    pub crew: OnceLock<OccupantRef>,
}

/// Where a message went.
pub(crate) struct Sent<'a> {
    pub port: &'a Arc<Port>,
    pub id: RowId,
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
        let core = system.with_room(|core| claim(core, kind, &mut members).map(|()| core.clone()))?;
        let kind_index = core.device.kind_index(kind).ok_or(SpawnError::Kind(kind.name))?;
        let table = Table::new(index, members);
        let changes = tokio::sync::Mutex::new(());
        let group = Group { core, kind, kind_index, shell: shell.clone(), table: RwLock::new(table), changes, crew: OnceLock::new() };
        let group = Arc::new(group);
        let crew = Known { shell, kind, group: Arc::downgrade(&group) };
        let _ = group.crew.set(Arc::new(Box::new(crew.clone())));
        group.core.moved_in(kind_index, group.table.read().len());
        group.core.directory.enter(Arc::new(crew));
        Ok(group)
    }

    /// Sends all of them to the device, and waits until it has them. Once.
    pub(crate) async fn begin(&self, states: Arc<Vec<u8>>) -> Result<(), SpawnError> {
        let mut arrivals = Vec::new();
        let count = self.table.read().len();
        // The device takes the first of them up while the others are made ready.
        for begin in (0..count).step_by(AT_ONCE) {
            let mut of_shard: Vec<Vec<Newcomer>> = self.core.ports.iter().map(|_| Vec::new()).collect();
            for (slot, Member { seat, .. }) in self.table.read().slots_in(begin..count.min(begin + AT_ONCE)) {
                of_shard[seat.shard as usize].push(Newcomer::of(slot, seat));
            }
            for (port, newcomers) in self.core.ports.iter().zip(of_shard).filter(|(_, newcomers)| !newcomers.is_empty()) {
                if let Some(crew) = self.crew.get() {
                    let mut tenants = port.tenants();
                    newcomers.iter().for_each(|new| tenants.enter(new.id, Tenant { who: crew.clone(), slot: new.number }));
                }
                arrivals.push(self.send_states(port, states.clone(), newcomers));
            }
        }
        drop(states);
        for arrival in arrivals {
            if arrival.await.is_err() {
                return Err(self.core.check_running().err().unwrap_or(SpawnError::Stopped));
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

    pub(crate) fn port(&self, shard: u32) -> &Arc<Port> {
        &self.core.ports[shard as usize]
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
            Ok(()) => Ok(Sent { port, id: seat.id }),
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
        sent.port.fault(sent.id).or_else(|| self.table.read().lost.clone())
    }

    pub(crate) fn fault_of(&self, class: FaultClass, at: Option<At>, text: String) -> GpuFault {
        self.core.subject(self.kind, self.shell.who()).fault(class, at, 0, text)
    }
}
