// The bare kernels that `resident` is measured against: what the same round trip costs with nothing around it.
//
// All of them do one piece of work, `answer`, on one 64-byte line, as every other contender does. A line is four
// chunks of 16 bytes; the top 16 bits of each chunk are its tag, so a chunk is written and read whole and a line
// is there once all four tags are.
//
//   echo            a resident block for each line, one or more warps polling it in turn
//   rings_by_chunk  a resident block for each pair of rings: a warp reads 32 slots, a lane to a chunk
//   rings_by_slot   the same, a lane to a slot
//   sink            a resident block for each ring: handles 64-byte messages and answers none of them
//   once            one message, for a launch, a graph launch, and a launch between two copies
//   once_by_value   one message that comes as the kernel's argument
//   pass            two blocks that pass a line to and fro in device memory
//   all_to_all      blocks that send each other 64-byte messages, 32 at a time, through a ring of each
//   stencil         all steps of a wave, the blocks waiting for each other between two
//   digest_pages    a digest of every 4 KiB page, as the engine makes it, of memory that lies in one piece
//
// Each of the resident ones ends when the host says so, and in any case after `lifetime` nanoseconds.
//
// peers.ptx beside this file is made from it by ci/kernels.sh.

using u32 = unsigned int;
using u64 = unsigned long long;

struct alignas(16) Chunk {
    u64 low;
    u64 high;  // 48 bits of message, 16 of tag
};

// A line of `echo`, and what one side writes for one shard, has 128 bytes to itself.
constexpr u32 LINE_STRIDE = 8;     // in chunks
constexpr u32 CONTROL_STRIDE = 16; // in words
constexpr u32 STOP_TAG = 0xffff;
constexpr u32 BATCH = 32;          // slots that a warp reads at a time

// A chunk is one access to the memory model, not two (PTX ISA 8.3).
__device__ __forceinline__ Chunk load(const Chunk* p) {
    Chunk c;
    asm volatile("{ .reg .b128 t; ld.relaxed.sys.global.b128 t, [%2]; mov.b128 {%0, %1}, t; }"
                 : "=l"(c.low), "=l"(c.high)
                 : "l"(p)
                 : "memory");
    return c;
}

__device__ __forceinline__ void store(Chunk* p, Chunk c) {
    asm volatile("{ .reg .b128 t; mov.b128 t, {%1, %2}; st.relaxed.sys.global.b128 [%0], t; }"
                 ::"l"(p), "l"(c.low), "l"(c.high)
                 : "memory");
}

__device__ __forceinline__ void store_word(u64* p, u64 v) {
    asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(p), "l"(v) : "memory");
}

__device__ __forceinline__ u64 nanoseconds() {
    u64 t;
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(t));
    return t;
}

__device__ __forceinline__ u32 tag_of(Chunk c) {
    return (u32)(c.high >> 48);
}

// The work: `Line::answer` in benches/src/line.rs.
__device__ __forceinline__ Chunk answer(Chunk c) {
    c.low += 0x9e3779b97f4a7c15ull;
    c.high ^= 0x00005a5a5a5a5a5aull;
    return c;
}

// True now and then, when the kernel has outlived its time.
struct Lifetime {
    u64 end;
    u32 polls;

    __device__ __forceinline__ explicit Lifetime(u64 nanos) : end(nanoseconds() + nanos), polls(0) {}
    __device__ __forceinline__ bool over() {
        return (++polls & 255) == 0 && nanoseconds() > end;
    }
};

