// Mailboxes: how one actor of a device reaches another. Part of engine.h.
//
// Each work warp has an inbox, a ring in device memory that every warp writes: a sender takes a ticket, which is a run of slots, and writes
// the frame there; the tag in each chunk says that it has arrived, as in the host's rings.
//
//   MB-1 (order)   What one actor sends to another arrives in the order in which it was sent: that of the tickets.
//   MB-2 (room)    No slot is written before the frame that was in it is handled.
//   MB-3 (no wait) Nobody waits with a ticket in hand, and a handler does not wait for another one. A frame whose slot is not free yet goes to
//                  its warp's outbox with its ticket, and is written later, by somebody who runs no handler: so two warps that fill each
//                  other's inboxes both go on. Room in the outbox is made sure of ahead of the ticket. A warp whose outbox is half full takes
//                  nothing from the host, and lets no more messages send side by side than it has room for, by what their like have sent.
//   MB-4 (loss)    After a loss each mailbox is mended, before any shard runs: what stands in an outbox is written, where it can be, and what
//                  was given out and is nowhere is made void. It is known of what a message sends at its end, if that is all that was seen
//                  of it, whether it was sent.
#pragma once
#include "answer.h"

ENGINE_FN Mailbox& mailbox(const Mail& m, u32 at) { return *(Mailbox*)(m.base + at * m.bytes); }
ENGINE_FN Chunk* inbox(const Mail& m, u32 at) { return (Chunk*)(&mailbox(m, at) + 1); }
ENGINE_FN Chunk* outbox(const Mail& m, u32 at) { return inbox(m, at) + (CHUNKS << m.inbox_log2); }
ENGINE_FN LateFrame& late_of(const Mail& m, u32 at, u64 index) { return ((LateFrame*)(outbox(m, at) + (CHUNKS << m.outbox_log2)))[index & ((1ull << m.outbox_log2) - 1)]; }
ENGINE_FN Chunk* slot(Chunk* ring, u32 log2, u64 index) { return ring + (index & ((1ull << log2) - 1)) * CHUNKS; }
ENGINE_FN Mail mail_of(const EngineParams& p, u32 shards) { return {(u8*)p.mailboxes, p.mailbox_bytes, shards, p.warps, p.inbox_log2, p.outbox_log2}; }
// A warp's mailbox among all, and that of a row.
ENGINE_FN u32 mailbox_of_warp(const Mail& m, u32 shard, u32 warp) { return shard * m.warps + warp; }
ENGINE_FN u32 mailbox_of(const Mail& m, u32 shard, u32 row) { return mailbox_of_warp(m, shard, row & (m.warps - 1)); }

ENGINE_FN u32 length_of(Chunk c1) { return high(c1.hi) & 0xffff; }
ENGINE_FN u32 op_of(Chunk c3) { return high(c3.hi) & 0xffff; }
ENGINE_FN Chunk as_void(Chunk c3) { return {c3.lo, (c3.hi & ~(0xffffull << 32)) | (u64)OP_VOID << 32}; }

// ---- sending ---------------------------------------------------------------------------------------------------------

// An eighth is left for a loss (`mend_inbox`), and another for while receivers have left or not begun, which take nothing then.
ENGINE_FN u64 outbox_room(const Block& b) {
    const bool still = peek(&b.leaving) || peek(&b.settled) != b.warps;
    return (still ? 7ull : 6ull) << b.mail.outbox_log2 >> 3;
}
// SYNC outbox-room: pairs with `deliver_some`.
ENGINE_FN bool outbox_has_room(const Block& b, const Worker& w, u32 slots) { return peek(&w.outbox_tail) + slots - receive(&w.outbox_head) <= outbox_room(b); }

