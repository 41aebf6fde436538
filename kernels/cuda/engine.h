// The engine of one shard: what its pollers and its work warps do. The same text for the GPU (gpu.h) and the CPU (host.h).
//
// A shard is one thread block. A *poller* watches the next slots of the ingress ring, which the host writes, and stages complete ones in
// shared memory. *Work warps* handle what has come, a message to a lane: each looks at all that is staged and takes what is for its own rows,
// and at its own inbox, which other warps write. So a row's messages are handled in order and nobody has to lock it. Another warp delivers
// what is late (mail.h). On the GPU a poller is a warp too; on the CPU a warp has one lane, and one thread does all in turn, or poller and
// delivery are one thread and each work warp another. One poller to the ring, since loads of one line of host memory are served one after
// another, however many wait: two pollers see each other's line no more often than one does (docs/design.md, what the bus does).
//
// block.h is what a shard holds, poll.h the pollers; answer.h, mail.h, frame.h and loss.h are a lane's, lanes.h is what several do together,
// and the work warps are here.
//
//   E-1 (order)    Frames for one row are handled one at a time, those of the ring and those of the inbox each in their order. A fence
//                  comes behind all that is ahead of it in the ring.
//   E-2 (answers)  Every call is answered exactly once: a reply, a fault, a refusal. Spawn, stop and fence are acknowledged.
//   E-3 (fault)    A handler that fails marks its row and nothing else; the shard goes on with the next frame.
//   E-4 (bounds)   No frame makes the engine write outside its row's state, whatever it holds.
//   E-5 (leave)    A shard leaves when each warp is at a message boundary, and resumes there in another launch.
//   E-6 (loss)     A launch may end anywhere. The next one resumes at the frames that were not done. A message that was being handled
//                  is blamed, and its actor fails; or, if the worker says so and nothing of it was seen outside, the actor's state is
//                  put back and the message is handled as if for the first time. Any other frame is carried out once more and
//                  says so (AGAIN).
#pragma once
#include "poll.h"
#include "loss.h"

// The shard leaves, and runs on in another launch.
ENGINE_FN void ask_for_a_launch(Block& b) {
    note(&b.swap, 1u);
    pass(&b.leaving, 1u);
}

// ---- work warps ------------------------------------------------------------------------------------------------------

// As many bits as a warp reaches slots.
struct Bits {
    u64 low, high;
    ENGINE_FN bool has(u32 i) const { return (i < 64 ? low >> i : high >> (i - 64)) & 1; }
    ENGINE_FN bool empty() const { return !(low | high); }
    ENGINE_FN Bits behind(u32 n) const {
        if (n == 0) return *this;
        if (n >= 128) return {0, 0};
        return n < 64 ? Bits{low >> n | high << (64 - n), high >> n} : Bits{high >> (n - 64), 0};
    }
};
static_assert(REACH * LANES <= 128, "Bits");

// A warp's own, the same in all its lanes.
struct Course {
    // E-6: of each queue, slots from the warp's cursor on whose frames are done.
    Bits done[2];
    u32 jobs;                           // that its lanes have done together
};

// Behind a frame that lane `led` has handled, or several: what its lanes do until all of those are handled.
ENGINE_FN void stand_by(Block& b, Lane& l, Course& course, bool led) {
    Worker& w = b.workers[l.warp];
    if (led) course.jobs = peek(&w.job.number);
    while (together(w.job, l, course.jobs)) ++course.jobs;
}

// Whose row it is: a frame that is for none is somebody's, too.
ENGINE_FN u32 owner(const Block& b, u32 row, u32 op) { return op == OP_FENCE ? 0 : (row & (b.warps - 1)); }

// Whether every other warp has come as far as a fence, which is the first's.
ENGINE_FN bool others_are_at(const Block& b, u64 at) {
    bool others = true;
    for (u32 w = 1; w < b.warps; ++w) others = others && receive(&b.workers[w].cursor[INGRESS]) >= at;
    return others;
}

// MB-2: what was handled of the inbox may be written again.
ENGINE_FN void tell_inbox_head(Block& b, u32 warp, u64 passed) {
    // SYNC inbox-room: pairs with the senders' loads in `send_frames` and `deliver`. The frames' contents have been received, their tags
    // were checked.
    give_room(&mailbox(b.mail, mailbox_of_warp(b.mail, b.shard, warp)).head, passed);
}