// A line for each block. Tags count messages from 1 and skip 0 and STOP_TAG. Of the warps that poll a line the
// first to see a message claims it, so that each is answered once; `stagger` sets them apart at the start.
extern "C" __global__ void echo(const Chunk* in, Chunk* out, u32 stagger, u64 lifetime) {
    __shared__ u32 answered;
    if (threadIdx.x == 0) answered = STOP_TAG - 1;
    __syncthreads();
    u32 lane = threadIdx.x & 31;
    u32 warp = threadIdx.x >> 5;
    if (lane >= 4) return;
    constexpr u32 LANES = 0xf;

    in += blockIdx.x * LINE_STRIDE + lane;
    out += blockIdx.x * LINE_STRIDE + lane;
    if (warp != 0) __nanosleep(stagger * warp);
    Lifetime life(lifetime);
    u32 last = 0;
    for (;;) {
        Chunk c = load(in);
        u32 tag = tag_of(c);
        if (!__all_sync(LANES, tag != last)) {
            if (life.over()) return;
            continue;
        }
        if (!__all_sync(LANES, tag == __shfl_sync(LANES, tag, 0))) continue;
        if (tag == STOP_TAG) return;
        u32 before = tag == 1 ? STOP_TAG - 1 : tag - 1;
        u32 seen = 0;
        if (lane == 0) seen = atomicCAS(&answered, before, tag);
        if (__shfl_sync(LANES, seen, 0) == before) store(out, answer(c));
        last = tag;
    }
}

// Slot `index` of a ring carries this tag in each chunk: its lap, counted from 1.
__device__ __forceinline__ u32 lap(u64 index, u32 capacity_log2) {
    return (u32)((index >> capacity_log2) + 1) & 0xffff;
}

// What the host writes for a shard, read in one access: `low` counts the replies it has read, `high` is not 0 once
// the shard shall stop.
// Words a shard writes for the host.
constexpr u32 IN_HEAD = 0;  // requests it has read
constexpr u32 SUM = 1;      // sink: of all words of all messages, less their tags

// Waits until the reply ring has room for slots below `end`. False: the host asks to stop, or time is over.
__device__ __forceinline__ bool room(u64 end, u64& read, u32 capacity_log2, const Chunk* host, Lifetime& life) {
    while (end - read > (1ull << capacity_log2)) {
        Chunk control = load(host);
        read = control.low;
        if (control.high != 0 || life.over()) return false;
    }
    return true;
}

// True once the host asks to stop, or time is over; asked now and then while there is nothing to do.
__device__ __forceinline__ bool leave(u32& idle, const Chunk* host, Lifetime& life) {
    if ((++idle & 63) != 0) return false;
    return load(host).high != 0 || nanoseconds() > life.end;
}

// How many of 8 slots, from the first on, have all four chunks; bit 4 * slot + chunk of `ready` stands for one.
__device__ __forceinline__ u32 leading_slots(u32 ready) {
    u32 missing = ~(ready & ready >> 1 & ready >> 2 & ready >> 3) & 0x11111111u;
    return missing == 0 ? 8 : (u32)(__ffs(missing) - 1) / 4;
}

// A warp reads 32 slots as four runs of 512 bytes, a lane to a chunk, so that neighbours share bus transactions.
struct Batch {
    Chunk chunks[4];
    u32 slots;

    __device__ __forceinline__ void read(const Chunk* ring, u64 next, u64 total, u32 capacity_log2) {
        u32 lane = threadIdx.x & 31;
        u64 mask = (1ull << capacity_log2) - 1;
#pragma unroll
        for (u32 k = 0; k < 4; k++) chunks[k] = load(ring + ((next + k * 8 + lane / 4) & mask) * 4 + lane % 4);
        slots = 0;
#pragma unroll
        for (u32 k = 0; k < 4; k++) {
            u64 index = next + k * 8 + lane / 4;
            u32 ready = __ballot_sync(~0u, index < total && tag_of(chunks[k]) == lap(index, capacity_log2));
            if (slots == k * 8) slots += leading_slots(ready);
        }
    }
};

