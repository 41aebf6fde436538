//! What the devices of one system have in common.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use resident_gpu::device::DeviceFault;
use resident_gpu::region::Owner;

use crate::device::claims::Claims;
use crate::device::later::Timers;
use crate::device::route::Routes;
use crate::shard::port::Port;

/// A device, as the others of its system know it.
pub(crate) struct Peer {
    /// The ways into its shards.
    pub ports: Box<[Arc<Port>]>,
    /// The way to the messages that it sends later.
    pub timers: Timers,
}

/// What the devices of one system have in common.
pub(crate) struct Shared {
    owner: Owner,
    /// The system's own name, if it has one.
    pub system: Option<Arc<str>>,
    pub routes: Routes,
    pub claims: Claims,
    /// Messages that a journal keeps of each actor that has one.
    pub journal: usize,
    /// Each of them as the others know it, by its number in the system, once all are up.
    pub peers: OnceLock<Box<[Peer]>>,
    /// Devices that are not lost.
    left: AtomicUsize,
    /// Hears once that the last device is lost.
    pub on_lost: OnceLock<Box<dyn Fn(DeviceFault) + Send + Sync>>,
}

impl Shared {
    /// What so many devices share.
    pub(crate) fn new(system: Option<Arc<str>>, journal: usize, devices: usize) -> Shared {
        Shared {
            owner: Owner::me(),
            system,
            routes: Routes::default(),
            claims: Claims::default(),
            journal,
            peers: OnceLock::new(),
            left: AtomicUsize::new(devices),
            on_lost: OnceLock::new(),
        }
    }

    /// Whether this is the process that has started the system, and no child that was forked from it.
    pub(crate) fn is_mine(&self) -> bool {
        self.owner.is_me()
    }

    /// The device with this number, if there is one.
    pub(crate) fn peer(&self, device: usize) -> Option<&Peer> {
        self.peers.get()?.get(device)
    }

    /// The way into a shard of a device, if there is such a one.
    pub(crate) fn port(&self, device: usize, shard: usize) -> Option<&Arc<Port>> {
        self.peer(device)?.ports.get(shard)
    }

    /// Whether a device is left that is not lost.
    pub(crate) fn has_devices(&self) -> bool {
        self.left.load(Ordering::Acquire) > 0
    }

    /// One device more is lost; true if it was the last.
    pub(crate) fn one_is_lost(&self) -> bool {
        self.left.fetch_sub(1, Ordering::AcqRel) == 1
    }
}
