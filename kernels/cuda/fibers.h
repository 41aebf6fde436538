// The lanes of a warp on a CPU, as tests have them: 32 fibers on one thread. The same names as in gpu.h.
//
// A lane runs until it comes to what all lanes of its warp do together, or waits for somebody else. Once all that have not ended have
// come to the same, it is done for all of them. Nothing else orders them: with RESIDENT_LANE_ORDER, a number, it is random who runs next;
// without it, or with 0, they take turns as they are numbered.
//
//   FI-1 (same)    Lanes that meet come for the same thing, from the same place. What waits for all and exchanges nothing may be reached
//                  from two. Anything else a GPU leaves undefined: both places are named, and the process aborts.
//   FI-2 (alive)   No lane is asked for what only one that has ended could tell. Else as above.
//   FI-3 (order)   What a lane has written ahead of a meeting is seen behind it by all, and nothing else: ThreadSanitizer is told so.
#pragma once
#include <memory>
#include <optional>
#include <sched.h>
#include "fiber.h"

constexpr u32 LANES = 32;

inline u32 ones(u32 bits) { return (u32)__builtin_popcount(bits); }
inline u32 first_one(u32 bits) { return bits ? (u32)__builtin_ctz(bits) : ~0u; }
inline u32 first_zero(u32 bits) { return first_one(~bits); }

// Where the engine's text stands.
struct Place { const char* file; int line; };

class Warp {
  public:
    // Who has met, a bit each, and what each has brought.
    struct Met { u32 lanes; u64 values[LANES]; };

    // Runs `lane` in each lane, until all have ended.
    template <class F> void run(F& lane) {
        body = [](void* f) { (*(F*)f)(); };
        argument = &lane;
        begin();
    }
    UNWATCHED u32 current_lane() const { return current; }
    UNWATCHED const Met& meet(const char* what, Place place, u64 value, bool anywhere = false) {
        Met& m = met[turn & 1];
        if (!here) what_first = what, place_first = place;
        else if (what != what_first || (!anywhere && (place.line != place_first.line || place.file != place_first.file))) part(what, place);
        m.values[current] = value;
        here |= 1u << current;
        release_to(&m);
        if (here == live) complete();
        go_on(live & ~here);
        // All that have come since have met here.
        acquire_from(&m);
        return m;
    }
    // Has others run meanwhile, of this warp and of the machine.
    UNWATCHED void let_others() {
        sched_yield();
        go_on(live & ~here);
    }
    // Ends this lane: it is not waited for any more.
    [[noreturn]] UNWATCHED void end() {
        live &= ~(1u << current);
        release_to(&met[turn & 1]);
        release_to(this);
        if (live && here == live) complete();
        Fiber& own = *fibers[current];
        if (live) current = next(live & ~here);
        own.change(live ? *fibers[current] : thread, true);
        abort();
    }
    [[noreturn]] UNWATCHED void part(const char* what, Place place) {
        fprintf(stderr, "fibers: lane %u is at %s (%s:%d), and lane %u at %s (%s:%d)\n", current, what, place.file, place.line,
                first_one(here), what_first, place_first.file, place_first.line);
        abort();
    }
    [[noreturn]] UNWATCHED void ask_nobody(u32 lane, Place place) {
        fprintf(stderr, "fibers: lane %u, which has ended, is asked by lane %u (%s:%d)\n", lane, current, place.file, place.line);
        abort();
    }

  private:
    Fiber thread;
    std::optional<Fiber> fibers[LANES];
    void (*body)(void*) = nullptr;
    void* argument = nullptr;
    u32 current = 0, live = 0;
    u32 here = 0;                       // lanes that have come to where they meet next
    const char* what_first = nullptr;   // what the first of them has come for,
    Place place_first{};                // and where
    u64 turn = 0;                       // meetings so far
    Met met[2];                         // the last one, which some have not gone on from, and the next
    u64 random = 0;

    void begin();
    static void start();
    UNWATCHED void complete() {
        met[turn++ & 1].lanes = here;
        here = 0;
    }
    // One of these lanes.
    UNWATCHED u32 next(u32 among) {
        if (!random) return first_one(among);
        // Xorshift (Marsaglia 2003).
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        const u32 first = random % LANES, from_there = among & ~0u << first;
        return first_one(from_there ? from_there : among);
    }
    UNWATCHED void go_on(u32 among) {
        const u32 before = current;
        current = next(among);
        if (current != before) fibers[before]->change(*fibers[current]);
    }
};
inline thread_local Warp* warp = nullptr;

