//! Reply lines: where the answers of direct calls land, so that a caller waits on a line of its own and no
//! pump stands between it and the device.
//!
//! - **RL-1 (own)** A line belongs to one [`ReplySlot`] at a time.
//! - **RL-2 (whole)** A reply is read whole or not yet; a line's tags tell this call's reply from every other.
//! - **RL-4 (ended)** A call whose reply can not come any more is [ended](ReplyLines::end) by the host, once, unless its reply has come.
//! - **RL-3 (abandoned)** A slot given up while its reply is outstanding is handed out again only after that reply landed.
//!
//! A line is a slot as in a ring, with the call's reply tag for the lap tag; a longer reply goes on in the
//! lines that follow. A caller claims lines (or keeps its slot from call to call), takes a tag, sends
//! `OP_CALL_DIRECT` with `correlation` = [`ReplySlot::index`] and `reply_tag` = the tag, and polls:
//!
//! ```
//! use resident_gpu::{replies, ring::Frame};
//!
//! let (lines, mut engine) = replies::pair(4);
//! let mut slot = lines.claim(1).unwrap();
//! let tag = slot.next_tag().unwrap();
//! assert_eq!(slot.poll(tag).unwrap(), None);
//!
//! let reply = Frame { op: 16, reply_tag: tag, payload: b"1,204 flights", ..Frame::default() };
//! engine.answer(slot.index(), &reply).unwrap();
//! assert_eq!(slot.poll(tag).unwrap(), Some(reply));
//! ```

use crate::frame::{self, Buffer, Corrupt, Frame, Ops, Slot, Unread};
use crate::ring::PushError;
use crate::sync::{AtomicU32, Mutex, Sync, lock};
use resident_kernels::wire::{INLINE_BYTES, MAX_PAYLOAD, MORE_BYTES, OP_BLAMED, slots_for};
use std::any::Any;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The reply lines of one region, shared by every caller.
pub struct ReplyLines {
    lines: NonNull<Slot>,
    count: u32,
    _memory: Arc<dyn Any + Send + std::marker::Sync>,
    /// For each line, the tag of the last call that the host has ended, 0 for none.
    ended: Box<[AtomicU32]>,
    free: Mutex<Free>,
}

// SAFETY: (lines) the lines are atomics that outlive the handle; the rest is behind a lock.
unsafe impl Send for ReplyLines {}
// SAFETY: as above.
unsafe impl std::marker::Sync for ReplyLines {}

/// Who owns which line, and the tag used last on each.
struct Free {
    /// One bit for each line, 1 while it is free.
    free: Box<[u64]>,
    /// Tag that each line's last owner used last, so that the next owner's tags go on from there.
    tags: Box<[u16]>,
    /// Where to look first.
    next: u32,
    /// Free lines.
    lines: u32,
    /// Given up with a reply outstanding.
    quarantine: Vec<Abandoned>,
}

/// Lines whose owner left before the reply with `tag` came.
#[derive(Clone, Copy)]
struct Abandoned {
    index: u32,
    lines: u32,
    tag: u16,
}

/// The engine's side of reply lines in Rust, for a peer that is not the engine: a test's.
pub struct Answers {
    lines: NonNull<Slot>,
    count: u32,
    _memory: Arc<dyn Any + Send + std::marker::Sync>,
}

// SAFETY: (lines) the lines are atomics that outlive the handle.
unsafe impl Send for Answers {}

/// Consecutive reply lines, owned: room for one reply at a time.
pub struct ReplySlot {
    of: Arc<ReplyLines>,
    index: u32,
    lines: u32,
    /// The tag used last.
    tag: u16,
    /// `tag` was handed out and its reply was not read yet.
    outstanding: bool,
    buffer: Buffer,
}

/// Makes both sides of `count` reply lines over `lines`.
///
/// # Safety
///
/// (lines) `lines` begins `count` slots that live as long as `memory`.
pub(crate) unsafe fn at(lines: NonNull<Slot>, count: u32, memory: Arc<dyn Any + Send + std::marker::Sync>) -> (Arc<ReplyLines>, Answers) {
    let mut free = vec![u64::MAX; count.div_ceil(64) as usize].into_boxed_slice();
    if let Some(last) = free.last_mut().filter(|_| !count.is_multiple_of(64)) {
        *last = (1 << (count % 64)) - 1;
    }
    let tags = vec![0; count as usize].into_boxed_slice();
    let free = Mutex::new(Free { free, tags, next: 0, lines: count, quarantine: Vec::new() });
    let ended = (0..count).map(|_| AtomicU32::new(0)).collect();
    (Arc::new(ReplyLines { lines, count, _memory: memory.clone(), ended, free }), Answers { lines, count, _memory: memory })
}

