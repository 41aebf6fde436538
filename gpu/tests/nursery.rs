//! NU-4 (`kernels/cuda/nursery.h`): what a launch makes of a spawn in the middle of which the one before was lost. The engine runs here as
//! the CPU device runs it, over memory as such a loss leaves it.

use std::mem::zeroed;
use std::sync::Arc;

use resident_gpu::region::{Geometry, Region};
use resident_gpu::ring::Frame;
use resident_kernels::engine::run_host_shard;
use resident_kernels::wire::*;

const GEOMETRY: Geometry = Geometry { shards: 1, capacity: 32, rows: 8, reply_lines: 0, arena_bytes: 4096, names: 0, nursery: 2 };
const LOG2: u32 = 6;

/// A shard's memory, and the region that it talks through.
struct Shard {
    region: Arc<Region>,
    rows: [Row; 8],
    counts: [u64; 8],
    state: Box<ShardState>,
    lanes: Vec<LaneState>,
    rests: Vec<u128>,
    arena: Vec<u128>,
    mailbox: Vec<Mailbox>,
    grants: [Grant; 4],
}

impl Shard {
    fn new() -> Shard {
        // SAFETY: numbers all through, of which zero is one.
        let (row, state, lane) = unsafe { (zeroed::<Row>(), zeroed::<ShardState>(), zeroed::<LaneState>()) };
        // SAFETY: as above.
        let (mailbox, grant) = unsafe { (zeroed::<Mailbox>(), zeroed::<Grant>()) };
        Shard {
            region: Region::heap(&GEOMETRY).unwrap(),
            rows: [row; 8],
            counts: [0; 8],
            state: Box::new(state),
            lanes: vec![lane; WORK_LANES],
            rests: vec![0; WORK_LANES * REST_BYTES / 16],
            arena: vec![0; 4096 / 16],
            // The words, inbox and outbox.
            mailbox: vec![mailbox; 1 + ((2 * SLOT_BYTES + size_of::<LateFrame>()) << LOG2) / size_of::<Mailbox>()],
            grants: [grant; 4],
        }
    }

    /// A slot with a grant of `row` at generation 7, which somebody has taken, and has written the row or not. `told` says where on the egress
    /// ring the host was to be told.
    fn take(&mut self, slot: usize, row: u32, live: bool, told: Option<u64>) {
        let told = told.map_or(0, |at| at + 1);
        self.grants[slot] = Grant { row, generation: 7, state_offset: 64 * u64::from(row), bytes: 64, status: GRANT_TAKEN.into(), told };
        if live {
            let status = ROW_LIVE.into();
            self.rows[row as usize] = Row { kind: 0, generation: 7, state_offset: 64 * u64::from(row), state_bytes: 8, status, killed: 0 };
        }
    }

    /// Launches the shard, which leaves at once.
    fn launch(&mut self) {
        self.region.control(0).set_command(STOP);
        let params = EngineParams {
            region: self.region.base().as_ptr() as u64,
            rows: self.rows.as_mut_ptr() as u64,
            counts: self.counts.as_mut_ptr() as u64,
            shards: (&raw mut *self.state) as u64,
            lanes: self.lanes.as_mut_ptr() as u64,
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

/// Nobody was told: the row is free and the grant ready, whether or not the row was written.
#[test]
#[cfg_attr(miri, ignore = "calls C++")]
fn a_birth_that_nobody_heard_of_has_not_been() {
    let mut shard = Shard::new();
    // It was about to be told, or not yet.
    shard.take(0, 3, true, Some(0));
    shard.take(2, 5, false, None);
    // Of the generation before, which has nothing to do with it.
    shard.rows[5] = Row { kind: 0, generation: 6, state_offset: 0, state_bytes: 8, status: ROW_FREE.into(), killed: 0 };
    shard.launch();
    assert_eq!(shard.status(0, 3), (GRANT_READY.into(), ROW_FREE.into()));
    assert_eq!(shard.status(2, 5), (GRANT_READY.into(), ROW_FREE.into()));
    assert_eq!((shard.grants[0].row, shard.grants[0].generation, shard.grants[0].state_offset), (3, 7, 192));
    assert_eq!(shard.status(1, 0), (GRANT_FREE.into(), ROW_FREE.into()));
}

/// Of two in the middle of which it was lost, the host was told of one: that one is there, and its slot can be filled.
#[test]
#[cfg_attr(miri, ignore = "calls C++")]
fn a_birth_that_was_told_has_been() {
    let mut shard = Shard::new();
    // One behind the other, which has not come to be written.
    shard.take(0, 3, true, Some(4));
    shard.take(1, 4, true, Some(3));
    let mut born = Vec::new();
    for word in [4u32, 7, 0, 8, 256, 0] {
        born.extend(word.to_le_bytes());
    }
    let (mut egress, _) = shard.region.engine_ports(0).unwrap();
    // Behind something else that its spawner has said.
    egress.push(&Frame { op: OP_EMIT, payload: &[1; 100], ..Frame::default() }).unwrap();
    egress.push(&Frame { op: OP_BORN, correlation: u32::MAX, payload: &born, ..Frame::default() }).unwrap();
    shard.launch();
    assert_eq!(shard.status(0, 3), (GRANT_READY.into(), ROW_FREE.into()));
    assert_eq!(shard.status(1, 4), (GRANT_FREE.into(), ROW_LIVE.into()));
    assert_eq!(shard.rows[4].generation, 7);
}

/// What is ready or free stays so over any number of launches.
#[test]
#[cfg_attr(miri, ignore = "calls C++")]
fn launches_change_nothing_else() {
    let mut shard = Shard::new();
    shard.take(0, 3, false, None);
    shard.grants[0].status = GRANT_READY.into();
    shard.take(1, 4, true, None);
    shard.grants[1].status = GRANT_FREE.into();
    for _ in 0..3 {
        shard.launch();
        assert_eq!(shard.status(0, 3), (GRANT_READY.into(), ROW_FREE.into()));
        assert_eq!(shard.status(1, 4), (GRANT_FREE.into(), ROW_LIVE.into()));
    }
}
