// The resident kernel: one block per shard, launched once per generation. Compiled to engine.ptx; the driver links it with the
// handler crate's PTX when a device starts.
#define ENGINE_EXTERN __device__
#include "gpu.h"
#include "engine.h"
#include "cut.h"

// Two warps poll, the host's ring and the inbox; the handler is the first thread of the third.
constexpr u32 INBOX_THREAD = LANES;
constexpr u32 HANDLER_THREAD = 2 * LANES;
constexpr u32 BLOCK_THREADS = 3 * LANES;

__shared__ Block shared_block;
// Its address is worked out once and then kept, since that is a matter of many cycles.
ENGINE_FN Block& block() {
    Block* b = &shared_block;
    asm volatile("" : "+l"(b));
    __builtin_assume(__isShared(b));
    return *b;
}
ENGINE_FN void while_waiting(Block&) {}

__device__ __noinline__ void handle_until_told_to_leave() {
    struct {
        ENGINE_FN bool operator()(Block& b) const {
            const Chunk *const host = b.ingress.stage[b.ingress.cursor % STAGE] + 3, *const shards = b.inbox.stage[b.inbox.cursor % STAGE] + 3;
            const u32 host_tag = lap(b.ingress.cursor, b.ingress.log2), shards_tag = lap(b.inbox.cursor, b.inbox.log2);
            for (;;) {
                for (u32 turn = 0; turn < 8; ++turn)
                    if (is_staged(load_staged(host), host_tag) || is_staged(load_staged(shards), shards_tag)) return true;
                if (peek(&b.leaving)) return false;
            }
        }
    } spin;
    handle(block(), spin);
}

extern "C" __device__ __noinline__ void resident_emit(CtxRaw*, u32 type, const u8* payload, u32 length) { emit(block(), type, payload, length); }

extern "C" __device__ __noinline__ void resident_send(CtxRaw*, const RawAddress* to, u32 message, const u8* payload, u32 length, const ReplyTo* reply) {
    send_message(block(), *to, message, payload, length, reply);
}

// A handler panicked. There is no way back to the frame that called it, so the actor fails and the shard goes on from here,
// nested on the stack; before the stack runs out the shard asks for a new generation.
extern "C" __device__ __noinline__ void resident_panic(const u8* text, u32 length) {
    Block& b = block();
    ++b.depth;
    fail(b, FAULT_PANIC, text, length);
    finish(b);
    const bool full = b.stack_base - stack_mark() > b.nest_bytes;
    if (!full) handle_until_told_to_leave();
    leave(b, full);
    asm volatile("exit;");
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS, 1) resident_engine(EngineParams params) {
    Block& b = block();
    if (threadIdx.x == 0) enter(b, params, blockIdx.x);
    __syncthreads();
    const u32 thread = threadIdx.x;
    if (thread < INBOX_THREAD) {
        Poller poller = start_polling(b, b.ingress);
        for (u32 turn = 0; !poller.leaving; ++turn) poll(b, poller, turn % LOOK_EVERY == 0);
    } else if (thread < HANDLER_THREAD) {
        Poller poller = start_polling(b, b.inbox);
        while (!poller.leaving) poll(b, poller, false);
    } else if (thread == HANDLER_THREAD) {
        b.stack_base = stack_mark();
        handle_until_told_to_leave();
        leave(b, 0);
    }
}

// Mends the mailboxes after a loss. One block, since no inbox is mended before every outbox is.
extern "C" __global__ void resident_mend(EngineParams p) {
    const u32 shards = ((const RegionHeader*)p.region)->shards;
    for (u32 shard = threadIdx.x; shard < shards; shard += blockDim.x) mend_outbox(p, shard);
    __syncthreads();
    for (u32 shard = threadIdx.x; shard < shards; shard += blockDim.x) mend_inbox(p, shard);
}

// The steps of a cut, and a load: any number of blocks of whole warps.
ENGINE_FN Crew crew() { return {(blockIdx.x * (u64)blockDim.x + threadIdx.x) / LANES, gridDim.x * (u64)blockDim.x / LANES}; }
extern "C" __global__ void __launch_bounds__(256) resident_cut_select(CutParams p) { cut_select(p, crew()); }
extern "C" __global__ void __launch_bounds__(256) resident_cut_copy(CutParams p) { cut_copy(p, crew()); }
extern "C" __global__ void __launch_bounds__(256) resident_cut_changed(CutParams p) { cut_changed(p, crew()); }
extern "C" __global__ void __launch_bounds__(256) resident_load(CutParams p) { load(p, crew()); }

// Answers each new value of `ask` with this device's clock, in nanoseconds, until it reads ~0: the worker calibrates with it.
extern "C" __global__ void resident_clock(const u64* ask, u64* answer) {
    for (u64 last = 0, deadline = clock_micros() + 2000000; clock_micros() < deadline;) {
        const u64 now = take(ask);
        if (now == last) continue;
        if (now == ~0ull) return;
        last = now;
        u64 ns;
        asm volatile("mov.u64 %0, %globaltimer;" : "=l"(ns));
        publish(answer + 1, ns);
        // SYNC clock: pairs with the worker's load.
        publish_last(answer, last);
    }
}
