// A message that is alone in its batch, as it is where somebody waits for each: one lane does all, and asks nobody. Part of engine.h.
//
// It is the batch of commit.h once more, for what most such messages come to: a small state, one frame to another actor or one short reply of a
// direct call at most. Whatever else it comes to is committed there.
#pragma once
#include "commit.h"

// Whether what has come of the message is committed here. There is room for what it sends.
ENGINE_FN bool is_plain(Block& b, const Lane& l, const Worker& w) {
    const Outcome& o = l.outcome;
    if (o.what != OUTCOME_HANDLED || o.ended || l.host || l.refused || peek(&w.logged) || peek(&w.births)) return false;
    if (l.head.op == OP_CALL) return false;
    if (l.head.op == OP_CALL_DIRECT && (o.value > INLINE_BYTES || l.head.correlation >= b.reply_lines)) return false;
    return l.place.op == 0 || outbox_has_room(b, w, 1);
}

ENGINE_FN void commit_lone(Block& b, Lane& l, Worker& w, u32 queue) {
    const Log log = log_at(w.log);
    const Mail& m = b.mail;
    const Head& h = l.head;
    const u64 turn = w.turn, next = peek(&w.cursor[queue]) + 1, other = peek(&w.cursor[queue ^ 1]), stamp = l.hlc + 1;
    const u32 tag = log_tag(turn), to = l.place.to, bytes = l.state_bytes;
    const bool mail = l.place.op != 0, line = h.op == OP_CALL_DIRECT;
    u64 ticket = 0, head = 0;
    if (mail) {
        ticket = take_ticket(&mailbox(m, to).tail, 1);
        // SYNC inbox-room: pairs with the receiver's store in `tell_inbox_head`.
        head = look_for_room(&mailbox(m, to).head);
    }
    Chunk* const record = (Chunk*)(log.rows + lane());
    keep(record, {turn, pair(h.row, l.status)});
    keep(record + 1, {l.count, pair(bytes, 0)});
    copy_state(l.copy, bytes, [&](u32 i, Chunk c) { keep(log.states + lane() * COPY_CHUNKS + i, c); });
    if (line) {
        store_chunk(log.slots, {pair(h.row, h.generation), h.message | (u64)tag << 48});
        keep(log.heads, log_head(turn, LOG_LINE, 1, pair(h.correlation, h.reply_tag)));
    }
    const u32 at = line;
    if (mail) {
        write_one(log.slots + at * CHUNKS, tag, l.place, stamp, l.placed, shard_of(b, to));
        keep(log.heads + at, log_head(turn, LOG_MAIL, 1, mail_place(ticket, to)));
    }
    keep_total(w, HANDLED, next + other, 1);
    raise_kept(&b.saved->hlc, stamp);

    // The commit.
    keep_cursor(b, l.warp, queue, next, other);

    if (line) write_first(b.replies + h.correlation * (u64)CHUNKS, h.reply_tag, OP_REPLY, h.message, h.row, h.generation, h.correlation, stamp, (const u32*)l.reply, l.outcome.value);
    const bool late = ticket + 1 - head > 1ull << m.inbox_log2;
    if (mail && !late) {
        Chunk* const slot_there = slot(inbox(m, to), m.inbox_log2, ticket);
        mail_is_written(slot_there);
        write_one(slot_there, lap(ticket, m.inbox_log2), l.place, stamp, l.placed, shard_of(b, to));
    }
    copy_state(l.copy, bytes, [&](u32 i, Chunk c) { ((Chunk*)(b.arena + l.state_offset))[i] = c; });
    count_from(b.counts + h.row, l.count);
    if (mail && late) {
        const u32 own = mailbox_of_warp(m, b.shard, l.warp);
        const u64 tail = peek(&w.outbox_tail);
        write_one(slot(outbox(m, own), m.outbox_log2, tail), lap(tail, m.outbox_log2), l.place, stamp, l.placed, shard_of(b, to));
        keep((Chunk*)&late_of(m, own, tail), {ticket, pair(to, 1)});
        keep_word(&b.saved->outbox_tails[l.warp], tail + 1);
        // SYNC late: pairs with who delivers.
        pass(&w.outbox_tail, tail + 1);
    }
    note(&w.hlc, stamp);
    set_busy(b, w, 0);
    bump(&b.handled, (u64)1);
    come_past(b, w, l.warp, queue, 1);
}
