// What a shard holds while it runs, and how a slot is taken apart. Part of engine.h.
#pragma once
#include "wire.h"
#include "names.h"

constexpr u32 CHUNKS = 4;
constexpr u32 REACH = LANES > 1 ? 4 : 1; // slots that a lane looks at to find one that is for its warp
constexpr u32 STAGE = 256;              // slots staged at most; a power of two, more than the largest frame and a burst
constexpr u32 LOOK_EVERY = 8;           // polls between looks at the control line and the clock
constexpr u32 NO_CORRELATION = ~0u;
constexpr u64 SLOW_US = 1000;           // a message that takes longer is told to the host, which knows how long it may
constexpr u64 BEAT_US = 1000;           // between two signs of life
constexpr u64 IDLE_US = 10000;          // when the host has sent nothing for so long, its ring is looked at less often
constexpr u32 NAP_NS = 8000;            // between two looks then: of 132 shards, less than a gigabyte a second over the bus
constexpr u32 FAN_OUTS = 256;           // kinds of message told apart by what they send, a power of two
constexpr u32 INGRESS = 0, INBOX = 1;   // what a work warp takes frames from: its shard's ring of the host, its own inbox

// From the handler crate (Rust), see resident-kernels.
extern "C" {
using Dispatch = u32 (*)(u32 message, void* state, const void* payload, u32 length, CtxRaw* ctx, void* reply);
ENGINE_EXTERN Dispatch resident_kind(u32 kind);      // null beyond the last kind
ENGINE_EXTERN u32 resident_kind_of(u64 fingerprint); // ~0 if there is none
ENGINE_EXTERN u32 resident_kind_width(u32 kind);     // a WIDTH_*
ENGINE_EXTERN u64 resident_hlc_merge(u64 last, u64 remote, u64 now);
}

// The first slot of a frame, unpacked.
struct Head {
    u32 row, generation, correlation, message, length, reply_tag, op;
    u64 hlc;
};

// The host's ring, as a shard reads it: by a poller and a stage.
struct Queue {
    const Chunk* ring;
    u32 log2;
    u64 published;                      // the poller's: slots that the ring's writers know to be handled
    Chunk stage[CHUNKS][STAGE];         // slots on their way to the work warps, chunk by chunk, as lanes read them side by side; a chunk's
                                        // tag says whether it is there
};

// Does items `begin` to `end` of a job, those of lane `lane` of `lanes`; the bytes of a panic's text, which is written to `text`.
// On the GPU a panic does not return.
using Work = u32 (*)(u8* room, u64 begin, u64 end, u32 lane, u32 lanes, u8* text);

// What the lanes of a warp do together, and those of others that help (lanes.h).
struct Job {
    u32 number;                         // of the warp's jobs
    u32 leader;                         // the lane that has begun it, plus one; 0 when none is going on
    u32 helpers;                        // other warps that are at it; with OPEN set, more may come
    u32 failed;                         // a lane has panicked
    u32 text_bytes;
    u32 step;                           // items that a warp takes at once
    u64 next, count;                    // items given out, and how many there are
    Work work;
    alignas(16) u8 room[MAX_PAYLOAD];   // the job's own
    u8 text[MAX_FAULT_TEXT];
};

// What a work warp shows of itself.
struct Worker {
    u64 cursor[2];                      // of each queue, the next slot that it has not come past
    const Chunk* inbox;
    u64 outbox_head;                    // what is ahead of it has gone; of whoever delivers
    u64 outbox_tail;                    // under the lock, or of all its lanes together
    u32 outbox_lock;
    u64 resumed;                        // the ingress slot at which it began in this launch
    u64 busy;                           // what it is handling, as ShardProgress has it
    u64 rounds;                         // its own: numbers those
    u64 hlc;                            // its own: behind every stamp that one of its lanes has received or given out
    u64 seen, since;                    // the poller's: what it last saw in `busy`, and since when
    u32 alive;                          // lanes that have not ended
    u32 helps;                          // its own: the warp whose job it is at, plus one; 0 if it is at none but its own
    Job job;
    u8 dealt[LANES];                    // its own: of a batch, where each lane's frame is
};

