//! A supervisor's own actor, which children are linked to, as its engine sees it.

use std::sync::{Arc, OnceLock};

use resident_supervisor::ChildKey;
use tokio::sync::{mpsc, watch};

use super::error::SupervisorError;
use super::event::Event;
use crate::actor::shell::Shell;
use crate::who::ActorKey;

/// The reason of a stop that a supervisor asked for.
pub(crate) const SHUTDOWN: &str = "shutdown";

/// A supervisor's own actor.
#[derive(Clone)]
pub(crate) struct Front {
    pub shell: Arc<dyn Shell>,
    pub flush: Arc<Flush>,
}

/// Sends a message to the actor itself; false if it takes none any more.
pub(crate) type Flush = dyn Fn(ChildKey, ActorKey) -> bool + Send + Sync;

impl Front {
    /// Has the engine told once all that the framework had told of `who` before was handed on; false if it takes no messages any more.
    pub(crate) fn flush(&self, key: ChildKey, who: ActorKey) -> bool {
        (self.flush)(key, who)
    }
}

/// What a supervisor's own actor is made with.
pub(crate) struct FrontParts {
    pub engine: mpsc::UnboundedSender<Event>,
    /// Closed when the engine has ended.
    pub over: watch::Receiver<()>,
    /// How the engine ended.
    pub end: Arc<OnceLock<Option<SupervisorError>>>,
}
