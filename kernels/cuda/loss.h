// E-6: what a launch does about one before it that was lost. Part of engine.h.
#pragma once
#include "commit.h"

// ---- what was committed is carried out -------------------------------------------------------------------------------

// Every slot of a warp's log that begins something, if its last batch was committed: its place in the log, and its head.
template <class Each> ENGINE_FN void each_logged(const BatchState& s, const ShardState& of, u32 warp, const Log& log, Each each) {
    if (!is_committed(s, of, warp)) return;
    const u64 turn = s.begun >> TURN_BITS;
    for (u32 at = 0; at < LOG_SLOTS; ++at) {
        const Chunk head = load_chunk(log.heads + at);
        if (turn_of(head) != turn) return;
        if (kind_of(head) != LOG_MORE) each(at, head);
    }
}

// What became of rows.
ENGINE_FN void carry_out_rows(const EngineParams& p, u32 shard, u32 warp) {
    const u32 rows = ((const RegionHeader*)p.region)->rows;
    const u64 of_all = (u64)shard * WORK_WARPS + warp;
    const BatchState& s = ((const BatchState*)p.batches)[of_all];
    if (!is_committed(s, ((const ShardState*)p.shards)[shard], warp)) return;
    const Log log = log_at((u8*)p.logs + of_all * LOG_BYTES);
    for (u32 i = 0; i < LANES; ++i) {
        const RowRecord& r = log.rows[i];
        if (r.turn != s.begun >> TURN_BITS) continue;
        Row& row = ((Row*)p.rows)[(u64)shard * rows + r.row];
        if (r.spawned) {
            row.kind = r.kind & 0xff;
            row.state_offset = r.state_offset;
            row.state_bytes = r.kind >> 8;
            row.generation = r.generation;
        }
        copy_state((const u8*)(log.states + i * COPY_CHUNKS), r.bytes, [&](u32 k, Chunk c) { ((Chunk*)((u8*)p.arena + row.state_offset))[k] = c; });
        ((u64*)p.counts)[(u64)shard * rows + r.row] = r.count;
        row.status = r.status;
    }
}

// Whether a frame of a log is among what is late of its warp.
ENGINE_FN bool is_late(const EngineParams& p, const Mail& m, u32 own, u32 to, u64 ticket) {
    const ShardState& s = ((const ShardState*)p.shards)[own / p.warps];
    for (u64 at = s.outbox_heads[own % p.warps]; at != s.outbox_tails[own % p.warps]; ++at) {
        const LateFrame& late = late_of(m, own, at);
        if (late.slots && late.inbox == to && late.ticket == ticket) return true;
    }
    return false;
}

// MB-4: what was sent to other actors. What is not in its inbox yet, and was not handled there, goes there, or to the outbox if its slot is not
// free.
ENGINE_FN void carry_out_mail(const EngineParams& p, u32 shard, u32 warp) {
    const u64 of_all = (u64)shard * WORK_WARPS + warp;
    const Mail m = mail_of(p, ((const RegionHeader*)p.region)->shards);
    const Log log = log_at((u8*)p.logs + of_all * LOG_BYTES);
    ShardState& s = ((ShardState*)p.shards)[shard];
    const u32 own = mailbox_of_warp(m, shard, warp);
    each_logged(((const BatchState*)p.batches)[of_all], s, warp, log, [&](u32 at, Chunk head) {
        if (kind_of(head) != LOG_MAIL) return;
        const u32 to = inbox_of(head), slots = slots_of(head);
        const u64 ticket = ticket_of(head), passed = head_of(p, to), end = passed + (1ull << m.inbox_log2);
        if (ticket < passed || (ticket + slots <= end && frame_at(inbox(m, to), m.inbox_log2, ticket, ticket + slots)) || is_late(p, m, own, to, ticket)) return;
        if (ticket + slots <= end) {
            for (u32 k = 0; k < slots; ++k) copy_slot(slot(inbox(m, to), m.inbox_log2, ticket + k), lap(ticket + k, m.inbox_log2), log.slots + (at + k) * CHUNKS);
            return;
        }
        u64& tail = s.outbox_tails[warp];
        for (u32 k = 0; k < slots; ++k) {
            copy_slot(slot(outbox(m, own), m.outbox_log2, tail + k), lap(tail + k, m.outbox_log2), log.slots + (at + k) * CHUNKS);
            late_of(m, own, tail + k) = {k ? 0 : ticket, k ? 0 : to, k ? 0 : slots};
        }
        tail += slots;
    });
}

// How far what was said to the host goes, if not all of it was written. Everything else that the host was told stands whole ahead of it.
ENGINE_FN u64 owed_to_host(const Block& b, u32 warp) {
    const Worker& w = b.workers[warp];
    u64 end = 0;
    each_logged(*w.kept, *b.saved, warp, log_at(w.log), [&](u32, Chunk head) {
        if (kind_of(head) == LOG_HOST && head.hi >= b.egress_tail && head.hi + slots_of(head) > end) end = head.hi + slots_of(head);
    });
    return end;
}

