// The engine of one shard: what its pollers and its work warps do. The same text for the GPU (gpu.h) and the CPU (host.h).
//
// A shard is one thread block. A *poller* watches the next slots of the ingress ring, which the host writes, and stages complete ones in
// shared memory. *Work warps* handle what has come, a message to a lane: each looks at all that is staged and takes what is for its own rows,
// and at its own inbox, which other warps write. So a row's messages are handled in order and nobody has to lock it. Another warp delivers
// what is late (mail.h). On the GPU a poller is a warp too; on the CPU a warp has one lane, and one thread does all in turn, or poller and
// delivery are one thread and each work warp another. One poller to the ring, since loads of one line of host memory are served one after
// another, however many wait: two pollers see each other's line no more often than one does (docs/design.md, what the bus does).
//
// What a work warp takes of a queue at once is a batch. Its handlers run, a lane to an actor; what they do is held back, logged, committed
// with one store, and then done.
//
// block.h is what a shard holds, group.h who takes a step together, slot.h a frame, poll.h the pollers, lanes.h what several lanes do together.
// A batch is taken here, handled in handle.h (control.h for what is no message, nursery.h for spawns), said in answer.h, logged in log.h,
// committed in commit.h, or in plain.h where that can be, begun and ended in batch.h; a message that is alone is handled in lone.h; mail.h is the
// mailboxes, loss.h what follows a loss.
//
//   E-1 (order)    Frames for one row are handled one at a time, those of the ring and those of the inbox each in their order. A fence
//                  comes behind all that is ahead of it in the ring.
//   E-2 (answers)  Every call is answered exactly once: a reply, a fault, a refusal. Spawn, stop and fence are acknowledged.
//   E-3 (fault)    A handler that fails marks its row and nothing else; the shard goes on with the next frame.
//   E-4 (bounds)   No frame makes the engine write outside its row's state, whatever it holds.
//   E-5 (leave)    A shard leaves when each warp is at a message boundary, and resumes there in another launch.
//   E-6 (loss)     A launch may end anywhere. A batch is a transaction: its commit is one store, ahead of which nothing of it is seen and
//                  behind which all of it is carried out, by the next launch if need be (log.h). So the next launch goes on at the first
//                  frame that was not committed. A message that the worker blames for the loss is not handled once more: its actor fails.
//   E-7 (message)  What a message does to a state of at most COPY_BYTES, what it sends, emits and answers happens all together, once, or not
//                  at all; a larger state is handled in place, and its actor fails if that was interrupted. A message that panics or fails
//                  leaves the state of the one before, and nothing of what it wanted to send.
#pragma once
#include "poll.h"
#include "loss.h"
#include "lone.h"

// The shard leaves, and runs on in another launch.
ENGINE_FN void ask_for_a_launch(Block& b) {
    note(&b.swap, 1u);
    pass(&b.leaving, 1u);
}

// ---- work warps ------------------------------------------------------------------------------------------------------

// Whose row it is: a frame that is for none is somebody's, too.
ENGINE_FN u32 owner(const Block& b, u32 row, u32 op) { return op == OP_FENCE ? 0 : (row & (b.warps - 1)); }

// Whether every other warp has come as far as a fence, which is the first's.
ENGINE_FN bool others_are_at(const Block& b, u64 at) {
    bool others = true;
    for (u32 w = 1; w < b.warps; ++w) others = others && receive(&b.workers[w].cursor[INGRESS]) >= at;
    return others;
}

// What a warp takes of a queue at once.
struct Batch {
    u32 end;                            // slots that it comes past; 0 if there is nothing
    u64 at;                             // the frame that this lane takes,
    bool mine;                          // if it takes one,
    Staged slot;                        // and its first slot
};

