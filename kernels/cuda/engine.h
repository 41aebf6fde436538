// The engine of one shard: what its poller and its handler do. The same text for the GPU (gpu.h) and the CPU (host.h).
//
// A shard is one thread block. A *poller* watches the next slots of the ingress ring and stages complete ones in shared memory;
// a *handler* takes staged slots in ring order, runs the message's handler and writes replies and emitted messages to the host.
// On the GPU the poller is a warp and the handler a thread of its own; on the CPU one thread does both in turn, or two threads
// do as on the GPU. One poller, since loads of one line of host memory are served one after another, however many wait: two
// pollers see each other's line no more often than one does (docs/design.md, what the bus does).
//
//   E-1 (order)    Frames of a shard are handled in ring order, one at a time.
//   E-2 (answers)  Every call is answered exactly once: a reply, a fault, a refusal. Spawn, stop and fence are acknowledged.
//   E-3 (fault)    A handler that fails marks its row and nothing else; the shard goes on with the next frame.
//   E-4 (bounds)   No frame makes the engine write outside its row's state, whatever it holds.
//   E-5 (leave)    A shard leaves at a message boundary and resumes at the next frame, in another launch.
//   E-6 (loss)     A launch may end anywhere. The next one resumes at the last frame begun. A message that was being handled is
//                  blamed, and its actor fails; or, if the worker says so and nothing of it was seen outside, the actor's state is
//                  put back and the message is handled as if for the first time. Any other frame is carried out once more and
//                  says so (AGAIN).
#pragma once
#include "wire.h"

constexpr u32 CHUNKS = 4;
constexpr u32 STAGE = 64;               // slots staged at most; a power of two, more than the largest frame and a burst
constexpr u32 BURST = 7;                // slots a poller reads at once while messages flow; with the control line, a warp's worth
constexpr u32 LOOK_EVERY = 8;           // polls between looks at the control line and the clock
constexpr u32 GIVE_BACK = 8;            // staged slots handled before the poller may use them again
constexpr u32 NO_CORRELATION = ~0u;
// Of a message that was begun when a launch was lost (`Block::begun`), beside the lowest bit:
constexpr u32 SEEN = 2;                 // it has emitted, or sent to another actor
constexpr u32 ANSWERED = 4;             // its answer is on the egress ring
constexpr u64 SLOW_US = 1000;           // a message that takes longer is told to the host, which knows how long it may
constexpr u64 BEAT_US = 1000;           // between two signs of life
static_assert(STAGE >= MAX_FRAME_SLOTS + BURST + GIVE_BACK, "a frame must fit the stage");

// From the handler crate (Rust), see resident-kernels.
extern "C" {
using Dispatch = u32 (*)(u32 message, void* state, const void* payload, u32 length, CtxRaw* ctx, void* reply);
ENGINE_EXTERN Dispatch resident_kind(u32 kind);      // null beyond the last kind
ENGINE_EXTERN u64 resident_hlc_merge(u64 last, u64 remote, u64 now);
}

// The first slot of a frame, unpacked.
struct Head {
    u32 row, generation, correlation, message, length, reply_tag, op;
    u64 hlc;
};

// A ring that a shard reads, by a poller and a stage of its own.
struct Queue {
    // Set once before the poller starts.
    const Chunk* ring;
    u32 log2;
    // Between poller and handler.
    u64 staged;                         // next slot the poller has not staged
    u64 done;                           // next slot whose place on the stage may not be used again
    // The handler's.
    u64 cursor, published;              // next slot to handle; those that the ring's writers know to be handled
    Chunk stage[STAGE][CHUNKS];         // slots on their way to the handler; a chunk's tag says whether it is there
};

// Where the mailboxes of all shards are (mail.h).
struct Mail {
    u8* base;
    u64 bytes;
    u32 shards, inbox_log2, outbox_log2;
};

// One shard's working memory: shared memory on the GPU.
struct Block {
    // Where things are; set once before the poller starts.
    Chunk* egress;
    Chunk* replies;
    const ShardControl* control;
    ShardProgress* progress;
    Row* rows;
    u64* counts;
    ShardState* saved;
    u8* arena;
    u64 arena_bytes;
    i64 clock_offset;
    u64 stack_base;
    u32 shard, launch, row_count, capacity_log2, reply_lines, nest_bytes;
    u32 unsettled;                      // what the launch before has begun was not looked at
    u32 begun;                          // the message there was being handled when that launch was lost
    u32 loss;                           // what the worker says of that
    u64 resumed;                        // the ingress slot at which this launch begins
    Mail mail;
    Dispatch dispatch[MAX_KINDS];

