//! How large the mailboxes of a device are, through which its actors reach each other (`kernels/cuda/mail.h`).

use resident_kernels::wire::{ALLOWANCE, Mailbox, Peer, SLOT_BYTES, STATE_PAGE};

use crate::region::Geometry;

/// The smallest outbox, in slots.
const MIN_OUTBOX: u64 = 4096;

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
        let peers = shards.next_multiple_of(8) * size_of::<Peer>() as u64;
        let each =
            (size_of::<Mailbox>() as u64 + peers + (inbox + outbox) * SLOT_BYTES as u64).next_multiple_of(align_of::<Mailbox>() as u64);
        // Both are whole pages of slots, which cuts rely on.
        const { assert!(MIN_OUTBOX * SLOT_BYTES as u64 >= STATE_PAGE as u64) };
        Mailboxes { inbox_log2: inbox.ilog2(), outbox_log2: outbox.ilog2(), each, bytes: shards * each }
    }
}
