// The handler: one frame, from the stage to its end. Part of engine.h.
#pragma once
#include "answer.h"
#include "lanes.h"
#include "mail.h"
#include "nursery.h"

// The reply of a message that another actor has asked.
ENGINE_FN void reply_to_actor(Block& b, Lane& l, u32 bytes) {
    const ReplyTo to = *(const ReplyTo*)l.payload;
    if (hold_back(b, l, OP_TELL, to.shard, to.row, to.generation, to.message, bytes)) copy(l.outgoing, reply_of(l, bytes), bytes);
}

// Has an actor handle a message, as far as its handler goes; false if it was refused, which is all. `l.head` and `l.row` are set before the
// handler runs, which may not return. With `alone` nobody has said yet what its warp is at.
ENGINE_FN bool handle(Block& b, Lane& l, const Head& h, Row* row, bool alone, Outcome& outcome) {
    const u32 status = look(&row->status), killed = look(&row->killed), generation = row->generation, kind = row->kind;
    // On its way together with the row; kept by `begin`, so that a message handled once more is not counted twice.
    const u64 count = counted(b.counts + h.row);
    u8* const state = b.arena + row->state_offset;
    const u32 state_bytes = row->state_bytes;
    Worker& w = b.workers[l.warp];
    if (alone) set_busy(b, w, next_round(w, l.warp, kind));
    l.row = row;
    l.seen = false;
    l.slots = 0;
    l.held = 0;
    l.last.op = 0;
    CtxRaw& ctx = l.ctx;
    ctx.hlc = l.hlc;
    ctx.sent = h.hlc;
    ctx.now = peek(&b.now);
    ctx.row = h.row;
    ctx.generation = h.generation;
    ctx.fault = 0;
    ctx.ended = 0;
    ctx.text_bytes = 0;
    if (generation != h.generation || status != ROW_LIVE || killed == generation) {
        refuse(b, l, generation == h.generation && status == ROW_FAILED && killed != generation ? REFUSED_FAILED : REFUSED_STALE);
        learn(b, l, kind);
        return false;
    }
    const u32 ahead = h.op == OP_ASK ? (u32)sizeof(ReplyTo) : 0;
    begin(l, state, state_bytes, count);
    const u32 meant = is_from_inbox(l) ? h.correlation << 16 : 0;
    const u32 bytes = b.dispatch[kind](h.message | meant, state, l.payload + ahead, h.length - ahead, &ctx, l.reply);
    if (ctx.hlc > l.hlc) l.hlc = ctx.hlc;
    if (ahead && !ctx.fault && bytes != DISPATCH_UNKNOWN) reply_to_actor(b, l, bytes);
    outcome = {bytes, kind, count};
    return true;
}

// What follows once it is sent what the message has sent.
ENGINE_FN void finish(Block& b, Lane& l, const Head& h, const Outcome& outcome) {
    const u32 bytes = outcome.bytes;
    const CtxRaw& ctx = l.ctx;
    learn(b, l, outcome.kind);
    if (bytes == DISPATCH_UNKNOWN) { refuse(b, l, REFUSED_MESSAGE); return; }
    if (bytes == DISPATCH_FAILED || ctx.fault) { fail(b, l, ctx.fault, l.rest->room + MAX_PAYLOAD, ctx.text_bytes); return; }
    if (is_call(h.op)) {
        if (bytes <= INLINE_BYTES && h.op == OP_CALL_DIRECT) reply_direct(b, l, h, bytes);
        else answer(b, l, OP_REPLY, h.message, bytes);
    }
    if (ctx.ended) end_actor(b, l);
    count_from(b.counts + h.row, outcome.count + (is_from_inbox(l) ? FROM_ACTOR : 1));
}

// The same of one lane by itself.
ENGINE_FN void message(Block& b, Lane& l, const Head& h, Row* row, bool alone) {
    Outcome outcome;
    if (!handle(b, l, h, row, alone, outcome)) return;
    if (l.last.op) flush(b, l, true);
    finish(b, l, h, outcome);
}

