// The end of a batch whose frames come to what most come to: the commit of commit.h once more, with all of it in registers. Part of engine.h.
//
// That is: each is a message that was handled, sends one message of one slot at most, and has a reply of one slot, or one that goes straight to
// its caller. Whatever else it comes to is ended in batch.h.
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

// What this lane's frame comes to.
struct Plain {
    bool mail, call, line;              // it sends, is answered by the host's ring, or where its caller waits
    u32 row, generation, correlation, message, reply_tag;
    u32 reply_bytes;
    u32 to, shard;                      // the inbox that it sends to, and whose that is
    u64 hlc;                            // behind what its handler has received and given out
    bool leads;                         // its actor becomes another:
    u64 count, state_offset;
    u32 state_bytes;
};

// Logs and commits the batch, and does what it says: the queue up to `next` is behind it, the other is at `other`. False if there is no room for
// what it sends: nothing was done.
template <class Group> ENGINE_FN bool commit_plain(Block& b, Lane& l, Worker& w, u32 queue, u64 next, u64 other, u32 frames, const Plain& p) {
    const Mail& m = b.mail;
    const bool first = Group::is_first(Group::live());
    const u32 calls = Group::which(p.call), lines = Group::which(p.line), mails = Group::which(p.mail);
    const u32 before = ones((calls | lines) & Group::below());
    if (calls | mails) {
        bool room = first && (!mails || outbox_has_room(b, w, ones(mails)));
        if (calls && room) {
            room = swap_if(&b.egress_lock, 0, 1);
            if (room && peek(&b.egress_tail) + ones(calls) - peek(&b.egress_head) > 1ull << b.capacity_log2) {
                unlock_egress(b);
                room = false;
            }
        }
        if (rare(!Group::any(room))) return false;
    }

    // Ahead of the commit: the log.
    const Log log = log_at(w.log);
    const u64 turn = w.turn;
    const u32 tag = log_tag(turn);
    u64 ticket = 0, head = 0;
    if (mails) {
        const u32 same = Group::same(p.mail ? p.to : ~0u), leader = first_one(same);
        if (p.mail && Group::lane() == leader) {
            ticket = take_ticket(&mailbox(m, p.to).tail, ones(same));
            // SYNC inbox-room: pairs with the receiver's store in `tell_inbox_head`.
            head = look_for_room(&mailbox(m, p.to).head);
        }
        ticket = Group::from(ticket, leader) + ones(same & Group::below());
        head = Group::from(head, leader);
    }
    const u64 place = peek(&b.egress_tail), told = peek(&b.hlc), latest = Group::latest(p.hlc);
    const u64 least = (calls && told > latest ? told : latest) + 1, stamp = least + Group::lane(), last = least + Group::COUNT - 1;
    if (p.leads) {
        Chunk* const record = (Chunk*)(log.rows + Group::lane());
        keep(record, {turn, pair(p.row, ROW_LIVE)});
        keep(record + 1, {p.count, pair(p.state_bytes, 0)});
        copy_state(l.copy, p.state_bytes, [&](u32 i, Chunk c) { keep(log.states + Group::lane() * COPY_CHUNKS + i, c); });
    }
    const auto reply = [&] { return frame(OP_REPLY, p.message, p.row, p.generation, p.correlation, stamp, reply_of(l, p.reply_bytes), p.reply_bytes, 0); };
    const auto sent = [&] { return frame(l.place.op, l.place.message, l.place.row, l.place.generation, l.place.correlation, stamp, l.placed, l.place.bytes, p.shard); };
    const u64 at = place + ones(calls & Group::below());
    if (p.line) {
        store_chunk(log.slots + before * CHUNKS, {pair(p.row, p.generation), p.message | (u64)tag << 48});
        keep(log.heads + before, log_head(turn, LOG_LINE, 1, pair(p.correlation, p.reply_tag)));
    }
    if (p.call) {
        write_frame(log.slots + before * CHUNKS, tag, reply());
        keep(log.heads + before, log_head(turn, LOG_HOST, 1, at));
    }
    if (p.mail) {
        const u32 behind = ones(calls | lines) + ones(mails & Group::below());
        write_frame(log.slots + behind * CHUNKS, tag, sent());
        keep(log.heads + behind, log_head(turn, LOG_MAIL, 1, mail_place(ticket, p.to)));
    }
    if (first) {
        keep_total(w, HANDLED, next + other, frames);
        raise_kept(&b.saved->hlc, last);
    }

    // The commit.
    Group::sync();
    if (first) keep_cursor(b, l.warp, queue, next, other);
    Group::sync();

    if (p.line) {
        // SYNC reply-ready: the caller watches these lines itself.
        Chunk* const there = b.replies + p.correlation * (u64)CHUNKS;
        write_frame(there, p.reply_tag, reply());
        for (u32 k = 1; rare(k < slots_for(p.reply_bytes)); ++k) write_more(there + k * CHUNKS, p.reply_tag, k, (const u32*)reply_of(l, p.reply_bytes));
    }
    if (calls) {
        if (p.call) write_frame(ring_slot(b, at), lap(at, b.capacity_log2), reply());
        Group::sync();
        if (first) {
            note(&b.hlc, last);
            advance_egress(b, place + ones(calls));
            unlock_egress(b);
        }
    }
    const bool late = p.mail && ticket + 1 - head > 1ull << m.inbox_log2;
    if (p.mail && !late) {
        Chunk* const there = slot(inbox(m, p.to), m.inbox_log2, ticket);
        mail_is_written(there);
        write_frame(there, lap(ticket, m.inbox_log2), sent());
    }
    if (p.leads) {
        copy_state(l.copy, p.state_bytes, [&](u32 i, Chunk c) { ((Chunk*)(b.arena + p.state_offset))[i] = c; });
        count_from(b.counts + p.row, p.count);
    }
    if (rare(Group::any(late)))
        put_late<Group>(b, w, mailbox_of_warp(m, b.shard, l.warp), late, p.to, ticket, 1, [&](u32, Chunk* to, u32 lap) { write_frame(to, lap, sent()); });
    if (first) {
        note(&w.hlc, last);
        set_busy(b, w, 0);
        bump(&b.handled, (u64)frames);
        // SYNC stage-free: pairs with the poller's `passed_by_all`. What was staged there has been received.
        give_back(&w.cursor[queue], next);
        if (queue == INBOX) tell_inbox_head(b, l.warp, next);
    }
    // All lanes go on from there.
    Group::sync();
    return true;
}

