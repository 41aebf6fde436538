//! NU-4 (`kernels/cuda/nursery.h`): what a launch makes of a spawn in the middle of which the one before was lost. The engine runs here as
//! the CPU device runs it, over memory as such a loss leaves it.

use std::mem::zeroed;
use std::sync::Arc;

use resident_gpu::region::{Geometry, Region};
use resident_gpu::ring::Frame;
use resident_kernels::engine::run_host_shard;
use resident_kernels::wire::*;

const GEOMETRY: Geometry = Geometry { shards: 1, capacity: 32, rows: 8, reply_lines: 0, arena_bytes: 4096, names: 0, nursery: 2, inbox: 0 };
const LOG2: u32 = 6;

/// A shard's memory, and the region that it talks through.
struct Shard {
    region: Arc<Region>,
    rows: [Row; 8],
    counts: [u64; 8],
    state: Box<ShardState>,
    batches: Vec<BatchState>,
    logs: Vec<u128>,
    rests: Vec<u128>,
    arena: Vec<u128>,
    mailbox: Vec<Mailbox>,
    grants: [Grant; 4],
}

impl Shard {
    fn new() -> Shard {
        // SAFETY: numbers all through, of which zero is one.
        let (row, state, batch) = unsafe { (zeroed::<Row>(), zeroed::<ShardState>(), zeroed::<BatchState>()) };
        // SAFETY: as above.
        let (mailbox, grant) = unsafe { (zeroed::<Mailbox>(), zeroed::<Grant>()) };
        Shard {
            region: Region::heap(&GEOMETRY).unwrap(),
            rows: [row; 8],
            counts: [0; 8],
            state: Box::new(state),
            batches: vec![batch; WORK_WARPS],
            logs: vec![0; WORK_WARPS * LOG_BYTES / 16],
            rests: vec![0; WORK_LANES * REST_BYTES / 16],
            arena: vec![0; 4096 / 16],
            // The words, inbox and outbox.
            mailbox: vec![mailbox; 1 + ((2 * SLOT_BYTES + size_of::<LateFrame>()) << LOG2) / size_of::<Mailbox>()],
            grants: [grant; 4],
        }
    }

    /// A slot with a grant of `row` at generation 7, which the batch of this turn has taken, and has written the row or not.
    fn take(&mut self, slot: usize, row: u32, written: bool, turn: u64) {
        let (state_offset, taken) = (64 * u64::from(row), turn << TURN_BITS);
        self.grants[slot] = Grant { row, generation: 7, state_offset, bytes: 64, status: GRANT_TAKEN.into(), taken };
        if written {
            self.rows[row as usize] = Row { kind: 0, generation: 7, state_offset, state_bytes: 8, status: ROW_FREE.into(), killed: 0 };
        }
    }

    /// That batch was to say `born` to the host, in this place of the egress ring.
    fn says(&mut self, place: u64, born: &[u8; 24]) {
        let [w0, w1, w2, w3, w4, w5] = std::array::from_fn(|at| u128::from(u32::from_le_bytes(born[4 * at..][..4].try_into().unwrap())));
        let tag = 5 << 112;
        self.logs[0] = u128::from(5 << TURN_BITS | u64::from(LOG_HOST) << 8 | 1) | u128::from(place) << 64;
        self.logs[LOG_SLOTS..][..4].copy_from_slice(&[
            u128::from(u32::MAX) << 64 | tag,
            1 | w0 << 64 | 24 << 96 | tag,
            w1 | w2 << 32 | w3 << 64 | tag,
            w4 | w5 << 32 | u128::from(OP_BORN) << 96 | tag,
        ]);
    }

    /// The shard was lost in the batch of turn 5, of one message, which was committed or not.
    fn lose(&mut self, committed: bool) {
        (self.batches[0].batch, self.batches[0].begun) = (1, 1 | 5 << TURN_BITS);
        self.state.cursors[0] = committed.into();
    }

