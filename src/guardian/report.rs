//! What a supervisor tells of its work: an event for people and a number for machines.

use std::sync::Arc;

use resident_supervisor::{Child, End, Start, Strategy};
use tracing::{Span, info_span};

use super::error::{Cause, SupervisorError};
use crate::metrics::{Reason, of_strategy, supervisors};

/// A supervisor's reports.
pub(crate) struct Report {
    pub supervisor: Arc<str>,
    pub strategy: Strategy,
}

impl Report {
    /// A child starts, and why if that is not its first time.
    pub(crate) fn start(&self, id: &str, child: Child, start: Start, reason: Reason) {
        let supervisor = &*self.supervisor;
        match start {
            Start::First => {
                supervisors(|count| count.supervisor_starts_total.add([], 1));
                tracing::info!(supervisor, child = id, "start");
            }
            Start::Again | Start::Resume => {
                supervisors(|count| count.supervisor_restarts_total.add([of_strategy(self.strategy), reason as usize], 1));
                tracing::warn!(supervisor, child = id, incarnation = child.incarnation, reason = reason.label(), "restart");
            }
        }
    }

    /// The span of a start that is not the child's first.
    pub(crate) fn span(&self, id: &str, child: Child, start: Start, reason: Reason) -> Span {
        match start {
            Start::First => Span::none(),
            Start::Again | Start::Resume => {
                info_span!("restart", supervisor = &*self.supervisor, child = id, incarnation = child.incarnation, reason = reason.label())
            }
        }
    }

    pub(crate) fn stop(&self, id: &str) {
        supervisors(|count| count.supervisor_stops_total.add([], 1));
        tracing::info!(supervisor = &*self.supervisor, child = id, "stop");
    }

    pub(crate) fn ended(&self, id: &str, cause: &Cause) {
        tracing::debug!(supervisor = &*self.supervisor, child = id, %cause, "ended");
    }

    pub(crate) fn zombie(&self, id: &str) {
        supervisors(|count| count.supervisor_zombies_total.add([], 1));
        tracing::error!(supervisor = &*self.supervisor, child = id, "was killed and is still there");
    }

    /// The supervisor ends; as what.
    pub(crate) fn exit(&self, end: End<Cause>) -> Option<SupervisorError> {
        let supervisor = &*self.supervisor;
        match end {
            End::Stopped | End::AutoShutdown { .. } => {
                tracing::info!(supervisor, "{end}");
                None
            }
            end @ (End::StartFailed { .. } | End::Intensity { .. } | End::Escalated { .. }) => {
                supervisors(|count| count.supervisor_escalations_total.add([], 1));
                tracing::error!(supervisor, "{end}");
                Some(SupervisorError::Ended { supervisor: self.supervisor.clone(), end })
            }
        }
    }
}
