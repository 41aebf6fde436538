// Who takes a step together: all lanes of a warp that have not ended, or one of them for itself. Part of engine.h.
//
// What ends a batch is written once, for either: a message that is alone, as it is where somebody waits for each, asks no other lane.
#pragma once
#include "block.h"

// What is not to stand in the way of what is done for every message: code is fetched as it is run.
ENGINE_FN bool rare(bool is) { return __builtin_expect(is, false); }

struct AllLanes {
    static constexpr u32 COUNT = LANES;
    ENGINE_FN static u32 lane() { return ::lane(); }
    ENGINE_FN static u32 live() { return live_lanes(); }
    ENGINE_FN static u32 below() { return lanes_below(); }
    ENGINE_FN static u32 which(bool yes) { return which_lanes(yes); }
    ENGINE_FN static bool any(bool yes) { return any_lane(yes); }
    ENGINE_FN static u32 sum(u32 value) { return sum_of_lanes(value); }
    ENGINE_FN static u64 latest(u64 value) { return latest_of_lanes(value); }
    ENGINE_FN static u32 same(u32 value) { return same_lanes(value); }
    template <class T> ENGINE_FN static T from(T value, u32 lane) { return from_lane(value, lane); }
    ENGINE_FN static void sync() { sync_lanes(); }
    ENGINE_FN static bool is_first(u32 lanes) { return ::is_first(lanes); }
};

// It is its own lane 0.
struct OneLane {
    static constexpr u32 COUNT = 1;
    ENGINE_FN static u32 lane() { return 0; }
    ENGINE_FN static u32 live() { return 1; }
    ENGINE_FN static u32 below() { return 0; }
    ENGINE_FN static u32 which(bool yes) { return yes; }
    ENGINE_FN static bool any(bool yes) { return yes; }
    ENGINE_FN static u32 sum(u32 value) { return value; }
    ENGINE_FN static u64 latest(u64 value) { return value; }
    ENGINE_FN static u32 same(u32) { return 1; }
    template <class T> ENGINE_FN static T from(T value, u32) { return value; }
    ENGINE_FN static void sync() {}
    ENGINE_FN static bool is_first(u32) { return true; }
};
