// The nursery: places for the actors that handlers spawn, which the host has filled ahead. Part of engine.h.
//
// A grant is a free row, its next generation, and room for a state. Each shard has an array of slots for grants in device memory. The
// host fills a slot (OP_GRANT), a handler takes it, and the host hears of the actor (OP_BORN) and sends another.
//
//   NU-1 (once)    A grant is taken once: its slot goes from GRANT_READY to GRANT_TAKEN by a compare-and-swap, and only who has done
//                  that touches the row and the state, until the row is live. Any number of lanes may spawn at once.
//   NU-2 (told)    The host hears of an actor before anybody else does: nothing that a batch sends goes out before its OP_BORN stand whole
//                  on the egress ring, and its actors are live then.
//   NU-3 (bounds)  A state is never longer than its grant's room. What finds no grant, or none of its size, is an error of the spawner's.
//   NU-4 (loss)    A launch may end anywhere in between. The next one looks at each slot that is GRANT_TAKEN: if the batch that has taken it
//                  was committed, the actor is there, and its OP_BORN is among what the log brings to the egress ring; if it was not, the
//                  grant is ready once more. So an actor is there with its host knowing, or is not, and no grant is lost.
#pragma once
#include "answer.h"

ENGINE_FN Nursery nursery_of(const EngineParams& p, u32 shard) { return {(Grant*)p.nurseries + shard * p.grant_slots, (u32)p.grant_slots}; }