extern "C" __global__ void rings_by_chunk(const Chunk* in, Chunk* out, const Chunk* host, u64* device, u32 capacity_log2,
                                          u64 total, u64 lifetime) {
    u32 lane = threadIdx.x & 31;
    u64 mask = (1ull << capacity_log2) - 1;
    in += (u64)blockIdx.x * 4 << capacity_log2;
    out += (u64)blockIdx.x * 4 << capacity_log2;
    host += blockIdx.x * LINE_STRIDE;
    device += blockIdx.x * CONTROL_STRIDE;
    Lifetime life(lifetime);
    u64 next = 0, read = 0;
    u32 idle = 0;
    while (next < total) {
        Batch batch;
        batch.read(in, next, total, capacity_log2);
        if (batch.slots == 0) {
            if (leave(idle, host, life)) return;
            continue;
        }
        if (!room(next + batch.slots, read, capacity_log2, host, life)) return;
#pragma unroll
        for (u32 k = 0; k < 4; k++) {
            u32 slot = k * 8 + lane / 4;
            if (slot < batch.slots) store(out + ((next + slot) & mask) * 4 + lane % 4, answer(batch.chunks[k]));
        }
        next += batch.slots;
        if (lane == 0) store_word(device + IN_HEAD, next);
    }
}

extern "C" __global__ void rings_by_slot(const Chunk* in, Chunk* out, const Chunk* host, u64* device, u32 capacity_log2,
                                         u64 total, u64 lifetime) {
    u32 lane = threadIdx.x & 31;
    u64 mask = (1ull << capacity_log2) - 1;
    in += (u64)blockIdx.x * 4 << capacity_log2;
    out += (u64)blockIdx.x * 4 << capacity_log2;
    host += blockIdx.x * LINE_STRIDE;
    device += blockIdx.x * CONTROL_STRIDE;
    Lifetime life(lifetime);
    u64 next = 0, read = 0;
    u32 idle = 0;
    while (next < total) {
        u64 index = next + lane;
        const Chunk* slot = in + (index & mask) * 4;
        Chunk c[4];
        bool ready = index < total;
#pragma unroll
        for (u32 k = 0; k < 4; k++) c[k] = load(slot + k);
#pragma unroll
        for (u32 k = 0; k < 4; k++) ready = ready && tag_of(c[k]) == lap(index, capacity_log2);
        u32 all = __ballot_sync(~0u, ready);
        u32 slots = all == ~0u ? BATCH : (u32)__ffs(~all) - 1;
        if (slots == 0) {
            if (leave(idle, host, life)) return;
            continue;
        }
        if (!room(next + slots, read, capacity_log2, host, life)) return;
        if (lane < slots) {
#pragma unroll
            for (u32 k = 0; k < 4; k++) store(out + (index & mask) * 4 + k, answer(c[k]));
        }
        next += slots;
        if (lane == 0) store_word(device + IN_HEAD, next);
    }
}

