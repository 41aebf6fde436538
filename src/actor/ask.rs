//! Waiting on a reply line: the caller watches it itself, so nobody stands between it and the device.

use std::cell::RefCell;
use std::hint::spin_loop;
use std::sync::Arc;
use std::thread::{available_parallelism, yield_now};
use std::time::{Duration, Instant};

use resident_gpu::replies::{ReplyLines, ReplySlot, lines_for};
use resident_gpu::rows::RowId;
use resident_kernels::actor::{Handles, Message};
use resident_kernels::host::NoReply;
use resident_kernels::plain::Plain;
use resident_kernels::wire::{OP_BLAMED, OP_FAULT, OP_REPLY, REFUSED_FAILED, REFUSED_STALE};

use crate::actor::home::Home;
use crate::actor::incarnation::Incarnation;
use crate::clock;
use crate::device::core::Core;
use crate::error::AskError;
use crate::shard::link::{Path, Unsent};
use crate::shard::port::Port;

/// Looks before the first look at the clock: a few microseconds.
const LOOKS: u32 = 2000;
/// How long to spin before yielding, where there are cores to spare.
const SPIN: Duration = Duration::from_micros(100);
/// How long a caller that sees its actor's fault waits for the pump to bring its text.
const FAULT_TEXT: Duration = Duration::from_millis(500);
/// One in so many direct calls is timed for the metrics.
const TIMED: u32 = 64;

thread_local! {
    /// The slot of this thread's last `ask`, kept for its next.
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept { slot: None, turn: 0 }) };
}

struct Kept {
    slot: Option<(Arc<ReplyLines>, ReplySlot)>,
    /// Calls so far.
    turn: u32,
}

impl Kept {
    /// A slot for replies of `R`, the last one's if it will do.
    fn slot<R: Plain>(&mut self, lines: &Arc<ReplyLines>) -> Result<&mut ReplySlot, AskError> {
        let fits = |(of, slot): &(Arc<ReplyLines>, ReplySlot)| {
            Arc::ptr_eq(of, lines) && slot.lines() == lines_for(size_of::<R>()) && !slot.is_outstanding()
        };
        if !self.slot.as_ref().is_some_and(fits) {
            // Given back first: it may be the only one.
            self.slot = None;
            self.slot = Some((lines.clone(), claim::<R>(lines)?));
        }
        self.slot.as_mut().map(|(_, slot)| slot).ok_or(AskError::NoReplyLine)
    }
}

/// Lines for replies of `R`.
pub(crate) fn claim<R: Plain>(lines: &Arc<ReplyLines>) -> Result<ReplySlot, AskError> {
    lines.claim(lines_for(size_of::<R>())).ok_or(AskError::NoReplyLine)
}

/// Sends a request and waits for its reply; first, where the actor is being restarted, for its next incarnation.
pub(crate) fn ask<A: Handles<M>, M: Message>(home: &Home, request: &M, timeout: Duration) -> Result<M::Reply, AskError> {
    match to_actor::<A, M>(&home.life(), request, timeout) {
        Err(Miss::Unsent) if home.may_return() => {}
        Err(Miss::Unsent) => return Err(ended(&home.life())),
        Err(Miss::Answered(error)) => return Err(error),
        Ok(reply) => return Ok(reply),
    }
    let deadline = Instant::now() + timeout;
    loop {
        let life = home.life().clone();
        match to_actor::<A, M>(&life, request, deadline.saturating_duration_since(Instant::now())) {
            Err(Miss::Unsent) if !home.may_return() => return Err(ended(&life)),
            Err(Miss::Unsent) if !home.after_blocking(&life, deadline) => return Err(AskError::Timeout(timeout)),
            Err(Miss::Unsent) => {}
            Err(Miss::Answered(error)) => return Err(error),
            Ok(reply) => return Ok(reply),
        }
    }
}

/// Why there is no reply.
pub(crate) enum Miss {
    /// It takes no messages any more, so nothing was sent.
    Unsent,
    Answered(AskError),
}

impl From<AskError> for Miss {
    fn from(error: AskError) -> Miss {
        Miss::Answered(error)
    }
}

fn to_actor<A: Handles<M>, M: Message>(life: &Incarnation, request: &M, timeout: Duration) -> Result<M::Reply, Miss> {
    if life.port.tracer.takes() {
        return traced::<A, M>(life, request, timeout);
    }
    once::<M>(&life.core, life.kind_index, timeout, |line, tag| {
        life.port.direct::<A, M>(life, request, line, tag, 0)?;
        Ok((&life.port, life.row))
    })
}

/// The same within a span.
#[cold]
fn traced<A: Handles<M>, M: Message>(life: &Incarnation, request: &M, timeout: Duration) -> Result<M::Reply, Miss> {
    let port = &life.port;
    let span = port.tracer.message(port.shard, life, A::INDEX, Path::Direct);
    let _within = span.enter();
    let reply = once::<M>(&life.core, life.kind_index, timeout, |line, tag| {
        span.record("stamp", port.direct::<A, M>(life, request, line, tag, 0)?);
        Ok((port, life.row))
    });
    let end = match &reply {
        Ok(_) => "replied",
        Err(Miss::Answered(AskError::Timeout(_))) => "late",
        Err(Miss::Answered(AskError::Failed(_))) => "failed",
        Err(Miss::Answered(AskError::Lost(_))) => "lost",
        Err(_) => {
            port.tracer.again();
            "unsent"
        }
    };
    span.record("end", end);
    reply
}

