//! Messages on their way from actor to actor, as a cut has found them in the device's mailboxes.

use resident_kernels::wire::{OP_ASK, OP_VOID, ROW_INBOX, ReplyTo};

use super::error::CutError;
use super::rings::Queued;
use crate::fault::Class;
use crate::mailboxes::Mailboxes;
use crate::ring::Copied;
use crate::rows::RowId;

/// What a cut has of one inbox or outbox.
pub(crate) struct Mail {
    /// The shard whose it is.
    pub shard: u32,
    /// Which of the two, `ROW_INBOX` or `ROW_OUTBOX`.
    pub status: u32,
    /// Index of its first slot.
    pub first: u64,
    /// Its slots.
    pub bytes: Vec<u8>,
}

impl Mail {
    /// The messages in it, in their order. Of one that asks, whom its reply goes to is left out: nobody waits for it once it is handled by
    /// another system.
    pub(crate) fn read(&self, mailboxes: &Mailboxes, into: &mut Vec<Queued>) -> Result<(), CutError> {
        let is_inbox = self.status == u32::from(ROW_INBOX);
        let log2 = if is_inbox { mailboxes.inbox_log2 } else { mailboxes.outbox_log2 };
        let copied = Copied::of(&self.bytes, self.first, log2);
        let message = |frame: &crate::ring::Frame<'_>| Queued {
            // In an outbox, a frame's target stands where others have a reply's tag.
            shard: if is_inbox { self.shard } else { frame.reply_tag.into() },
            row: RowId { row: frame.row, generation: frame.generation },
            message: frame.message.into(),
            hlc: frame.hlc,
            payload: frame.payload.get(if frame.op == OP_ASK { size_of::<ReplyTo>() } else { 0 }..).unwrap_or_default().to_vec(),
        };
        let corrupt = |error: crate::ring::Corrupt| CutError::Refused { class: Class::Protocol, text: error.to_string() };
        copied.read(|_, frame| into.extend((frame.op != OP_VOID).then(|| message(&frame)))).map_err(corrupt).map(drop)
    }
}
