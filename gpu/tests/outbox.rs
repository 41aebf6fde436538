//! MB-4 (`kernels/cuda/mail.h`), E-6: what becomes of frames that were on their way when a launch was lost, and of what a batch was to do, also
//! at the second loss in a row. The engine mends here as on the CPU device, over memory as such a loss leaves it.

use std::mem::zeroed;
use std::sync::Arc;

use resident_gpu::region::{Geometry, Region};
use resident_kernels::engine::mend_host;
use resident_kernels::wire::*;

const GEOMETRY: Geometry = Geometry { shards: 2, capacity: 32, rows: 1, reply_lines: 0, arena_bytes: 0, names: 0, nursery: 0, inbox: 0 };
const LOG2: u32 = 6;
const SLOTS: u64 = 1 << LOG2;
/// Words of a slot.
const WORDS: usize = SLOT_BYTES / 8;

/// Where the outbox of shard 0 begins, and how far shard 1 is in its inbox.
const HEAD: u64 = 1000;
const PASSED: u64 = 500;
/// The first slot of that inbox that is not free.
const END: u64 = PASSED + SLOTS;
/// How far shard 0 is in its ring, and where it stands behind the batch that it was at: of these frames.
const HANDLED: u64 = 76;
const BATCH: u64 = HANDLED + 3;
/// The turn in which that was begun.
const TURN: u64 = 9;

/// In a mailbox, behind its words.
const INBOX: usize = size_of::<Mailbox>() / 8;
const OUTBOX: usize = INBOX + SLOTS as usize * WORDS;
const LATE: usize = OUTBOX + SLOTS as usize * WORDS;
const EACH: usize = LATE + SLOTS as usize * size_of::<LateFrame>() / 8;

/// The mailboxes of two shards of one work warp each, and what they keep: shard 0 sends, shard 1 receives.
struct Shards {
    region: Arc<Region>,
    states: Box<[ShardState; 2]>,
    batches: Vec<BatchState>,
    /// Chunks of each warp's log, of which only that of shard 0 is used.
    logs: Vec<u128>,
    /// Slots of it that are taken.
    logged: usize,
    rows: [Row; 2],
    counts: [u64; 2],
    arena: Vec<u128>,
    /// Words, inbox, outbox and what is late of each. Chunks, since those are aligned.
    mailboxes: Vec<u128>,
    marks: Vec<u32>,
}

impl Shards {
    /// The inbox of shard 1 has given out the slots up to `tail`.
    fn new(tail: u64) -> Shards {
        // SAFETY: numbers all through, of which zero is one.
        let (state, batch, row) = unsafe { (zeroed::<ShardState>(), zeroed::<BatchState>(), zeroed::<Row>()) };
        let mut states = Box::new([state; 2]);
        for state in &mut *states {
            (state.outbox_heads[0], state.outbox_tails[0]) = (HEAD, HEAD);
        }
        states[0].cursors[0] = HANDLED;
        states[1].cursors[1] = PASSED;
        let mut batches = vec![batch; 2 * WORK_WARPS];
        (batches[0].batch, batches[0].begun) = (BATCH, 3 | TURN << TURN_BITS);
        let marks = vec![!0; 2 * (2 * SLOTS as usize / 32 + 1)];
        let logs = vec![0; 2 * WORK_WARPS * LOG_BYTES / 16];
        let region = Region::heap(&GEOMETRY).unwrap();
        let (rows, counts, arena) = ([row; 2], [0; 2], vec![0; 64]);
        let mut shards = Shards { region, states, batches, logs, logged: 0, rows, counts, arena, mailboxes: vec![0; EACH], marks };
        shards.words(1)[0] = tail;
        shards
    }

    /// A shard's mailbox, in 64-bit words.
    fn words(&mut self, shard: usize) -> &mut [u64] {
        // SAFETY: as many bytes, of a smaller alignment.
        let all = unsafe { std::slice::from_raw_parts_mut(self.mailboxes.as_mut_ptr().cast(), 2 * EACH) };
        &mut all[shard * EACH..][..EACH]
    }