// Ends the batch of several lanes whose frames were handled, if that is plain.
ENGINE_FN bool end_plainly(Block& b, Lane& l, u32 queue, u32 end, bool mine, bool leads, u32 frames) {
    Worker& w = b.workers[l.warp];
    const bool sends = l.place.op != 0, call = mine && l.head.op == OP_CALL, line = mine && l.head.op == OP_CALL_DIRECT;
    const u32 bytes = l.outcome.value, correlation = l.head.correlation;
    bool plain = !(peek(&w.noted) | peek(&w.crowded) | peek(&w.births) | peek(&w.logged) | holds(l) | l.refused | l.host);
    if (mine) plain = plain & (l.outcome.what == OUTCOME_HANDLED) & !l.outcome.ended;
    if (leads) plain = plain & (l.status == ROW_LIVE);
    if (call) plain = plain & (bytes <= INLINE_BYTES);
    if (line) plain = plain && correlation < b.reply_lines && slots_for(bytes) <= b.reply_lines - correlation;
    if (rare(any_lane(!plain))) return false;
    const u32 to = l.place.to;
    const Plain p{sends, call, line, l.head.row, l.head.generation, correlation, l.head.message, l.head.reply_tag, bytes, to, sends ? shard_of(b, to) : 0,
                  l.hlc, leads, l.count, l.state_offset, l.state_bytes};
    const u64 at = peek(&w.cursor[queue]), other = peek(&w.cursor[queue ^ 1]);
    if (!commit_plain<AllLanes>(b, l, w, queue, at + end, other, frames, p)) return false;
    const u32 limit = peek(&w.limit);
    sync_lanes();
    if (rare(limit < LANES) && is_first(live_lanes())) note(&w.limit, 2 * limit);
    return true;
}
