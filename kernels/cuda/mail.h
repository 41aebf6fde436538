// Mailboxes: how one actor of a device reaches another. Part of engine.h.
//
// Each shard has an inbox, a ring in device memory that every shard writes: a sender takes a ticket, which is a run of slots, and
// writes the frame there; the tag in each chunk says that it has arrived, as in the host's rings.
//
//   MB-1 (order)   What one actor sends to another arrives in the order in which it was sent.
//   MB-2 (room)    No slot is written before the frame that was in it is handled. A shard may write ALLOWANCE slots to an inbox and
//                  then looks how full that is. A look may be out of date by what others do meanwhile, which is at most what they were
//                  allowed before and what one look more allows them: so it finds room as long as twice the allowance of every shard
//                  is left beyond it.
//   MB-3 (no wait) A handler does not wait for another shard. What finds no room goes to its own shard's outbox, behind which
//                  everything else for that inbox queues up, and the shard goes on with its own inbox: so two shards that fill each
//                  other's inboxes both go on. A shard whose outbox is half full takes nothing from the host.
//   MB-4 (loss)    After a loss each mailbox is mended, before any shard runs: what was not written whole is made void. What
//                  stands in an outbox is sent once, also by a launch that was lost in the middle of it.
#pragma once
#include "answer.h"

ENGINE_FN Mailbox& mailbox(const Mail& m, u32 shard) { return *(Mailbox*)(m.base + shard * m.bytes); }
ENGINE_FN Peer* peers(const Mail& m, u32 shard) { return (Peer*)(&mailbox(m, shard) + 1); }
ENGINE_FN Chunk* inbox(const Mail& m, u32 shard) { return (Chunk*)(peers(m, shard) + (m.shards + 7) / 8 * 8); }
ENGINE_FN Chunk* outbox(const Mail& m, u32 shard) { return inbox(m, shard) + (CHUNKS << m.inbox_log2); }
ENGINE_FN Chunk* slot(Chunk* ring, u32 log2, u64 index) { return ring + (index & ((1ull << log2) - 1)) * CHUNKS; }
ENGINE_FN Mail mail_of(const EngineParams& p, u32 shards) { return {(u8*)p.mailboxes, p.mailbox_bytes, shards, p.inbox_log2, p.outbox_log2}; }

// A frame's target while it stands in an outbox; nobody reads it there later.
ENGINE_FN u32 target_of(Chunk c2) { return high(c2.hi) & 0xffff; }
ENGINE_FN u32 length_of(Chunk c1) { return high(c1.hi) & 0xffff; }
ENGINE_FN u32 op_of(Chunk c3) { return high(c3.hi) & 0xffff; }
ENGINE_FN Chunk with_tag(Chunk c, u32 tag) { return {c.lo, (c.hi & 0xffffffffffffull) | (u64)tag << 48}; }

// ---- sending ---------------------------------------------------------------------------------------------------------

// MB-2: whether `slots` slots may be written to that inbox; if so they are.
ENGINE_FN bool allowed(Block& b, u32 to, u32 slots) {
    Peer& peer = peers(b.mail, b.shard)[to];
    if (peer.allowance < slots) {
        Mailbox& box = mailbox(b.mail, to);
        // SYNC inbox-room: pairs with the receiver's store in `tell_inbox_head`. Its head first: seen later it could only be further.
        const u64 head = look_for_room(&box.head), tail = take(&box.tail);
        if (tail - head + 2ull * ALLOWANCE * b.mail.shards + ALLOWANCE > 1ull << b.mail.inbox_log2) return false;
        peer.allowance = ALLOWANCE;
    }
    peer.allowance -= slots;
    return true;
}

// E-6: the message being handled has been seen outside.
ENGINE_FN void mark_sent(Block& b) {
    if (b.sent == b.id) return;
    b.sent = b.id;
    keep((Chunk*)b.saved + 4, {b.id, 0});
}

ENGINE_FN void keep_outbox(Block& b) { keep((Chunk*)b.saved + 5, {b.outbox_head, b.outbox_tail}); }

// Where the first frame of the outbox goes.
ENGINE_FN u32 next_target(const Block& b) { return target_of(load_chunk(slot(outbox(b.mail, b.shard), b.mail.outbox_log2, b.outbox_head) + 2)); }