// Frames of one slot, one after another, as most are. Nothing if the first is no such frame. Of a warp's own inbox: a slot to a lane.
ENGINE_FN Batch look_at_inbox(const Block& b, const Worker& w, u32 live, u32 rank) {
    const u64 at = peek(&w.cursor[INBOX]) + rank;
    // Not copied: on a CPU a chunk that was written in halves is waited for when it is read at once.
    Batch batch{0, at, false, staged(b, w, INBOX, at)};
    const u32 stop = live & ~which_lanes(batch.slot.there && length_of(batch.slot.c1) <= INLINE_BYTES);
    batch.end = stop ? ones(live & lanes_below(first_one(stop))) : ones(live);
    batch.mine = rank < batch.end;
    return batch;
}

// The next frame of the host's ring, if nothing is behind it, as it is where somebody waits for each.
ENGINE_FN Batch take_one(const Block& b, const Worker& w, u32 warp, u32 live) {
    constexpr u32 queue = INGRESS;
    const u32 leader = first_one(live);
    const u64 at = peek(&w.cursor[queue]);
    Batch batch{0, at, false, staged(b, w, queue, at)};
    const Staged& s = batch.slot;
    const auto is_there = [&](u64 slot) { return tag_of(chunk_at(b, w, queue, slot, 3)) == tag_at(b, queue, slot); };
    const u32 length = length_of(s.c1), slots = slots_for(length);
    const bool whole = s.there && length <= MAX_PAYLOAD && op_of(s.c3) != OP_FENCE && (slots == 1 || is_there(at + slots - 1));
    batch.end = from_lane(whole && (LANES == 1 || !is_there(at + slots)) ? slots : 0, leader);
    batch.mine = batch.end && lane() == leader && (row_of(s) & (b.warps - 1)) == warp;
    return batch;
}

// Of the host's ring, which all work warps read: each lane looks at several, and those of this warp's rows are dealt out to the lanes.
ENGINE_FN Batch deal(Block& b, Worker& w, u32 warp, u32 live, u32 rank) {
    constexpr u32 queue = INGRESS;
    const u64 base = peek(&w.cursor[queue]);
    const u32 lanes = ones(live);
    Batch batch{};
    u32 dealt = 0;
    for (u32 k = 0; k < REACH; ++k) {
        const u32 offset = k * lanes + rank;
        const Staged s = staged(b, w, queue, base + offset);
        const bool one = s.there && length_of(s.c1) <= INLINE_BYTES && op_of(s.c3) != OP_FENCE;
        const u32 stop = live & ~which_lanes(one);
        u32 end = stop ? ones(live & lanes_below(first_one(stop))) : lanes;
        const bool own = rank < end && (row_of(s) & (b.warps - 1)) == warp;
        const u32 number = dealt + ones(which_lanes(own) & lanes_below());
        // The first that finds no lane is left for the next turn, with all behind it.
        const u32 over = which_lanes(own && number >= lanes);
        if (over) end = ones(live & lanes_below(first_one(over)));
        if (own && rank < end) w.dealt[number] = (u8)offset;
        dealt += ones(which_lanes(own && rank < end));
        batch.end += end;
        if (end < lanes) break;
    }
    sync_lanes();
    batch.mine = rank < dealt;
    if (batch.mine) {
        batch.at = base + w.dealt[rank];
        batch.slot = staged(b, w, queue, batch.at);
    }
    return batch;
}

