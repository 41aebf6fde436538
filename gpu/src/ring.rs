//! A ring of slots with one [`Producer`] and one [`Consumer`], on either side of a region.
//!
//! - **R-1 (order)** Frames are popped in the order in which they were pushed, each once.
//! - **R-2 (whole)** A frame is popped whole or not yet: every slot's tags are there before a word is used.
//! - **R-3 (credits)** A slot is written again only after the consumer published a head behind it, and not while its producer holds it.
//! - **R-4 (distrust)** Whatever the peer writes, nothing is read or written outside the ring: it ends as
//!   [`Corrupt`], and until the device is started again it stays so.
//! - **R-5 (bounded)** `push` and `pop` never wait, allocate or call the system.
//! - **R-6 (loss)** A producer may be lost at any store. Once the ring is [mended](Mender::mend) another goes on behind the last whole
//!   frame, and the consumer sees nothing of the frame that was begun.
//!
//! The producer owns the slots from its tail to the consumer's head plus the capacity, the consumer those from
//! its head to the tail; the only shared words beside the slots are the head, written by the consumer, and the
//! tags. Either side may be a GPU: the layout is that of [`resident_kernels::wire`].
//!
//! ```
//! use resident_gpu::ring::{self, Frame, PushError};
//!
//! let (mut producer, mut consumer) = ring::pair(1).unwrap();
//! let frame = |row| Frame { op: 1, row, payload: b"landed", ..Frame::default() };
//! producer.push(&frame(7)).unwrap();
//! producer.push(&frame(8)).unwrap();
//! assert_eq!(producer.push(&frame(9)), Err(PushError::Full));
//!
//! assert_eq!(consumer.pop().unwrap(), Some(frame(7)));
//! assert_eq!(consumer.pop().unwrap(), Some(frame(8)));
//! assert_eq!(consumer.pop().unwrap(), None);
//! producer.push(&frame(9)).unwrap();
//! ```
#![cfg_attr(loom, allow(dead_code, reason = "regions are not built under loom"))]

pub use crate::frame::{Corrupt, Frame};

use crate::frame::{self, Buffer, Ops, Slot, Unread};
use crate::sync::{AtomicU32, AtomicU64, Sync};
use crossbeam_utils::CachePadded;
use resident_kernels::wire::{INLINE_BYTES, MAX_FRAME_SLOTS, MAX_PAYLOAD, lap, slots_for};
use std::any::Any;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A ring has at most `1 << MAX_CAPACITY_LOG2` slots.
pub const MAX_CAPACITY_LOG2: u32 = 20;

/// Why a frame was not pushed. Nothing of it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// No room until the consumer has gone on: try again later, or make the ring larger.
    #[error("the ring is full: try again once its shard has caught up, or start with a larger ring capacity")]
    Full,
    /// The payload does not fit in a frame, or the frame not in the ring.
    #[error("a payload of {bytes} bytes does not fit, the limit is {limit}: send it in parts")]
    TooLarge {
        /// Bytes of the payload.
        bytes: usize,
        /// The most that this ring takes.
        limit: usize,
    },
    /// The consumer broke the protocol.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// Where a ring lies, and what keeps it there.
#[derive(Clone)]
struct Place {
    slots: NonNull<Slot>,
    head: NonNull<AtomicU64>,
    /// Counts the times the ring was mended.
    mended: NonNull<AtomicU32>,
    capacity_log2: u32,
    _memory: Arc<dyn Any + Send + std::marker::Sync>,
}

impl Place {
    #[inline(always)]
    fn capacity(&self) -> u64 {
        1 << self.capacity_log2
    }

    /// The slot at `index`, counted from the ring's beginning, and the tag of its lap.
    #[inline(always)]
    fn slot(&self, index: u64) -> (&Slot, u16) {
        let at = (index & (self.capacity() - 1)) as usize;
        // SAFETY: (place) `slots` begins `capacity` slots that live as long as `_memory`; `at` is below that.
        (unsafe { self.slots.add(at).as_ref() }, lap(index, self.capacity_log2))
    }

    #[inline(always)]
    fn head(&self) -> &AtomicU64 {
        // SAFETY: (place) `head` lives as long as `_memory`.
        unsafe { self.head.as_ref() }
    }

