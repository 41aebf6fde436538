// E-6: what a launch does about one before it that was lost. Part of engine.h.
#pragma once
#include "frame.h"

// E-6: whether the answer of the message being handled when the launch before was lost is there: all of it, or some.
struct Answered { bool whole, some; };
ENGINE_FN Answered answered(const Block& b, const Head& h) {
    if (h.op != OP_CALL_DIRECT || h.correlation >= b.reply_lines) return {false, false};
    // Each line carries the tag of the slot's last answer, and all of them that of this one when it is whole.
    const Chunk* const line = b.replies + h.correlation * (u64)CHUNKS;
    Answered is{true, false};
    u32 lines = 1;
    for (u32 k = 0; k < lines; ++k)
        for (u32 i = 0; i < CHUNKS; ++i) {
            const Chunk c = load_chunk(line + k * CHUNKS + i);
            const bool there = tag_of(c) == h.reply_tag;
            is.whole = is.whole && there;
            is.some = is.some || there;
            if (there && k == 0 && i == 1) lines = slots_for(high(c.hi) & 0xffff);
            if (lines > b.reply_lines - h.correlation) lines = b.reply_lines - h.correlation;
        }
    return is;
}

// E-6: blames the message that was being handled. Its actor's state may be half of one and half of another, so it fails; the
// message goes back to the host.
ENGINE_FN void blame(Block& b, Lane& l, const Head& h, Row& row) {
    const bool failed = is_live(row, h.generation);
    const u32 ahead = h.op == OP_ASK ? (u32)sizeof(ReplyTo) : 0;
    if (failed) {
        mark_failed(b, row);
        send(b, l, OP_RETURN, h.message, NO_CORRELATION, l.payload + ahead, h.length - ahead);
    }
    tell_blamed(b, l, failed);
}

// E-6: comes past the message that this lane was at when the launch before was lost.
ENGINE_CALL void settle_lane(Block& b, Lane& l, bool blamed) {
    known(b), known(l);
    const LaneState& was = *l.saved;
    l.id = was.at & ~(HANDLING | DONE);
    l.queue = l.id & 1;
    l.at = l.id >> 1;
    l.hlc = peek(&b.workers[l.warp].hlc);
    const Chunk* const ring = is_from_inbox(l) ? b.workers[l.warp].inbox : b.ring.ring;
    const u64 mask = (1ull << (is_from_inbox(l) ? b.mail.inbox_log2 : b.ring.log2)) - 1;
    const Chunk* const first = ring + (l.at & mask) * CHUNKS;
    const Head h = l.head = unpack(l, load_chunk(first), load_chunk(first + 1), load_chunk(first + 2), load_chunk(first + 3));
    for (u32 k = 1; k < slots_for(h.length); ++k)
        for (u32 i = 0; i < CHUNKS; ++i) unpack_more(l, k, i, load_chunk(ring + ((l.at + k) & mask) * CHUNKS + i));
    Row& row = b.rows[h.row];
    // What was written whole before the loss stands ahead of the tail; the host has taken back what was not.
    const bool told = was.answered == l.id + 1 && was.answered_at < b.egress_tail;
    const bool seen = was.seen == l.id + 1 && was.seen_at <= b.egress_tail;
    // All was done but for the answer, if it has one (mail.h, `mend_lane`).
    const bool sent = was.sending == l.id + 1 && was.ticket == SENT;
    const Answered is = answered(b, h);
    // As it was before the message, or behind it if that was handled and its actor has not failed by it.
    const bool lives = is_live(row, h.generation);
    const u64 one = is_from_inbox(l) ? FROM_ACTOR : 1;
    if (row.generation == h.generation) count_from(b.counts + h.row, was.count + ((told || sent || is.some) && lives ? one : 0));
    if (told || is.whole || (sent && !is_call(h.op))) {
        // It was handled, and that was told.
    } else if (is.some || sent) {
        // It was handled, and what its caller may have read of the answer can not be written anew.
        tell_blamed(b, l, 0);
    } else if (!blamed && !seen && row.state_bytes <= UNDO_BYTES) {
        const u32 status = look(&row.status);
        copy(b.arena + row.state_offset, was.undo, row.state_bytes);
        // A failure that nobody has heard of has not been.
        if (row.generation == h.generation && status == ROW_FAILED) put(&row.status, (u32)ROW_LIVE);
        keep_word(&b.saved->trying, l.index + 1);
        message(b, l, h, &row, true);
    } else {
        blame(b, l, h, row);
    }
    keep_done(l);
    Worker& w = b.workers[l.warp];
    if (l.hlc > peek(&w.hlc)) note(&w.hlc, l.hlc);
}

// E-6: comes past what this warp had begun when the launch before was lost, one message after another, and one warp after another, since
// who is alone is known to be the one that does it again. False if the shard is to leave before all are.
ENGINE_CALL bool settle(Block& b, Lane& l) {
    known(b), known(l);
    enum { WAIT, GO, LEAVE };
    u32 next = WAIT;
    for (; next == WAIT; next = first_lane(next)) {
        if (lane() != 0) continue;
        const u32 loss = take(&b.control->loss);
        if (peek(&b.leaving)) next = LEAVE;
        else if (!(loss & HOLD) && receive(&b.settled) == l.warp) { note(&b.loss, loss); next = GO; }
        else { while_waiting(b); pause_ns(200); }
    }
    if (next == LEAVE) return false;
    const u64 trying = b.tried;
    for (u32 begun = which_lanes((l.saved->at & HANDLING) != 0); begun; begun &= begun - 1) {
        // Blamed is the one that was alone when it happened, or else the only one.
        if (lane() == first_one(begun)) settle_lane(b, l, !(b.loss & RETRY) && (!trying || trying == l.index + 1));
        if (is_first(live_lanes())) {
            set_busy(b, b.workers[l.warp], 0);
            keep_word(&b.saved->trying, 0);
        }
    }
    if (is_first(live_lanes())) {
        // SYNC settled: what this warp has written of the loss, the next one has.
        pass(&b.settled, l.warp + 1);
        if (l.warp + 1 == b.warps) publish(&b.progress->settled, b.launch);
    }
    // Nothing else is handled meanwhile.
    for (next = WAIT; next == WAIT; next = from_lane(next, first_one(live_lanes()))) {
        if (!is_first(live_lanes())) continue;
        if (receive(&b.settled) == b.warps) next = GO;
        else if (peek(&b.leaving)) next = LEAVE;
        else while_waiting(b);
    }
    return next == GO;
}

// E-6: what was written whole before a loss is the host's, which has taken away what was not; this launch writes behind it.
ENGINE_FN void find_tail(Block& b) {
    const u32 log2 = b.capacity_log2;
    for (;;) {
        const Chunk* const slot = b.egress + (b.egress_tail & ((1ull << log2) - 1)) * CHUNKS;
        const u32 tag = lap(b.egress_tail, log2);
        const Chunk c1 = load_chunk(slot + 1);
        if (tag_of(load_chunk(slot)) != tag || tag_of(c1) != tag || tag_of(load_chunk(slot + 2)) != tag || tag_of(load_chunk(slot + 3)) != tag) return;
        if (c1.lo > b.hlc) b.hlc = c1.lo;
        b.egress_tail += slots_for(high(c1.hi) & 0xffff);
    }
}
