//! What can go wrong: one enum per operation, each text says what to do next.

use std::error::Error as AnyError;
use std::fmt;
use std::time::Duration;

use resident_gpu::arena::ArenaError;
use resident_gpu::device::DeviceFault;
use resident_gpu::region::FORKED;
use resident_host::explain;
use resident_kernels::host::NoReply;
use resident_kernels::wire;
use thiserror::Error;

use crate::config::DevicesError;
use crate::fault::GpuFault;
use crate::who::ActorKey;

/// Why a system did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A device did not start; none runs then.
    #[error(transparent)]
    Device(#[from] resident_gpu::device::StartError),
    /// `Config::devices` cannot be the devices of one system.
    #[error(transparent)]
    Devices(#[from] DevicesError),
    /// `Config::pump` asks for no thread.
    #[error("`pump.threads` is 0: nobody would fetch replies; use 1 or more")]
    NoPump,
    /// The operating system gave no thread, for the start or for a pump.
    #[error("no thread for the start or a pump: {}", explain(.0, "start it again"))]
    Thread(#[source] std::io::Error),
    /// The device's own actor did not start.
    #[error("the device's actor did not start: {0}")]
    Actor(#[source] Box<dyn AnyError + Send + Sync>),
    /// There is no tokio runtime here, or one without timers.
    #[error(
        "there is no tokio runtime with timers here: start a system within the one that is to run its actors (`#[tokio::main]`, \
         `Runtime::block_on`), built with `enable_all` or `enable_time`"
    )]
    Runtime,
    /// The runtime's time is paused, so whatever waits for the device would time out at once.
    #[error(
        "the runtime's time is paused (`start_paused`, `tokio::time::pause`), in which a wait for the device is over before it has begun: \
         `tokio::time::resume()` before the start, and leave it running while the system runs"
    )]
    Paused,
}

/// Why an actor was not spawned.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// Another actor has the name.
    #[error("the name `{0}` is taken by a living actor: choose another, or wait until that one has stopped")]
    Name(String),
    /// The device does not know the kind.
    #[error("kind `{0}` is not exported: name it in its crate's `export!`, and depend on that crate")]
    Kind(&'static str),
    /// Every row of every shard is taken.
    #[error("all {shards} shards of {rows} rows each are full: stop actors, or start with more `rows` or `shards`")]
    Rows {
        /// Shards.
        shards: u32,
        /// Rows of each.
        rows: u32,
    },
    /// There are fewer free rows than members of a group.
    #[error("{wanted} members need as many rows, {free} are free: stop actors, or start with more `rows` or `shards`")]
    Members {
        /// Members.
        wanted: usize,
        /// Rows that nobody has.
        free: usize,
    },
    /// Two members of a group have the same key.
    #[error("member {position} has the key of one before it: give each member a key of its own")]
    Duplicate {
        /// The second one's position among the members, from 0.
        position: usize,
    },
    /// No room for the state.
    #[error(transparent)]
    State(#[from] ArenaError),
    /// There is no device where it is to be placed.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// The system is stopping or has stopped.
    #[error("the system has stopped: start another")]
    Stopped,
    /// The device has failed.
    #[error("the device has failed: {0}")]
    Lost(DeviceFault),
    /// This process is a child that was forked from the system's.
    #[error("{FORKED}")]
    Forked,
    /// There is no tokio runtime here, in which the actor's proxy would run.
    #[error(
        "there is no tokio runtime here for the actor's proxy: spawn within one (`#[tokio::main]`, `Runtime::block_on`, `Handle::enter`)"
    )]
    Runtime,
    /// The framework refused, and says why: the supervisor is shutting down, or the actor was killed while it started. Of ractor it is a
    /// `SpawnErr`.
    #[error(transparent)]
    Framework(Box<dyn AnyError + Send + Sync>),
}

