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

// Whether the row is revoked, which is asked anew once there was another kill.
ENGINE_FN void look_for_kill(Block& b, Lane& l) {
    // SYNC kill: pairs with `revoke`.
    l.ctx.kills = receive(&b.pulse.kill);
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
    ctx.hlc = l.hlc;
    ctx.now = peek(&b.pulse.now);
    ctx.places = ctx.placed = ctx.messages = ctx.held = 0;
}

// Bytes of what stands ahead of a message's own.
ENGINE_FN u32 ahead_of(const Head& h) { return h.op == OP_ASK ? (u32)sizeof(ReplyTo) : 0; }

// The lane's message, as its handler is given it.
ENGINE_FN void give(Lane& l) {
    const Head& h = l.head;
    const u32 ahead = ahead_of(h), meant = is_from_inbox(l) ? h.correlation << 16 : 0;
    l.given = {h.hlc, (u64)l.payload + ahead, (u64)l.rest->room, h.message | meant, h.length - ahead, ahead != 0, 0, 0};
}

ENGINE_FN bool lives(const Lane& l, const Head& h) { return l.generation == h.generation && l.status == ROW_LIVE && l.killed != l.generation; }

ENGINE_FN u32 why_refused(const Lane& l, const Head& h) { return l.generation == h.generation && l.status == ROW_FAILED && l.killed != l.generation ? REFUSED_FAILED : REFUSED_STALE; }

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
        outcome = {OUTCOME_REFUSED, why_refused(l, m.head), 0, 0, 0, 0};
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

// Goes on from where a dispatch has stopped. False if the batch is to be begun anew.
ENGINE_CALL bool go_on(Block& b, Lane& l, u64 ended) {
    known(b), known(l);
    Worker& w = b.workers[l.warp];
    CtxRaw& ctx = l.ctx;
    if (ctx.hlc > l.hlc) l.hlc = ctx.hlc;
    if (high(ended) == DISPATCH_KILL) {
        look_for_kill(b, l);
    } else {
        if (!finish_otherwise(b, l, handled_lane(l), low(ended))) return false;
        ctx.messages &= ctx.messages - 1;
    }
    ctx.hlc = l.hlc;
    if (l.status == ROW_LIVE && l.killed != l.generation) return true;
    for (; ctx.messages; ctx.messages &= ctx.messages - 1) {
        Lane& m = known(w.lanes[handled_lane(l)]);
        m.outcome = {OUTCOME_REFUSED, why_refused(l, m.head), 0, 0, 0, 0};
    }
    return true;
}

// Runs the handlers of an actor's messages, one after another. Which of them were handled, and nothing more; the outcome of the others is known.
ENGINE_FN u32 run(Block& b, Lane& l, Worker& w, u32 messages, Dispatch dispatch) {
    CtxRaw& ctx = l.ctx;
    ctx.messages = messages;
    l.touched = 1;
    u32 done = 0;
    for (u32 left = messages; left;) {
        set_busy(b, w, next_round(w, l.warp, l.kind));
        Given& given = known(w.lanes[first_one(left)]).given;
        ctx.sent = given.sent;
        ctx.room = given.room;
        const u64 ended = dispatch(&ctx, l.state, &given);
        done |= left & ~ctx.messages;
        if (rare(high(ended) != DISPATCH_DONE) && !go_on(b, l, ended)) break;
        left = ctx.messages;
    }
    if (ctx.hlc > l.hlc) l.hlc = ctx.hlc;
    l.count += ones(done) * (is_from_inbox(l) ? FROM_ACTOR : 1);
    return done;
}

// The same, of a batch in which something is known of messages: each is looked at.
ENGINE_CALL u32 run_noted(Block& b, Lane& l, u32 messages, Dispatch dispatch) {
    known(b), known(l);
    Worker& w = b.workers[l.warp];
    u32 done = 0;
    for (u32 left = messages; left; left &= left - 1) {
        const u32 k = first_one(left);
        if (!is_to_run(b, l, k, lives(l, known(w.lanes[k]).head))) continue;
        done |= run(b, l, w, 1u << k, dispatch);
        if (peek(&w.noted)) break;
    }
    return done;
}

// What handlers have left in the lane's place gets its inbox, if they have, and what they have handled its outcome.
ENGINE_FN void take_over(Block& b, Lane& l, bool placed, bool handled) {
    if (handled) l.outcome = {OUTCOME_HANDLED, l.given.said, 0, 0, 0, 0};
    if (!placed) return;
    Outgoing& f = l.place;
    if (rare(f.system != b.system || f.to >= b.mail.shards || f.generation == 0)) {
        if (is_far(b, f.system, f.to, f.generation)) {
            f.op = OP_TELL_OUT;
            f.correlation = route(f.correlation, device_of(f.system), f.to);
            f.to = TO_HOST;
            ++l.host;
            return;
        }
        // No actor of this system has such an address: a dead letter.
        f.op = 0;
        ++l.refused;
        return;
    }
    f.to = mailbox_of(b.mail, f.to, f.row);
    ++l.mail;
}

// Behind a frame that lane `led` has handled: what its lanes do until that is done.
ENGINE_FN void stand_by(Worker& w, Lane& l, bool led) {
    if (led) l.jobs = peek(&w.job.number);
    while (together(w.job, l, l.jobs)) ++l.jobs;
}

// The messages of a batch, each actor's in the lane that leads it, in their order: `all` are those of this lane's actor, if it has a message.
// Called by all lanes that have not ended. A round is of one kind; its lanes come to the handlers together, since only then they run side by side.
ENGINE_FN void handle(Block& b, Lane& l, Worker& w, u32 all, bool message) {
    const u32 leader = first_one(all);
    const bool leads = message && lane() == leader, noted = any_lane(has_notes(w));
    const u32 good = which_lanes(message && lives(l, l.head)) & all;
    if (message && !noted && !(good >> lane() & 1)) l.outcome = {OUTCOME_REFUSED, why_refused(l, l.head), 0, 0, 0, 0};
    const u32 mine = leads ? (noted ? all : good) : 0;
    l.ctx.places = mine;
    u32 done = 0;
    for (u32 rest = which_lanes(mine != 0); rest;) {
        const u32 kind = from_lane(l.kind, first_one(rest));
        const bool now = (rest >> lane() & 1) && l.kind == kind;
        rest &= ~which_lanes(now);
        const Dispatch dispatch = kind < MAX_KINDS ? b.dispatch[kind] : nullptr;
        sync_lanes();
        if (now) done = noted ? run_noted(b, l, mine, dispatch) : run(b, l, w, mine, dispatch);
        sync_lanes();
    }
    const u32 handled = from_lane(done, leader), placed = from_lane(l.ctx.placed, leader);
    if (message) take_over(b, l, placed >> lane() & 1, handled >> lane() & 1);
}
