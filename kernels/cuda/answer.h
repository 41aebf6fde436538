// A lane, towards the host: what is kept for the next launch, answers, faults, emitted messages. Part of engine.h.
#pragma once
#include "block.h"

// Writes slot `k` of a frame of `bytes` bytes. The words of the payload are aligned; what stands behind its end in the last
// one does not matter.
ENGINE_FN void write_first(Chunk* to, u32 tag, u32 op, u32 message, u32 row, u32 generation, u32 correlation, u64 hlc, const u32* words, u32 bytes, u32 extra = 0) {
    tag <<= 16;
    store_chunk(to + 0, {pair(row, generation), pair(correlation, message | tag)});
    store_chunk(to + 1, {hlc, pair(words[0], bytes | tag)});
    store_chunk(to + 2, {pair(words[1], words[2]), pair(words[3], extra | tag)});
    store_chunk(to + 3, {pair(words[4], words[5]), pair(words[6], op | tag)});
}
ENGINE_FN void write_more(Chunk* to, u32 tag, u32 k, const u32* words) {
    // All are on their way before the first chunk is stored.
    u32 w[MORE_BYTES / 4];
    for (u32 i = 0; i < MORE_BYTES / 4; ++i) w[i] = words[INLINE_BYTES / 4 + (k - 1) * (MORE_BYTES / 4) + i];
    for (u32 c = 0; c < CHUNKS; ++c) store_chunk(to + c, {pair(w[3 * c], w[3 * c + 1]), pair(w[3 * c + 2], tag << 16)});
}

// What a warp is at, for who watches how long it takes: messages of one kind, or nothing.
ENGINE_FN void set_busy(Block& b, Worker& w, u64 busy) {
    note(&w.busy, busy);
    if (!b.apart) publish(&b.progress->busy, busy);
}
ENGINE_FN u64 next_round(Worker& w, u32 warp, u32 kind) { return (++w.rounds * WORK_WARPS + warp) << BUSY_KIND_BITS | kind; }

// E-6: a message is about to be handled. In the order in which they are issued, the stores of one thread reach device memory also when
// its launch is ended from outside.
ENGINE_FN void begin(Lane& l, const u8* state, u32 state_bytes, u64 count) {
    if (state_bytes <= UNDO_BYTES) {
        const Chunk* const from = (const Chunk*)state;
        Chunk* const to = (Chunk*)l.saved->undo;
        const u32 chunks = (state_bytes + sizeof(Chunk) - 1) / sizeof(Chunk);
        // So many loads on their way at a time.
        constexpr u32 AHEAD = 8;
        for (u32 i = 0; i < chunks; i += AHEAD) {
            Chunk c[AHEAD];
            for (u32 k = 0; k < AHEAD; ++k)
                if (i + k < chunks) c[k] = from[i + k];
            for (u32 k = 0; k < AHEAD; ++k)
                if (i + k < chunks) keep(to + i + k, c[k]);
        }
    }
    keep((Chunk*)l.saved, {l.id | HANDLING, count});
}

// E-6: the frame is done, also if its warp has not come past it.
ENGINE_FN void keep_done(Lane& l) { keep_word(&l.saved->at, l.id | DONE); }

// E-6: the message being handled is about to be seen outside: at `position` of the egress ring, or in another actor's inbox.
ENGINE_FN void mark_seen(Lane& l, u64 position = 0) {
    if (l.seen) return;
    l.seen = 1;
    keep((Chunk*)l.saved + 1, {l.id + 1, position});
}

// Waits until the egress ring has room. A shard that was told to leave gives up when the host takes nothing any more.
ENGINE_CALL bool wait_for_room(Block& b, Lane& l, u32 slots) {
    known(b), known(l);
    const u64 capacity = 1ull << b.capacity_log2, tail = peek(&b.egress_tail), busy = peek(&b.workers[l.warp].busy);
    // It is the host that takes its time now.
    bump(&b.waits, 1u);
    if (!b.apart) set_busy(b, b.workers[l.warp], 0);
    bool room = true;
    for (u64 patience = 0; room && tail + slots - peek(&b.egress_head) > capacity;) {
        // Never beyond what was written.
        const u64 before = peek(&b.egress_head), head = take(&b.control->egress_head);
        if (head != before && tail - head <= tail - before) { note(&b.egress_head, head); patience = 0; }
        if (peek(&b.leaving) && ++patience > 1000000) room = false;
        while_waiting(b);
    }
    if (!b.apart) set_busy(b, b.workers[l.warp], busy);
    bump(&b.waits, ~0u);
    return room;
}

// A stamp for what is sent: behind every one that this lane has received or given out.
ENGINE_FN u64 next_stamp(Lane& l) { return ++l.hlc; }

