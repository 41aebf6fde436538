// The engine as the CPU device runs it: a shard is a thread that polls and handles in turn, or, as on the GPU, one
// thread that polls and one that handles.
#include <memory>
#include <thread>
#include "host.h"
#include "engine.h"
#include "cut.h"

namespace {

struct HostBlock : Block {
#ifdef ENGINE_WATCH
    u8 bytes[2][STAGE * CHUNKS];        // one for each staged chunk of both queues (watch.h)
#endif
};

thread_local HostBlock* current = nullptr;
struct Pollers { Poller host, shards; };
thread_local Pollers* fused = nullptr;      // set while this thread polls and handles in turn

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

// Looks at both queues, and with `look` at the control line; how many slots were staged.
u32 poll_both(Block& b, Pollers& p, bool look) { return poll(b, p.host, look) + poll(b, p.shards, false); }

void poll_until_leaving(HostBlock& b) {
    Idle idle;
    current = &b;
    Pollers pollers{start_polling(b, b.ingress), start_polling(b, b.inbox)};
    while (!pollers.host.leaving) {
        if (poll_both(b, pollers, true)) idle.reset();
        else idle.wait();
    }
}

void handle_until_leaving(Block& b) {
    struct {
        Idle idle;
        u64 handled = 0;
        bool operator()(Block& b) {
            if (handled != b.handled) { handled = b.handled; idle.reset(); }
            idle.wait();
            return true;
        }
    } until_told;
    handle(b, until_told);
}

void poll_and_handle_until_leaving(Block& b) {
    struct { bool operator()(Block&) const { return false; } } not_at_all;
    Idle idle;
    bool look = true;
    Pollers pollers{start_polling(b, b.ingress), start_polling(b, b.inbox)};
    fused = &pollers;
    for (u32 turn = 0; !pollers.host.leaving; ++turn) {
        const u32 slots = poll_both(b, pollers, look || turn % LOOK_EVERY == 0);
        handle(b, not_at_all);
        look = !slots;
        if (look) idle.wait();
        else idle.reset();
    }
    fused = nullptr;
}

}  // namespace

inline Block& block() { return *current; }
#ifdef ENGINE_WATCH
constexpr u64 MAIL_WORDS = 1 << 20;
u64 mail_words[MAIL_WORDS];
u64& word_for_mail(const Chunk* slot) { return mail_words[(u64)slot / SLOT_BYTES % MAIL_WORDS]; }
u8& byte_for(const Chunk* staged) {
    HostBlock& b = *current;
    const bool inbox = staged >= b.inbox.stage[0] && staged < b.inbox.stage[STAGE];
    return b.bytes[inbox][staged - (inbox ? b.inbox : b.ingress).stage[0]];
}
#endif
inline void while_waiting(Block& b) {
    if (fused) poll_both(b, *fused, true);
    sched_yield();
}

extern "C" void resident_emit(CtxRaw*, u32 type, const u8* payload, u32 length) { emit(block(), type, payload, length); }

extern "C" void resident_send(CtxRaw*, const RawAddress* to, u32 message, const u8* payload, u32 length, const ReplyTo* reply) {
    send_message(block(), *to, message, payload, length, reply);
}

// Mends the mailboxes of all shards after a loss.
extern "C" void resident_host_mend(const EngineParams* p) {
    const u32 shards = ((const RegionHeader*)p->region)->shards;
    for (u32 shard = 0; shard < shards; ++shard) mend_outbox(*p, shard);
    for (u32 shard = 0; shard < shards; ++shard) mend_inbox(*p, shard);
}

// The steps of a cut, and a load.
extern "C" void resident_host_cut_select(const CutParams* p) { cut_select(*p, {0, 1}); }
extern "C" void resident_host_cut_copy(const CutParams* p) { cut_copy(*p, {0, 1}); }
extern "C" void resident_host_cut_changed(const CutParams* p) { cut_changed(*p, {0, 1}); }
extern "C" void resident_host_load(const CutParams* p) { load(*p, {0, 1}); }

// Runs shard `shard` until it is told to leave; with `threads` its poller is a thread of its own.
extern "C" void resident_host_shard(const EngineParams* params, u32 shard, u32 threads) {
    const auto b = std::make_unique<HostBlock>();
    current = b.get();
    fused = nullptr;
    enter(*b, *params, shard);
    if (threads) {
        std::thread poller(poll_until_leaving, std::ref(*b));
        handle_until_leaving(*b);
        poller.join();
    } else {
        poll_and_handle_until_leaving(*b);
    }
    leave(*b, 0);
    current = nullptr;
}
