// The machine, as the engine sees it: the GPU. host.h offers the same names on a CPU.
//
// A chunk (16 bytes, its tag in the last two) is read and written by one 128-bit access. Nothing orders one chunk against
// another: the tag in each says whether it has arrived. See docs/memory-model.md, SYNC slot-ready.
#pragma once
#include "types.h"

#define ENGINE_FN __device__ __forceinline__
#define ENGINE_CALL __device__ __noinline__
// A loop that is as short as it is written: what is run once a message is fetched anew each time.
#define ENGINE_ROLLED _Pragma("unroll 1")
constexpr u32 LANES = 32;    // threads that poll together

struct alignas(16) Chunk { u64 lo, hi; };
constexpr bool ONE_ACCESS = true;   // to both of its words

// SYNC slot-ready: pairs with `store_chunk` of the other side.
ENGINE_FN Chunk load_chunk(const Chunk* from) {
    Chunk c;
    asm volatile("{ .reg .b128 t; ld.relaxed.sys.global.b128 t, [%2]; mov.b128 {%0, %1}, t; }" : "=l"(c.lo), "=l"(c.hi) : "l"(from));
    return c;
}
ENGINE_FN void store_chunk(Chunk* to, Chunk c) {
    asm volatile("{ .reg .b128 t; mov.b128 t, {%1, %2}; st.relaxed.sys.global.b128 [%0], t; }" ::"l"(to), "l"(c.lo), "l"(c.hi));
}

// Words in the region. `take` orders what follows after the load. `publish` is relaxed here: what it gives away are slots whose
// contents this shard has already received (their tags were checked), so no later store of the host can reach those loads; a
// release at system scope would wait for every posted write on the bus.
template <class T> ENGINE_FN T take(const T* word) { return __nv_atomic_load_n(const_cast<T*>(word), __NV_ATOMIC_ACQUIRE, __NV_THREAD_SCOPE_SYSTEM); }
template <class T> ENGINE_FN void publish(T* word, T value) { __nv_atomic_store_n(word, value, __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_SYSTEM); }
// The last store of a launch: orders everything before it.
template <class T> ENGINE_FN void publish_last(T* word, T value) { __nv_atomic_store_n(word, value, __NV_ATOMIC_RELEASE, __NV_THREAD_SCOPE_SYSTEM); }

// Words in the block's shared memory. Addressed as shared memory, since an access that could go anywhere costs more.
ENGINE_FN u32 shared(const void* p) { return (u32)__cvta_generic_to_shared(p); }
ENGINE_FN u32 peek(const u32* word) { u32 v; asm volatile("ld.relaxed.cta.shared.u32 %0, [%1];" : "=r"(v) : "r"(shared(word))); return v; }
ENGINE_FN u64 peek(const u64* word) { u64 v; asm volatile("ld.relaxed.cta.shared.u64 %0, [%1];" : "=l"(v) : "r"(shared(word))); return v; }
ENGINE_FN u32 receive(const u32* word) { u32 v; asm volatile("ld.acquire.cta.shared.u32 %0, [%1];" : "=r"(v) : "r"(shared(word)) : "memory"); return v; }
ENGINE_FN u64 receive(const u64* word) { u64 v; asm volatile("ld.acquire.cta.shared.u64 %0, [%1];" : "=l"(v) : "r"(shared(word)) : "memory"); return v; }
ENGINE_FN void pass(u32* word, u32 v) { asm volatile("st.release.cta.shared.u32 [%0], %1;" ::"r"(shared(word)), "r"(v) : "memory"); }
ENGINE_FN void pass(u64* word, u64 v) { asm volatile("st.release.cta.shared.u64 [%0], %1;" ::"r"(shared(word)), "l"(v) : "memory"); }
ENGINE_FN void note(u32* word, u32 v) { asm volatile("st.relaxed.cta.shared.u32 [%0], %1;" ::"r"(shared(word)), "r"(v)); }
ENGINE_FN void note(u64* word, u64 v) { asm volatile("st.relaxed.cta.shared.u64 [%0], %1;" ::"r"(shared(word)), "l"(v)); }

// A staged chunk: like a chunk in a ring, one access of 16 aligned bytes, and its tag says whether it is there.
ENGINE_FN Chunk load_staged(const Chunk* from) {
    Chunk c;
    asm volatile("ld.volatile.shared.v2.u64 {%0, %1}, [%2];" : "=l"(c.lo), "=l"(c.hi) : "r"(shared(from)));
    return c;
}
ENGINE_FN void store_staged(Chunk* to, Chunk c) {
    asm volatile("st.volatile.shared.v2.u64 [%0], {%1, %2};" ::"r"(shared(to)), "l"(c.lo), "l"(c.hi));
}

