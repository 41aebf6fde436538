//! What is recorded of an actor that failed.

use std::sync::Arc;

use resident_kernels::actor::Kind;
pub use resident_kernels::host::{FaultClass, GpuFault};

use crate::who::Who;

/// Who has failed, and where: an actor, or a member of a group, which is called as its group's actor.
pub(crate) struct Subject<'a> {
    pub kind: &'static Kind,
    pub who: &'a Who,
    pub device: &'a Arc<str>,
    /// Launches of that device's kernel.
    pub launches: u64,
}

impl Subject<'_> {
    /// Its fault, of which the state held `before` messages when the device's count began.
    pub(crate) fn fault(self, class: FaultClass, at: Option<At>, before: u64, text: String) -> GpuFault {
        let Subject { kind, who, device, launches } = self;
        let mut fault = GpuFault::new(class, kind, who.key, device.clone(), launches);
        fault.name = who.name.clone();
        fault.message = at.and_then(|at| kind.messages.get(at.message as usize)).map_or("", |info| info.name);
        fault.handled = before + at.map_or(0, |at| at.handled);
        fault.text = text;
        fault
    }
}

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
