//! What the devices of one system have in common.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use resident_gpu::device::DeviceFault;
use resident_gpu::region::Owner;

use crate::device::claims::Claims;
use crate::device::route::Routes;

/// What the devices of one system have in common.
pub(crate) struct Shared {
    owner: Owner,
    /// The system's own name, if it has one.
    pub system: Option<Arc<str>>,
    pub routes: Routes,
    pub claims: Claims,
    /// Messages that a journal keeps of each actor that has one.
    pub journal: usize,
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
            left: AtomicUsize::new(devices),
            on_lost: OnceLock::new(),
        }
    }

    /// Whether this is the process that has started the system, and no child that was forked from it.
    pub(crate) fn is_mine(&self) -> bool {
        self.owner.is_me()
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