// Behind a batch of a queue: `end` slots, of which `handled` frames were this warp's; `hlc` is the last stamp that they had to do with.
ENGINE_FN void come_past(Block& b, Lane& l, Course& course, u32 queue, u32 end, u32 handled, u64 hlc) {
    Worker& w = b.workers[l.warp];
    course.done[queue] = course.done[queue].behind(end);
    if (is_first(live_lanes())) {
        if (handled) set_busy(b, w, 0);
        const u64 next = peek(&w.cursor[queue]) + end, other = peek(&w.cursor[queue ^ 1]);
        keep((Chunk*)(b.saved->cursors + 2 * l.warp), queue == INGRESS ? Chunk{next, other} : Chunk{other, next});
        if (handled) {
            bump(&b.handled, (u64)handled);
            count_up(&b.saved->handled, handled);
            if (hlc > peek(&w.hlc)) note(&w.hlc, hlc);
            raise_kept(&b.saved->hlc, hlc);
        }
        // SYNC stage-free: pairs with the poller's `passed_by_all`. What was staged there has been received.
        give_back(&w.cursor[queue], next);
        if (queue == INBOX) tell_inbox_head(b, l.warp, next);
    }
    // All lanes go on from there.
    sync_lanes();
}

struct Staged { Chunk c0, c1, c2, c3; bool there; };
ENGINE_FN Staged staged(const Block& b, const Worker& w, u32 queue, u64 at) {
    const u32 tag = tag_at(b, queue, at);
    const Chunk c3 = chunk_at(b, w, queue, at, 3), c0 = chunk_at(b, w, queue, at, 0), c1 = chunk_at(b, w, queue, at, 1), c2 = chunk_at(b, w, queue, at, 2);
    return {c0, c1, c2, c3, tag_of(c0) == tag && tag_of(c1) == tag && tag_of(c2) == tag && tag_of(c3) == tag};
}
ENGINE_FN u32 row_of(const Staged& s) { return low(s.c0.lo); }

// What a warp takes of a queue at once.
struct Batch {
    u32 end;                            // slots that it comes past; 0 if there is nothing
    u32 handled;                        // frames of its rows among them
    u64 at;                             // the frame that this lane takes,
    bool mine;                          // if it takes one,
    Staged slot;                        // and its first slot
};

// A lane takes up a frame.
ENGINE_FN Head take_up(const Block& b, Lane& l, u32 queue, u64 at, const Staged& s) {
    const Head h = l.head = unpack(l, s.c0, s.c1, s.c2, s.c3);
    l.hlc = peek(&b.workers[l.warp].hlc);
    l.queue = queue;
    l.at = at;
    l.id = at << 1 | queue;
    l.seen = 0;
    return h;
}

// Handles a frame by itself, which `leader` has found at the cursor, as it is where somebody waits for each: that is done without asking the
// lanes what each of them could do.
ENGINE_FN void handle_alone(Block& b, Lane& l, Course& course, u32 queue, u32 leader, const Staged& s, u32 slots, bool mine) {
    const u64 at = peek(&b.workers[l.warp].cursor[queue]);
    if (lane() == leader) {
        slot_is_read(b, b.workers[l.warp], queue, at);
        if (mine) {
            const Head h = take_up(b, l, queue, at, s);
            if (slots > 1) unpack_rest(b, l, queue, at, slots);
            l.leads = true;
            frame(b, l, h, true);
        }
    }
    stand_by(b, l, course, lane() == leader);
    come_past(b, l, course, queue, slots, mine, lane() == leader ? l.hlc : 0);
}

// The next frame of the host's ring, if it is alone. Returns how many slots the warp has come past, or MORE.
constexpr u32 MORE = ~0u;
ENGINE_FN u32 handle_one(Block& b, Lane& l, Course& course, u32 leader) {
    constexpr u32 queue = INGRESS;
    const Worker& w = b.workers[l.warp];
    const u64 at = peek(&w.cursor[queue]);
    const Staged s = staged(b, w, queue, at);
    const u32 row = row_of(s), length = length_of(s.c1), slots = length <= MAX_PAYLOAD ? slots_for(length) : 1;
    const auto is_here = [&](u64 slot) { return tag_of(chunk_at(b, w, queue, slot, 3)) == tag_at(b, queue, slot); };
    const bool more = is_here(at + slots), lone = slots == 1 ? LANES == 1 || !more : !more && is_here(at + slots - 1);
    enum { NOTHING, ONE, MINE, SEVERAL };
    u32 found = SEVERAL;
    if (!s.there) found = NOTHING;
    else if (lone && op_of(s.c3) != OP_FENCE && course.done[queue].empty()) found = (row & (b.warps - 1)) == l.warp ? MINE : ONE;
    found = from_lane(found, leader);
    if (found == NOTHING) return 0;
    if (found == SEVERAL) return MORE;
    handle_alone(b, l, course, queue, leader, s, slots, found == MINE);
    return slots;
}

