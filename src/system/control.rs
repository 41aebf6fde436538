//! What a running system is left to: it is told to stop the system when the last handle has gone, and stops it where it ends itself.

use std::any::Any;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use resident_gpu::Class;
use resident_gpu::device::DeviceFault;

use crate::system::stop::Stopper;

/// A task or an actor that stands for the device. It holds a [`Guard`].
pub(crate) trait Control: Any + Send + Sync {
    /// The device is lost.
    fn lost(&self, fault: DeviceFault);

    /// Has it stop the system in order. Does not wait.
    fn stop(&self);

    /// The same, and waits until it has ended.
    fn stopped(&self) -> BoxFuture<'_, ()>;
}

/// Dropped, it stops a device that was not stopped in order: who held it was killed, or went with its runtime.
pub(crate) struct Guard(pub Arc<Stopper>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abandon(abandoned());
    }
}

/// What becomes of a device whose actor ended without stopping it.
pub(crate) fn abandoned() -> DeviceFault {
    DeviceFault { class: Class::Worker, text: "the device's actor has ended without stopping it; start another system".into() }
}
