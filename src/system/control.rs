//! What a running system is left to: it is told to stop the system when the last handle has gone, and stops it where it ends itself.

use std::any::Any;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use resident_gpu::Class;
use resident_gpu::device::DeviceFault;

use crate::system::stop::Stopper;

/// A task or an actor that stands for the devices.
pub(crate) trait Control: Any + Send + Sync {
    /// The last device is lost.
    fn lost(&self, fault: DeviceFault);

    /// Has it stop the system in order. Does not wait.
    fn stop(&self);

    /// The same, and waits until it has ended.
    fn stopped(&self) -> BoxFuture<'_, ()>;
}

/// What a system is left to, by all frameworks of its program.
pub(crate) struct Controls {
    /// Has been there from the start, and holds the [`Guard`].
    first: Arc<dyn Control>,
    /// Those that have joined it: one of each other framework that asks for one.
    joined: Mutex<Vec<Arc<dyn Control>>>,
}

impl Controls {
    pub(crate) fn new(first: Arc<dyn Control>) -> Controls {
        Controls { first, joined: Mutex::default() }
    }

    /// The one that has been there from the start.
    #[cfg(feature = "ractor")]
    pub(crate) fn first(&self) -> &dyn Control {
        &*self.first
    }

    /// The `C` that has joined, or else one that `make` makes.
    #[cfg(any(test, feature = "actix"))]
    pub(crate) fn join<C: Control, E>(&self, make: impl FnOnce() -> Result<Arc<C>, E>) -> Result<Arc<C>, E> {
        let mut joined = self.joined.lock();
        for known in joined.iter().cloned() {
            let known: Arc<dyn Any + Send + Sync> = known;
            if let Ok(known) = known.downcast() {
                return Ok(known);
            }
        }
        let new = make()?;
        joined.push(new.clone());
        Ok(new)
    }

    fn all(&self) -> Vec<Arc<dyn Control>> {
        std::iter::once(self.first.clone()).chain(self.joined.lock().iter().cloned()).collect()
    }

    /// Tells all that the last device is lost.
    pub(crate) fn lost(&self, fault: &DeviceFault) {
        self.all().iter().for_each(|control| control.lost(fault.clone()));
    }

    /// Has them stop the system in order. Does not wait.
    pub(crate) fn stop(&self) {
        self.all().iter().for_each(|control| control.stop());
    }

    /// The same, and waits until all have ended.
    pub(crate) async fn stopped(&self) {
        for control in self.all() {
            control.stopped().await;
        }
    }
}

/// Dropped, it stops devices that were not stopped in order: who held it was killed, or went with its runtime.
pub(crate) struct Guard(pub Arc<Stopper>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abandon(abandoned());
    }
}

/// What becomes of devices whose actor ended without stopping them.
pub(crate) fn abandoned() -> DeviceFault {
    DeviceFault { class: Class::Worker, text: "the device's actor has ended without stopping it; start another system".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps what it is told.
    #[derive(Default)]
    struct Told<const N: u32>(Mutex<Vec<&'static str>>);

    impl<const N: u32> Control for Told<N> {
        fn lost(&self, _: DeviceFault) {
            self.0.lock().push("lost");
        }

        fn stop(&self) {
            self.0.lock().push("stop");
        }

        fn stopped(&self) -> BoxFuture<'_, ()> {
            Box::pin(async { self.0.lock().push("stopped") })
        }
    }

    #[tokio::test]
    async fn all_hear_of_everything_and_each_framework_joins_once() {
        let first = Arc::new(Told::<1>::default());
        let controls = Controls::new(first.clone());
        let refused = controls.join(|| Err::<Arc<Told<2>>, _>("no thread"));
        assert_eq!(refused.err(), Some("no thread"));
        let make = || Ok::<_, ()>(Arc::<Told<2>>::default());
        let (second, again) = (controls.join(make).unwrap(), controls.join(make).unwrap());
        let third = controls.join(|| Ok::<_, ()>(Arc::<Told<3>>::default())).unwrap();
        assert!(Arc::ptr_eq(&second, &again));
        controls.lost(&abandoned());
        controls.stop();
        controls.stopped().await;
        for told in [&first.0, &second.0, &third.0] {
            assert_eq!(*told.lock(), ["lost", "stop", "stopped"]);
        }
    }
}
