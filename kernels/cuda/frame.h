// The handler: one frame, from the stage to its end. Part of engine.h.
#pragma once
#include "answer.h"
#include "mail.h"

// A handler's `ctx.stop_self`: the row is its host's to free, and nobody else's.
ENGINE_CALL void end_actor(Block& b) {
    send(b, OP_ENDED, 0, NO_CORRELATION, b.outgoing, 0);
    put(&b.row->status, (u32)ROW_KILLED);
}

// The reply of a message that another actor has asked.
ENGINE_FN void reply_to_actor(Block& b, u32 bytes) {
    const ReplyTo to = *(const ReplyTo*)b.payload;
    copy(b.outgoing, b.reply, bytes);
    send_to_actor(b, OP_TELL, to.shard, to.row, to.generation, to.message, bytes);
}

// A message for an actor. `b.head`, `b.row` and `b.cursor` are set before its handler runs, which may not return.
ENGINE_FN void message(Block& b, const Head& h, Row* row) {
    const u32 status = look(&row->status), generation = row->generation, kind = row->kind;
    // On its way together with the row; kept by `begin`, so that a message handled once more is not counted twice.
    const u64 count = counted(b.counts + h.row);
    u8* const state = b.arena + row->state_offset;
    b.row = row;
    CtxRaw& ctx = b.ctx;
    ctx.hlc = b.hlc;
    ctx.sent = h.hlc;
    ctx.now = peek(&b.now);
    ctx.row = h.row;
    ctx.generation = h.generation;
    ctx.shard = b.shard;
    ctx.fault = 0;
    ctx.ended = 0;
    ctx.text_bytes = 0;
    if (generation != h.generation || status != ROW_LIVE) {
        refuse(b, generation == h.generation && status == ROW_FAILED ? REFUSED_FAILED : REFUSED_STALE);
        return;
    }
    const u32 ahead = h.op == OP_ASK ? (u32)sizeof(ReplyTo) : 0;
    begin(b, kind, state, row->state_bytes, count);
    const u32 meant = is_from_inbox(b) ? h.correlation << 16 : 0;
    const u32 bytes = b.dispatch[kind](h.message | meant, state, b.payload + ahead, h.length - ahead, &ctx, b.reply);
    if (ctx.hlc > b.hlc) b.hlc = ctx.hlc;
    if (bytes == DISPATCH_UNKNOWN) { refuse(b, REFUSED_MESSAGE); return; }
    if (ahead && !ctx.fault) reply_to_actor(b, bytes);
    if (bytes == DISPATCH_FAILED || ctx.fault) { fail(b, ctx.fault, ctx.text, ctx.text_bytes); return; }
    if (is_call(h.op)) {
        if (bytes <= INLINE_BYTES) reply_short(b, h, bytes);
        else answer(b, OP_REPLY, h.message, bytes);
    }
    if (ctx.ended) end_actor(b);
    count_from(b.counts + h.row, count + (is_from_inbox(b) ? FROM_ACTOR : 1));
}

ENGINE_FN bool within(const Block& b, u64 offset, u64 bytes) { return bytes <= b.arena_bytes && offset <= b.arena_bytes - bytes; }

ENGINE_FN void spawn(Block& b) {
    const Head& h = b.head;
    const SpawnRow& s = *(const SpawnRow*)b.payload;
    const u32 carried = h.length - (u32)sizeof(SpawnRow);
    const auto is_free = [&](const Row& row) { return look(&row.status) == ROW_FREE || (again(b) && row.generation == h.generation); };
    if (h.length < sizeof(SpawnRow) || h.row >= b.row_count || s.state_bytes > MAX_STATE || carried > s.state_bytes || s.state_offset % 16 ||
        !within(b, s.state_offset, s.state_bytes) || s.kind >= MAX_KINDS || !b.dispatch[s.kind] || !is_free(b.rows[h.row])) {
        refuse(b, REFUSED_PROTOCOL);
        return;
    }
    copy(b.arena + s.state_offset, b.payload + sizeof(SpawnRow), carried);
    Row& row = b.rows[h.row];
    row.kind = s.kind;
    put(&row.state_offset, s.state_offset);
    row.state_bytes = s.state_bytes;
    count_from(b.counts + h.row, 0);
    put(&row.generation, h.generation);
    put(&row.status, (u32)ROW_LIVE);
    answer(b, OP_ACK, again(b), 0);
}

ENGINE_FN void init(Block& b) {
    const u64 offset = *(const u64*)b.payload;
    const u32 bytes = b.head.length - 8;
    if (b.head.length < 8 || offset % 4 || !within(b, offset, bytes)) { refuse(b, REFUSED_PROTOCOL); return; }
    copy(b.arena + offset, b.payload + 8, bytes);
}

ENGINE_FN void stop(Block& b) {
    const Head& h = b.head;
    if (h.row >= b.row_count) { refuse(b, REFUSED_PROTOCOL); return; }
    Row& row = b.rows[h.row];
    if (row.generation != h.generation || look(&row.status) == ROW_FREE) { refuse(b, REFUSED_STALE); return; }
    put(&row.status, (u32)ROW_FREE);
    answer(b, OP_ACK, again(b), 0);
}