ENGINE_FN void count_refused(Block& b) {
    bump(&b.refused, (u64)1);
    count_up(&b.saved->refused, 1);
}

// Writes a frame to the egress ring; one that finds no room while the shard leaves is counted as refused. One lane at a time, so that
// stamps rise along the ring and a launch that is lost leaves no hole in it. `before` is called with the frame's place.
template <class Before> ENGINE_FN bool to_host(Block& b, Lane& l, u32 op, u32 message, u32 correlation, const u8* payload, u32 bytes, Before before) {
    const u32 slots = slots_for(bytes), log2 = b.capacity_log2;
    const u64 mask = (1ull << log2) - 1;
    const u32* const words = (const u32*)payload;
    bool done = false, written = false;
    while (!done) done = if_free(&b.egress_lock, [&] {
        const u64 tail = peek(&b.egress_tail);
        if (tail + slots - peek(&b.egress_head) > 1ull << log2 && !wait_for_room(b, l, slots)) { count_refused(b); return; }
        before(tail);
        if (peek(&b.hlc) > l.hlc) l.hlc = peek(&b.hlc);
        note(&b.hlc, next_stamp(l));
        write_first(b.egress + (tail & mask) * CHUNKS, lap(tail, log2), op, message, l.head.row, l.head.generation, correlation, l.hlc, words, bytes);
        for (u32 k = 1; k < slots; ++k) write_more(b.egress + ((tail + k) & mask) * CHUNKS, lap(tail + k, log2), k, words);
        note(&b.egress_tail, tail + slots);
        keep_word(&b.saved->egress, tail + slots);
        written = true;
    });
    return written;
}
ENGINE_CALL void send(Block& b, Lane& l, u32 op, u32 message, u32 correlation, const u8* payload, u32 bytes) {
    known(b), known(l);
    to_host(b, l, op, message, correlation, payload, bytes, [](u64) {});
}

// Where a reply of `bytes` bytes was written.
ENGINE_FN const u8* reply_of(const Lane& l, u32 bytes) { return bytes <= SHORT_REPLY ? l.reply : l.rest->room; }

// Answers the frame being handled, where its caller waits, with `bytes` bytes of `reply`.
ENGINE_CALL void answer(Block& b, Lane& l, u32 op, u32 message, u32 bytes) {
    known(b), known(l);
    const Head& h = l.head;
    if (h.op != OP_CALL_DIRECT) {
        to_host(b, l, op, message, h.correlation, reply_of(l, bytes), bytes, [&](u64 tail) { keep((Chunk*)l.saved + 2, {l.id + 1, tail}); });
        return;
    }
    const u32 slots = slots_for(bytes);
    if (h.correlation >= b.reply_lines || slots > b.reply_lines - h.correlation) { count_refused(b); return; }
    Chunk* to = b.replies + h.correlation * (u64)CHUNKS;
    const u32* words = (const u32*)reply_of(l, bytes);
    // SYNC reply-ready: the caller watches these lines itself.
    write_first(to, h.reply_tag, op, message, h.row, h.generation, h.correlation, next_stamp(l), words, bytes);
    for (u32 k = 1; k < slots; ++k) write_more(to + k * CHUNKS, h.reply_tag, k, words);
}

// The same for a reply of one slot to a direct call, without a detour.
ENGINE_FN void reply_direct(Block& b, Lane& l, const Head& h, u32 bytes) {
    if (h.correlation >= b.reply_lines) { count_refused(b); return; }
    write_first(b.replies + h.correlation * (u64)CHUNKS, h.reply_tag, OP_REPLY, h.message, h.row, h.generation, h.correlation, next_stamp(l), (const u32*)l.reply, bytes);
}

ENGINE_FN bool is_from_inbox(const Lane& l) { return l.queue == INBOX; }
ENGINE_FN bool is_call(u32 op) { return op == OP_CALL || op == OP_CALL_DIRECT; }

// E-6: whether the frame being handled may have been handled before: it was within reach when the launch before was lost.
ENGINE_FN u32 again(const Block& b, const Lane& l) { return b.loss && !is_from_inbox(l) && l.at - b.workers[l.warp].resumed < REACH * LANES ? AGAIN : 0; }

// What an actor has handled of what its application has sent.
ENGINE_FN u64 handled_by(const Block& b, u32 row) { return counted(b.counts + row) & (FROM_ACTOR - 1); }

