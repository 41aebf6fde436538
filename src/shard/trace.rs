//! Spans of messages that are traced: from the ring of their shard to their answer.
//!
//! - **TR-1 (one in n)** Of the messages that a thread sends, the first one is traced and then each `n`th. With 0 none is, which costs a look
//!   at a field.
//! - **TR-2 (whole)** A span ends once: with its answer, where its shard has handled it and nobody waits, or with the device.
//!
//! A span is in the one that its sender is in, and has the stamp of its frame, which is above those of all that came before. Subscribers are told outside of all locks of a shard.

use std::cell::Cell;
use std::sync::Arc;

use resident_gpu::ring::Frame;
use resident_kernels::clock::micros;
use tracing::{Span, field, info_span};

use crate::clock;
use crate::shard::link::{Path, Recipient};

thread_local! {
    /// Messages that this thread has sent to whatever traces some.
    static SENT: Cell<u32> = const { Cell::new(0) };
}

/// Which messages of a device are traced, and what their spans have in common.
#[derive(Clone, Default)]
pub(crate) struct Tracer {
    /// One in so many; 0: none.
    every: u32,
    system: Option<Arc<str>>,
    device: Arc<str>,
}

impl Tracer {
    pub(crate) fn new(every: u32, system: Option<Arc<str>>, device: Arc<str>) -> Tracer {
        Tracer { every, system, device }
    }

    /// Whether the next message of this thread is traced.
    #[inline]
    pub(crate) fn takes(&self) -> bool {
        self.every != 0 && is_next(self.every)
    }

    /// It was not sent: the one after it is traced.
    pub(crate) fn again(&self) {
        SENT.set(SENT.get().wrapping_sub(1));
    }

    /// The span of a message that this thread sends.
    pub(crate) fn message(&self, shard: u32, to: &impl Recipient, message: u16, path: Path) -> Span {
        let (kind, id) = (to.kind(), to.row());
        info_span!(
            "message",
            system = self.system.as_deref(),
            device = &*self.device,
            shard,
            row = id.row,
            generation = id.generation,
            kind = kind.name,
            message = kind.messages.get(message as usize).map_or("", |info| info.name),
            path = path.name(),
            stamp = field::Empty,
            device_us = field::Empty,
            reply_us = field::Empty,
            end = field::Empty,
        )
    }

    /// Has `hand` hand on a frame that an actor has sent out of its device, within a span if it is traced.
    #[inline]
    pub(crate) fn outward<T>(&self, what: &'static str, shard: u32, frame: &Frame<'_>, hand: impl FnOnce() -> T) -> T {
        if !self.takes() {
            return hand();
        }
        info_span!(
            "outward",
            what,
            system = self.system.as_deref(),
            device = &*self.device,
            shard,
            row = frame.row,
            generation = frame.generation,
            stamp = frame.hlc,
            pump_us = since(frame.hlc),
        )
        .in_scope(hand)
    }
}

/// Counts a message of this thread; whether it is the one in `every`.
fn is_next(every: u32) -> bool {
    SENT.replace(SENT.get().wrapping_add(1)).is_multiple_of(every)
}

/// Microseconds since a stamp.
fn since(stamp: u64) -> u64 {
    clock::micros().saturating_sub(micros(stamp))
}

/// The span of a message that is on its way, with its stamp.
pub(crate) struct Traced {
    span: Span,
    stamp: u64,
}

impl Traced {
    /// The message of `span` has been sent.
    pub(crate) fn new(span: Span, stamp: u64) -> Traced {
        Traced { span, stamp }
    }

    /// Tells subscribers the stamp, where no lock is held.
    pub(crate) fn sent(self) -> Traced {
        self.span.record("stamp", self.stamp);
        self
    }

    /// Nobody waits for its answer, or there is none: how it has ended.
    pub(crate) fn ends(self, how: &'static str) {
        self.span.record("end", how);
    }

    /// Its answer has come, stamped `answered` by the device, if that stamp is of now: has `hear` hear it within the span.
    fn hears(self, how: &'static str, answered: Option<u64>, hear: impl FnOnce()) {
        self.span.record("stamp", self.stamp);
        if let Some(answered) = answered {
            self.span.record("device_us", micros(answered).saturating_sub(micros(self.stamp)));
            self.span.record("reply_us", since(answered));
        }
        self.span.in_scope(hear);
        self.ends(how);
    }
}

/// Has `hear` hear the answer to a message, within the message's span if it is traced.
#[inline]
pub(crate) fn within(traced: Option<Box<Traced>>, how: &'static str, answered: Option<u64>, hear: impl FnOnce()) {
    match traced {
        None => hear(),
        Some(traced) => traced.hears(how, answered, hear),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TR-1.
    #[test]
    fn one_in_n_is_traced_of_each_thread() {
        let taken = |every: u32, of: usize| {
            std::thread::spawn(move || {
                let tracer = Tracer::new(every, None, "cpu:0".into());
                (0..of).filter(|_| tracer.takes()).collect::<Vec<_>>()
            })
            .join()
            .unwrap()
        };
        assert!(taken(0, 100).is_empty());
        assert_eq!(taken(1, 3), [0, 1, 2]);
        assert_eq!(taken(4, 10), [0, 4, 8]);
        let (rare, all) = (Tracer::new(1000, None, "cpu:0".into()), Tracer::new(1, None, "cpu:1".into()));
        assert!(rare.takes() && all.takes() && !rare.takes());
        all.again();
        assert!(all.takes() && !rare.takes());
    }
}
