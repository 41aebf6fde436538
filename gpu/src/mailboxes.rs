//! How large the mailboxes of a device are, through which its actors reach each other (`kernels/cuda/mail.h`), and its nurseries.

use resident_kernels::wire::{ALLOWANCE, Grant, Mailbox, SLOT_BYTES, STATE_PAGE, WORK_LANES};

use crate::region::Geometry;

/// The smallest outbox, in slots: half of it is for what all warps' handlers send beyond what makes their shard hold up the host.
const MIN_OUTBOX: u64 = 16384;

/// The mailboxes of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mailboxes {
    /// Slots of an inbox, as a power of two.
    pub inbox_log2: u32,
    /// Slots of an outbox, as a power of two.
    pub outbox_log2: u32,
    /// Bytes of one shard's mailbox.
    pub each: u64,
    /// Bytes of all.
    pub bytes: u64,
}

impl Mailboxes {
    /// Those of a device: each inbox holds as much as a ring, beyond what its senders may write without looking how full it is.
    pub(crate) fn of(geometry: &Geometry) -> Mailboxes {
        let shards = u64::from(geometry.shards);
        let inbox = (u64::from(geometry.capacity) + (2 * shards + 1) * ALLOWANCE as u64).next_power_of_two();
        let inbox = inbox.max((STATE_PAGE / SLOT_BYTES) as u64);
        let outbox = inbox.max(MIN_OUTBOX);
        let each = size_of::<Mailbox>() as u64 + (inbox + outbox) * SLOT_BYTES as u64;
        // Both are whole pages of slots, which cuts rely on.
        const { assert!(MIN_OUTBOX * SLOT_BYTES as u64 >= STATE_PAGE as u64 && STATE_PAGE.is_multiple_of(align_of::<Mailbox>())) };
        Mailboxes { inbox_log2: inbox.ilog2(), outbox_log2: outbox.ilog2(), each, bytes: shards * each }
    }
}

/// Slots of each shard's nursery (`kernels/cuda/nursery.h`): one for each grant, and some whose grant has become an actor and that its
/// spawner has not given back when the host, which has heard of that actor, sends the next one.
pub(crate) fn grant_slots(geometry: &Geometry) -> u64 {
    if geometry.nursery == 0 { 0 } else { u64::from(geometry.nursery) + WORK_LANES as u64 }
}

/// Bytes of all nurseries.
pub(crate) fn nursery_bytes(geometry: &Geometry) -> u64 {
    u64::from(geometry.shards) * grant_slots(geometry) * size_of::<Grant>() as u64
}
