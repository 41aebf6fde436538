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
//                  other's inboxes both go on. A shard whose outbox is half full takes nothing from the host, and lets no more
//                  messages send side by side than it has room for, by what their like have sent.
//   MB-4 (loss)    After a loss each mailbox is mended, before any shard runs: what was not written whole is made void. What
//                  stands in an outbox is sent once, also by a launch that was lost in the middle of it; and what a message sends at its
//                  end, if it is all that was seen of it.
#pragma once
#include "answer.h"

ENGINE_FN Mailbox& mailbox(const Mail& m, u32 shard) { return *(Mailbox*)(m.base + shard * m.bytes); }
ENGINE_FN Chunk* inbox(const Mail& m, u32 shard) { return (Chunk*)(&mailbox(m, shard) + 1); }
ENGINE_FN Chunk* outbox(const Mail& m, u32 shard) { return inbox(m, shard) + (CHUNKS << m.inbox_log2); }
ENGINE_FN Chunk* slot(Chunk* ring, u32 log2, u64 index) { return ring + (index & ((1ull << log2) - 1)) * CHUNKS; }
ENGINE_FN Mail mail_of(const EngineParams& p, u32 shards) { return {(u8*)p.mailboxes, p.mailbox_bytes, shards, p.inbox_log2, p.outbox_log2}; }

// A frame's target while it stands in an outbox; nobody reads it there later.
ENGINE_FN u32 target_of(Chunk c2) { return high(c2.hi) & 0xffff; }
ENGINE_FN u32 length_of(Chunk c1) { return high(c1.hi) & 0xffff; }
ENGINE_FN u32 op_of(Chunk c3) { return high(c3.hi) & 0xffff; }
ENGINE_FN Chunk as_void(Chunk c3) { return {c3.lo, (c3.hi & ~(0xffffull << 32)) | (u64)OP_VOID << 32}; }

// ---- sending ---------------------------------------------------------------------------------------------------------

// MB-2: takes a ticket for `slots` slots of that inbox, if they may be written. One lane of a shard looks for room, when no other has been
// allowed something and not taken its ticket yet.
struct Ticket { u64 at; bool there; };
ENGINE_FN Ticket reserve(Block& b, u32 to, u32 slots) {
    Peer& peer = b.peers[to];
    Mailbox& box = mailbox(b.mail, to);
    Ticket ticket{0, false};
    for (bool done = false; !done;) {
        const u32 was = peek(&peer.allowance), left = was & MAX_ALLOWANCE;
        if (was == LOOKING) {
        } else if (left >= slots) {
            if (swap_if(&peer.allowance, was, was - slots + TAKING)) {
                ticket = {take_ticket(&box.tail, slots), true};
                // Not before the ticket is there (it has no such bit): who looks then sees it.
                bump(&peer.allowance, 0u - TAKING + (u32)(ticket.at >> 63));
                done = true;
            }
        } else if (was < TAKING && swap_if(&peer.allowance, was, LOOKING)) {
            // SYNC inbox-room: pairs with the receiver's store in `tell_inbox_head`. Its head first: seen later it could only be further.
            const u64 head = look_for_room(&box.head), tail = look_at_tail(&box.tail);
            const bool room = tail - head + 2ull * ALLOWANCE * b.mail.shards + ALLOWANCE <= 1ull << b.mail.inbox_log2;
            // SYNC allowance: what one lane has seen of the head, those have who write by it.
            pass(&peer.allowance, room ? ALLOWANCE : left);
            done = !room;
        }
    }
    return ticket;
}

ENGINE_FN void keep_outbox(Block& b) { keep((Chunk*)&b.saved->outbox_head, {b.outbox_head, b.outbox_tail}); }
ENGINE_FN bool outbox_is_empty(const Block& b) { return peek(&b.outbox_head) == peek(&b.outbox_tail); }

// The outbox is written by one lane at a time, or by a warp: whether it is this one's now, for which `leader` of these lanes asks.
ENGINE_FN bool lock_outbox(Block& b, u32 lanes, u32 leader) {
    return from_lane_of(lanes, (u32)(lane() == leader && swap_if(&b.outbox_lock, 0, 1)), leader) != 0;
}
// SYNC lock: pairs with whoever comes next.
ENGINE_FN void unlock_outbox(Block& b) { pass(&b.outbox_lock, 0u); }

// Where the first frame of the outbox goes. Under its lock.
ENGINE_FN u32 next_target(const Block& b) { return target_of(load_chunk(slot(outbox(b.mail, b.shard), b.mail.outbox_log2, b.outbox_head) + 2)); }