// The host checks SUM, which is written before the last IN_HEAD.
extern "C" __global__ void sink(const Chunk* in, const Chunk* host, u64* device, u32 capacity_log2, u64 total,
                                u64 lifetime) {
    u32 lane = threadIdx.x & 31;
    in += (u64)blockIdx.x * 4 << capacity_log2;
    host += blockIdx.x * LINE_STRIDE;
    device += blockIdx.x * CONTROL_STRIDE;
    Lifetime life(lifetime);
    u64 next = 0, sum = 0;
    u32 idle = 0;
    while (next < total) {
        Batch batch;
        batch.read(in, next, total, capacity_log2);
        if (batch.slots == 0) {
            if (leave(idle, host, life)) return;
            continue;
        }
#pragma unroll
        for (u32 k = 0; k < 4; k++) {
            Chunk c = answer(batch.chunks[k]);
            if (k * 8 + lane / 4 < batch.slots) sum += c.low + (c.high & 0x0000ffffffffffffull);
        }
        next += batch.slots;
        if (next == total) {
            for (u32 step = 16; step != 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
            if (lane == 0) {
                store_word(device + SUM, sum);
                __threadfence_system();
            }
        }
        if (lane == 0) store_word(device + IN_HEAD, next);
    }
}

// One message: four threads, one chunk each.
extern "C" __global__ void once(const Chunk* in, Chunk* out) {
    store(out + threadIdx.x, answer(load(in + threadIdx.x)));
}

struct Line {
    Chunk chunks[4];
};

extern "C" __global__ void once_by_value(const __grid_constant__ Line request, Chunk* out) {
    store(out + threadIdx.x, answer(request.chunks[threadIdx.x]));
}

// A warp to a page; eight loads of 16 bytes under way for each lane.
extern "C" __global__ void __launch_bounds__(256) digest_pages(const Chunk* memory, u64 pages, u64* digests) {
    const u32 lane = threadIdx.x % 32;
    const u64 warps = gridDim.x * (u64)blockDim.x / 32;
    for (u64 page = (blockIdx.x * (u64)blockDim.x + threadIdx.x) / 32; page < pages; page += warps) {
        const Chunk* const from = memory + page * 256 + lane;
        Chunk held[8];
#pragma unroll
        for (u32 k = 0; k < 8; k++) held[k] = from[k * 32];
        u64 h = 0x9e3779b97f4a7c15ull * (lane + 1);
#pragma unroll
        for (u32 k = 0; k < 8; k++) {
            h = (h ^ held[k].low) * 0xbf58476d1ce4e5b9ull;
            h = h << 31 | h >> 33;
            h = (h ^ held[k].high) * 0x94d049bb133111ebull;
            h = h << 29 | h >> 35;
        }
        h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ull;
        h ^= h >> 27;
        for (u32 step = 16; step; step /= 2) h += __shfl_xor_sync(~0u, h, step);
        if (lane == 0) digests[page] = h;
    }
}

// Blocks 0 and 1 pass a line to and fro, `rounds` times; four lanes of each, a lane to a chunk. What it took stands in `nanos`.
extern "C" __global__ void pass(Chunk* lines, u64 rounds, u64* nanos, u64 lifetime) {
    const u32 lane = threadIdx.x;
    if (lane >= 4) return;
    constexpr u32 LANES = 0xf;
    Chunk* const mine = lines + blockIdx.x * LINE_STRIDE + lane;
    Chunk* const other = lines + (1 - blockIdx.x) * LINE_STRIDE + lane;
    Lifetime life(lifetime);
    const u64 begin = nanoseconds();
    for (u64 i = 1; i <= rounds; i++) {
        const u64 tag = i % (STOP_TAG - 1) + 1;
        if (blockIdx.x == 0) store(other, {i, tag << 48});
        Chunk c;
        do {
            c = load(mine);
            if (life.over()) return;
        } while (!__all_sync(LANES, tag_of(c) == tag));
        if (blockIdx.x == 1) store(other, {c.low + 1, c.high});
    }
    if (blockIdx.x == 0 && lane == 0) *nanos = nanoseconds() - begin;
}

// What `all_to_all` counts for a block, a line to a word; behind them, for all: senders that are done, messages and their sum.
constexpr u32 TICKET = 0, TAKEN = 16, WORDS = 32;

// Four warps of each block send `batches` times 32 messages to blocks that they choose at random, with one ticket for each batch; a
// fifth takes what comes, a lane to a message, and works on it.
extern "C" __global__ void all_to_all(Chunk* rings, u64* words, u32 capacity_log2, u64 batches, u64 lifetime) {
    const u32 lane = threadIdx.x & 31, warp = threadIdx.x >> 5, blocks = gridDim.x;
    const u64 capacity = 1ull << capacity_log2;
    u64* const all = words + blocks * WORDS;
    Lifetime life(lifetime);
    if (warp < 4) {
        u64 random = blockIdx.x * 977 + warp * 131 + 7;
        for (u64 k = 0; k < batches; k++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            const u32 to = (u32)(random >> 33) % blocks;
            u64 ticket = 0;
            if (lane == 0) {
                ticket = atomicAdd(words + to * WORDS + TICKET, (u64)BATCH);
                while (ticket + BATCH - *(volatile u64*)(words + to * WORDS + TAKEN) > capacity && !life.over()) __nanosleep(40);
            }
            ticket = __shfl_sync(~0u, ticket, 0) + lane;
            Chunk* const slot = rings + (to * capacity + (ticket & (capacity - 1))) * 4;
            const u64 tag = (u64)lap(ticket, capacity_log2) << 48;
#pragma unroll
            for (u32 i = 0; i < 4; i++) store(slot + i, {k + i, tag | lane});
        }
        __syncwarp();
        if (lane == 0) atomicAdd(all, 1ull);
        return;
    }
    u64 next = 0, sum = 0;
    for (;;) {
        const u64 index = next + lane;
        const Chunk* const slot = rings + (blockIdx.x * capacity + (index & (capacity - 1))) * 4;
        Chunk c[4];
        bool there = true;
#pragma unroll
        for (u32 i = 0; i < 4; i++) {
            c[i] = load(slot + i);
            there = there && tag_of(c[i]) == lap(index, capacity_log2);
        }
        const u32 which = __ballot_sync(~0u, there), n = which == ~0u ? BATCH : __ffs(~which) - 1;
        if (n == 0) {
            const bool done = *(volatile u64*)all == blocks * 4ull && *(volatile u64*)(words + blockIdx.x * WORDS + TICKET) == next;
            if (__any_sync(~0u, done || life.over())) break;
            continue;
        }
        if (lane < n) {
#pragma unroll
            for (u32 i = 0; i < 4; i++) sum += answer(c[i]).low;
        }
        next += n;
        if (lane == 0) *(volatile u64*)(words + blockIdx.x * WORDS + TAKEN) = next;
    }
    for (u32 step = 16; step != 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
    if (lane == 0) {
        atomicAdd(all + 1, next);
        atomicAdd(all + 2, sum);
    }
}

// A cell's next value: `next` in examples/wave/tile/src/wave.rs, each operation rounded by itself.
__device__ __forceinline__ float next(float before, float now, const float (&around)[6], float courant_squared) {
    const float plane = __fadd_rn(__fadd_rn(around[0], around[1]), __fadd_rn(around[2], around[3]));
    const float bend = __fsub_rn(__fadd_rn(plane, __fadd_rn(around[4], around[5])), __fmul_rn(6.0f, now));
    return __fadd_rn(__fsub_rn(__fadd_rn(now, now), before), __fmul_rn(courant_squared, bend));
}

// Returns once all blocks, which are all on the device, have come here so often; or time is over.
__device__ __forceinline__ void all_blocks(u64* arrived, u64 times, Lifetime& life) {
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        atomicAdd(arrived, 1ull);
        while (*(volatile u64*)arrived < times * gridDim.x && !life.over()) {}
        __threadfence();
    }
    __syncthreads();
}

// A wave in a cube of `size` cells along each edge, x first, between walls of zeros. The next values take the place of the last ones:
// after an odd number of steps the result stands in `before`.
extern "C" __global__ void __launch_bounds__(1024) stencil(float* now, float* before, u32 size, u32 steps, float courant_squared, u64* arrived,
                                                            u64 lifetime) {
    const u32 layer = size * size, cells = layer * size, last = size - 1;
    Lifetime life(lifetime);
    for (u32 step = 1; step <= steps; step++) {
        for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < cells; i += gridDim.x * blockDim.x) {
            const u32 x = i % size, y = i / size % size, z = i / layer;
            const float around[6] = {
                x > 0 ? now[i - 1] : 0.0f,    x < last ? now[i + 1] : 0.0f,     y > 0 ? now[i - size] : 0.0f,
                y < last ? now[i + size] : 0.0f, z > 0 ? now[i - layer] : 0.0f, z < last ? now[i + layer] : 0.0f,
            };
            before[i] = next(before[i], now[i], around, courant_squared);
        }
        all_blocks(arrived, step, life);
        float* const swap = now;
        now = before;
        before = swap;
    }
}
