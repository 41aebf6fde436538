// The handler: the messages of a batch, each in the lane that leads its actor's. Part of engine.h.
#pragma once
#include "control.h"
#include "lanes.h"
#include "mail.h"

ENGINE_FN bool is_message(const Block& b, u32 queue, const Head& h) {
    const u32 first = queue == INBOX ? OP_TELL : OP_CAST, last = queue == INBOX ? OP_ASK : OP_CALL_DIRECT;
    return h.op - first <= last - first && h.row < b.row_count && h.length <= MAX_PAYLOAD;
}

// What an actor has handled of what its application has sent.
ENGINE_FN u64 of_application(u64 count) { return count & (FROM_ACTOR - 1); }

// The frame that each lane's room has a note of, plus one; 0 if it has none.
template <class Each> ENGINE_FN void each_noted(const Worker& w, Each each) {
    // So many loads on their way at a time.
    constexpr u32 AHEAD = LANES < 8 ? LANES : 8;
    ENGINE_ROLLED
    for (u32 first = 0; first < LANES; first += AHEAD) {
        u64 frames[AHEAD];
        for (u32 k = 0; k < AHEAD; ++k) frames[k] = w.rests[first + k].noted.frame;
        for (u32 k = 0; k < AHEAD; ++k) each(first + k, frames[k]);
    }
}

// The lane in whose room it stands why a message fails, if that is known; LANES if it is not.
ENGINE_FN u32 find_note(const Worker& w, u64 frame) {
    if (!rare(peek(&w.notes))) return LANES;
    u32 found = LANES;
    each_noted(w, [&](u32 at, u64 of) { found = of == frame + 1 ? at : found; });
    return found;
}
// A message fails: the batch is begun anew, and does not run it. Its text stands in the lane's room.
ENGINE_FN void note_failed(Worker& w, const Lane& of, u32 fault, u32 text_bytes) {
    if (text_bytes > MAX_FAULT_TEXT) text_bytes = MAX_FAULT_TEXT;
    keep((Chunk*)&of.rest->noted, {id_of(of.queue, of.at) + 1, pair(fault, text_bytes)});
    bump(&w.notes, 1u);
    note(&w.noted, 1u);
}

// Whether the row was revoked is asked anew once there was another kill.
ENGINE_FN void look_for_kill(Block& b, Lane& l) {
    // SYNC kill: pairs with `revoke`.
    l.kills = receive(&b.kill);
    l.killed = look(&b.rows[l.head.row].killed);
}

// Begins to lead: the row is what it is for this batch, and handlers work on a copy of the state, if it is small.
ENGINE_FN void lead(Block& b, Lane& l) {
    Row& row = b.rows[l.head.row];
    look_for_kill(b, l);
    l.status = look(&row.status);
    l.generation = row.generation;
    l.kind = row.kind;
    l.state_offset = row.state_offset;
    l.state_bytes = row.state_bytes;
    l.count = counted(b.counts + l.head.row);
    l.touched = l.spawned = 0;
}
ENGINE_FN bool is_in_place(const Lane& l) { return l.state_bytes > COPY_BYTES; }
ENGINE_FN void open_state(Block& b, Lane& l) {
    u8* const whole = b.arena + l.state_offset;
    l.state = is_in_place(l) ? whole : l.copy;
    if (!is_in_place(l) && l.status == ROW_LIVE) copy_state(whole, l.state_bytes, [&](u32 i, Chunk c) { ((Chunk*)l.copy)[i] = c; });
    CtxRaw& ctx = l.ctx;
    ctx.row = l.head.row;
    ctx.generation = l.generation;
    ctx.fault = ctx.ended = ctx.text_bytes = 0;
}

// Whether there is something to be known of a message that is not of its actor: it is blamed for a loss, or has failed before.
ENGINE_FN bool has_notes(const Worker& w) { return peek(&w.notes) | peek(&w.blames); }

// Whether the message in lane `k` is to be run, if its actor `lives` or not; if it is not, what comes of it is known.
ENGINE_CALL bool is_to_run(Block& b, Lane& l, u32 k, bool lives) {
    known(b), known(l);
    Worker& w = b.workers[l.warp];
    Lane& m = known(w.lanes[k]);
    Outcome& outcome = m.outcome;
    if (peek(&w.blames)) {
        note(&w.blames, 0u);
        outcome = {OUTCOME_BLAMED, lives, 0, 0, of_application(l.count), 0};
        if (lives) l.touched = 1, l.status = ROW_FAILED;
        return false;
    }
    if (!lives) {
        const u32 reason = l.generation == m.head.generation && l.status == ROW_FAILED && l.killed != l.generation ? REFUSED_FAILED : REFUSED_STALE;
        outcome = {OUTCOME_REFUSED, reason, 0, 0, 0, 0};
        return false;
    }
    const u32 of = find_note(w, id_of(m.queue, m.at));
    if (of >= LANES) return true;
    const NotedFault& fault = w.rests[of].noted;
    l.touched = 1;
    l.status = ROW_FAILED;
    outcome = {OUTCOME_FAILED, fault.fault, fault.text_bytes, of, of_application(l.count), 0};
    return false;
}

