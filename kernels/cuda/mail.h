// Mailboxes: how one actor of a device reaches another. Part of engine.h.
//
// Each work warp has an inbox, a ring in device memory that every warp writes: a sender takes a ticket, which is a run of slots, and writes
// the frame there; the tag in each chunk says that it has arrived, as in the host's rings.
//
//   MB-1 (order)   What one actor sends to another arrives in the order in which it was sent: that of the tickets.
//   MB-2 (room)    No slot is written before the frame that was in it is handled.
//   MB-3 (no wait) Nobody waits with a ticket in hand, and a handler does not wait for another one. A frame whose slot is not free yet goes to
//                  its warp's outbox with its ticket, and is written later, by somebody who runs no handler: so two warps that fill each
//                  other's inboxes both go on. Room in the outbox for all that a batch sends is made sure of ahead of its tickets; a batch
//                  that finds too little is begun anew with fewer frames. A warp whose outbox is half full takes nothing from the host.
//   MB-4 (loss)    After a loss each mailbox is mended, before any shard runs: what a batch that was committed has sent is there or is
//                  written, from the warp's log; what stands in an outbox is written, where it can be; and what was given out and is nowhere
//                  is made void.
//   MB-5 (afar)    What is for another device is the host's to bring: it is held back and committed as what is emitted is. What comes from
//                  one is sent on to its receiver's inbox, in a batch as well. So each goes once, in its order, whatever is lost.
#pragma once
#include "log.h"

ENGINE_FN Mailbox& mailbox(const Mail& m, u32 at) { return *(Mailbox*)(m.base + at * m.bytes); }
ENGINE_FN Chunk* inbox(const Mail& m, u32 at) { return (Chunk*)(&mailbox(m, at) + 1); }
ENGINE_FN Chunk* outbox(const Mail& m, u32 at) { return inbox(m, at) + (CHUNKS << m.inbox_log2); }
ENGINE_FN LateFrame& late_of(const Mail& m, u32 at, u64 index) { return ((LateFrame*)(outbox(m, at) + (CHUNKS << m.outbox_log2)))[index & ((1ull << m.outbox_log2) - 1)]; }
ENGINE_FN Mail mail_of(const EngineParams& p, u32 shards) { return {(u8*)p.mailboxes, p.mailbox_bytes, shards, p.warps, p.inbox_log2, p.outbox_log2}; }

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

// Slots of an inbox, of those lanes that have a frame for one: tickets for all at once, in the order of the lanes. `late` if they are not
// free yet.
struct Ticket { u64 first; bool late; };
template <class Group> ENGINE_FN Ticket take_tickets(const Mail& m, bool mine, u32 to, u32 slots) {
    // Those for the same inbox take one.
    const u32 group = Group::same(mine ? to : ~0u), leader = first_one(group);
    const Share share = share_of<Group>(group, slots);
    u64 first = 0, head = 0;
    if (mine && Group::lane() == leader) {
        first = take_ticket(&mailbox(m, to).tail, share.all);
        // SYNC inbox-room: pairs with the receiver's store in `tell_inbox_head`.
        head = look_for_room(&mailbox(m, to).head);
    }
    const u64 ticket = Group::from(first, leader) + share.ahead;
    head = Group::from(head, leader);
    return {ticket, mine && ticket + slots - head > 1ull << m.inbox_log2};
}

// Puts frames that are late into the outbox, of those lanes that have one; there is room for them. `write` writes one to where it is told.
template <class Group, class Write> ENGINE_FN void put_late(Block& b, Worker& w, u32 own, bool mine, u32 to, u64 ticket, u32 slots, Write write) {
    const Mail& m = b.mail;
    const u64 tail = peek(&w.outbox_tail);
    const u32 all = Group::which(mine);
    const Share share = share_of<Group>(all, slots);
    const u64 at = tail + share.ahead;
    if (mine) {
        for (u32 k = 0; k < slots; ++k) write(k, slot(outbox(m, own), m.outbox_log2, at + k), lap(at + k, m.outbox_log2));
        for (u32 k = 1; k < slots; ++k) keep((Chunk*)&late_of(m, own, at + k), {0, 0});
        keep((Chunk*)&late_of(m, own, at), {ticket, pair(to, slots)});
    }
    Group::sync();
    if (Group::is_first(Group::live())) {
        keep_word(&b.saved->outbox_tails[own % m.warps], tail + share.all);
        // SYNC late: pairs with who delivers.
        pass(&w.outbox_tail, tail + share.all);
    }
    Group::sync();
}

// Sends frames that have their tickets, of those lanes that have one. `write` writes slot `k` of it to where it is told, with that tag.
template <class Group, class Write> ENGINE_FN void send_mail(Block& b, Worker& w, u32 warp, bool mine, u32 to, const Ticket& t, u32 slots, Write write) {
    const Mail& m = b.mail;
    if (mine && !t.late)
        for (u32 k = 0; k < slots; ++k) {
            Chunk* const at = slot(inbox(m, to), m.inbox_log2, t.first + k);
            mail_is_written(at);
            write(k, at, lap(t.first + k, m.inbox_log2));
        }
    if (rare(Group::any(t.late))) put_late<Group>(b, w, mailbox_of_warp(m, b.shard, warp), t.late, to, t.first, slots, write);
}

