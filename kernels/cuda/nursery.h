// The nursery: places for the actors that handlers spawn, which the host has filled ahead. Part of engine.h.
//
// A grant is a free row, its next generation, and room for a state. Each shard has an array of slots for grants in device memory. The
// host fills a slot (OP_GRANT), a handler takes it, and the host hears of the actor (OP_BORN) and sends another.
//
//   NU-1 (once)    A grant is taken once: its slot goes from GRANT_READY to GRANT_TAKEN by a compare-and-swap, and only who has done
//                  that touches the row and the state, until the row is live. Any number of lanes may spawn at once.
//   NU-2 (told)    The host hears of an actor before anybody else does: the handler has its address once OP_BORN stands whole on the
//                  egress ring, ahead of whatever is said of the actor.
//   NU-3 (bounds)  A state is never longer than its grant's room. What finds no grant, or none of its size, is an error of the spawner's.
//   NU-4 (loss)    A launch may end anywhere in between. The next one looks at each slot that is GRANT_TAKEN: if OP_BORN is on the
//                  egress ring the actor is there; if it is not, the row is freed and the grant is ready once more. So an actor is
//                  there with its host knowing, or is not, and no grant is lost. A message that has been told of a birth counts as seen
//                  outside (E-6); one that was undone with its births is handled anew.
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
    // The same, and somebody lives there by now, or has.
    const bool lived = fits && again(b, l) && row->generation == h.generation;
    if (lived || !fits || !free || look(&row->status) != ROW_FREE) {
        if (free) put(&free->status, (u32)GRANT_FREE);
        if (!lived) refuse(b, l, REFUSED_PROTOCOL);
        return;
    }
    put(&free->row, h.row);
    put(&free->generation, h.generation);
    free->state_offset = g.state_offset;
    free->bytes = g.bytes;
    free->told = 0;
    put(&free->status, (u32)GRANT_READY);
}

// ---- a handler's side ------------------------------------------------------------------------------------------------

// NU-1. Whoever comes next begins one further on.
ENGINE_FN Grant* take_grant(Block& b) {
    const Nursery& n = b.nursery;
    u32 at = (u32)peek(&b.next_grant);
    for (u32 i = 0; i < n.count; ++i) {
        Grant* const slot = n.slots + at;
        if (++at == n.count) at = 0;
        if (look(&slot->status) != GRANT_READY || !swap_status(&slot->status, GRANT_READY, GRANT_TAKEN)) continue;
        note(&b.next_grant, (u64)at);
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
    Grant* const slot = take_grant(b);
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
    put(&row.status, (u32)ROW_LIVE);
    child = {ctx.system, slot->row, slot->generation, b.shard};
    // What is stamped comes behind what this handler has received.
    if (ctx.hlc > l.hlc) l.hlc = ctx.hlc;
    // As much as a slot carries, whatever stands behind its end.
    struct alignas(16) { Born born; u64 rest; } const frame{{slot->row, slot->generation, kind, bytes, slot->state_offset}, 0};
    const bool told = to_host(b, l, OP_BORN, 0, NO_CORRELATION, (const u8*)&frame, sizeof(Born), [&](u64 tail) {
        mark_seen(l, tail + 1);
        keep_word(&slot->told, tail + 1);
    });
    // The shard is to leave and nobody listens.
    if (!told) put(&row.status, (u32)ROW_FREE);
    put(&slot->status, (u32)(told ? GRANT_FREE : GRANT_READY));
    return told ? 0 : BIRTH_NONE;
}

// ---- begin of a launch -----------------------------------------------------------------------------------------------

// NU-4: what was written whole of the egress ring before a loss ends at its tail.
ENGINE_FN void mend_nursery(const Block& b) {
    for (u32 i = 0; i < b.nursery.count; ++i) {
        Grant& slot = b.nursery.slots[i];
        if (slot.status == GRANT_FILLED) slot.status = GRANT_FREE;
        if (slot.status != GRANT_TAKEN) continue;
        const bool told = slot.told && slot.told <= b.egress_tail;
        Row& row = b.rows[slot.row];
        if (!told && row.generation == slot.generation) row.status = ROW_FREE;
        slot.told = 0;
        slot.status = told ? GRANT_FREE : GRANT_READY;
    }
}