// Sends what waits in the outbox, as far as there is room; a few frames at most. False if nothing went.
ENGINE_CALL bool drain(Block& b) {
    constexpr u32 TURN = 8;
    const Mail& m = b.mail;
    Chunk* const out = outbox(m, b.shard);
    u32 sent = 0;
    for (; sent < TURN && b.outbox_head != b.outbox_tail; ++sent) {
        const Chunk* const first = slot(out, m.outbox_log2, b.outbox_head);
        const u32 slots = slots_for(length_of(load_chunk(first + 1))), to = target_of(load_chunk(first + 2));
        if (!allowed(b, to, slots)) break;
        const u64 ticket = take_ticket(&mailbox(m, to).tail, slots);
        keep((Chunk*)b.saved + 6, {ticket, b.outbox_head | HANDLING});
        for (u32 k = 0; k < slots; ++k) {
            Chunk* const place = slot(inbox(m, to), m.inbox_log2, ticket + k);
            mail_is_written(place);
            for (u32 i = 0; i < CHUNKS; ++i)
                store_chunk(place + i, with_tag(load_chunk(slot(out, m.outbox_log2, b.outbox_head + k) + i), lap(ticket + k, m.inbox_log2)));
        }
        b.outbox_head += slots;
        keep_outbox(b);
        --peers(m, b.shard)[to].waiting;
    }
    return sent != 0;
}

// Whether the outbox has room. Waits for it as long as frames go, or might: a receiver may be waiting for the host.
ENGINE_CALL bool outbox_has_room(Block& b, u32 slots) {
    constexpr u64 PATIENCE_US = 100000;
    const u64 capacity = 1ull << b.mail.outbox_log2;
    for (u64 since = 0; b.outbox_tail + slots - b.outbox_head > capacity;) {
        const u64 now = clock_micros();
        if (drain(b) || !since) since = now;
        // Its own inbox, or one whose shard is in the same plight.
        else if (next_target(b) == b.shard || now - since > PATIENCE_US) return false;
        else pause_ns(200);
    }
    return true;
}

// Writes a frame to `ring` at `at`; `message` is an index and a tag above it.
ENGINE_FN void write_frame(Chunk* ring, u32 log2, u64 at, u32 target, u32 op, u32 message, u32 row, u32 generation, u64 hlc, const u32* words, u32 bytes) {
    write_first(slot(ring, log2, at), lap(at, log2), op, message & 0xffff, row, generation, message >> 16, hlc, words, bytes, target);
    for (u32 k = 1; k < slots_for(bytes); ++k) write_more(slot(ring, log2, at + k), lap(at + k, log2), k, words);
}

// Sends `bytes` bytes of `b.outgoing` to the actor in `row` of the shard `to`, by the shortest way that keeps order.
ENGINE_CALL void send_to_actor(Block& b, u32 op, u32 to, u32 row, u32 generation, u32 message, u32 bytes) {
    const Mail& m = b.mail;
    const u32 slots = slots_for(bytes);
    // An address that no actor of this system has: a dead letter.
    if (to >= m.shards || generation == 0) { ++b.refused; keep_counts(b); return; }
    mark_sent(b);
    const u32* const words = (const u32*)b.outgoing;
    Peer& peer = peers(m, b.shard)[to];
    if (!peer.waiting && allowed(b, to, slots)) {
        const u64 ticket = take_ticket(&mailbox(m, to).tail, slots);
        for (u32 k = 0; k < slots; ++k) mail_is_written(slot(inbox(m, to), m.inbox_log2, ticket + k));
        write_frame(inbox(m, to), m.inbox_log2, ticket, to, op, message, row, generation, next_stamp(b), words, bytes);
        return;
    }
    if (!outbox_has_room(b, slots)) { b.ctx.fault = FAULT_OUTBOX; return; }
    write_frame(outbox(m, b.shard), m.outbox_log2, b.outbox_tail, to, op, message, row, generation, next_stamp(b), words, bytes);
    b.outbox_tail += slots;
    keep_outbox(b);
    ++peer.waiting;
}

// A handler's `ctx.send`, and with `reply` its `ctx.ask`.
ENGINE_FN void send_message(Block& b, const RawAddress& to, u32 message, const u8* payload, u32 bytes, const ReplyTo* reply) {
    const u32 ahead = reply ? (u32)sizeof(ReplyTo) : 0;
    // An actor that has failed sends nothing more.
    if (b.ctx.fault) return;
    if (bytes > MAX_PAYLOAD - ahead) { b.ctx.fault = FAULT_EMIT; return; }
    // What is stamped comes behind what this handler has received.
    if (b.ctx.hlc > b.hlc) b.hlc = b.ctx.hlc;
    if (to.system != b.ctx.system) { ++b.refused; keep_counts(b); return; }
    if (reply) *(ReplyTo*)b.outgoing = *reply;
    copy(b.outgoing + ahead, payload, bytes);
    send_to_actor(b, reply ? OP_ASK : OP_TELL, to.shard, to.row, to.generation, message, ahead + bytes);
}