/// Makes `count` reply lines in this process's memory, with the engine's side.
pub fn pair(count: u32) -> (Arc<ReplyLines>, Answers) {
    let memory: Arc<Box<[Slot]>> = Arc::new((0..count).map(|_| Slot::new()).collect());
    let lines = NonNull::from(&**memory).cast();
    // SAFETY: (lines) so many slots are in `memory`.
    unsafe { at(lines, count, memory) }
}

/// Lines that a reply of `bytes` takes.
pub const fn lines_for(bytes: usize) -> u32 {
    slots_for(bytes) as u32
}

impl ReplyLines {
    /// Takes `lines` consecutive lines ([`lines_for`] the longest reply); `None` while there are no such.
    pub fn claim(self: &Arc<Self>, lines: u32) -> Option<ReplySlot> {
        if lines == 0 || lines > self.count {
            return None;
        }
        let mut free = lock(&self.free);
        if !free.quarantine.is_empty() {
            self.sweep(&mut free);
        }
        let index = free.take(lines, self.count)?;
        let tag = free.tags[index as usize];
        drop(free);
        let slot = ReplySlot { of: self.clone(), index, lines, tag, outstanding: false, buffer: Buffer::new() };
        slot.clear();
        Some(slot)
    }

    /// Lines in all.
    pub fn lines(&self) -> u32 {
        self.count
    }

    /// Lines that nobody owns and no late reply can reach.
    pub fn free(&self) -> u32 {
        lock(&self.free).lines
    }

    /// Slots given up whose reply has not landed, as far as [`claim`](Self::claim) has looked.
    pub fn quarantined(&self) -> usize {
        lock(&self.free).quarantine.len()
    }

    /// Ends the call with `tag` on the lines from `index` on: nobody will write its reply any more. Its caller gets a frame with
    /// `OP_BLAMED`, unless it has its reply; who owns the lines by now notices nothing.
    pub fn end(&self, index: u32, tag: u16) {
        if let Some(ended) = self.ended.get(index as usize) {
            // SYNC ended: pairs with the load in `is_ended`.
            ended.store(tag as u32, Sync::Ended.store());
        }
    }

    #[inline]
    fn is_ended(&self, index: u32, tag: u16) -> bool {
        // SYNC ended: pairs with the store in `end`.
        self.ended[index as usize].load(Sync::Ended.load()) == tag as u32
    }

    /// Frees the abandoned lines whose reply has landed.
    fn sweep(&self, free: &mut Free) {
        let mut i = 0;
        while let Some(&abandoned) = free.quarantine.get(i) {
            let Abandoned { index, lines, tag } = abandoned;
            let mut buffer = Buffer::new();
            if matches!(self.read(&mut buffer, index, lines, tag), Ok(Some(_))) || self.is_ended(index, tag) {
                free.quarantine.swap_remove(i);
                free.give(index, lines, tag);
            } else {
                i += 1;
            }
        }
    }

    #[inline(always)]
    fn line(&self, index: u32) -> &Slot {
        debug_assert!(index < self.count);
        // SAFETY: (lines) there are `count` lines, and every caller stays within lines that `take` has found.
        unsafe { self.lines.add(index as usize).as_ref() }
    }

    /// Reads the reply with `tag` from lines that are the caller's.
    #[inline]
    fn read<'b>(&self, buffer: &'b mut Buffer, index: u32, lines: u32, tag: u16) -> Result<Option<Frame<'b>>, Corrupt> {
        let line = |i: u64| (self.line(index + i as u32), tag);
        match frame::read(buffer, index as u64, lines as u64, Ops::DEVICE, Sync::ReplyReady, line) {
            Ok((frame, lines)) => {
                (0..lines).for_each(|i| line(i).0.believe());
                Ok(Some(frame))
            }
            // Until the tags wrap, which clears the lines, what was there before has a lower tag.
            Err(Unread::Tag { tag: found, .. }) if found < tag => Ok(None),
            Err(Unread::Tag { slot, chunk, tag, expected }) => Err(Corrupt::Tag { slot: index as u64 + slot, chunk, tag, expected }),
            Err(Unread::Corrupt(corrupt)) => Err(corrupt),
        }
    }
}

impl Free {
    /// Finds `lines` free lines in a row and takes them.
    fn take(&mut self, lines: u32, count: u32) -> Option<u32> {
        if self.lines < lines {
            return None;
        }
        let index = self.find(lines, self.next, count).or_else(|| self.find(lines, 0, count))?;
        for i in index..index + lines {
            self.free[i as usize / 64] &= !(1 << (i % 64));
        }
        self.lines -= lines;
        self.next = index + lines;
        Some(index)
    }

