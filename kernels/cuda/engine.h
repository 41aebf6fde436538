// The engine of one shard: what its poller and its handler do. The same text for the GPU (gpu.h) and the CPU (host.h).
//
// A shard is one thread block. A *poller* watches the next slots of the ingress ring, which the host writes, and another those of the
// inbox, which the shards write; they stage complete ones in shared memory. A *handler* takes staged slots in the order of their queue,
// runs the message's handler, and writes replies and emitted messages to the host and messages to other shards. On the GPU a poller
// is a warp and the handler a thread of its own; on the CPU one thread does all in turn, or two threads do, one for both queues. One
// poller to a queue, since loads of one line of host memory are served one after another, however many wait: two pollers see each
// other's line no more often than one does (docs/design.md, what the bus does).
//
// block.h is what a shard holds, poll.h the poller; answer.h, mail.h, frame.h and loss.h are the handler's, and its loop is here.
//
//   E-1 (order)    Frames of a shard are handled one at a time, those of the ring and those of the inbox each in their order.
//   E-2 (answers)  Every call is answered exactly once: a reply, a fault, a refusal. Spawn, stop and fence are acknowledged.
//   E-3 (fault)    A handler that fails marks its row and nothing else; the shard goes on with the next frame.
//   E-4 (bounds)   No frame makes the engine write outside its row's state, whatever it holds.
//   E-5 (leave)    A shard leaves at a message boundary and resumes at the next frame, in another launch.
//   E-6 (loss)     A launch may end anywhere. The next one resumes at the last frame begun. A message that was being handled is
//                  blamed, and its actor fails; or, if the worker says so and nothing of it was seen outside, the actor's state is
//                  put back and the message is handled as if for the first time. Any other frame is carried out once more and
//                  says so (AGAIN).
#pragma once
#include "poll.h"
#include "loss.h"

// ---- handler ---------------------------------------------------------------------------------------------------------

// The frame at the head of a queue, if there is one.
struct Next { Chunk c0, c1, c2, c3; bool there; };
ENGINE_FN Next look_at(const Queue& q) {
    const Chunk* const at = q.stage[q.cursor % STAGE];
    const u32 tag = lap(q.cursor, q.log2);
    // SYNC staged: pairs with the poller's stores.
    const Chunk c3 = load_staged(at + 3), c0 = load_staged(at), c1 = load_staged(at + 1), c2 = load_staged(at + 2);
    return {c0, c1, c2, c3, is_staged(c0, tag) && is_staged(c1, tag) && is_staged(c2, tag) && is_staged(c3, tag)};
}

// Handles the frame that is at the head of a queue; false if the shard is to leave before it is all there.
ENGINE_FN bool handle_next(Block& b, Queue& q, const Next& next) {
    const u64 cursor = q.cursor;
    const Head h = unpack(b, next.c0, next.c1, next.c2, next.c3);
    const u32 length = h.length;
    u64 after = cursor + 1;
    if (length > INLINE_BYTES && length <= MAX_PAYLOAD) {
        if (!fetch_more(b, q, cursor, length)) return false;
        after = cursor + slots_for(length);
    }
    b.head = h;
    b.at = cursor;
    b.from = &q;
    clear(q, cursor, lap(cursor, q.log2));
    q.cursor = after;
    const bool from_inbox = is_from_inbox(b);
    const u32 first = from_inbox ? OP_TELL : OP_CAST, last = from_inbox ? OP_ASK : OP_CALL_DIRECT;
    if (h.op - first <= last - first && h.row < b.row_count && length <= MAX_PAYLOAD) message(b, h, b.rows + h.row);
    else if (!from_inbox) control_frame(b);
    else if (h.op != OP_VOID) refuse(b, REFUSED_PROTOCOL);
    finish(b);
    return true;
}

// Handles frames, those of each queue in their order. With nothing staged it calls `wait`; it returns when that says so, or between
// two frames when the shard is to leave.
template <class Wait> ENGINE_FN void handle(Block& b, Wait& wait) {
    if (b.unsettled && !settle(b)) return;
    for (Queue* last = &b.ingress;;) {
        // The queues take turns while both have something.
        const bool from_shards = peek(&b.inbox.staged) != b.inbox.cursor;
        const bool waiting = b.outbox_head != b.outbox_tail;
        if (waiting) drain(b);
        Queue& q = from_shards && (last == &b.ingress || is_congested(b)) ? b.inbox : b.ingress;
        last = &q;
        const u32 leaving = peek(&b.leaving);
        const Next next = look_at(q);
        if (leaving) return;
        if (next.there && (&q == &b.inbox || !is_congested(b))) {
            if (!handle_next(b, q, next)) return;
            continue;
        }
        if (from_shards) continue;
        if (b.ingress.published != b.ingress.cursor || b.inbox.published != b.inbox.cursor) progress(b);
        if (waiting) while_waiting(b);
        else if (!wait(b)) return;
    }
}