// Sends what waits in the outbox, as far as there is room: a frame to each of these lanes, which are a warp's, or to the one that calls. False
// if nothing could be sent. Under its lock.
//
// What finds no room stays where it is, and what is behind it for other shards goes ahead of it: that is made void in the outbox.
ENGINE_CALL bool drain(Block& b, u32 lanes) {
    known(b);
    const Mail& m = b.mail;
    Chunk* const out = outbox(m, b.shard);
    const u32 rank = ones(lanes & lanes_below());
    const u64 head = peek(&b.outbox_head), at = head + rank;
    Chunk* const from = slot(out, m.outbox_log2, at);
    const bool there = at < peek(&b.outbox_tail);
    Chunk c[CHUNKS] = {};
    for (u32 i = 0; there && i < CHUNKS; ++i) c[i] = load_chunk(from + i);
    const u32 slots = there ? slots_for(length_of(c[1])) : 0, to = target_of(c[2]);
    // Frames of one slot go side by side, a longer one by itself.
    const u32 others = lanes & ~which_of(lanes, slots == 1);
    const u32 end = max_of(1, others ? ones(lanes & lanes_below(first_one(others))) : ones(lanes));
    const bool mine = there && rank < end && op_of(c[3]) != OP_VOID;
    // Those for the same inbox take one ticket, in their order.
    const u32 group = same_of(lanes, mine ? to : LOOKING - lane()), leader = first_one(group);
    Ticket ticket{0, false};
    if (mine && lane() == leader) ticket = reserve(b, to, ones(group) * slots);
    const bool sent = from_lane_of(lanes, (u32)ticket.there, leader) != 0;
    const u64 place = from_lane_of(lanes, ticket.at, leader) + ones(group & lanes_below());
    if (sent) {
        // MB-4: ahead of the frame.
        keep((Chunk*)b.saved->tickets + rank, {place, at | HANDLING});
        for (u32 k = 0; k < slots; ++k) {
            Chunk* const in = slot(inbox(m, to), m.inbox_log2, place + k);
            mail_is_written(in);
            for (u32 i = 0; i < CHUNKS; ++i) {
                const Chunk chunk = k == 0 ? c[i] : load_chunk(slot(out, m.outbox_log2, at + k) + i);
                store_chunk(in + i, with_tag(chunk, lap(place + k, m.inbox_log2)));
            }
        }
        bump(&b.peers[to].waiting, ~0u);
    }
    const bool gone = sent || (there && rank < end && !mine);
    const u32 stay = lanes & ~which_of(lanes, gone);
    const u32 front = stay ? ones(lanes & lanes_below(first_one(stay))) : ones(lanes);
    if (sent && rank >= front) store_chunk(from + 3, as_void(c[3]));
    const bool any = which_of(lanes, gone) != 0;
    sync_of(lanes);
    if (rank == 0 && front) {
        note(&b.outbox_head, head + (slots > 1 ? slots : front));
        keep_outbox(b);
    }
    sync_of(lanes);
    return any;
}

// The same by all lanes of a warp, a few turns, if no other is at it.
ENGINE_FN void drain_together(Block& b) {
    constexpr u32 TURNS = LANES > 1 ? 2 : 8;
    const u32 live = live_lanes(), first = first_one(live);
    if (!lock_outbox(b, live, first)) return;
    for (u32 turn = 0; turn < TURNS && drain(b, live); ++turn) {}
    if (lane() == first) unlock_outbox(b);
}

// Writes a frame to `ring` at `at`; `message` is an index and a tag above it.
ENGINE_FN void write_frame(Chunk* ring, u32 log2, u64 at, u32 target, u32 op, u32 message, u32 row, u32 generation, u64 hlc, const u32* words, u32 bytes) {
    write_first(slot(ring, log2, at), lap(at, log2), op, message & 0xffff, row, generation, message >> 16, hlc, words, bytes, target);
    for (u32 k = 1; k < slots_for(bytes); ++k) write_more(slot(ring, log2, at + k), lap(at + k, log2), k, words);
}

