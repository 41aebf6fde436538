// A message that is alone, as it is where somebody waits for each: the batch once more, for what most such messages come to. Part of engine.h.
//
// That is: its actor lives and its state is small, and it comes to what plain.h can end. One lane does all of it by itself; what it needs stays in
// registers, since each instruction of a lone warp is waited for.
#pragma once
#include "plain.h"

// The handler has run and what has come of it is not what is ended here: the lane is what it would be, had it been handled as any other.
ENGINE_CALL void end_otherwise(Block& b, Lane& l, u32 queue, u32 slots, u32 said) {
    known(b), known(l);
    Worker& w = b.workers[l.warp];
    const Staged s = staged(b, w, queue, l.at);
    l.head = unpack(l, s.c0, s.c1, s.c2, s.c3);
    lead(b, l);
    l.touched = 1;
    l.answers = l.line.op = l.outcome.what = 0;
    if (l.ctx.hlc > l.hlc) l.hlc = l.ctx.hlc;
    finish_otherwise(b, l, lane(), said);
    take_over(b, l, l.ctx.placed != 0, false);
    // Grants and many frames are ended by all.
    if (!(peek(&w.births) | holds(l))) end_alone(b, l, queue, slots, peek(&w.logged));
}

// What has come of it.
enum Lone { LONE_NOT, LONE_DONE, LONE_OPEN };

// Handles the lane's message of so many slots, if it is one for this way.
ENGINE_FN Lone handle_lone(Block& b, Lane& l, Worker& w, u32 queue, u64 at, u32 slots, const Staged& s) {
    const u32 row = low(s.c0.lo), generation = high(s.c0.lo), correlation = low(s.c0.hi), message = high(s.c0.hi) & 0xffff;
    const u32 length = length_of(s.c1), op = op_of(s.c3);
    const bool from_actor = queue == INBOX;
    if (row >= b.row_count || slots_for(length) != slots || (from_actor ? op != OP_TELL : op - OP_CAST > OP_CALL_DIRECT - OP_CAST) || peek(&w.notes) | peek(&w.blames)) return LONE_NOT;
    const Row& actor = b.rows[row];
    const u32 kind = actor.kind, bytes = actor.state_bytes, lives_in = actor.generation, status = look(&actor.status), killed = look(&actor.killed);
    const u64 state_offset = actor.state_offset, count = counted(b.counts + row);
    // All are on their way at once.
    if ((lives_in != generation) | (status != ROW_LIVE) | (killed == generation) | (bytes > COPY_BYTES) | (kind >= MAX_KINDS)) return LONE_NOT;
    if (b.width[kind] != WIDTH_LANE) return LONE_NOT;
    Chunk* const state = (Chunk*)(b.arena + state_offset);
    slot_is_read(b, w, queue, at);

    const u64 next = at + slots, other = peek(&w.cursor[queue ^ 1]), before = peek(&w.hlc);
    begin(w, queue, next + other, 1, false);
    copy_state((const u8*)state, bytes, [&](u32 i, Chunk c) { ((Chunk*)l.copy)[i] = c; });
    l.payload = l.short_payload;
    Chunk* const payload = (Chunk*)l.short_payload;
    payload[0] = {low(s.c1.hi) | s.c2.lo << 32, s.c2.lo >> 32 | s.c2.hi << 32};
    payload[1] = {s.c3.lo, low(s.c3.hi)};
    if (rare(slots > 1)) {
        l.payload = l.rest->payload;
        for (u32 i = 0; i < INLINE_BYTES / 4; ++i) ((u32*)l.payload)[i] = ((const u32*)l.short_payload)[i];
        unpack_rest(b, l, queue, at, slots);
    }
    // For who looks at it while the handler runs, or when that has panicked.
    l.state = l.copy;
    l.at = at;
    l.hlc = before;
    l.queue = queue;
    l.kind = kind;
    l.state_bytes = bytes;
    l.head.length = length;
    l.leads = l.alone = 1;
    l.mail = l.host = l.refused = l.place.op = 0;
    l.given.payload = (u64)l.payload;
    l.given.message = message | (from_actor ? correlation << 16 : 0);
    l.given.bytes = length;
    l.given.asks = 0;
    CtxRaw& ctx = l.ctx;
    ctx.hlc = before;
    ctx.sent = s.c1.lo;
    ctx.room = (u64)l.rest->room;
    ctx.now = peek(&b.pulse.now);
    ctx.row = row;
    ctx.generation = generation;
    ctx.fault = ctx.ended = ctx.text_bytes = ctx.placed = ctx.held = 0;
    ctx.messages = ctx.places = 1u << lane();
    set_busy(b, w, next_round(w, l.warp, kind));
    const u32 said = b.dispatch_one[kind](&ctx, l.copy, &l.given);

    const bool mail = ctx.placed != 0, call = op == OP_CALL, line = op == OP_CALL_DIRECT;
    const u32 to_shard = l.place.to, to_row = l.place.row;
    bool plain = (said <= (line ? MAX_PAYLOAD : INLINE_BYTES)) & !(ctx.fault | ctx.ended | l.mail | l.host | l.refused | holds(l) | peek(&w.births));
    if (mail) plain = plain & (l.place.system == b.system) & (to_shard < b.mail.shards) & (l.place.generation != 0);
    if (line) plain = plain && correlation < b.reply_lines && slots_for(said) <= b.reply_lines - correlation;
    if (plain) {
        const Plain p{mail, call, line, row, generation, correlation, message, high(s.c2.hi) & 0xffff, said, mailbox_of(b.mail, to_shard, to_row), to_shard,
                      ctx.hlc, true, count + (from_actor ? FROM_ACTOR : 1), state_offset, bytes};
        plain = commit_plain<OneLane>(b, l, w, queue, next, other, 1, p);
    }
    if (plain) return LONE_DONE;
    end_otherwise(b, l, queue, slots, said);
    return peek(&w.births) | holds(l) ? LONE_OPEN : LONE_DONE;
}
