//! MB-4 (`kernels/cuda/mail.h`): what becomes of a frame that was on its way from an outbox when a launch was lost, also at the second loss in
//! a row. The engine mends here as on the CPU device, over memory as such a loss leaves it.

use std::mem::zeroed;
use std::sync::Arc;

use resident_gpu::region::{Geometry, Region};
use resident_kernels::engine::mend_host;
use resident_kernels::wire::*;

const GEOMETRY: Geometry = Geometry { shards: 2, capacity: 32, rows: 1, reply_lines: 0, arena_bytes: 0, names: 0, nursery: 0 };
const LOG2: u32 = 6;
const SLOTS: usize = 1 << LOG2;
/// Words of a slot.
const WORDS: usize = SLOT_BYTES / 8;

/// Where the outbox of shard 0 begins, of three frames for shard 1, and how far that one is in its inbox.
const HEAD: u64 = 1000;
const PASSED: u64 = 500;

/// Two shards' mailboxes, and what they keep.
struct Shards {
    region: Arc<Region>,
    states: Box<[ShardState; 2]>,
    lanes: Vec<LaneState>,
    /// Words, inbox and outbox of each, as chunks.
    mailboxes: Vec<u128>,
}

const EACH: usize = (size_of::<Mailbox>() + 2 * SLOTS * SLOT_BYTES) / 16;

impl Shards {
    /// The second frame was to be sent to slot `ticket`; the inbox has given out the slots up to `tail`.
    fn new(ticket: u64, tail: u64) -> Shards {
        // SAFETY: numbers all through, of which zero is one.
        let (state, lane) = unsafe { (zeroed::<ShardState>(), zeroed::<LaneState>()) };
        let mut states = Box::new([state; 2]);
        (states[0].outbox_head, states[0].outbox_tail) = (HEAD, HEAD + 3);
        states[0].tickets[..2].copy_from_slice(&[ticket, (HEAD + 1) | HANDLING]);
        // Of its one warp, the inbox's.
        states[1].cursors[1] = PASSED;
        let lanes = vec![lane; 2 * WORK_LANES];
        let mut shards = Shards { region: Region::heap(&GEOMETRY).unwrap(), states, lanes, mailboxes: vec![0; 2 * EACH] };
        shards.words(1)[0] = tail;
        for at in HEAD..HEAD + 3 {
            shards.write(0, SLOTS, at);
        }
        shards
    }

    /// A shard's mailbox, in 64-bit words.
    fn words(&mut self, shard: usize) -> &mut [u64] {
        let mailbox = &mut self.mailboxes[shard * EACH..][..EACH];
        // SAFETY: as many bytes, of a smaller alignment.
        unsafe { std::slice::from_raw_parts_mut(mailbox.as_mut_ptr().cast(), 2 * EACH) }
    }

    /// Slot `at` of the ring that is so many slots behind a mailbox's words: 0 for the inbox.
    fn slot(&mut self, shard: usize, behind: usize, at: u64) -> &mut [u64] {
        let place = size_of::<Mailbox>() / 8 + (behind + at as usize % SLOTS) * WORDS;
        &mut self.words(shard)[place..][..WORDS]
    }

    /// Writes a frame without a payload, for row 0 of shard 1.
    fn write(&mut self, shard: usize, behind: usize, at: u64) {
        let tag = ((at >> LOG2) + 1) << 48;
        let target = 1 << 32;
        let chunks = [[1 << 32, tag], [at, tag], [0, target | tag], [0, u64::from(OP_TELL) << 32 | tag]];
        self.slot(shard, behind, at).copy_from_slice(chunks.as_flattened());
    }

    fn op(&mut self, shard: usize, behind: usize, at: u64) -> u16 {
        (self.slot(shard, behind, at)[WORDS - 1] >> 32) as u16
    }

    /// The ops of what waits in the outbox.
    fn waiting(&mut self) -> [u16; 3] {
        [0, 1, 2].map(|n| self.op(0, SLOTS, HEAD + n))
    }

    fn mend(&mut self) {
        let params = EngineParams {
            region: self.region.base().as_ptr() as u64,
            rows: 0,
            counts: 0,
            shards: self.states.as_mut_ptr() as u64,
            lanes: self.lanes.as_mut_ptr() as u64,
            rests: 0,
            arena: 0,
            mailboxes: self.mailboxes.as_mut_ptr() as u64,
            mailbox_bytes: (EACH * 16) as u64,
            inbox_log2: LOG2,
            outbox_log2: LOG2,
            warps: 1,
            pad: 0,
            nurseries: 0,
            grant_slots: 0,
        };
        // SAFETY: mailboxes and what shards and lanes keep live until the call returns, which looks at nothing else; nobody else touches them.
        unsafe { mend_host(&params) };
    }
}

/// It is there, or was handled: it is not sent once more.
#[test]
fn what_was_sent_is_void_in_the_outbox() {
    let mut shards = Shards::new(PASSED + 2, PASSED + 3);
    for at in PASSED..PASSED + 3 {
        shards.write(1, 0, at);
    }
    shards.mend();
    assert_eq!(shards.waiting(), [OP_TELL, OP_VOID, OP_TELL]);
    assert_eq!(shards.op(1, 0, PASSED + 2), OP_TELL, "and stays where it is");

    let mut shards = Shards::new(PASSED - 1, PASSED);
    shards.mend();
    assert_eq!(shards.waiting(), [OP_TELL, OP_VOID, OP_TELL]);
}

/// It is not whole: its place there is made void, and it is sent by the next launch. If that is lost too the place looks handled, and yet it
/// has still to be sent.
#[test]
fn what_was_not_sent_waits_over_two_losses() {
    let mut shards = Shards::new(PASSED, PASSED + 1);
    // Half of it.
    shards.write(1, 0, PASSED);
    shards.slot(1, 0, PASSED)[WORDS - 1] = 0;
    shards.mend();
    assert_eq!(shards.waiting(), [OP_TELL; 3]);
    assert_eq!(shards.op(1, 0, PASSED), OP_VOID);
    // The next launch came past the void, and was lost before it sent anything.
    shards.states[1].cursors[1] = PASSED + 1;
    shards.mend();
    assert_eq!(shards.waiting(), [OP_TELL; 3]);
}

/// A ticket of a frame that has left the outbox says nothing of one that stands in its place now.
#[test]
fn old_tickets_are_not_asked_about() {
    let mut shards = Shards::new(PASSED - 1, PASSED);
    shards.states[0].tickets[1] = (HEAD - 1) | HANDLING;
    shards.mend();
    assert_eq!(shards.waiting(), [OP_TELL; 3]);
}
