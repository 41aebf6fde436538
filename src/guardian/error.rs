//! Why children and supervisors end.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use resident_gpu::region::FORKED;
use resident_supervisor::{End, Invalid};
use thiserror::Error;

/// Whatever an actor fails with.
pub(crate) type AnyError = Box<dyn Error + Send + Sync>;

/// Why a child ended or did not start: it says what the child's own error says, for a resident actor a [`GpuFault`](crate::GpuFault).
/// [`root`](Self::root) goes down through supervisors that gave up.
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    pub(crate) fn new(error: impl Into<AnyError>) -> Cause {
        Cause(Arc::from(error.into()))
    }

    /// The child's error, if it is an `E`.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }

    /// What it began with, under however many supervisors.
    pub fn root(&self) -> &(dyn Error + 'static) {
        match self.0.downcast_ref::<SupervisorError>() {
            Some(gave_up) => gave_up.root(),
            None => last(&*self.0),
        }
    }
}

/// What an error began with.
fn last<'e>(mut error: &'e (dyn Error + 'static)) -> &'e (dyn Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for Cause {
    /// The child's error says no more than this one.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Why a request to a supervisor was refused or came to nothing; each text says what to do.
pub type AdminError = resident_supervisor::AdminError<Cause>;

/// Why a supervisor did not start, or ended by itself. It says all that is known, so it has no source; [`root`](Self::root) is what it began
/// with.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SupervisorError {
    /// What it was built from is wrong.
    #[error("supervisor `{supervisor}` can not be started: {why}")]
    Invalid {
        /// Its name.
        supervisor: Arc<str>,
        /// What is wrong.
        why: Invalid,
    },
    /// It gave up, or a child's first start failed. Every child was stopped before, in order.
    #[error("supervisor `{supervisor}`: {end}")]
    Ended {
        /// Its name.
        supervisor: Arc<str>,
        /// How; its source is the child's failure.
        end: End<Cause>,
    },
    /// Its actor was killed, and with it its children.
    #[error("supervisor `{0}` was killed")]
    Killed(Arc<str>),
    /// The supervisor that it should be linked to takes no children any more.
    #[error("supervisor `{0}` was not linked: its own supervisor is shutting down")]
    Unlinked(Arc<str>),
    /// This process was forked from the one that has started it, where it goes on.
    #[error("supervisor `{0}`: {FORKED}")]
    Forked(Arc<str>),
    /// There is no tokio runtime here, in which it would run.
    #[error(
        "supervisor `{0}`: there is no tokio runtime here: start it within one (`#[tokio::main]`, `Runtime::block_on`, `Handle::enter`)"
    )]
    Runtime(Arc<str>),
    /// The framework refused.
    #[error("supervisor `{supervisor}` was not spawned: {why}")]
    Spawn {
        /// Its name.
        supervisor: Arc<str>,
        /// What it says; ractor a `SpawnErr`.
        why: Arc<dyn Error + Send + Sync>,
    },
}

impl SupervisorError {
    /// What it began with, under however many supervisors; for a failed resident actor a [`GpuFault`](crate::GpuFault).
    pub fn root(&self) -> &(dyn Error + 'static) {
        match self {
            SupervisorError::Invalid { why, .. } => why,
            SupervisorError::Spawn { why, .. } => last(&**why),
            SupervisorError::Ended {
                end: End::StartFailed { cause, .. } | End::Intensity { cause, .. } | End::Escalated { cause, .. },
                ..
            } => cause.root(),
            SupervisorError::Ended { .. }
            | SupervisorError::Killed(_)
            | SupervisorError::Unlinked(_)
            | SupervisorError::Forked(_)
            | SupervisorError::Runtime(_) => self,
        }
    }
}

/// A start that was not meant: a child whose `pre_start`, or whose state, returns this as its error is left out, and its
/// supervisor goes on without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not to be started")]
pub struct Ignore;

/// How an actor ended that did not fail.
#[derive(Clone, Debug, Error)]
pub(crate) enum Ended {
    #[error("it stopped")]
    Stopped,
    #[error("it stopped: {0}")]
    Because(String),
    #[error("it was killed")]
    Killed,
    #[error("it had left its supervisor")]
    Unseen,
}

/// What a panic said.
pub(crate) fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}