ENGINE_FN bool within(const Block& b, u64 offset, u64 bytes) { return bytes <= b.arena_bytes && offset <= b.arena_bytes - bytes; }

ENGINE_FN void spawn(Block& b, Lane& l) {
    const Head& h = l.head;
    const SpawnRow& s = *(const SpawnRow*)l.payload;
    const u32 carried = h.length - (u32)sizeof(SpawnRow);
    const auto is_free = [&](const Row& row) { return look(&row.status) == ROW_FREE || (again(b, l) && row.generation == h.generation); };
    if (h.length < sizeof(SpawnRow) || h.row >= b.row_count || s.state_bytes > MAX_STATE || carried > s.state_bytes || s.state_offset % 16 ||
        !within(b, s.state_offset, s.state_bytes) || s.kind >= MAX_KINDS || !b.dispatch[s.kind] || !is_free(b.rows[h.row])) {
        refuse(b, l, REFUSED_PROTOCOL);
        return;
    }
    copy(b.arena + s.state_offset, l.payload + sizeof(SpawnRow), carried);
    Row& row = b.rows[h.row];
    row.kind = s.kind;
    put(&row.state_offset, s.state_offset);
    row.state_bytes = s.state_bytes;
    count_from(b.counts + h.row, 0);
    put(&row.generation, h.generation);
    put(&row.status, (u32)ROW_LIVE);
    answer(b, l, OP_ACK, again(b, l), 0);
}

ENGINE_FN void init(Block& b, Lane& l) {
    const u64 offset = *(const u64*)l.payload;
    const u32 bytes = l.head.length - 8;
    if (l.head.length < 8 || offset % 4 || !within(b, offset, bytes)) { refuse(b, l, REFUSED_PROTOCOL); return; }
    copy(b.arena + offset, l.payload + 8, bytes);
}

ENGINE_FN void stop(Block& b, Lane& l) {
    const Head& h = l.head;
    if (h.row >= b.row_count) { refuse(b, l, REFUSED_PROTOCOL); return; }
    Row& row = b.rows[h.row];
    if (row.generation != h.generation || look(&row.status) == ROW_FREE) { refuse(b, l, REFUSED_STALE); return; }
    put(&row.status, (u32)ROW_FREE);
    answer(b, l, OP_ACK, again(b, l), 0);
}

ENGINE_FN void read_state(Block& b, Lane& l) {
    const Head& h = l.head;
    const ReadState r = *(const ReadState*)l.payload;
    if (h.row >= b.row_count || h.length != sizeof(ReadState) || r.bytes > MAX_PAYLOAD || r.offset % 4) { refuse(b, l, REFUSED_PROTOCOL); return; }
    const Row& row = b.rows[h.row];
    if (row.generation != h.generation || look(&row.status) == ROW_FREE) { refuse(b, l, REFUSED_STALE); return; }
    if (r.offset > row.state_bytes || r.bytes > row.state_bytes - r.offset) { refuse(b, l, REFUSED_PROTOCOL); return; }
    copy(r.bytes <= SHORT_REPLY ? l.reply : l.rest->room, b.arena + row.state_offset + r.offset, r.bytes);
    answer(b, l, OP_REPLY, again(b, l), r.bytes);
}

// Everything that is not a message to a row of this shard.
ENGINE_CALL void control_frame(Block& b, Lane& l) {
    known(b), known(l);
    l.hlc = resident_hlc_merge(l.hlc, l.head.hlc, peek(&b.now));
    if (l.head.length > MAX_PAYLOAD) { refuse(b, l, REFUSED_PROTOCOL); return; }
    switch (l.head.op) {
        case OP_SPAWN: spawn(b, l); break;
        case OP_INIT: init(b, l); break;
        case OP_STOP: stop(b, l); break;
        case OP_READ: read_state(b, l); break;
        case OP_GRANT: grant(b, l); break;
        case OP_FENCE: answer(b, l, OP_ACK, again(b, l), 0); break;
        default: refuse(b, l, REFUSED_PROTOCOL);
    }
}

