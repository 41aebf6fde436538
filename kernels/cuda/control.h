// Frames of the host's that are no messages: each is a batch of its own. Part of engine.h.
#pragma once
#include "nursery.h"

ENGINE_FN bool within(const Block& b, u64 offset, u64 bytes) { return bytes <= b.arena_bytes && offset <= b.arena_bytes - bytes; }

ENGINE_FN void spawn(Block& b, Lane& l) {
    const Head& h = l.head;
    const SpawnRow& s = *(const SpawnRow*)l.payload;
    const u32 carried = h.length - (u32)sizeof(SpawnRow);
    if (h.length < sizeof(SpawnRow) || h.row >= b.row_count || s.state_bytes > MAX_STATE || carried > s.state_bytes || s.state_offset % 16 ||
        !within(b, s.state_offset, s.state_bytes) || s.kind >= MAX_KINDS || !b.dispatch[s.kind] || look(&b.rows[h.row].status) != ROW_FREE) {
        refuse(b, l, REFUSED_PROTOCOL);
        return;
    }
    // Nobody's yet, so it may be written once more.
    copy(b.arena + s.state_offset, l.payload + sizeof(SpawnRow), carried);
    l.touched = l.spawned = 1;
    l.kind = s.kind;
    l.generation = h.generation;
    l.state_offset = s.state_offset;
    l.state_bytes = s.state_bytes;
    l.state = nullptr;
    l.status = ROW_LIVE;
    l.count = 0;
    answer(b, l, OP_ACK, 0, 0);
}

ENGINE_FN void init(Block& b, Lane& l) {
    const u64 offset = *(const u64*)l.payload;
    const u32 bytes = l.head.length - 8;
    if (l.head.length < 8 || offset % 4 || !within(b, offset, bytes)) { refuse(b, l, REFUSED_PROTOCOL); return; }
    copy(b.arena + offset, l.payload + 8, bytes);
}

ENGINE_FN void stop(Block& b, Lane& l) {
    const Head& h = l.head;
    if (h.row >= b.row_count) { refuse(b, l, REFUSED_PROTOCOL); return; }
    const Row& row = b.rows[h.row];
    if (row.generation != h.generation || look(&row.status) == ROW_FREE) { refuse(b, l, REFUSED_STALE); return; }
    l.touched = 1;
    l.state = nullptr;
    l.status = ROW_FREE;
    l.count = counted(b.counts + h.row);
    answer(b, l, OP_ACK, 0, 0);
}

ENGINE_FN void read_state(Block& b, Lane& l) {
    const Head& h = l.head;
    const ReadState r = *(const ReadState*)l.payload;
    if (h.row >= b.row_count || h.length != sizeof(ReadState) || r.bytes > MAX_PAYLOAD || r.offset % 4) { refuse(b, l, REFUSED_PROTOCOL); return; }
    const Row& row = b.rows[h.row];
    if (row.generation != h.generation || look(&row.status) == ROW_FREE) { refuse(b, l, REFUSED_STALE); return; }
    if (r.offset > row.state_bytes || r.bytes > row.state_bytes - r.offset) { refuse(b, l, REFUSED_PROTOCOL); return; }
    copy(r.bytes <= SHORT_REPLY ? l.reply : l.rest->room, b.arena + row.state_offset + r.offset, r.bytes);
    answer(b, l, OP_REPLY, 0, r.bytes);
}

// Everything that is not a message to a row of this shard.
ENGINE_CALL void control_frame(Block& b, Lane& l) {
    known(b), known(l);
    l.hlc = resident_hlc_merge(l.hlc, l.head.hlc, peek(&b.pulse.now));
    if (l.head.length > MAX_PAYLOAD) { refuse(b, l, REFUSED_PROTOCOL); return; }
    switch (l.head.op) {
        case OP_SPAWN: spawn(b, l); break;
        case OP_INIT: init(b, l); break;
        case OP_STOP: stop(b, l); break;
        case OP_READ: read_state(b, l); break;
        case OP_GRANT: grant(b, l); break;
        case OP_FENCE: answer(b, l, OP_ACK, 0, 0); break;
        default: refuse(b, l, REFUSED_PROTOCOL);
    }
}
