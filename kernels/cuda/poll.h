// The poller: watches a ring and the host's control line, and stages what has come. Part of engine.h.
#pragma once
#include "block.h"

// Carries out a kill: the row is revoked, and what is queued for it will be refused.
ENGINE_CALL void revoke(Block& b, u32 kill) {
    // SYNC kill: pairs with the host's release store of `kill`, written after row and generation.
    if (take(&b.control->kill) != kill) return;
    const u32 row = take(&b.control->kill_row), generation = take(&b.control->kill_generation);
    if (row < b.row_count && look(&b.rows[row].generation) == generation && look(&b.rows[row].status) == ROW_LIVE)
        put(&b.rows[row].status, (u32)ROW_KILLED);
    pass(&b.kill, kill);
    // SYNC kill-done: pairs with the host's load before it asks for the next.
    publish_last(&b.progress->kill_done, kill);
}

// A sign of life; and a message that takes long is told to the host, once, and that it is done.
ENGINE_FN void watch_handler(Block& b, u64 now) {
    const u64 busy = peek(&b.busy);
    if (now - b.beat > BEAT_US) {
        b.beat = now;
        publish(&b.progress->beat, now);
    }
    if (busy != b.seen) {
        b.seen = busy;
        b.since = now;
        if (b.told) publish(&b.progress->busy, (u64)0);
        b.told = 0;
    } else if (busy && !b.told && now - b.since > SLOW_US) {
        b.told = 1;
        publish(&b.progress->busy, busy);
    }
}

// What the host's first 16 control bytes say. SYNC command: pairs with the host's release store.
ENGINE_FN void obey(Block& b, Chunk control) {
    const u64 now = clock_micros() + (u64)b.clock_offset;
    note(&b.now, now);
    if (LANES > 1) watch_handler(b, now);
    // SYNC slot-free (egress): pairs with the host consumer's head store.
    note(&b.egress_head, control.lo);
    if (low(control.hi) == STOP) pass(&b.leaving, 1u);
    if (high(control.hi) != peek(&b.kill)) revoke(b, high(control.hi));
}

// The actor of a staged message will be asked for soon: its row and the beginning of its state come closer meanwhile.
ENGINE_FN void fetch_ahead(Block& b, u32 row) {
    if (row < b.row_count) touch(b.arena + look(&b.rows[row].state_offset));
}

// The poller, in registers: all that can be known before a load from the host is on its way.
struct Poller {
    Queue* queue;
    const Chunk* ring;
    const Chunk* control;
    u64 mask, base;                     // `base`: the first slot not staged
    u64 early;                          // the slot of which this lane has staged its chunk ahead of the others
    u32 log2, want;                     // `want`: how many slots to look at, as far as the stage has room
    u32 leaving;                        // the shard was to leave, at the last look
};

ENGINE_FN Poller start_polling(const Block& b, Queue& q) {
    return {&q, q.ring, (const Chunk*)b.control, (1ull << q.log2) - 1, q.staged, ~0ull, q.log2, 1, 0};
}

// Looks at the next slots and stages those that are complete; with `look`, at the control line too, in the same breath. Called
// by all lanes of the poller; returns how many slots were staged.
ENGINE_FN u32 poll(Block& b, Poller& p, bool look) {
    Queue& q = *p.queue;
    constexpr u32 ITEMS = (BURST * CHUNKS + LANES - 1) / LANES;     // chunks that one lane holds
    const u32 want = p.want;
    Chunk held[ITEMS];
    const bool looks = look && lane() == LANES - 1;
    if (looks && LANES == 1) obey(b, load_chunk(p.control));
    u32 complete = 0;
    for (u32 i = 0; i < ITEMS; ++i) {
        const u32 item = i * LANES + lane(), slot = item / CHUNKS;
        if (slot < want || (LANES > 1 && looks))
            held[i] = load_chunk(slot < want ? p.ring + ((p.base + slot) & p.mask) * CHUNKS + item % CHUNKS : p.control);
        if (LANES > 1) continue;
        if (slot >= want || high(held[i].hi) >> 16 != lap(p.base + slot, p.log2)) break;
        complete |= 1u << item;
    }
    // SYNC stage-free: pairs with the handler's `pass(&q.done)`.
    const u64 free_to = receive(&q.done) + STAGE;
    p.leaving = peek(&b.leaving);
    if (LANES > 1) {
        const u32 slot = lane() / CHUNKS;
        const bool there = slot < want && high(held[0].hi) >> 16 == lap(p.base + slot, p.log2);
        // The first slot is what somebody may wait for: its chunks go to the handler, which asks for all four itself, before it
        // is known here whether they are all there. Once for each: the handler may have taken them when the next look is done.
        if (there && slot == 0 && p.early != p.base) {
            store_staged(&q.stage[p.base % STAGE][lane()], held[0]);
            p.early = p.base;
        }
        complete = which_lanes(there);
        if (looks) obey(b, held[0]);
        if (complete == 0) {
            p.want = free_to != p.base;
            return 0;
        }
    }
    // One bit a slot, where all four chunks are there; then the run of ones from slot 0.
    u32 whole = complete & complete >> 1;
    whole = whole & whole >> 2 & 0x11111111u;
    const u32 n = first_zero(whole | ~0x11111111u) / CHUNKS;
    for (u32 i = 0; i < ITEMS; ++i) {
        const u32 item = i * LANES + lane(), slot = item / CHUNKS;
        if (slot >= n) continue;
        // SYNC staged: pairs with the handler's loads.
        if (LANES == 1 || slot > 0) store_staged(&q.stage[(p.base + slot) % STAGE][item % CHUNKS], held[i]);
        if (item % CHUNKS == 0) {
            fetch_ahead(b, low(held[i].lo));
            if (&q == &b.inbox) mail_is_read(p.ring + ((p.base + slot) & p.mask) * CHUNKS);
        }
    }
    p.base += n;
    if (n && lane() == 0) note(&q.staged, p.base);
    const u64 room = free_to - p.base;
    const u32 most = n ? BURST : 1;
    p.want = first_lane(room < most ? (u32)room : most);
    return n;
}