ENGINE_FN bool is_message(const Block& b, u32 queue, const Head& h) {
    const u32 first = queue == INBOX ? OP_TELL : OP_CAST, last = queue == INBOX ? OP_ASK : OP_CALL_DIRECT;
    return h.op - first <= last - first && h.row < b.row_count && h.length <= MAX_PAYLOAD;
}

// A frame that is none for an actor.
ENGINE_FN void no_message(Block& b, Lane& l, const Head& h) {
    if (!is_from_inbox(l)) control_frame(b, l);
    else if (h.op != OP_VOID) refuse(b, l, REFUSED_PROTOCOL);
}

// The frame in `l`, whatever it is, to its end.
ENGINE_FN void frame(Block& b, Lane& l, const Head& h, bool alone) {
    if (is_message(b, l.queue, h)) message(b, l, h, b.rows + h.row, alone);
    else no_message(b, l, h);
    keep_done(l);
}

// The same for one of a batch. Out of line: where it is alone somebody may wait for it.
ENGINE_CALL void frame_of_batch(Block& b, Lane& l, bool leads) {
    known(b), known(l);
    l.leads = leads;
    const Head h = l.head;
    frame(b, l, h, false);
}

// The same in two parts, in between which the lanes of a warp send together; false if it is at its end.
ENGINE_CALL bool begin_frame(Block& b, Lane& l) {
    known(b), known(l);
    l.leads = false;
    const Head h = l.head;
    if (is_message(b, l.queue, h)) {
        if (handle(b, l, h, b.rows + h.row, false, l.outcome)) return true;
    } else {
        no_message(b, l, h);
    }
    keep_done(l);
    return false;
}
ENGINE_CALL void end_frame(Block& b, Lane& l) {
    known(b), known(l);
    const Head h = l.head;
    finish(b, l, h, l.outcome);
    keep_done(l);
}

// ---- from a queue into a lane ----------------------------------------------------------------------------------------

// A frame's head; the payload that stands beside it goes to `l.payload`.
ENGINE_FN Head unpack(Lane& l, Chunk c0, Chunk c1, Chunk c2, Chunk c3) {
    l.payload = payload_for(l, high(c1.hi) & 0xffff);
    u32* const p = (u32*)l.payload;
    p[0] = low(c1.hi), p[1] = low(c2.lo), p[2] = high(c2.lo), p[3] = low(c2.hi);
    p[4] = low(c3.lo), p[5] = high(c3.lo), p[6] = low(c3.hi);
    return {low(c0.lo), high(c0.lo), low(c0.hi), high(c0.hi) & 0xffff, high(c1.hi) & 0xffff, high(c2.hi) & 0xffff, high(c3.hi) & 0xffff, c1.lo};
}

// The payload of slot `k` of a frame goes to `l.payload`: chunk `i` of it.
ENGINE_FN void unpack_more(Lane& l, u32 k, u32 i, Chunk c) {
    u32* const p = (u32*)l.payload + INLINE_BYTES / 4 + (k - 1) * (MORE_BYTES / 4) + 3 * i;
    p[0] = low(c.lo), p[1] = high(c.lo), p[2] = low(c.hi);
}

// The payload of the further slots of a frame whose last slot is there.
ENGINE_CALL void unpack_rest(Block& b, Lane& l, u32 queue, u64 at, u32 slots) {
    known(b), known(l);
    const Worker& w = b.workers[l.warp];
    for (u32 k = 1; k < slots; ++k) {
        for (u32 i = 0; i < CHUNKS; ++i) {
            // Those that were stored ahead of the last slot's may be a moment behind them.
            Chunk c = chunk_at(b, w, queue, at + k, i);
            while (tag_of(c) != tag_at(b, queue, at + k)) c = chunk_at(b, w, queue, at + k, i);
            unpack_more(l, k, i, c);
        }
        slot_is_read(b, w, queue, at + k);
    }
}
