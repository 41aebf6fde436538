// The handler, towards the host: what is kept for the next launch, answers, faults, emitted messages. Part of engine.h.
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
    words += INLINE_BYTES / 4 + (k - 1) * (MORE_BYTES / 4);
    for (u32 c = 0; c < CHUNKS; ++c) store_chunk(to + c, {pair(words[3 * c], words[3 * c + 1]), pair(words[3 * c + 2], tag << 16)});
}

// What the handler is at, for who watches how long it takes.
ENGINE_FN void set_busy(Block& b, u64 busy) {
    if (LANES > 1) note(&b.busy, busy);
    else publish(&b.progress->busy, busy);
    b.handling = busy;
}

ENGINE_FN bool is_from_inbox(const Block& b) { return b.from == &b.inbox; }

// E-6: a message is about to be handled, the frame at `at`. In the order in which they are issued, the stores of one thread
// reach device memory also when its launch is ended from outside.
ENGINE_FN void begin(Block& b, u32 kind, const u8* state, u32 state_bytes, u64 count) {
    if (state_bytes <= UNDO_BYTES) {
        const Chunk* const from = (const Chunk*)state;
        Chunk* const to = (Chunk*)b.saved->undo;
        const u32 chunks = (state_bytes + sizeof(Chunk) - 1) / sizeof(Chunk);
        // Four loads on their way at a time.
        for (u32 i = 0; i < chunks; i += 4) {
            Chunk c[4];
            for (u32 k = 0; k < 4; ++k)
                if (i + k < chunks) c[k] = from[i + k];
            for (u32 k = 0; k < 4; ++k)
                if (i + k < chunks) keep(to + i + k, c[k]);
        }
    }
    b.id = b.at << 1;
    if (is_from_inbox(b)) {
        b.id |= 1;
        keep((Chunk*)b.saved, {b.ingress.cursor, b.egress_tail});
        keep((Chunk*)b.saved + 3, {count, b.at | HANDLING});
    } else {
        keep((Chunk*)b.saved + 3, {count, b.inbox.cursor});
        keep((Chunk*)b.saved, {b.at | HANDLING, b.egress_tail});
    }
    ++b.id;
    set_busy(b, (b.handled + 1) << BUSY_KIND_BITS | kind);
}

// E-6: everything before the cursors is done.
ENGINE_FN void keep_done(Block& b) {
    keep((Chunk*)b.saved + 1, {b.hlc, b.handled});
    // A frame of the inbox may not look begun beside an egress position that is behind what it has emitted.
    if (is_from_inbox(b)) keep((Chunk*)b.saved + 3, {0, b.inbox.cursor});
    keep((Chunk*)b.saved, {b.ingress.cursor, b.egress_tail});
}

ENGINE_FN void keep_counts(Block& b) { keep((Chunk*)b.saved + 2, {b.refused, b.faults}); }

// Waits until the egress ring has room. A shard that was told to leave gives up when the host takes nothing any more.
ENGINE_CALL bool wait_for_room(Block& b, u32 slots) {
    const u64 capacity = 1ull << b.capacity_log2, handling = b.handling;
    // It is the host that takes its time now.
    set_busy(b, 0);
    for (u64 patience = 0; b.egress_tail + slots - peek(&b.egress_head) > capacity;) {
        // Never beyond what was written.
        const u64 before = peek(&b.egress_head), head = take(&b.control->egress_head);
        if (head != before && b.egress_tail - head <= b.egress_tail - before) { note(&b.egress_head, head); patience = 0; }
        if (peek(&b.leaving) && ++patience > 1000000) return false;
        while_waiting(b);
        pause_ns(200);
    }
    set_busy(b, handling);
    return true;
}
ENGINE_FN bool has_room(Block& b, u32 slots) {
    return b.egress_tail + slots - peek(&b.egress_head) <= 1ull << b.capacity_log2 || wait_for_room(b, slots);
}

// Every stamp of a frame's answers is one tick at the time of its receipt, whose merge is not before `now`: one more.
ENGINE_FN u64 next_stamp(Block& b) { return b.hlc += 1; }

// Writes a frame to the egress ring; a frame that finds no room while the shard leaves is counted as refused.
ENGINE_CALL void send(Block& b, u32 op, u32 message, u32 correlation, const u8* payload, u32 bytes) {
    const u32 slots = slots_for(bytes), log2 = b.capacity_log2;
    if (!has_room(b, slots)) { ++b.refused; return; }
    const u64 tail = b.egress_tail, mask = (1ull << log2) - 1;
    const u32* words = (const u32*)payload;
    write_first(b.egress + (tail & mask) * CHUNKS, lap(tail, log2), op, message, b.head.row, b.head.generation, correlation, next_stamp(b), words, bytes);
    for (u32 k = 1; k < slots; ++k) write_more(b.egress + ((tail + k) & mask) * CHUNKS, lap(tail + k, log2), k, words);
    b.egress_tail = tail + slots;
}