    #[inline(always)]
    fn mended(&self) -> &AtomicU32 {
        // SAFETY: (place) `mended` lives as long as `_memory`.
        unsafe { self.mended.as_ref() }
    }

    /// R-6: takes back the frame that a producer had begun when it was lost, before another goes on from there. `head` is at or before
    /// the consumer's. Nobody writes the ring meanwhile; the consumer may read it.
    fn mend(&self, head: u64, ops: Ops) -> u64 {
        let mut buffer = Buffer::new();
        let (mut at, end) = (head, head + self.capacity());
        while at < end {
            match frame::read(&mut buffer, at, self.capacity(), ops, Sync::SlotReady, |i| self.slot(at + i)) {
                Ok((_, slots)) => at += slots,
                // The consumer will find it.
                Err(Unread::Corrupt(_)) => break,
                Err(Unread::Tag { .. }) => {
                    for index in at..end.min(at + MAX_FRAME_SLOTS as u64) {
                        let (slot, tag) = self.slot(index);
                        slot.take_back(tag);
                    }
                    break;
                }
            }
        }
        // SYNC mended: pairs with the load ahead of a read in `Consumer::pop`.
        self.mended().fetch_add(1, Sync::Mended.store());
        at
    }

    /// Tells the producer how far the consumer has read, unless it knows.
    #[inline(always)]
    fn publish(&self, head: u64, published: &mut u64) {
        if head != *published {
            // SYNC slot-free: pairs with the head's load in `Producer::refresh`, here or in the engine.
            self.head().store(head, Sync::SlotFree.store());
            *published = head;
        }
    }

    /// Payload bytes of the longest frame that fits.
    fn limit(&self) -> usize {
        MAX_PAYLOAD.min(INLINE_BYTES + (self.capacity() as usize - 1) * resident_kernels::wire::MORE_BYTES)
    }
}

/// The single writer of one ring.
pub struct Producer {
    place: Place,
    /// Slots written.
    tail: u64,
    /// The consumer's head as last read; `tail - head` is at most the capacity.
    head: u64,
    /// Slots from here on are not written again, whatever has been consumed.
    held: u64,
    pushed: u64,
}

/// The single reader of one ring.
pub struct Consumer {
    /// Slots read.
    head: u64,
    /// `head` as last published.
    published: u64,
    place: Place,
    ops: Ops,
    popped: u64,
    buffer: Buffer,
}

/// Mends one ring after its producer was lost.
pub struct Mender {
    place: Place,
    ops: Ops,
}

// SAFETY: (place) the slots and the head are atomics that outlive the handle, on whichever thread it is.
unsafe impl Send for Producer {}
// SAFETY: as above.
unsafe impl Send for Mender {}
// SAFETY: as above.
unsafe impl Send for Consumer {}

/// Makes the two ends of a ring at its beginning.
///
/// # Safety
///
/// (place) `slots` begins `1 << capacity_log2` slots, `head` and `mended` are words; all live as long as `memory`.
pub(crate) unsafe fn at(
    slots: NonNull<Slot>,
    head: NonNull<AtomicU64>,
    mended: NonNull<AtomicU32>,
    capacity_log2: u32,
    ops: Ops,
    memory: Arc<dyn Any + Send + std::marker::Sync>,
) -> (Producer, Consumer, Mender) {
    let place = Place { slots, head, mended, capacity_log2, _memory: memory };
    (
        Producer { place: place.clone(), tail: 0, head: 0, held: u64::MAX, pushed: 0 },
        Consumer { head: 0, published: 0, place: place.clone(), ops, popped: 0, buffer: Buffer::new() },
        Mender { place, ops },
    )
}

/// Makes a ring of `1 << capacity_log2` slots in this process's memory, `None` if that is more than
/// [`MAX_CAPACITY_LOG2`]. It takes every op, whichever the direction.
pub fn pair(capacity_log2: u32) -> Option<(Producer, Consumer)> {
    let (producer, consumer, _) = trio(capacity_log2)?;
    Some((producer, consumer))
}

