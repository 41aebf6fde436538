//! A frame, and the slots it travels in: what rings and reply lines have in common.
//!
//! The layout of a slot is drawn in [`resident_kernels::wire`]. A chunk is two 64-bit words here: the low one is
//! stored first, then the high one with the tag; a reader takes the high word first, and the low word once the
//! tag is the expected one. So nothing of a slot is believed before all four of its tags are there.
#![cfg_attr(loom, allow(dead_code, reason = "regions are not built under loom"))]

use crate::sync::{AtomicU64, Sync};
use resident_kernels::wire::{INLINE_BYTES, MAX_FRAME_SLOTS, MAX_PAYLOAD, MORE_BYTES, OPS, SLOT_BYTES, slots_for};
use std::sync::atomic::Ordering::Relaxed;

const _: () = assert!(cfg!(target_endian = "little"), "the words of a slot are little-endian");
const _: () = assert!(INLINE_BYTES == 28 && MORE_BYTES == 48 && SLOT_BYTES == 64);

/// What travels through a ring or a reply line. `op` is a `wire::OP_*`; what the other words mean is said there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What this frame asks or answers, a `wire::OP_*`.
    pub op: u16,
    /// Index of the message within its kind; a fault's class; a refusal's reason.
    pub message: u16,
    /// The actor's row.
    pub row: u32,
    /// The actor's generation.
    pub generation: u32,
    /// What the answer is matched by.
    pub correlation: u32,
    /// Tag that a direct call's reply carries; 0 in other frames.
    pub reply_tag: u16,
    /// The sender's hybrid logical clock.
    pub hlc: u64,
    /// At most [`MAX_PAYLOAD`] bytes.
    pub payload: &'a [u8],
}

/// The peer broke the protocol. What it wrote is not used; the ring or line stays where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// A chunk carries a tag that it can not have.
    #[error(
        "slot {slot}, chunk {chunk} carries tag {tag}, and only {expected} or the one before can be there: \
         something else writes to this region; stop the device and start it again"
    )]
    Tag {
        /// The slot, counted from the ring's beginning, or the reply line.
        slot: u64,
        /// The chunk, 0 to 3.
        chunk: u8,
        /// The tag found.
        tag: u16,
        /// The tag of a slot that is ready.
        expected: u16,
    },
    /// A frame says that it is longer than a frame, or than the ring or the reply lines, can be.
    #[error("the frame in slot {slot} says {bytes} bytes, the limit is {limit}: stop the device and start it again")]
    Length {
        /// The frame's first slot, counted from the ring's beginning, or the reply line.
        slot: u64,
        /// The length found.
        bytes: u16,
        /// The longest possible here.
        limit: usize,
    },
    /// A frame has an op that nobody sends in this direction.
    #[error("the frame in slot {slot} has op {op}, which is not sent in this direction: stop the device and start it again")]
    Op {
        /// The frame's first slot, counted from the ring's beginning, or the reply line.
        slot: u64,
        /// The op found.
        op: u16,
    },
    /// The consumer says that it consumed what was never produced, or less than it said before.
    #[error("the consumer's head is {head}, outside {from}..={to}: stop the device and start it again")]
    Head {
        /// The head found.
        head: u64,
        /// The head known before.
        from: u64,
        /// Slots produced.
        to: u64,
    },
}

/// Ops that a reader takes, one bit each.
#[derive(Clone, Copy)]
pub(crate) struct Ops(u64);

impl Ops {
    /// What the host sends.
    pub(crate) const HOST: Ops = Ops::range(1, 15);
    /// What the device sends.
    pub(crate) const DEVICE: Ops = Ops::range(16, 31);
    /// What shards send each other.
    pub(crate) const SHARDS: Ops = Ops::range(32, 47);
    /// Whatever host and device send each other.
    pub(crate) const ALL: Ops = Ops::range(1, 31);

    /// The ops of the wire from `first` to `last`.
    const fn range(first: u16, last: u16) -> Ops {
        let (mut bits, mut i) = (0, 0);
        while i < OPS.len() {
            let op = OPS[i].1;
            assert!(op < 64);
            if first <= op && op <= last {
                bits |= 1 << op;
            }
            i += 1;
        }
        Ops(bits)
    }