ENGINE_FN void read_state(Block& b) {
    const Head& h = b.head;
    const ReadState r = *(const ReadState*)b.payload;
    if (h.row >= b.row_count || h.length != sizeof(ReadState) || r.bytes > MAX_PAYLOAD || r.offset % 4) { refuse(b, REFUSED_PROTOCOL); return; }
    const Row& row = b.rows[h.row];
    if (row.generation != h.generation || look(&row.status) == ROW_FREE) { refuse(b, REFUSED_STALE); return; }
    if (r.offset > row.state_bytes || r.bytes > row.state_bytes - r.offset) { refuse(b, REFUSED_PROTOCOL); return; }
    copy(b.reply, b.arena + row.state_offset + r.offset, r.bytes);
    answer(b, OP_REPLY, again(b), r.bytes);
}

// Everything that is not a message to a row of this shard.
ENGINE_CALL void control_frame(Block& b) {
    b.hlc = resident_hlc_merge(b.hlc, b.head.hlc, peek(&b.now));
    if (b.head.length > MAX_PAYLOAD) { refuse(b, REFUSED_PROTOCOL); return; }
    switch (b.head.op) {
        case OP_SPAWN: spawn(b); break;
        case OP_INIT: init(b); break;
        case OP_STOP: stop(b); break;
        case OP_READ: read_state(b); break;
        case OP_FENCE: answer(b, OP_ACK, again(b), 0); break;
        default: refuse(b, REFUSED_PROTOCOL);
    }
}

// A frame's head; the payload that stands beside it goes to `b.payload`.
ENGINE_FN Head unpack(Block& b, Chunk c0, Chunk c1, Chunk c2, Chunk c3) {
    u32* const p = (u32*)b.payload;
    p[0] = low(c1.hi), p[1] = low(c2.lo), p[2] = high(c2.lo), p[3] = low(c2.hi);
    p[4] = low(c3.lo), p[5] = high(c3.lo), p[6] = low(c3.hi);
    return {low(c0.lo), high(c0.lo), low(c0.hi), high(c0.hi) & 0xffff, high(c1.hi) & 0xffff, high(c2.hi) & 0xffff, high(c3.hi) & 0xffff, c1.lo};
}

// The payload of slot `k` of a frame goes to `b.payload`: chunk `i` of it.
ENGINE_FN void unpack_more(Block& b, u32 k, u32 i, Chunk c) {
    u32* const p = (u32*)b.payload + INLINE_BYTES / 4 + (k - 1) * (MORE_BYTES / 4) + 3 * i;
    p[0] = low(c.lo), p[1] = high(c.lo), p[2] = low(c.hi);
}

// Takes a slot off the stage: no tag that its place will be asked for stands there any more.
ENGINE_FN void clear(Queue& q, u64 index, u32 tag) {
    for (u32 c = 0; c < CHUNKS; ++c) unstage(&q.stage[index % STAGE][c], (u64)(tag ^ 0x8000) << 48);
}

// Fetches the further slots of a frame; false if the shard is to leave before they are all there.
ENGINE_CALL bool fetch_more(Block& b, Queue& q, u64 cursor, u32 length) {
    const u32 slots = slots_for(length);
    for (u32 k = 1; k < slots; ++k) {
        const u32 tag = lap(cursor + k, q.log2);
        for (u32 i = 0; i < CHUNKS; ++i) {
            // SYNC staged: pairs with the poller's stores.
            Chunk c = load_staged(&q.stage[(cursor + k) % STAGE][i]);
            while (!is_staged(c, tag)) {
                if (peek(&b.leaving)) return false;
                while_waiting(b);
                c = load_staged(&q.stage[(cursor + k) % STAGE][i]);
            }
            unpack_more(b, k, i, c);
        }
    }
    for (u32 k = 1; k < slots; ++k) clear(q, cursor + k, lap(cursor + k, q.log2));
    return true;
}

// Tells the host how far this shard has come.
ENGINE_CALL void progress(Block& b) {
    ShardProgress* const p = b.progress;
    publish(&p->handled, b.handled);
    publish(&p->refused, b.refused);
    publish(&p->faults, b.faults);
    publish(&p->hlc, b.hlc);
    // The handler may be ahead of what the poller has told of itself.
    Queue& q = b.ingress;
    const u64 staged = peek(&q.staged);
    publish(&p->queued, staged > q.cursor ? (u32)(staged - q.cursor) : 0u);
    // SYNC slot-free (ingress): pairs with the host producer's load.
    publish(&p->ingress_head, q.cursor);
    q.published = q.cursor;
    pass(&q.done, q.cursor);
    if (b.inbox.published != b.inbox.cursor) tell_inbox_head(b);
}

// The frame is finished: its places may be used again, on the stage soon and in the ring later.
ENGINE_FN void finish(Block& b) {
    Queue& q = *b.from;
    ++b.handled;
    keep_done(b);
    if (q.cursor - q.done >= GIVE_BACK) pass(&q.done, q.cursor);
    if (q.cursor - q.published >= (1ull << q.log2) / 4) progress(b);
}
