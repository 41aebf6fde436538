// Slots: how a frame is written, read and copied. Part of engine.h.
#pragma once
#include "group.h"

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
// A slot of a ring or of a log becomes one of another.
ENGINE_FN void copy_slot(Chunk* to, u32 tag, const Chunk* from) {
    Chunk c[CHUNKS];
    for (u32 i = 0; i < CHUNKS; ++i) c[i] = load_chunk(from + i);
    for (u32 i = 0; i < CHUNKS; ++i) store_chunk(to + i, with_tag(c[i], tag));
}

ENGINE_FN Chunk* slot(Chunk* ring, u32 log2, u64 index) { return ring + (index & ((1ull << log2) - 1)) * CHUNKS; }
ENGINE_FN u32 length_of(Chunk c1) { return high(c1.hi) & 0xffff; }
ENGINE_FN u32 op_of(Chunk c3) { return high(c3.hi) & 0xffff; }

// Of what `lanes` take, each `n`: what those ahead of this one take, and all.
struct Share { u32 ahead, all; };
template <class Group> ENGINE_FN Share share_of(u32 lanes, u32 n) {
    const bool own = lanes >> Group::lane() & 1;
    if (!rare(Group::any(own && n != 1))) return {ones(lanes & Group::below()), ones(lanes)};
    Share share{0, 0};
    for (u32 rest = Group::live(); rest; rest &= rest - 1) {
        const u32 from = first_one(rest), there = Group::from(n, from);
        if (!(lanes >> from & 1)) continue;
        share.all += there;
        if (from < Group::lane()) share.ahead += there;
    }
    return share;
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

// A small state, in whole chunks: both ends are aligned and have room for them. `store` writes a chunk.
template <class Store> ENGINE_FN void copy_state(const u8* from, u32 bytes, Store store) {
    const Chunk* const chunks = (const Chunk*)from;
    const u32 n = (bytes + sizeof(Chunk) - 1) / sizeof(Chunk);
    // So many loads on their way at a time.
    constexpr u32 AHEAD = 4;
    ENGINE_ROLLED
    for (u32 i = 0; i < n; i += AHEAD) {
        Chunk c[AHEAD];
        for (u32 k = 0; k < AHEAD; ++k)
            if (i + k < n) c[k] = chunks[i + k];
        for (u32 k = 0; k < AHEAD; ++k)
            if (i + k < n) store(i + k, c[k]);
    }
}

// ---- from a queue into a lane ----------------------------------------------------------------------------------------

// The slot of a queue that is next, or will be, if it is there.
struct Staged { Chunk c0, c1, c2, c3; bool there; };
ENGINE_FN Staged staged(const Block& b, const Worker& w, u32 queue, u64 at) {
    const u32 tag = tag_at(b, queue, at);
    const Chunk c3 = chunk_at(b, w, queue, at, 3), c0 = chunk_at(b, w, queue, at, 0), c1 = chunk_at(b, w, queue, at, 1), c2 = chunk_at(b, w, queue, at, 2);
    return {c0, c1, c2, c3, tag_of(c0) == tag && tag_of(c1) == tag && tag_of(c2) == tag && tag_of(c3) == tag};
}
ENGINE_FN u32 row_of(const Staged& s) { return low(s.c0.lo); }

// A frame's head; the payload that stands beside it goes to `l.payload`.
ENGINE_FN Head unpack(Lane& l, Chunk c0, Chunk c1, Chunk c2, Chunk c3) {
    l.payload = payload_for(l, length_of(c1));
    u32* const p = (u32*)l.payload;
    p[0] = low(c1.hi), p[1] = low(c2.lo), p[2] = high(c2.lo), p[3] = low(c2.hi);
    p[4] = low(c3.lo), p[5] = high(c3.lo), p[6] = low(c3.hi);
    return {low(c0.lo), high(c0.lo), low(c0.hi), high(c0.hi) & 0xffff, length_of(c1), high(c2.hi) & 0xffff, op_of(c3), c1.lo};
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
            u32* const p = (u32*)l.payload + INLINE_BYTES / 4 + (k - 1) * (MORE_BYTES / 4) + 3 * i;
            p[0] = low(c.lo), p[1] = high(c.lo), p[2] = low(c.hi);
        }
        slot_is_read(b, w, queue, at + k);
    }
}

// ---- what a warp is at -----------------------------------------------------------------------------------------------

// What a warp is at, for who watches how long it takes: messages of one kind, or nothing.
ENGINE_FN void set_busy(Block& b, Worker& w, u64 busy) {
    note(&w.busy, busy);
    if (LANES == 1 && !b.apart) publish(&b.progress->busy, busy);
}
ENGINE_FN u64 next_round(Worker& w, u32 warp, u32 kind) { return (++w.rounds * WORK_WARPS + warp) << BUSY_KIND_BITS | kind; }

// Waits until the egress ring has room. A shard that was told to leave gives up when the host takes nothing any more.
ENGINE_CALL bool wait_for_room(Block& b, Worker& w, u32 slots) {
    known(b), known(w);
    const u64 capacity = 1ull << b.capacity_log2, tail = peek(&b.egress_tail), busy = peek(&w.busy);
    if (tail + slots - peek(&b.egress_head) <= capacity) return true;
    // It is the host that takes its time now.
    bump(&b.waits, 1u);
    if (!b.apart) set_busy(b, w, 0);
    bool room = true;
    for (u64 patience = 0; room && tail + slots - peek(&b.egress_head) > capacity;) {
        // Never beyond what was written.
        const u64 before = peek(&b.egress_head), head = take(&b.control->egress_head);
        if (head != before && tail - head <= tail - before) { note(&b.egress_head, head); patience = 0; }
        if (peek(&b.leaving) && ++patience > 1000000) room = false;
        while_waiting(b);
    }
    if (!b.apart) set_busy(b, w, busy);
    bump(&b.waits, ~0u);
    return room;
}
// One warp at a time writes the egress ring, so that stamps rise along it and a launch that is lost leaves no hole in it but its own.
// False if the shard is to leave and the host takes nothing.
ENGINE_FN bool lock_egress(Block& b) {
    // SYNC lock: each pairs with the one before.
    while (!swap_if(&b.egress_lock, 0, 1)) {
        if (peek(&b.unfinished)) return false;
        while_waiting(b);
    }
    return true;
}
ENGINE_FN void advance_egress(Block& b, u64 tail) {
    note(&b.egress_tail, tail);
    keep_word(&b.saved->egress, tail);
}
ENGINE_FN void unlock_egress(Block& b) { pass(&b.egress_lock, 0u); }

// A stamp for what is sent: behind every one that this lane has received or given out.
ENGINE_FN u64 next_stamp(Lane& l) { return ++l.hlc; }

ENGINE_FN bool is_from_inbox(const Lane& l) { return l.queue == INBOX; }
ENGINE_FN bool is_call(u32 op) { return op == OP_CALL || op == OP_CALL_DIRECT; }
// A frame's name among all that a warp ever takes.
ENGINE_FN u64 id_of(u32 queue, u64 at) { return at << 1 | queue; }
