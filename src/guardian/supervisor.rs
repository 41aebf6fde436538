//! How a supervisor is described and started.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use resident_gpu::region::Owner;
use resident_supervisor::{AutoShutdown, Flags, Strategy};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::engine::Engine;
use super::error::SupervisorError;
use super::front::{Front, FrontParts};
use super::handle::SupervisorRef;
use super::spec::ChildSpec;
use crate::actor::shell::Shell;

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

impl Launched {
    /// Waits until all children run. Whoever gives up waiting leaves no supervisor behind.
    pub(crate) async fn ready(self) -> Result<SupervisorRef, SupervisorError> {
        let Launched { supervisor, join, ready } = self;
        let unfinished = Unfinished(Some(supervisor.shell.clone()));
        match ready.await {
            Ok(Ok(())) => {
                unfinished.done();
                Ok(supervisor)
            }
            Ok(Err(error)) => {
                let _ = join.await;
                Err(error)
            }
            Err(_) => Err(supervisor.ended().await.err().unwrap_or(SupervisorError::Unlinked(supervisor.name))),
        }
    }
}

/// Stops a supervisor that nobody waits for any more.
struct Unfinished(Option<Arc<dyn Shell>>);

impl Unfinished {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(supervisor) = &self.0 {
            supervisor.stop(None);
        }
    }
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

    /// Starts it. `stand` has a framework start the supervisor's own actor: that one, and what ends with it.
    pub(crate) async fn launch_by<F, E>(self, stand: impl FnOnce(FrontParts) -> F) -> Result<Launched, SupervisorError>
    where
        F: Future<Output = Result<(Front, JoinHandle<()>), E>>,
        E: Error + Send + Sync + 'static,
    {
        let Builder { name: own, flags, children } = self;
        let policies = children.iter().map(|child| child.policy.clone());
        let machine = resident_supervisor::Supervisor::new(flags, policies, seed())
            .map_err(|why| SupervisorError::Invalid { supervisor: own.clone(), why })?;
        let (events, heard) = mpsc::unbounded_channel();
        let (running, over) = watch::channel(());
        let end = Arc::new(OnceLock::new());
        let stood = stand(FrontParts { engine: events.clone(), over, end: end.clone() }).await;
        let (front, join) = stood.map_err(|why| SupervisorError::Spawn { supervisor: own.clone(), why: Arc::new(why) })?;
        let supervisor = SupervisorRef { name: own, shell: front.shell.clone(), engine: events.clone(), end, owner: Owner::me() };
        let (tell, ready) = oneshot::channel();
        let engine = Engine::new(&supervisor, machine, flags, children, front, tell);
        tokio::spawn(engine.run(heard, running));
        Ok(Launched { supervisor, join, ready })
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