// Makes ready what the handler of the message in lane `k` is given; false if there is nothing to run: then it is known what comes of it.
ENGINE_FN bool prepare(Block& b, Lane& l, Worker& w, u32 k, bool noted) {
    Lane& m = known(w.lanes[k]);
    if (rare(receive(&b.kill) != l.kills)) look_for_kill(b, l);
    const bool lives = l.generation == m.head.generation && l.status == ROW_LIVE && l.killed != l.generation;
    if (rare(!lives || noted) && !is_to_run(b, l, k, lives)) return false;
    l.touched = 1;
    CtxRaw& ctx = l.ctx;
    l.current = k;
    ctx.hlc = l.hlc;
    ctx.sent = m.head.hlc;
    ctx.now = peek(&b.now);
    ctx.room = (u64)m.rest->room;
    const u32 places = l.places;
    l.offered = places != 0;
    ctx.place = places ? (u32)((u8*)&known(w.lanes[first_one(places)]).place - (u8*)&ctx) : 0;
    return true;
}

// Bytes of what stands ahead of a message's own.
ENGINE_FN u32 ahead_of(const Head& h) { return h.op == OP_ASK ? (u32)sizeof(ReplyTo) : 0; }

// Runs the handler.
ENGINE_FN u32 run(Lane& l, const Lane& m, Dispatch dispatch) {
    const u32 ahead = ahead_of(m.head), meant = is_from_inbox(m) ? m.head.correlation << 16 : 0;
    return dispatch(m.head.message | meant, l.state, m.payload + ahead, m.head.length - ahead, &l.ctx, (void*)m.reply);
}

// What has come of it, if that is more than that it was handled. False if the batch is to be begun anew.
ENGINE_CALL bool finish_otherwise(Block& b, Lane& l, u32 k, u32 bytes) {
    known(b), known(l);
    Worker& w = b.workers[l.warp];
    Lane& m = known(w.lanes[k]);
    const CtxRaw& ctx = l.ctx;
    if (bytes == DISPATCH_UNKNOWN) {
        m.outcome = {OUTCOME_REFUSED, REFUSED_MESSAGE, 0, 0, 0, 0};
        return true;
    }
    if (ahead_of(m.head) && !ctx.fault && bytes != DISPATCH_FAILED) reply_to_actor(b, l, m.payload, reply_of(m, bytes), bytes);
    // Of several frames; of one alone it is the message's fault.
    if (peek(&w.crowded) && !l.alone) return false;
    if (ctx.fault || bytes == DISPATCH_FAILED) {
        note_failed(w, m, ctx.fault, ctx.text_bytes);
        return false;
    }
    l.count += is_from_inbox(m) ? FROM_ACTOR : 1;
    m.outcome = {OUTCOME_HANDLED, bytes, 0, 0, 0, ctx.ended};
    if (ctx.ended) l.status = ROW_ENDED;
    return true;
}

// What has come of it. False if the batch is to be begun anew.
ENGINE_FN bool finish(Block& b, Lane& l, Worker& w, u32 k, u32 bytes) {
    Lane& m = known(w.lanes[k]);
    const CtxRaw& ctx = l.ctx;
    if (ctx.hlc > l.hlc) l.hlc = ctx.hlc;
    accept(b, l);
    if (rare((bytes > MAX_PAYLOAD) | (ctx.fault | ctx.ended) | ahead_of(m.head) | peek(&w.crowded))) return finish_otherwise(b, l, k, bytes);
    l.count += is_from_inbox(m) ? FROM_ACTOR : 1;
    m.outcome.what = OUTCOME_HANDLED;
    m.outcome.value = bytes;
    m.outcome.ended = 0;
    return true;
}

// Behind a frame that lane `led` has handled: what its lanes do until that is done.
ENGINE_FN void stand_by(Worker& w, Lane& l, bool led) {
    if (led) l.jobs = peek(&w.job.number);
    while (together(w.job, l, l.jobs)) ++l.jobs;
}

// The messages of a batch, each actor's in the lane that leads it, in their order: those of the lanes `mine`. Called by all lanes that have not
// ended. A round is of one kind; its lanes come to each handler together, since only then they run side by side.
ENGINE_FN void handle(Block& b, Lane& l, Worker& w, u32 mine) {
    l.places = mine;
    const bool noted = any_lane(has_notes(w));
    for (u32 rest = which_lanes(mine != 0); rest;) {
        const u32 kind = from_lane(l.kind, first_one(rest));
        const bool now = (rest >> lane() & 1) && l.kind == kind;
        rest &= ~which_lanes(now);
        const Dispatch dispatch = kind < MAX_KINDS ? b.dispatch[kind] : nullptr;
        for (u32 left = now ? mine : 0; any_lane(left != 0);) {
            const u32 k = first_one(left ? left : 1);
            const bool runs = left && prepare(b, l, w, k, noted);
            u32 bytes = 0;
            sync_lanes();
            if (runs) {
                set_busy(b, w, next_round(w, l.warp, kind));
                bytes = run(l, known(w.lanes[k]), dispatch);
            }
            sync_lanes();
            left &= left - 1;
            if (runs && !finish(b, l, w, k, bytes)) left = 0;
        }
    }
}
