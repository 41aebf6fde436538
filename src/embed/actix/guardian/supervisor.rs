//! Supervisors whose own actors are actix's.

use std::future::ready;
use std::sync::Arc;

use actix::{Arbiter, ArbiterHandle};

use super::front::FrontActor;
use super::kept::{Beginning, Kept};
use crate::device::runtime;
use crate::embed::actix::error::ActixError;
use crate::guardian::front::Front;
use crate::guardian::supervisor::Launched;
use crate::guardian::{Builder, SupervisorError, SupervisorRef};

impl Builder {
    /// Starts the supervisor as an actor of actix's, on the current arbiter, and its children in their order, each when the one before runs.
    /// If one does not start, those before it are stopped.
    ///
    /// Its children are actors of actix's and resident ones, which have addresses. They live on this arbiter unless their specifications
    /// name another one, and end with it.
    ///
    /// # Errors
    ///
    /// [`ActixError::NoArbiter`] within [`SupervisorError::Spawn`] where no arbiter is on this thread; otherwise what a child's start has
    /// failed with, or what is wrong with the specifications.
    pub async fn start_actix(self) -> Result<SupervisorRef, SupervisorError> {
        match Arbiter::try_current() {
            Some(arbiter) => self.launch_on(&arbiter).await?.ready().await,
            None => Err(SupervisorError::Spawn { supervisor: self.name, why: Arc::new(ActixError::NoArbiter) }),
        }
    }

    pub(super) async fn launch_on(self, arbiter: &ArbiterHandle) -> Result<Launched, SupervisorError> {
        if !runtime::is_here() {
            return Err(SupervisorError::Runtime(self.name));
        }
        let stand = |parts| async move {
            let Beginning { kept, begun, end } = Kept::start(arbiter, move || ready(Ok(FrontActor::new(parts))))?;
            begun.await.map_err(|_| ActixError::ArbiterStopped)?.expect("a front is made without fail");
            let join = tokio::spawn(async move { drop(end.await) });
            // actix tells nothing of a child by its supervisor's actor.
            let flush = Arc::new(|_, _| false);
            Ok::<_, ActixError>((Front { shell: kept, flush }, join))
        };
        self.launch_by(stand).await
    }
}