// Whether the reply of a direct call is there, all of it.
ENGINE_FN bool is_answered(const Block& b, u32 line, u32 tag) {
    u32 lines = 1;
    for (u32 k = 0; k < lines; ++k)
        for (u32 i = 0; i < CHUNKS; ++i) {
            const Chunk c = load_chunk(b.replies + (line + k) * (u64)CHUNKS + i);
            if (tag_of(c) != tag) return false;
            if (k == 0 && i == 1) lines = slots_for(length_of(c));
            if (lines > b.reply_lines - line) lines = b.reply_lines - line;
        }
    return true;
}

// E-6: direct calls whose messages were handled, and whose callers may have read half a reply, or a later one: the host ends what is still
// waited for.
ENGINE_CALL void end_direct_calls(Block& b, Lane& l) {
    known(b), known(l);
    Worker& w = b.workers[l.warp];
    const Log log = log_at(w.log);
    each_logged(*w.kept, *b.saved, l.warp, log, [&](u32 at, Chunk head) {
        const u32 line = low(head.hi), tag = high(head.hi);
        if (kind_of(head) != LOG_LINE || is_answered(b, line, tag) || !lock_egress(b)) return;
        if (!wait_for_room(b, w, 1)) { unlock_egress(b); return; }
        const Chunk of = load_chunk(log.slots + at * CHUNKS);
        *(BlameInfo*)l.reply = {0, (u32)of.hi, 0, line, tag};
        const u64 tail = peek(&b.egress_tail);
        note(&b.hlc, peek(&b.hlc) + 1);
        write_one(ring_slot(b, tail), lap(tail, b.capacity_log2), {OP_BLAMED, TO_HOST, low(of.lo), high(of.lo), NO_CORRELATION, b.loss & 0xffff, sizeof(BlameInfo), 0},
                  peek(&b.hlc), l.reply, 0);
        advance_egress(b, tail + 1);
        unlock_egress(b);
    });
}

// ---- what was begun and not committed --------------------------------------------------------------------------------

// E-6: handles once more what this warp had begun when the launch before was lost, one message after another, and one warp after another, since
// who is alone is known to be the one that does it again. `handle_some` handles some frames of a queue, if there are any. False if the shard is
// to leave before all are.
template <class Handle> ENGINE_FN bool settle(Block& b, Lane& l, Handle handle_some) {
    Worker& w = b.workers[l.warp];
    // The lock is this warp's, from the launch before.
    if (lane() == 0 && w.owes) {
        if (say_logged(b, w, w.owes)) unlock_egress(b);
        else note(&b.unfinished, l.warp + 1);
    }
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
    const u32 loss = first_lane(peek(&b.loss));
    const BatchState was = *w.kept;
    const u32 messages = was.begun & BEGUN_MESSAGES;
    if (loss & LOSS) {
        if (lane() == 0) end_direct_calls(b, l);
        sync_lanes();
    }
    if (loss & LOSS && messages && was.batch && !is_committed(was, *b.saved, l.warp)) {
        const u32 queue = was.begun & BEGUN_INBOX ? INBOX : INGRESS;
        const u64 end = was.batch - peek(&w.cursor[queue ^ 1]);
        // Blamed is the one that was alone when it happened, or else the only one; and one whose state may be half of one and half of another.
        const bool alone = messages == 1 && !(loss & RETRY) && (!b.tried || b.tried == l.warp + 1);
        if (lane() == 0) {
            note(&w.blames, alone || was.begun & BEGUN_IN_PLACE ? 1u : 0u);
            keep_word(&b.saved->trying, l.warp + 1);
        }
        bool leaves = false;
        while (!leaves && any_lane(peek(&w.cursor[queue]) < end)) {
            if (is_first(live_lanes())) note(&w.limit, 1u);
            sync_lanes();
            if (handle_some(queue)) continue;
            leaves = any_lane(peek(&b.leaving));
            if (is_first(live_lanes())) { while_waiting(b); pause_ns(200); }
            sync_lanes();
        }
        if (is_first(live_lanes())) {
            note(&w.blames, 0u);
            if (!leaves) keep_word(&b.saved->trying, 0);
        }
        sync_lanes();
        if (leaves) return false;
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

// ---- all of it, ahead of a launch ------------------------------------------------------------------------------------

// Carries out what was committed and mends the mailboxes, by threads of one block; `sync` has them wait for each other.
template <class Sync> ENGINE_FN void mend(const EngineParams& p, Hand hand, Sync sync) {
    const u32 shards = ((const RegionHeader*)p.region)->shards, boxes = shards * p.warps;
    const Mail m = mail_of(p, shards);
    for (u32 i = hand.index; i < boxes; i += hand.count) {
        publish(&mailbox(m, i).head, head_of(p, i));
        mailbox(m, i).mark = marks_for(p, i);
        carry_out_rows(p, i / p.warps, i % p.warps);
        carry_out_mail(p, i / p.warps, i % p.warps);
    }
    sync();
    if (hand.index == 0) place_marks(m, boxes);
    for (u32 i = hand.index; i < boxes; i += hand.count) mend_outbox(p, i);
    sync();
    for (u32 i = hand.index; i < boxes; i += hand.count)
        for (u64 word = 0; word < marks_for(p, i) / 32; ++word) ((u32*)p.marks)[mailbox(m, i).mark / 32 + word] = 0;
    sync();
    for (u32 i = hand.index; i < boxes; i += hand.count) mark_late(p, i);
    sync();
    for (u32 i = hand.index; i < boxes; i += hand.count) mend_inbox(p, i);
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
