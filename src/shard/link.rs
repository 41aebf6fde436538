//! A ring's writing end, and what belongs under its lock.

use std::collections::VecDeque;
use std::time::Instant;

use resident_gpu::ring::{Frame, Producer, PushError};
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;
use resident_kernels::host::Answer;
use resident_kernels::wire::{MAX_PAYLOAD, OP_FENCE};

use crate::clock;
use crate::error::CastError;
use crate::shard::pending::Table;
use crate::shard::relay::{Relay, Relays};
use crate::shard::waiting::Waiting;

/// Frames of a batch that are pushed under one lock.
const TURN: usize = 32;

/// The ring's writing end and what belongs under its lock.
pub(crate) struct Link {
    pub producer: Producer,
    /// The last stamp pushed.
    hlc: u64,
    pub backlog: VecDeque<Due>,
    /// Behind that.
    pub relays: Relays,
    /// The device no longer runs.
    pub lost: bool,
    pub sent: Box<[Sent]>,
    pub full: u64,
}

/// A frame that is no message, or one that must not be left out for want of room.
pub(crate) struct Control {
    pub op: u16,
    pub message: u16,
    pub row: u32,
    pub generation: u32,
    pub payload: Vec<u8>,
    /// What somebody waits for.
    pub answer: Option<Answer>,
}

/// Frames that belong together, too many to be held as such: each is made when there is room for it. A fence follows them.
pub(crate) trait Batch: Send {
    /// The frame whose turn it is, its payload in `buffer`; `None` after the last.
    fn frame(&self, buffer: &mut [u8; MAX_PAYLOAD]) -> Option<Bare>;

    /// That frame is on its way.
    fn pushed(&mut self);

    /// All are on their way: the answer to the fence behind them.
    fn answer(self: Box<Self>) -> Answer;
}

/// A frame whose answer nobody waits for.
pub(crate) struct Bare {
    pub op: u16,
    pub id: RowId,
    /// Bytes of its payload.
    pub bytes: usize,
}

/// What waits for room.
pub(crate) enum Due {
    One(Control),
    Many(Box<dyn Batch>),
}

/// How far a look at the backlog came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Nothing waits any more.
    All,
    /// A turn is over.
    Turn,
    /// There is no room.
    Full,
}

/// Who gets a message.
pub(crate) trait Recipient {
    /// Whether messages are taken; asked under the ring's lock.
    fn is_open(&self) -> bool;
    fn row(&self) -> RowId;
    fn kind(&self) -> &'static Kind;
    fn kind_index(&self) -> u32;
    /// A message was pushed for it; called under the ring's lock.
    #[inline]
    fn sent(&self, _: &Frame<'_>) {}
}

/// How a message came to the ring.
#[derive(Clone, Copy)]
pub(crate) enum Path {
    /// A `GpuRef`.
    Ring = 0,
    /// An `ActorRef` and the proxy's mailbox.
    Mailbox = 1,
    /// `ask` or a pipeline.
    Direct = 2,
}

/// Their names, as metrics and spans have them.
pub(crate) const PATHS: [&str; 3] = ["ring", "mailbox", "direct"];

impl Path {
    pub(crate) fn name(self) -> &'static str {
        PATHS[self as usize]
    }
}

/// What was pushed since the last look, for the metrics.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sent {
    /// By [`Path`].
    pub messages: [u64; 3],
}

/// Why a frame was not pushed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unsent {
    Full,
    Stopped,
    Lost,
    /// This process is not the system's.
    Forked,
}

impl Unsent {
    pub(crate) fn with<M>(self, msg: M) -> CastError<M> {
        match self {
            Unsent::Full => CastError::Full(msg),
            Unsent::Stopped => CastError::Stopped(msg),
            Unsent::Lost => CastError::Lost(msg),
            Unsent::Forked => CastError::Forked(msg),
        }
    }
}

impl From<PushError> for Unsent {
    fn from(error: PushError) -> Unsent {
        match error {
            PushError::Full => Unsent::Full,
            // `TooLarge` can not be: a message fits in a frame by its type, a frame in a ring by the least capacity.
            PushError::TooLarge { .. } | PushError::Corrupt(_) => Unsent::Lost,
        }
    }
}

impl Link {
    pub(crate) fn new(producer: Producer, kinds: usize) -> Link {
        Link {
            producer,
            hlc: 0,
            backlog: VecDeque::new(),
            relays: Relays::new(),
            lost: false,
            sent: vec![Sent::default(); kinds].into(),
            full: 0,
        }
    }

