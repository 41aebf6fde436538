//! How a supervisor is described and started.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ractor::concurrency::JoinHandle;
use ractor::{Actor as _, ActorCell};
use resident_gpu::region::Owner;
use resident_supervisor::{AutoShutdown, Flags, Strategy};
use tokio::sync::{mpsc, oneshot, watch};

use super::engine::Engine;
use super::error::SupervisorError;
use super::front::Front;
use super::handle::SupervisorRef;
use super::spec::ChildSpec;
use crate::device::runtime;

/// Where a supervisor begins: [`Supervisor::builder`].
#[derive(Clone, Copy, Debug)]
pub struct Supervisor;

impl Supervisor {
    /// A supervisor of this name, without children yet: one for one, one restart within five seconds.
    pub fn builder(name: impl Into<Arc<str>>) -> Builder {
        Builder { name: name.into(), flags: Flags::default(), children: Vec::new() }
    }
}

/// A supervisor's settings and children. A clone can be started, too.
#[derive(Clone)]
#[must_use = "nothing runs before `start`"]
pub struct Builder {
    pub(crate) name: Arc<str>,
    pub(crate) flags: Flags,
    pub(crate) children: Vec<ChildSpec>,
}

/// A supervisor whose children are being started.
pub(crate) struct Launched {
    pub supervisor: SupervisorRef,
    pub join: JoinHandle<()>,
    /// How that went.
    pub ready: oneshot::Receiver<Result<(), SupervisorError>>,
}

impl Builder {
    /// Who is restarted with a child that failed.
    pub fn strategy(mut self, strategy: Strategy) -> Builder {
        self.flags.strategy = strategy;
        self
    }

    /// How many restarts it allows within `period`; at one more it stops its children and fails.
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Builder {
        (self.flags.intensity, self.flags.period) = (restarts, period);
        self
    }

    /// When the end of significant children is its own; never unless told otherwise.
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Builder {
        self.flags.auto_shutdown = auto_shutdown;
        self
    }

    /// How long a killed child may take to be gone before it goes on without it; five seconds unless told otherwise.
    pub fn kill_bound(mut self, bound: Duration) -> Builder {
        self.flags.kill_bound = bound;
        self
    }

    /// One more child, behind the others.
    pub fn child(mut self, child: ChildSpec) -> Builder {
        self.children.push(child);
        self
    }

    /// Starts the children in their order, each when the one before runs. If one does not start, those before it are stopped.
    pub async fn start(self) -> Result<SupervisorRef, SupervisorError> {
        self.start_under(None).await
    }

    /// The same under `supervisor`, any actor of ractor's: it hears of the end, in `ActorFailed` a [`SupervisorError`] if it was a
    /// failure. It is linked once all children run.
    pub async fn start_linked(self, supervisor: ActorCell) -> Result<SupervisorRef, SupervisorError> {
        self.start_under(Some(supervisor)).await
    }

    async fn start_under(self, parent: Option<ActorCell>) -> Result<SupervisorRef, SupervisorError> {
        if !runtime::is_here() {
            return Err(SupervisorError::Runtime(self.name));
        }
        let Launched { supervisor, join, ready } = self.launch(None, None).await?;
        // Whoever starts it may give up waiting.
        let unfinished = Unfinished(Some(supervisor.cell.clone()));
        match ready.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let _ = join.await;
                return Err(error);
            }
            Err(_) => return Err(supervisor.ended().await.err().unwrap_or(SupervisorError::Unlinked(supervisor.name))),
        }
        if let Some(parent) = parent {
            supervisor.cell.link(parent);
            if supervisor.cell.try_get_supervisor().is_none() {
                supervisor.stop().await?;
                return Err(SupervisorError::Unlinked(supervisor.name));
            }
        }
        unfinished.done();
        Ok(supervisor)
    }

    pub(crate) async fn launch(self, name: Option<String>, parent: Option<ActorCell>) -> Result<Launched, SupervisorError> {
        let Builder { name: own, flags, children } = self;
        let policies = children.iter().map(|child| child.policy.clone());
        let machine = resident_supervisor::Supervisor::new(flags, policies, seed())
            .map_err(|why| SupervisorError::Invalid { supervisor: own.clone(), why })?;
        let (events, heard) = mpsc::unbounded_channel();
        let (running, over) = watch::channel(());
        let end = Arc::new(OnceLock::new());
        let front = Front { engine: events.clone(), over, end: end.clone() };
        let spawned = match parent {
            Some(parent) => Front::spawn_linked(name, front, (), parent).await,
            None => Front::spawn(name, front, ()).await,
        };
        let (front, join) = spawned.map_err(|why| SupervisorError::Spawn { supervisor: own.clone(), why: Arc::new(why) })?;
        let supervisor = SupervisorRef { name: own, cell: front.get_cell(), engine: events.clone(), end, owner: Owner::me() };
        let (tell, ready) = oneshot::channel();
        let engine = Engine::new(&supervisor, machine, flags, children, front, tell);
        ractor::concurrency::spawn(engine.run(heard, running));
        Ok(Launched { supervisor, join, ready })
    }
}

/// Stops a supervisor that nobody waits for any more.
struct Unfinished(Option<ActorCell>);

impl Unfinished {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(cell) = &self.0 {
            cell.stop(None);
        }
    }
}

/// What scatters the backoffs: that two supervisors draw the same would do no harm.
fn seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("name", &self.name).field("flags", &self.flags).field("children", &self.children).finish()
    }
}