// Whether an address that is not of this device is of another one of its system.
ENGINE_FN bool is_far(const Block& b, u32 system, u32 shard, u32 generation) {
    return system != b.system && (system ^ b.system) >> DEVICE_BITS == 0 && shard >> SHARD_BITS == 0 && generation != 0;
}
// What stands for the correlation in a frame to another device: the tag of the receiver's kind, and where its shard is.
ENGINE_FN u32 route(u32 tag, u32 device, u32 shard) { return tag | (device << SHARD_BITS | shard) << 16; }
ENGINE_FN u32 device_of(u32 system) { return system & ((1u << DEVICE_BITS) - 1); }

// A handler's `ctx.send`, and with `reply` its `ctx.ask`.
ENGINE_FN void send_message(Block& b, Lane& l, const RawAddress& to, u32 message, const u8* payload, u32 bytes, const ReplyTo* reply) {
    const u32 ahead = reply ? (u32)sizeof(ReplyTo) : 0;
    // An actor that has failed sends nothing more.
    if (l.ctx.fault) return;
    if (bytes > MAX_PAYLOAD - ahead) { l.ctx.fault = FAULT_EMIT; return; }
    if (to.system != b.system || to.shard >= b.mail.shards || to.generation == 0) {
        // No actor of this system has such an address: a dead letter.
        if (!is_far(b, to.system, to.shard, to.generation)) { ++l.refused; return; }
        const u32 where = route(message >> 16, device_of(to.system), to.shard);
        hold(b, l, reply ? OP_ASK_OUT : OP_TELL_OUT, TO_HOST, to.row, to.generation, where, message & 0xffff, ahead + bytes, reply, payload);
        return;
    }
    const u32 inbox = mailbox_of(b.mail, to.shard, to.row);
    hold(b, l, reply ? OP_ASK : OP_TELL, inbox, to.row, to.generation, message >> 16, message & 0xffff, ahead + bytes, reply, payload);
}

// The reply of a message that another actor has asked.
ENGINE_FN void reply_to_actor(Block& b, Lane& l, const u8* request, const u8* reply, u32 bytes) {
    const ReplyTo to = *(const ReplyTo*)request;
    const u32 device = to.shard >> SHARD_BITS, shard = to.shard & ((1u << SHARD_BITS) - 1);
    if (to.generation == 0) { ++l.refused; return; }
    if (device != device_of(b.system)) {
        hold(b, l, OP_TELL_OUT, TO_HOST, to.row, to.generation, route(to.message >> 16, device, shard), to.message & 0xffff, bytes, nullptr, reply);
        return;
    }
    if (shard >= b.mail.shards) { ++l.refused; return; }
    const u32 inbox = mailbox_of(b.mail, shard, to.row);
    hold(b, l, OP_TELL, inbox, to.row, to.generation, to.message >> 16, to.message & 0xffff, bytes, nullptr, reply);
}

// Whether a frame is a message from an actor of another device.
ENGINE_FN bool is_from_afar(u32 queue, const Head& h) { return queue == INGRESS && h.op - OP_TELL_IN <= OP_ASK_IN - OP_TELL_IN; }

// MB-5: such a message goes on to its receiver's inbox: the batch holds it back as it does what a handler sends.
ENGINE_CALL void hand_on(Block& b, Lane& l) {
    known(b), known(l);
    const Head& h = l.head;
    const bool asks = h.op == OP_ASK_IN;
    if (h.length > MAX_PAYLOAD || h.length < (asks ? (u32)sizeof(ReplyTo) : 0)) { ++l.refused; return; }
    l.hlc = resident_hlc_merge(l.hlc, h.hlc, peek(&b.pulse.now));
    l.ctx.places = 1u << lane();
    hold(b, l, asks ? OP_ASK : OP_TELL, mailbox_of(b.mail, b.shard, h.row), h.row, h.generation, h.correlation & 0xffff, h.message, h.length, nullptr, l.payload);
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
        copy_slot(to, lap(late.ticket + k, m.inbox_log2), from);
    }
    return true;
}

// A CPU's lane looks at as many slots as a warp.
constexpr u32 LOOKED_AT = 32;

// Delivers what it can of so many slots of an outbox, a slot to a lane. Whether any has gone.
ENGINE_FN bool deliver_from(const Mail& m, u32 own, u64 from, u64 tail) {
    bool any = false;
    for (u64 at = from + lane(); at < from + LOOKED_AT && at < tail; at += LANES) {
        const LateFrame found = late_of(m, own, at);
        if (!found.slots || !deliver(m, own, at, found)) continue;
        is_gone(m, own, at);
        any = true;
    }
    return any;
}

// MB-3: delivers what it can of a warp's outbox: of the oldest, which are what a crowded inbox has room for next, and of others in turn, from `scan`
// on. By all lanes of a warp that runs no handler. Order is that of the tickets, so what finds no room holds up nothing behind it. Whether any
// has gone.
ENGINE_FN bool deliver_some(Block& b, u32 warp, u64& scan) {
    const Mail& m = b.mail;
    Worker& w = b.workers[warp];
    const u32 own = mailbox_of_warp(m, b.shard, warp);
    const u64 head = peek(&w.outbox_head);
    // SYNC late: pairs with `put_late`.
    const u64 tail = first_lane(receive(&w.outbox_tail));
    if (head == tail) return false;
    bool any = deliver_from(m, own, head, tail);
    if (scan < head + LOOKED_AT || scan >= tail) scan = head + LOOKED_AT;
    if (scan < tail) {
        any |= deliver_from(m, own, scan, tail);
        scan += LOOKED_AT;
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
    for (u32 w = 0; w < b.warps; ++w) {
        b.workers[w].outbox_head = b.saved->outbox_heads[w];
        b.workers[w].outbox_tail = b.saved->outbox_tails[w];
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

// MB-4: what is late is written, as far as there is room.
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