    // Between poller and handler.
    Queue ingress;                      // from the host
    Queue inbox;                        // from the shards
    u64 now;                            // host microseconds
    u64 egress_head;                    // egress slots the host has consumed, as far as known
    u32 leaving;                        // leave at the next message boundary
    u32 kill;                           // last kill carried out
    u64 busy;                           // the message being handled, as ShardProgress has it
    u64 seen, since;                    // the poller's: what it last saw there, and since when
    u64 beat;                           // the poller's: its last sign of life
    u32 told;                           // the poller's: the host was told of it

    // The handler's own. It may never return from a message (a panic on the GPU), so what must survive stands here.
    u64 at;                             // first slot of the frame being handled
    Queue* from;                        // where that is
    u64 id;                             // of the message being handled, as ShardState has it in `sent`
    u64 sent;                           // the last one that has sent something to another actor
    u64 handling;                       // what `busy` says but while it waits for room
    u64 egress_tail, outbox_head, outbox_tail, hlc, handled, refused, faults;
    u32 depth;
    Head head;
    Row* row;
    CtxRaw ctx;
    alignas(16) u8 payload[MAX_PAYLOAD];
    alignas(16) u8 reply[MAX_PAYLOAD];
    alignas(16) u8 outgoing[MAX_PAYLOAD];
};

ENGINE_FN Block& block();               // this shard's
ENGINE_FN void while_waiting(Block&);   // what the handler does while it waits for a slot or for room

ENGINE_FN u32 lap(u64 index, u32 capacity_log2) { return (u32)((index >> capacity_log2) + 1) & 0xffffu; }
ENGINE_FN u32 slots_for(u32 bytes) { return bytes <= INLINE_BYTES ? 1 : 1 + (bytes - INLINE_BYTES + MORE_BYTES - 1) / MORE_BYTES; }
ENGINE_FN u32 low(u64 v) { return (u32)v; }
ENGINE_FN u32 high(u64 v) { return (u32)(v >> 32); }
ENGINE_FN u64 pair(u32 low, u32 high) { return (u64)high << 32 | low; }
ENGINE_FN bool is_staged(Chunk c, u32 tag) { return high(c.hi) >> 16 == tag; }

// ---- poller ----------------------------------------------------------------------------------------------------------

// Carries out a kill: the row is revoked, and what is queued for it will be refused.
ENGINE_CALL void revoke(Block& b, u32 kill) {
    // SYNC kill: pairs with the host's release store of `kill`, written after row and generation.
    if (take(&b.control->kill) != kill) return;
    const u32 row = take(&b.control->kill_row), generation = take(&b.control->kill_generation);
    if (row < b.row_count && look(&b.rows[row].generation) == generation && look(&b.rows[row].status) == ROW_LIVE)
        put(&b.rows[row].status, (u32)ROW_KILLED);
    pass(&b.kill, kill);
    // SYNC kill-done: pairs with the host's load before it asks for the next.
    publish_last(&b.progress->kill_done, kill);
}

// A sign of life; and a message that takes long is told to the host, once, and that it is done.
ENGINE_FN void watch_handler(Block& b, u64 now) {
    const u64 busy = peek(&b.busy);
    if (now - b.beat > BEAT_US) {
        b.beat = now;
        publish(&b.progress->beat, now);
    }
    if (busy != b.seen) {
        b.seen = busy;
        b.since = now;
        if (b.told) publish(&b.progress->busy, (u64)0);
        b.told = 0;
    } else if (busy && !b.told && now - b.since > SLOW_US) {
        b.told = 1;
        publish(&b.progress->busy, busy);
    }
}

// What the host's first 16 control bytes say. SYNC command: pairs with the host's release store.
ENGINE_FN void obey(Block& b, Chunk control) {
    const u64 now = clock_micros() + (u64)b.clock_offset;
    note(&b.now, now);
    if (LANES > 1) watch_handler(b, now);
    // SYNC slot-free (egress): pairs with the host consumer's head store.
    note(&b.egress_head, control.lo);
    if (low(control.hi) == STOP) pass(&b.leaving, 1u);
    if (high(control.hi) != peek(&b.kill)) revoke(b, high(control.hi));
}

// The actor of a staged message will be asked for soon: its row and the beginning of its state come closer meanwhile.
ENGINE_FN void fetch_ahead(Block& b, u32 row) {
    if (row < b.row_count) touch(b.arena + look(&b.rows[row].state_offset));
}

// The poller, in registers: all that can be known before a load from the host is on its way.
struct Poller {
    Queue* queue;
    const Chunk* ring;
    const Chunk* control;
    u64 mask, base;                     // `base`: the first slot not staged
    u64 early;                          // the slot of which this lane has staged its chunk ahead of the others
    u32 log2, want;                     // `want`: how many slots to look at, as far as the stage has room
    u32 leaving;                        // the shard was to leave, at the last look
};

ENGINE_FN Poller start_polling(const Block& b, Queue& q) {
    return {&q, q.ring, (const Chunk*)b.control, (1ull << q.log2) - 1, q.staged, ~0ull, q.log2, 1, 0};
}