// SYNC grant: pairs with the other end of the same word, the host's frame and the handlers of one shard among each other.
#ifdef __CUDACC__
ENGINE_FN bool swap_status(u32* status, u32 from, u32 to) {
    return __nv_atomic_compare_exchange_n(status, &from, to, false, __NV_ATOMIC_ACQ_REL, __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_BLOCK);
}
#else
ENGINE_FN bool swap_status(u32* status, u32 from, u32 to) {
    return __atomic_compare_exchange_n(status, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}
#endif

// ---- the host's side -------------------------------------------------------------------------------------------------

// OP_GRANT: not answered, unless it is refused; then the host has its row again.
ENGINE_CALL void grant(Block& b, Lane& l) {
    const Head& h = l.head;
    const GrantRow g = *(const GrantRow*)l.payload;
    const Nursery& n = b.nursery;
    bool fits = h.length == sizeof(GrantRow) && h.row < b.row_count && g.bytes <= MAX_STATE && g.state_offset % 16 == 0 &&
                g.bytes <= b.arena_bytes && g.state_offset <= b.arena_bytes - g.bytes;
    Grant* free = nullptr;
    for (u32 i = 0; fits && i < n.count; ++i) {
        Grant& slot = n.slots[i];
        const u32 status = look(&slot.status);
        // E-6: it was there before the loss.
        if ((status == GRANT_READY || status == GRANT_TAKEN) && look(&slot.row) == h.row && look(&slot.generation) == h.generation) return;
        // Other warps may be at other grants.
        if (!free && swap_status(&slot.status, GRANT_FREE, GRANT_FILLED)) free = &slot;
    }
    const Row* const row = b.rows + h.row;
    // E-6: the same, and somebody lives there by now, or has.
    const bool lived = fits && row->generation == h.generation;
    if (lived || !fits || !free || look(&row->status) != ROW_FREE) {
        if (free) put(&free->status, (u32)GRANT_FREE);
        if (!lived) refuse(b, l, REFUSED_PROTOCOL);
        return;
    }
    put(&free->row, h.row);
    put(&free->generation, h.generation);
    free->state_offset = g.state_offset;
    free->bytes = g.bytes;
    free->taken = 0;
    put(&free->status, (u32)GRANT_READY);
}

// ---- a handler's side ------------------------------------------------------------------------------------------------

// What a slot says of the batch that has taken it.
ENGINE_FN u64 taken_by(const Worker& w, u32 warp) { return w.turn << TURN_BITS | warp; }

// NU-1. Whoever comes next begins one further on.
ENGINE_FN Grant* take_grant(Block& b, Worker& w, u32 warp) {
    const Nursery& n = b.nursery;
    u32 at = (u32)peek(&b.next_grant);
    for (u32 i = 0; i < n.count; ++i) {
        Grant* const slot = n.slots + at;
        if (++at == n.count) at = 0;
        if (look(&slot->status) != GRANT_READY || !swap_status(&slot->status, GRANT_READY, GRANT_TAKEN)) continue;
        note(&b.next_grant, (u64)at);
        keep_word(&slot->taken, taken_by(w, warp));
        note(&w.births, 1u);
        return slot;
    }
    return nullptr;
}

// A handler's `ctx.spawn`: an actor of the kind with this fingerprint and this state. 0, or why there is none.
ENGINE_FN u32 bear(Block& b, Lane& l, u64 fingerprint, const u8* state, u32 bytes, RawAddress& child) {
    CtxRaw& ctx = l.ctx;
    // An actor that has failed spawns nobody.
    if (ctx.fault) return BIRTH_FAILED;
    const u32 kind = resident_kind_of(fingerprint);
    if (kind >= MAX_KINDS || !b.dispatch[kind]) return BIRTH_KIND;
    Worker& w = b.workers[l.warp];
    Grant* const slot = take_grant(b, w, l.warp);
    if (!slot) return BIRTH_NONE;
    if (bytes > slot->bytes) {
        put(&slot->status, (u32)GRANT_READY);
        return BIRTH_LARGE;
    }
    copy(b.arena + slot->state_offset, state, bytes);
    Row& row = b.rows[slot->row];
    row.kind = kind;
    put(&row.state_offset, slot->state_offset);
    row.state_bytes = bytes;
    count_from(b.counts + slot->row, 0);
    put(&row.generation, slot->generation);
    child = {ctx.system, slot->row, slot->generation, b.shard};
    // As much as a slot carries, whatever stands behind its end.
    struct alignas(16) { Born born; u64 rest; } const frame{{slot->row, slot->generation, kind, bytes, slot->state_offset}, 0};
    return hold(b, l, OP_BORN, TO_HOST, ctx.row, ctx.generation, NO_CORRELATION, 0, sizeof(Born), nullptr, (const u8*)&frame) ? 0 : BIRTH_NONE;
}

// NU-2: the batch is committed, and the host told: who was spawned by it is there. Or it is begun anew, and its grants are ready once more.
// Called by all lanes that have not ended.
ENGINE_CALL void end_births(Block& b, Worker& w, u32 warp, bool committed) {
    known(b), known(w);
    const u32 live = live_lanes();
    for (u32 i = ones(live & lanes_below()); i < b.nursery.count; i += ones(live)) {
        Grant& slot = b.nursery.slots[i];
        if (look(&slot.status) != GRANT_TAKEN || slot.taken != taken_by(w, warp)) continue;
        if (committed) put(&b.rows[slot.row].status, (u32)ROW_LIVE);
        put(&slot.status, (u32)(committed ? GRANT_FREE : GRANT_READY));
    }
    sync_lanes();
}

// ---- begin of a launch -----------------------------------------------------------------------------------------------

// NU-4: those of a batch that was committed have been told, or stand on the egress ring by now.
ENGINE_FN void mend_nursery(const Block& b) {
    for (u32 i = 0; i < b.nursery.count; ++i) {
        Grant& slot = b.nursery.slots[i];
        if (slot.status == GRANT_FILLED) slot.status = GRANT_FREE;
        if (slot.status != GRANT_TAKEN) continue;
        const u32 warp = slot.taken & (WORK_WARPS - 1);
        const BatchState& s = *b.workers[warp].kept;
        const bool committed = is_committed(s, *b.saved, warp) && s.begun >> TURN_BITS == slot.taken >> TURN_BITS;
        if (committed) b.rows[slot.row].status = ROW_LIVE;
        slot.status = committed ? GRANT_FREE : GRANT_READY;
    }
}