/// [`pair`], and the hand that mends it when the producer is lost.
pub fn trio(capacity_log2: u32) -> Option<(Producer, Consumer, Mender)> {
    struct Memory {
        slots: Box<[Slot]>,
        head: CachePadded<AtomicU64>,
        mended: AtomicU32,
    }
    if capacity_log2 > MAX_CAPACITY_LOG2 {
        return None;
    }
    let slots = (0..1u64 << capacity_log2).map(|_| Slot::new()).collect();
    let memory = Arc::new(Memory { slots, head: CachePadded::new(AtomicU64::new(0)), mended: AtomicU32::new(0) });
    let slots = NonNull::from(&*memory.slots).cast();
    let (head, mended) = (NonNull::from(&*memory.head), NonNull::from(&memory.mended));
    // SAFETY: (place) all are in `memory`, and so many slots were made.
    Some(unsafe { at(slots, head, mended, capacity_log2, Ops::ALL, memory) })
}

impl Producer {
    /// Writes `frame` into the ring.
    #[inline]
    pub fn push(&mut self, frame: &Frame<'_>) -> Result<(), PushError> {
        if frame.payload.len() > INLINE_BYTES {
            return self.push_long(frame);
        }
        if self.tail - self.head == self.place.capacity() {
            self.make_room(1)?;
        }
        let (slot, tag) = self.place.slot(self.tail);
        frame::write_one(slot, frame, tag, Sync::SlotReady);
        self.tail += 1;
        self.pushed += 1;
        Ok(())
    }

    /// Writes the first `chunks` chunks of a frame that has room, as a producer does that is lost then. For tests.
    pub fn push_chunks(&mut self, frame: &Frame<'_>, chunks: usize) {
        frame::write_chunks(frame, chunks, Sync::SlotReady, |i| self.place.slot(self.tail + i));
    }

    /// `push`, for a frame of several slots.
    #[inline(never)]
    fn push_long(&mut self, frame: &Frame<'_>) -> Result<(), PushError> {
        let bytes = frame.payload.len();
        let limit = self.place.limit();
        if bytes > limit {
            return Err(PushError::TooLarge { bytes, limit });
        }
        let slots = slots_for(bytes) as u64;
        if self.place.capacity() - (self.tail - self.head) < slots {
            self.make_room(slots)?;
        }
        frame::write_all(frame, Sync::SlotReady, |i| self.place.slot(self.tail + i));
        self.tail += slots;
        self.pushed += 1;
        Ok(())
    }

    #[cold]
    fn make_room(&mut self, slots: u64) -> Result<(), PushError> {
        self.refresh()?;
        if self.place.capacity() - (self.tail - self.head) < slots { Err(PushError::Full) } else { Ok(()) }
    }

    /// Reads the consumer's head.
    fn refresh(&mut self) -> Result<(), Corrupt> {
        // SYNC slot-free: pairs with the head's store in `Place::publish`, here or in the engine.
        let head = self.place.head().load(Sync::SlotFree.load());
        if head < self.head || head > self.tail {
            return Err(Corrupt::Head { head, from: self.head, to: self.tail });
        }
        self.head = head.min(self.held);
        Ok(())
    }

    /// Keeps what is written from slot `from` on as it is until [`release`](Self::release): a ring that is full by then stays full. `from`
    /// is at or before what is consumed next.
    pub fn hold(&mut self, from: u64) {
        self.held = from.max(self.head);
    }

    /// Slots that are consumed are written again.
    pub fn release(&mut self) {
        self.held = u64::MAX;
    }

    /// Whether the consumer has read everything, and said so.
    pub fn is_empty(&mut self) -> bool {
        self.depth() == Ok(0)
    }

    /// Slots written that the consumer has not yet given back.
    pub fn depth(&mut self) -> Result<u64, Corrupt> {
        self.refresh()?;
        Ok(self.tail - self.head)
    }