    #[inline(always)]
    fn has(self, op: u16) -> bool {
        op < 64 && self.0 >> op & 1 == 1
    }
}

/// One slot: four chunks of two words. Shared with the device, hence the layout; no word is believed unseen.
#[repr(C, align(64))]
pub(crate) struct Slot {
    words: [AtomicU64; 8],
    /// Stands for the slot's bytes under loom, which has no loads that run ahead: whoever writes or has read a
    /// whole slot touches this too, and loom reports a race if nothing orders the two.
    #[cfg(loom)]
    owner: loom::cell::UnsafeCell<()>,
}

// SAFETY: `owner` guards nothing but itself, and loom watches who touches it.
#[cfg(loom)]
unsafe impl std::marker::Sync for Slot {}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Slot>() == SLOT_BYTES && align_of::<Slot>() == SLOT_BYTES);

impl Slot {
    /// An empty slot.
    pub(crate) fn new() -> Slot {
        Slot {
            words: std::array::from_fn(|_| AtomicU64::new(0)),
            #[cfg(loom)]
            owner: loom::cell::UnsafeCell::new(()),
        }
    }

    /// One of these bytes.
    #[cfg(not(loom))]
    pub(crate) fn of(bytes: &[u8; SLOT_BYTES]) -> Slot {
        let words = bytes.as_chunks().0;
        Slot { words: std::array::from_fn(|i| AtomicU64::new(u64::from_le_bytes(words[i]))) }
    }

    /// Writes four chunks; the high words' upper 16 bits are free and take `tag`.
    #[inline(always)]
    fn write(&self, words: [u64; 8], tag: u16, ready: Sync) {
        self.write_some(words, tag, ready, 4);
    }

    /// The first `chunks` of them.
    #[inline(always)]
    fn write_some(&self, words: [u64; 8], tag: u16, ready: Sync, chunks: usize) {
        #[cfg(loom)]
        self.owner.with_mut(|_| ());
        let tag = (tag as u64) << 48;
        for chunk in 0..chunks.min(4) {
            self.words[2 * chunk].store(words[2 * chunk], Relaxed);
            // SYNC slot-ready, reply-ready: pairs with the high word's load in `Slot::read`, here or in the engine.
            self.words[2 * chunk + 1].store(words[2 * chunk + 1] | tag, ready.store());
        }
    }

    /// Reads four chunks, or tells the first chunk without `tag` and the tag it has.
    #[inline(always)]
    fn read(&self, tag: u16, ready: Sync) -> Result<[u64; 8], (u8, u16)> {
        let mut words = [0; 8];
        // The last chunk first: it is written last by a host, so an empty poll ends here.
        for chunk in [3, 0, 1, 2] {
            // SYNC slot-ready, reply-ready: pairs with the high word's store in `Slot::write`, here or in the engine.
            let high = self.words[2 * chunk + 1].load(ready.load());
            if (high >> 48) as u16 != tag {
                return Err((chunk as u8, (high >> 48) as u16));
            }
            words[2 * chunk] = self.words[2 * chunk].load(Relaxed);
            words[2 * chunk + 1] = high;
        }
        Ok(words)
    }

    /// What was read of the slot is believed: loom reports a race if nothing orders it behind the writing.
    #[inline(always)]
    pub(crate) fn believe(&self) {
        #[cfg(loom)]
        self.owner.with(|_| ());
    }

    /// What is there, if it is ready.
    pub(crate) fn copy(&self, tag: u16, ready: Sync) -> Option<Slot> {
        let copy = Slot::new();
        for (to, word) in copy.words.iter().zip(self.read(tag, ready).ok()?) {
            to.store(word, Relaxed);
        }
        Some(copy)
    }

    /// Makes every chunk that has `tag` one of the lap before. For who mends a ring.
    pub(crate) fn take_back(&self, tag: u16) {
        for chunk in 0..4 {
            let high = &self.words[2 * chunk + 1];
            if (high.load(Relaxed) >> 48) as u16 == tag {
                high.store((tag.wrapping_sub(1) as u64) << 48, Relaxed);
            }
        }
    }