// The same for frames of any length, a slot to a lane: a fence has its turn for itself, and so has a frame that reaches beyond the lanes.
ENGINE_FN Batch pick(Block& b, const Worker& w, u32 warp, u32 queue, u32 live, u32 rank) {
    const u64 base = peek(&w.cursor[queue]);
    const Batch nothing{};
    const Staged s = staged(b, w, queue, base + rank);
    const u32 missing = live & ~which_lanes(s.there);
    // Slots that are there one after another.
    u32 end = missing ? ones(live & lanes_below(first_one(missing))) : ones(live);
    if (end == 0) return nothing;
    const u32 op = op_of(s.c3), length = length_of(s.c1), slots = length <= MAX_PAYLOAD ? slots_for(length) : 1;
    // Which slots begin a frame that is whole. One that is not all here waits for the next turn, or has this one for itself.
    bool begins = rank < end, single = false;
    for (u32 longs = which_lanes(begins && slots > 1); longs; longs = which_lanes(begins && slots > 1) & longs & (longs - 1)) {
        const u32 first = first_one(longs), before = ones(live & lanes_below(first)), n = from_lane(slots, first);
        if (before + n > end) {
            single = before == 0;
            if (single && !which_lanes(staged(b, w, queue, base + n - 1).there)) return nothing;
            end = single ? n : before;
            begins = begins && (single ? rank == 0 : rank < before);
            break;
        }
        if (rank > before && rank < before + n) begins = false;
    }
    if (const u32 fences = queue == INGRESS ? which_lanes(begins && op == OP_FENCE) : 0) {
        const u32 before = ones(live & lanes_below(first_one(fences)));
        if (before == 0) {
            // It goes on with its inbox meanwhile: one that is behind may wait for that.
            if (warp == 0 && !any_lane(others_are_at(b, base))) return nothing;
            end = from_lane(slots, first_one(live));
            begins = rank == 0;
        } else if (!single) {
            end = before;
            begins = begins && rank < before;
        }
    }
    return {end, base + rank, begins && (queue == INBOX || owner(b, row_of(s), op) == warp), s};
}

// A lane has nothing of a batch yet.
ENGINE_FN void clear(Worker& w, Lane& l) {
    l.answers = l.line.op = l.place.op = l.outcome.what = 0;
    l.mail = l.host = l.refused = l.touched = l.spawned = l.state_bytes = l.ctx.held = 0;
    l.hlc = peek(&w.hlc);
}

// A lane takes up its frame, if it has one.
ENGINE_FN void take_up(Block& b, Worker& w, Lane& l, u32 queue, const Batch& batch) {
    clear(w, l);
    if (!batch.mine) return;
    slot_is_read(b, w, queue, batch.at);
    l.queue = queue;
    l.at = batch.at;
    l.head = unpack(l, batch.slot.c0, batch.slot.c1, batch.slot.c2, batch.slot.c3);
    if (rare(l.head.length > INLINE_BYTES && l.head.length <= MAX_PAYLOAD)) unpack_rest(b, l, queue, batch.at, slots_for(l.head.length));
    give(l);
}

// A frame that is no message; one from another device was handed on by now.
ENGINE_FN void handle_other(Block& b, Lane& l, u32 queue) {
    if (is_from_afar(queue, l.head)) return;
    if (queue == INGRESS) control_frame(b, l);
    else if (l.head.op != OP_VOID) l.outcome = {OUTCOME_REFUSED, REFUSED_PROTOCOL, 0, 0, 0, 0};
}

// Whether a frame that is no message has a batch for itself: lanes keep the order of what is handed on as long as none of it is logged.
ENGINE_FN bool is_solo(u32 queue, const Head& h) { return queue == INGRESS && !(is_from_afar(queue, h) && h.length <= INLINE_BYTES); }

// Has this lane's frame and those behind it left for the next turn, of all lanes from `first` on. Which are left.
ENGINE_FN u32 leave_behind(Batch& batch, u64 base, u32 taken, u32 first) {
    batch.end = from_lane((u32)(batch.at - base), first);
    batch.mine = batch.mine && lane() < first;
    return taken & lanes_below(first);
}

