// What a shard holds while it runs, and how a slot is taken apart. Part of engine.h.
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
