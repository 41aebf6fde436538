//! Checkpoints again and again, in the background.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use resident_checkpoint::{Archive, ArchiveError, Checkpoint, Delta};
use resident_gpu::region::Owner;
use resident_kernels::actor::{Actor, Kind};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::error::CheckpointError;
use super::scope::Scope;
use super::taking::{self, Taking};
use crate::device::core::Core;
use crate::system::System;

/// A checkpoint every `period`, of the whole device unless told otherwise; [`Every::start`] begins.
///
/// ```
/// # use std::time::Duration;
/// # use resident::prelude::*;
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # let system = System::start(Config::cpu()).await?;
/// # let directory = std::env::temp_dir().join(format!("resident-every-{}", std::process::id()));
/// use resident::checkpoint::{Archive, Directory, Options, every};
///
/// let archive = Archive::open(Directory::writer(&directory)?, Options::default());
/// let mut periodic = every(Duration::from_millis(10)).deltas(9).save_to(archive).start(&system);
/// while periodic.saved() == 0 && periodic.changed().await {}
/// assert!(periodic.latest().is_some() && periodic.errors() == 0);
/// periodic.stop().await;
/// # system.stop().await;
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
/// ```
pub fn every(period: Duration) -> Every {
    Every { period, kinds: Vec::new(), deltas: 0, archive: None }
}

/// What is taken every period, and where it goes.
#[must_use = "nothing is taken before `start`"]
pub struct Every {
    period: Duration,
    /// None for the whole device.
    kinds: Vec<&'static Kind>,
    deltas: u32,
    archive: Option<Archive>,
}

impl Every {
    /// Of `A`s, and of the other kinds that are named so, and of nobody else.
    pub fn of<A: Actor>(mut self) -> Every {
        self.kinds.push(A::KIND);
        self
    }

    /// Saves so many deltas between two whole checkpoints; none unless told otherwise.
    pub fn deltas(self, deltas: u32) -> Every {
        Every { deltas, ..self }
    }

    /// Saves each; without this they are in memory only, for restarts and for [`Periodic::latest`].
    pub fn save_to(self, archive: Archive) -> Every {
        Every { archive: Some(archive), ..self }
    }

    /// Begins, one period from now. It goes on until the handle is dropped or the system ends.
    ///
    /// It is of one device, as [`System::checkpoint`] is. Where that is refused it has ended already, and
    /// [`last_error`](Periodic::last_error) says why.
    pub fn start(self, system: &System) -> Periodic {
        let (tell, told) = watch::channel(Told::default());
        let (end, ended) = watch::channel(());
        // Not the system itself: that ends with its last handle.
        let task = match taking::device(system) {
            Ok(core) => tokio::spawn(Work { core, every: self, tell, newest: None, deltas: 0, compacting: None }.run(ended)),
            Err(error) => {
                tracing::error!(system = system.name(), "no checkpoints are taken: {error}");
                tell.send_modify(|told| told.failed(&error));
                tokio::spawn(async {})
            }
        };
        Periodic { owner: Owner::me(), told, end: Some(end), task }
    }
}

impl fmt::Debug for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<_> = self.kinds.iter().map(|kind| kind.name).collect();
        f.debug_struct("Every").field("period", &self.period).field("kinds", &kinds).field("deltas", &self.deltas).finish_non_exhaustive()
    }
}

/// Checkpoints that are being taken in the background, until this is dropped.
pub struct Periodic {
    owner: Owner,
    told: watch::Receiver<Told>,
    /// Dropped, the task ends at the next moment at which nothing is half done.
    end: Option<watch::Sender<()>>,
    task: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Told {
    latest: Option<Checkpoint>,
    taken: u64,
    saved: u64,
    errors: u64,
    last_error: Option<Arc<str>>,
}

impl Told {
    fn failed(&mut self, error: &impl fmt::Display) {
        self.errors += 1;
        self.last_error = Some(error.to_string().into());
    }
}

impl Periodic {
    /// The last one that was taken.
    pub fn latest(&self) -> Option<Checkpoint> {
        self.told.borrow().latest.clone()
    }

    /// How many were taken.
    pub fn taken(&self) -> u64 {
        self.told.borrow().taken
    }

    /// How many of them were saved.
    pub fn saved(&self) -> u64 {
        self.told.borrow().saved
    }

    /// How many could not be taken or saved, each of which was told.
    pub fn errors(&self) -> u64 {
        self.told.borrow().errors
    }

    /// What the last of these errors said.
    pub fn last_error(&self) -> Option<Arc<str>> {
        self.told.borrow().last_error.clone()
    }

