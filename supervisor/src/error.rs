//! Why a supervisor cannot be made, why a request is refused, why a supervisor ended.

use crate::Child;
use std::error::Error;
use std::fmt::{self, Debug, Display, Formatter};
use std::sync::Arc;

/// What is wrong with settings or a specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// A period of no time, in which no restart could count.
    ZeroPeriod,
    /// Two children of one id.
    DuplicateId(Arc<str>),
    /// A child both significant and permanent: its end would never be for good.
    SignificantPermanent(Arc<str>),
    /// A significant child of a supervisor that never shuts down by itself.
    SignificantNever(Arc<str>),
    /// A child before the device that it lives on.
    BeforeItsDevice(Arc<str>),
    /// A backoff whose least delay is above its greatest.
    Backoff(Arc<str>),
    /// Children given to a dynamic supervisor at its start.
    DynamicWithChildren,
    /// A dynamic supervisor that shall become another, or the other way round.
    DynamicChanged,
}

impl Display for Invalid {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Invalid::ZeroPeriod => write!(f, "a period of zero: no restart would count"),
            Invalid::DuplicateId(id) => write!(f, "two children have the id `{id}`"),
            Invalid::SignificantPermanent(id) => write!(f, "`{id}` is significant and permanent: make it transient or temporary"),
            Invalid::SignificantNever(id) => write!(f, "`{id}` is significant, but the supervisor's auto-shutdown is `Never`"),
            Invalid::BeforeItsDevice(id) => write!(f, "`{id}` comes before the device that it lives on: put the device first"),
            Invalid::Backoff(id) => write!(f, "the backoff of `{id}` begins above its greatest delay"),
            Invalid::DynamicWithChildren => write!(f, "a dynamic supervisor starts without children: add them at run time"),
            Invalid::DynamicChanged => write!(f, "a supervisor is dynamic from its start or never"),
        }
    }
}

impl Error for Invalid {}

/// Why a request was refused or came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminError<C> {
    /// The specification or the settings are wrong.
    Invalid(Invalid),
    /// `start_child`: a child of this id has a process.
    AlreadyStarted(Child),
    /// `start_child`: a child of this id exists and has no process; restart or delete it.
    AlreadyPresent,
    /// There is no such child.
    NotFound,
    /// `restart_child`, `delete_child`: it has a process; terminate it first.
    Running,
    /// `restart_child`, `delete_child`: it is about to be started.
    Restarting,
    /// A dynamic supervisor does not do that, or not by id.
    Dynamic,
    /// `start_child`: a dynamic supervisor has as many children as it may have.
    MaxChildren(usize),
    /// The start failed; a child to be added was not, a child to be restarted stays stopped.
    StartFailed(C),
    /// The child was stopped before it had started.
    Terminated,
    /// `terminate_child`: it was killed and is still there.
    Zombie,
    /// The supervisor is shutting down.
    ShuttingDown,
    /// This process was forked from the supervisor's: only that one can ask it.
    Forked,
}

impl<C: Display> Display for AdminError<C> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            AdminError::Invalid(invalid) => write!(f, "{invalid}"),
            AdminError::AlreadyStarted(child) => write!(f, "already started, as incarnation {}", child.incarnation),
            AdminError::AlreadyPresent => write!(f, "already present, without a process: restart or delete it"),
            AdminError::NotFound => write!(f, "no such child"),
            AdminError::Running => write!(f, "it has a process: terminate it first"),
            AdminError::Restarting => write!(f, "it is about to be started"),
            AdminError::Dynamic => write!(f, "a dynamic supervisor does not do that; it knows its children by key"),
            AdminError::MaxChildren(limit) => write!(f, "the supervisor has {limit} children, as many as it may have"),
            AdminError::StartFailed(cause) => write!(f, "the start failed: {cause}"),
            AdminError::Terminated => write!(f, "stopped before it had started"),
            AdminError::Zombie => write!(f, "it was killed and is still there"),
            AdminError::ShuttingDown => write!(f, "the supervisor is shutting down"),
            AdminError::Forked => {
                write!(
                    f,
                    "this process was forked from the supervisor's, and has only a copy of it: start another one here, or ask it there"
                )
            }
        }
    }
}

impl<C: Error + 'static> Error for AdminError<C> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            AdminError::Invalid(invalid) => Some(invalid),
            AdminError::StartFailed(cause) => Some(cause),
            _ => None,
        }
    }
}

/// Why a supervisor ended. To its parent, [`Stopped`](End::Stopped) and [`AutoShutdown`](End::AutoShutdown) are
/// [`Exit::Shutdown`](crate::Exit::Shutdown), the others a failure with their cause as its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End<C> {
    /// It was asked to.
    Stopped,
    /// Significant children ended.
    AutoShutdown {
        /// The last of them.
        child: Arc<str>,
    },
    /// A child's first start failed.
    StartFailed {
        /// Which.
        child: Arc<str>,
        /// Why.
        cause: C,
    },
    /// One restart more than the intensity allows.
    Intensity {
        /// Whose.
        child: Arc<str>,
        /// Why it was needed.
        cause: C,
    },
    /// The decider said so.
    Escalated {
        /// Of whose failure.
        child: Arc<str>,
        /// The failure.
        cause: C,
    },
}

impl<C: Display> Display for End<C> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            End::Stopped => write!(f, "the supervisor was asked to stop"),
            End::AutoShutdown { child } => write!(f, "the significant child `{child}` ended"),
            End::StartFailed { child, cause } => write!(f, "`{child}` did not start: {cause}"),
            End::Intensity { child, cause } => write!(f, "too many restarts, the last of `{child}`: {cause}"),
            End::Escalated { child, cause } => write!(f, "`{child}` failed beyond this supervisor: {cause}"),
        }
    }
}

impl<C: Error + 'static> Error for End<C> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            End::Stopped | End::AutoShutdown { .. } => None,
            End::StartFailed { cause, .. } | End::Intensity { cause, .. } | End::Escalated { cause, .. } => Some(cause),
        }
    }
}
