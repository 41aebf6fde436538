//! Where everything is in a device's memory: rows, what shards and warps keep, logs, counts, mailboxes, nurseries, the arena.

use resident_kernels::wire::{BatchState, EngineParams, LOG_BYTES, Mailbox, REST_BYTES, Row, ShardState, WORK_LANES, WORK_WARPS};

use crate::mailboxes::{Mailboxes, grant_slots, nursery_bytes};
use crate::region::Geometry;

/// Offsets from the memory's beginning, where the rows are, and its size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables {
    shards: u64,
    batches: u64,
    logs: u64,
    rests: u64,
    counts: u64,
    mailboxes_at: u64,
    mailboxes: Mailboxes,
    marks: u64,
    nurseries: u64,
    grant_slots: u64,
    /// Where the arena begins: everything ahead of it starts out as zero.
    pub arena: u64,
    /// Bytes of all.
    pub bytes: u64,
}

impl Tables {
    pub(crate) fn of(geometry: &Geometry) -> Tables {
        let rows = u64::from(geometry.shards) * u64::from(geometry.rows);
        let mailboxes = Mailboxes::of(geometry);
        let shards = (rows * size_of::<Row>() as u64).next_multiple_of(align_of::<ShardState>() as u64);
        let batches = shards + u64::from(geometry.shards) * size_of::<ShardState>() as u64;
        let logs = batches + u64::from(geometry.shards) * (WORK_WARPS * size_of::<BatchState>()) as u64;
        let rests = logs + u64::from(geometry.shards) * (WORK_WARPS * LOG_BYTES) as u64;
        let counts = rests + u64::from(geometry.shards) * (WORK_LANES * REST_BYTES) as u64;
        let mailboxes_at = (counts + rows * size_of::<u64>() as u64).next_multiple_of(align_of::<Mailbox>() as u64);
        let marks = mailboxes_at + mailboxes.bytes;
        let nurseries = marks + mailboxes.marks;
        let arena = (nurseries + nursery_bytes(geometry)).next_multiple_of(align_of::<Mailbox>() as u64);
        let (grant_slots, bytes) = (grant_slots(geometry), arena + geometry.arena_bytes);
        Tables { shards, batches, logs, rests, counts, mailboxes_at, mailboxes, marks, nurseries, grant_slots, arena, bytes }
    }

    /// The engine's parameters, over a region at `region` and this memory at `base`, with so many work warps to a shard.
    pub(crate) fn params(&self, region: u64, base: u64, warps: usize) -> EngineParams {
        EngineParams {
            region,
            rows: base,
            shards: base + self.shards,
            batches: base + self.batches,
            logs: base + self.logs,
            rests: base + self.rests,
            counts: base + self.counts,
            arena: base + self.arena,
            mailboxes: base + self.mailboxes_at,
            mailbox_bytes: self.mailboxes.each,
            marks: base + self.marks,
            inbox_log2: self.mailboxes.inbox_log2,
            outbox_log2: self.mailboxes.outbox_log2,
            warps: warps as u32,
            pad: 0,
            nurseries: base + self.nurseries,
            grant_slots: self.grant_slots,
        }
    }
}