// ---- begin and end of a launch ---------------------------------------------------------------------------------------

ENGINE_FN void enter_queue(Queue& q, const Chunk* ring, u32 log2, u64 cursor) {
    q.ring = ring;
    q.log2 = log2;
    q.staged = q.done = q.cursor = q.published = cursor;
}

ENGINE_FN void empty_stage(Queue& q) {
    for (u32 i = 0; i < STAGE; ++i) clear(q, q.cursor + i, lap(q.cursor + i, q.log2));
}

ENGINE_FN void enter(Block& b, const EngineParams& p, u32 shard) {
    const RegionHeader& h = *(const RegionHeader*)p.region;
    b.egress = (Chunk*)(p.region + h.egress + shard * h.ring_stride);
    b.replies = (Chunk*)(p.region + h.replies);
    b.control = (const ShardControl*)(p.region + h.control + (u64)shard * LINE_STRIDE);
    b.progress = (ShardProgress*)(p.region + h.progress + (u64)shard * LINE_STRIDE);
    b.rows = (Row*)p.rows + (u64)shard * h.rows;
    b.counts = (u64*)p.counts + (u64)shard * h.rows;
    b.saved = (ShardState*)p.shards + shard;
    b.arena = (u8*)p.arena;
    b.arena_bytes = h.arena_bytes;
    b.clock_offset = h.clock_offset;
    b.shard = shard;
    b.launch = (u32)h.launches;
    b.row_count = h.rows;
    b.capacity_log2 = h.capacity_log2;
    b.reply_lines = h.reply_lines;
    b.nest_bytes = h.nest_bytes;
    const ShardState& s = *b.saved;
    enter_mail(b, p, h.shards);
    enter_queue(b.ingress, (const Chunk*)(p.region + h.ingress + shard * h.ring_stride), h.capacity_log2, s.ingress & ~HANDLING);
    enter_queue(b.inbox, inbox(b.mail, shard), p.inbox_log2, s.inbox & ~HANDLING);
    b.resumed = b.ingress.cursor;
    b.unsettled = 1;
    b.begun = ((s.ingress | s.inbox) & HANDLING) != 0;
    b.from = s.inbox & HANDLING ? &b.inbox : &b.ingress;
    b.egress_tail = s.egress;
    b.egress_head = take(&b.control->egress_head);
    b.hlc = s.hlc;
    b.handled = s.handled;
    b.refused = s.refused;
    b.faults = s.faults;
    b.kill = s.kill;
    b.busy = b.seen = b.since = b.handling = b.beat = 0;
    b.told = 0;
    b.leaving = 0;
    b.depth = 0;
    b.ctx.system = h.system;
    // Whole: this shard has read it before.
    Queue& q = *b.from;
    const Chunk* const begun = q.ring + (q.cursor & ((1ull << q.log2) - 1)) * CHUNKS;
    find_tail(b, is_from_inbox(b) ? NO_CORRELATION : low(load_chunk(begun).hi));
    b.at = q.cursor;
    if (b.begun) {
        if (s.sent == (b.at << 1 | is_from_inbox(b)) + 1) b.begun |= SEEN;
        q.staged = q.done = q.cursor += slots_for(high(load_chunk(begun + 1).hi) & 0xffff);
    }
    b.now = clock_micros() + (u64)h.clock_offset;
    publish(&b.progress->busy, (u64)0);
    empty_stage(b.ingress);
    empty_stage(b.inbox);
    for (u32 kind = 0; kind < MAX_KINDS; ++kind) b.dispatch[kind] = kind == 0 || b.dispatch[kind - 1] ? resident_kind(kind) : nullptr;
    publish(&b.progress->running, 1u);
}

// E-5: everything a next launch needs. `swap` asks the worker for that launch.
ENGINE_CALL void leave(Block& b, u32 swap) {
    // Unsettled, it leaves what the launch before has left.
    if (!b.unsettled) {
        progress(b);
        b.from = &b.inbox;
        keep_done(b);
        keep_counts(b);
        b.saved->kill = peek(&b.kill);
    }
    publish(&b.progress->swap, swap ? b.launch : 0u);
    // SYNC running: pairs with the host's load.
    publish_last(&b.progress->running, 0u);
    pass(&b.leaving, 1u);
}
