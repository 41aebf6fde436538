// A message that is alone, as it is where somebody waits for each: the batch once more, for what most such messages come to. Part of engine.h.
//
// That is: its actor lives and its state is small; it is handled, sends one message of one slot at most, and has a reply that is short or goes
// straight to its caller. Whatever else it comes to is ended in batch.h. One lane does all of it by itself; what it needs stays in registers, since each
// instruction of a lone warp is waited for.
#pragma once
#include "batch.h"

// A frame of one slot, but for its tags.
struct Frame { Chunk c[CHUNKS]; };
ENGINE_FN Frame frame(u32 op, u32 message, u32 row, u32 generation, u32 correlation, u64 hlc, const u8* payload, u32 bytes, u32 extra) {
    const Chunk* const p = (const Chunk*)payload;
    const Chunk first = p[0], second = p[1];
    return {{{pair(row, generation), pair(correlation, message)},
             {hlc, pair(low(first.lo), bytes)},
             {pair(high(first.lo), low(first.hi)), pair(high(first.hi), extra)},
             {second.lo, pair(low(second.hi), op)}}};
}
ENGINE_FN void write_frame(Chunk* to, u32 tag, const Frame& f) {
    for (u32 i = 0; i < CHUNKS; ++i) store_chunk(to + i, {f.c[i].lo, f.c[i].hi | (u64)tag << 48});
}

// The handler has run and what has come of it is not what is ended here: the lane is what it would be, had it been handled as any other.
ENGINE_CALL void end_otherwise(Block& b, Lane& l, u32 queue, u32 slots, u32 bytes) {
    known(b), known(l);
    Worker& w = b.workers[l.warp];
    const Staged s = staged(b, w, queue, l.at);
    l.head = unpack(l, s.c0, s.c1, s.c2, s.c3);
    lead(b, l);
    l.touched = 1;
    l.answers = l.line.op = l.outcome.what = 0;
    finish(b, l, w, lane(), bytes);
    // Grants are ended by all.
    if (!peek(&w.births)) end_alone(b, l, queue, slots, peek(&w.logged));
}

