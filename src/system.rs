//! A device with its pumps and its actors.

use std::fmt;
use std::sync::Arc;

use ractor::{Actor as _, ActorRef, Message};
use resident_gpu::device::{Device, DeviceInfo, Loss};
use resident_kernels::actor::Emit;

use crate::clock;
use crate::config::Config;
use crate::core::Core;
use crate::device::{DeviceActor, DeviceMsg, abandoned};
use crate::doorbell::Doorbell;
use crate::error::{RouteError, StartError};
use crate::handle::watch;
use crate::later::{self, Timers};
use crate::port::Port;
use crate::pump::Pump;
use crate::stop::{StopReport, Stopper};

/// A running device and everything that belongs to it. Clones are the same system; it stops in order when
/// [`stop`](Self::stop) is called, its [`control`](Self::control) actor is stopped, or the last clone is dropped.
#[derive(Clone)]
pub struct System(Arc<Inner>);

struct Inner {
    stopper: Arc<Stopper>,
    control: ActorRef<DeviceMsg>,
}

impl System {
    /// Starts a device: the GPU if there is one that can be used, else the CPU device, unless `config` says which.
    ///
    /// Call it in the tokio runtime that is to run the actors' proxies.
    pub async fn start(config: Config) -> Result<System, StartError> {
        if config.pump.threads == 0 {
            return Err(StartError::NoPump);
        }
        clock::refresh();
        let options = config.options();
        let started = tokio::task::spawn_blocking(move || Device::start(options)).await;
        let device = started.map_err(|_| StartError::Runtime)??;

        let pumps = config.pump.threads.min(device.info().shards) as usize;
        let bells: Box<[_]> = (0..pumps).map(|_| Arc::new(Doorbell::default())).collect();
        let mut lanes: Vec<Vec<_>> = (0..pumps).map(|_| Vec::new()).collect();
        let mut ports = Vec::new();
        for shard in 0..device.info().shards {
            let pump = shard as usize % pumps;
            // A device that was started just now has all its ports.
            let Some((producer, consumer)) = device.take_ports(shard) else { continue };
            let port = Arc::new(Port::new(shard, producer, device.rows(), device.kinds().len(), bells[pump].clone()));
            lanes[pump].push((port.clone(), consumer));
            ports.push(port);
        }
        let (timers, later) = Timers::new();
        let core = Arc::new(Core::new(device, ports.into(), bells, timers, &config));
        tokio::spawn(later::keep(later, Arc::downgrade(&core)));
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
        let stopper = Arc::new(Stopper::new(core.clone(), threads));
        // If it can not start, dropping it stops the device.
        let (control, _) = DeviceActor::spawn(None, DeviceActor(stopper.clone()), ()).await.map_err(StartError::Actor)?;
        let _ = core.control.set(control.clone());
        tracing::info!(device = %core.device.info(), "started");
        Ok(System(Arc::new(Inner { stopper, control })))
    }

    /// Which device runs, and why that one.
    pub fn device(&self) -> &DeviceInfo {
        self.core().device.info()
    }

    /// The device's own actor: link it to a supervisor, ask it for health and numbers, stop it.
    pub fn control(&self) -> &ActorRef<DeviceMsg> {
        &self.0.control
    }

    /// Sends every emitted `E` to the actor called `name`, which takes it as an `M`. The name is looked up at each delivery,
    /// so an actor that was restarted goes on getting them; while there is none, they are counted as dead letters.
    pub fn route<E: Emit, M: Message + From<E>>(&self, name: impl Into<String>) -> Result<(), RouteError> {
        self.core().routes.add::<E, M>(name.into())
    }

    /// Messages so far that nobody took: emitted without a route or a living receiver, or sent to an actor that had stopped
    /// or failed by the time its shard came to them.
    pub fn dead_letters(&self) -> u64 {
        self.core().dead_letters()
    }

    /// Actors, and members of groups, that have a row on the device.
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

    /// Stops in order: actors handle what they were sent and stop, the newest first; then the device, then the pumps.
    pub async fn stop(&self) -> StopReport {
        let report = self.0.stopper.stop().await;
        let _ = self.0.control.stop_and_wait(None, None).await;
        report
    }

    /// Waits until the device's actor has ended, and then, however that came, the device.
    pub(crate) async fn ended(&self) {
        watch(self.control().get_cell()).await;
        // ractor drops a killed actor only some time after it has told of its end.
        self.0.stopper.abandon(abandoned());
        self.0.stopper.stop().await;
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.stopper.core
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.control.stop(None);
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("device", self.device()).field("running", &self.running()).finish()
    }
}