// MB-3: waits for room in the outbox as long as frames go from there, or might: a receiver of this shard may be waiting for the host.
ENGINE_CALL bool wait_for_outbox(Block& b, Worker& w, u32 slots) {
    known(b), known(w);
    constexpr u64 PATIENCE_US = 100000;
    u64 since = clock_micros(), head = peek(&w.outbox_head);
    while (!outbox_has_room(b, w, slots)) {
        const u64 now = clock_micros(), before = head;
        head = peek(&w.outbox_head);
        if (head != before || peek(&b.waits)) since = now;
        else if (now - since > PATIENCE_US) return false;
        while_waiting(b);
        pause_ns(200);
    }
    return true;
}

// Writes a frame to `ring` at `at`; `message` is an index and a tag above it. Whose shard it is for is asked in an outbox, by cuts.
ENGINE_FN void write_frame(Chunk* ring, u32 log2, u64 at, u32 op, u32 message, u32 row, u32 generation, u64 hlc, const u32* words, u32 bytes, u32 shard) {
    write_first(slot(ring, log2, at), lap(at, log2), op, message & 0xffff, row, generation, message >> 16, hlc, words, bytes, shard);
    for (u32 k = 1; k < slots_for(bytes); ++k) write_more(slot(ring, log2, at + k), lap(at + k, log2), k, words);
}

// Lanes of a warp that send, or one alone, which asks nobody.
struct Together {
    u32 lanes;
    ENGINE_FN bool any(bool yes) const { return which(yes) != 0; }
    ENGINE_FN u32 which(bool yes) const { return which_of(lanes, yes); }
    ENGINE_FN u32 same(u32 value) const { return same_of(lanes, value); }
    template <class T> ENGINE_FN T from(T value, u32 lane) const { return from_lane_of(lanes, value, lane); }
    ENGINE_FN u32 sum(u32 value) const { return sum_of(lanes, value); }
    ENGINE_FN u32 sum_ahead(u32 value) const { return sum_ahead_of(lanes, value); }
    ENGINE_FN bool is_first() const { return lane() == first_one(lanes); }
    ENGINE_FN void sync() const { sync_of(lanes); }
};
struct Alone {
    ENGINE_FN bool any(bool yes) const { return yes; }
    ENGINE_FN u32 which(bool yes) const { return yes; }
    ENGINE_FN u32 same(u32) const { return 1u << lane(); }
    template <class T> ENGINE_FN T from(T value, u32) const { return value; }
    ENGINE_FN u32 sum(u32 value) const { return value; }
    ENGINE_FN u32 sum_ahead(u32) const { return 0; }
    ENGINE_FN bool is_first() const { return true; }
    ENGINE_FN void sync() const {}
};

// Puts a frame of each of these lanes that has one into the outbox, for which there is room.
template <class Lanes> ENGINE_CALL void put_late(Block& b, Lane& l, const Lanes& lanes, bool mine, const Sending& f, const u32* words, u64 stamp, u32 to, u64 ticket) {
    known(b), known(l);
    const Mail& m = b.mail;
    Worker& w = b.workers[l.warp];
    const u32 own = mailbox_of_warp(m, b.shard, l.warp), slots = mine ? slots_for(f.bytes) : 0;
    const u64 tail = peek(&w.outbox_tail), at = tail + lanes.sum_ahead(slots);
    const u32 all = lanes.sum(slots);
    if (mine) {
        write_frame(outbox(m, own), m.outbox_log2, at, f.op, f.message, f.row, f.generation, stamp, words, f.bytes, f.to);
        for (u32 k = 1; k < slots; ++k) keep((Chunk*)&late_of(m, own, at + k), {0, 0});
        keep((Chunk*)&late_of(m, own, at), {ticket, pair(to, slots)});
    }
    lanes.sync();
    if (lanes.is_first()) {
        keep_word(&b.saved->outbox_tails[l.warp], tail + all);
        // SYNC late: pairs with who delivers.
        pass(&w.outbox_tail, tail + all);
    }
    lanes.sync();
}

