// The lanes of a warp on a CPU: one, which is the thread. The same names as in gpu.h.
#pragma once
#include <sched.h>
#include "types.h"

constexpr u32 LANES = 1;

// Runs this in each lane of a warp.
template <class F> void each_lane(F lane) { lane(); }
inline void let_others() { sched_yield(); }

inline u32 lane() { return 0; }
inline u32 which_lanes(bool yes) { return yes; }
template <class T> T first_lane(T value) { return value; }
template <class T> T from_lane(T value, u32) { return value; }
inline u32 live_lanes() { return 1; }
inline bool any_lane(bool yes) { return yes; }
inline u32 most_of_lanes(u32 value) { return value; }
inline u64 latest_of_lanes(u64 value) { return value; }
inline u32 sum_of_lanes(u32 value) { return value; }
inline u64 sum_of_lanes(u64 value) { return value; }
inline u32 same_lanes(u32) { return 1; }
inline void sync_lanes() {}
inline u64 share_out(u64* counter, u64 n) { return (*counter += n) - n; }
inline u32 lanes_below(u32 = 0) { return 0; }
inline u32 ones(u32 bits) { return (u32)__builtin_popcount(bits); }
inline u32 first_one(u32 bits) { return (u32)__builtin_ctz(bits); }
inline bool is_first(u32) { return true; }
inline u32 first_zero(u32 bits) { return (u32)__builtin_ctz(~bits); }