// Handles the frame of one lane, which does all that by itself; the others stand by.
ENGINE_CALL void handle_one(Block& b, Lane& l, u32 queue, u32 end, bool mine, bool message) {
    known(b), known(l);
    Worker& w = b.workers[l.warp];
    bool done = false;
    if (mine) {
        begin(w, queue, peek(&w.cursor[queue]) + end + peek(&w.cursor[queue ^ 1]), message, message && is_in_place(l));
        l.alone = l.leads = 1;
        if (message) {
            const u32 own = 1u << lane();
            open_state(b, l);
            l.ctx.places = own;
            if (is_to_run(b, l, lane(), lives(l, l.head))) {
                const u32 handled = run(b, l, w, own, l.kind < MAX_KINDS ? b.dispatch[l.kind] : nullptr);
                take_over(b, l, l.ctx.placed != 0, handled != 0);
            }
        } else if (is_from_afar(queue, l.head)) {
            hand_on(b, l);
        }
        const u32 held = peek(&w.logged);
        if (rare(!message)) handle_other(b, l, queue);
        // Grants and many frames are ended by all.
        done = !(peek(&w.births) | holds(l));
        if (!rare(!done)) end_alone(b, l, queue, end, held);
    }
    stand_by(w, l, mine);
    // Who has panicked is not there any more.
    if (rare(!any_lane(done))) end_together(b, l, queue, end, mine, 1, peek(&w.logged));
}

// Handles the frames of several lanes, side by side.
ENGINE_CALL void handle_several(Block& b, Lane& l, u32 queue, u32 end, bool mine, u32 taken, bool message) {
    known(b), known(l);
    Worker& w = b.workers[l.warp];
    const u32 live = live_lanes(), messages = ones(which_lanes(message));
    if (is_first(live)) begin(w, queue, peek(&w.cursor[queue]) + end + peek(&w.cursor[queue ^ 1]), messages, false);
    sync_lanes();
    // Of its row, all messages; the first one's lane handles them.
    const u32 run = same_lanes(message ? l.head.row : ~0u);
    const bool leads = message && lane() == first_one(run);
    if (leads) open_state(b, l);
    l.alone = l.leads = 0;
    handle(b, l, w, run, message);
    sync_lanes();
    if (end_plainly(b, l, queue, end, mine, leads, ones(taken))) return;
    if (mine && is_from_afar(queue, l.head)) hand_on(b, l);
    const u32 held = peek(&w.logged);
    sync_lanes();
    if (mine && !message) handle_other(b, l, queue);
    sync_lanes();
    end_together(b, l, queue, end, mine, ones(taken), held);
}

// Hands the next frames of a queue to the lanes of this warp and handles those that are for its rows. False if there is nothing.
// Called by all lanes that have not ended.
ENGINE_FN bool handle_batch(Block& b, Lane& l, u32 queue) {
    Worker& w = b.workers[l.warp];
    const u32 live = live_lanes(), rank = ones(live & lanes_below());
    Batch batch = queue == INBOX ? look_at_inbox(b, w, live, rank) : take_one(b, w, l.warp, live);
    // Of a warp's own inbox it is one slot.
    const u32 whose = queue == INGRESS || batch.end == 1 ? which_lanes(batch.mine) : 0;
    if (whose) {
        const Lone how = batch.mine ? handle_lone(b, l, w, queue, batch.at, batch.end, batch.slot) : LONE_NOT;
        stand_by(w, l, batch.mine);
        if (any_lane(how == LONE_DONE)) return true;
        // Who has panicked is not there any more.
        if (any_lane(how == LONE_OPEN) || !(live_lanes() & whose)) {
            if (!batch.mine) clear(w, l);
            end_together(b, l, queue, batch.end, batch.mine, 1, peek(&w.logged));
            return true;
        }
    }
    if (rare(batch.end == 0)) {
        // Nothing has come.
        if (!any_lane(is_first(live) && batch.slot.there)) return false;
        if (queue == INGRESS) batch = deal(b, w, l.warp, live, rank);
        if (batch.end == 0) batch = pick(b, w, l.warp, queue, live, rank);
        if (batch.end == 0) return false;
    }
    take_up(b, w, l, queue, batch);
    bool message = batch.mine && is_message(b, queue, l.head);
    if (message) lead(b, l);
    u32 taken = which_lanes(batch.mine);
    if (rare(taken & (taken - 1))) {
        // What has a batch for itself: a frame that is no message, a handler that asks for other lanes, a state that is handled in place.
        const bool solo = batch.mine && (message ? l.kind < MAX_KINDS && (b.width[l.kind] != WIDTH_LANE || is_in_place(l)) : is_solo(queue, l.head));
        const u32 first = first_one(taken), solos = which_lanes(solo);
        const u32 over = which_lanes(batch.mine && lane() != first && (ones(taken & lanes_below()) >= peek(&w.limit) || solo || solos >> first & 1));
        if (over) taken = leave_behind(batch, peek(&w.cursor[queue]), taken, first_one(over));
        message = message && batch.mine;
    }
    if (rare(taken & (taken - 1))) {
        handle_several(b, l, queue, batch.end, batch.mine, taken, message);
    } else if (!rare(!taken)) {
        handle_one(b, l, queue, batch.end, batch.mine, message);
    } else {
        // It is all for other warps.
        if (is_first(live)) {
            keep_cursor(b, l.warp, queue, peek(&w.cursor[queue]) + batch.end, peek(&w.cursor[queue ^ 1]));
            come_past(b, w, l.warp, queue, batch.end);
        }
        sync_lanes();
    }
    return true;
}
ENGINE_CALL bool handle_some(Block& b, Lane& l, u32 queue) {
    known(b), known(l);
    return handle_batch(b, l, queue);
}