// Sends a frame of each of these lanes that has one. One that `commits` is the last of a message that is done otherwise: a launch that is
// lost then finds out whether it was sent. Under the outbox's lock, or by all lanes of a warp.
template <class Lanes> ENGINE_FN void send_frames(Block& b, Lane& l, const Lanes& lanes, bool mine, const Sending& f, const u32* words, bool commits) {
    const Mail& m = b.mail;
    const u32 to = mailbox_of(m, f.to, f.row), slots = slots_for(f.bytes);
    if (!outbox_has_room(b, b.workers[l.warp], lanes.sum(mine ? slots : 0)) && !lanes.any(wait_for_outbox(b, b.workers[l.warp], lanes.sum(mine ? slots : 0)))) {
        if (mine) l.ctx.fault = FAULT_OUTBOX;
        return;
    }
    u64 stamp = 0;
    if (mine) {
        commits = commits && !l.seen;
        if (!commits) mark_seen(l);
        l.slots += slots;
        stamp = next_stamp(l);
    }
    // Those of one slot for the same inbox take one ticket.
    const u32 group = lanes.same(!mine ? ~0u : slots == 1 ? to : ~1u - lane()), leader = first_one(group);
    u64 first = 0, head = 0;
    if (mine && lane() == leader) {
        first = take_ticket(&mailbox(m, to).tail, ones(group) * slots);
        // SYNC inbox-room: pairs with the receiver's store in `tell_inbox_head`.
        head = look_for_room(&mailbox(m, to).head);
    }
    const u64 ticket = lanes.from(first, leader) + ones(group & lanes_below());
    head = lanes.from(head, leader);
    const bool late = mine && ticket + slots - head > 1ull << m.inbox_log2;
    if (mine && commits) keep((Chunk*)l.saved + 3, {l.id + 1, ticket | (u64)to << TICKET_BITS});
    if (mine && !late) {
        for (u32 k = 0; k < slots; ++k) mail_is_written(slot(inbox(m, to), m.inbox_log2, ticket + k));
        write_frame(inbox(m, to), m.inbox_log2, ticket, f.op, f.message, f.row, f.generation, stamp, words, f.bytes, f.to);
    }
    if (lanes.any(late)) put_late(b, l, lanes, late, f, words, stamp, to, ticket);
}

// Sends what lanes hold back, each in the order in which it has sent it; behind one that has found no room, nothing. With `done` their messages
// are done otherwise.
template <class Lanes> ENGINE_FN void send_held(Block& b, Lane& l, const Lanes& lanes, bool done) {
    const Held* const held = l.rest->held;
    const auto goes_on = [&] { return l.ctx.fault != FAULT_OUTBOX; };
    for (u32 i = 0; lanes.any(i < l.held); ++i) send_frames(b, l, lanes, i < l.held && goes_on(), held[i].head, (const u32*)held[i].payload, false);
    l.held = 0;
    send_frames(b, l, lanes, l.last.op != 0 && goes_on(), l.last, (const u32*)l.outgoing, done && !l.ctx.fault && !l.ctx.ended);
    l.last.op = 0;
}
// One lane by itself, in the middle of its handler or behind it. Others of its warp may be about to do the same.
ENGINE_CALL void flush(Block& b, Lane& l, bool done) {
    known(b), known(l);
    for (bool sent = false; !sent;) sent = if_free(&b.workers[l.warp].outbox_lock, [&] { send_held(b, l, Alone{}, done); });
}
// All lanes of a warp that have not ended call this together: what a lane holds back goes beside what the others do, and nobody waits for the
// tickets of each one after another.
ENGINE_CALL void flush_together(Block& b, Lane& l) {
    known(b), known(l);
    send_held(b, l, Together{live_lanes()}, true);
}

