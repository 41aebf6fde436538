//! How large the mailboxes of a device are, through which its actors reach each other (`kernels/cuda/mail.h`), and its nurseries.

use resident_kernels::wire::{Grant, LateFrame, Mailbox, SLOT_BYTES, STATE_PAGE, WORK_LANES, WORK_WARPS};

use crate::region::Geometry;

/// The smallest inbox, in slots: what finds no room takes a way that is much longer. With `small_inboxes` (ci/sanitizers.sh) places are written
/// again before other orderings have come between.
const MIN_INBOX: u64 = if cfg!(small_inboxes) { (STATE_PAGE / SLOT_BYTES) as u64 } else { 4096 };
/// The smallest outbox, in slots: half of it is for what a warp's handlers send beyond what makes it hold up the host, a quarter for a loss.
const MIN_OUTBOX: u64 = 8192;

/// The mailboxes of a device, one for each work warp of each shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mailboxes {
    /// Slots of an inbox, as a power of two.
    pub inbox_log2: u32,
    /// Slots of an outbox, as a power of two.
    pub outbox_log2: u32,
    /// Bytes of one.
    pub each: u64,
    /// Bytes of all.
    pub bytes: u64,
    /// Bytes for a bit for each slot of all inboxes and outboxes, and for what is left of a word of each.
    pub marks: u64,
}

impl Mailboxes {
    /// Those of a device: each inbox holds as much as a ring, or as it is asked for.
    pub(crate) fn of(geometry: &Geometry) -> Mailboxes {
        let all = u64::from(geometry.shards) * WORK_WARPS as u64;
        let ring = u64::from(geometry.capacity).next_power_of_two().max(MIN_INBOX);
        let inbox = u64::from(geometry.inbox).next_power_of_two().max(ring);
        // After a loss an outbox takes one entry of each warp that was about to send (`mend_inbox`).
        let outbox = ring.max(MIN_OUTBOX).max(4 * all.next_power_of_two());
        let each = (size_of::<Mailbox>() as u64 + (inbox + outbox) * SLOT_BYTES as u64 + outbox * size_of::<LateFrame>() as u64)
            .next_multiple_of(align_of::<Mailbox>() as u64);
        // Both are whole pages of slots, which cuts rely on.
        const { assert!(MIN_INBOX * SLOT_BYTES as u64 >= STATE_PAGE as u64 && STATE_PAGE.is_multiple_of(align_of::<Mailbox>())) };
        let marks = all * ((inbox + outbox) / 8 + 4);
        Mailboxes { inbox_log2: inbox.ilog2(), outbox_log2: outbox.ilog2(), each, bytes: all * each, marks }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbox_holds_what_it_is_asked_for_and_a_ring_at_least() {
        let of = |capacity, inbox| {
            let geometry = Geometry { shards: 3, capacity, rows: 1, reply_lines: 0, arena_bytes: 0, names: 0, nursery: 0, inbox };
            let mailboxes = Mailboxes::of(&geometry);
            assert!(mailboxes.each >= ((1 << mailboxes.inbox_log2) + (1 << mailboxes.outbox_log2)) * SLOT_BYTES as u64);
            assert!(mailboxes.marks * 8 >= 12 * ((1 << mailboxes.inbox_log2) + (1 << mailboxes.outbox_log2)));
            (1u64 << mailboxes.inbox_log2, mailboxes.outbox_log2)
        };
        assert_eq!(of(64, 0), of(64, 1));
        assert_eq!(of(64, 0).0, MIN_INBOX);
        assert_eq!(of(1 << 16, 0).0, 1 << 16);
        assert_eq!(of(1 << 16, 1 << 14).0, 1 << 16);
        assert_eq!(of(64, 40_000).0, 1 << 16);
        // What waits for a receiver does not grow with it.
        assert_eq!(of(64, 40_000).1, of(64, 0).1);
    }
}