    /// Slot `at` of the ring that begins at word `ring` of a mailbox.
    fn slot(&mut self, shard: usize, ring: usize, at: u64) -> &mut [u64] {
        &mut self.words(shard)[ring + (at % SLOTS) as usize * WORDS..][..WORDS]
    }

    /// Writes the first slot of a frame with a payload of so many bytes, for row 0 of shard 1.
    fn write(&mut self, shard: usize, ring: usize, at: u64, bytes: u64) {
        let tag = ((at >> LOG2) + 1) << 48;
        let target = 1 << 32;
        let chunks = [[1 << 32, tag], [at, bytes << 32 | tag], [0, target | tag], [0, u64::from(OP_TELL) << 32 | tag]];
        self.slot(shard, ring, at).copy_from_slice(chunks.as_flattened());
    }

    /// Puts a frame for slot `ticket` of the inbox of shard 1 into the outbox of shard 0.
    fn late(&mut self, ticket: u64) {
        let at = self.states[0].outbox_tails[0];
        self.states[0].outbox_tails[0] = at + 1;
        self.write(0, OUTBOX, at, 0);
        self.entry(0, at).copy_from_slice(&[ticket, 1 << 32 | 1]);
    }

    fn entry(&mut self, shard: usize, at: u64) -> &mut [u64] {
        &mut self.words(shard)[LATE + (at % SLOTS) as usize * 2..][..2]
    }

    /// What of a shard's outbox has still to go: slots and tickets.
    fn waiting(&mut self, shard: usize) -> Vec<(u32, u64)> {
        let (head, tail) = (self.states[shard].outbox_heads[0], self.states[shard].outbox_tails[0]);
        let all = (head..tail).map(|at| self.entry(shard, at).to_vec());
        all.map(|entry| ((entry[1] >> 32) as u32, entry[0])).filter(|(slots, _)| *slots != 0).collect()
    }

    /// The op in a slot of the inbox of shard 1, if it is there.
    fn op(&mut self, at: u64) -> Option<u16> {
        let tag = (at >> LOG2) + 1;
        let slot = self.slot(1, INBOX, at);
        slot.iter().skip(1).step_by(2).all(|word| word >> 48 == tag).then(|| (slot[WORDS - 1] >> 32) as u16)
    }

    /// The batch of shard 0 was to send a frame of so many slots to slot `ticket`.
    fn sends(&mut self, ticket: u64, slots: u64) {
        let tag = u128::from(TURN) << 112;
        for k in 0..slots {
            let (at, turn) = (self.logged, TURN << TURN_BITS);
            let head = if k == 0 { turn | u64::from(LOG_MAIL) << 8 | slots } else { turn | u64::from(LOG_MORE) << 8 };
            let place = if k == 0 { ticket | 1 << TICKET_BITS } else { 0 };
            self.logs[at] = u128::from(head) | u128::from(place) << 64;
            let op = if k == 0 { u128::from(OP_TELL) << 96 } else { 0 };
            // As many bytes as so many slots carry.
            let bytes = if k == 0 { INLINE_BYTES as u128 + (u128::from(slots) - 1) * MORE_BYTES as u128 } else { 0 };
            let chunks = [u128::from(ticket + k) | tag, bytes << 96 | tag, tag, op | tag];
            self.logs[LOG_SLOTS + 4 * at..][..4].copy_from_slice(&chunks);
            self.logged += 1;
        }
    }

    /// The batch was to make this of row 0 of shard 0: a state of 16 bytes, a count.
    fn makes(&mut self, state: u128, count: u64, status: u16) {
        let record =
            RowRecord { turn: TURN, row: 0, status: status.into(), count, bytes: 16, spawned: 0, state_offset: 0, generation: 0, kind: 0 };
        let at = 5 * LOG_SLOTS;
        self.logs[at..][..3]
            .copy_from_slice(&record.to_bytes().as_chunks().0.iter().map(|chunk| u128::from_le_bytes(*chunk)).collect::<Vec<_>>());
        self.logs[at + 32 * size_of::<RowRecord>() / 16] = state;
        self.rows[0].state_offset = 32;
        self.rows[0].state_bytes = 16;
        self.rows[0].status = ROW_LIVE.into();
    }