// What others may change meanwhile: asked by one lane, for all.
enum { LEAVING = 1, CONGESTED = 2 };
ENGINE_FN u32 look_around(const Block& b, const Worker& w) {
    const u32 here = (peek(&b.leaving) ? LEAVING : 0) | (is_congested(b, w) ? CONGESTED : 0);
    return from_lane(here, first_one(live_lanes()));
}

// Handles what has come. With nothing there it calls `wait`, which says of which queues there is something, a bit each, and 0 when there
// will be nothing; then it returns, or when the shard is to leave, or after `Wait::MOST` turns, if that is not 0.
template <class Wait> ENGINE_FN void work(Block& b, Lane& l, Wait& wait) {
    constexpr u32 BOTH = 1 << INGRESS | 1 << INBOX;
    const Worker& w = b.workers[l.warp];
    u32 state = look_around(b, w), there = BOTH;
    for (u32 turn = 0; !(state & LEAVING) && (Wait::MOST == 0 || turn < Wait::MOST); ++turn) {
        // The queues take turns while both have something.
        bool came = false;
        for (u32 k = 0; k < 2 && !came; ++k) {
            const u32 queue = (turn + k) & 1;
            if (there >> queue & 1 && (queue == INBOX || !(state & CONGESTED))) came = handle_batch(b, l, queue);
        }
        // Those that are left would take what all have taken.
        if (came && ones(live_lanes()) < (LANES + 1) / 2 && is_first(live_lanes())) ask_for_a_launch(b);
        state = look_around(b, w);
        // What has come to one queue may have to wait, so it is not waited for again before both were looked at.
        if (came || there != BOTH) { there = BOTH; continue; }
        if (state & LEAVING) return;
        there = wait(b, l);
        if (!there) return;
    }
}

// ---- begin and end of a launch ---------------------------------------------------------------------------------------

ENGINE_FN void empty_stage(Queue& q, u64 cursor) {
    for (u32 i = 0; i < STAGE; ++i)
        for (u32 c = 0; c < CHUNKS; ++c) q.stage[c][(cursor + i) % STAGE] = with_tag({0, 0}, stage_tag(cursor + i) ^ 0x8000);
}

ENGINE_FN void enter_queues(Block& b, const Chunk* ring, u32 log2) {
    b.ring.ring = ring;
    b.ring.log2 = log2;
    for (u32 w = 0; w < b.warps; ++w) {
        for (u32 queue = INGRESS; queue <= INBOX; ++queue) b.workers[w].cursor[queue] = b.saved->cursors[2 * w + queue];
        b.workers[w].inbox = inbox(b.mail, mailbox_of_warp(b.mail, b.shard, w));
        tell_inbox_head(b, w, b.workers[w].cursor[INBOX]);
    }
    b.ring.published = passed_by_all(b);
    empty_stage(b.ring, b.ring.published);
}