// What has come of it.
enum Lone { LONE_NOT, LONE_DONE, LONE_BIRTHS };

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

    const u64 turn = w.turn + 1, next = at + slots, other = peek(&w.cursor[queue ^ 1]), before = peek(&w.hlc);
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
    l.current = lane();
    l.kind = kind;
    l.state_bytes = bytes;
    l.head.length = length;
    l.leads = l.alone = l.offered = 1;
    l.places = 1u << lane();
    l.mail = l.host = l.refused = l.place.op = 0;
    CtxRaw& ctx = l.ctx;
    ctx.hlc = before;
    ctx.sent = s.c1.lo;
    ctx.now = peek(&b.now);
    ctx.row = row;
    ctx.generation = generation;
    ctx.fault = ctx.ended = ctx.text_bytes = 0;
    ctx.room = (u64)l.rest->room;
    ctx.place = (u32)(__builtin_offsetof(Lane, place) - __builtin_offsetof(Lane, ctx));
    set_busy(b, w, next_round(w, l.warp, kind));
    const u32 said = b.dispatch[kind](message | (from_actor ? correlation << 16 : 0), l.copy, l.payload, length, &ctx, (void*)l.reply);

    const bool mail = ctx.place == 0, call = op == OP_CALL, line = op == OP_CALL_DIRECT;
    const u32 to_shard = l.place.to, to_row = l.place.row;
    bool plain = (said <= (line ? MAX_PAYLOAD : INLINE_BYTES)) & !(ctx.fault | ctx.ended | l.refused | peek(&w.births)) & (l.offered != 0);
    if (mail) plain = plain & (l.place.system == b.system) & (to_shard < b.mail.shards) & (l.place.generation != 0) & outbox_has_room(b, w, 1);
    if (line) plain = plain && correlation < b.reply_lines && slots_for(said) <= b.reply_lines - correlation;
    if (call && plain) {
        plain = swap_if(&b.egress_lock, 0, 1);
        if (plain && peek(&b.egress_tail) - peek(&b.egress_head) >= 1ull << b.capacity_log2) {
            unlock_egress(b);
            plain = false;
        }
    }
    if (!plain) {
        end_otherwise(b, l, queue, slots, said);
        return peek(&w.births) ? LONE_BIRTHS : LONE_DONE;
    }

    // Ahead of the commit: the log.
    const Mail& m = b.mail;
    const Log log = log_at(w.log);
    const u32 tag = log_tag(turn), to = mailbox_of(m, to_shard, to_row);
    u64 ticket = 0, head = 0;
    if (mail) {
        ticket = take_ticket(&mailbox(m, to).tail, 1);
        // SYNC inbox-room: pairs with the receiver's store in `tell_inbox_head`.
        head = look_for_room(&mailbox(m, to).head);
    }
    const u64 place = peek(&b.egress_tail), told = peek(&b.hlc);
    const u64 stamp = (call && told > ctx.hlc ? told : ctx.hlc) + 1;
    const u64 handled = count + (from_actor ? FROM_ACTOR : 1);
    Chunk* const record = (Chunk*)log.rows;
    keep(record, {turn, pair(row, ROW_LIVE)});
    keep(record + 1, {handled, pair(bytes, 0)});
    copy_state(l.copy, bytes, [&](u32 i, Chunk c) { keep(log.states + i, c); });
    const auto reply = [&] { return frame(OP_REPLY, message, row, generation, correlation, stamp, reply_of(l, said), said, 0); };
    const auto sent = [&] { return frame(OP_TELL, l.place.message, to_row, l.place.generation, l.place.correlation, stamp, l.placed, l.place.bytes, to_shard); };
    if (line) {
        store_chunk(log.slots, {pair(row, generation), message | (u64)tag << 48});
        keep(log.heads, log_head(turn, LOG_LINE, 1, pair(correlation, high(s.c2.hi) & 0xffff)));
    }
    if (call) {
        write_frame(log.slots, tag, reply());
        keep(log.heads, log_head(turn, LOG_HOST, 1, place));
    }
    if (mail) {
        const u32 slot = line || call;
        write_frame(log.slots + slot * CHUNKS, tag, sent());
        keep(log.heads + slot, log_head(turn, LOG_MAIL, 1, mail_place(ticket, to)));
    }
    keep_total(w, HANDLED, next + other, 1);
    raise_kept(&b.saved->hlc, stamp);

    // The commit.
    keep_cursor(b, l.warp, queue, next, other);

    if (line) {
        // SYNC reply-ready: the caller watches these lines itself.
        Chunk* const there = b.replies + correlation * (u64)CHUNKS;
        write_frame(there, high(s.c2.hi) & 0xffff, reply());
        for (u32 k = 1; rare(k < slots_for(said)); ++k) write_more(there + k * CHUNKS, high(s.c2.hi) & 0xffff, k, (const u32*)reply_of(l, said));
    }
    if (call) {
        write_frame(ring_slot(b, place), lap(place, b.capacity_log2), reply());
        note(&b.hlc, stamp);
        advance_egress(b, place + 1);
        unlock_egress(b);
    }
    const bool late = ticket + 1 - head > 1ull << m.inbox_log2;
    if (mail && !late) {
        Chunk* const there = slot(inbox(m, to), m.inbox_log2, ticket);
        mail_is_written(there);
        write_frame(there, lap(ticket, m.inbox_log2), sent());
    }
    copy_state(l.copy, bytes, [&](u32 i, Chunk c) { state[i] = c; });
    count_from(b.counts + row, handled);
    if (rare(mail && late)) {
        const u64 tail = peek(&w.outbox_tail);
        const u32 own = mailbox_of_warp(m, b.shard, l.warp);
        write_frame(slot(outbox(m, own), m.outbox_log2, tail), lap(tail, m.outbox_log2), sent());
        keep((Chunk*)&late_of(m, own, tail), {ticket, pair(to, 1)});
        keep_word(&b.saved->outbox_tails[l.warp], tail + 1);
        // SYNC late: pairs with who delivers.
        pass(&w.outbox_tail, tail + 1);
    }
    note(&w.hlc, stamp);
    set_busy(b, w, 0);
    bump(&b.handled, (u64)1);
    // SYNC stage-free: pairs with the poller's `passed_by_all`. What was staged there has been received.
    give_back(&w.cursor[queue], next);
    if (from_actor) tell_inbox_head(b, l.warp, next);
    return LONE_DONE;
}
