//! What a supervisor knows of a child before it runs. How the child is started is the carrier's.

use crate::Backoff;
use std::sync::Arc;
use std::time::Duration;

/// When a child that ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// Unless it ended as it meant to: [`Exit::Normal`](crate::Exit::Normal) or [`Exit::Shutdown`](crate::Exit::Shutdown).
    Transient,
    /// Never, not even as a sibling of one that is; nothing of it is kept once it is gone.
    Temporary,
}

/// How a child is made to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// Killed at once.
    BrutalKill,
    /// Asked to stop, killed if it has not after this time.
    Timeout(Duration),
    /// Asked to stop once its mailbox is empty, killed if it has not after this time.
    Drain(Duration),
    /// Asked to stop and waited for.
    Infinity,
}

/// What a child is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An actor.
    #[default]
    Worker,
    /// A supervisor.
    Supervisor,
    /// A device: once started, those who wait for the device of its id go on.
    Device,
}

/// A child's specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildSpec {
    /// Its name among its siblings; need not be unique under [`Strategy::Dynamic`](crate::Strategy::Dynamic).
    pub id: Arc<str>,
    /// When it is started again.
    pub restart: Restart,
    /// How it is made to end.
    pub shutdown: Shutdown,
    /// Whether its end can be the supervisor's; see [`AutoShutdown`](crate::AutoShutdown).
    pub significant: bool,
    /// What it is.
    pub kind: Kind,
    /// The device that it lives on: the id of a [`Kind::Device`] before it, or a name that
    /// [`Event::Available`](crate::Event::Available) says.
    pub device: Option<Arc<str>>,
    /// How long its restarts wait; at once if there is none.
    pub backoff: Option<Backoff>,
}

impl ChildSpec {
    /// A permanent worker with five seconds to stop.
    pub fn worker(id: impl Into<Arc<str>>) -> ChildSpec {
        ChildSpec {
            id: id.into(),
            restart: Restart::Permanent,
            shutdown: Shutdown::Timeout(Duration::from_secs(5)),
            significant: false,
            kind: Kind::Worker,
            device: None,
            backoff: None,
        }
    }

    /// A permanent supervisor with all the time it needs to stop.
    pub fn supervisor(id: impl Into<Arc<str>>) -> ChildSpec {
        ChildSpec { kind: Kind::Supervisor, shutdown: Shutdown::Infinity, ..ChildSpec::worker(id) }
    }

    /// A permanent device with five seconds to stop.
    pub fn device(id: impl Into<Arc<str>>) -> ChildSpec {
        ChildSpec { kind: Kind::Device, ..ChildSpec::worker(id) }
    }
}