// Looks at the next slots and stages those that are complete; with `look`, at the control line too, in the same breath. Called
// by all lanes of the poller; returns how many slots were staged.
ENGINE_FN u32 poll(Block& b, Poller& p, bool look) {
    Queue& q = *p.queue;
    constexpr u32 ITEMS = (BURST * CHUNKS + LANES - 1) / LANES;     // chunks that one lane holds
    const u32 want = p.want;
    Chunk held[ITEMS];
    const bool looks = look && lane() == LANES - 1;
    if (looks && LANES == 1) obey(b, load_chunk(p.control));
    u32 complete = 0;
    for (u32 i = 0; i < ITEMS; ++i) {
        const u32 item = i * LANES + lane(), slot = item / CHUNKS;
        if (slot < want || (LANES > 1 && looks))
            held[i] = load_chunk(slot < want ? p.ring + ((p.base + slot) & p.mask) * CHUNKS + item % CHUNKS : p.control);
        if (LANES > 1) continue;
        if (slot >= want || high(held[i].hi) >> 16 != lap(p.base + slot, p.log2)) break;
        complete |= 1u << item;
    }
    // SYNC stage-free: pairs with the handler's `pass(&q.done)`.
    const u64 free_to = receive(&q.done) + STAGE;
    p.leaving = peek(&b.leaving);
    if (LANES > 1) {
        const u32 slot = lane() / CHUNKS;
        const bool there = slot < want && high(held[0].hi) >> 16 == lap(p.base + slot, p.log2);
        // The first slot is what somebody may wait for: its chunks go to the handler, which asks for all four itself, before it
        // is known here whether they are all there. Once for each: the handler may have taken them when the next look is done.
        if (there && slot == 0 && p.early != p.base) {
            store_staged(&q.stage[p.base % STAGE][lane()], held[0]);
            p.early = p.base;
        }
        complete = which_lanes(there);
        if (looks) obey(b, held[0]);
        if (complete == 0) {
            p.want = free_to != p.base;
            return 0;
        }
    }
    // One bit a slot, where all four chunks are there; then the run of ones from slot 0.
    u32 whole = complete & complete >> 1;
    whole = whole & whole >> 2 & 0x11111111u;
    const u32 n = first_zero(whole | ~0x11111111u) / CHUNKS;
    for (u32 i = 0; i < ITEMS; ++i) {
        const u32 item = i * LANES + lane(), slot = item / CHUNKS;
        if (slot >= n) continue;
        // SYNC staged: pairs with the handler's loads.
        if (LANES == 1 || slot > 0) store_staged(&q.stage[(p.base + slot) % STAGE][item % CHUNKS], held[i]);
        if (item % CHUNKS == 0) {
            fetch_ahead(b, low(held[i].lo));
            if (&q == &b.inbox) mail_is_read(p.ring + ((p.base + slot) & p.mask) * CHUNKS);
        }
    }
    p.base += n;
    if (n && lane() == 0) note(&q.staged, p.base);
    const u64 room = free_to - p.base;
    const u32 most = n ? BURST : 1;
    p.want = first_lane(room < most ? (u32)room : most);
    return n;
}

// ---- handler: towards the host ---------------------------------------------------------------------------------------

// Writes slot `k` of a frame of `bytes` bytes. The words of the payload are aligned; what stands behind its end in the last
// one does not matter.
ENGINE_FN void write_first(Chunk* to, u32 tag, u32 op, u32 message, u32 row, u32 generation, u32 correlation, u64 hlc, const u32* words, u32 bytes, u32 extra = 0) {
    tag <<= 16;
    store_chunk(to + 0, {pair(row, generation), pair(correlation, message | tag)});
    store_chunk(to + 1, {hlc, pair(words[0], bytes | tag)});
    store_chunk(to + 2, {pair(words[1], words[2]), pair(words[3], extra | tag)});
    store_chunk(to + 3, {pair(words[4], words[5]), pair(words[6], op | tag)});
}
ENGINE_FN void write_more(Chunk* to, u32 tag, u32 k, const u32* words) {
    words += INLINE_BYTES / 4 + (k - 1) * (MORE_BYTES / 4);
    for (u32 c = 0; c < CHUNKS; ++c) store_chunk(to + c, {pair(words[3 * c], words[3 * c + 1]), pair(words[3 * c + 2], tag << 16)});
}

// What the handler is at, for who watches how long it takes.
ENGINE_FN void set_busy(Block& b, u64 busy) {
    if (LANES > 1) note(&b.busy, busy);
    else publish(&b.progress->busy, busy);
    b.handling = busy;
}

ENGINE_FN bool is_from_inbox(const Block& b) { return b.from == &b.inbox; }

