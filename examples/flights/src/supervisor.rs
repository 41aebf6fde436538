//! The CPU actor over all: nobody may fail or stop before the end, so the first who does ends the run.

use flights_common::ReadError;
use ractor::{ActorProcessingErr, ActorRef, SupervisionEvent};
use resident::prelude::*;
use tokio::sync::oneshot;

/// The supervisor.
pub struct Supervisor;

/// Where it says why the run ends.
type End = oneshot::Sender<String>;

#[ractor::actor(message = (), state = Option<End>, arguments = End)]
impl Supervisor {
    async fn pre_start(&self, _: ActorRef<()>, end: End) -> Result<Option<End>, ActorProcessingErr> {
        Ok(Some(end))
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: SupervisionEvent,
        end: &mut Option<End>,
    ) -> Result<(), ActorProcessingErr> {
        let why = match event {
            // These say themselves who failed.
            SupervisionEvent::ActorFailed(_, error) if error.is::<GpuFault>() || error.is::<ReadError>() => error.to_string(),
            SupervisionEvent::ActorFailed(who, error) => format!("actor `{}` failed: {error}", who.get_name().unwrap_or_default()),
            SupervisionEvent::ActorTerminated(who, _, reason) => {
                let why = reason.unwrap_or_else(|| "no reason given".into());
                format!("actor `{}` stopped before the end: {why}", who.get_name().unwrap_or_default())
            }
            _ => return Ok(()),
        };
        if let Some(end) = end.take() {
            // Once the run has ended in order nobody listens.
            let _ = end.send(why);
        }
        Ok(())
    }
}