    /// Launches the shard, which leaves at once.
    fn launch(&mut self) {
        self.region.control(0).set_command(STOP);
        let params = EngineParams {
            region: self.region.base().as_ptr() as u64,
            rows: self.rows.as_mut_ptr() as u64,
            counts: self.counts.as_mut_ptr() as u64,
            shards: (&raw mut *self.state) as u64,
            batches: self.batches.as_mut_ptr() as u64,
            logs: self.logs.as_mut_ptr() as u64,
            rests: self.rests.as_mut_ptr() as u64,
            arena: self.arena.as_mut_ptr() as u64,
            mailboxes: self.mailbox.as_mut_ptr() as u64,
            mailbox_bytes: (self.mailbox.len() * size_of::<Mailbox>()) as u64,
            marks: 0,
            inbox_log2: LOG2,
            outbox_log2: LOG2,
            warps: 1,
            pad: 0,
            nurseries: self.grants.as_mut_ptr() as u64,
            grant_slots: self.grants.len() as u64,
        };
        // SAFETY: all of it lives until the call returns, at the sizes of the geometry, and nobody else touches it.
        unsafe { run_host_shard(&params, 0, false) };
    }

    fn status(&self, slot: usize, row: u32) -> (u32, u32) {
        (self.grants[slot].status, self.rows[row as usize].status)
    }
}

/// The batch was not committed: the row is free and the grant ready, whether or not the row was written.
#[test]
#[cfg_attr(miri, ignore = "calls C++")]
fn a_birth_that_was_not_committed_has_not_been() {
    let mut shard = Shard::new();
    shard.take(0, 3, true, 5);
    shard.take(2, 5, false, 5);
    // Of the generation before, which has nothing to do with it.
    shard.rows[5] = Row { kind: 0, generation: 6, state_offset: 0, state_bytes: 8, status: ROW_FREE.into(), killed: 0 };
    shard.lose(false);
    shard.launch();
    assert_eq!(shard.status(0, 3), (GRANT_READY.into(), ROW_FREE.into()));
    assert_eq!(shard.status(2, 5), (GRANT_READY.into(), ROW_FREE.into()));
    assert_eq!((shard.grants[0].row, shard.grants[0].generation, shard.grants[0].state_offset), (3, 7, 192));
    assert_eq!(shard.status(1, 0), (GRANT_FREE.into(), ROW_FREE.into()));
}

/// It was: whoever it has spawned is there, and the host hears of it, behind what it was told before; one that an earlier turn was about to take
/// is not.
#[test]
#[cfg_attr(miri, ignore = "calls C++")]
fn a_birth_that_was_committed_has_been() {
    let mut shard = Shard::new();
    shard.take(0, 3, true, 4);
    shard.take(1, 4, true, 5);
    shard.lose(true);
    let (mut egress, _) = shard.region.engine_ports(0).unwrap();
    let (_, mut host) = shard.region.host_ports(0).unwrap();
    // Ahead of it its spawner has emitted something, which has gone out.
    egress.push(&Frame { op: OP_EMIT, payload: &[1; 100], ..Frame::default() }).unwrap();
    let born = Born { row: 4, generation: 7, kind: 0, bytes: 8, state_offset: 256 }.to_bytes();
    shard.says(slots_for(100) as u64, &born);
    shard.launch();
    assert_eq!(host.pop().unwrap().map(|frame| frame.op), Some(OP_EMIT));
    let told = host.pop().unwrap().expect("the host is told");
    assert_eq!((told.op, told.correlation, told.payload), (OP_BORN, u32::MAX, &born[..]));
    assert_eq!(host.pop().unwrap(), None);
    assert_eq!(shard.status(0, 3), (GRANT_READY.into(), ROW_FREE.into()));
    assert_eq!(shard.status(1, 4), (GRANT_FREE.into(), ROW_LIVE.into()));
    assert_eq!(shard.rows[4].generation, 7);
}

/// What is ready or free stays so over any number of launches.
#[test]
#[cfg_attr(miri, ignore = "calls C++")]
fn launches_change_nothing_else() {
    let mut shard = Shard::new();
    shard.take(0, 3, false, 5);
    shard.grants[0].status = GRANT_READY.into();
    shard.take(1, 4, true, 5);
    shard.rows[4].status = ROW_LIVE.into();
    shard.grants[1].status = GRANT_FREE.into();
    for _ in 0..3 {
        shard.launch();
        assert_eq!(shard.status(0, 3), (GRANT_READY.into(), ROW_FREE.into()));
        assert_eq!(shard.status(1, 4), (GRANT_FREE.into(), ROW_LIVE.into()));
    }
}
