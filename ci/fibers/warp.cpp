// What kernels/cuda/fibers.h promises: lanes have from each other what those of a GPU would, and lanes that part are told of.
#include <csignal>
#include <cstring>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include "../../kernels/cuda/fibers.h"

namespace {

#define EXPECT(is) ((is) ? (void)0 : fail(#is, __LINE__))
[[noreturn]] void fail(const char* what, int line) {
    fprintf(stderr, "warp.cpp:%d: not so: %s\n", line, what);
    _exit(1);
}

constexpr u32 ALL = ~0u, EVEN = 0x55555555;

// What each of the live lanes gets.
void exchange(u32 live) {
    const u32 own = lane(), count = ones(live);
    u32 sum = 0;
    for (u32 rest = live; rest; rest &= rest - 1) sum += first_one(rest);
    EXPECT(live_lanes() == live);
    EXPECT(which_lanes(own % 3 == 0) == (live & 0x49249249));
    EXPECT(any_lane(own == first_one(live)) && !any_lane(false));
    EXPECT(from_lane(own * 7, 4) == 28 && from_lane((u64)own << 40, 4 + LANES) == 4ull << 40 && first_lane(own + 1) == 1);
    EXPECT(sum_of_lanes(own) == sum && sum_of_lanes((u64)own << 32) == (u64)sum << 32);
    EXPECT(most_of_lanes(own) == 31u - (u32)__builtin_clz(live) && latest_of_lanes((u64)own << 33) == (u64)most_of_lanes(own) << 33);
    EXPECT(same_lanes(own % 4) == (live & 0x11111111u << own % 4));
    EXPECT(is_first(live) == (own == first_one(live)) && ones(live & lanes_below()) < count);
}

void meets() {
    u64 counter = 100;
    u32 written[LANES] = {}, visits = 0;
    each_lane([&] {
        exchange(ALL);
        const u64 place = share_out(&counter, lane() % 3);
        u64 ahead = 100;
        for (u32 i = 0; i < lane(); ++i) ahead += i % 3;
        EXPECT(place == ahead && counter == 131);
        // FI-3: what was written ahead of a meeting is there behind it.
        for (u32 turn = 1; turn < 50; ++turn) {
            written[lane()] = turn;
            sync_lanes();
            EXPECT(written[(lane() + turn) % LANES] == turn);
            sync_lanes();
        }
        // One that waits has the others go on; from two places, what exchanges nothing.
        if (lane() == 7) {
            for (u32 i = 0; i < 100; ++i) let_others();
            sync_lanes();
        } else {
            sync_lanes();
        }
        if (lane() % 2) end_lane_here();
        exchange(EVEN);
        __atomic_fetch_add(&visits, 1, __ATOMIC_RELAXED);
    });
    EXPECT(visits == 16);
}

// The order in which lanes run until they meet.
std::string order() {
    std::string order;
    each_lane([&] { order += (char)('A' + lane()); });
    return order;
}

// What this says on its standard error until it ends by `signal`.
template <class F> std::string last_words(int signal, F what) {
    int ends[2];
    EXPECT(pipe(ends) == 0);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        std::signal(SIGABRT, SIG_DFL);
        what();
        _exit(0);
    }
    close(ends[1]);
    std::string said;
    char some[256];
    for (ssize_t n; (n = read(ends[0], some, sizeof some)) > 0;) said.append(some, (size_t)n);
    close(ends[0]);
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(signal ? WIFSIGNALED(status) && WTERMSIG(status) == signal : WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return said;
}

bool says(const std::string& said, const char* what) { return said.find(what) != std::string::npos; }

// FI-1, FI-2.
void partings() {
    const std::string another_thing = last_words(SIGABRT, [] {
        each_lane([] {
            if (lane() == 3) sum_of_lanes(1u);
            else which_lanes(true);
        });
    });
    EXPECT(says(another_thing, "sum_of_lanes") && says(another_thing, "which_lanes") && says(another_thing, "lane 3"));
    const std::string another_place = last_words(SIGABRT, [] {
        each_lane([] {
            if (lane() == 3) which_lanes(true);
            else which_lanes(true);
        });
    });
    EXPECT(says(another_place, "which_lanes"));
    const std::string dead = last_words(SIGABRT, [] { each_lane([] { lane() == 5 ? end_lane_here() : (void)from_lane(1u, 5); }); });
    EXPECT(says(dead, "lane 5, which has ended"));
}

// A race that a GPU would have: nothing orders the lanes.
void race() {
    u32 word = 0;
    each_lane([&] { word += lane(); });
    fprintf(stderr, "%u\n", word);
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 2 && !strcmp(arguments[1], "race")) {
        race();
        return 0;
    }
    if (count == 2 && !strcmp(arguments[1], "order")) {
        puts(order().c_str());
        return 0;
    }
    meets();
    partings();
    puts("warp: as it should be");
}