// Where the mailboxes of all work warps are (mail.h).
struct Mail {
    u8* base;
    u64 bytes;
    u32 shards, warps, inbox_log2, outbox_log2;
};

// The places for actors that its handlers spawn (nursery.h).
struct Nursery { Grant* slots; u32 count; };

// One shard's working memory: shared memory on the GPU.
struct Block {
    // Where things are; set once before anybody starts.
    Chunk* egress;
    Chunk* replies;
    const ShardControl* control;
    ShardProgress* progress;
    Row* rows;
    u64* counts;
    ShardState* saved;
    LaneState* lanes;
    struct LaneRest* rests;
    u8* arena;
    u64 arena_bytes;
    i64 clock_offset;
    u32 shard, launch, row_count, capacity_log2, reply_lines, system;
    u32 warps;                          // that handle messages, a power of two
    u32 apart;                          // pollers that run beside the work warps
    Mail mail;
    Names names;
    Nursery nursery;
    Dispatch dispatch[MAX_KINDS];
    u8 width[MAX_KINDS];

    // The pollers'.
    Queue ring;
    u64 now;                            // host microseconds
    u64 egress_head;                    // egress slots the host has consumed, as far as known
    u32 leaving;                        // leave at the next message boundary
    u32 kill;                           // last kill carried out
    u64 beat;                           // the last sign of life
    u64 told;                           // what the host was told that takes long

    // Whoever handles messages.
    Worker workers[WORK_WARPS];
    u64 handled, refused, faults;       // added to by all
    u64 hlc;                            // the last stamp on the egress ring; under its lock
    u32 loss;                           // what the worker says of the launch that was lost
    u64 tried;                          // the lane that was alone then, plus one
    u32 settled;                        // warps that have come past what it has begun
    u32 waits;                          // lanes that wait for the host
    u32 swap;                           // another launch is to follow
    u32 jobs;                           // that are open to other warps
    u32 left;                           // warps and pollers that have left
    u32 egress_lock;
    u64 egress_tail;                    // under the lock
    u64 next_grant;                     // where the next one looks for a grant first
    u32 fan_out[FAN_OUTS];              // of messages, the most slots that one has sent, plus one; 0 for what is not known
};

// A frame that a lane holds back: where it goes and what it is.
struct Sending { u32 op, to, row, generation, message, bytes; };
struct alignas(16) Held {
    Sending head;
    u64 pad;
    Chunk payload[2];
};
static_assert(sizeof(Held) == SLOT_BYTES, "Held");

// What of a lane's does not fit shared memory, in device memory: in local memory a line would hold one word of it.
struct LaneRest {
    alignas(16) u8 room[MAX_PAYLOAD + MAX_FAULT_TEXT];   // CtxRaw's
    alignas(16) u8 payload[MAX_PAYLOAD];
    alignas(16) u8 outgoing[MAX_PAYLOAD];
    Held held[HELD_FRAMES];
};

static_assert(sizeof(LaneRest) == REST_BYTES, "LaneRest");

// What a handler has come to: the bytes of its reply or a DISPATCH_*, and what its actor had handled before.
struct Outcome { u32 bytes, kind; u64 count; };

// What a lane needs to handle a message, in shared memory: one lane alone would wait long for each word of local memory, where a line
// holds one word of each lane. It also survives a handler that panics, which on the GPU does not return.
struct Lane {
    LaneState* saved;
    LaneRest* rest;
    Row* row;
    u64 at;                             // first slot of the frame being handled
    u64 id;                             // as LaneState has it in `at`
    u64 hlc;                            // the last stamp received or given out
    u8* payload;
    u8* outgoing;
    u32 warp, index;                    // its warp in the shard, itself among all lanes of those
    u32 queue;                          // that the frame being handled is from
    u32 seen;                           // noted that it was seen outside
    u32 slots;                          // that it has sent to other actors
    u32 leads;                          // the other lanes of its warp stand by for its jobs
    u32 held;                           // frames in `rest->held`; none without a last one
    Sending last;                       // what it has sent last and is in `outgoing` still, if `op` is not 0
    Outcome outcome;
    u64 pad[2];
    Head head;
    CtxRaw ctx;
    alignas(16) u8 short_payload[32];   // where `payload` and `outgoing` are as long as they fit
    alignas(16) u8 short_outgoing[32];
    alignas(16) u8 reply[SHORT_REPLY + 16];  // a slot is written whole, whatever stands behind its end
};
// Lanes side by side reach different banks.
static_assert(sizeof(Lane) == LANE_BYTES && sizeof(Lane) / 16 % 2 == 1, "Lane");