// Puts a frame of `l` behind what waits in the outbox; with `commits` its place is kept first. Waits for room as long as frames go from
// there, or might: a receiver may be waiting for the host. Out of line: whoever sends saves no registers for it.
//
// Each lane by itself. Lanes that meet in the middle of their handlers can not act together: the compiler takes what they have in common
// for the same in all that come to a later step together, which may be two parties. One went on without its late lanes then, and these
// waited for ever.
ENGINE_CALL bool to_outbox(Block& b, Lane& l, const Sending& f, const u32* words, u64 stamp, bool commits) {
    known(b), known(l);
    constexpr u64 PATIENCE_US = 100000;
    const Mail& m = b.mail;
    const u32 slots = slots_for(f.bytes);
    bool there = false, hopeless = false;
    for (u64 since = 0; !there && !hopeless;) {
        const bool asked = if_free(&b.outbox_lock, [&] {
            const u64 at = peek(&b.outbox_tail);
            there = at + slots - peek(&b.outbox_head) <= 1ull << m.outbox_log2;
            if (there) {
                if (commits) keep((Chunk*)l.saved + 3, {l.id + 1, at | BY_OUTBOX});
                write_frame(outbox(m, b.shard), m.outbox_log2, at, f.to, f.op, f.message, f.row, f.generation, stamp, words, f.bytes);
                bump(&b.peers[f.to].waiting, 1u);
                note(&b.outbox_tail, at + slots);
                keep_outbox(b);
                return;
            }
            const u64 now = clock_micros();
            if (drain(b, 1u << lane()) || !since) since = now;
            // Its own inbox, or one whose shard is in the same plight.
            else hopeless = next_target(b) == b.shard || now - since > PATIENCE_US;
        });
        if (!asked || (!there && !hopeless)) pause_ns(200);
    }
    return there;
}

// Lanes of a warp that send, or one alone, which asks nobody.
struct Together {
    u32 lanes;
    ENGINE_FN bool any(bool yes) const { return which_of(lanes, yes) != 0; }
    ENGINE_FN u32 same(u32 value) const { return same_of(lanes, value); }
    template <class T> ENGINE_FN T from(T value, u32 lane) const { return from_lane_of(lanes, value, lane); }
    ENGINE_FN void sync() const { sync_of(lanes); }
};
struct Alone {
    ENGINE_FN bool any(bool yes) const { return yes; }
    ENGINE_FN u32 same(u32) const { return 1u << lane(); }
    template <class T> ENGINE_FN T from(T value, u32) const { return value; }
    ENGINE_FN void sync() const {}
};

// Sends a frame of each of these lanes that has one, by the shortest way that keeps order. One that `commits` is the last of a message that
// is done otherwise: a launch that is lost then finds out whether it was sent.
template <class Lanes> ENGINE_FN void send_frames(Block& b, Lane& l, const Lanes& lanes, bool mine, const Sending& f, const u32* words, bool commits) {
    const Mail& m = b.mail;
    const u32 to = f.to, slots = slots_for(f.bytes);
    u64 stamp = 0;
    if (mine) {
        commits = commits && !l.seen;
        if (!commits) mark_seen(l);
        l.slots += slots;
        stamp = next_stamp(l);
    }
    // Not ahead of frames of its shard that wait to go there.
    const bool free = mine && !peek(&b.peers[to].waiting);
    // Those of one slot for the same inbox take one ticket.
    const u32 group = lanes.same(!free ? LOOKING : slots == 1 ? to : LOOKING - 1 - lane()), leader = first_one(group);
    Ticket ticket{0, false};
    if (free && lane() == leader) ticket = reserve(b, to, ones(group) * slots);
    const u64 at = lanes.from(ticket.at, leader) + ones(group & lanes_below());
    const bool there = lanes.from((u32)ticket.there, leader) && free;
    if (there) {
        if (commits) keep((Chunk*)l.saved + 3, {l.id + 1, at | (u64)to << TICKET_BITS});
        for (u32 k = 0; k < slots; ++k) mail_is_written(slot(inbox(m, to), m.inbox_log2, at + k));
        write_frame(inbox(m, to), m.inbox_log2, at, to, f.op, f.message, f.row, f.generation, stamp, words, f.bytes);
    }
    // Nobody waits with a ticket in hand.
    lanes.sync();
    if (mine && !there && !to_outbox(b, l, f, words, stamp, commits)) l.ctx.fault = FAULT_OUTBOX;
}