// E-6: a message is about to be handled, the frame at `at`. In the order in which they are issued, the stores of one thread
// reach device memory also when its launch is ended from outside.
ENGINE_FN void begin(Block& b, u32 kind, const u8* state, u32 state_bytes, u64 count) {
    if (state_bytes <= UNDO_BYTES) {
        const Chunk* const from = (const Chunk*)state;
        Chunk* const to = (Chunk*)b.saved->undo;
        const u32 chunks = (state_bytes + sizeof(Chunk) - 1) / sizeof(Chunk);
        // Four loads on their way at a time.
        for (u32 i = 0; i < chunks; i += 4) {
            Chunk c[4];
            for (u32 k = 0; k < 4; ++k)
                if (i + k < chunks) c[k] = from[i + k];
            for (u32 k = 0; k < 4; ++k)
                if (i + k < chunks) keep(to + i + k, c[k]);
        }
    }
    b.id = b.at << 1;
    if (is_from_inbox(b)) {
        b.id |= 1;
        keep((Chunk*)b.saved, {b.ingress.cursor, b.egress_tail});
        keep((Chunk*)b.saved + 3, {count, b.at | HANDLING});
    } else {
        keep((Chunk*)b.saved + 3, {count, b.inbox.cursor});
        keep((Chunk*)b.saved, {b.at | HANDLING, b.egress_tail});
    }
    ++b.id;
    set_busy(b, (b.handled + 1) << BUSY_KIND_BITS | kind);
}

// E-6: everything before the cursors is done.
ENGINE_FN void keep_done(Block& b) {
    keep((Chunk*)b.saved + 1, {b.hlc, b.handled});
    // A frame of the inbox may not look begun beside an egress position that is behind what it has emitted.
    if (is_from_inbox(b)) keep((Chunk*)b.saved + 3, {0, b.inbox.cursor});
    keep((Chunk*)b.saved, {b.ingress.cursor, b.egress_tail});
}

ENGINE_FN void keep_counts(Block& b) { keep((Chunk*)b.saved + 2, {b.refused, b.faults}); }

// Waits until the egress ring has room. A shard that was told to leave gives up when the host takes nothing any more.
ENGINE_CALL bool wait_for_room(Block& b, u32 slots) {
    const u64 capacity = 1ull << b.capacity_log2, handling = b.handling;
    // It is the host that takes its time now.
    set_busy(b, 0);
    for (u64 patience = 0; b.egress_tail + slots - peek(&b.egress_head) > capacity;) {
        // Never beyond what was written.
        const u64 before = peek(&b.egress_head), head = take(&b.control->egress_head);
        if (head != before && b.egress_tail - head <= b.egress_tail - before) { note(&b.egress_head, head); patience = 0; }
        if (peek(&b.leaving) && ++patience > 1000000) return false;
        while_waiting(b);
        pause_ns(200);
    }
    set_busy(b, handling);
    return true;
}
ENGINE_FN bool has_room(Block& b, u32 slots) {
    return b.egress_tail + slots - peek(&b.egress_head) <= 1ull << b.capacity_log2 || wait_for_room(b, slots);
}

// Every stamp of a frame's answers is one tick at the time of its receipt, whose merge is not before `now`: one more.
ENGINE_FN u64 next_stamp(Block& b) { return b.hlc += 1; }

// Writes a frame to the egress ring; a frame that finds no room while the shard leaves is counted as refused.
ENGINE_CALL void send(Block& b, u32 op, u32 message, u32 correlation, const u8* payload, u32 bytes) {
    const u32 slots = slots_for(bytes), log2 = b.capacity_log2;
    if (!has_room(b, slots)) { ++b.refused; return; }
    const u64 tail = b.egress_tail, mask = (1ull << log2) - 1;
    const u32* words = (const u32*)payload;
    write_first(b.egress + (tail & mask) * CHUNKS, lap(tail, log2), op, message, b.head.row, b.head.generation, correlation, next_stamp(b), words, bytes);
    for (u32 k = 1; k < slots; ++k) write_more(b.egress + ((tail + k) & mask) * CHUNKS, lap(tail + k, log2), k, words);
    b.egress_tail = tail + slots;
}

// Answers the frame being handled, where its caller waits, with `bytes` bytes of `reply`.
ENGINE_CALL void answer(Block& b, u32 op, u32 message, u32 bytes) {
    const Head& h = b.head;
    if (h.op != OP_CALL_DIRECT) { send(b, op, message, h.correlation, b.reply, bytes); return; }
    const u32 slots = slots_for(bytes);
    if (h.correlation >= b.reply_lines || slots > b.reply_lines - h.correlation) { ++b.refused; return; }
    Chunk* to = b.replies + h.correlation * (u64)CHUNKS;
    const u32* words = (const u32*)b.reply;
    // SYNC reply-ready: the caller watches these lines itself.
    write_first(to, h.reply_tag, op, message, h.row, h.generation, h.correlation, next_stamp(b), words, bytes);
    for (u32 k = 1; k < slots; ++k) write_more(to + k * CHUNKS, h.reply_tag, k, words);
}

