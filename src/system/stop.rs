//! How a system ends: its actors first, the newest before the oldest, then the device, then the pumps.

use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use resident_gpu::device::{DeviceFault, StopError};
use resident_host::apart;
use tokio::sync::OnceCell;
use tokio::task::AbortHandle;

use crate::device::core::Core;
use crate::device::directory::Lodger;

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
    /// How the device stopped.
    pub device: Result<(), StopError>,
    /// Messages that nobody took, over the system's life.
    pub dead_letters: u64,
}

/// The pumps, until somebody waits for their end.
type Pumps = Arc<Mutex<Vec<JoinHandle<()>>>>;

/// Ends a system, once.
pub(crate) struct Stopper {
    pub core: Arc<Core>,
    pumps: Pumps,
    /// They keep timers and links.
    tasks: [AbortHandle; 2],
    report: OnceCell<StopReport>,
    /// Hears that the system was stopped in order, before whoever asked for it does.
    pub on_stopped: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Locked while the device is being abandoned: whoever does so again finds its actors told.
    abandoned: Mutex<bool>,
}

impl Stopper {
    pub(crate) fn new(core: Arc<Core>, pumps: Vec<JoinHandle<()>>, tasks: [AbortHandle; 2]) -> Stopper {
        let pumps = Arc::new(Mutex::new(pumps));
        Stopper { core, pumps, tasks, report: OnceCell::new(), on_stopped: OnceLock::new(), abandoned: Mutex::new(false) }
    }

    /// Stops everything in order; whoever comes later gets the same report.
    pub(crate) async fn stop(&self) -> StopReport {
        if !self.core.is_mine() {
            return StopReport { drained: 0, killed: 0, device: Err(StopError::Forked), dead_letters: self.core.dead_letters() };
        }
        self.report.get_or_init(|| self.stop_now()).await.clone()
    }

    async fn stop_now(&self) -> StopReport {
        self.core.begin_stop();
        let (drained, killed) = self.drain().await;
        let work = self.last_part();
        // Where there is no thread for it, it is done in this one, which does nothing else meanwhile: nobody that it waits for is here.
        let ended = apart(work.clone()).await.unwrap_or_else(|_| Some(work()));
        // Behind a checkpoint that is being taken, which finds that the device has ended.
        *self.core.last.lock().await = None;
        let device = ended.unwrap_or(Ok(()));
        if let Some(tell) = self.on_stopped.get() {
            tell();
        }
        StopReport { drained, killed, device, dead_letters: self.core.dead_letters() }
    }

    /// Drains the actors: how many drained, how many were killed.
    pub(crate) async fn drain(&self) -> (usize, usize) {
        let ends: Vec<_> = self.core.directory.newest_first().into_iter().map(|actor| self.drain_one(actor)).collect();
        let ends = stream::iter(ends).buffered(WINDOW);
        ends.fold((0, 0), async |(drained, killed), (d, k)| (drained + d, killed + k)).await
    }

    async fn drain_one(&self, lodger: Arc<dyn Lodger>) -> (usize, usize) {
        let actors = lodger.actors();
        if lodger.drained(self.core.stop_timeout).await { (actors, 0) } else { (0, actors) }
    }

    /// Stops the device at once, without waiting, unless it was stopped in order: its actors fail.
    pub(crate) fn abandon(&self, why: DeviceFault) {
        // Of a child it is a copy that goes.
        if !self.core.is_mine() {
            return;
        }
        let mut abandoned = self.abandoned.lock();
        if self.report.initialized() || std::mem::replace(&mut *abandoned, true) {
            return;
        }
        self.core.begin_stop();
        if self.core.lost().is_none() {
            self.core.lose(why);
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
        let (core, pumps, tasks) = (self.core.clone(), self.pumps.clone(), self.tasks.clone());
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