// What was sent last is not any more.
ENGINE_FN void put_aside(Block& b, Lane& l) {
    if (l.last.bytes > INLINE_BYTES || l.held == HELD_FRAMES) { flush(b, l, false); return; }
    Held& held = l.rest->held[l.held++];
    held.head = l.last;
    for (u32 i = 0; i < 2; ++i) held.payload[i] = ((const Chunk*)l.short_outgoing)[i];
}

// Room for `bytes` bytes in `l.outgoing` for the actor in `row` of the shard `to`: it is sent when its message is done, or has sent more
// than can be held. Nothing but one thing at the end is seen of most messages, then, so they can be handled anew by a next launch. And what the
// lanes of a warp send goes together. False if no actor of this system has such an address: a dead letter.
ENGINE_FN bool hold_back(Block& b, Lane& l, u32 op, u32 to, u32 row, u32 generation, u32 message, u32 bytes) {
    if (to >= b.mail.shards || generation == 0) { count_refused(b); return false; }
    if (l.last.op) put_aside(b, l);
    l.last = {op, to, row, generation, message, bytes};
    l.outgoing = outgoing_for(l, bytes);
    return true;
}

// A handler's `ctx.send`, and with `reply` its `ctx.ask`.
ENGINE_FN void send_message(Block& b, Lane& l, const RawAddress& to, u32 message, const u8* payload, u32 bytes, const ReplyTo* reply) {
    const u32 ahead = reply ? (u32)sizeof(ReplyTo) : 0;
    // An actor that has failed sends nothing more.
    if (l.ctx.fault) return;
    if (bytes > MAX_PAYLOAD - ahead) { l.ctx.fault = FAULT_EMIT; return; }
    // What is stamped comes behind what this handler has received.
    if (l.ctx.hlc > l.hlc) l.hlc = l.ctx.hlc;
    if (to.system != b.system) { count_refused(b); return; }
    if (!hold_back(b, l, reply ? OP_ASK : OP_TELL, to.shard, to.row, to.generation, message, ahead + bytes)) return;
    if (reply) *(ReplyTo*)l.outgoing = *reply;
    copy(l.outgoing + ahead, payload, bytes);
}

// Which entry of `fan_out` a message has.
ENGINE_FN u32& fan_out(Block& b, u32 kind, u32 message) { return b.fan_out[(kind * 37 + message) % FAN_OUTS]; }

// What `l` has sent is what others of its kind may.
ENGINE_FN void learn(Block& b, const Lane& l, u32 kind) {
    u32& known = fan_out(b, kind, l.head.message);
    if (peek(&known) < l.slots + 1) note(&known, l.slots + 1);
}

// How many messages may be handled side by side, of which one sends `slots` slots at most, so that the outbox holds what all do, if no
// inbox has room.
ENGINE_FN u32 side_by_side(const Block& b, const Worker& w, u32 slots) {
    const u64 room = outbox_room(b), taken = peek(&w.outbox_tail) - peek(&w.outbox_head);
    // 32 bits: a division of 64 is a call of seventy instructions, for every batch.
    return taken < room ? (u32)(room - taken) / slots : 0;
}

// The outbox is as full as it may be before the host has to wait.
ENGINE_FN bool is_congested(const Block& b, const Worker& w) { return peek(&w.outbox_tail) - peek(&w.outbox_head) > 1ull << b.mail.outbox_log2 >> 1; }

// ---- what is late ----------------------------------------------------------------------------------------------------

// In `LateFrame::slots`: so many slots that are to be made void.
constexpr u32 VOIDS = 1u << 31;

ENGINE_FN void make_void(Chunk* ring, u32 log2, u64 at) {
    const u32 nothing[INLINE_BYTES / 4] = {};
    write_first(slot(ring, log2, at), lap(at, log2), OP_VOID, 0, 0, 0, 0, 0, nothing, 0);
}