    /// Makes every tag 0. For the slot's owner, before it hands the slot out by another ordering.
    pub(crate) fn clear(&self) {
        #[cfg(loom)]
        self.owner.with_mut(|_| ());
        for word in &self.words {
            word.store(0, Relaxed);
        }
    }
}

/// Bytes of the longest payload, rounded up to whole slots.
const BUFFER_BYTES: usize = INLINE_BYTES + (MAX_FRAME_SLOTS - 1) * MORE_BYTES;

/// Where a reader keeps the payload of the frame it has read last.
#[repr(align(64))]
pub(crate) struct Buffer([u8; BUFFER_BYTES]);

impl Buffer {
    /// An empty buffer.
    pub(crate) fn new() -> Buffer {
        Buffer([0; BUFFER_BYTES])
    }
}

/// Reads up to seven bytes as one word; the rest of it is 0.
#[inline(always)]
fn tail(bytes: &[u8]) -> u64 {
    let n = bytes.len();
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // Both halves hold the bytes where they overlap, and equal bytes or-ed are the same bytes.
        (Some(first), Some(last)) => u32::from_le_bytes(*first) as u64 | (u32::from_le_bytes(*last) as u64) << (8 * (n - 4)),
        _ if n > 0 => bytes[0] as u64 | (bytes[n / 2] as u64) << (8 * (n / 2)) | (bytes[n - 1] as u64) << (8 * (n - 1)),
        _ => 0,
    }
}

/// The payload's first [`INLINE_BYTES`] as words, zeroes behind a shorter one.
#[inline(always)]
fn head(payload: &[u8]) -> [u64; 4] {
    let mut words = [0; 4];
    let mut rest = payload;
    for word in &mut words[..3] {
        match rest.split_first_chunk::<8>() {
            Some((bytes, more)) => (*word, rest) = (u64::from_le_bytes(*bytes), more),
            None => {
                *word = tail(rest);
                return words;
            }
        }
    }
    words[3] = match rest.first_chunk::<4>() {
        Some(bytes) => u32::from_le_bytes(*bytes) as u64,
        None => tail(rest),
    };
    words
}

/// The words of a frame's first slot, without tags. `payload.len()` is at most [`MAX_PAYLOAD`].
#[inline(always)]
fn first(frame: &Frame<'_>) -> [u64; 8] {
    let p = head(frame.payload);
    let high = |word: u64, half: u16| (word & 0xffff_ffff) | (half as u64) << 32;
    [
        frame.row as u64 | (frame.generation as u64) << 32,
        high(frame.correlation as u64, frame.message),
        frame.hlc,
        high(p[0], frame.payload.len() as u16),
        p[0] >> 32 | p[1] << 32,
        high(p[1] >> 32, frame.reply_tag),
        p[2],
        high(p[3], frame.op),
    ]
}

/// The words of a further slot that carries `payload`, without tags.
fn more(payload: &[u8]) -> [u64; 8] {
    let mut bytes = [0; MORE_BYTES];
    bytes[..payload.len()].copy_from_slice(payload);
    let mut words = [0; 8];
    for (chunk, bytes) in bytes.as_chunks::<12>().0.iter().enumerate() {
        words[2 * chunk] = tail(&bytes[..4]) | tail(&bytes[4..8]) << 32;
        words[2 * chunk + 1] = tail(&bytes[8..]);
    }
    words
}

/// Writes a frame of one slot.
#[inline(always)]
pub(crate) fn write_one(slot: &Slot, frame: &Frame<'_>, tag: u16, ready: Sync) {
    slot.write(first(frame), tag, ready);
}

/// Writes a frame of any length; `slot(i)` is its i-th slot and that slot's tag.
pub(crate) fn write_all<'s>(frame: &Frame<'_>, ready: Sync, slot: impl Fn(u64) -> (&'s Slot, u16)) {
    let (at, tag) = slot(0);
    at.write(first(frame), tag, ready);
    let rest = frame.payload.get(INLINE_BYTES..).unwrap_or_default();
    for (i, payload) in rest.chunks(MORE_BYTES).enumerate() {
        let (at, tag) = slot(1 + i as u64);
        at.write(more(payload), tag, ready);
    }
}