    /// Frames pushed, in all.
    pub fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Slots written, in all: where the next frame begins.
    pub fn position(&self) -> u64 {
        self.tail
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> u64 {
        self.place.capacity()
    }
}

impl Consumer {
    /// Reads the next frame if it is there. Its payload stays in the consumer until the next call.
    ///
    /// The head is published when nothing is there and after every eighth of the capacity, see
    /// [`publish`](Self::publish).
    #[inline]
    pub fn pop(&mut self) -> Result<Option<Frame<'_>>, Corrupt> {
        let (at, place) = (self.head, &self.place);
        let capacity = place.capacity();
        // SYNC mended: pairs with the count's store in `Place::mend`.
        let mended = place.mended().load(Sync::Mended.load());
        let read = frame::read(&mut self.buffer, at, capacity, self.ops, Sync::SlotReady, |i| place.slot(at + i));
        // R-6: what was read may be half of a frame taken back and half of the next. Whoever has read a tag of the next sees the count.
        if place.mended().load(Relaxed) != mended {
            return Ok(None);
        }
        match read {
            Ok((frame, slots)) => {
                (0..slots).for_each(|i| place.slot(at + i).0.believe());
                self.head = at + slots;
                self.popped += 1;
                if self.head - self.published >= (capacity / 8).max(1) {
                    place.publish(self.head, &mut self.published);
                }
                Ok(Some(frame))
            }
            Err(Unread::Corrupt(corrupt)) => Err(corrupt),
            Err(Unread::Tag { slot, chunk, tag, expected }) => {
                if tag != expected.wrapping_sub(1) {
                    return Err(Corrupt::Tag { slot: at + slot, chunk, tag, expected });
                }
                place.publish(at, &mut self.published);
                Ok(None)
            }
        }
    }

    /// Gives every slot read back to the producer now.
    #[inline]
    pub fn publish(&mut self) {
        self.place.publish(self.head, &mut self.published);
    }

    /// Frames popped, in all.
    pub fn popped(&self) -> u64 {
        self.popped
    }

    /// Slots read, in all: where the next frame begins.
    pub fn position(&self) -> u64 {
        self.head
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> u64 {
        self.place.capacity()
    }
}

/// Looks at what is in one ring and takes nothing.
pub(crate) struct Observer {
    place: Place,
    ops: Ops,
}

/// Slots of a ring as they were, to be read when there is time.
pub(crate) struct Copied {
    slots: Vec<Slot>,
    first: u64,
    capacity_log2: u32,
    ops: Ops,
}

impl Observer {
    /// Copies the slots from `from` on, up to slot `to` and as far as they are there. Nobody may write them meanwhile, whoever reads them.
    pub(crate) fn copy(&self, from: u64, to: u64) -> Copied {
        let end = to.min(from + self.place.capacity());
        let slot = |index| {
            let (slot, tag) = self.place.slot(index);
            slot.copy(tag, Sync::SlotReady)
        };
        Copied { slots: (from..end).map_while(slot).collect(), first: from, capacity_log2: self.place.capacity_log2, ops: self.ops }
    }
}

impl Copied {
    /// What a device has copied of a ring that its shards write, from slot `first` on.
    #[cfg(not(loom))]
    pub(crate) fn of(bytes: &[u8], first: u64, capacity_log2: u32) -> Copied {
        Copied { slots: bytes.as_chunks().0.iter().map(Slot::of).collect(), first, capacity_log2, ops: Ops::SHARDS }
    }

    /// Shows where each whole frame begins, and the frame; where the next one begins.
    pub(crate) fn read(&self, mut each: impl FnMut(u64, Frame<'_>)) -> Result<u64, Corrupt> {
        let mut buffer = Buffer::new();
        let capacity = 1 << self.capacity_log2;
        let (mut at, nothing) = (self.first, Slot::new());
        loop {
            let slot = |i: u64| (self.slots.get((at + i - self.first) as usize).unwrap_or(&nothing), lap(at + i, self.capacity_log2));
            match frame::read(&mut buffer, at, capacity, self.ops, Sync::SlotReady, slot) {
                Ok((frame, slots)) => {
                    each(at, frame);
                    at += slots;
                }
                Err(Unread::Corrupt(corrupt)) => return Err(corrupt),
                Err(Unread::Tag { .. }) => return Ok(at),
            }
        }
    }
}

impl Mender {
    /// Sees the same ring.
    pub(crate) fn observer(&self) -> Observer {
        Observer { place: self.place.clone(), ops: self.ops }
    }

    /// Takes back the frame that the producer had begun, after it was lost and before another goes on from there: nobody writes
    /// the ring meanwhile. The producer that goes on, if it is one of Rust, is the one returned.
    pub fn mend(&mut self) -> Producer {
        // Relaxed: an older head is a place to begin from too.
        let head = self.place.head().load(Relaxed);
        Producer { place: self.place.clone(), tail: self.place.mend(head, self.ops), head, held: u64::MAX, pushed: 0 }
    }
}
