//! Where members may live: the shards of one or several devices, those of one device behind those of another. A seat counts them so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use resident_gpu::arena::ArenaError;

use crate::device::core::Core;
use crate::error::SpawnError;
use crate::shard::port::Port;
use crate::system::fleet::Fleet;
use crate::system::placement::{Load, Placement, Taker, shares};

/// The devices that a group may be on, and their shards.
pub(crate) struct Quarters {
    devices: Box<[Quarter]>,
    shards: Box<[Shard]>,
    /// Whose turn it is to be the first device, where each has its turn however many actors it has.
    turn: Option<AtomicUsize>,
}

/// A device of a group.
pub(crate) struct Quarter {
    pub core: Arc<Core>,
    /// Its place among them.
    pub place: u8,
    /// The number of its first shard.
    pub first: u32,
}

impl Quarter {
    /// The way into a shard, which is one of its.
    pub(crate) fn port(&self, shard: u32) -> &Arc<Port> {
        &self.core.ports[(shard - self.first) as usize]
    }
}

/// A shard of one of them.
pub(crate) struct Shard {
    /// The place of its device.
    pub device: u8,
    pub port: Arc<Port>,
}

impl Quarters {
    /// The devices where `placement` may bring members.
    pub(crate) fn new(fleet: &Fleet, placement: Placement) -> Result<Quarters, SpawnError> {
        let (mut devices, mut shards) = (Vec::new(), Vec::new());
        for (place, core) in (0..).zip(fleet.open_to(placement)?) {
            devices.push(Quarter { core: core.clone(), place, first: shards.len() as u32 });
            shards.extend(core.ports.iter().map(|port| Shard { device: place, port: port.clone() }));
        }
        let turn = (placement == Placement::Spread).then(|| AtomicUsize::new(fleet.next_turn()));
        Ok(Quarters { devices: devices.into(), shards: shards.into(), turn })
    }

    pub(crate) fn devices(&self) -> &[Quarter] {
        &self.devices
    }

    pub(crate) fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// Whether each of the devices is lost.
    pub(crate) fn are_lost(&self) -> bool {
        self.devices.iter().all(|quarter| quarter.core.lost().is_some())
    }

    /// Refuses where none of the devices takes members any more.
    pub(crate) fn check_running(&self) -> Result<(), SpawnError> {
        let first = self.devices[0].core.check_running();
        if self.devices.iter().any(|quarter| quarter.core.check_running().is_ok()) { Ok(()) } else { first }
    }

    /// How many of `wanted` members with states of `bytes` bytes each device takes. Those that have `refused` take none.
    pub(super) fn shares(&self, bytes: u32, wanted: usize, refused: &[bool]) -> Result<Vec<usize>, SpawnError> {
        self.check_running()?;
        let (mut takers, mut rows, mut used, mut capacity) = (Vec::new(), 0, 0, 0);
        for (Quarter { core, .. }, refused) in self.devices.iter().zip(refused) {
            let mut room = 0;
            if !refused && core.check_running().is_ok() {
                let free = core.ports.iter().map(|port| port.tenants().free() as usize).sum();
                let arena = core.arena.lock();
                room = arena.room(bytes)?.min(free);
                (rows, used, capacity) = (rows + free, used + arena.used(), capacity + arena.capacity());
            }
            let load = if self.turn.is_some() { Load { actors: 0, ..Load::of(core) } } else { Load::of(core) };
            takers.push(Taker { load, room });
        }
        if rows < wanted {
            return Err(SpawnError::Members { wanted, free: rows });
        }
        if takers.iter().map(|taker| taker.room).sum::<usize>() < wanted {
            return Err(ArenaError::Exhausted { bytes, used, capacity }.into());
        }
        let turn = self.turn.as_ref().map_or(0, |turn| turn.fetch_add(1, Ordering::Relaxed));
        Ok(shares(&takers, wanted, turn))
    }
}