    /// Pushes a message; its stamp, which is filled in if that of the frame is 0.
    #[inline]
    pub(crate) fn message(&mut self, to: &impl Recipient, path: Path, frame: Frame<'_>) -> Result<u64, Unsent> {
        if !to.is_open() {
            return Err(if self.lost { Unsent::Lost } else { Unsent::Stopped });
        }
        if self.lost {
            return Err(Unsent::Lost);
        }
        if !self.backlog.is_empty() || !self.relays.is_empty() {
            // P-1: the spawn of this very actor may be among what waits. BD-1.
            self.full += 1;
            return Err(Unsent::Full);
        }
        if frame.hlc == 0 {
            self.hlc = clock::tick(self.hlc);
        }
        let hlc = if frame.hlc == 0 { self.hlc } else { frame.hlc };
        let RowId { row, generation } = to.row();
        match self.producer.push(&Frame { row, generation, hlc, ..frame }) {
            Ok(()) => {
                self.sent[to.kind_index() as usize].messages[path as usize] += 1;
                // JR-1: under the ring's lock, so in the ring's order.
                to.sent(&frame);
                Ok(hlc)
            }
            Err(error) => {
                self.full += u64::from(error == PushError::Full);
                Err(error.into())
            }
        }
    }

    /// Where the ring goes on behind what was pushed.
    #[inline]
    pub(crate) fn end(&self) -> u64 {
        self.producer.position()
    }

    /// Pushes a control frame; gives it back if the ring is full.
    pub(crate) fn control(&mut self, waiting: &mut Table<Waiting>, mut control: Control) -> Option<Control> {
        let correlation = match &control.answer {
            Some(_) => match waiting.next() {
                Some(correlation) => correlation,
                None => return Some(control),
            },
            None => u32::MAX,
        };
        self.hlc = clock::tick(self.hlc);
        let frame = Frame {
            op: control.op,
            message: control.message,
            row: control.row,
            generation: control.generation,
            correlation,
            hlc: self.hlc,
            payload: &control.payload,
            ..Frame::default()
        };
        match self.producer.push(&frame) {
            Ok(()) => {
                if let Some(answer) = control.answer.take() {
                    waiting.insert(Waiting::of(control.op, RowId { row: control.row, generation: control.generation }, answer));
                }
                None
            }
            Err(_) => Some(control),
        }
    }

    /// BD-1: pushes a message from another device, or has it wait.
    pub(crate) fn relay(&mut self, frame: &Frame<'_>) -> Relay {
        if self.lost {
            return Relay::Refused;
        }
        if self.backlog.is_empty() && self.relays.is_empty() {
            self.hlc = clock::tick(self.hlc);
            if self.producer.push(&Frame { hlc: self.hlc, ..*frame }).is_ok() {
                return Relay::Taken;
            }
        }
        let Ok(depth) = self.producer.depth() else { return Relay::Refused };
        let head = self.producer.position() - depth;
        self.relays.offer(frame, head, Instant::now())
    }

    /// Pushes a turn's worth of what waits for room.
    pub(crate) fn flush(&mut self, waiting: &mut Table<Waiting>) -> Flushed {
        for _ in 0..TURN {
            let rest = match self.backlog.pop_front() {
                None => return Flushed::All,
                Some(Due::One(control)) => self.control(waiting, control).map(Due::One),
                Some(Due::Many(batch)) => match self.batch(batch) {
                    Ok(due) => {
                        self.backlog.push_front(due);
                        continue;
                    }
                    Err(batch) => Some(Due::Many(batch)),
                },
            };
            if let Some(due) = rest {
                self.backlog.push_front(due);
                return Flushed::Full;
            }
        }
        if self.backlog.is_empty() { Flushed::All } else { Flushed::Turn }
    }

    /// The same for messages from other devices.
    pub(crate) fn flush_relays(&mut self) -> Flushed {
        for _ in 0..TURN {
            let Some(relayed) = self.relays.next() else { return Flushed::All };
            self.hlc = clock::tick(self.hlc);
            if self.producer.push(&Frame { hlc: self.hlc, ..relayed.frame() }).is_err() {
                return Flushed::Full;
            }
            self.relays.pushed();
        }
        if self.relays.is_empty() { Flushed::All } else { Flushed::Turn }
    }

    /// Pushes the next frame of a batch: what comes behind it, or the batch back if the ring is full.
    fn batch(&mut self, mut batch: Box<dyn Batch>) -> Result<Due, Box<dyn Batch>> {
        let mut buffer = [0; MAX_PAYLOAD];
        let Some(Bare { op, id, bytes }) = batch.frame(&mut buffer) else {
            let answer = Some(batch.answer());
            return Ok(Due::One(Control { op: OP_FENCE, message: 0, row: 0, generation: 0, payload: Vec::new(), answer }));
        };
        self.hlc = clock::tick(self.hlc);
        let frame = Frame {
            op,
            row: id.row,
            generation: id.generation,
            correlation: u32::MAX,
            hlc: self.hlc,
            payload: &buffer[..bytes],
            ..Frame::default()
        };
        match self.producer.push(&frame) {
            Ok(()) => {
                batch.pushed();
                Ok(Due::Many(batch))
            }
            Err(_) => Err(batch),
        }
    }
}