// Words that several lanes of a shard change. What was there before.
ENGINE_FN u32 bump_in_order(u32* word, u32 n) { u32 v; asm volatile("atom.acq_rel.cta.shared.add.u32 %0, [%1], %2;" : "=r"(v) : "r"(shared(word)), "r"(n) : "memory"); return v; }
ENGINE_FN u32 bump(u32* word, u32 n) { u32 v; asm volatile("atom.relaxed.cta.shared.add.u32 %0, [%1], %2;" : "=r"(v) : "r"(shared(word)), "r"(n)); return v; }
ENGINE_FN u64 bump(u64* word, u64 n) { u64 v; asm volatile("atom.relaxed.cta.shared.add.u64 %0, [%1], %2;" : "=l"(v) : "r"(shared(word)), "l"(n)); return v; }
// Gives away what has been received: its words were used, so nothing written there later can reach those loads.
ENGINE_FN void give_back(u64* word, u64 v) { note(word, v); }
// Whether the word was as expected; then it is what it is to become.
ENGINE_FN bool swap_if(u32* word, u32 was, u32 becomes) {
    u32 v;
    asm volatile("atom.acquire.cta.shared.cas.b32 %0, [%1], %2, %3;" : "=r"(v) : "r"(shared(word)), "r"(was), "r"(becomes) : "memory");
    return v == was;
}
// Runs `what` if no other lane of the shard is at something under the same lock. SYNC lock: each pairs with the one before.
template <class F> ENGINE_FN bool if_free(u32* lock, F what) {
    if (!swap_if(lock, 0, 1)) return false;
    what();
    pass(lock, 0u);
    return true;
}

// Words of a row, in device memory, between this shard's poller and its handler.
template <class T> ENGINE_FN T look(const T* word) { return __nv_atomic_load_n(const_cast<T*>(word), __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_BLOCK); }
template <class T> ENGINE_FN void put(T* word, T value) { __nv_atomic_store_n(word, value, __NV_ATOMIC_RELEASE, __NV_THREAD_SCOPE_BLOCK); }

// What a next launch resumes from, in device memory. The compiler keeps the order of these among each other; `commit_by` is behind all that is
// written ahead of it, and ahead of all behind it.
ENGINE_FN void keep_word(u64* to, u64 v) { asm volatile("st.volatile.global.u64 [%0], %1;" ::"l"(to), "l"(v)); }
ENGINE_FN void commit_by(u64* to, u64 first, u64 second) { asm volatile("st.volatile.global.v2.u64 [%0], {%1, %2};" ::"l"(to), "l"(first), "l"(second) : "memory"); }
ENGINE_FN void count_up(u64* to, u64 n) { asm volatile("red.relaxed.gpu.global.add.u64 [%0], %1;" ::"l"(to), "l"(n)); }
ENGINE_FN void raise_kept(u64* to, u64 v) { asm volatile("red.relaxed.gpu.global.max.u64 [%0], %1;" ::"l"(to), "l"(v)); }
ENGINE_FN void keep(Chunk* to, Chunk c) { asm volatile("st.volatile.global.v2.u64 [%0], {%1, %2};" ::"l"(to), "l"(c.lo), "l"(c.hi)); }

// Has memory fetched without waiting for it.
ENGINE_FN void touch(const u8* memory) { asm volatile("prefetch.global.L1 [%0];" ::"l"(memory)); }

// Counts of messages handled, in device memory: a row's, so of one warp.
ENGINE_FN void count_from(u64* count, u64 value) { __nv_atomic_store_n(count, value, __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_BLOCK); }
ENGINE_FN u64 counted(const u64* count) { return look(count); }

// What is in shared memory is known to be, where the compiler can not see it: an access that could go anywhere costs more.
template <class T> ENGINE_FN T& known(T& it) {
    __builtin_assume(__isShared(&it));
    return it;
}

