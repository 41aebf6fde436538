// The resident kernel: one block per shard, launched once per generation. Compiled to engine.ptx; the driver links it with the
// handler crate's PTX when a device starts.
#define ENGINE_EXTERN __device__
#include "gpu.h"
#include "engine.h"

constexpr u32 HANDLER_THREAD = LANES;       // the first of the second warp; the poller is the first warp
constexpr u32 WRITER_THREADS = 2 * LANES;      // the third warp
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

ENGINE_FN void post(Block& b, Chunk* to, Chunk c0, Chunk c1, Chunk c2, Chunk c3) {
    const u64 slot = b.posted;
    // SYNC outbox-free: pairs with the writer's store of `written`.
    while (slot - receive(&b.written) >= OUTBOX) {}
    Chunk* const out = b.out[slot % OUTBOX];
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
    b.out_to[slot % OUTBOX] = to;
    // SYNC posted: pairs with the writer's load.
    pass(&b.posted, slot + 1);
}

// Stores posted slots to the host, four lanes to a slot: 64 bytes in one piece on the bus.
ENGINE_FN void write_until_the_handler_has_left(Block& b) {
    const u32 place = lane() / CHUNKS, chunk = lane() % CHUNKS;
    for (u64 written = 0;;) {
        // SYNC posted: pairs with the handler's store in `post`. Whether it has left is asked first: it posts nothing after.
        const u32 left = peek(&b.left);
        const u64 posted = first_lane(receive(&b.posted));
        const u32 n = posted - written < LANES / CHUNKS ? (u32)(posted - written) : LANES / CHUNKS;
        if (n == 0) {
            if (first_lane(left)) return;
            continue;
        }
        const u32 at = (u32)(written + place) % OUTBOX;
        if (place < n) store_chunk(b.out_to[at] + chunk, b.out[at][chunk]);
        meet_lanes();
        written += n;
        // SYNC outbox-free, written: pairs with the handler's loads in `post` and `leave`.
        if (lane() == 0) pass(&b.written, written);
    }
}

__device__ __noinline__ void handle_until_told_to_leave() {
    struct {
        ENGINE_FN bool operator()(Block& b, const Chunk* chunk, u32 tag) const {
            for (;;) {
                for (u32 turn = 0; turn < 8; ++turn)
                    if (is_staged(load_staged(chunk), tag)) return true;
                if (peek(&b.leaving)) return false;
            }
        }
    } spin;
    handle(block(), spin);
}

extern "C" __device__ __noinline__ void resident_emit(CtxRaw*, u32 type, const u8* payload, u32 length) { emit(block(), type, payload, length); }

// A handler panicked. There is no way back to the frame that called it, so the actor fails and the shard goes on from here,
// nested on the stack; before the stack runs out the shard asks for a new generation.
extern "C" __device__ __noinline__ void resident_panic(const u8* text, u32 length) {
    Block& b = block();
    ++b.depth;
    fail(b, FAULT_PANIC, text, length);
    finish(b, b.cursor);
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
    if (thread < HANDLER_THREAD) {
        Poller poller = start_polling(b);
        for (u32 turn = 0; !peek(&b.leaving); ++turn) poll(b, poller, turn % LOOK_EVERY == 0);
    } else if (thread >= WRITER_THREADS) {
        write_until_the_handler_has_left(b);
    } else if (thread == HANDLER_THREAD) {
        b.stack_base = stack_mark();
        handle_until_told_to_leave();
        leave(b, 0);
    }
}

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
