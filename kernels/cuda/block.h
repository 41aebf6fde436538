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
constexpr u32 HANDLED = 0, REFUSED = 1, FAILED = 2, TOTALS = 3; // what a warp counts
constexpr u32 INGRESS = 0, INBOX = 1;   // what a work warp takes frames from: its shard's ring of the host, its own inbox

static_assert(__builtin_offsetof(ShardState, cursors) % 16 == 0, "a commit is one access");

// From the handler crate (Rust), see resident-kernels.
extern "C" {
using Dispatch = u64 (*)(CtxRaw* ctx, void* state, Given* given);
using DispatchOne = u32 (*)(CtxRaw* ctx, void* state, Given* given);
ENGINE_EXTERN Dispatch resident_kind(u32 kind);      // null beyond the last kind
ENGINE_EXTERN DispatchOne resident_kind_one(u32 kind);
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

struct Lane;

// What a work warp shows of itself.
struct Worker {
    u64 cursor[2];                      // of each queue, the next slot that it has not come past
    const Chunk* inbox;
    u64 outbox_head;                    // what is ahead of it has gone; of whoever delivers
    u64 outbox_tail;                    // its own
    u64 busy;                           // what it is handling, as ShardProgress has it
    u64 rounds;                         // its own: numbers those
    u64 hlc;                            // its own: behind every stamp that one of its lanes has received or given out
    u64 seen, since;                    // the poller's: what it last saw in `busy`, and since when
    u32 alive;                          // lanes that have not ended
    u32 helps;                          // its own: the warp whose job it is at, plus one; 0 if it is at none but its own
    Job job;
    u8 dealt[LANES];                    // its own: of a batch, where each lane's frame is

    // Its batch (batch.h).
    BatchState* kept;
    Lane* lanes;                        // of the warp
    struct LaneRest* rests;             // of these
    u8* log;
    u64 turn;                           // numbers each time that a batch is begun
    u64 totals[TOTALS];                 // frames handled and refused, actors failed
    u32 places[TOTALS];                 // which of two places in `kept` has each
    u32 limit;                          // frames that it takes at once
    u32 logged;                         // slots of the log that are taken
    u32 crowded;                        // there was no room for what the batch sends
    u32 noted;                          // a message has failed, so the batch is begun anew without it
    u32 notes;                          // messages of which it is known that they fail
    u32 births;                         // grants taken
    u32 blames;                         // the next message is blamed for a loss
    u64 owes;                           // to the host: up to this place of the egress ring, from the batch that the launch before has committed
};

// Where the mailboxes of all work warps are (mail.h).
struct Mail {
    u8* base;
    u64 bytes;
    u32 shards, warps, inbox_log2, outbox_log2;
};

// A warp's mailbox among all, and that of a row.
ENGINE_FN u32 mailbox_of_warp(const Mail& m, u32 shard, u32 warp) { return shard * m.warps + warp; }
ENGINE_FN u32 mailbox_of(const Mail& m, u32 shard, u32 row) { return mailbox_of_warp(m, shard, row & (m.warps - 1)); }

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
    DispatchOne dispatch_one[MAX_KINDS];
    u8 width[MAX_KINDS];

    // The pollers'.
    Queue ring;
    Pulse pulse;                        // what handlers may look at: host microseconds, and the last kill carried out
    u64 egress_head;                    // egress slots the host has consumed, as far as known
    u32 leaving;                        // leave at the next message boundary
    u64 beat;                           // the last sign of life
    u64 told;                           // what the host was told that takes long

    // Whoever handles messages.
    Worker workers[WORK_WARPS];
    u64 handled, refused, faults;       // added to by all
    u64 hlc;                            // the last stamp on the egress ring; under its lock
    u32 loss;                           // what the worker says of the launch that was lost
    u64 tried;                          // the warp whose messages were handled one at a time then, plus one
    u32 settled;                        // warps that have come past what it has begun
    u32 waits;                          // lanes that wait for the host
    u32 swap;                           // another launch is to follow
    u32 jobs;                           // that are open to other warps
    u32 left;                           // warps and pollers that have left
    u32 egress_lock;
    u32 unfinished;                     // the lock's holder has left, and the host has not taken all that it has to say
    u64 egress_tail;                    // under the lock
    u64 next_grant;                     // where the next one looks for a grant first
};

// A frame of one slot that found no place.
struct HeldFrame {
    Outgoing frame;
    alignas(16) u8 payload[32];
};
static_assert(sizeof(HeldFrame) == HOLD_BYTES, "HeldFrame");

