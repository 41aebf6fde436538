//! What a supervisor tells of its work: an event for people and a number for machines.

use std::sync::Arc;

use metrics::{Counter, counter, describe_counter};
use resident_supervisor::{Child, End, Start};

use super::error::{Cause, SupervisorError};

/// A supervisor's reports.
pub(crate) struct Report {
    supervisor: Arc<str>,
    starts: Counter,
    restarts: Counter,
    stops: Counter,
    zombies: Counter,
    escalations: Counter,
}

impl Report {
    pub(crate) fn new(supervisor: &Arc<str>) -> Report {
        describe();
        let name = || supervisor.to_string();
        Report {
            supervisor: supervisor.clone(),
            starts: counter!("gpu_supervisor_starts_total", "supervisor" => name()),
            restarts: counter!("gpu_supervisor_restarts_total", "supervisor" => name()),
            stops: counter!("gpu_supervisor_stops_total", "supervisor" => name()),
            zombies: counter!("gpu_supervisor_zombies_total", "supervisor" => name()),
            escalations: counter!("gpu_supervisor_escalations_total", "supervisor" => name()),
        }
    }

    pub(crate) fn start(&self, id: &str, child: Child, start: Start) {
        let supervisor = &*self.supervisor;
        match start {
            Start::First => {
                self.starts.increment(1);
                tracing::info!(supervisor, child = id, "start");
            }
            Start::Again | Start::Resume => {
                self.restarts.increment(1);
                tracing::warn!(supervisor, child = id, incarnation = child.incarnation, "restart");
            }
        }
    }

    pub(crate) fn stop(&self, id: &str) {
        self.stops.increment(1);
        tracing::info!(supervisor = &*self.supervisor, child = id, "stop");
    }

    pub(crate) fn ended(&self, id: &str, cause: &Cause) {
        tracing::debug!(supervisor = &*self.supervisor, child = id, %cause, "ended");
    }

    pub(crate) fn zombie(&self, id: &str) {
        self.zombies.increment(1);
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
                self.escalations.increment(1);
                tracing::error!(supervisor, "{end}");
                Some(SupervisorError::Ended { supervisor: self.supervisor.clone(), end })
            }
        }
    }
}

fn describe() {
    describe_counter!("gpu_supervisor_starts_total", "First starts of children");
    describe_counter!("gpu_supervisor_restarts_total", "Further starts of children");
    describe_counter!("gpu_supervisor_stops_total", "Children that were told to stop, or killed");
    describe_counter!("gpu_supervisor_zombies_total", "Children that were killed and did not go in time");
    describe_counter!("gpu_supervisor_escalations_total", "Supervisors that gave up");
}