/// Sends a request by `send`, which is told the reply line and a tag and says who has it, and waits for the reply.
pub(crate) fn once<'a, M: Message>(
    core: &Core,
    kind_index: u32,
    timeout: Duration,
    send: impl FnOnce(u32, u16) -> Result<(&'a Arc<Port>, RowId), Unsent>,
) -> Result<M::Reply, Miss> {
    if !core.is_mine() {
        return Err(AskError::Forked.into());
    }
    KEPT.with_borrow_mut(|kept| {
        kept.turn = kept.turn.wrapping_add(1);
        let since = kept.turn.is_multiple_of(TIMED).then(Instant::now);
        // A slot whose reply does not come in time is given up by the next call, and its lines rest until it does.
        let slot = kept.slot::<M::Reply>(core.device.replies())?;
        let tag = slot.next_tag().ok_or(AskError::NoReplyLine)?;
        let (port, row) = match send(slot.index(), tag) {
            Ok(sent) => sent,
            Err(unsent) => {
                slot.retract();
                return Err(match unsent {
                    Unsent::Full => Miss::Answered(AskError::Full),
                    Unsent::Forked => Miss::Answered(AskError::Forked),
                    Unsent::Stopped | Unsent::Lost => Miss::Unsent,
                });
            }
        };
        let (reply, hlc) = wait::<M::Reply>(core, port, row, slot, tag, timeout)?;
        clock::merge(hlc);
        if let Some(since) = since {
            core.metrics.call(kind_index, since);
        }
        Ok(reply)
    })
}

/// Why an actor takes no requests any more.
pub(crate) fn ended(life: &Incarnation) -> AskError {
    match (life.fault(), life.core.lost()) {
        (Some(fault), _) => AskError::Failed(Box::new(fault.clone())),
        (None, Some(fault)) => AskError::Lost(fault.to_string()),
        (None, None) => AskError::Stopped,
    }
}

/// Waits for the answer with `tag`: the reply and its stamp.
pub(crate) fn wait<R: Plain>(
    core: &Core,
    port: &Port,
    row: RowId,
    slot: &mut ReplySlot,
    tag: u16,
    timeout: Duration,
) -> Result<(R, u64), AskError> {
    for _ in 0..LOOKS {
        if let Some(reply) = look(core, port, row, slot, tag)? {
            return Ok(reply);
        }
    }
    let started = Instant::now();
    let spin = if available_parallelism().is_ok_and(|cores| cores.get() > 4) { SPIN } else { Duration::ZERO };
    loop {
        if let Some(reply) = look(core, port, row, slot, tag)? {
            return Ok(reply);
        }
        let waited = started.elapsed();
        if waited >= timeout {
            return Err(AskError::Timeout(timeout));
        }
        if !core.answers() {
            return last_look(core, port, row, slot, tag);
        }
        if waited < spin { spin_loop() } else { yield_now() }
    }
}

/// Looks at the line once more, where the device no longer answers.
#[cold]
pub(crate) fn last_look<R: Plain>(core: &Core, port: &Port, row: RowId, slot: &mut ReplySlot, tag: u16) -> Result<(R, u64), AskError> {
    look(core, port, row, slot, tag)?.ok_or_else(|| lost(core))
}

/// Looks at the line once: the reply and its stamp.
#[inline]
pub(crate) fn look<R: Plain>(core: &Core, port: &Port, row: RowId, slot: &mut ReplySlot, tag: u16) -> Result<Option<(R, u64)>, AskError> {
    match slot.poll(tag) {
        Ok(None) => Ok(None),
        Ok(Some(frame)) if frame.op != OP_REPLY => Err(no_reply(core, port, row, frame.op, frame.message)),
        Ok(Some(frame)) if frame.payload.len() == size_of::<R>() => Ok(Some((R::decode(frame.payload), frame.hlc))),
        Ok(Some(frame)) => Err(AskError::Lost(format!("a reply of {} bytes where {} belong", frame.payload.len(), size_of::<R>()))),
        Err(corrupt) => Err(AskError::Lost(corrupt.to_string())),
    }
}

/// Why there is no reply, as a frame with this op and message says.
#[cold]
fn no_reply(core: &Core, port: &Port, row: RowId, op: u16, message: u16) -> AskError {
    match op {
        OP_FAULT => failed(core, port, row),
        // Ended since the device was lost while it was handled.
        OP_BLAMED => AskError::of(port.refused(row, REFUSED_STALE)),
        _ => {
            core.answered_refusal();
            if message == REFUSED_FAILED { failed(core, port, row) } else { AskError::of(port.refused(row, message)) }
        }
    }
}

/// The fault of an actor that has failed, once the pump has brought it.
fn failed(core: &Core, port: &Port, row: RowId) -> AskError {
    port.wake_pump();
    let started = Instant::now();
    loop {
        match port.refused(row, REFUSED_FAILED) {
            NoReply::Refused(_) if !core.answers() => return lost(core),
            NoReply::Refused(_) if started.elapsed() <= FAULT_TEXT => yield_now(),
            why => return AskError::of(why),
        }
    }
}

#[cold]
fn lost(core: &Core) -> AskError {
    match core.lost() {
        Some(fault) => AskError::Lost(fault.to_string()),
        None => AskError::Lost("it was stopped".into()),
    }
}