// Sends what lanes hold back, each in the order in which it has sent it. With `done` their messages are done otherwise.
template <class Lanes> ENGINE_FN void send_held(Block& b, Lane& l, const Lanes& lanes, bool done) {
    const Held* const held = l.rest->held;
    for (u32 i = 0; lanes.any(i < l.held); ++i) send_frames(b, l, lanes, i < l.held, held[i].head, (const u32*)held[i].payload, false);
    l.held = 0;
    send_frames(b, l, lanes, l.last.op != 0, l.last, (const u32*)l.outgoing, done && !l.ctx.fault && !l.ctx.ended);
    l.last.op = 0;
}
ENGINE_CALL void flush(Block& b, Lane& l, bool done) {
    known(b), known(l);
    send_held(b, l, Alone{}, done);
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

// How many messages may be handled side by side, of which one sends `slots` slots at most, so that the outbox holds what all warps'
// do, if no inbox has room.
ENGINE_FN u32 side_by_side(const Block& b, u32 slots) {
    const u32 room = (1u << b.mail.outbox_log2) - (u32)(peek(&b.outbox_tail) - peek(&b.outbox_head));
    // 32 bits, and twice: one division of 64 is a call of seventy instructions, for every batch.
    return room / slots / b.warps;
}

// The outbox is as full as it may be before the host has to wait.
ENGINE_FN bool is_congested(const Block& b) { return peek(&b.outbox_tail) - peek(&b.outbox_head) > 1ull << b.mail.outbox_log2 >> 1; }

// ---- begin of a launch -----------------------------------------------------------------------------------------------

ENGINE_FN void enter_mail(Block& b, const EngineParams& p, u32 shards) {
    const Mail& m = b.mail = mail_of(p, shards);
    const ShardState& s = *b.saved;
    b.outbox_head = s.outbox_head;
    b.outbox_tail = s.outbox_tail;
    b.outbox_lock = 0;
    for (u32 i = 0; i < FAN_OUTS; ++i) b.fan_out[i] = 0;
    Peer* const all = b.peers;
    for (u32 i = 0; i < shards; ++i) all[i] = {0, 0};
    Chunk* const out = outbox(m, b.shard);
    for (u64 at = b.outbox_head; at != b.outbox_tail;) {
        const Chunk* const first = slot(out, m.outbox_log2, at);
        if (op_of(load_chunk(first + 3)) != OP_VOID) ++all[target_of(load_chunk(first + 2))].waiting;
        at += slots_for(length_of(load_chunk(first + 1)));
    }
}

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

// Whether the frame with this ticket is whole, or handled already.
ENGINE_FN bool was_sent(const EngineParams& p, const Mail& m, u32 to, u64 ticket) {
    return passed_by_all(shards_of(p)[to], p.warps, INBOX) > ticket ||
           (find(inbox(m, to), m.inbox_log2, ticket).op != OP_VOID && frame_at(inbox(m, to), m.inbox_log2, ticket, ticket + MAX_FRAME_SLOTS) != 0);
}

// MB-4, first: which of the frames that were on their way from the outbox were sent? Where they were going they are whole, or handled already.
// Nobody mends an inbox meanwhile, and a ticket is asked about once: what was made void there looks handled after the next loss.
ENGINE_FN void mend_outbox(const EngineParams& p, u32 shard) {
    const RegionHeader& h = *(const RegionHeader*)p.region;
    const Mail m = mail_of(p, h.shards);
    ShardState& s = shards_of(p)[shard];
    for (u32 i = 0; i < 2 * LANES; i += 2) {
        const u64 ticket = s.tickets[i], at = s.tickets[i + 1] & ~HANDLING;
        const bool asked = s.tickets[i + 1] != 0;
        s.tickets[i] = s.tickets[i + 1] = 0;
        if (!asked || at < s.outbox_head || at >= s.outbox_tail) continue;
        Chunk* const first = slot(outbox(m, shard), m.outbox_log2, at);
        const Chunk last = load_chunk(first + 3);
        if (op_of(last) != OP_VOID && was_sent(p, m, target_of(load_chunk(first + 2)), ticket)) store_chunk(first + 3, as_void(last));
    }
}

// MB-4, first: what a message was about to send when all else was done, was it sent? As above; then its message is done.
ENGINE_FN void mend_lane(const EngineParams& p, u32 shard, u32 lane) {
    const RegionHeader& h = *(const RegionHeader*)p.region;
    const Mail m = mail_of(p, h.shards);
    LaneState& s = ((LaneState*)p.lanes)[(u64)shard * WORK_LANES + lane];
    if (!(s.at & HANDLING) || s.sending != (s.at & ~HANDLING) + 1 || s.ticket == SENT) return;
    const u64 at = s.ticket & ((1ull << TICKET_BITS) - 1);
    const u32 to = (u32)(s.ticket >> TICKET_BITS);
    const bool sent = (s.ticket & BY_OUTBOX) == BY_OUTBOX ? at < shards_of(p)[shard].outbox_tail : was_sent(p, m, to, at);
    s.sending = sent ? s.sending : 0;
    s.ticket = SENT;
}

// MB-4, then: the inbox is as if every launch had stopped between two frames.
ENGINE_FN void mend_inbox(const EngineParams& p, u32 shard) {
    const RegionHeader& h = *(const RegionHeader*)p.region;
    const Mail m = mail_of(p, h.shards);
    Mailbox& box = mailbox(m, shard);
    const u64 tail = take(&box.tail), head = passed_by_all(shards_of(p)[shard], p.warps, INBOX);
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