impl SpawnError {
    /// Whether another device of the system may take the actor.
    pub(crate) fn is_of_one_device(&self) -> bool {
        matches!(
            self,
            SpawnError::Rows { .. } | SpawnError::Members { .. } | SpawnError::State(_) | SpawnError::Lost(_) | SpawnError::Stopped
        )
    }

    /// Why none of several devices takes the actor: the devices before this one did not since `before`.
    pub(crate) fn behind(self, before: Option<SpawnError>) -> SpawnError {
        match (before, self) {
            (Some(SpawnError::Rows { shards, .. }), SpawnError::Rows { shards: more, rows }) => {
                SpawnError::Rows { shards: shards + more, rows }
            }
            (Some(SpawnError::Members { free: most, .. }), SpawnError::Members { wanted, free }) => {
                SpawnError::Members { wanted, free: free.max(most) }
            }
            (None | Some(SpawnError::Lost(_) | SpawnError::Stopped), this) => this,
            (Some(before), _) => before,
        }
    }
}

/// Why no device is where a [`Placement`](crate::Placement) asks for one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlacementError {
    /// The system has fewer devices.
    #[error("there is no device {device}, counted from 0: the system has {there}; name one of these, or start with more `devices`")]
    NoDevice {
        /// The place that was asked for.
        device: usize,
        /// The devices that there are.
        there: String,
    },
    /// The actor to be near is on none of the devices.
    #[error("actor {actor} is on no device of this system, which has {there}: it has ended, or is another system's; name a device")]
    NoActor {
        /// The actor.
        actor: ActorKey,
        /// The devices that there are.
        there: String,
    },
}

/// Why an actor that a handler has spawned was not [adopted](crate::System::adopt).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// Nobody of this kind is at the address.
    #[error("no actor of this kind is at the address any more: it has ended, or the address is of another system")]
    Nobody,
    /// A member of a group is there.
    #[error("a member of a group is at the address: use `GpuGroup::member`")]
    Member,
    /// It failed meanwhile.
    #[error("it failed before it was adopted{}", .0.as_ref().map(|fault| format!(": {fault}")).unwrap_or_default())]
    Failed(Option<Box<GpuFault>>),
    /// Its proxy did not start.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

/// Why a message was not sent. It comes back in the error.
#[derive(Error)]
#[non_exhaustive]
pub enum CastError<M> {
    /// The shard's ring has no room.
    #[error("the shard's ring is full: wait with `send`, or start with a larger `capacity`")]
    Full(M),
    /// The actor takes no messages any more: it stops, drains, has stopped or has failed.
    #[error("the actor has stopped: spawn it again, or look it up by its name")]
    Stopped(M),
    /// The device has failed or was stopped.
    #[error("the device no longer runs: start another system")]
    Lost(M),
    /// The [group](crate::GpuGroup) has no member with this key.
    #[error("the group has no such member: `insert` it first")]
    Unknown(M),
    /// The member of a [group](crate::GpuGroup) has failed.
    #[error("{1}; `restart` the member, or `remove` it")]
    Failed(M, Box<GpuFault>),
    /// This process is a child that was forked from the system's.
    #[error("{FORKED}")]
    Forked(M),
}

impl<M> CastError<M> {
    /// The message.
    pub fn into_message(self) -> M {
        match self {
            CastError::Full(msg) | CastError::Stopped(msg) | CastError::Lost(msg) | CastError::Unknown(msg) => msg,
            CastError::Failed(msg, _) | CastError::Forked(msg) => msg,
        }
    }

    /// The message, and why it was not sent.
    pub(crate) fn split(self) -> (M, CastError<()>) {
        match self {
            CastError::Full(msg) => (msg, CastError::Full(())),
            CastError::Stopped(msg) => (msg, CastError::Stopped(())),
            CastError::Lost(msg) => (msg, CastError::Lost(())),
            CastError::Unknown(msg) => (msg, CastError::Unknown(())),
            CastError::Failed(msg, fault) => (msg, CastError::Failed((), fault)),
            CastError::Forked(msg) => (msg, CastError::Forked(())),
        }
    }