// A frame of an outbox has gone.
ENGINE_FN void is_gone(const Mail& m, u32 own, u64 at) {
    Chunk* const last = slot(outbox(m, own), m.outbox_log2, at) + 3;
    store_chunk(last, as_void(load_chunk(last)));
    keep((Chunk*)&late_of(m, own, at), {0, 0});
}

// MB-2: writes a frame of an outbox to its slot, if that is free by now. Whether it has gone: it may have before a loss, to be handled since.
ENGINE_FN bool deliver(const Mail& m, u32 own, u64 at, const LateFrame& late) {
    const u64 head = look_for_room(&mailbox(m, late.inbox).head);
    if (head > late.ticket) return true;
    const u32 slots = late.slots & ~VOIDS;
    if (late.ticket + slots - head > 1ull << m.inbox_log2) return false;
    for (u32 k = 0; k < slots; ++k) {
        if (late.slots & VOIDS) { make_void(inbox(m, late.inbox), m.inbox_log2, late.ticket + k); continue; }
        Chunk* const from = slot(outbox(m, own), m.outbox_log2, at + k);
        Chunk* const to = slot(inbox(m, late.inbox), m.inbox_log2, late.ticket + k);
        mail_is_written(to);
        for (u32 i = 0; i < CHUNKS; ++i) store_chunk(to + i, with_tag(load_chunk(from + i), lap(late.ticket + k, m.inbox_log2)));
    }
    return true;
}

// MB-3: delivers what it can of a warp's outbox, looking at a slot to a lane from `scan` on: all lanes of a warp that runs no handler, one after
// another on a CPU. Order is that of the tickets, so what finds no room holds up nothing behind it. Whether any has gone.
ENGINE_FN bool deliver_some(Block& b, u32 warp, u64& scan) {
    const Mail& m = b.mail;
    Worker& w = b.workers[warp];
    const u32 own = mailbox_of_warp(m, b.shard, warp);
    const u64 head = peek(&w.outbox_head);
    // SYNC late: pairs with `put_late`.
    const u64 tail = receive(&w.outbox_tail);
    if (head == tail) return false;
    if (scan < head || scan >= tail) scan = head;
    // A CPU's lane looks at as many as a warp.
    constexpr u32 SLOTS = 32;
    bool any = false;
    for (const u64 end = scan + SLOTS; scan < end; scan += LANES) {
        const u64 at = scan + lane();
        if (at >= tail) continue;
        const LateFrame found = late_of(m, own, at);
        if (!found.slots || !deliver(m, own, at, found)) continue;
        is_gone(m, own, at);
        any = true;
    }
    sync_lanes();
    // What has gone from the front on.
    u64 next = head;
    for (bool gone = true; gone && next < tail;) {
        const u32 open = which_lanes(next + lane() < tail && late_of(m, own, next + lane()).slots != 0);
        const u32 n = open ? first_one(open) : LANES;
        gone = n == LANES;
        next = next + n < tail ? next + n : tail;
    }
    if (next != head && lane() == 0) {
        keep_word(&b.saved->outbox_heads[warp], next);
        // SYNC outbox-room: pairs with `outbox_has_room`.
        pass(&w.outbox_head, next);
    }
    return any_lane(any);
}

// ---- begin of a launch -----------------------------------------------------------------------------------------------

ENGINE_FN void enter_mail(Block& b, const EngineParams& p, u32 shards) {
    b.mail = mail_of(p, shards);
    for (u32 i = 0; i < FAN_OUTS; ++i) b.fan_out[i] = 0;
    for (u32 w = 0; w < b.warps; ++w) {
        b.workers[w].outbox_head = b.saved->outbox_heads[w];
        b.workers[w].outbox_tail = b.saved->outbox_tails[w];
        b.workers[w].outbox_lock = 0;
    }
}

// ---- after a loss ----------------------------------------------------------------------------------------------------

