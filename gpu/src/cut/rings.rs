//! What is in the rings while the device stands still: copied then, read when there is time.

use std::sync::Arc;

use resident_kernels::wire::{OP_ASK_IN, OP_CALL, OP_CALL_DIRECT, OP_CAST, OP_EMIT, OP_TELL_IN, ReplyTo, ShardProgress};

use super::error::CutError;
use crate::fault::Class;
use crate::region::Region;
use crate::ring::{Copied, Corrupt, Frame};
use crate::rows::RowId;

/// How far a shard had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stand {
    /// Slots of its ring that it had handled, in all.
    pub consumed: u64,
    /// Slots that it had written to the host, in all.
    pub produced: u64,
    /// Frames that it had handled.
    pub handled: u64,
    /// Its hybrid logical clock.
    pub hlc: u64,
}

/// A message in a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The shard.
    pub shard: u32,
    /// The actor that it is for, or from.
    pub row: RowId,
    /// Index of the message within its kind; the type of what was emitted.
    pub message: u32,
    /// Its stamp.
    pub hlc: u64,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// The ends of a shard's rings that its application holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Slots written to the shard: the producer's position.
    pub pushed: u64,
    /// Slots read of what it writes: the consumer's position.
    pub fetched: u64,
}

/// The rings' ends that the application holds, while the device stands still.
pub trait Hold {
    /// Has every producer keep what is written from the slot on that `consumed` names for its shard ([`Producer::hold`]), and tells the
    /// positions of all ends: those of producers of one moment, at which no push is under way.
    ///
    /// [`Producer::hold`]: crate::ring::Producer::hold
    fn hold(&self, consumed: &[u64]) -> Vec<Ends>;

    /// What the producer of a shard keeps was noted.
    fn release(&self, shard: u32);
}

/// What was noted while the shards stood still.
#[derive(Default)]
pub(crate) struct Noted {
    shards: Vec<ShardProgress>,
    queued: Vec<Copied>,
    emitted: Vec<Copied>,
}

impl Noted {
    /// How far the shards have come and what is in the rings. Once `go_on` was called the shards may run again: what they write may be
    /// written anew then, what they read is held.
    pub(crate) fn take(region: &Arc<Region>, rings: &dyn Hold, go_on: impl FnOnce()) -> Noted {
        let shards: Vec<_> = (0..region.geometry().shards).map(|shard| region.progress(shard).snapshot()).collect();
        let consumed: Vec<_> = shards.iter().map(|progress| progress.ingress_head).collect();
        let ends = rings.hold(&consumed);
        let observers: Vec<_> = (0..region.geometry().shards).map(|shard| region.observers(shard)).collect();
        // What the consumer has given back may have been written over, whatever it has said of itself.
        let from = |shard: u32, ends: &Ends| ends.fetched.max(region.control(shard).given_back());
        let emitted = (0..).zip(&observers).zip(&ends).map(|((shard, (_, out)), ends)| out.copy(from(shard, ends), u64::MAX)).collect();
        go_on();
        let mut queued = Vec::with_capacity(shards.len());
        for (shard, (into, _)) in (0..).zip(&observers) {
            queued.push(into.copy(consumed[shard as usize], ends.get(shard as usize).map_or(0, |ends| ends.pushed)));
            rings.release(shard);
        }
        Noted { shards, queued, emitted }
    }

    /// The messages among it.
    pub(crate) fn read(self) -> Result<Rings, CutError> {
        let mut rings = Rings::default();
        let corrupt = |error: Corrupt| CutError::Refused { class: Class::Protocol, text: error.to_string() };
        for (shard, ((progress, queued), emitted)) in (0..).zip(self.shards.iter().zip(&self.queued).zip(&self.emitted)) {
            let message = |frame: &Frame<'_>, message| Queued {
                shard,
                row: RowId { row: frame.row, generation: frame.generation },
                message,
                hlc: frame.hlc,
                // Whom a reply goes to is left out, as in mail.
                payload: frame.payload.get(if frame.op == OP_ASK_IN { size_of::<ReplyTo>() } else { 0 }..).unwrap_or_default().to_vec(),
            };
            let is_message = |frame: &Frame<'_>| matches!(frame.op, OP_CAST | OP_CALL | OP_CALL_DIRECT | OP_TELL_IN | OP_ASK_IN);
            // A warp of the shard may have come further than another.
            let is_handled = |at, row| progress.passed.get((row % progress.warps.max(1)) as usize).is_some_and(|passed| at < *passed);
            let pending = |at, frame: &Frame<'_>| is_message(frame) && !is_handled(at, frame.row);
            queued
                .read(|at, frame| rings.queued.extend(pending(at, &frame).then(|| message(&frame, frame.message.into()))))
                .map_err(corrupt)?;
            let produced = emitted
                .read(|_, frame| rings.emitted.extend((frame.op == OP_EMIT).then(|| message(&frame, frame.correlation))))
                .map_err(corrupt)?;
            let (consumed, handled, hlc) = (progress.ingress_head, progress.handled, progress.hlc);
            rings.shards.push(Stand { consumed, produced, handled, hlc });
        }
        Ok(rings)
    }
}

/// The same, as a cut has it.
#[derive(Default)]
pub(crate) struct Rings {
    pub shards: Vec<Stand>,
    pub queued: Vec<Queued>,
    pub emitted: Vec<Queued>,
}
