// The resident kernel: one block per shard, launched once per generation. Compiled to engine.ptx; the driver links it with the
// handler crate's PTX when a device starts.
#define ENGINE_EXTERN __device__
#include "gpu.h"
#include "engine.h"
#include "cut.h"

// One warp polls the host's ring, another delivers what is late; the others work.
constexpr u32 POLLERS = 2;
static_assert((POLLERS + WORK_WARPS) * LANES == BLOCK_THREADS, "BLOCK_THREADS");

__shared__ Block shared_block;
// Given at the launch.
extern __shared__ Lane shared_lanes[];
// Its address is worked out once and then kept, since that is a matter of many cycles.
ENGINE_FN Block& block() {
    Block* b = &shared_block;
    asm volatile("" : "+l"(b));
    __builtin_assume(__isShared(b));
    return *b;
}
ENGINE_FN void while_waiting(Block&) {}

// Until something has come: to which queues, a bit each. 0 if the shard is to leave first.
struct Spin {
    enum : u32 { MOST = 0 };
    ENGINE_FN u32 operator()(Block& b, Lane& l) const {
        const Worker& w = b.workers[l.warp];
        const u64 host = peek(&w.cursor[INGRESS]), mail = peek(&w.cursor[INBOX]);
        const u32 host_tag = tag_at(b, INGRESS, host), mail_tag = tag_at(b, INBOX, mail);
        for (;;) {
            // The inbox is far: its look is on its way while the stage is watched.
            const Chunk look = chunk_at(b, w, INBOX, mail, 3);
            for (u32 turn = 0; turn < 2; ++turn)
                if (any_lane(tag_of(chunk_at(b, w, INGRESS, host, 3)) == host_tag)) return 1 << INGRESS;
            if (any_lane(tag_of(look) == mail_tag)) return 1 << INBOX;
            if (any_lane(peek(&b.jobs))) help(b, l);
            if (any_lane(peek(&b.leaving))) return 0;
        }
    }
};

__device__ __noinline__ void work_until_told_to_leave(u32 warp) {
    Block& b = block();
    Lane& l = shared_lanes[warp * LANES + lane()];
    enter_lane(b, l, warp);
    Spin spin;
    if (settle(b, l, [&](u32 queue) { return handle_some(b, l, queue); })) {
        work(b, l, spin);
        end_warp(b, l);
    }
    if (is_first(live_lanes())) part(b);
}

ENGINE_FN Lane& lane_of(CtxRaw* ctx) { return *(Lane*)((u8*)ctx - __builtin_offsetof(Lane, ctx)); }

extern "C" __device__ __noinline__ void resident_emit(CtxRaw* ctx, u32 type, const u8* payload, u32 length) { emit(block(), lane_of(ctx), type, payload, length); }

extern "C" __device__ __noinline__ void resident_send(CtxRaw* ctx, const RawAddress* to, u32 message, const u8* payload, u32 length, const ReplyTo* reply) {
    send_message(block(), lane_of(ctx), *to, message, payload, length, reply);
}

extern "C" __device__ __noinline__ u32 resident_spawn(CtxRaw* ctx, u64 fingerprint, const u8* state, u32 bytes, RawAddress* child) {
    return bear(block(), lane_of(ctx), fingerprint, state, bytes, *child);
}

extern "C" __device__ __noinline__ u32 resident_lookup(CtxRaw* ctx, u64 hash, u32 kind, RawAddress* found) {
    return find_name(block().names, ctx->system, hash, kind, *found);
}

extern "C" __device__ __noinline__ u8* resident_job_room(CtxRaw* ctx) { return job_room(block(), lane_of(ctx)); }

extern "C" __device__ __noinline__ u32 resident_job(CtxRaw* ctx, Work work, const RawJob* job) { return run_job(block(), lane_of(ctx), work, *job); }

// A handler panicked. There is no way back to the frame that called it, so its lane ends here, and the others of its warp go on.
extern "C" __device__ __noinline__ void resident_panic(const u8* text, u32 length) {
    Block& b = block();
    Lane& l = shared_lanes[threadIdx.x - POLLERS * LANES];
    hear_panic(b, l, text, length, [] { asm volatile("exit;"); });
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS, 1) resident_engine(EngineParams params) {
    Block& b = block();
    if (threadIdx.x == 0) enter(b, params, blockIdx.x, POLLERS);
    __syncthreads();
    const u32 warp = threadIdx.x / LANES;
    if (warp == 0) {
        auto poller = start_polling(b);
        bool idle = false;
        for (u32 turn = 0; !poller.leaving; ++turn) {
            const u32 staged = poll(b, poller, idle || turn % LOOK_EVERY == 0);
            idle = is_idle(b, poller, staged);
            if (idle) pause_ns(NAP_NS);
        }
        if (lane() == 0) part(b);
    } else if (warp == 1) {
        u64 scans[WORK_WARPS] = {};
        // Whoever works may wait for it until it has left.
        while (any_lane(peek(&b.left) + 1 < b.warps + b.apart))
            for (u32 w = 0; w < b.warps; ++w) deliver_some(b, w, scans[w]);
        if (lane() == 0) part(b);
    } else {
        work_until_told_to_leave(warp - POLLERS);
    }
}

// Mends the mailboxes, after a loss or ahead of a cut. One block, since no inbox is mended before every outbox is.
extern "C" __global__ void resident_mend(EngineParams p) {
    mend(p, {threadIdx.x, blockDim.x}, [] { __threadfence(); __syncthreads(); });
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