// Answers the frame being handled, where its caller waits, with `bytes` bytes of `reply`.
ENGINE_CALL void answer(Block& b, u32 op, u32 message, u32 bytes) {
    const Head& h = b.head;
    if (h.op != OP_CALL_DIRECT) { send(b, op, message, h.correlation, b.reply, bytes); return; }
    const u32 slots = slots_for(bytes);
    if (h.correlation >= b.reply_lines || slots > b.reply_lines - h.correlation) { ++b.refused; return; }
    Chunk* to = b.replies + h.correlation * (u64)CHUNKS;
    const u32* words = (const u32*)b.reply;
    // SYNC reply-ready: the caller watches these lines itself.
    write_first(to, h.reply_tag, op, message, h.row, h.generation, h.correlation, next_stamp(b), words, bytes);
    for (u32 k = 1; k < slots; ++k) write_more(to + k * CHUNKS, h.reply_tag, k, words);
}

// The same for a reply of one slot, without a detour.
ENGINE_FN void reply_short(Block& b, const Head& h, u32 bytes) {
    const u32* words = (const u32*)b.reply;
    const u64 stamp = next_stamp(b);
    if (h.op == OP_CALL_DIRECT) {
        if (h.correlation >= b.reply_lines) { ++b.refused; return; }
        write_first(b.replies + h.correlation * (u64)CHUNKS, h.reply_tag, OP_REPLY, h.message, h.row, h.generation, h.correlation, stamp, words, bytes);
        return;
    }
    if (!has_room(b, 1)) { ++b.refused; return; }
    const u64 tail = b.egress_tail;
    const u32 log2 = b.capacity_log2;
    write_first(b.egress + (tail & ((1ull << log2) - 1)) * CHUNKS, lap(tail, log2), OP_REPLY, h.message, h.row, h.generation, h.correlation, stamp, words, bytes);
    b.egress_tail = tail + 1;
}

// E-6: whether the frame being handled may have been handled before.
ENGINE_FN u32 again(const Block& b) { return b.loss && !is_from_inbox(b) && b.at == b.resumed ? AGAIN : 0; }

// What an actor has handled of what its application has sent.
ENGINE_FN u64 handled_by(const Block& b, u32 row) { return counted(b.counts + row) & (FROM_ACTOR - 1); }
ENGINE_FN bool is_call(u32 op) { return op == OP_CALL || op == OP_CALL_DIRECT; }

// E-6: says what the frame being handled has come to. A direct call's line may be another caller's by now, so the host ends it.
ENGINE_CALL void tell_blamed(Block& b, u32 failed) {
    const Head& h = b.head;
    const bool direct = h.op == OP_CALL_DIRECT;
    *(BlameInfo*)b.reply = {failed ? handled_by(b, h.row) : 0, h.message, failed, direct ? h.correlation : NO_CORRELATION, h.reply_tag};
    send(b, OP_BLAMED, b.loss & 0xffff, h.op == OP_CALL ? h.correlation : NO_CORRELATION, b.reply, sizeof(BlameInfo));
}

ENGINE_CALL void refuse(Block& b, u32 reason) {
    ++b.refused;
    keep_counts(b);
    if (b.head.op == OP_CAST || b.head.op == OP_INIT || is_from_inbox(b)) return;
    if (again(b) && b.head.op == OP_CALL_DIRECT) tell_blamed(b, 0);
    else answer(b, OP_REFUSED, reason | again(b), 0);
}

ENGINE_FN void copy(u8* to, const u8* from, u32 bytes) {
    u32 i = 0;
    if (((u64)from & 3) == 0)
        for (; i + 4 <= bytes; i += 4) *(u32*)(to + i) = *(const u32*)(from + i);
    for (; i < bytes; ++i) to[i] = from[i];
}

// The actor of the frame being handled has failed.
ENGINE_CALL void fail(Block& b, u32 fault, const u8* text, u32 text_bytes) {
    if (text_bytes > MAX_FAULT_TEXT) text_bytes = MAX_FAULT_TEXT;
    put(&b.row->status, (u32)ROW_FAILED);
    ++b.faults;
    keep_counts(b);
    *(FaultInfo*)b.reply = {handled_by(b, b.head.row), b.head.message, b.depth};
    copy(b.reply + sizeof(FaultInfo), text, text_bytes);
    // E-6: the host hears of it before the caller does.
    send(b, OP_FAULT, fault, b.head.op == OP_CALL ? b.head.correlation : NO_CORRELATION, b.reply, sizeof(FaultInfo) + text_bytes);
    if (b.head.op == OP_CALL_DIRECT) answer(b, OP_FAULT, fault, 0);
}

// A handler's `ctx.emit`.
ENGINE_FN void emit(Block& b, u32 type, const u8* payload, u32 bytes) {
    if (bytes > MAX_PAYLOAD) { b.ctx.fault = FAULT_EMIT; return; }
    copy(b.outgoing, payload, bytes);
    send(b, OP_EMIT, 0, type, b.outgoing, bytes);
}