// What a warp goes on with.
ENGINE_FN void enter_warp(Block& b, Worker& w, const EngineParams& p, u32 warp) {
    const u64 of_all = (u64)b.shard * WORK_WARPS + warp;
    w.kept = (BatchState*)p.batches + of_all;
    w.log = (u8*)p.logs + of_all * LOG_BYTES;
    w.rests = (LaneRest*)p.rests + of_all * 32;
    w.turn = w.kept->begun >> TURN_BITS;
    // Of two numbers, the later one that was committed.
    const u64 committed = w.cursor[INGRESS] + w.cursor[INBOX];
    u64* const both[TOTALS] = {w.kept->handled, w.kept->refused, w.kept->faults};
    for (u32 i = 0; i < TOTALS; ++i) {
        u64* const of = both[i];
        for (u32 place = 0; place < 2; ++place)
            if (of[2 * place] > committed) of[2 * place] = of[2 * place + 1] = 0;
        w.places[i] = of[2] > of[0];
        w.totals[i] = of[2 * w.places[i] + 1];
    }
    w.limit = LANES;
    w.busy = w.rounds = w.seen = w.since = 0;
    w.alive = LANES;
    w.helps = w.job.number = w.job.leader = w.job.helpers = 0;
    w.job.next = w.job.count = 0;
    w.births = w.crowded = w.noted = w.logged = w.notes = w.blames = 0;
}

ENGINE_FN void enter(Block& b, const EngineParams& p, u32 shard, u32 apart) {
    const RegionHeader& h = *(const RegionHeader*)p.region;
    b.egress = (Chunk*)(p.region + h.egress + shard * h.ring_stride);
    b.replies = (Chunk*)(p.region + h.replies);
    b.control = (const ShardControl*)(p.region + h.control + (u64)shard * LINE_STRIDE);
    b.progress = (ShardProgress*)(p.region + h.progress + (u64)shard * LINE_STRIDE);
    b.rows = (Row*)p.rows + (u64)shard * h.rows;
    b.counts = (u64*)p.counts + (u64)shard * h.rows;
    b.saved = (ShardState*)p.shards + shard;
    b.arena = (u8*)p.arena;
    b.arena_bytes = h.arena_bytes;
    b.clock_offset = h.clock_offset;
    b.shard = shard;
    b.launch = (u32)h.launches;
    b.row_count = h.rows;
    b.capacity_log2 = h.capacity_log2;
    b.reply_lines = h.reply_lines;
    b.system = h.system;
    b.warps = p.warps;
    b.apart = apart;
    const ShardState& s = *b.saved;
    b.names = names_of(p);
    b.nursery = nursery_of(p, shard);
    b.next_grant = 0;
    enter_mail(b, p, h.shards);
    enter_queues(b, (const Chunk*)(p.region + h.ingress + shard * h.ring_stride), h.capacity_log2);
    for (u32 i = 0; i < b.warps; ++i) enter_warp(b, b.workers[i], p, i);
    b.egress_tail = s.egress;
    b.egress_head = take(&b.control->egress_head);
    b.egress_lock = 0;
    b.hlc = s.hlc;
    b.handled = b.refused = b.faults = 0;
    for (u32 i = 0; i < b.warps; ++i) {
        b.handled += b.workers[i].totals[HANDLED];
        b.refused += b.workers[i].totals[REFUSED];
        b.faults += b.workers[i].totals[FAILED];
    }
    b.pulse.kill = s.kill;
    b.tried = s.trying;
    b.beat = b.told = 0;
    b.unfinished = b.leaving = b.swap = b.loss = b.settled = b.waits = b.left = b.jobs = 0;
    find_tail(b);
    for (u32 i = 0; i < b.warps; ++i) {
        b.workers[i].owes = owed_to_host(b, i);
        if (b.workers[i].owes) b.egress_lock = 1;
    }
    mend_nursery(b);
    for (u32 i = 0; i < b.warps; ++i) b.workers[i].hlc = b.hlc;
    b.pulse.now = clock_micros() + (u64)h.clock_offset;
    publish(&b.progress->busy, (u64)0);
    publish(&b.progress->warps, b.warps);
    for (u32 kind = 0; kind < MAX_KINDS; ++kind) {
        b.dispatch[kind] = kind == 0 || b.dispatch[kind - 1] ? resident_kind(kind) : nullptr;
        b.dispatch_one[kind] = b.dispatch[kind] ? resident_kind_one(kind) : nullptr;
        b.width[kind] = b.dispatch[kind] ? (u8)resident_kind_width(kind) : WIDTH_LANE;
    }
    publish(&b.progress->running, 1u);
}