// Where a payload of `bytes` bytes is.
ENGINE_FN u8* payload_for(Lane& l, u32 bytes) { return bytes <= INLINE_BYTES ? l.short_payload : l.rest->payload; }
ENGINE_FN u8* outgoing_for(Lane& l, u32 bytes) { return bytes <= INLINE_BYTES ? l.short_outgoing : l.rest->outgoing; }

ENGINE_FN Block& block();               // this shard's
ENGINE_FN void while_waiting(Block&);   // what a lane does while it waits for a slot or for room

// Whether the actor that has the row in this generation handles messages.
ENGINE_FN bool is_live(const Row& row, u32 generation) {
    return look(&row.generation) == generation && look(&row.status) == ROW_LIVE && look(&row.killed) != generation;
}

ENGINE_FN u32 lap(u64 index, u32 capacity_log2) { return (u32)((index >> capacity_log2) + 1) & 0xffffu; }
// The tag of a staged chunk: the stage's lap, so that a place need not be cleared when it is taken.
ENGINE_FN u32 stage_tag(u64 index) { return (u32)(index / STAGE + 1) & 0xffffu; }
ENGINE_FN u32 slots_for(u32 bytes) { return bytes <= INLINE_BYTES ? 1 : 1 + (bytes - INLINE_BYTES + MORE_BYTES - 1) / MORE_BYTES; }
ENGINE_FN u32 max_of(u32 a, u32 b) { return a > b ? a : b; }
ENGINE_FN u32 low(u64 v) { return (u32)v; }
ENGINE_FN u32 high(u64 v) { return (u32)(v >> 32); }
ENGINE_FN u64 pair(u32 low, u32 high) { return (u64)high << 32 | low; }
ENGINE_FN u32 tag_of(Chunk c) { return high(c.hi) >> 16; }
ENGINE_FN Chunk with_tag(Chunk c, u32 tag) { return {c.lo, (c.hi & 0xffffffffffffull) | (u64)tag << 48}; }

// The slot of the host's ring that every work warp has come past. SYNC stage-free: pairs with each warp's `give_back` of its cursor.
ENGINE_FN u64 passed_by_all(const Block& b) {
    u64 least = receive(&b.workers[0].cursor[INGRESS]);
    for (u32 w = 1; w < b.warps; ++w) {
        const u64 cursor = receive(&b.workers[w].cursor[INGRESS]);
        least = cursor < least ? cursor : least;
    }
    return least;
}

// A chunk of a queue's slot, and the tag that it has when it is there: from the stage, or from the warp's own inbox.
ENGINE_FN Chunk chunk_at(const Block& b, const Worker& w, u32 queue, u64 at, u32 i) {
    // SYNC staged: pairs with the poller's stores.
    if (queue == INGRESS) return load_staged(&b.ring.stage[i][at % STAGE]);
    return load_chunk(w.inbox + (at & ((1ull << b.mail.inbox_log2) - 1)) * CHUNKS + i);
}
ENGINE_FN u32 tag_at(const Block& b, u32 queue, u64 at) { return queue == INGRESS ? stage_tag(at) : lap(at, b.mail.inbox_log2); }
// A frame's slot has been read.
ENGINE_FN void slot_is_read(const Block& b, const Worker& w, u32 queue, u64 at) {
    if (queue == INBOX) { mail_is_read(w.inbox + (at & ((1ull << b.mail.inbox_log2) - 1)) * CHUNKS); return; }
    for (u32 i = 0; i < CHUNKS; ++i) chunk_is_read(&b.ring.stage[i][at % STAGE]);
}
