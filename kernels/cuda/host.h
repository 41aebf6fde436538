// The machine, as the engine sees it: a CPU. The same names as gpu.h, over the host compiler's atomics.
#pragma once
#include <ctime>
#include "types.h"
#include "watch.h"
#ifdef ENGINE_FIBERS
#include "fibers.h"
#else
#include "one_lane.h"
#endif

#define ENGINE_FN inline
#define ENGINE_CALL inline
#define ENGINE_ROLLED
#define ENGINE_EXTERN

struct alignas(16) Chunk { u64 lo, hi; };
constexpr bool ONE_ACCESS = false;  // to both of its words

// SYNC slot-ready: the tag stands in the high word, so it is stored last and loaded first.
inline Chunk load_chunk(const Chunk* from) {
    const u64 hi = __atomic_load_n(&from->hi, __ATOMIC_ACQUIRE);
    return {__atomic_load_n(&from->lo, __ATOMIC_RELAXED), hi};
}
inline void store_chunk(Chunk* to, Chunk c) {
    __atomic_store_n(&to->lo, c.lo, __ATOMIC_RELAXED);
    __atomic_store_n(&to->hi, c.hi, __ATOMIC_RELEASE);
}

template <class T> T take(const T* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
template <class T> void publish(T* word, T value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }
template <class T> void publish_last(T* word, T value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }

template <class T> T peek(const T* word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
template <class T> T receive(const T* word) {
    if (weakened("stage-free/load")) return peek(word);
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
template <class T> void note(T* word, T value) { __atomic_store_n(word, value, __ATOMIC_RELAXED); }
template <class T> void pass(T* word, T value) {
    if (weakened("stage-free/store")) return note(word, value);
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
inline Chunk load_staged(const Chunk* from) {
    if (weakened("staged/load")) {
        const u64 hi = peek(&from->hi);
        return {peek(&from->lo), hi};
    }
    return load_chunk(from);
}
inline void store_staged(Chunk* to, Chunk c) {
    chunk_is_written(to);
    if (!weakened("staged/store")) return store_chunk(to, c);
    note(&to->lo, c.lo);
    note(&to->hi, c.hi);
}

inline u32 bump_in_order(u32* word, u32 n) { return __atomic_fetch_add(word, n, __ATOMIC_ACQ_REL); }
inline u32 bump(u32* word, u32 n) { return __atomic_fetch_add(word, n, __ATOMIC_RELAXED); }
inline u64 bump(u64* word, u64 n) { return __atomic_fetch_add(word, n, __ATOMIC_RELAXED); }
inline void give_back(u64* word, u64 v) { pass(word, v); }
inline void raise_kept(u64* word, u64 to) {
    u64 was = peek(word);
    while (was < to && !__atomic_compare_exchange_n(word, &was, to, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
}
inline bool swap_if(u32* word, u32 was, u32 becomes) { return __atomic_compare_exchange_n(word, &was, becomes, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED); }
// SYNC lock: each pairs with the one before.
template <class F> bool if_free(u32* lock, F what) {
    if (!swap_if(lock, 0, 1)) return false;
    what();
    pass(lock, 0u);
    return true;
}
template <class T> T look(const T* word) { return peek(word); }
inline void touch(const u8* memory) { __builtin_prefetch(memory); }
template <class T> void put(T* word, T value) { pass(word, value); }

// Nothing but the end of this process comes between two stores, and those it has made stay.
inline void keep(Chunk* to, Chunk c) {
    note(&to->hi, c.hi);
    note(&to->lo, c.lo);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

inline void keep_word(u64* to, u64 v) {
    note(to, v);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}
inline void commit_by(u64* to, u64 first, u64 second) { keep((Chunk*)to, {first, second}); }
inline void count_up(u64* to, u64 n) { bump(to, n); }

inline void count_from(u64* count, u64 value) { *count = value; }
inline u64 counted(const u64* count) { return *count; }

template <class T> T& known(T& it) { return it; }

inline void set_bit(u32* bits, u64 at) { __atomic_fetch_or(bits + at / 32, 1u << at % 32, __ATOMIC_RELAXED); }
inline bool get_bit(const u32* bits, u64 at) { return peek(bits + at / 32) >> at % 32 & 1; }

// Relaxed: whoever has a ticket looks for room itself.
inline u64 take_ticket(u64* tail, u64 n) { return __atomic_fetch_add(tail, n, __ATOMIC_RELAXED); }
// SYNC inbox-room: a shard's word of how far it has come pairs with the loads of those who look for room.
inline u64 look_for_room(const u64* head) { return weakened("inbox-room/load") ? peek(head) : take(head); }
inline u64 look_at_tail(const u64* tail) { return take(tail); }
inline void give_room(u64* head, u64 v) {
    if (weakened("inbox-room/store")) return note(head, v);
    publish(head, v);
}
inline u64 add(u64* word, u64 n) { return bump(word, n); }

inline u64 clock_micros() {
    timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (u64)t.tv_sec * 1000000 + (u64)t.tv_nsec / 1000;
}
inline void pause_ns(u32) { let_others(); }