    /// It was committed.
    fn commit(&mut self) {
        self.states[0].cursors[0] = BATCH;
    }

    /// The first word of a slot of the inbox of shard 1.
    fn word(&mut self, at: u64) -> u64 {
        self.slot(1, INBOX, at)[0]
    }

    fn mend(&mut self) {
        let params = EngineParams {
            region: self.region.base().as_ptr() as u64,
            rows: self.rows.as_mut_ptr() as u64,
            counts: self.counts.as_mut_ptr() as u64,
            shards: self.states.as_mut_ptr() as u64,
            batches: self.batches.as_mut_ptr() as u64,
            logs: self.logs.as_mut_ptr() as u64,
            rests: 0,
            arena: self.arena.as_mut_ptr() as u64,
            mailboxes: self.mailboxes.as_mut_ptr() as u64,
            mailbox_bytes: (EACH * 8) as u64,
            marks: self.marks.as_mut_ptr() as u64,
            inbox_log2: LOG2,
            outbox_log2: LOG2,
            warps: 1,
            pad: 0,
            nurseries: 0,
            grant_slots: 0,
        };
        // SAFETY: mailboxes, marks and what shards and lanes keep live until the call returns, which looks at nothing else; nobody else
        // touches them.
        unsafe { mend_host(&params) };
    }
}

/// What a batch that was committed has sent is there, or was handled, or waits with its ticket: that stays so.
#[test]
fn what_was_sent_is_not_sent_again() {
    let mut shards = Shards::new(PASSED + 1);
    shards.write(1, INBOX, PASSED, 0);
    shards.sends(PASSED, 1);
    shards.sends(PASSED - 1, 1);
    shards.commit();
    shards.mend();
    assert_eq!((shards.op(PASSED), shards.word(PASSED)), (Some(OP_TELL), 1 << 32), "it stays where it is");
    assert_eq!(shards.op(PASSED - 1), None);
    assert_eq!((shards.waiting(0), shards.waiting(1)), (vec![], vec![]));

    let mut shards = Shards::new(END + 1);
    (PASSED..END).for_each(|at| shards.write(1, INBOX, at, 0));
    shards.late(END);
    shards.sends(END, 1);
    shards.commit();
    shards.mend();
    assert_eq!(shards.waiting(0), [(1, END)]);
}

/// What it was to send and has not, or half of it, is sent from the log: where it belongs, or late.
#[test]
fn what_was_committed_is_sent() {
    let mut shards = Shards::new(END + 2);
    (PASSED + 4..END).for_each(|at| shards.write(1, INBOX, at, 0));
    // Half of it, and nothing of one of three slots.
    shards.write(1, INBOX, PASSED, 0);
    shards.slot(1, INBOX, PASSED)[WORDS - 1] = 0;
    shards.sends(PASSED, 1);
    shards.sends(PASSED + 1, 3);
    shards.sends(END, 1);
    shards.commit();
    for _ in 0..2 {
        shards.mend();
        assert_eq!([0, 1].map(|n| shards.op(PASSED + n)), [OP_TELL; 2].map(Some));
        assert_eq!([0, 1, 2, 3].map(|n| shards.word(PASSED + n)), [0, 1, 2, 3].map(|n| PASSED + n));
        assert_eq!(shards.waiting(0), [(1, END)], "once, with its ticket");
        assert_eq!(shards.waiting(1), [(1 << 31 | 1, END + 1)], "which nobody was to send");
    }
}

/// Of a batch that was not committed nothing is seen: what it was to send leaves voids, once, and rows are as they were.
#[test]
fn what_was_not_committed_leaves_a_void() {
    let mut shards = Shards::new(PASSED + 2);
    // Its ticket was taken; another's frame behind it.
    shards.write(1, INBOX, PASSED + 1, 0);
    shards.sends(PASSED, 1);
    shards.makes(1, 1, ROW_FAILED);
    shards.mend();
    assert_eq!((shards.op(PASSED), shards.op(PASSED + 1)), (Some(OP_VOID), Some(OP_TELL)));
    assert_eq!((shards.arena[2], shards.counts[0], shards.rows[0].status), (0, 0, ROW_LIVE.into()));
    // The next launch came past the void, and was lost at what stands behind it.
    shards.states[1].cursors[1] = PASSED + 1;
    shards.mend();
    assert_eq!(shards.op(PASSED + 1), Some(OP_TELL));
    assert_eq!((shards.waiting(0), shards.waiting(1)), (vec![], vec![]));
}