// E-6: says what the frame being handled has come to. A direct call's line may be another caller's by now, so the host ends it.
ENGINE_CALL void tell_blamed(Block& b, Lane& l, u32 failed) {
    known(b), known(l);
    const Head& h = l.head;
    const bool direct = h.op == OP_CALL_DIRECT;
    *(BlameInfo*)l.reply = {failed ? handled_by(b, h.row) : 0, h.message, failed, direct ? h.correlation : NO_CORRELATION, h.reply_tag};
    send(b, l, OP_BLAMED, b.loss & 0xffff, h.op == OP_CALL ? h.correlation : NO_CORRELATION, l.reply, sizeof(BlameInfo));
}

ENGINE_CALL void refuse(Block& b, Lane& l, u32 reason) {
    known(b), known(l);
    count_refused(b);
    if (l.head.op == OP_CAST || l.head.op == OP_INIT || is_from_inbox(l)) return;
    if (again(b, l) && l.head.op == OP_CALL_DIRECT) tell_blamed(b, l, 0);
    else answer(b, l, OP_REFUSED, reason | again(b, l), 0);
}

// Whole words of what is to be copied, four on their way at a time. How many bytes.
template <class Word> ENGINE_FN u32 copy_words(u8* to, const u8* from, u32 bytes) {
    constexpr u32 SIZE = sizeof(Word);
    u32 i = 0;
    ENGINE_ROLLED
    for (; i + 4 * SIZE <= bytes; i += 4 * SIZE) {
        Word four[4];
        for (u32 k = 0; k < 4; ++k) four[k] = *(const Word*)(from + i + k * SIZE);
        for (u32 k = 0; k < 4; ++k) *(Word*)(to + i + k * SIZE) = four[k];
    }
    ENGINE_ROLLED
    for (; i + SIZE <= bytes; i += SIZE) *(Word*)(to + i) = *(const Word*)(from + i);
    return i;
}
ENGINE_FN void copy(u8* to, const u8* from, u32 bytes) {
    const u64 both = (u64)to | (u64)from;
    u32 i = both & 7 ? 0 : copy_words<u64>(to, from, bytes);
    if (!(both & 3)) i += copy_words<u32>(to + i, from + i, bytes - i);
    ENGINE_ROLLED
    for (; i < bytes; ++i) to[i] = from[i];
}

// The actor of the frame being handled is failed from here on.
ENGINE_FN void mark_failed(Block& b, Row& row) {
    put(&row.status, (u32)ROW_FAILED);
    bump(&b.faults, (u64)1);
    count_up(&b.saved->faults, 1);
}

// The actor of the frame being handled has failed.
ENGINE_CALL void fail(Block& b, Lane& l, u32 fault, const u8* text, u32 text_bytes) {
    known(b), known(l);
    if (text_bytes > MAX_FAULT_TEXT) text_bytes = MAX_FAULT_TEXT;
    mark_failed(b, *l.row);
    u8* const told = l.rest->outgoing;
    *(FaultInfo*)told = {handled_by(b, l.head.row), l.head.message, 0};
    copy(told + sizeof(FaultInfo), text, text_bytes);
    const bool direct = l.head.op == OP_CALL_DIRECT;
    // E-6: the host hears of it before the caller does.
    to_host(b, l, OP_FAULT, fault, l.head.op == OP_CALL ? l.head.correlation : NO_CORRELATION, told, sizeof(FaultInfo) + text_bytes,
            [&](u64 tail) { if (!direct) keep((Chunk*)l.saved + 2, {l.id + 1, tail}); else mark_seen(l, tail + 1); });
    if (direct) answer(b, l, OP_FAULT, fault, 0);
}

// A handler's `ctx.stop_self`: the row is its host's to free, and nobody else's.
ENGINE_CALL void end_actor(Block& b, Lane& l) {
    known(b), known(l);
    to_host(b, l, OP_ENDED, 0, NO_CORRELATION, l.reply, 0, [&](u64 tail) { if (!is_call(l.head.op)) keep((Chunk*)l.saved + 2, {l.id + 1, tail}); });
    put(&l.row->status, (u32)ROW_ENDED);
}

ENGINE_CALL void flush(Block& b, Lane& l, bool done);

// A handler's `ctx.emit`.
ENGINE_FN void emit(Block& b, Lane& l, u32 type, const u8* payload, u32 bytes) {
    if (bytes > MAX_PAYLOAD) { l.ctx.fault = FAULT_EMIT; return; }
    if (l.last.op) flush(b, l, false);
    l.outgoing = outgoing_for(l, bytes);
    copy(l.outgoing, payload, bytes);
    if (l.ctx.hlc > l.hlc) l.hlc = l.ctx.hlc;
    to_host(b, l, OP_EMIT, 0, type, l.outgoing, bytes, [&](u64 tail) { mark_seen(l, tail + 1); });
}