// Whether a slot of a ring is there, and of what op it is; 0 for one that goes on with a frame.
struct Found { bool whole; u32 op, length; };
ENGINE_FN Found find(Chunk* ring, u32 log2, u64 at) {
    const u32 tag = lap(at, log2);
    const Chunk* const c = slot(ring, log2, at);
    Found found{true, op_of(load_chunk(c + 3)), length_of(load_chunk(c + 1))};
    for (u32 i = 0; i < CHUNKS; ++i) found.whole = found.whole && tag_of(load_chunk(c + i)) == tag;
    return found;
}
// The slots of the frame at `at`, 0 if there is no whole one.
ENGINE_FN u32 frame_at(Chunk* ring, u32 log2, u64 at, u64 end) {
    const Found first = find(ring, log2, at);
    if (!first.whole || first.op == 0 || first.length > MAX_PAYLOAD) return 0;
    const u32 slots = slots_for(first.length);
    if (slots > end - at) return 0;
    for (u32 k = 1; k < slots; ++k) {
        const Found more = find(ring, log2, at + k);
        if (!more.whole || more.op != 0) return 0;
    }
    return slots;
}

ENGINE_FN ShardState* shards_of(const EngineParams& p) { return (ShardState*)p.shards; }

// The first slot of an inbox that is not handled.
ENGINE_FN u64 head_of(const EngineParams& p, u32 at) { return shards_of(p)[at / p.warps].cursors[2 * (at % p.warps) + INBOX]; }

// Who does a step of mending, and of how many.
struct Hand { u32 index, count; };

// MB-4, first: what a message was about to send when all else was done, was it sent? It is whole in the inbox, or handled, or in the outbox;
// then its message is done.
ENGINE_FN void mend_lane(const EngineParams& p, u32 shard, u32 lane) {
    const Mail m = mail_of(p, ((const RegionHeader*)p.region)->shards);
    LaneState& s = ((LaneState*)p.lanes)[(u64)shard * WORK_LANES + lane];
    if (!(s.at & HANDLING) || s.sending != (s.at & ~HANDLING) + 1 || s.ticket == SENT) return;
    const u64 ticket = s.ticket & ((1ull << TICKET_BITS) - 1);
    const u32 to = (u32)(s.ticket >> TICKET_BITS), warp = lane / LANES, own = mailbox_of_warp(m, shard, warp);
    const ShardState& of = shards_of(p)[shard];
    bool sent = head_of(p, to) > ticket || frame_at(inbox(m, to), m.inbox_log2, ticket, ticket + MAX_FRAME_SLOTS) != 0;
    for (u64 at = of.outbox_heads[warp]; !sent && at != of.outbox_tails[warp]; ++at) {
        const LateFrame& late = late_of(m, own, at);
        sent = late.slots && late.inbox == to && late.ticket == ticket;
    }
    // In this order: whoever mends once more has the same answer.
    if (!sent) keep_word(&s.sending, 0);
    keep_word(&s.ticket, SENT);
}

// MB-4, then: what is late is written, as far as there is room.
ENGINE_FN void mend_outbox(const EngineParams& p, u32 own) {
    const Mail m = mail_of(p, ((const RegionHeader*)p.region)->shards);
    const ShardState& s = shards_of(p)[own / p.warps];
    for (u64 at = s.outbox_heads[own % p.warps]; at != s.outbox_tails[own % p.warps]; ++at) {
        const LateFrame found = late_of(m, own, at);
        if (found.slots && deliver(m, own, at, found)) is_gone(m, own, at);
    }
}

