//! A device with its pumps and its actors.

#[cfg(any(test, not(feature = "ractor")))]
pub(crate) mod alone;
pub(crate) mod control;
mod routes;
pub(crate) mod snapshot;
pub(crate) mod stop;

use std::fmt;
use std::sync::Arc;

use resident_gpu::device::{Device, DeviceFault, DeviceInfo, Isolation, Loss, StartError as DeviceStartError};
use resident_host::apart;

use crate::clock;
use crate::config::Config;
use crate::device::core::Core;
use crate::device::later::{self, Timers};
use crate::device::links::{self, Links};
use crate::device::pump::Pump;
use crate::device::runtime;
use crate::error::StartError;
use crate::shard::doorbell::Doorbell;
use crate::shard::port::Port;
use crate::system::control::{Control, Controls};
use crate::system::stop::{StopReport, Stopper};

/// A running device and everything that belongs to it. Clones are the same system; it stops in order when
/// [`stop`](Self::stop) is called, its [`control`](Self::control) actor is stopped, or the last clone is dropped.
///
/// It belongs to the process that has started it. A child that is forked from that one and runs no other program has a copy of it and of
/// every handle. Each use of those that can fail is an error there (`Forked`), dropping them does nothing, and the parent does not notice.
/// The child may start a system of its own.
#[derive(Clone)]
pub struct System(Arc<Inner>);

struct Inner {
    stopper: Arc<Stopper>,
    controls: Arc<Controls>,
}

/// A system that may have been dropped since.
#[cfg(feature = "actix")]
pub(crate) struct WeakSystem(std::sync::Weak<Inner>);

#[cfg(feature = "actix")]
impl WeakSystem {
    pub(crate) fn upgrade(&self) -> Option<System> {
        self.0.upgrade().map(System)
    }

    pub(crate) fn is_there(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl System {
    /// Starts a device, and by `attend` the first control that it is left to.
    pub(crate) async fn start_with<F>(config: Config, attend: impl FnOnce(Arc<Stopper>) -> F) -> Result<System, StartError>
    where
        F: Future<Output = Result<Arc<dyn Control>, StartError>>,
    {
        if config.pump.threads == 0 {
            return Err(StartError::NoPump);
        }
        runtime::check()?;
        clock::refresh();
        let options = config.options();
        let started = apart(move || Device::start(options)).await.map_err(StartError::Thread)?;
        let device = started.unwrap_or_else(|| Err(DeviceStartError::Worker("the start has panicked, please report it".into())))?;

        let pumps = config.pump.threads.min(device.info().shards) as usize;
        let bells: Box<[_]> = (0..pumps).map(|_| Arc::new(Doorbell::default())).collect();
        let mut lanes: Vec<Vec<_>> = (0..pumps).map(|_| Vec::new()).collect();
        let mut ports = Vec::new();
        for shard in 0..device.info().shards {
            let pump = shard as usize % pumps;
            // A device that was started just now has all its ports.
            let Some((producer, consumer)) = device.take_ports(shard) else { continue };
            let port = Arc::new(Port::new(shard, producer, device.rows(), config.nursery, device.kinds().len(), bells[pump].clone()));
            lanes[pump].push((port.clone(), consumer));
            ports.push(port);
        }
        let (timers, later) = Timers::new();
        let (links, events) = Links::new();
        let core = Arc::new(Core::new(device, ports.into(), bells, (timers, links), &config));
        let tasks = [tokio::spawn(later::keep(later, Arc::downgrade(&core))), tokio::spawn(links::keep(events, Arc::downgrade(&core)))];
        let mut threads = Vec::new();
        for (index, lanes) in lanes.into_iter().enumerate() {
            match Pump::start(core.clone(), index, lanes, config.pump) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    core.end();
                    return Err(StartError::Thread(error));
                }
            }
        }
        core.nurseries.iter().for_each(|nursery| nursery.open(&core));
        // The rings are empty when the application has them. Where the device no longer runs, it will hear of that.
        let _ = core.fence().await;
        let stopper = Arc::new(Stopper::new(core.clone(), threads, tasks.map(|task| task.abort_handle())));
        let controls = Arc::new(Controls::new(attend(stopper.clone()).await?));
        let (hear, end) = (controls.clone(), Arc::downgrade(&controls));
        let _ = core.on_lost.set(Box::new(move |fault| hear.lost(&fault)));
        // Whichever of them was asked to stop the system, if one was, all end with it.
        let _ = stopper.on_stopped.set(Box::new(move || {
            if let Some(controls) = end.upgrade() {
                controls.stop();
            }
        }));
        tracing::info!(system = core.system.as_deref(), device = %core.device.info(), "started");
        warn_of_aborts(&config, core.device.info());
        Ok(System(Arc::new(Inner { stopper, controls })))
    }

    /// Its name, if it was given one: [`Config::name`].
    pub fn name(&self) -> Option<&str> {
        self.core().system.as_deref()
    }

    /// The label `system` of its [metrics](crate::metrics): its name, or `resident`. While another system of this process has that label on
    /// the same device, a number follows: `resident-2`.
    pub fn label(&self) -> &str {
        self.core().metrics.label()
    }

    /// Which device runs, and why that one.
    pub fn device(&self) -> &DeviceInfo {
        self.core().device.info()
    }

    /// Messages so far that nobody took: emitted without a route or a living receiver, or sent to an actor that had stopped
    /// or failed by the time its shard came to them.
    pub fn dead_letters(&self) -> u64 {
        self.core().dead_letters()
    }

    /// Actors, members of groups, and those that handlers have spawned, that have a row on the device.
    pub fn running(&self) -> usize {
        self.core().running()
    }

    /// The worker process that runs the device now; `None` if it is a thread of this process.
    pub fn worker(&self) -> Option<u32> {
        self.core().device.worker()
    }

    /// The worker process that stands by to take over from one that is lost; `None` while none is ready for it.
    pub fn standby(&self) -> Option<u32> {
        self.core().device.standby()
    }

    /// How many workers were lost so far, each of which another took over from, and the last of them.
    pub fn losses(&self) -> (u64, Option<Loss>) {
        self.core().device.losses()
    }

    /// How many workers that were to stand by did not open, or ended, and why the last one did. Another is tried, after a pause that grows
    /// from 10 ms to 10 s: if it is long that [`standby`](Self::standby) is `None`, this says why.
    pub fn standby_failures(&self) -> (u64, Option<DeviceFault>) {
        self.core().device.standby_failures()
    }

    /// Stops in order: actors handle what they were sent and stop, the newest first, whichever framework has started them; then the device,
    /// then the pumps.
    pub async fn stop(&self) -> StopReport {
        let report = self.0.stopper.stop().await;
        if !self.core().is_mine() {
            return report;
        }
        self.0.controls.stopped().await;
        report
    }

    #[cfg(feature = "actix")]
    pub(crate) fn downgrade(&self) -> WeakSystem {
        WeakSystem(Arc::downgrade(&self.0))
    }

    /// What it is left to.
    #[cfg(any(feature = "ractor", feature = "actix"))]
    pub(crate) fn controls(&self) -> &Controls {
        &self.0.controls
    }

    #[cfg(any(feature = "ractor", feature = "actix"))]
    pub(crate) fn stopper(&self) -> &Arc<Stopper> {
        &self.0.stopper
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.stopper.core
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
        if self.stopper.core.is_mine() {
            self.controls.stop();
        }
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("name", &self.name()).field("device", self.device()).field("running", &self.running()).finish()
    }
}