// The same for a reply of one slot, without a detour.
ENGINE_FN void reply_short(Block& b, const Head& h, u32 bytes) {
    const u32* words = (const u32*)b.reply;
    const u64 stamp = next_stamp(b);
    if (h.op == OP_CALL_DIRECT) {
        if (h.correlation >= b.reply_lines) { ++b.refused; return; }
        write_first(b.replies + h.correlation * (u64)CHUNKS, h.reply_tag, OP_REPLY, h.message, h.row, h.generation, h.correlation, stamp, words, bytes);
        return;
    }
    if (!has_room(b, 1)) { ++b.refused; return; }
    const u64 tail = b.egress_tail;
    const u32 log2 = b.capacity_log2;
    write_first(b.egress + (tail & ((1ull << log2) - 1)) * CHUNKS, lap(tail, log2), OP_REPLY, h.message, h.row, h.generation, h.correlation, stamp, words, bytes);
    b.egress_tail = tail + 1;
}

// E-6: whether the frame being handled may have been handled before.
ENGINE_FN u32 again(const Block& b) { return b.loss && !is_from_inbox(b) && b.at == b.resumed ? AGAIN : 0; }

// What an actor has handled of what its application has sent.
ENGINE_FN u64 handled_by(const Block& b, u32 row) { return counted(b.counts + row) & (FROM_ACTOR - 1); }
ENGINE_FN bool is_call(u32 op) { return op == OP_CALL || op == OP_CALL_DIRECT; }

// E-6: says what the frame being handled has come to. A direct call's line may be another caller's by now, so the host ends it.
ENGINE_CALL void tell_blamed(Block& b, u32 failed) {
    const Head& h = b.head;
    const bool direct = h.op == OP_CALL_DIRECT;
    *(BlameInfo*)b.reply = {failed ? handled_by(b, h.row) : 0, h.message, failed, direct ? h.correlation : NO_CORRELATION, h.reply_tag};
    send(b, OP_BLAMED, b.loss & 0xffff, h.op == OP_CALL ? h.correlation : NO_CORRELATION, b.reply, sizeof(BlameInfo));
}

ENGINE_CALL void refuse(Block& b, u32 reason) {
    ++b.refused;
    keep_counts(b);
    if (b.head.op == OP_CAST || b.head.op == OP_INIT || is_from_inbox(b)) return;
    if (again(b) && b.head.op == OP_CALL_DIRECT) tell_blamed(b, 0);
    else answer(b, OP_REFUSED, reason | again(b), 0);
}

ENGINE_FN void copy(u8* to, const u8* from, u32 bytes) {
    u32 i = 0;
    if (((u64)from & 3) == 0)
        for (; i + 4 <= bytes; i += 4) *(u32*)(to + i) = *(const u32*)(from + i);
    for (; i < bytes; ++i) to[i] = from[i];
}

// The actor of the frame being handled has failed.
ENGINE_CALL void fail(Block& b, u32 fault, const u8* text, u32 text_bytes) {
    if (text_bytes > MAX_FAULT_TEXT) text_bytes = MAX_FAULT_TEXT;
    put(&b.row->status, (u32)ROW_FAILED);
    ++b.faults;
    keep_counts(b);
    *(FaultInfo*)b.reply = {handled_by(b, b.head.row), b.head.message, b.depth};
    copy(b.reply + sizeof(FaultInfo), text, text_bytes);
    // E-6: the host hears of it before the caller does.
    send(b, OP_FAULT, fault, b.head.op == OP_CALL ? b.head.correlation : NO_CORRELATION, b.reply, sizeof(FaultInfo) + text_bytes);
    if (b.head.op == OP_CALL_DIRECT) answer(b, OP_FAULT, fault, 0);
}

// A handler's `ctx.emit`.
ENGINE_FN void emit(Block& b, u32 type, const u8* payload, u32 bytes) {
    if (bytes > MAX_PAYLOAD) { b.ctx.fault = FAULT_EMIT; return; }
    copy(b.outgoing, payload, bytes);
    send(b, OP_EMIT, 0, type, b.outgoing, bytes);
}

#include "mail.h"

// ---- handler: one frame ----------------------------------------------------------------------------------------------

// A handler's `ctx.stop_self`: the row is its host's to free, and nobody else's.
ENGINE_CALL void end_actor(Block& b) {
    send(b, OP_ENDED, 0, NO_CORRELATION, b.outgoing, 0);
    put(&b.row->status, (u32)ROW_KILLED);
}

// The reply of a message that another actor has asked.
ENGINE_FN void reply_to_actor(Block& b, u32 bytes) {
    const ReplyTo to = *(const ReplyTo*)b.payload;
    copy(b.outgoing, b.reply, bytes);
    send_to_actor(b, OP_TELL, to.shard, to.row, to.generation, to.message, bytes);
}

