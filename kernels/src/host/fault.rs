//! Why an actor failed, as its callers and its supervisor hear it. It stands here since a framework's message types name it as their result.

use core::error::Error;
use core::fmt;
use core::mem::size_of;
use std::string::String;
use std::sync::Arc;

use super::ActorKey;
use crate::actor::{Actor, Kind};
use crate::wire;

/// Why an actor failed.
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
    /// The actor's state, where it could still be read: that of the message before, or, if it has more than 256 bytes, what the one that
    /// failed has left. See [`state`](Self::state).
    pub state: Option<Arc<[u8]>>,
    /// Digest of the kind, so that `state` is read as nothing else.
    #[doc(hidden)]
    pub fingerprint: u64,
    /// Another incarnation of the actor has begun: this is told to who monitors it, and no news to its guardian.
    #[doc(hidden)]
    pub in_place: bool,
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

// What `resident` alone asks of a class.
#[doc(hidden)]
impl FaultClass {
    /// Every class.
    pub const ALL: [FaultClass; 12] = [
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
    pub fn from_wire(class: u16) -> Option<FaultClass> {
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
    pub fn is_a_loss(self) -> bool {
        matches!(self, Self::Trap | Self::IllegalAddress | Self::Hang | Self::Worker)
    }

    /// Whether others fail by the same: it is nothing that links tell of.
    pub fn comes_from_elsewhere(self) -> bool {
        matches!(self, Self::Linked | Self::DeviceLost)
    }

    /// The class as a metric's label.
    pub fn label(self) -> &'static str {
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

impl GpuFault {
    /// A fault of an actor of this kind, on a device whose kernel was launched so many times. What is known besides goes into its fields.
    #[doc(hidden)]
    pub fn new(class: FaultClass, kind: &Kind, actor: ActorKey, device: Arc<str>, incarnation: u64) -> GpuFault {
        GpuFault {
            class,
            kind: kind.name,
            actor,
            name: None,
            message: "",
            handled: 0,
            text: String::new(),
            device,
            incarnation,
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