inline void Warp::start() {
    warp->fibers[warp->current_lane()]->has_come();
    warp->body(warp->argument);
    warp->end();
}
UNWATCHED inline void Warp::begin() {
    static const char* const order = getenv("RESIDENT_LANE_ORDER");
    static const u64 seed = order ? strtoull(order, nullptr, 10) : 0;
    static u64 warps = 0;
    // Each warp has an order of its own.
    if (seed) random = (seed + __atomic_add_fetch(&warps, 1, __ATOMIC_RELAXED)) * 0x9e3779b97f4a7c15ull;
    for (std::optional<Fiber>& fiber : fibers) fiber.emplace(start);
    live = ~0u;
    current = next(live);
    warp = this;
    thread.change(*fibers[current]);
    acquire_from(this);
    warp = nullptr;
}

// Runs this in each lane of a warp.
template <class F> void each_lane(F lane) { std::make_unique<Warp>()->run(lane); }
[[noreturn]] inline void end_lane_here() { warp->end(); }
inline void let_others() { warp ? warp->let_others() : (void)sched_yield(); }

// ---- what lanes do together --------------------------------------------------------------------------------------------

#define HERE Place here = {__builtin_FILE(), __builtin_LINE()}

inline u32 lane() { return warp->current_lane(); }
inline u32 lanes_below(u32 lane) { return (1u << lane) - 1; }
inline u32 lanes_below() { return lanes_below(lane()); }
inline bool is_first(u32 lanes) { return lane() == first_one(lanes); }

// What each of those that have met has brought, one after another.
template <class Each> void each_met(const Warp::Met& met, Each each) {
    for (u32 rest = met.lanes; rest; rest &= rest - 1) each(first_one(rest), met.values[first_one(rest)]);
}

inline u32 which_lanes(bool yes, HERE) {
    u32 which = 0;
    each_met(warp->meet("which_lanes", here, yes), [&](u32 lane, u64 value) { which |= (u32)value << lane; });
    return which;
}
inline u32 live_lanes(HERE) { return which_lanes(true, here); }
inline bool any_lane(bool yes, HERE) { return which_lanes(yes, here) != 0; }
template <class T> T from_lane(T value, u32 lane, HERE) {
    const Warp::Met& met = warp->meet("from_lane", here, (u64)value);
    lane %= LANES;
    if (!(met.lanes >> lane & 1)) warp->ask_nobody(lane, here);
    return (T)met.values[lane];
}
template <class T> T first_lane(T value, HERE) { return from_lane(value, 0, here); }
inline u32 most_of_lanes(u32 value, HERE) {
    u32 most = 0;
    each_met(warp->meet("most_of_lanes", here, value), [&](u32, u64 value) { most = value > most ? (u32)value : most; });
    return most;
}
inline u64 latest_of_lanes(u64 value, HERE) {
    u64 latest = 0;
    each_met(warp->meet("latest_of_lanes", here, value), [&](u32, u64 value) { latest = value > latest ? value : latest; });
    return latest;
}
inline u64 sum_of_lanes(u64 value, HERE) {
    u64 sum = 0;
    each_met(warp->meet("sum_of_lanes", here, value), [&](u32, u64 value) { sum += value; });
    return sum;
}
inline u32 sum_of_lanes(u32 value, HERE) { return (u32)sum_of_lanes((u64)value, here); }
inline u32 same_lanes(u32 value, HERE) {
    u32 same = 0;
    each_met(warp->meet("same_lanes", here, value), [&](u32 lane, u64 of) { same |= (u32)(of == value) << lane; });
    return same;
}
inline void sync_lanes(HERE) { warp->meet("sync_lanes", here, 0, true); }

// Takes `n` places for each lane from a counter that others may share; where this lane's begin.
inline u64 share_out(u64* counter, u64 n, HERE) {
    u64 ahead = 0, all = 0;
    each_met(warp->meet("share_out", here, n), [&](u32 of, u64 n) {
        ahead += of < lane() ? n : 0;
        all += n;
    });
    const u64 first = lane() == 0 && all ? __atomic_fetch_add(counter, all, __ATOMIC_RELAXED) : 0;
    return first_lane(first, here) + ahead;
}
#undef HERE