// What of a lane's does not fit shared memory, in device memory: in local memory a line would hold one word of it.
struct LaneRest {
    NotedFault noted;
    alignas(16) u8 room[MAX_PAYLOAD + MAX_FAULT_TEXT];   // CtxRaw's
    alignas(16) u8 payload[MAX_PAYLOAD];
    alignas(16) u8 outgoing[MAX_PAYLOAD];
    HeldFrame held[HOLDS];                // CtxRaw's
};

static_assert(sizeof(LaneRest) == REST_BYTES, "LaneRest");

// What a lane says to the host about its frame, with the frame's correlation if it `answers` it. What is longer than a slot, or stands somewhere
// else than where the lane's reply does, is logged at `at`.
struct Answer { u16 op, message, bytes, answers; u32 at; };
constexpr u32 NOT_LOGGED = ~0u;

// What has come of a frame.
enum { OUTCOME_NONE, OUTCOME_HANDLED, OUTCOME_REFUSED, OUTCOME_FAILED, OUTCOME_BLAMED };
struct Outcome {
    u32 what;
    u32 value;                          // bytes of its reply, REFUSED_* or FAULT_*
    u32 text_bytes;                     // why it has failed,
    u32 text_of;                        // and in which lane's room that stands
    u64 handled;                        // what its actor had handled before of what the application has sent
    u32 ended;                          // its actor has asked for its end
};

// What a lane needs to handle a frame of a batch, in shared memory: one lane alone would wait long for each word of local memory, where a
// line holds one word of each lane. It also survives a handler that panics, which on the GPU does not return.
//
// The first lane of those with frames for one actor *leads* them: it handles all of these, in their order, and what it says of the actor
// counts.
struct Lane {
    Given given;                        // its message, as handlers are given it
    Outgoing place;                     // a frame that is held back, if `op` is not 0,
    alignas(16) u8 placed[32];          // and its payload
    alignas(16) u8 reply[SHORT_REPLY + 16];  // a slot is written whole, whatever stands behind its end
    alignas(16) CtxRaw ctx;
    alignas(16) u8 copy[COPY_BYTES];    // of the state, if it fits
    alignas(16) u8 short_payload[32];   // where `payload` is as long as it fits
    alignas(16) u8 short_outgoing[32];
    LaneRest* rest;
    u8* payload;
    u8* state;                          // what handlers are given
    u64 at;                             // first slot of the frame
    u64 hlc;                            // the last stamp received or given out
    u64 count;                          // messages that the actor has handled
    u64 state_offset;
    Head head;
    Outcome outcome;
    u32 warp;                           // its warp in the shard
    u32 queue;                          // that the frame is from
    u32 kind, generation, state_bytes, status;   // of the actor
    u32 killed;                         // its row's word, as it was after `ctx.kills`
    u16 touched;                        // its row becomes another,
    u16 spawned;                        // and is a new actor's
    u32 jobs;                           // that the lanes of its warp have done together
    u32 leads;                          // the other lanes of its warp stand by for its jobs
    u32 alone;                          // its frame is the only one of the batch
    u32 mail, host;                     // slots that it holds back for inboxes, and for the host
    u32 refused;
    u32 answers;                        // how many
    Answer answer[2];
    Answer line;                        // of a direct call, if `op` is not 0
};
static_assert(__builtin_offsetof(Lane, given) == LANE_GIVEN && __builtin_offsetof(Lane, place) == LANE_PLACE && __builtin_offsetof(Lane, reply) == LANE_REPLY, "Lane");
// Lanes side by side reach different banks.
static_assert(sizeof(Lane) == LANE_BYTES && sizeof(Lane) / 16 % 2 == 1, "Lane");

// Where a payload of `bytes` bytes is.
ENGINE_FN u8* payload_for(Lane& l, u32 bytes) { return bytes <= INLINE_BYTES ? l.short_payload : l.rest->payload; }

ENGINE_FN Block& block();               // this shard's
ENGINE_FN void while_waiting(Block&);   // what a lane does while it waits for a slot or for room

// The lane whose message a handler is at.
ENGINE_FN u32 handled_lane(const Lane& l) { return first_one(l.ctx.messages); }

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

// Whether the last batch that a warp has begun was committed.
ENGINE_FN bool is_committed(const BatchState& s, const ShardState& of, u32 warp) {
    return s.batch != 0 && of.cursors[2 * warp + INGRESS] + of.cursors[2 * warp + INBOX] >= s.batch;
}

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
