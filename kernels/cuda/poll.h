// The poller: watches the host's ring and stages what has come, and the control line; tells the host how far the shard is. Part of engine.h.
#pragma once
#include "block.h"

// Carries out a kill: the row is revoked, and what is queued for it will be refused. `killed` is written here alone and the rest of a row by
// its shard's lanes, so a kill that meets its actor's end takes nothing from whoever has the row next.
ENGINE_CALL void revoke(Block& b, u32 kill) {
    // SYNC kill: pairs with the host's release store of `kill`, written after row and generation.
    if (take(&b.control->kill) != kill) return;
    const u32 row = take(&b.control->kill_row), generation = take(&b.control->kill_generation);
    if (row < b.row_count && is_live(b.rows[row], generation)) put(&b.rows[row].killed, generation);
    pass(&b.pulse.kill, kill);
    // SYNC kill-done: pairs with the host's load before it asks for the next.
    publish_last(&b.progress->kill_done, kill);
}

// A sign of life: pollers give it whatever the work warps are at, so a shard whose handler hangs lives, in a job of a whole block
// too. Told to leave, it gives none any more. And what takes long is told to the host, once, and that it is done. Of several, one
// after another.
ENGINE_FN void watch_workers(Block& b, u64 now) {
    if (now - b.beat > BEAT_US) {
        b.beat = now;
        publish(&b.progress->beat, now);
    }
    // Whoever waits for the host holds up others, too.
    const bool waits = peek(&b.waits) != 0;
    u64 slow = 0;
    for (u32 i = 0; i < b.warps; ++i) {
        Worker& w = b.workers[i];
        const u64 busy = peek(&w.busy);
        if (busy != w.seen || waits) {
            w.seen = busy;
            w.since = now;
        } else if (busy && now - w.since > SLOW_US && (!slow || busy == b.told)) {
            slow = busy;
        }
    }
    if (slow != b.told) {
        b.told = slow;
        publish(&b.progress->busy, slow);
    }
}

// Tells the host how far this shard has come.
ENGINE_CALL void tell_progress(Block& b, u64 passed) {
    ShardProgress* const p = b.progress;
    Queue& q = b.ring;
    publish(&p->handled, peek(&b.handled));
    publish(&p->refused, peek(&b.refused));
    publish(&p->faults, peek(&b.faults));
    u64 hlc = peek(&b.hlc);
    for (u32 w = 0; w < b.warps; ++w) hlc = peek(&b.workers[w].hlc) > hlc ? peek(&b.workers[w].hlc) : hlc;
    publish(&p->hlc, hlc);
    // SYNC slot-free (ingress): pairs with the host producer's load.
    publish(&p->ingress_head, passed);
    q.published = passed;
}

// What the host's first 16 control bytes say. SYNC command: pairs with the host's release store.
ENGINE_FN void obey(Block& b, Chunk control) {
    const u64 now = clock_micros() + (u64)b.clock_offset;
    note(&b.pulse.now, now);
    if (b.apart) watch_workers(b, now);
    // SYNC slot-free (egress): pairs with the host consumer's head store.
    note(&b.egress_head, control.lo);
    if (low(control.hi) == STOP) pass(&b.leaving, 1u);
    if (high(control.hi) != peek(&b.pulse.kill)) revoke(b, high(control.hi));
}

// The actor of a staged message will be asked for soon: its row and the beginning of its state come closer meanwhile.
ENGINE_FN void fetch_ahead(Block& b, u32 row) {
    if (row < b.row_count) touch(b.arena + look(&b.rows[row].state_offset));
}

// The poller, in registers: all that can be known before a load from memory is on its way.
struct Poller {
    // Slots read at once while messages flow: a warp's worth with the control line.
    static constexpr u32 BURST = 7;
    static_assert(STAGE >= MAX_FRAME_SLOTS + BURST, "a frame must fit the stage");
    const Chunk* ring;
    const Chunk* control;
    u64 mask, base;                     // `base`: the first slot not staged
    u64 early;                          // the slot of which this lane has staged its chunk ahead of the others
    u32 log2, want;                     // `want`: how many slots to look at, as far as the stage has room
    u32 leaving;                        // the shard was to leave, at the last look
    u32 turn, staged;                   // polls; slots staged by the last one
    u64 last;                           // when something came, in host microseconds
    u64 told;                           // of what the host was told: frames handled, refused and failed at
};