/// What a batch that was committed has made of rows is so.
#[test]
fn what_was_committed_is_made_of_rows() {
    let mut shards = Shards::new(PASSED);
    shards.makes(77, 5, ROW_ENDED);
    shards.commit();
    for _ in 0..2 {
        shards.mend();
        assert_eq!((shards.arena[2], shards.counts[0], shards.rows[0].status), (77, 5, ROW_ENDED.into()));
    }
    // A batch of an earlier turn says nothing of this one.
    shards.batches[0].begun = 3 | (TURN + 1) << TURN_BITS;
    shards.counts[0] = 6;
    shards.mend();
    assert_eq!(shards.counts[0], 6);
}

/// Of a frame of three slots the last is missing: none of them is a frame any more.
#[test]
fn a_frame_that_is_cut_short_is_void_all_through() {
    let mut shards = Shards::new(PASSED + 4);
    shards.write(1, INBOX, PASSED, INLINE_BYTES as u64 + MORE_BYTES as u64 + 1);
    let tag = ((PASSED >> LOG2) + 1) << 48;
    shards.slot(1, INBOX, PASSED + 1).copy_from_slice([[7, tag]; 4].as_flattened());
    shards.write(1, INBOX, PASSED + 3, 0);
    shards.mend();
    let ops = [0, 1, 2, 3].map(|n| shards.op(PASSED + n));
    assert_eq!(ops, [OP_VOID, OP_VOID, OP_VOID, OP_TELL].map(Some));
}

/// What is late is written as far as there is room, once, and the rest keeps its ticket.
#[test]
fn what_is_late_goes_when_there_is_room() {
    let mut shards = Shards::new(END + 2);
    (PASSED + 2..END).for_each(|at| shards.write(1, INBOX, at, 0));
    for ticket in [END + 1, PASSED, END, PASSED + 1] {
        shards.late(ticket);
    }
    shards.mend();
    assert_eq!((shards.op(PASSED), shards.op(PASSED + 1)), (Some(OP_TELL), Some(OP_TELL)));
    assert_eq!(shards.waiting(0), [(1, END + 1), (1, END)]);
    // The next launch has handled one of them, and is lost.
    shards.states[1].cursors[1] = PASSED + 1;
    shards.mend();
    assert_eq!(shards.waiting(0), [(1, END + 1)]);
    assert_eq!(shards.op(END), Some(OP_TELL), "in the place of what was handled");
    // It was written, and handled, before this loss and not taken out: it is not written once more.
    shards.states[1].cursors[1] = END + 2;
    shards.mend();
    assert_eq!(shards.waiting(0), []);
    assert_eq!(shards.op(END + 1), None);
}

/// Tickets beyond the inbox's end that nobody has anything for: void, as something late of the receiver's own, and a run of them is one.
#[test]
fn what_has_no_place_yet_is_void_later() {
    let mut shards = Shards::new(END + 4);
    (PASSED..END).for_each(|at| shards.write(1, INBOX, at, 0));
    shards.late(END + 2);
    shards.mend();
    assert_eq!(shards.waiting(0), [(1, END + 2)]);
    let void = 1 << 31;
    assert_eq!(shards.waiting(1), [(void | 2, END), (void | 1, END + 3)]);
    // And not once more at the next loss. There all have room.
    shards.states[1].cursors[1] = PASSED + 4;
    shards.mend();
    assert_eq!((shards.waiting(0), shards.waiting(1)), (vec![], vec![]));
    let ops = [0, 1, 2, 3].map(|n| shards.op(END + n));
    assert_eq!(ops, [OP_VOID, OP_VOID, OP_TELL, OP_VOID].map(Some));
}
