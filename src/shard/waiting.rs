//! What waits for the answer to a frame, and which answer belongs to it.

use std::time::Instant;

use resident_gpu::ring::Frame;
use resident_gpu::rows::RowId;
use resident_kernels::host::{Answer, End};
use resident_kernels::wire::{OP_READ, OP_REPLY};
use tokio::sync::oneshot;

use crate::shard::trace::Traced;

/// What waits for the answer to a frame.
pub(crate) struct Waiting {
    pub answer: Answer,
    /// Whom the frame was for.
    pub id: RowId,
    pub expects: Expects,
}

/// What the device answers, unless it refuses.
pub(crate) enum Expects {
    /// The reply to a call.
    Reply(Call),
    /// Bytes of a state.
    State,
    /// That it is done.
    Done,
}

/// A call on its way.
pub(crate) struct Call {
    /// Bytes of the reply.
    pub bytes: u32,
    pub kind: u32,
    pub since: Instant,
    pub traced: Option<Box<Traced>>,
}

impl Waiting {
    /// What waits for the answer to a frame that is no message.
    pub(crate) fn of(op: u16, id: RowId, answer: Answer) -> Waiting {
        Waiting { answer, id, expects: if op == OP_READ { Expects::State } else { Expects::Done } }
    }
}

impl Expects {
    /// Whether `frame`, which is no refusal and no fault, may be the answer; an error says what the device can not have meant.
    #[inline]
    pub(crate) fn check(&self, frame: &Frame<'_>) -> Result<(), String> {
        match self {
            Expects::Reply(call) if frame.op == OP_REPLY && frame.payload.len() != call.bytes as usize => {
                Err(format!("a reply of {} bytes where {} belong", frame.payload.len(), call.bytes))
            }
            Expects::Reply(_) | Expects::State if frame.op == OP_REPLY => Ok(()),
            Expects::Reply(_) | Expects::State => Err("an acknowledgement where a reply belongs".into()),
            Expects::Done if frame.op == OP_REPLY => Err("a reply where an acknowledgement belongs".into()),
            Expects::Done => Ok(()),
        }
    }
}

/// The answer to a fence, behind everything sent before it. Where it does not pass, `done` is dropped.
pub(crate) fn fence(done: oneshot::Sender<()>) -> Answer {
    Answer::new(|end: End<'_>| {
        if end.is_ok() {
            // Who waited may have given up.
            let _ = done.send(());
        }
    })
}

/// The answer to a frame after which nobody needs `held` any more, whatever became of it.
pub(crate) fn holding(held: impl Send + 'static) -> Answer {
    Answer::new(|_: End<'_>| drop(held))
}