ENGINE_FN Poller start_polling(const Block& b) {
    const Queue& q = b.ring;
    return {q.ring, (const Chunk*)b.control, (1ull << q.log2) - 1, passed_by_all(b), ~0ull, q.log2, 1, 0, 0, 0, b.pulse.now, 0};
}

// Whether nothing has come for so long that the bus is spared.
ENGINE_FN bool is_idle(const Block& b, Poller& p, u32 staged) {
    const u64 now = peek(&b.pulse.now);
    if (staged) p.last = now;
    return now - p.last > IDLE_US;
}

// Tells the host, when there is time and now and then.
ENGINE_FN void tell(Block& b, Poller& p, u64 passed) {
    const u64 ahead = passed - b.ring.published;
    if ((p.staged && ahead < (p.mask + 1) / 4) || ++p.turn % LOOK_EVERY) return;
    const u64 counted = peek(&b.handled) + peek(&b.refused) + peek(&b.faults);
    if (!ahead && counted == p.told) return;
    p.told = counted;
    if (lane() == 0) tell_progress(b, passed);
}

// Looks at the next slots and stages those that are complete; with `look`, at the control line too, in the same breath. Called
// by all lanes of the poller; returns how many slots were staged.
ENGINE_FN u32 poll(Block& b, Poller& p, bool look) {
    constexpr u32 BURST = Poller::BURST;
    constexpr u32 ITEMS = (BURST * CHUNKS + LANES - 1) / LANES;     // chunks that one lane holds
    constexpr u32 EACH = LANES / CHUNKS;                            // slots whose chunks are held side by side
    Queue& q = b.ring;
    const u32 want = p.want;
    Chunk held[ITEMS];
    const bool looks = look && lane() == LANES - 1;
    if (looks && LANES == 1) obey(b, load_chunk(p.control));
    u32 alone = 0;                      // on a CPU: chunks that are there, one after another
    for (u32 i = 0; i < ITEMS; ++i) {
        const u32 item = i * LANES + lane(), slot = item / CHUNKS;
        if (slot < want || (LANES > 1 && looks))
            held[i] = load_chunk(slot < want ? p.ring + ((p.base + slot) & p.mask) * CHUNKS + item % CHUNKS : p.control);
        if (LANES > 1) continue;
        if (slot >= want || tag_of(held[i]) != lap(p.base + slot, p.log2)) break;
        alone = item + 1;
    }
    // While those are on their way: how far the shard is, for the ring's writers.
    const u64 passed = passed_by_all(b);
    p.leaving = any_lane(peek(&b.leaving));
    if (!p.leaving) tell(b, p, passed);
    u32 n = LANES == 1 ? alone / CHUNKS : 0;
    if (LANES > 1) {
        // The first slot is what somebody may wait for: its chunks go to the work warps, which ask for all four themselves, before it
        // is known here whether they are all there. Once for each.
        if (want && lane() < CHUNKS && p.early != p.base && tag_of(held[0]) == lap(p.base, p.log2)) {
            store_staged(&q.stage[lane()][p.base % STAGE], with_tag(held[0], stage_tag(p.base)));
            p.early = p.base;
        }
        if (looks) obey(b, held[0]);
        for (u32 i = 0; i < ITEMS; ++i) {
            const u32 slot = i * EACH + lane() / CHUNKS;
            const u32 complete = which_lanes(slot < want && tag_of(held[i]) == lap(p.base + slot, p.log2));
            // One bit a slot, where all four chunks are there; then the run of ones from slot 0.
            u32 whole = complete & complete >> 1;
            whole = whole & whole >> 2 & 0x11111111u;
            const u32 run = whole == 0x11111111u ? EACH : first_zero(whole | ~0x11111111u) / CHUNKS;
            n += run;
            if (run < EACH) break;
        }
    }
    for (u32 i = 0; i < ITEMS; ++i) {
        const u32 item = i * LANES + lane(), slot = item / CHUNKS;
        if (slot >= n) break;
        // SYNC staged: pairs with the work warps' loads.
        if (LANES == 1 || slot > 0) store_staged(&q.stage[item % CHUNKS][(p.base + slot) % STAGE], with_tag(held[i], stage_tag(p.base + slot)));
        if (item % CHUNKS == 0) fetch_ahead(b, low(held[i].lo));
    }
    p.base += n;
    const u64 room = passed + STAGE - p.base;
    const u32 most = n ? BURST : 1;
    p.want = first_lane(room < most ? (u32)room : most);
    p.staged = n;
    return n;
}
