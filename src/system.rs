//! One or several devices, each with its pumps and its actors.

#[cfg(any(test, not(feature = "ractor")))]
pub(crate) mod alone;
pub(crate) mod control;
pub(crate) mod device;
pub(crate) mod fleet;
mod open;
pub(crate) mod placement;
mod routes;
pub(crate) mod snapshot;
pub(crate) mod stop;

use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;
use resident_gpu::device::{DeviceFault, DeviceInfo, Isolation, Loss};
use tracing::{Instrument, info_span};

use crate::clock;
use crate::config::Config;
use crate::device::core::Core;
use crate::device::runtime;
use crate::device::shared::{Peer, Shared};
use crate::error::{PlacementError, SpawnError, StartError};
use crate::metrics::Lease;
use crate::system::control::{Control, Controls};
use crate::system::device::Device;
use crate::system::fleet::Fleet;
use crate::system::open::Running;
use crate::system::placement::Placement;
use crate::system::stop::{StopReport, Stopper};

/// A system of one or several devices, and everything that belongs to them. Clones are the same system; it stops in order when
/// [`stop`](Self::stop) is called, its [`control`](Self::control) actor is stopped, or the last clone is dropped.
///
/// A device that is lost for good costs its own actors; the system goes on while it has another. `docs/many-gpus.md` has what is of the
/// system and what is of a device.
///
/// It belongs to the process that has started it. A child that is forked from that one and runs no other program has a copy of it and of
/// every handle. Each use of those that can fail is an error there (`Forked`), dropping them does nothing, and the parent does not notice.
/// The child may start a system of its own.
#[derive(Clone)]
pub struct System {
    inner: Arc<Inner>,
    placement: Placement,
}

struct Inner {
    stopper: Arc<Stopper>,
    controls: Arc<Controls>,
}

/// A system that may have been dropped since.
#[cfg(feature = "actix")]
pub(crate) struct WeakSystem {
    inner: std::sync::Weak<Inner>,
    placement: Placement,
}

#[cfg(feature = "actix")]
impl WeakSystem {
    pub(crate) fn upgrade(&self) -> Option<System> {
        Some(System { inner: self.inner.upgrade()?, placement: self.placement })
    }

    pub(crate) fn is_there(&self) -> bool {
        self.inner.strong_count() > 0
    }
}

impl System {
    /// Starts the devices, and by `attend` the first control that they are left to.
    pub(crate) async fn start_with<F>(config: Config, attend: impl FnOnce(Arc<Stopper>) -> F) -> Result<System, StartError>
    where
        F: Future<Output = Result<Arc<dyn Control>, StartError>>,
    {
        if config.pump.threads == 0 {
            return Err(StartError::NoPump);
        }
        runtime::check()?;
        let span = info_span!("start", system = config.name.as_deref());
        Self::bring_up(config, attend).instrument(span).await
    }

    async fn bring_up<F>(config: Config, attend: impl FnOnce(Arc<Stopper>) -> F) -> Result<System, StartError>
    where
        F: Future<Output = Result<Arc<dyn Control>, StartError>>,
    {
        clock::refresh();
        let devices = open::devices(&config).await?;
        let shared = Arc::new(Shared::new(config.name.clone(), config.journal, devices.len()));
        let labels: Vec<_> = devices.iter().map(|device| device.info().label()).collect();
        let series = Lease::take(config.name.as_deref(), &labels);
        let mut running: Vec<Running> = Vec::new();
        for (device, series) in devices.into_iter().zip(series) {
            match Running::new(device, series, shared.clone(), &config) {
                Ok(one) => running.push(one),
                Err(error) => {
                    running.iter().for_each(|before| before.core.end());
                    return Err(error);
                }
            }
        }
        // Before that there is no actor which could send to another device.
        let peer = |Running { core, .. }: &Running| Peer { ports: core.ports.clone(), timers: core.timers.clone() };
        let _ = shared.peers.set(running.iter().map(peer).collect());
        let fleet = Arc::new(Fleet::new(shared.clone(), running.iter().map(|one| one.core.clone()).collect()));
        // The rings are empty when the application has them. Where a device no longer runs, it will hear of that.
        join_all(fleet.devices().iter().map(|core| core.fence())).await;
        let stopper = Arc::new(Stopper::new(fleet.clone(), running));
        let controls = Arc::new(Controls::new(attend(stopper.clone()).await?));
        let (hear, end) = (controls.clone(), Arc::downgrade(&controls));
        let _ = shared.on_lost.set(Box::new(move |fault| hear.lost(&fault)));
        // Whichever of them was asked to stop the system, if one was, all end with it.
        let _ = stopper.on_stopped.set(Box::new(move || {
            if let Some(controls) = end.upgrade() {
                controls.stop();
            }
        }));
        for core in fleet.devices() {
            tracing::info!(system = core.system(), device = %core.device.info(), "started");
        }
        if let Some(core) = fleet.devices().iter().find(|core| core.device.info().panics_abort) {
            warn_of_aborts(&config, core.device.info());
        }
        Ok(System { inner: Arc::new(Inner { stopper, controls }), placement: Placement::default() })
    }

