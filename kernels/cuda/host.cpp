// The engine as the CPU device runs it: a shard is a thread that polls and handles in turn, or, as on the GPU, one thread that polls
// and several that handle. Each is a warp: of one lane, or of 32 (fibers.h), which never take turns at both.
#include <memory>
#include <thread>
#include <vector>
#include "host.h"
#include "engine.h"
#include "cut.h"

namespace {

struct HostBlock : Block {
#ifdef ENGINE_WATCH
    u8 bytes[STAGE * CHUNKS];           // one for each staged chunk (watch.h)
#endif
};

thread_local HostBlock* current = nullptr;
thread_local Lane* lanes = nullptr;         // of the warp that this thread is
// What is beside the work warps.
struct Beside {
    Poller poller;
    u64 scans[WORK_WARPS];
};
thread_local Beside* fused = nullptr;       // set while this thread polls and handles in turn

// With nothing to do, first stay close, then let others run, then sleep: the CPU device shares its cores with the application.
class Idle {
  public:
    void reset() { turns = 0; }
    void wait() {
        if (turns < SPINS) { ++turns; return; }
        if (turns < SPINS + YIELDS) { ++turns; sched_yield(); return; }
        timespec nap{0, NAP_NS};
        nanosleep(&nap, nullptr);
    }

  private:
    static constexpr u32 SPINS = 64, YIELDS = 200;
    static constexpr long NAP_NS = 50000;
    u32 turns = 0;
};

// Delivers what is late; whether any has gone.
bool deliver_some(Block& b, Beside& beside) {
    bool any = false;
    for (u32 w = 0; w < b.warps; ++w) any |= deliver_some(b, w, beside.scans[w]);
    return any;
}
// The same, and looks at the host's ring, and with `look` at the control line.
bool poll_and_deliver(Block& b, Beside& beside, bool look) {
    const bool any = deliver_some(b, beside);
    return poll(b, beside.poller, look) || any;
}

void poll_until_leaving(HostBlock& b) {
    current = &b;
    each_lane([&] {
        Idle idle;
        Beside beside{start_polling(b), {}};
        while (!beside.poller.leaving) {
            if (poll_and_deliver(b, beside, true)) idle.reset();
            else if (lane() == 0) idle.wait();
        }
        // Whoever works may wait for it until it has left.
        while (any_lane(peek(&b.left) < b.warps)) {
            if (deliver_some(b, beside)) idle.reset();
            else if (lane() == 0) idle.wait();
        }
        if (lane() == 0) part(b);
    });
}

// A work warp with a thread of its own.
void work_until_leaving(HostBlock& b, u32 warp) {
    struct UntilTold {
        enum : u32 { MOST = 0 };
        Idle idle;
        u64 rounds = 0;
        u32 operator()(Block& b, Lane& l) {
            if (any_lane(peek(&b.jobs)) && help(b, l)) idle.reset();
            const u64 now = b.workers[l.warp].rounds;
            if (rounds != now) { rounds = now; idle.reset(); }
            if (is_first(live_lanes())) idle.wait();
            return 1 << INGRESS | 1 << INBOX;
        }
    };
    current = &b;
    const auto all = std::make_unique<Lane[]>(LANES);
    lanes = all.get();
    each_lane([&] {
        Lane& l = lanes[lane()];
        enter_lane(b, l, warp);
        UntilTold until_told;
        if (settle(b, l, [&](u32 queue) { return handle_some(b, l, queue); })) {
            work(b, l, until_told);
            end_warp(b, l);
        }
        if (is_first(live_lanes())) part(b);
    });
}

void poll_and_work_until_leaving(Block& b) {
    // Its inbox may never be empty, and the ring is looked at in between.
    struct {
        enum : u32 { MOST = 16 };
        u32 operator()(Block&, const Lane&) const { return 0; }
    } not_at_all;
    Idle idle;
    bool look = true;
    Beside beside{start_polling(b), {}};
    fused = &beside;
    const auto lane = std::make_unique<Lane>();
    enter_lane(b, *lane, 0);
    if (settle(b, *lane, [&](u32 queue) { return handle_some(b, *lane, queue); })) {
        for (u32 turn = 0; !beside.poller.leaving; ++turn) {
            const bool any = poll_and_deliver(b, beside, look || turn % LOOK_EVERY == 0);
            const u64 rounds = b.workers[0].rounds;
            work(b, *lane, not_at_all);
            look = !any && rounds == b.workers[0].rounds;
            if (look) idle.wait();
            else idle.reset();
        }
        end_warp(b, *lane);
    }
    part(b);
    fused = nullptr;
}

}  // namespace