// Frames of one slot, one after another, as most are. Nothing if the first is no such frame. Of a warp's own inbox: a slot to a lane.
ENGINE_FN Batch look_at_inbox(const Block& b, const Lane& l, const Course& course, u32 live, u32 rank) {
    const Worker& w = b.workers[l.warp];
    const u64 at = peek(&w.cursor[INBOX]) + rank;
    const Staged s = staged(b, w, INBOX, at);
    const u32 stop = live & ~which_lanes(s.there && length_of(s.c1) <= INLINE_BYTES);
    const u32 end = stop ? ones(live & lanes_below(first_one(stop))) : ones(live);
    return {end, end, at, rank < end && !course.done[INBOX].has(rank), s};
}

// Of the host's ring, which all work warps read: each lane looks at several, and those of this warp's rows are dealt out to the lanes.
ENGINE_FN Batch deal(Block& b, const Lane& l, const Course& course, u32 live, u32 rank) {
    constexpr u32 queue = INGRESS;
    Worker& w = b.workers[l.warp];
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
        const bool own = rank < end && (row_of(s) & (b.warps - 1)) == l.warp, open = own && !course.done[queue].has(offset);
        const u32 all = which_lanes(open), number = dealt + ones(all & lanes_below());
        // The first that finds no lane is left for the next turn, with all behind it.
        const u32 over = which_lanes(open && number >= lanes);
        if (over) end = ones(live & lanes_below(first_one(over)));
        if (open && rank < end) w.dealt[number] = (u8)offset;
        dealt += ones(which_lanes(open && rank < end));
        batch.handled += ones(which_lanes(own && rank < end));
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
ENGINE_FN Batch pick(Block& b, const Lane& l, const Course& course, u32 queue, u32 live, u32 rank) {
    const Worker& w = b.workers[l.warp];
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
            if (l.warp == 0 && !any_lane(others_are_at(b, base))) return nothing;
            end = from_lane(slots, first_one(live));
            begins = rank == 0;
        } else if (!single) {
            end = before;
            begins = begins && rank < before;
        }
    }
    const bool own = begins && (queue == INBOX || owner(b, row_of(s), op) == l.warp);
    return {end, ones(which_lanes(own)), base + rank, own && !course.done[queue].has(rank), s};
}

// Of the frames of a batch, leaves as many as may be handled without a look how full the outbox is: by what their like have sent, it holds
// what all warps send, if no inbox has room. What is not known of any message of its kind is tried by one alone, and of one whose kind
// sends much there is one for each actor, since it may send more than the others. Which lanes are left.
ENGINE_FN u32 trim(Block& b, Lane& l, u32 queue, u64 base, u32 kind, Batch& batch) {
    const u32 taken = which_lanes(batch.mine);
    if (!(taken & (taken - 1))) return taken;
    const bool sends = batch.mine && kind < MAX_KINDS && is_message(b, queue, l.head);
    const u32 known = sends ? peek(&fan_out(b, kind, l.head.message)) : 1;
    const u32 much = most_of_lanes(known), most = any_lane(known == 0) ? 1 : max_of(1u, side_by_side(b, b.workers[l.warp], much));
    bool over = batch.mine && ones(taken & lanes_below()) >= most;
    if (much > 2) over = (same_lanes(batch.mine ? l.head.row : ~0u) & lanes_below() & taken) != 0 || over;
    const u32 overs = which_lanes(batch.mine && over);
    if (!overs) return taken;
    const u32 first = first_one(overs), left = taken & lanes_below(first);
    batch.end = from_lane((u32)(batch.at - base), first);
    batch.handled = ones(left);
    return left;
}