    /// The same system, whose actors and groups start where `placement` says, by whichever way they are started with it.
    ///
    /// It says as well where a [restore](Self::restore) brings actors, and of which device a [checkpoint](Self::checkpoint) is.
    pub fn placing(&self, placement: Placement) -> System {
        System { inner: self.inner.clone(), placement }
    }

    /// Its name, if it was given one: [`Config::name`].
    pub fn name(&self) -> Option<&str> {
        self.fleet().shared.system.as_deref()
    }

    /// The label `system` of its [metrics](crate::metrics): its name, or `resident`. While another system of this process has that label on
    /// one of its devices, a number follows: `resident-2`.
    pub fn label(&self) -> &str {
        self.fleet().first().metrics.label()
    }

    /// Its devices, those that are lost among them, in the order of [`Config::devices`]. [`Placement::On`] counts them so.
    pub fn devices(&self) -> Vec<Device> {
        self.fleet().devices().iter().cloned().map(Device::new).collect()
    }

    /// Which device runs, and why that one: the first, if there are [several](Self::devices).
    pub fn device(&self) -> &DeviceInfo {
        self.fleet().first().device.info()
    }

    /// Messages so far that nobody took: emitted without a route or a living receiver, or sent to an actor that had stopped
    /// or failed by the time its shard came to them.
    pub fn dead_letters(&self) -> u64 {
        self.fleet().dead_letters()
    }

    /// Actors, members of groups, and those that handlers have spawned, that have a row on a device.
    pub fn running(&self) -> usize {
        self.fleet().running()
    }

    /// The worker process that runs the device now, the first of [several](Self::devices); `None` if it is a thread of this process.
    pub fn worker(&self) -> Option<u32> {
        self.fleet().first().device.worker()
    }

    /// The worker process that stands by to take over from one that is lost, of the first of [several](Self::devices) devices; `None` while
    /// none is ready for it.
    pub fn standby(&self) -> Option<u32> {
        self.fleet().first().device.standby()
    }

    /// How many workers were lost so far, each of which another took over from, and the last of them; on the first of
    /// [several](Self::devices) devices.
    pub fn losses(&self) -> (u64, Option<Loss>) {
        self.fleet().first().device.losses()
    }

    /// How many workers that were to stand by did not open, or ended, and why the last one did; on the first of [several](Self::devices)
    /// devices. Another is tried, after a pause that grows from 10 ms to 10 s: if it is long that [`standby`](Self::standby) is `None`, this
    /// says why.
    pub fn standby_failures(&self) -> (u64, Option<DeviceFault>) {
        self.fleet().first().device.standby_failures()
    }

    /// Stops in order: actors handle what they were sent and stop, the newest first, whichever framework has started them and whichever their
    /// device; then the devices, then the pumps.
    pub async fn stop(&self) -> StopReport {
        let report = self.inner.stopper.stop().await;
        if !self.fleet().is_mine() {
            return report;
        }
        self.inner.controls.stopped().await;
        report
    }

    #[cfg(feature = "actix")]
    pub(crate) fn downgrade(&self) -> WeakSystem {
        WeakSystem { inner: Arc::downgrade(&self.inner), placement: self.placement }
    }

    /// What it is left to.
    #[cfg(any(feature = "ractor", feature = "actix"))]
    pub(crate) fn controls(&self) -> &Controls {
        &self.inner.controls
    }

    #[cfg(any(feature = "ractor", feature = "actix"))]
    pub(crate) fn stopper(&self) -> &Arc<Stopper> {
        &self.inner.stopper
    }

    pub(crate) fn fleet(&self) -> &Arc<Fleet> {
        &self.inner.stopper.fleet
    }

    /// What `claim` gets on the first device with room, in the order in which actors are placed.
    pub(crate) fn with_room<T>(&self, claim: impl FnMut(&Arc<Core>) -> Result<T, SpawnError>) -> Result<T, SpawnError> {
        self.fleet().with_room(self.placement, claim)
    }

    /// Where what it starts is placed.
    pub(crate) fn placement(&self) -> Placement {
        self.placement
    }

    /// The one device that is meant where only one can be: the only one, or that on which actors are placed. `None` if that may be any.
    pub(crate) fn one_device(&self) -> Option<Result<&Arc<Core>, PlacementError>> {
        self.fleet().named(self.placement).or_else(|| self.fleet().only().map(Ok))
    }
}

/// Panics that abort are said at the start, since each takes as long as a takeover, or the whole process.
fn warn_of_aborts(config: &Config, device: &DeviceInfo) {
    if !device.panics_abort {
        return;
    }
    let ends = match config.isolation {
        Isolation::Process => "its worker process, and another takes over",
        Isolation::Thread => "this process",
    };
    tracing::warn!(
        %device,
        "a handler's panic ends {ends}, since the program is built with `panic = \"abort\"`; build it with `panic = \"unwind\"` and a panic \
         costs its actor only"
    );
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.stopper.fleet.is_mine() {
            self.controls.stop();
        }
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("name", &self.name()).field("devices", &self.devices()).field("running", &self.running()).finish()
    }
}