    /// The same for another message.
    pub(crate) fn map<N>(self, other: impl FnOnce(M) -> N) -> CastError<N> {
        match self {
            CastError::Full(msg) => CastError::Full(other(msg)),
            CastError::Stopped(msg) => CastError::Stopped(other(msg)),
            CastError::Lost(msg) => CastError::Lost(other(msg)),
            CastError::Unknown(msg) => CastError::Unknown(other(msg)),
            CastError::Failed(msg, fault) => CastError::Failed(other(msg), fault),
            CastError::Forked(msg) => CastError::Forked(other(msg)),
        }
    }

    /// Whether another try may succeed.
    pub fn is_full(&self) -> bool {
        matches!(self, CastError::Full(_))
    }
}

impl<M> fmt::Debug for CastError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CastError::Full(_) => "Full",
            CastError::Stopped(_) => "Stopped",
            CastError::Lost(_) => "Lost",
            CastError::Unknown(_) => "Unknown",
            CastError::Failed(..) => "Failed",
            CastError::Forked(_) => "Forked",
        })
    }
}

/// Why a call got no answer at all.
///
/// Inside ractor's `call!` it becomes a `RactorErr`: a fault as `RactorErr::Actor(ActorErr::Failed(..))`, which holds the [`GpuFault`].
#[derive(Error)]
#[non_exhaustive]
pub enum CallError<M> {
    /// The call was not sent; the message is in the error.
    #[error(transparent)]
    Unsent(CastError<M>),
    /// The actor failed before it answered.
    #[error(transparent)]
    Failed(Box<GpuFault>),
    /// The actor has stopped or was killed before it answered, without a fault. A [`GpuRef`](crate::GpuRef) says so by `SenderError`.
    #[error("the actor has stopped before it answered: spawn it again, or look it up by its name")]
    Stopped,
    /// The device refused the call.
    #[error("the device refused the call: {0}")]
    Refused(Refusal),
    /// The device was stopped before the actor answered.
    #[error("the device has stopped before the actor answered: start another system")]
    Lost,
}

impl<M> CallError<M> {
    pub(crate) fn of(why: NoReply) -> CallError<M> {
        match why {
            NoReply::Failed(fault) => CallError::Failed(fault),
            NoReply::Refused(reason) => Refusal::from_wire(reason).map_or(CallError::Stopped, CallError::Refused),
            NoReply::Lost => CallError::Lost,
        }
    }
}

impl<M> fmt::Debug for CallError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Unsent(error) => f.debug_tuple("Unsent").field(error).finish(),
            CallError::Failed(fault) => f.debug_tuple("Failed").field(fault).finish(),
            CallError::Stopped => f.write_str("Stopped"),
            CallError::Refused(refusal) => f.debug_tuple("Refused").field(refusal).finish(),
            CallError::Lost => f.write_str("Lost"),
        }
    }
}