// Hands the next staged frames of a queue to the lanes of this warp and handles those that are for its rows.
// Returns how many slots it has come past. Called by all lanes that have not ended.
ENGINE_FN u32 handle_batch(Block& b, Lane& l, Course& course, u32 queue) {
    const u32 live = live_lanes(), rank = ones(live & lanes_below());
    Batch batch;
    if (queue == INBOX) {
        batch = look_at_inbox(b, l, course, live, rank);
        if (batch.end == 1 && course.done[queue].empty()) {
            handle_alone(b, l, course, queue, first_one(live), batch.slot, 1, true);
            return 1;
        }
    } else {
        const u32 one = handle_one(b, l, course, first_one(live));
        if (one != MORE) return one;
        batch = deal(b, l, course, live, rank);
    }
    if (batch.end == 0) batch = pick(b, l, course, queue, live, rank);
    if (batch.end == 0) return 0;
    Worker& w = b.workers[l.warp];
    const u64 base = peek(&w.cursor[queue]);
    bool mine = batch.mine;
    const u32 row = mine ? row_of(batch.slot) : ~0u;
    u32 kind = MAX_KINDS;
    if (mine) {
        slot_is_read(b, w, queue, batch.at);
        // Meanwhile: it may become another by what is ahead.
        if (row < b.row_count) kind = look(&b.rows[row].kind);
        take_up(b, l, queue, batch.at, batch.slot);
        if (l.head.length > INLINE_BYTES && l.head.length <= MAX_PAYLOAD) unpack_rest(b, l, queue, batch.at, slots_for(l.head.length));
    }
    const u32 taken = trim(b, l, queue, base, kind, batch), handled = batch.handled;
    mine = mine && taken >> lane() & 1;
    // Of its row, the frames ahead of this lane's.
    const u32 ahead = taken & (taken - 1) ? same_lanes(mine ? row : ~0u) & lanes_below() : 0;
    for (u32 rest = taken; rest;) {
        const bool ready = mine && rest >> lane() & 1 && !(ahead & rest);
        // A round is of one kind, whose handlers run side by side.
        if (ready && ahead && row < b.row_count) kind = look(&b.rows[row].kind);
        if (!ready || !is_message(b, queue, l.head)) kind = MAX_KINDS;
        const u32 leader = first_one(which_lanes(ready)), of_round = from_lane(kind, leader);
        // One that asks for the other lanes has them to itself.
        const bool wide = of_round < MAX_KINDS && b.width[of_round] != WIDTH_LANE;
        const bool now = wide ? lane() == leader : ready && kind == of_round;
        if (lane() == leader && of_round < MAX_KINDS) set_busy(b, w, next_round(w, l.warp, of_round));
        const u32 lanes = which_lanes(now);
        rest &= ~lanes;
        if (!(lanes & (lanes - 1))) {
            if (now) frame_of_batch(b, l, wide);
        } else {
            const bool open = now && begin_frame(b, l);
            if (any_lane(l.last.op)) flush_together(b, l);
            if (open) end_frame(b, l);
        }
        // Whoever is ready next sees what these have done.
        stand_by(b, l, course, now);
    }
    come_past(b, l, course, queue, batch.end, handled, taken ? latest_of_lanes(l.hlc) : 0);
    return batch.end;
}

// What others may change meanwhile: asked by one lane, for all.
enum { LEAVING = 1, CONGESTED = 2 };
ENGINE_FN u32 look_around(const Block& b, const Worker& w) {
    const u32 here = (peek(&b.leaving) ? LEAVING : 0) | (is_congested(b, w) ? CONGESTED : 0);
    return from_lane(here, first_one(live_lanes()));
}

