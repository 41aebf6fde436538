//! What the engine of a supervisor is told, and what it answers.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use resident_supervisor::{Child, ChildInfo, ChildKey, Counts, Exit, Reply, Request, Target};
use tokio::sync::oneshot;

use super::error::{AdminError, AnyError, Cause};
use super::handle::SupervisorRef;
use super::spec::ChildSpec;
use super::start::{Failure, Started};
use crate::actor::home::Home;
use crate::actor::shell::Shell;
use crate::fault::GpuFault;
use crate::system::System;
use crate::who::ActorKey;

/// What the engine is told.
pub(crate) enum Event {
    /// How a start went.
    Started {
        child: Child,
        result: Result<Started, Failure>,
    },
    /// What the framework says of an actor's end.
    Heard {
        who: ActorKey,
        heard: Heard,
    },
    /// An actor of a child has ended and released everything; how, if that is not heard in another way.
    Gone {
        key: ChildKey,
        who: ActorKey,
        heard: Option<Heard>,
    },
    /// All that the framework had to say of it was handed on.
    Flushed {
        key: ChildKey,
        who: ActorKey,
    },
    /// A resident actor has failed.
    Faulted {
        key: ChildKey,
    },
    /// A resident actor's incarnation has ended, its proxy has not.
    Rested {
        child: Child,
        end: Result<(), GpuFault>,
    },
    /// A child is gone, its state too.
    Exited {
        child: Child,
        exit: Exit,
        cause: Cause,
    },
    Wake {
        at: Duration,
    },
    Available {
        device: Arc<str>,
    },
    StartChild {
        spec: ChildSpec,
        reply: oneshot::Sender<Asked>,
    },
    Request {
        request: Request,
        reply: oneshot::Sender<Asked>,
    },
    WhichChildren(oneshot::Sender<Vec<ChildInfo>>),
    CountChildren(oneshot::Sender<Counts>),
    Find {
        target: Target,
        reply: oneshot::Sender<Option<Found>>,
    },
    /// The supervisor's actor stops, waits for the engine, and hands on nothing any more.
    Shutdown,
    /// The supervisor's actor has gone.
    Abandoned,
}

/// What somebody who asked for a change hears.
pub(crate) type Asked = Result<Reply, AdminError>;

/// A child's actor.
pub(crate) struct Found {
    pub shell: Arc<dyn Shell>,
    pub gpu: Option<Arc<Home>>,
    pub supervisor: Option<SupervisorRef>,
    pub device: Option<System>,
}

/// What a framework tells of an actor's end.
pub(crate) enum Heard {
    Ended { exit: Exit, cause: Cause, state: Option<Box<dyn Any + Send>> },
    Failed(AnyError),
}
