//! What a supervisor and a caller hear of an actor that failed.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use resident_kernels::actor::{Actor, Kind};
use resident_kernels::wire;

use crate::who::{ActorKey, Who};

/// Why an actor failed. A supervisor finds it in `ActorFailed`:
///
/// ```
/// # use ractor::SupervisionEvent;
/// use resident::{FaultClass, GpuFault};
///
/// fn is_panic(event: &SupervisionEvent) -> bool {
///     match event {
///         SupervisionEvent::ActorFailed(_, error) => {
///             error.downcast_ref::<GpuFault>().is_some_and(|fault| fault.class == FaultClass::Panic)
///         }
///         _ => false,
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GpuFault {
    /// What went wrong.
    pub class: FaultClass,
    /// The actor's kind.
    pub kind: &'static str,
    /// The actor.
    pub actor: ActorKey,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// The message being handled; empty if it failed outside a handler.
    pub message: &'static str,
    /// Messages it had handled before.
    pub handled: u64,
    /// The panic's message and location, or the reason given to `Ctx::fail`.
    pub text: String,
    /// The device it was on.
    pub device: Arc<str>,
    /// How many times that device's kernel had been launched: the device's incarnation, not the actor's.
    pub incarnation: u64,
    /// The actor's state as it was when it failed, where it could still be read; see [`state`](Self::state).
    pub state: Option<Arc<[u8]>>,
    /// Digest of the kind, so that `state` is read as nothing else.
    pub(crate) fingerprint: u64,
    /// Another incarnation of the actor has begun: this is told to who monitors it, and no news to its guardian.
    pub(crate) in_place: bool,
}

/// Classes of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultClass {
    /// The handler panicked.
    Panic,
    /// The handler called `Ctx::fail`.
    Failed,
    /// The handler emitted more than a frame holds.
    Emit,
    /// The handler sent more to other actors than its shard's outbox holds.
    Outbox,
    /// The handler spawned more than its shard's nursery had places for, or a state too large for one.
    Nursery,
    /// One that the actor was linked to failed or was killed, or was not there.
    Linked,
    /// The device refused the actor.
    Refused,
    /// The device trapped while the actor handled a message.
    Trap,
    /// The device accessed an illegal address meanwhile.
    IllegalAddress,
    /// The handler did not come to its end within its kind's budget, or the actor did not stop in time.
    Hang,
    /// The device's worker was killed while the actor handled a message.
    Worker,
    /// The device failed, and with it all its actors.
    DeviceLost,
}

impl FaultClass {
    /// Every class.
    pub(crate) const ALL: [FaultClass; 12] = [
        Self::Panic,
        Self::Failed,
        Self::Emit,
        Self::Outbox,
        Self::Nursery,
        Self::Linked,
        Self::Refused,
        Self::Trap,
        Self::IllegalAddress,
        Self::Hang,
        Self::Worker,
        Self::DeviceLost,
    ];

    /// The class of a fault frame; `None` if there is no such.
    pub(crate) fn from_wire(class: u16) -> Option<FaultClass> {
        match class {
            wire::FAULT_PANIC => Some(Self::Panic),
            wire::FAULT_FAILED => Some(Self::Failed),
            wire::FAULT_EMIT => Some(Self::Emit),
            wire::FAULT_TRAP => Some(Self::Trap),
            wire::FAULT_ADDRESS => Some(Self::IllegalAddress),
            wire::FAULT_OUTBOX => Some(Self::Outbox),
            wire::FAULT_NURSERY => Some(Self::Nursery),
            wire::FAULT_HANG => Some(Self::Hang),
            wire::FAULT_WORKER => Some(Self::Worker),
            _ => None,
        }
    }

    /// Whether it came with the loss of a worker: the message may do better the next time.
    pub(crate) fn is_a_loss(self) -> bool {
        matches!(self, Self::Trap | Self::IllegalAddress | Self::Hang | Self::Worker)
    }

    /// Whether others fail by the same: it is nothing that links tell of.
    pub(crate) fn comes_from_elsewhere(self) -> bool {
        matches!(self, Self::Linked | Self::DeviceLost)
    }

    /// The class as a metric's label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Failed => "failed",
            Self::Emit => "emit",
            Self::Outbox => "outbox",
            Self::Nursery => "nursery",
            Self::Linked => "linked",
            Self::Refused => "refused",
            Self::Trap => "trap",
            Self::IllegalAddress => "illegal_address",
            Self::Hang => "hang",
            Self::Worker => "worker",
            Self::DeviceLost => "device_lost",
        }
    }
}

impl fmt::Display for FaultClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panic => "panicked",
            Self::Failed => "failed",
            Self::Emit => "emitted too much",
            Self::Outbox => "sent more to other actors than its shard's outbox holds",
            Self::Nursery => "spawned more than its shard's nursery has places for",
            Self::Linked => "was linked to one that failed",
            Self::Refused => "was refused by the device",
            Self::Trap => "trapped",
            Self::IllegalAddress => "accessed an illegal address",
            Self::Hang => "did not come to an end in time",
            Self::Worker => "lost its worker",
            Self::DeviceLost => "lost its device",
        })
    }
}

/// Who has failed, and where: an actor, or a member of a group, which is called as its group's actor.
pub(crate) struct Subject<'a> {
    pub kind: &'static Kind,
    pub who: &'a Who,
    pub device: &'a Arc<str>,
    /// Launches of that device's kernel.
    pub launches: u64,
}

impl GpuFault {
    /// A fault of which the state held `before` messages when the device's count began.
    pub(crate) fn new(of: Subject<'_>, class: FaultClass, at: Option<At>, before: u64, text: String) -> GpuFault {
        let Subject { kind, who, device, launches } = of;
        GpuFault {
            class,
            kind: kind.name,
            actor: who.key,
            name: who.name.clone(),
            message: at.and_then(|at| kind.messages.get(at.message as usize)).map_or("", |info| info.name),
            handled: before + at.map_or(0, |at| at.handled),
            text,
            device: device.clone(),
            incarnation: launches,
            state: None,
            fingerprint: kind.fingerprint,
            in_place: false,
        }
    }

    /// The actor's state when it failed, if it was read and belongs to an `A`.
    pub fn state<A: Actor>(&self) -> Option<A> {
        let bytes = self.state.as_deref()?;
        (self.fingerprint == A::KIND.fingerprint && bytes.len() == size_of::<A>()).then(|| A::decode(bytes))
    }
}

impl fmt::Display for GpuFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "actor `{name}` ({}) {}", self.kind, self.class)?,
            None => write!(f, "actor {} ({}) {}", self.actor, self.kind, self.class)?,
        }
        if !self.message.is_empty() {
            write!(f, " while handling `{}`", self.message)?;
        }
        write!(f, " after {} messages, on {}", self.handled, self.device)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

impl Error for GpuFault {}

/// Where an actor failed, in its device's words.
#[derive(Clone, Copy)]
pub(crate) struct At {
    /// Index of the message that was being handled.
    pub message: u32,
    /// Messages that this incarnation had handled before.
    pub handled: u64,
}

/// A message that its actor did not finish, because the device failed under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Returned {
    /// Its index within the kind.
    pub message: u16,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// The message that an actor failed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Messages handled before it, over all incarnations.
    pub handled: u64,
    /// It is tried once more.
    pub again: bool,
}