// Handles what has come. With nothing there it calls `wait`, which says of which queues there is something, a bit each, and 0 when there
// will be nothing; then it returns, or when the shard is to leave, or after `Wait::MOST` turns, if that is not 0.
template <class Wait> ENGINE_FN void work(Block& b, Lane& l, Course& course, Wait& wait) {
    constexpr u32 BOTH = 1 << INGRESS | 1 << INBOX;
    const Worker& w = b.workers[l.warp];
    u32 state = look_around(b, w), there = BOTH;
    for (u32 turn = 0; !(state & LEAVING) && (Wait::MOST == 0 || turn < Wait::MOST); ++turn) {
        // The queues take turns while both have something.
        u32 came = 0;
        for (u32 k = 0; k < 2 && !came; ++k) {
            const u32 queue = (turn + k) & 1;
            if (there >> queue & 1 && (queue == INBOX || !(state & CONGESTED))) came = handle_batch(b, l, course, queue);
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

ENGINE_FN void enter(Block& b, const EngineParams& p, u32 shard, u32 apart) {
    const RegionHeader& h = *(const RegionHeader*)p.region;
    b.egress = (Chunk*)(p.region + h.egress + shard * h.ring_stride);
    b.replies = (Chunk*)(p.region + h.replies);
    b.control = (const ShardControl*)(p.region + h.control + (u64)shard * LINE_STRIDE);
    b.progress = (ShardProgress*)(p.region + h.progress + (u64)shard * LINE_STRIDE);
    b.rows = (Row*)p.rows + (u64)shard * h.rows;
    b.counts = (u64*)p.counts + (u64)shard * h.rows;
    b.saved = (ShardState*)p.shards + shard;
    b.lanes = (LaneState*)p.lanes + (u64)shard * WORK_LANES;
    b.rests = (LaneRest*)p.rests + (u64)shard * WORK_LANES;
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
    for (u32 i = 0; i < b.warps; ++i) {
        Worker& w = b.workers[i];
        w.resumed = w.cursor[INGRESS];
        w.busy = w.rounds = w.seen = w.since = 0;
        w.alive = LANES;
        w.helps = w.job.number = w.job.leader = w.job.helpers = 0;
        w.job.next = w.job.count = 0;
    }
    b.egress_tail = s.egress;
    b.egress_head = take(&b.control->egress_head);
    b.egress_lock = 0;
    b.hlc = s.hlc;
    b.handled = s.handled;
    b.refused = s.refused;
    b.faults = s.faults;
    b.kill = s.kill;
    b.tried = s.trying;
    b.beat = b.told = 0;
    b.leaving = b.swap = b.loss = b.settled = b.waits = b.left = b.jobs = 0;
    find_tail(b);
    mend_nursery(b);
    for (u32 i = 0; i < b.warps; ++i) b.workers[i].hlc = b.hlc;
    b.now = clock_micros() + (u64)h.clock_offset;
    publish(&b.progress->busy, (u64)0);
    publish(&b.progress->warps, b.warps);
    for (u32 kind = 0; kind < MAX_KINDS; ++kind) {
        b.dispatch[kind] = kind == 0 || b.dispatch[kind - 1] ? resident_kind(kind) : nullptr;
        b.width[kind] = b.dispatch[kind] ? (u8)resident_kind_width(kind) : WIDTH_LANE;
    }
    publish(&b.progress->running, 1u);
}

ENGINE_FN void enter_lane(Block& b, Lane& l, u32 warp) {
    l.warp = warp;
    l.index = warp * LANES + lane();
    l.saved = b.lanes + l.index;
    l.leads = false;
    l.held = l.last.op = 0;
    l.ctx.system = b.system;
    l.ctx.shard = b.shard;
    l.rest = b.rests + l.index;
    l.ctx.room = (u64)l.rest->room;
}

// E-6: where a warp goes on, and which of the frames ahead are done.
ENGINE_FN Course resume(const Block& b, const Lane& l) {
    Course course;
    course.jobs = 0;
    const u64 at = l.saved->at, slot = (at & ~(HANDLING | DONE)) >> 1;
    for (u32 queue = INGRESS; queue <= INBOX; ++queue) {
        const u64 ahead = slot - peek(&b.workers[l.warp].cursor[queue]);
        u32 words[4];
        for (u32 i = 0; i < 4; ++i) words[i] = any_bits(at & DONE && (at & 1) == queue && ahead / 32 == i ? 1u << ahead % 32 : 0);
        course.done[queue] = {pair(words[0], words[1]), pair(words[2], words[3])};
    }
    return course;
}

// E-5: everything a next launch needs is kept; the last warp tells the host.
ENGINE_CALL void leave(Block& b) {
    // Unsettled, it leaves what the launch before has left.
    if (peek(&b.settled) == b.warps) {
        tell_progress(b, passed_by_all(b));
        for (u32 w = 0; w < b.warps; ++w) publish(&b.progress->passed[w], peek(&b.workers[w].cursor[INGRESS]));
        b.saved->kill = peek(&b.kill);
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