// A message for an actor. `b.head`, `b.row` and `b.cursor` are set before its handler runs, which may not return.
ENGINE_FN void message(Block& b, const Head& h, Row* row) {
    const u32 status = look(&row->status), generation = row->generation, kind = row->kind;
    // On its way together with the row; kept by `begin`, so that a message handled once more is not counted twice.
    const u64 count = counted(b.counts + h.row);
    u8* const state = b.arena + row->state_offset;
    b.row = row;
    CtxRaw& ctx = b.ctx;
    ctx.hlc = b.hlc;
    ctx.sent = h.hlc;
    ctx.now = peek(&b.now);
    ctx.row = h.row;
    ctx.generation = h.generation;
    ctx.shard = b.shard;
    ctx.fault = 0;
    ctx.ended = 0;
    ctx.text_bytes = 0;
    if (generation != h.generation || status != ROW_LIVE) {
        refuse(b, generation == h.generation && status == ROW_FAILED ? REFUSED_FAILED : REFUSED_STALE);
        return;
    }
    const u32 ahead = h.op == OP_ASK ? (u32)sizeof(ReplyTo) : 0;
    begin(b, kind, state, row->state_bytes, count);
    const u32 meant = is_from_inbox(b) ? h.correlation << 16 : 0;
    const u32 bytes = b.dispatch[kind](h.message | meant, state, b.payload + ahead, h.length - ahead, &ctx, b.reply);
    if (ctx.hlc > b.hlc) b.hlc = ctx.hlc;
    if (bytes == DISPATCH_UNKNOWN) { refuse(b, REFUSED_MESSAGE); return; }
    if (ahead && !ctx.fault) reply_to_actor(b, bytes);
    if (bytes == DISPATCH_FAILED || ctx.fault) { fail(b, ctx.fault, ctx.text, ctx.text_bytes); return; }
    if (is_call(h.op)) {
        if (bytes <= INLINE_BYTES) reply_short(b, h, bytes);
        else answer(b, OP_REPLY, h.message, bytes);
    }
    if (ctx.ended) end_actor(b);
    count_from(b.counts + h.row, count + (is_from_inbox(b) ? FROM_ACTOR : 1));
}

ENGINE_FN bool within(const Block& b, u64 offset, u64 bytes) { return bytes <= b.arena_bytes && offset <= b.arena_bytes - bytes; }

ENGINE_FN void spawn(Block& b) {
    const Head& h = b.head;
    const SpawnRow& s = *(const SpawnRow*)b.payload;
    const u32 carried = h.length - (u32)sizeof(SpawnRow);
    const auto is_free = [&](const Row& row) { return look(&row.status) == ROW_FREE || (again(b) && row.generation == h.generation); };
    if (h.length < sizeof(SpawnRow) || h.row >= b.row_count || s.state_bytes > MAX_STATE || carried > s.state_bytes || s.state_offset % 16 ||
        !within(b, s.state_offset, s.state_bytes) || s.kind >= MAX_KINDS || !b.dispatch[s.kind] || !is_free(b.rows[h.row])) {
        refuse(b, REFUSED_PROTOCOL);
        return;
    }
    copy(b.arena + s.state_offset, b.payload + sizeof(SpawnRow), carried);
    Row& row = b.rows[h.row];
    row.kind = s.kind;
    put(&row.state_offset, s.state_offset);
    row.state_bytes = s.state_bytes;
    count_from(b.counts + h.row, 0);
    put(&row.generation, h.generation);
    put(&row.status, (u32)ROW_LIVE);
    answer(b, OP_ACK, again(b), 0);
}

ENGINE_FN void init(Block& b) {
    const u64 offset = *(const u64*)b.payload;
    const u32 bytes = b.head.length - 8;
    if (b.head.length < 8 || offset % 4 || !within(b, offset, bytes)) { refuse(b, REFUSED_PROTOCOL); return; }
    copy(b.arena + offset, b.payload + 8, bytes);
}

ENGINE_FN void stop(Block& b) {
    const Head& h = b.head;
    if (h.row >= b.row_count) { refuse(b, REFUSED_PROTOCOL); return; }
    Row& row = b.rows[h.row];
    if (row.generation != h.generation || look(&row.status) == ROW_FREE) { refuse(b, REFUSED_STALE); return; }
    put(&row.status, (u32)ROW_FREE);
    answer(b, OP_ACK, again(b), 0);
}

ENGINE_FN void read_state(Block& b) {
    const Head& h = b.head;
    const ReadState r = *(const ReadState*)b.payload;
    if (h.row >= b.row_count || h.length != sizeof(ReadState) || r.bytes > MAX_PAYLOAD || r.offset % 4) { refuse(b, REFUSED_PROTOCOL); return; }
    const Row& row = b.rows[h.row];
    if (row.generation != h.generation || look(&row.status) == ROW_FREE) { refuse(b, REFUSED_STALE); return; }
    if (r.offset > row.state_bytes || r.bytes > row.state_bytes - r.offset) { refuse(b, REFUSED_PROTOCOL); return; }
    copy(b.reply, b.arena + row.state_offset + r.offset, r.bytes);
    answer(b, OP_REPLY, again(b), r.bytes);
}