/// Why [`ask`](crate::Handle::ask) or a [`Pipeline`](crate::Pipeline) got no reply.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// The shard's ring has no room; nothing was sent.
    #[error("the shard's ring is full: ask again, or start with a larger `capacity`")]
    Full,
    /// The pipeline's window is full; nothing was sent.
    #[error("all {0} requests of the pipeline's window are in flight: take a reply with `next`, or make the window larger")]
    Window(usize),
    /// Nothing is in flight.
    #[error("no request is in flight: `submit` one first")]
    Idle,
    /// All reply lines are taken; nothing was sent.
    #[error("no free reply lines: fewer callers or smaller windows, or start with more `reply_lines`")]
    NoReplyLine,
    /// The actor belongs to another system than the pipeline; nothing was sent.
    #[error("the actor is on another system than this pipeline: make a pipeline for its system")]
    OtherSystem,
    /// The actor is on another device than the requests that are in flight; nothing was sent.
    #[error(
        "the pipeline has requests in flight on another device: take their replies with `next` first, or have a pipeline for each device"
    )]
    OtherDevice,
    /// The [group](crate::GpuGroup) has no member with this key; nothing was sent.
    #[error("the group has no such member: `insert` it first")]
    Unknown,
    /// The actor has stopped before it handled the request.
    #[error("the actor has stopped: spawn it again, or look it up by its name")]
    Stopped,
    /// The actor failed.
    #[error(transparent)]
    Failed(Box<GpuFault>),
    /// The device refused the request.
    #[error("the device refused the request: {0}")]
    Refused(Refusal),
    /// No reply in time. The request may still be handled.
    #[error("no reply within {0:?}: the handler is slow or its shard is busy; allow more time or use more shards")]
    Timeout(Duration),
    /// The device has failed or was stopped.
    #[error("the device no longer runs: {0}; start another system")]
    Lost(String),
    /// This process is a child that was forked from the system's; nothing was sent by it.
    #[error("{FORKED}")]
    Forked,
}

impl AskError {
    pub(crate) fn of(why: NoReply) -> AskError {
        match why {
            NoReply::Failed(fault) => AskError::Failed(fault),
            NoReply::Refused(reason) => Refusal::from_wire(reason).map_or(AskError::Stopped, AskError::Refused),
            NoReply::Lost => AskError::Lost("it was stopped".into()),
        }
    }
}

/// Why the device refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The kind has no such message, or the message another size.
    #[error("its kind has no such message of this size; rebuild the handler crate for host and GPU from the same source")]
    Message,
    /// The frame violates the protocol.
    #[error("the frame violates the protocol; something else writes to the shared memory, start the system again")]
    Protocol,
    /// A reason that this version does not know.
    #[error("reason {0}; use the same version of resident on both sides")]
    Unknown(u16),
}

impl Refusal {
    /// The refusal of this reason; `None` if it only says that the actor has gone.
    fn from_wire(reason: u16) -> Option<Refusal> {
        match reason {
            wire::REFUSED_STALE | wire::REFUSED_FAILED => None,
            wire::REFUSED_MESSAGE => Some(Refusal::Message),
            wire::REFUSED_PROTOCOL => Some(Refusal::Protocol),
            other => Some(Refusal::Unknown(other)),
        }
    }
}

/// Why a [group](crate::GpuGroup) did not do to a member what it was told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MemberError {
    /// No member has this key.
    #[error("the group has no such member: `insert` it first")]
    Unknown,
    /// A member has this key.
    #[error("the group has a member with this key: `remove` it first, or `restart` it if it has failed")]
    Taken,
    /// The member has not failed.
    #[error("the member has not failed: `remove` it, and `insert` it again")]
    Running,
    /// The member has failed.
    #[error("{0}; `restart` the member first")]
    Failed(Box<GpuFault>),
    /// The group has stopped.
    #[error("the group has stopped: spawn another")]
    Stopped,
    /// There is no place for it.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

/// Why a route was not made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouteError {
    /// Two types of emitted messages have the same number on the wire.
    #[error("`{new}` has the same number on the wire as `{old}`, which is routed already: rename one of them")]
    Collision {
        /// The type routed before.
        old: &'static str,
        /// The type refused.
        new: &'static str,
    },
    /// This process is a child that was forked from the system's.
    #[error("{FORKED}")]
    Forked,
    /// There is no tokio runtime here that could wait for a receiver that is full.
    #[error("there is no tokio runtime here to wait for a receiver that is full: make the route within one, as on an arbiter")]
    Runtime,
}

/// Why a caller could not change from the mailbox to the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FenceError {
    /// The actor has stopped.
    #[error("the actor has stopped: spawn it again, or look it up by its name")]
    Stopped,
    /// This process is a child that was forked from the system's.
    #[error("{FORKED}")]
    Forked,
}
