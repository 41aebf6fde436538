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
            const bool there = is_staged(c, h.reply_tag);
            is.whole = is.whole && there;
            is.some = is.some || there;
            if (there && k == 0 && i == 1) lines = slots_for(high(c.hi) & 0xffff);
            if (lines > b.reply_lines - h.correlation) lines = b.reply_lines - h.correlation;
        }
    return is;
}

// E-6: blames the message that was being handled. Its actor's state may be half of one and half of another, so it fails; the
// message goes back to the host.
ENGINE_FN void blame(Block& b, const Head& h, Row& row) {
    const bool failed = row.generation == h.generation && look(&row.status) == ROW_LIVE;
    const u32 ahead = h.op == OP_ASK ? (u32)sizeof(ReplyTo) : 0;
    if (failed) {
        put(&row.status, (u32)ROW_FAILED);
        ++b.faults;
        keep_counts(b);
        send(b, OP_RETURN, h.message, NO_CORRELATION, b.payload + ahead, h.length - ahead);
    }
    tell_blamed(b, failed);
}

// E-6: comes past what the launch before has begun; false if the shard is to leave before the worker lets it.
ENGINE_CALL bool settle(Block& b) {
    for (;; pause_ns(200)) {
        b.loss = take(&b.control->loss);
        if (!(b.loss & HOLD)) break;
        if (peek(&b.leaving)) return false;
        while_waiting(b);
    }
    b.unsettled = 0;
    if (b.begun) {
        Queue& q = *b.from;
        const u64 at = b.at, mask = (1ull << q.log2) - 1;
        const Chunk* const first = q.ring + (at & mask) * CHUNKS;
        const Head h = b.head = unpack(b, load_chunk(first), load_chunk(first + 1), load_chunk(first + 2), load_chunk(first + 3));
        for (u32 k = 1; k < slots_for(h.length); ++k)
            for (u32 i = 0; i < CHUNKS; ++i) unpack_more(b, k, i, load_chunk(q.ring + ((at + k) & mask) * CHUNKS + i));
        Row& row = b.rows[h.row];
        const Answered is = answered(b, h);
        // As it was before the message, or behind it if that was handled and its actor has not failed by it.
        const bool was = b.begun & ANSWERED || is.some;
        const bool lives = row.generation == h.generation && look(&row.status) == ROW_LIVE;
        if (row.generation == h.generation) count_from(b.counts + h.row, b.saved->count + (was && lives ? is_from_inbox(b) ? FROM_ACTOR : 1 : 0));
        if (b.begun & ANSWERED || is.whole) {
            // It was handled, and that was told.
        } else if (is.some) {
            // It was handled, and what its caller may have read of the answer can not be written anew.
            tell_blamed(b, 0);
        } else if (b.loss & RETRY && !(b.begun & SEEN) && row.state_bytes <= UNDO_BYTES) {
            const u32 status = look(&row.status);
            copy(b.arena + row.state_offset, b.saved->undo, row.state_bytes);
            // A failure that nobody has heard of has not been.
            if (row.generation == h.generation && status == ROW_FAILED) put(&row.status, (u32)ROW_LIVE);
            message(b, h, &row);
        } else {
            blame(b, h, row);
        }
        finish(b);
    }
    publish(&b.progress->settled, b.launch);
    return true;
}

// E-6: what was written whole before a loss is the host's, which has taken away what was not; this launch writes behind it.
ENGINE_FN void find_tail(Block& b, u32 correlation) {
    const u32 log2 = b.capacity_log2;
    for (;;) {
        const Chunk* const slot = b.egress + (b.egress_tail & ((1ull << log2) - 1)) * CHUNKS;
        const u32 tag = lap(b.egress_tail, log2);
        const Chunk c1 = load_chunk(slot + 1);
        if (!is_staged(load_chunk(slot), tag) || !is_staged(c1, tag) || !is_staged(load_chunk(slot + 2), tag) || !is_staged(load_chunk(slot + 3), tag)) return;
        if (c1.lo > b.hlc) b.hlc = c1.lo;
        // What was being handled was seen outside: it has emitted, or been answered.
        const Chunk c0 = load_chunk(slot), c3 = load_chunk(slot + 3);
        if (b.begun) b.begun |= (high(c3.hi) & 0xffff) == OP_EMIT || low(c0.hi) != correlation ? SEEN : ANSWERED;
        b.egress_tail += slots_for(high(c1.hi) & 0xffff);
    }
}