// Everything that is not a message to a row of this shard.
ENGINE_CALL void control_frame(Block& b) {
    b.hlc = resident_hlc_merge(b.hlc, b.head.hlc, peek(&b.now));
    if (b.head.length > MAX_PAYLOAD) { refuse(b, REFUSED_PROTOCOL); return; }
    switch (b.head.op) {
        case OP_SPAWN: spawn(b); break;
        case OP_INIT: init(b); break;
        case OP_STOP: stop(b); break;
        case OP_READ: read_state(b); break;
        case OP_FENCE: answer(b, OP_ACK, again(b), 0); break;
        default: refuse(b, REFUSED_PROTOCOL);
    }
}

// A frame's head; the payload that stands beside it goes to `b.payload`.
ENGINE_FN Head unpack(Block& b, Chunk c0, Chunk c1, Chunk c2, Chunk c3) {
    u32* const p = (u32*)b.payload;
    p[0] = low(c1.hi), p[1] = low(c2.lo), p[2] = high(c2.lo), p[3] = low(c2.hi);
    p[4] = low(c3.lo), p[5] = high(c3.lo), p[6] = low(c3.hi);
    return {low(c0.lo), high(c0.lo), low(c0.hi), high(c0.hi) & 0xffff, high(c1.hi) & 0xffff, high(c2.hi) & 0xffff, high(c3.hi) & 0xffff, c1.lo};
}

// The payload of slot `k` of a frame goes to `b.payload`: chunk `i` of it.
ENGINE_FN void unpack_more(Block& b, u32 k, u32 i, Chunk c) {
    u32* const p = (u32*)b.payload + INLINE_BYTES / 4 + (k - 1) * (MORE_BYTES / 4) + 3 * i;
    p[0] = low(c.lo), p[1] = high(c.lo), p[2] = low(c.hi);
}

// Takes a slot off the stage: no tag that its place will be asked for stands there any more.
ENGINE_FN void clear(Queue& q, u64 index, u32 tag) {
    for (u32 c = 0; c < CHUNKS; ++c) unstage(&q.stage[index % STAGE][c], (u64)(tag ^ 0x8000) << 48);
}

// Fetches the further slots of a frame; false if the shard is to leave before they are all there.
ENGINE_CALL bool fetch_more(Block& b, Queue& q, u64 cursor, u32 length) {
    const u32 slots = slots_for(length);
    for (u32 k = 1; k < slots; ++k) {
        const u32 tag = lap(cursor + k, q.log2);
        for (u32 i = 0; i < CHUNKS; ++i) {
            // SYNC staged: pairs with the poller's stores.
            Chunk c = load_staged(&q.stage[(cursor + k) % STAGE][i]);
            while (!is_staged(c, tag)) {
                if (peek(&b.leaving)) return false;
                while_waiting(b);
                c = load_staged(&q.stage[(cursor + k) % STAGE][i]);
            }
            unpack_more(b, k, i, c);
        }
    }
    for (u32 k = 1; k < slots; ++k) clear(q, cursor + k, lap(cursor + k, q.log2));
    return true;
}

// Tells the host how far this shard has come.
ENGINE_CALL void progress(Block& b) {
    ShardProgress* const p = b.progress;
    publish(&p->handled, b.handled);
    publish(&p->refused, b.refused);
    publish(&p->faults, b.faults);
    publish(&p->hlc, b.hlc);
    // The handler may be ahead of what the poller has told of itself.
    Queue& q = b.ingress;
    const u64 staged = peek(&q.staged);
    publish(&p->queued, staged > q.cursor ? (u32)(staged - q.cursor) : 0u);
    // SYNC slot-free (ingress): pairs with the host producer's load.
    publish(&p->ingress_head, q.cursor);
    q.published = q.cursor;
    pass(&q.done, q.cursor);
    if (b.inbox.published != b.inbox.cursor) tell_inbox_head(b);
}

// The frame is finished: its places may be used again, on the stage soon and in the ring later.
ENGINE_FN void finish(Block& b) {
    Queue& q = *b.from;
    ++b.handled;
    keep_done(b);
    if (q.cursor - q.done >= GIVE_BACK) pass(&q.done, q.cursor);
    if (q.cursor - q.published >= (1ull << q.log2) / 4) progress(b);
}