ENGINE_FN u32 lane() { return threadIdx.x % LANES; }
ENGINE_FN u32 which_lanes(bool yes) { return __ballot_sync(~0u, yes); }
template <class T> ENGINE_FN T first_lane(T value) { return __shfl_sync(~0u, value, 0); }
template <class T> ENGINE_FN T from_lane(T value, u32 lane) { return __shfl_sync(~0u, value, (int)lane); }
// Lanes of a warp, a bit each. One that has ended takes no part in any of these, and is not waited for.
ENGINE_FN u32 live_lanes() { return which_lanes(true); }
ENGINE_FN bool any_lane(bool yes) { return which_lanes(yes) != 0; }
ENGINE_FN u32 most_of_lanes(u32 value) { return __reduce_max_sync(~0u, value); }
ENGINE_FN u32 sum_of_lanes(u32 value) { return __reduce_add_sync(~0u, value); }
// The largest, of all lanes.
ENGINE_FN u64 latest_of_lanes(u64 value) {
    const u32 above = __reduce_max_sync(~0u, (u32)(value >> 32));
    const u32 below = __reduce_max_sync(~0u, (u32)(value >> 32) == above ? (u32)value : 0u);
    return (u64)above << 32 | below;
}
ENGINE_FN u32 same_lanes(u32 value) { return __match_any_sync(~0u, value); }
ENGINE_FN void sync_lanes() { __syncwarp(); }
ENGINE_FN u32 lanes_below(u32 lane) { return (1u << lane) - 1; }
ENGINE_FN u32 lanes_below() { return lanes_below(lane()); }
ENGINE_FN u32 ones(u32 bits) { return (u32)__popc((int)bits); }
ENGINE_FN u32 first_one(u32 bits) { return (u32)__ffs((int)bits) - 1; }
ENGINE_FN bool is_first(u32 lanes) { return lane() == first_one(lanes); }
ENGINE_FN u32 first_zero(u32 bits) { return (u32)__ffs((int)~bits) - 1; }     // 32 if there is none is never asked for

// How far a shard has come in its inbox. As `publish`: what is given away has been received.
// SYNC inbox-room: the store pairs with the loads of those who look for room.
// Both relaxed: an acquire at this scope makes the multiprocessor forget all that it holds of memory, and what is written by what was
// seen depends on it.
ENGINE_FN u64 look_for_room(const u64* head) { return __nv_atomic_load_n(const_cast<u64*>(head), __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_DEVICE); }
ENGINE_FN u64 look_at_tail(const u64* tail) { return look_for_room(tail); }
ENGINE_FN void give_room(u64* head, u64 v) { __nv_atomic_store_n(head, v, __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_DEVICE); }

// Gives out `n` slots of a ring that several warps write; the first of them. Relaxed: whoever has a ticket looks for room itself.
ENGINE_FN u64 take_ticket(u64* tail, u64 n) { u64 v; asm volatile("atom.relaxed.gpu.global.add.u64 %0, [%1], %2;" : "=l"(v) : "l"(tail), "l"(n)); return v; }

// Adds across the device; what was there.
ENGINE_FN u64 add(u64* word, u64 n) { return __nv_atomic_fetch_add(word, n, __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_DEVICE); }
ENGINE_FN u64 sum_of_lanes(u64 n) {
    for (u32 step = LANES / 2; step; step /= 2) n += __shfl_xor_sync(~0u, n, step);
    return n;
}
// Takes `n` places for each lane of a warp from a counter that all warps share; where this lane's begin.
ENGINE_FN u64 share_out(u64* counter, u64 n) {
    u64 to_here = n;
    for (u32 step = 1; step < LANES; step *= 2) {
        const u64 before = __shfl_up_sync(~0u, to_here, step);
        if (lane() >= step) to_here += before;
    }
    const u64 all = __shfl_sync(~0u, to_here, LANES - 1);
    u64 first = 0;
    if (all && lane() == 0) first = add(counter, all);
    return first_lane(first) + to_here - n;
}

// A bit among many, which other threads may be setting.
ENGINE_FN void set_bit(u32* bits, u64 at) { atomicOr(bits + at / 32, 1u << at % 32); }
ENGINE_FN bool get_bit(const u32* bits, u64 at) { return *(const volatile u32*)(bits + at / 32) >> at % 32 & 1; }

// What ThreadSanitizer is told of on a CPU.
ENGINE_FN void mail_is_written(const Chunk*) {}
ENGINE_FN void mail_is_read(const Chunk*) {}
ENGINE_FN void chunk_is_read(const Chunk*) {}
ENGINE_FN constexpr bool weakened(const char*) { return false; }

ENGINE_FN u64 clock_micros() {
    u64 ns;
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(ns));
    return ns / 1000;
}
ENGINE_FN void pause_ns(u32 ns) { __nanosleep(ns); }
ENGINE_FN u64 stack_mark() {
    char here;
    return (u64)&here;
}