ENGINE_FN void enter_lane(Block& b, Lane& l, u32 warp) {
    Worker& w = b.workers[warp];
    l.warp = warp;
    l.leads = l.jobs = 0;
    l.ctx.system = b.system;
    l.ctx.shard = b.shard;
    l.ctx.lanes = (u64)(&l - lane());
    l.ctx.pulse = (u64)&b.pulse;
    l.ctx.busy = (u64)&w.busy;
    l.rest = w.rests + lane();
    l.ctx.holds = (u64)l.rest->held;
    const u32 noted = ones(which_lanes(l.rest->noted.frame != 0));
    if (lane() == 0) {
        w.lanes = &l;
        note(&w.notes, noted);
    }
    sync_lanes();
}

// E-5: a warp is at a message boundary, and has nothing to be carried out once more, but for what the host has not taken.
ENGINE_FN void end_warp(Block& b, Lane& l) {
    Worker& w = b.workers[l.warp];
    if (is_first(live_lanes()) && peek(&b.unfinished) != l.warp + 1) keep((Chunk*)w.kept, {0, w.turn << TURN_BITS});
}

// E-5: everything a next launch needs is kept; the last warp tells the host.
ENGINE_CALL void leave(Block& b) {
    // Unsettled, it leaves what the launch before has left.
    if (peek(&b.settled) == b.warps) {
        tell_progress(b, passed_by_all(b));
        for (u32 w = 0; w < b.warps; ++w) publish(&b.progress->passed[w], peek(&b.workers[w].cursor[INGRESS]));
        b.saved->kill = peek(&b.pulse.kill);
    }
    publish(&b.progress->swap, peek(&b.swap) ? b.launch : 0u);
    // SYNC running: pairs with the host's load.
    publish_last(&b.progress->running, 0u);
}

// E-5: a warp leaves, or a poller, which tells nothing any more; the last one tells the host, with what all have written.
ENGINE_FN void part(Block& b) {
    // SYNC parting: each pairs with those before it.
    if (bump_in_order(&b.left, 1u) + 1 == b.warps + b.apart) leave(b);
}

// A lane has ended in the middle of a handler. Its warp goes on without it; if there is nobody left, the shard goes on in another launch.
ENGINE_CALL void end_lane(Block& b, Lane& l) {
    Worker& w = b.workers[l.warp];
    if (bump(&w.alive, ~0u) != 1) return;
    leave_job(b, w);
    ask_for_a_launch(b);
    part(b);
}

// A lane's handler, or its part of a job, has panicked; the lane ends. `exit` does that.
template <class Exit> ENGINE_FN void hear_panic(Block& b, Lane& l, const u8* text, u32 length, Exit exit) {
    if (!was_at_job(b, l, text, length)) {
        Worker& w = b.workers[l.warp];
        Lane& of = known(w.lanes[handled_lane(l)]);
        const u32 bytes = length < MAX_FAULT_TEXT ? length : MAX_FAULT_TEXT;
        copy(of.rest->room + MAX_PAYLOAD, text, bytes);
        note_failed(w, of, FAULT_PANIC, bytes);
    }
    end_lane(b, l);
    exit();
}