/// The first `chunks` chunks of what [`write_all`] writes.
pub(crate) fn write_chunks<'s>(frame: &Frame<'_>, chunks: usize, ready: Sync, slot: impl Fn(u64) -> (&'s Slot, u16)) {
    let rest = frame.payload.get(INLINE_BYTES..).unwrap_or_default();
    let slots = std::iter::once(first(frame)).chain(rest.chunks(MORE_BYTES).map(more));
    for (i, words) in slots.enumerate().take(chunks.div_ceil(4)) {
        let (at, tag) = slot(i as u64);
        at.write_some(words, tag, ready, chunks - 4 * i);
    }
}

/// Why no frame was read.
pub(crate) enum Unread {
    /// Slot `slot` of the frame has no such tag in `chunk` yet.
    Tag { slot: u64, chunk: u8, tag: u16, expected: u16 },
    /// What is written is no frame.
    Corrupt(Corrupt),
}

/// Reads a frame of at most `limit` slots into `buffer`; `slot(i)` is its i-th slot and the tag that makes it
/// ready. `at` names the first slot in errors. Tells the frame and the number of slots it takes.
#[inline(always)]
pub(crate) fn read<'b, 's>(
    buffer: &'b mut Buffer,
    at: u64,
    limit: u64,
    ops: Ops,
    ready: Sync,
    slot: impl Fn(u64) -> (&'s Slot, u16),
) -> Result<(Frame<'b>, u64), Unread> {
    let (from, expected) = slot(0);
    let w = match from.read(expected, ready) {
        Ok(words) => words,
        Err((chunk, tag)) => return Err(Unread::Tag { slot: 0, chunk, tag, expected }),
    };
    let half = |word: u64| (word >> 32) as u16;
    let low = |word: u64| word & 0xffff_ffff;
    let (length, op) = (half(w[3]), half(w[7]));
    let bytes = length as usize;
    let slots = slots_for(bytes) as u64;
    if bytes > MAX_PAYLOAD || slots > limit {
        let limit = MAX_PAYLOAD.min(INLINE_BYTES + (limit as usize - 1) * MORE_BYTES);
        return Err(Unread::Corrupt(Corrupt::Length { slot: at, bytes: length, limit }));
    }
    if !ops.has(op) {
        return Err(Unread::Corrupt(Corrupt::Op { slot: at, op }));
    }
    buffer.0[..8].copy_from_slice(&(low(w[3]) | w[4] << 32).to_le_bytes());
    buffer.0[8..16].copy_from_slice(&(w[4] >> 32 | w[5] << 32).to_le_bytes());
    buffer.0[16..24].copy_from_slice(&w[6].to_le_bytes());
    buffer.0[24..28].copy_from_slice(&(w[7] as u32).to_le_bytes());
    if slots > 1 {
        read_more(buffer, slots, ready, slot)?;
    }
    let frame = Frame {
        op,
        message: half(w[1]),
        row: w[0] as u32,
        generation: (w[0] >> 32) as u32,
        correlation: w[1] as u32,
        reply_tag: half(w[5]),
        hlc: w[2],
        payload: &buffer.0[..bytes],
    };
    Ok((frame, slots))
}

/// Reads the slots of a frame behind its first.
#[inline(never)]
fn read_more<'s>(buffer: &mut Buffer, slots: u64, ready: Sync, slot: impl Fn(u64) -> (&'s Slot, u16)) -> Result<(), Unread> {
    for (i, bytes) in (1..slots).zip(buffer.0[INLINE_BYTES..].as_chunks_mut::<MORE_BYTES>().0) {
        let (from, expected) = slot(i);
        let words = from.read(expected, ready).map_err(|(chunk, tag)| Unread::Tag { slot: i, chunk, tag, expected })?;
        for (chunk, bytes) in bytes.as_chunks_mut::<12>().0.iter_mut().enumerate() {
            bytes[..8].copy_from_slice(&words[2 * chunk].to_le_bytes());
            bytes[8..].copy_from_slice(&(words[2 * chunk + 1] as u32).to_le_bytes());
        }
    }
    Ok(())
}
