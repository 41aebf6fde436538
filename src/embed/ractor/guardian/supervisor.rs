//! Supervisors whose own actors are ractor's.

use std::sync::Arc;

use ractor::{Actor as _, ActorCell, SpawnErr};

use super::front::{FrontActor, FrontMsg};
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
        let supervisor = self.launch(None, None).await?.ready().await?;
        if let Some(parent) = parent {
            supervisor.cell().link(parent);
            if supervisor.cell().try_get_supervisor().is_none() {
                supervisor.stop().await?;
                return Err(SupervisorError::Unlinked(supervisor.name));
            }
        }
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