    /// The first of `lines` free lines in a row, from `from` on.
    fn find(&self, lines: u32, from: u32, count: u32) -> Option<u32> {
        let (mut at, mut run) = (from, 0);
        while at < count {
            let word = self.free[at as usize / 64] >> (at % 64);
            if word == 0 {
                at = (at / 64 + 1) * 64;
                run = 0;
            } else if word & 1 == 0 {
                at += word.trailing_zeros();
                run = 0;
            } else {
                at += 1;
                run += 1;
                if run == lines {
                    return Some(at - lines);
                }
            }
        }
        None
    }

    /// Gives lines back, whose last tag was `tag`.
    fn give(&mut self, index: u32, lines: u32, tag: u16) {
        for i in index..index + lines {
            self.free[i as usize / 64] |= 1 << (i % 64);
            self.tags[i as usize] = tag;
        }
        self.lines += lines;
    }
}

impl ReplySlot {
    /// The first line: `correlation` of the call.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Lines of this slot; what a reply may be long is the message's to say.
    pub fn lines(&self) -> u32 {
        self.lines
    }

    /// The longest reply that fits, in bytes.
    pub fn limit(&self) -> usize {
        MAX_PAYLOAD.min(INLINE_BYTES + (self.lines as usize - 1) * MORE_BYTES)
    }

    /// The tag of the next call; `None` while the reply of the one before is outstanding.
    #[inline]
    pub fn next_tag(&mut self) -> Option<u16> {
        if self.outstanding {
            return None;
        }
        if self.tag == u16::MAX {
            // A line that short replies left out may still hold any tag.
            self.clear();
            self.tag = 0;
        }
        self.tag += 1;
        self.outstanding = true;
        Some(self.tag)
    }

    /// Says that the call was not sent after all: no reply with the last tag will come.
    pub fn retract(&mut self) {
        self.outstanding = false;
    }

    /// Whether a reply may still come.
    pub fn is_outstanding(&self) -> bool {
        self.outstanding
    }

    /// Reads the reply with `tag` if it is there: `OP_REPLY`, `OP_FAULT`, `OP_REFUSED`, or `OP_BLAMED` for a call that was ended. Its payload stays in
    /// the slot until the next call. A reply is told once; a tag that is not outstanding tells `None`.
    #[inline]
    pub fn poll(&mut self, tag: u16) -> Result<Option<Frame<'_>>, Corrupt> {
        if !self.outstanding || tag != self.tag {
            return Ok(None);
        }
        let reply = match self.of.read(&mut self.buffer, self.index, self.lines, tag) {
            Ok(None) if self.of.is_ended(self.index, tag) => Ok(Some(Frame { op: OP_BLAMED, reply_tag: tag, ..Frame::default() })),
            read => read,
        };
        if let Ok(Some(_)) = reply {
            self.outstanding = false;
        }
        reply
    }

    /// Empties the lines. They are ours, and the call that lets the engine write them comes after this by slot-ready.
    fn clear(&self) {
        // SYNC ended: nobody ends a call of ours before we make one.
        self.of.ended[self.index as usize].store(0, Relaxed);
        for i in 0..self.lines {
            self.of.line(self.index + i).clear();
        }
    }
}

impl Drop for ReplySlot {
    fn drop(&mut self) {
        let mut free = lock(&self.of.free);
        if self.outstanding {
            free.quarantine.push(Abandoned { index: self.index, lines: self.lines, tag: self.tag });
        } else {
            free.give(self.index, self.lines, self.tag);
        }
    }
}

impl Answers {
    /// Writes `reply` with its `reply_tag` into the lines from `index` on, as the engine does.
    pub fn answer(&mut self, index: u32, reply: &Frame<'_>) -> Result<(), PushError> {
        let bytes = reply.payload.len();
        let lines = self.count.saturating_sub(index);
        if lines == 0 || bytes > MAX_PAYLOAD || lines_for(bytes) > lines {
            let limit = if lines == 0 { 0 } else { INLINE_BYTES + (lines as usize - 1) * MORE_BYTES };
            return Err(PushError::TooLarge { bytes, limit: limit.min(MAX_PAYLOAD) });
        }
        frame::write_all(reply, Sync::ReplyReady, |i| {
            // SAFETY: (lines) there are `count` lines, and the frame ends before that.
            (unsafe { self.lines.add(index as usize + i as usize).as_ref() }, reply.reply_tag)
        });
        Ok(())
    }
}