// Which slots of an inbox are spoken for by what is late: a bit each, from its head on. The bits of all inboxes stand one behind another, those
// of each from `Mailbox::mark` on.
ENGINE_FN u64 marks_for(const EngineParams& p, u32 at) {
    const Mail m = mail_of(p, ((const RegionHeader*)p.region)->shards);
    return (take(&mailbox(m, at).tail) - head_of(p, at) + 31) / 32 * 32;
}
ENGINE_FN void place_marks(const Mail& m, u32 boxes) {
    for (u64 at = 0, end = 0; at < boxes; ++at) {
        const u64 bits = mailbox(m, at).mark;
        mailbox(m, at).mark = end;
        end += bits;
    }
}
ENGINE_FN void mark_late(const EngineParams& p, u32 own) {
    const Mail m = mail_of(p, ((const RegionHeader*)p.region)->shards);
    const ShardState& s = shards_of(p)[own / p.warps];
    for (u64 at = s.outbox_heads[own % p.warps]; at != s.outbox_tails[own % p.warps]; ++at) {
        const LateFrame& late = late_of(m, own, at);
        const u32 slots = late.slots & ~VOIDS;
        if (!slots) continue;
        const u64 first = mailbox(m, late.inbox).mark + late.ticket - head_of(p, late.inbox);
        for (u64 bit = first; bit < first + slots; ++bit) set_bit((u32*)p.marks, bit);
    }
}

// MB-4, last: what was given out and is nowhere is made void: in its place, or as something late.
ENGINE_FN void mend_inbox(const EngineParams& p, u32 own) {
    const Mail m = mail_of(p, ((const RegionHeader*)p.region)->shards);
    ShardState& s = shards_of(p)[own / p.warps];
    u64& out = s.outbox_tails[own % p.warps];
    const u64 tail = take(&mailbox(m, own).tail), head = head_of(p, own), end = head + (1ull << m.inbox_log2), marks = mailbox(m, own).mark;
    Chunk* const in = inbox(m, own);
    for (u64 at = head; at < tail;) {
        const u32 slots = at < end ? frame_at(in, m.inbox_log2, at, tail) : 0;
        const bool is_late = !slots && get_bit((const u32*)p.marks, marks + at - head);
        if (!slots && !is_late && at < end) make_void(in, m.inbox_log2, at);
        if (!slots && !is_late && at >= end) {
            LateFrame& last = late_of(m, own, out - 1);
            const u64 first = s.outbox_heads[own % p.warps];
            // A run of them is one. It is not longer than an inbox is sure to have room for at once.
            const bool goes_on = out != first && last.inbox == own && last.slots & VOIDS && last.ticket + (last.slots & ~VOIDS) == at &&
                (last.slots & ~VOIDS) < 1u << m.inbox_log2 >> 2;
            if (goes_on) ++last.slots;
            else if (out - first < 1ull << m.outbox_log2) {
                make_void(outbox(m, own), m.outbox_log2, out);
                late_of(m, own, out++) = {at, own, VOIDS | 1};
            }
        }
        at += slots ? slots : 1;
    }
}

// All of it, by threads of one block; `sync` has them wait for each other.
template <class Sync> ENGINE_FN void mend(const EngineParams& p, Hand hand, Sync sync) {
    const u32 shards = ((const RegionHeader*)p.region)->shards, boxes = shards * p.warps;
    const Mail m = mail_of(p, shards);
    for (u32 i = hand.index; i < shards * WORK_LANES; i += hand.count) mend_lane(p, i / WORK_LANES, i % WORK_LANES);
    for (u32 i = hand.index; i < boxes; i += hand.count) {
        publish(&mailbox(m, i).head, head_of(p, i));
        mailbox(m, i).mark = marks_for(p, i);
    }
    sync();
    if (hand.index == 0) place_marks(m, boxes);
    for (u32 i = hand.index; i < boxes; i += hand.count) mend_outbox(p, i);
    sync();
    for (u32 i = hand.index; i < boxes; i += hand.count)
        for (u64 word = 0; word < marks_for(p, i) / 32; ++word) ((u32*)p.marks)[mailbox(m, i).mark / 32 + word] = 0;
    sync();
    for (u32 i = hand.index; i < boxes; i += hand.count) mark_late(p, i);
    sync();
    for (u32 i = hand.index; i < boxes; i += hand.count) mend_inbox(p, i);
}