inline Block& block() { return *current; }
#ifdef ENGINE_WATCH
constexpr u64 MAIL_WORDS = 1 << 24;
u64 mail_words[MAIL_WORDS];
u64& word_for_mail(const Chunk* slot) { return mail_words[(u64)slot / SLOT_BYTES % MAIL_WORDS]; }
u8& byte_for(const Chunk* staged) {
    HostBlock& b = *current;
    return b.bytes[staged - b.ring.stage[0]];
}
#endif
inline void while_waiting(Block& b) {
    if (fused) poll_and_deliver(b, *fused, true);
    let_others();
}

inline Lane& lane_of(CtxRaw* ctx) { return *(Lane*)((u8*)ctx - __builtin_offsetof(Lane, ctx)); }

extern "C" void resident_emit(CtxRaw* ctx, u32 type, const u8* payload, u32 length) { emit(block(), lane_of(ctx), type, payload, length); }

extern "C" void resident_send(CtxRaw* ctx, const RawAddress* to, u32 message, const u8* payload, u32 length, const ReplyTo* reply) {
    send_message(block(), lane_of(ctx), *to, message, payload, length, reply);
}

extern "C" u32 resident_spawn(CtxRaw* ctx, u64 fingerprint, const u8* state, u32 bytes, RawAddress* child) {
    return bear(block(), lane_of(ctx), fingerprint, state, bytes, *child);
}

extern "C" u32 resident_lookup(CtxRaw* ctx, u64 hash, u32 kind, RawAddress* found) {
    return find_name(block().names, ctx->system, hash, kind, *found);
}

extern "C" u8* resident_job_room(CtxRaw* ctx) { return job_room(block(), lane_of(ctx)); }

extern "C" u32 resident_job(CtxRaw* ctx, Work work, const RawJob* job) { return run_job(block(), lane_of(ctx), work, *job); }

#ifdef ENGINE_FIBERS
// As on a GPU: a handler has panicked, and its lane ends.
extern "C" [[noreturn]] void resident_panic(const u8* text, u32 length) {
    Block& b = block();
    Lane& l = lanes[lane()];
    hear_panic(b, l, text, length, end_lane_here);
}
#endif

// Mends the mailboxes of all shards, after a loss or ahead of a cut.
extern "C" void resident_host_mend(const EngineParams* p) {
    each_lane([=] { mend(*p, {lane(), LANES}, [] { sync_lanes(); }); });
}

// The steps of a cut, and a load.
extern "C" void resident_host_cut_select(const CutParams* p) { each_lane([=] { cut_select(*p, {0, 1}); }); }
extern "C" void resident_host_cut_copy(const CutParams* p) { each_lane([=] { cut_copy(*p, {0, 1}); }); }
extern "C" void resident_host_cut_changed(const CutParams* p) { each_lane([=] { cut_changed(*p, {0, 1}); }); }
extern "C" void resident_host_load(const CutParams* p) { each_lane([=] { load(*p, {0, 1}); }); }

// Runs shard `shard` until it is told to leave; with `threads` its pollers are a thread of their own, and each work warp is. A warp of
// several lanes always is.
extern "C" void resident_host_shard(const EngineParams* params, u32 shard, u32 threads) {
    const auto b = std::make_unique<HostBlock>();
    const bool apart = threads || LANES > 1;
    current = b.get();
    fused = nullptr;
    enter(*b, *params, shard, apart);
    if (apart) {
        std::vector<std::thread> others;
        others.emplace_back(poll_until_leaving, std::ref(*b));
        for (u32 warp = 1; warp < params->warps; ++warp) others.emplace_back(work_until_leaving, std::ref(*b), warp);
        work_until_leaving(*b, 0);
        for (std::thread& other : others) other.join();
    } else {
        poll_and_work_until_leaving(*b);
    }
    current = nullptr;
}