// E-6: whether the answer of the message being handled when the launch before was lost is there: all of it, or some.
struct Answered { bool whole, some; };
ENGINE_FN Answered answered(const Block& b, const Head& h) {
    if (h.op != OP_CALL_DIRECT || h.correlation >= b.reply_lines) return {false, false};
    // Each line carries the tag of the slot's last answer, and all of them that of this one when it is whole.
    const Chunk* const line = b.replies + h.correlation * (u64)CHUNKS;
    Answered is{true, false};
    u32 lines = 1;
    for (u32 k = 0; k < lines; ++k)
        for (u32 i = 0; i < CHUNKS; ++i) {
            const Chunk c = load_chunk(line + k * CHUNKS + i);
            const bool there = is_staged(c, h.reply_tag);
            is.whole = is.whole && there;
            is.some = is.some || there;
            if (there && k == 0 && i == 1) lines = slots_for(high(c.hi) & 0xffff);
            if (lines > b.reply_lines - h.correlation) lines = b.reply_lines - h.correlation;
        }
    return is;
}

// E-6: blames the message that was being handled. Its actor's state may be half of one and half of another, so it fails; the
// message goes back to the host.
ENGINE_FN void blame(Block& b, const Head& h, Row& row) {
    const bool failed = row.generation == h.generation && look(&row.status) == ROW_LIVE;
    const u32 ahead = h.op == OP_ASK ? (u32)sizeof(ReplyTo) : 0;
    if (failed) {
        put(&row.status, (u32)ROW_FAILED);
        ++b.faults;
        keep_counts(b);
        send(b, OP_RETURN, h.message, NO_CORRELATION, b.payload + ahead, h.length - ahead);
    }
    tell_blamed(b, failed);
}

// E-6: comes past what the launch before has begun; false if the shard is to leave before the worker lets it.
ENGINE_CALL bool settle(Block& b) {
    for (;; pause_ns(200)) {
        b.loss = take(&b.control->loss);
        if (!(b.loss & HOLD)) break;
        if (peek(&b.leaving)) return false;
        while_waiting(b);
    }
    b.unsettled = 0;
    if (b.begun) {
        Queue& q = *b.from;
        const u64 at = b.at, mask = (1ull << q.log2) - 1;
        const Chunk* const first = q.ring + (at & mask) * CHUNKS;
        const Head h = b.head = unpack(b, load_chunk(first), load_chunk(first + 1), load_chunk(first + 2), load_chunk(first + 3));
        for (u32 k = 1; k < slots_for(h.length); ++k)
            for (u32 i = 0; i < CHUNKS; ++i) unpack_more(b, k, i, load_chunk(q.ring + ((at + k) & mask) * CHUNKS + i));
        Row& row = b.rows[h.row];
        const Answered is = answered(b, h);
        // As it was before the message, or behind it if that was handled and its actor has not failed by it.
        const bool was = b.begun & ANSWERED || is.some;
        const bool lives = row.generation == h.generation && look(&row.status) == ROW_LIVE;
        if (row.generation == h.generation) count_from(b.counts + h.row, b.saved->count + (was && lives ? is_from_inbox(b) ? FROM_ACTOR : 1 : 0));
        if (b.begun & ANSWERED || is.whole) {
            // It was handled, and that was told.
        } else if (is.some) {
            // It was handled, and what its caller may have read of the answer can not be written anew.
            tell_blamed(b, 0);
        } else if (b.loss & RETRY && !(b.begun & SEEN) && row.state_bytes <= UNDO_BYTES) {
            const u32 status = look(&row.status);
            copy(b.arena + row.state_offset, b.saved->undo, row.state_bytes);
            // A failure that nobody has heard of has not been.
            if (row.generation == h.generation && status == ROW_FAILED) put(&row.status, (u32)ROW_LIVE);
            message(b, h, &row);
        } else {
            blame(b, h, row);
        }
        finish(b);
    }
    publish(&b.progress->settled, b.launch);
    return true;
}

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

// E-6: what was written whole before a loss is the host's, which has taken away what was not; this launch writes behind it.
ENGINE_FN void find_tail(Block& b, u32 correlation) {
    const u32 log2 = b.capacity_log2;
    for (;;) {
        const Chunk* const slot = b.egress + (b.egress_tail & ((1ull << log2) - 1)) * CHUNKS;
        const u32 tag = lap(b.egress_tail, log2);
        const Chunk c1 = load_chunk(slot + 1);
        if (!is_staged(load_chunk(slot), tag) || !is_staged(c1, tag) || !is_staged(load_chunk(slot + 2), tag) || !is_staged(load_chunk(slot + 3), tag)) return;
        if (c1.lo > b.hlc) b.hlc = c1.lo;
        // What was being handled was seen outside: it has emitted, or been answered.
        const Chunk c0 = load_chunk(slot), c3 = load_chunk(slot + 3);
        if (b.begun) b.begun |= (high(c3.hi) & 0xffff) == OP_EMIT || low(c0.hi) != correlation ? SEEN : ANSWERED;
        b.egress_tail += slots_for(high(c1.hi) & 0xffff);
    }
}

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
