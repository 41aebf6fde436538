// The log of a work warp: what a batch is to do, written ahead of its commit. Part of engine.h.
//
// Nothing that a batch does is seen outside before its commit: what handlers send, emit and answer is held back in the lanes' places and in
// the log, states are copies. Ahead of the commit all of it stands in the log, with the place that each frame is going to have. So a launch
// may end anywhere: a batch that was committed is carried out from its log once more, which changes nothing that was done; of one that was
// not there is nothing to take back. This is a redo log (write-ahead logging; Mohan et al. 1992).
//
// It is found by the warp's turn, which is of no other batch, and begun anew with each. The heads of its slots come first: chunks of
// {turn, kind and slots; where it goes}. Then the slots, what becomes of rows, a lane's each, and those states.
#pragma once
#include "slot.h"

struct Log {
    Chunk* heads;
    Chunk* slots;
    RowRecord* rows;
    Chunk* states;
};
ENGINE_FN Log log_at(u8* at) {
    Log log;
    log.heads = (Chunk*)at;
    log.slots = log.heads + LOG_SLOTS;
    log.rows = (RowRecord*)(log.slots + LOG_SLOTS * CHUNKS);
    log.states = (Chunk*)(log.rows + 32);
    return log;
}
constexpr u32 COPY_CHUNKS = COPY_BYTES / sizeof(Chunk);
static_assert(LOG_SLOTS * (1 + CHUNKS) * sizeof(Chunk) + 32 * (sizeof(RowRecord) + COPY_BYTES) == LOG_BYTES, "Log");

// A LOG_*, and where it goes.
ENGINE_FN Chunk log_head(u64 turn, u32 kind, u32 slots, u64 where) { return {turn << TURN_BITS | kind << 8 | slots, where}; }
ENGINE_FN u64 turn_of(Chunk head) { return head.lo >> TURN_BITS; }
ENGINE_FN u32 kind_of(Chunk head) { return (u32)head.lo >> 8 & 0xff; }
ENGINE_FN u32 slots_of(Chunk head) { return (u32)head.lo & 0xff; }
ENGINE_FN u64 mail_place(u64 ticket, u32 to) { return ticket | (u64)to << TICKET_BITS; }
ENGINE_FN u64 ticket_of(Chunk head) { return head.hi & ((1ull << TICKET_BITS) - 1); }
ENGINE_FN u32 inbox_of(Chunk head) { return (u32)(head.hi >> TICKET_BITS); }
// What each chunk of a log's slot has for a tag.
ENGINE_FN u32 log_tag(u64 turn) { return (u32)turn & 0xffff; }

// As many slots as what lanes hold may take behind what is logged: a frame, two answers and a line of each, and what found no place.
constexpr u32 LOG_PLACES = (4 + HOLDS) * LANES;

// How many frames of this lane's found no place.
ENGINE_FN u32 holds(const Lane& l) { return l.ctx.held & (HOLDS_CLOSED - 1); }

// Whom a frame goes to that is for no inbox.
constexpr u32 TO_HOST = ~0u;

// Logs a frame whose place is not known yet. Where, or NOT_LOGGED: there is no room, and the batch is begun anew with fewer frames, or its only
// one fails.
ENGINE_FN u32 log_frame(Block& b, Lane& l, const Outgoing& f, u64 stamp, u32 extra, const u32* words) {
    Worker& w = b.workers[l.warp];
    const Log log = log_at(w.log);
    const u32 slots = slots_for(f.bytes), at = bump(&w.logged, slots), tag = log_tag(w.turn);
    if (at + slots > LOG_SLOTS - LOG_PLACES) {
        note(&w.crowded, 1u);
        return NOT_LOGGED;
    }
    write_first(log.slots + at * CHUNKS, tag, f.op, f.message, f.row, f.generation, f.correlation, stamp, words, f.bytes, extra);
    for (u32 k = 1; k < slots; ++k) {
        write_more(log.slots + (at + k) * CHUNKS, tag, k, words);
        keep(log.heads + at + k, log_head(w.turn, LOG_MORE, 0, 0));
    }
    keep(log.heads + at, log_head(w.turn, f.to == TO_HOST ? LOG_HOST : LOG_MAIL, slots, f.to == TO_HOST ? 0 : mail_place(0, f.to)));
    return at;
}

// Which shard a frame is for, as its slot says: asked in an outbox, by cuts.
ENGINE_FN u32 shard_of(const Block& b, u32 to) { return to == TO_HOST ? 0 : to / b.mail.warps; }

// Holds back a frame until the batch is committed: in the place of a lane whose frame this one handles, in that order, and once there is none
// left, in the log. False if there is no room for it, and the handler's message fails.
ENGINE_CALL bool hold(Block& b, Lane& l, u32 op, u32 to, u32 row, u32 generation, u32 correlation, u32 message, u32 bytes, const ReplyTo* ahead, const u8* payload) {
    known(b), known(l);
    Worker& w = b.workers[l.warp];
    const u32 slots = slots_for(bytes), begin = ahead ? (u32)sizeof(ReplyTo) : 0;
    // What is stamped comes behind what this handler has received.
    if (l.ctx.hlc > l.hlc) l.hlc = l.ctx.hlc;
    u32& held = to == TO_HOST ? l.host : l.mail;
    held += slots;
    const bool placed = slots == 1 && l.ctx.places;
    Lane& of = known(placed ? w.lanes[first_one(l.ctx.places)] : l);
    u8* const out = placed ? of.placed : slots == 1 ? l.short_outgoing : l.rest->outgoing;
    if (ahead) *(ReplyTo*)out = *ahead;
    copy(out + begin, payload, bytes - begin);
    const Outgoing f{op, to, row, generation, correlation, message, bytes, 0};
    if (placed) {
        l.ctx.places &= l.ctx.places - 1;
        of.place = f;
        return true;
    }
    l.ctx.places = 0;
    l.ctx.held |= HOLDS_CLOSED;
    if (log_frame(b, l, f, next_stamp(l), shard_of(b, to), (const u32*)out) != NOT_LOGGED) return true;
    l.ctx.fault = FAULT_OUTBOX;
    return false;
}

// A handler's `ctx.emit`.
ENGINE_FN void emit(Block& b, Lane& l, u32 type, const u8* payload, u32 bytes) {
    // An actor that has failed says nothing more.
    if (l.ctx.fault) return;
    if (bytes > MAX_PAYLOAD) { l.ctx.fault = FAULT_EMIT; return; }
    hold(b, l, OP_EMIT, TO_HOST, l.ctx.row, l.ctx.generation, type, 0, bytes, nullptr, payload);
}
