//! What the handles of a group, its actor and the pumps share.
//!
//! - **M-1 (last)** A member's stop is its last frame: messages are pushed while the table is locked for reading, and a member is
//!   taken out of it, locked for writing, ahead of its stop.
//! - **M-2 (one owner)** A row belongs to the group, to the member's own actor once it is becoming one, or to a stop on its way.
//! - **M-3 (one change)** Members are added, taken out and moved one after another; messages go on meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use ractor::ActorCell;
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;
use resident_kernels::host::Resident;
use tokio::sync::oneshot;

use super::batch::Spawns;
use super::claim::claim;
use super::crew::{CrewRef, Known};
use super::table::{Key, Seat, Stage, Table};
use crate::core::Core;
use crate::error::{CastError, SpawnError};
use crate::fault::{FaultClass, GpuFault};
use crate::incarnation::At;
use crate::link::Path;
use crate::port::Port;
use crate::tenants::Tenant;

/// A group.
pub(crate) struct Group<K> {
    pub core: Arc<Core>,
    pub kind: &'static Kind,
    pub kind_index: u32,
    pub actor: ActorCell,
    pub table: RwLock<Table<K>>,
    /// M-3.
    pub changes: tokio::sync::Mutex<()>,
    pub crew: OnceLock<CrewRef>,
}

/// Where a message went.
pub(crate) struct Sent<'a> {
    pub port: &'a Arc<Port>,
    pub id: RowId,
}

impl<K: Key> Group<K> {
    /// A group with these members, which are not on their way yet.
    pub(crate) fn new(
        core: Arc<Core>,
        kind: &'static Kind,
        actor: ActorCell,
        index: HashMap<K, u32>,
        keys: Vec<Option<K>>,
    ) -> Result<Arc<Group<K>>, SpawnError> {
        let kind_index = core.device.kind_index(kind).ok_or(SpawnError::Kind(kind.name))?;
        let seats = claim(&core, kind, keys.len())?;
        let members = seats.len();
        let table = Table {
            index,
            keys,
            seats,
            free: Vec::new(),
            faults: Default::default(),
            own: Default::default(),
            ended: Default::default(),
            stage: Stage::Open,
            lost: None,
        };
        let changes = tokio::sync::Mutex::new(());
        let group = Group { core, kind, kind_index, actor: actor.clone(), table: RwLock::new(table), changes, crew: OnceLock::new() };
        let group = Arc::new(group);
        let crew: CrewRef = Arc::new(Box::new(Known { actor, kind, group: Arc::downgrade(&group) }));
        let _ = group.crew.set(crew.clone());
        group.core.moved_in(kind_index, members);
        group.core.enter_group(crew);
        Ok(group)
    }

    /// Sends all of them to the device, and waits until it has them. Once.
    pub(crate) async fn begin(&self, states: Arc<[u8]>) -> Result<(), SpawnError> {
        let mut of_shard: Vec<Vec<(u32, Seat)>> = self.core.ports.iter().map(|_| Vec::new()).collect();
        {
            let table = self.table.read();
            table.slots().for_each(|(slot, seat)| of_shard[seat.shard as usize].push((slot, *seat)));
        }
        let mut arrivals = Vec::new();
        for (port, seats) in self.core.ports.iter().zip(of_shard).filter(|(_, seats)| !seats.is_empty()) {
            if let Some(crew) = self.crew.get() {
                let mut tenants = port.tenants();
                seats.iter().for_each(|(slot, seat)| tenants.enter(seat.id, Tenant::Member(crew.clone(), *slot)));
            }
            arrivals.push(self.send_states(port, states.clone(), seats));
        }
        drop(states);
        for arrival in arrivals {
            if arrival.await.is_err() {
                return Err(self.core.check_running().err().unwrap_or(SpawnError::Stopped));
            }
        }
        Ok(())
    }

    pub(crate) fn send_states(&self, port: &Port, states: Arc<[u8]>, seats: Vec<(u32, Seat)>) -> oneshot::Receiver<()> {
        let (done, arrived) = oneshot::channel();
        let state_bytes = self.kind.state_bytes as usize;
        port.batch(Box::new(Spawns { kind_index: self.kind_index, state_bytes, states, seats, next: (0, 0), done }));
        arrived
    }

    pub(crate) fn port(&self, shard: u32) -> &Arc<Port> {
        &self.core.ports[shard as usize]
    }

    /// Pushes a message to a member, or gives it back.
    pub(crate) fn push<A: Resident>(&self, key: &K, msg: A::Msg) -> Result<Sent<'_>, CastError<A::Msg>> {
        let table = self.table.read();
        let Some(slot) = table.find(key) else { return Err(table.missing(msg)) };
        let Some(to) = table.to(slot, self.kind, self.kind_index) else { return Err(table.refuse(slot, msg)) };
        let port = self.port(table.seat(slot).shard);
        match port.send::<A>(&to, Path::Ring, msg) {
            Ok(()) => Ok(Sent { port, id: table.seat(slot).id }),
            Err(CastError::Stopped(msg)) => Err(table.refuse(slot, msg)),
            Err(unsent) => Err(unsent),
        }
    }

    /// The same, waiting for room.
    pub(crate) async fn send<A: Resident>(&self, key: &K, msg: A::Msg) -> Result<Sent<'_>, CastError<A::Msg>> {
        let mut msg = match self.push::<A>(key, msg) {
            Err(CastError::Full(msg)) => msg,
            done => return done,
        };
        loop {
            let shard = self.shard(key);
            let Some(shard) = shard else { return Err(self.table.read().missing(msg)) };
            let port = self.port(shard);
            let _thirst = port.thirst();
            let room = port.credit.notified();
            tokio::pin!(room);
            // From here on no notice is missed; what came before, this try sees.
            room.as_mut().enable();
            match self.push::<A>(key, msg) {
                Err(CastError::Full(back)) => msg = back,
                done => return done,
            }
            room.await;
        }
    }

    fn shard(&self, key: &K) -> Option<u32> {
        let table = self.table.read();
        table.find(key).map(|slot| table.seat(slot).shard)
    }

    /// Why the member that a message went to has not answered, if that was a fault: its row may be another's by now, or nobody's.
    pub(crate) fn why_gone(&self, sent: &Sent<'_>) -> Option<GpuFault> {
        sent.port.fault(sent.id).or_else(|| self.table.read().lost.clone())
    }

    pub(crate) fn fault_of(&self, class: FaultClass, at: Option<At>, text: String) -> GpuFault {
        GpuFault::new(&self.core, self.kind, &self.actor, class, at, 0, text)
    }
}