// ---- receiving -------------------------------------------------------------------------------------------------------

// MB-2: what was handled may be written again.
ENGINE_FN void tell_inbox_head(Block& b) {
    // SYNC inbox-room: pairs with the senders' loads in `allowed`. The frames' contents have been received, their tags were checked.
    give_room(&mailbox(b.mail, b.shard).head, b.inbox.cursor);
    b.inbox.published = b.inbox.cursor;
    pass(&b.inbox.done, b.inbox.cursor);
}

// The outbox is as full as it may be before the host has to wait.
ENGINE_FN bool is_congested(const Block& b) { return b.outbox_tail - b.outbox_head > 1ull << b.mail.outbox_log2 >> 1; }

// ---- begin of a launch -----------------------------------------------------------------------------------------------

ENGINE_FN void enter_mail(Block& b, const EngineParams& p, u32 shards) {
    const Mail& m = b.mail = mail_of(p, shards);
    const ShardState& s = *b.saved;
    b.outbox_head = s.outbox_head;
    b.outbox_tail = s.outbox_tail;
    b.sent = s.sent;
    Peer* const all = peers(m, b.shard);
    for (u32 i = 0; i < shards; ++i) all[i] = {0, 0};
    Chunk* const out = outbox(m, b.shard);
    for (u64 at = b.outbox_head; at != b.outbox_tail;) {
        const Chunk* const first = slot(out, m.outbox_log2, at);
        ++all[target_of(load_chunk(first + 2))].waiting;
        at += slots_for(length_of(load_chunk(first + 1)));
    }
}

// Whether a slot of a ring is there, and of what op it is; 0 for one that goes on with a frame.
struct Found { bool whole; u32 op, length; };
ENGINE_FN Found find(Chunk* ring, u32 log2, u64 at) {
    const u32 tag = lap(at, log2);
    const Chunk* const c = slot(ring, log2, at);
    Found found{true, op_of(load_chunk(c + 3)), length_of(load_chunk(c + 1))};
    for (u32 i = 0; i < CHUNKS; ++i) found.whole = found.whole && is_staged(load_chunk(c + i), tag);
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

// MB-4, first: was the frame that was on its way from the outbox sent? Where it was going it is whole, or handled already. Nobody mends an
// inbox meanwhile, and a ticket is asked about once: what was made void there looks handled after the next loss.
ENGINE_FN void mend_outbox(const EngineParams& p, u32 shard) {
    const RegionHeader& h = *(const RegionHeader*)p.region;
    const Mail m = mail_of(p, h.shards);
    ShardState& s = ((ShardState*)p.shards)[shard];
    if (s.outbox_head != s.outbox_tail && s.ticket_of == (s.outbox_head | HANDLING)) {
        const Chunk* const first = slot(outbox(m, shard), m.outbox_log2, s.outbox_head);
        const u32 to = target_of(load_chunk(first + 2)), slots = slots_for(length_of(load_chunk(first + 1)));
        const u64 handled = ((ShardState*)p.shards)[to].inbox & ~HANDLING;
        const bool whole = find(inbox(m, to), m.inbox_log2, s.ticket).op != OP_VOID && frame_at(inbox(m, to), m.inbox_log2, s.ticket, s.ticket + slots) == slots;
        if (handled > s.ticket || whole) s.outbox_head += slots;
    }
    s.ticket_of = 0;
}

// MB-4, then: the inbox is as if every launch had stopped between two frames.
ENGINE_FN void mend_inbox(const EngineParams& p, u32 shard) {
    const RegionHeader& h = *(const RegionHeader*)p.region;
    const Mail m = mail_of(p, h.shards);
    Mailbox& box = mailbox(m, shard);
    const u64 tail = take(&box.tail), head = ((const ShardState*)p.shards)[shard].inbox & ~HANDLING;
    publish(&box.head, head);
    Chunk* const in = inbox(m, shard);
    for (u64 at = head; at < tail;) {
        const u32 slots = frame_at(in, m.inbox_log2, at, tail);
        if (!slots) {
            const u32 nothing[INLINE_BYTES / 4] = {};
            write_first(slot(in, m.inbox_log2, at), lap(at, m.inbox_log2), OP_VOID, 0, 0, 0, 0, 0, nothing, 0, 0);
        }
        at += slots ? slots : 1;
    }
}
