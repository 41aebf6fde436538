//! A supervisor as ractor sees it: what children are linked to, what is stopped, killed, watched. It only hands on what it hears,
//! so that a shutdown, which runs in its `post_stop`, and starts go on while it is busy.

use std::any::Any;

use ractor::{ActorProcessingErr, ActorRef, SupervisionEvent};
use resident_supervisor::{ChildKey, Exit};

use crate::embed::ractor::shell::{RESTARTED, key};
use crate::fault::GpuFault;
use crate::guardian::error::{Cause, Ended};
use crate::guardian::event::{Event, Heard};
use crate::guardian::front::{FrontParts, SHUTDOWN};
use crate::who::ActorKey;

type FrontRef = ActorRef<FrontMsg>;

/// The ractor actor of a supervisor.
pub(crate) struct FrontActor(pub FrontParts);

pub(crate) enum FrontMsg {
    /// Say so to the engine once all that ractor had told of `who` before was handed on.
    Flush { key: ChildKey, who: ActorKey },
    /// A message from another node.
    Undeliverable,
}

resident_kernels::local_message!(FrontMsg, FrontMsg::Undeliverable);

impl Drop for FrontActor {
    /// After a kill it has not waited for the engine.
    fn drop(&mut self) {
        let _ = self.0.engine.send(Event::Abandoned);
    }
}

#[ractor::actor(message = FrontMsg, state = (), arguments = ())]
impl FrontActor {
    async fn pre_start(&self, _: FrontRef, _: ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, _: FrontRef, message: FrontMsg, _: &mut ()) -> Result<(), ActorProcessingErr> {
        if let FrontMsg::Flush { key, who } = message {
            let _ = self.0.engine.send(Event::Flushed { key, who });
        }
        Ok(())
    }

    async fn handle_supervisor_evt(&self, _: FrontRef, event: SupervisionEvent, _: &mut ()) -> Result<(), ActorProcessingErr> {
        let (who, heard) = match event {
            SupervisionEvent::ActorTerminated(who, state, reason) => {
                let state = state.map(|state| Box::new(state) as Box<dyn Any + Send>);
                let (exit, end) = match reason.as_deref() {
                    // Of an incarnation: the engine knows.
                    Some(RESTARTED) => return Ok(()),
                    None => (Exit::Normal, Ended::Stopped),
                    // ractor tells a kill, and a task that was cancelled, by these words alone.
                    Some("killed" | "actor_task_cancelled") => (Exit::Killed, Ended::Killed),
                    Some(SHUTDOWN) => (Exit::Shutdown, Ended::Because(SHUTDOWN.into())),
                    Some(reason) => (Exit::Normal, Ended::Because(reason.into())),
                };
                (who, Heard::Ended { exit, cause: Cause::new(end), state })
            }
            SupervisionEvent::ActorFailed(_, error) if error.downcast_ref::<GpuFault>().is_some_and(|fault| fault.in_place) => {
                return Ok(());
            }
            SupervisionEvent::ActorFailed(who, error) => (who, Heard::Failed(error)),
            _ => return Ok(()),
        };
        if let Some(who) = key(who.get_id()) {
            let _ = self.0.engine.send(Event::Heard { who, heard });
        }
        Ok(())
    }

    async fn post_stop(&self, _: FrontRef, _: &mut ()) -> Result<(), ActorProcessingErr> {
        let _ = self.0.engine.send(Event::Shutdown);
        let mut over = self.0.over.clone();
        // Closed, never changed.
        let _ = over.changed().await;
        match self.0.end.get() {
            Some(None) => Ok(()),
            Some(Some(error)) => Err(Box::new(error.clone())),
            None => Err("the supervisor has ended without a reason; this is an error of resident, please report it".into()),
        }
    }
}
