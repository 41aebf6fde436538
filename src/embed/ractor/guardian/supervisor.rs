//! Supervisors whose own actors are ractor's.

use std::sync::Arc;

use ractor::{Actor as _, ActorCell, SpawnErr};

use super::front::{FrontActor, FrontMsg};
use crate::actor::shell::Shell;
use crate::device::runtime;
use crate::embed::ractor::shell::shell;
use crate::guardian::front::Front;
use crate::guardian::supervisor::Launched;
use crate::guardian::{Builder, SupervisorError, SupervisorRef};

impl Builder {
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
        let unfinished = Unfinished(Some(supervisor.shell.clone()));
        match ready.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let _ = join.await;
                return Err(error);
            }
            Err(_) => return Err(supervisor.ended().await.err().unwrap_or(SupervisorError::Unlinked(supervisor.name))),
        }
        if let Some(parent) = parent {
            supervisor.cell().link(parent);
            if supervisor.cell().try_get_supervisor().is_none() {
                supervisor.stop().await?;
                return Err(SupervisorError::Unlinked(supervisor.name));
            }
        }
        unfinished.done();
        Ok(supervisor)
    }

    pub(crate) async fn launch(self, name: Option<String>, parent: Option<ActorCell>) -> Result<Launched, SupervisorError> {
        let stand = |behind| async move {
            let front = FrontActor(behind);
            let (front, join) = match parent {
                Some(parent) => FrontActor::spawn_linked(name, front, (), parent).await?,
                None => FrontActor::spawn(name, front, ()).await?,
            };
            let shell = shell(front.get_cell());
            let flush = move |key, who| front.cast(FrontMsg::Flush { key, who }).is_ok();
            Ok::<_, SpawnErr>((Front { shell, flush: Arc::new(flush) }, join))
        };
        self.launch_by(stand).await
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
