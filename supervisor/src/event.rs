//! What a supervisor is told, and what it answers.

use crate::{AdminError, ChildSpec, End, Exit, Flags};
use std::sync::Arc;
use std::time::Duration;

/// A child of a supervisor, over all its incarnations. Keys rise in the order in which children were added, which is
/// the order in which they start; none is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChildKey(pub(crate) u64);

/// One incarnation of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Child {
    /// The child.
    pub key: ChildKey,
    /// Raised with every start; never 0.
    pub incarnation: u64,
}

/// What the carrier calls a request, so that it finds the asker of a [`Reply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What happened. Events of an incarnation that is no longer, and those that come a second time, change nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<C> {
    /// Start the children; sent first.
    Boot,
    /// Stop the children, then exit.
    Shutdown,
    /// How an [`Action::Start`] went.
    Started {
        /// Who.
        child: Child,
        /// How it went.
        outcome: Outcome<C>,
    },
    /// A child is gone and all it held is released. Sent for every child that ran, be it asked to stop or not, and for
    /// one whose start was stopped. Before `Started` it says that the child had started and ended since.
    Exited {
        /// Who.
        child: Child,
        /// How it ended.
        exit: Exit,
        /// Why, for whoever the supervisor escalates to.
        cause: C,
    },
    /// A device that is no child of this supervisor is there again after a loss; once for each loss.
    Available {
        /// Its name, as in [`ChildSpec::device`].
        device: Arc<str>,
    },
    /// The time of an [`Action::Wake`] has come.
    Wake {
        /// The time that it said.
        at: Duration,
    },
    /// Somebody asks for a change; an [`Action::Reply`] answers.
    Request {
        /// What the carrier calls it.
        id: RequestId,
        /// What is asked for.
        request: Request,
    },
}

/// How a start went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<C> {
    /// It runs.
    Running,
    /// It chose not to run; its specification is kept unless it is temporary.
    Ignored,
    /// It failed, and nothing of it is left.
    Failed(C),
    /// It failed because its device is lost for good, and nothing of it is left.
    Lost(C),
}

/// A change somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Add a child after the last one and start it.
    StartChild(ChildSpec),
    /// Stop a child; keep its specification unless it is temporary or the supervisor dynamic. Also answered with
    /// [`Reply::Done`] if it is stopped already.
    TerminateChild(Target),
    /// Start a child that has stopped.
    RestartChild(Target),
    /// Forget a child that has stopped.
    DeleteChild(Target),
    /// Go on with other settings. A dynamic supervisor stays one, and no other becomes one.
    Reconfigure(Flags),
}

/// Whom a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By its id; not under a dynamic supervisor.
    Id(Arc<str>),
    /// By its key.
    Key(ChildKey),
}

impl From<&str> for Target {
    fn from(id: &str) -> Target {
        Target::Id(id.into())
    }
}

impl From<ChildKey> for Target {
    fn from(key: ChildKey) -> Target {
        Target::Key(key)
    }
}

/// What a request that was granted came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The child runs.
    Started(Child),
    /// The child chose not to run.
    Ignored,
    /// It is done.
    Done,
}

/// Which start it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Start {
    /// The child's first.
    First,
    /// Another one, with a fresh state.
    Again,
    /// Another one, with the state that the failed incarnation left ([`Directive::Resume`](crate::Directive::Resume)).
    Resume,
}

/// What the carrier is to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<C> {
    /// Start a child, and send [`Event::Started`] when that is over; do not wait for it. Its last incarnation is gone.
    Start {
        /// Who, as a new incarnation.
        child: Child,
        /// Which start it is.
        start: Start,
    },
    /// Ask a child to stop, or give up its start if that is still under way; [`Event::Exited`] says that it is gone.
    Stop {
        /// Who.
        child: Child,
        /// Whether it empties its mailbox first.
        drain: bool,
    },
    /// Kill a child, or its start if that is still under way; [`Event::Exited`] says that it is gone.
    Kill {
        /// Who.
        child: Child,
    },
    /// Report that a child is still there though it was killed. Should it go after all, [`Event::Exited`] says so.
    Zombie {
        /// Who.
        child: Child,
    },
    /// No start follows the last incarnation by itself: what outlives incarnations (a name, a mailbox) ends now.
    Retire {
        /// Who.
        child: ChildKey,
        /// Whether the child is forgotten, so that what starts it can go too.
        forget: bool,
    },
    /// A [`Request::StartChild`] has become a child, whose start or reply follows; keep what starts it.
    Accept {
        /// The request.
        request: RequestId,
        /// The child.
        child: ChildKey,
    },
    /// Answer a request.
    Reply {
        /// The request.
        request: RequestId,
        /// The answer.
        reply: Result<Reply, AdminError<C>>,
    },
    /// Send [`Event::Wake`] with this time when it has come. Never needs to be taken back.
    Wake {
        /// When, on the scale of `now`.
        at: Duration,
    },
    /// Every child has started: the supervisor has.
    Ready,
    /// Exit: every child is gone or was reported a zombie. Nothing follows but refusals of requests. Before [`Ready`](Action::Ready), the
    /// supervisor's start has failed.
    Exit(End<C>),
}
