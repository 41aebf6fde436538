//! A place for a device that comes and goes.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use crate::system::System;

/// A place for a device that a supervisor starts, and starts again when it is lost. Clones are the same place.
///
/// [`ChildSpec::device`](super::ChildSpec::device) fills it, [`GpuChild::on`](super::GpuChild::on) puts actors there.
#[derive(Clone)]
pub struct DeviceSlot {
    name: Arc<str>,
    system: watch::Sender<Option<System>>,
}

impl DeviceSlot {
    /// An empty place; the device's id among its siblings will be `name`.
    pub fn new(name: impl Into<Arc<str>>) -> DeviceSlot {
        DeviceSlot { name: name.into(), system: watch::Sender::new(None) }
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The device that runs there now, if one does.
    pub fn system(&self) -> Option<System> {
        self.system.borrow().clone()
    }

    pub(crate) fn set(&self, system: Option<System>) {
        self.system.send_replace(system);
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<System>> {
        self.system.subscribe()
    }
}

impl fmt::Debug for DeviceSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceSlot").field("name", &self.name).field("system", &*self.system.borrow()).finish()
    }
}

/// Where a resident actor of a supervisor is to live.
#[derive(Clone, Debug)]
pub enum On {
    /// On this device. When it is lost, the actor has failed.
    System(System),
    /// On whichever device is in this place. When that is lost, the actor waits for the next one.
    Slot(DeviceSlot),
}

impl From<&System> for On {
    fn from(system: &System) -> On {
        On::System(system.clone())
    }
}

impl From<&DeviceSlot> for On {
    fn from(slot: &DeviceSlot) -> On {
        On::Slot(slot.clone())
    }
}
