//! How a system ends: its actors first, the newest before the oldest, then its devices side by side, and of each the pumps.

use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use resident_gpu::device::{DeviceFault, StopError};
use resident_host::apart;
use tokio::sync::OnceCell;
use tokio::task::AbortHandle;
use tracing::{Instrument, field, info_span};

use crate::device::core::Core;
use crate::device::directory::Lodger;
use crate::system::fleet::Fleet;
use crate::system::open::Running;

/// Actors that drain at a time.
const WINDOW: usize = 64;

/// How a system ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StopReport {
    /// Actors, and members of groups, that handled everything they were sent and stopped.
    pub drained: usize,
    /// Actors that did not within `Config::stop_timeout` and were killed.
    pub killed: usize,
    /// How its devices stopped: the first error of [`devices`](Self::devices).
    pub device: Result<(), StopError>,
    /// How each device stopped, by its [label](crate::Device::label).
    pub devices: Vec<(Arc<str>, Result<(), StopError>)>,
    /// Messages that nobody took, over the system's life.
    pub dead_letters: u64,
}

/// A device, and what ends with it.
#[derive(Clone)]
struct Machine {
    core: Arc<Core>,
    /// Until somebody waits for their end.
    pumps: Arc<Mutex<Vec<JoinHandle<()>>>>,
    tasks: [AbortHandle; 2],
}

/// Ends a system, once.
pub(crate) struct Stopper {
    pub fleet: Arc<Fleet>,
    machines: Box<[Machine]>,
    report: OnceCell<StopReport>,
    /// Hears that the system was stopped in order, before whoever asked for it does.
    pub on_stopped: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Locked while the devices are being abandoned: whoever does so again finds their actors told.
    abandoned: Mutex<bool>,
}

impl Stopper {
    pub(super) fn new(fleet: Arc<Fleet>, running: Vec<Running>) -> Stopper {
        let machine = |Running { core, pumps, tasks }| Machine { core, pumps: Arc::new(Mutex::new(pumps)), tasks };
        let machines = running.into_iter().map(machine).collect();
        Stopper { fleet, machines, report: OnceCell::new(), on_stopped: OnceLock::new(), abandoned: Mutex::new(false) }
    }

    /// Stops everything in order; whoever comes later gets the same report.
    pub(crate) async fn stop(&self) -> StopReport {
        if !self.fleet.is_mine() {
            let devices = self.machines.iter().map(|machine| (machine.core.name.clone(), Err(StopError::Forked))).collect();
            return self.report_of((0, 0), devices);
        }
        let system = self.fleet.shared.system.as_deref();
        let span = info_span!("stop", system, drained = field::Empty, killed = field::Empty);
        let stop = async {
            let report = self.stop_now().await;
            span.record("drained", report.drained).record("killed", report.killed);
            report
        };
        self.report.get_or_init(|| stop.instrument(span.clone())).await.clone()
    }

    async fn stop_now(&self) -> StopReport {
        self.begin();
        let ends = self.drain().await;
        let devices = join_all(self.machines.iter().map(Machine::stop)).await;
        if let Some(tell) = self.on_stopped.get() {
            tell();
        }
        self.report_of(ends, devices)
    }

    fn report_of(&self, (drained, killed): (usize, usize), devices: Vec<(Arc<str>, Result<(), StopError>)>) -> StopReport {
        let device = devices.iter().find_map(|(_, stopped)| stopped.clone().err()).map_or(Ok(()), Err);
        StopReport { drained, killed, device, devices, dead_letters: self.fleet.dead_letters() }
    }

    /// No actor is spawned any more, on none of the devices.
    fn begin(&self) {
        for machine in &self.machines {
            machine.core.begin_stop();
        }
    }

    /// Drains the actors: how many drained, how many were killed.
    pub(crate) async fn drain(&self) -> (usize, usize) {
        let ends: Vec<_> = self.fleet.newest_first().into_iter().map(|actor| self.drain_one(actor)).collect();
        let ends = stream::iter(ends).buffered(WINDOW);
        ends.fold((0, 0), async |(drained, killed), (d, k)| (drained + d, killed + k)).await
    }

    async fn drain_one(&self, lodger: Arc<dyn Lodger>) -> (usize, usize) {
        let actors = lodger.actors();
        if lodger.drained(self.fleet.first().stop_timeout).await { (actors, 0) } else { (0, actors) }
    }

    /// Stops the devices at once, without waiting, unless they were stopped in order: their actors fail.
    pub(crate) fn abandon(&self, why: DeviceFault) {
        // Of a child it is a copy that goes.
        if !self.fleet.is_mine() {
            return;
        }
        let mut abandoned = self.abandoned.lock();
        if self.report.initialized() || std::mem::replace(&mut *abandoned, true) {
            return;
        }
        self.begin();
        for machine in &self.machines {
            machine.abandon(&why);
        }
    }
}

impl Machine {
    /// Stops the device in order, once its actors have ended.
    async fn stop(&self) -> (Arc<str>, Result<(), StopError>) {
        let work = self.last_part();
        // Where there is no thread for it, it is done in this one, which does nothing else meanwhile: nobody that it waits for is here.
        let ended = apart(work.clone()).await.unwrap_or_else(|_| Some(work()));
        // Behind a checkpoint that is being taken, which finds that the device has ended.
        *self.core.last.lock().await = None;
        (self.core.name.clone(), ended.unwrap_or(Ok(())))
    }

    fn abandon(&self, why: &DeviceFault) {
        if self.core.lost().is_none() {
            self.core.lose(why.clone());
        }
        let (core, work) = (self.core.clone(), self.last_part());
        let end = move || {
            let _ = work();
            *core.last.blocking_lock() = None;
        };
        if thread::Builder::new().name("resident-stop".into()).spawn(end).is_err() {
            // No thread: the device's own drop tells it to stop.
            self.core.end();
        }
    }

    /// Stops the device, lets the pumps fetch the rest and end, and gives everything back. Blocks.
    fn last_part(&self) -> impl Fn() -> Result<(), StopError> + Clone + Send + 'static {
        let Machine { core, pumps, tasks } = self.clone();
        move || {
            let stopped = core.device.stop(core.stop_timeout);
            core.end();
            let pumps = std::mem::take(&mut *pumps.lock());
            for pump in pumps {
                if pump.join().is_err() {
                    tracing::error!("a pump has panicked; this is an error of resident, please report it");
                }
            }
            tasks.iter().for_each(AbortHandle::abort);
            core.release();
            stopped
        }
    }
}