    /// Waits until another one was taken or saved, or has failed; false once it has ended, or in a child that was
    /// forked, in which nobody goes on with it.
    pub async fn changed(&mut self) -> bool {
        self.owner.is_me() && self.told.changed().await.is_ok()
    }

    /// Whether it has ended, as it does with its system, and is in a child that was forked.
    pub fn has_ended(&self) -> bool {
        !self.owner.is_me() || self.task.is_finished()
    }

    /// Ends it: a save that is under way is finished first.
    pub async fn stop(mut self) {
        self.end = None;
        if self.owner.is_me() {
            // A task that was cancelled has ended, too.
            let _ = self.task.await;
        }
    }
}

impl fmt::Debug for Periodic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.told.borrow();
        f.debug_struct("Periodic").field("taken", &told.taken).field("saved", &told.saved).field("errors", &told.errors).finish()
    }
}

/// The task's own.
struct Work {
    core: Arc<Core>,
    every: Every,
    tell: watch::Sender<Told>,
    /// The last that was saved, or taken where nothing is saved: what the next delta starts from.
    newest: Option<Checkpoint>,
    /// Deltas since the last whole one.
    deltas: u32,
    compacting: Option<JoinHandle<()>>,
}

impl Work {
    async fn run(mut self, mut ended: watch::Receiver<()>) {
        let period = self.every.period.max(Duration::from_millis(1));
        let mut ticks = interval_at(Instant::now() + period, period);
        // One that takes longer than a period is not followed by two at once.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = ended.changed() => break,
                _ = ticks.tick() => {}
            }
            let step = tokio::select! {
                biased;
                _ = ended.changed() => break,
                taken = self.take() => taken,
            };
            match step {
                Ok((checkpoint, delta)) => {
                    if let Err(error) = self.keep(checkpoint, delta).await {
                        self.not_saved(&error);
                    }
                }
                Err(CheckpointError::Stopped | CheckpointError::Lost(_) | CheckpointError::Runtime) => break,
                // Among the metrics it is already.
                Err(error) => self.failed(error.to_string()),
            }
        }
        if let Some(compacting) = self.compacting {
            let _ = compacting.await;
        }
    }

    async fn take(&self) -> Result<(Checkpoint, Option<Delta>), CheckpointError> {
        let scope = if self.every.kinds.is_empty() { Scope::Device } else { Scope::Kinds(self.every.kinds.clone()) };
        let taking = Taking::new(self.core.clone(), scope);
        match self.newest.as_ref().filter(|_| self.deltas < self.every.deltas) {
            Some(base) => taking.since(base).await.map(|(checkpoint, delta)| (checkpoint, Some(delta))),
            None => Ok((taking.await?, None)),
        }
    }

    async fn keep(&mut self, checkpoint: Checkpoint, delta: Option<Delta>) -> Result<(), ArchiveError> {
        self.tell.send_modify(|told| {
            told.latest = Some(checkpoint.clone());
            told.taken += 1;
        });
        // Until this one is saved, no delta starts from it.
        self.newest = None;
        if let Some(archive) = &self.every.archive {
            let saved = match &delta {
                Some(delta) => archive.save_delta(delta).await,
                None => archive.save_full(&checkpoint).await,
            };
            let compact = match saved {
                Ok(saved) => saved.compact,
                // This one is safe; what could not be deleted is for the next.
                Err(error @ ArchiveError::Pruning { .. }) => {
                    self.not_saved(&error);
                    false
                }
                Err(error) => return Err(error),
            };
            self.tell.send_modify(|told| told.saved += 1);
            if compact && self.compacting.as_ref().is_none_or(JoinHandle::is_finished) {
                self.compacting = Some(compact_beside(archive.clone()));
            }
        }
        self.newest = Some(checkpoint);
        self.deltas = if delta.is_some() { self.deltas + 1 } else { 0 };
        Ok(())
    }

    fn not_saved(&self, error: &ArchiveError) {
        self.core.metrics.checkpoint_failed();
        self.failed(error.to_string());
    }

    fn failed(&self, error: String) {
        tracing::error!(system = self.core.system(), device = %self.core.name, "a checkpoint failed: {error}");
        self.tell.send_modify(|told| told.failed(&error));
    }
}

/// Compacts while checkpoints go on. If it fails, nothing is lost, and it is due again after the next save.
fn compact_beside(archive: Archive) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = archive.compact().await {
            tracing::warn!("an archive was not compacted: {error}");
        }
    })
}
