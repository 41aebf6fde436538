// A batch's begin and its end, by all lanes of its warp or by one of them. Part of engine.h.
#pragma once
#include "commit.h"

// E-6: begins a batch, of which this many frames are messages. By one lane.
ENGINE_FN void begin(Worker& w, u32 queue, u64 batch, u32 messages, bool in_place) {
    const u64 turn = ++w.turn;
    note(&w.logged, 0u);
    note(&w.crowded, 0u);
    note(&w.noted, 0u);
    note(&w.births, 0u);
    keep((Chunk*)w.kept, {batch, messages | (queue == INBOX ? BEGUN_INBOX : 0) | (in_place ? BEGUN_IN_PLACE : 0) | turn << TURN_BITS});
}

// E-6: the batch is not done, and its frames are taken anew.
template <class Group> ENGINE_FN void abandon(Block& b, Lane& l, bool mine, u32 frames) {
    Worker& w = b.workers[l.warp];
    Group::sync();
    if (peek(&w.births)) end_births(b, w, l.warp, false);
    if (peek(&w.crowded)) {
        if (frames > 1) note(&w.limit, frames / 2);
        else if (mine) note_failed(w, l, FAULT_OUTBOX, 0);
    }
    if (Group::is_first(Group::live())) {
        keep((Chunk*)w.kept, {0, w.turn << TURN_BITS});
        set_busy(b, w, 0);
    }
    Group::sync();
}

// What was known of messages that have failed is not any more: they are done.
ENGINE_CALL void drop_notes(Block& b, Worker& w) {
    known(b), known(w);
    u32 left = 0;
    each_noted(w, [&](u32 at, u64 frame) {
        const bool done = frame && (frame - 1) >> 1 < peek(&w.cursor[(frame - 1) & 1]);
        left += frame && !done;
        if (done) keep((Chunk*)&w.rests[at].noted, {0, 0});
    });
    note(&w.notes, left);
}

// Says what has come of the frames of a batch, and commits it; or has it begun anew. Of what is logged, what handlers have said ends at `held`.
template <class Group> ENGINE_FN void end_batch(Block& b, Lane& l, u32 queue, u32 end, bool mine, u32 frames, u32 held) {
    Worker& w = b.workers[l.warp];
    bool done = !Group::any(peek(&w.noted) || peek(&w.crowded));
    if (!rare(!done)) {
        if (mine) conclude(b, l);
        Group::sync();
        done = !Group::any(peek(&w.crowded)) && commit<Group>(b, l, queue, end, frames, held, frames == 1);
    }
    if (rare(!done)) {
        abandon<Group>(b, l, mine, frames);
        return;
    }
    const u32 refused = Group::sum(l.refused), failed = Group::sum(has_failed(l));
    if (Group::is_first(Group::live())) {
        set_busy(b, w, 0);
        bump(&b.handled, (u64)frames);
        if (rare(refused)) bump(&b.refused, (u64)refused);
        if (rare(failed)) bump(&b.faults, (u64)failed);
        const u32 limit = peek(&w.limit);
        if (rare(limit < LANES)) note(&w.limit, 2 * limit);
        come_past(b, w, l.warp, queue, end);
        if (rare(peek(&w.notes))) drop_notes(b, w);
    }
    // All lanes go on from there.
    Group::sync();
}
// The same for whoever asks all lanes, and for a lane that does all by itself.
ENGINE_CALL void end_together(Block& b, Lane& l, u32 queue, u32 end, bool mine, u32 frames, u32 held) {
    known(b), known(l);
    end_batch<AllLanes>(b, l, queue, end, mine, frames, held);
}
ENGINE_CALL void end_alone(Block& b, Lane& l, u32 queue, u32 end, u32 held) {
    known(b), known(l);
    end_batch<OneLane>(b, l, queue, end, true, 1, held);
}
