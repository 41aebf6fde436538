// Jobs: what several lanes do together for one handler. Part of engine.h.
//
// A handler runs in one lane, its *leader*. While it runs, the other lanes of its warp stand by, where its kind asks for them
// (`#[actor(width = ..)]`) or where its message has come alone, and take part in each job that it begins. Where its kind asks for a block,
// other warps that have nothing else to do help. A handler that has nobody beside it does its jobs by itself.
//
//   J-1 (once)     A job is so many items, each done once unless a lane panics. A warp takes `step` of them, and its lanes share them out.
//   J-2 (end)      When the leader goes on nobody is at its job any more, and it sees what all have written.
//   J-3 (fault)    If lanes panic in a job, its leader's actor fails with the text of the first. Those lanes end, the leader among them.
//   J-4 (bounds)   What lanes are given is of the actor's state or of its message: on a GPU they do not see each other's stacks.
#pragma once
#include "answer.h"

constexpr u32 OPEN = 1u << 31;

// J-4: whether a part of memory is of the state or of the message.
ENGINE_FN bool is_seen(const Block& b, const Lane& l, u64 at, u64 bytes) {
    const auto is_within = [&](const u8* whole, u64 size) { return at - (u64)whole <= size && bytes <= size - (at - (u64)whole); };
    const Lane& of = b.workers[l.warp].lanes[handled_lane(l)];
    return bytes == 0 || is_within(l.state, l.state_bytes) || is_within(of.payload, of.head.length);
}

// J-3: the first one's text is kept.
ENGINE_FN void fail_job(Job& j, const u8* text, u32 bytes) {
    if (!swap_if(&j.failed, 0, 1)) return;
    j.text_bytes = bytes < MAX_FAULT_TEXT ? bytes : MAX_FAULT_TEXT;
    copy(j.text, text, j.text_bytes);
}

// J-1: all lanes of a warp do what they find left of a job; of one in which a lane has panicked, no more. All of a warp ask in the same
// instructions, wherever they come from.
ENGINE_CALL void do_items(Job& j, Lane& l) {
    known(j), known(l);
    for (;;) {
        // One may have ended since.
        const u32 live = live_lanes(), first = first_one(live);
        const u64 count = peek(&j.count);
        const u64 begin = from_lane(lane() != first || peek(&j.failed) ? count : bump(&j.next, (u64)j.step), first);
        if (begin >= count) return;
        const u64 end = count - begin > j.step ? begin + j.step : count;
        u8* const text = l.rest->room + MAX_PAYLOAD;
        if (const u32 bytes = j.work(j.room, begin, end, ones(live & lanes_below()), ones(live), text)) fail_job(j, text, bytes);
    }
}

// The lanes of a warp wait for each other, and do the next job if there is one behind the `done` that they have done.
ENGINE_CALL bool together(Job& j, Lane& l, u32 done) {
    known(j), known(l);
    sync_lanes();
    if (peek(&j.number) == done) return false;
    do_items(j, l);
    sync_lanes();
    return true;
}

// J-2, behind the leader's own warp: nobody else comes any more, and who has come is waited for.
ENGINE_FN void close_job(Block& b, Job& j) {
    note(&j.leader, 0u);
    if (!(peek(&j.helpers) & OPEN)) return;
    bump(&b.jobs, ~0u);
    bump_in_order(&j.helpers, OPEN);
    // SYNC helper: pairs with each helper's word that it has left.
    while (receive(&j.helpers)) while_waiting(b);
}

ENGINE_FN u8* job_room(Block& b, Lane& l) { return l.leads ? b.workers[l.warp].job.room : l.rest->room; }

// A handler's job: `work` on what is in `job_room`. The bytes of a panic's text, behind MAX_PAYLOAD of the lane's room; 0 if there was none,
// JOB_OUTSIDE if its parts are something else's.
ENGINE_FN u32 run_job(Block& b, Lane& l, Work work, const RawJob& job) {
    u8* const text = l.rest->room + MAX_PAYLOAD;
    const u64 count = job.count;
    if (!is_seen(b, l, job.items, job.item_bytes) || !is_seen(b, l, job.shared, job.shared_bytes)) return JOB_OUTSIDE;
    if (!l.leads) return work(l.rest->room, 0, count, 0, 1, text);
    Job& j = b.workers[l.warp].job;
    const bool open = b.warps > 1 && b.width[l.kind] == WIDTH_BLOCK;
    // As many turns for each warp as level out that one comes late.
    const u64 share = open ? (count / (2 * b.warps) + LANES - 1) / LANES * LANES : count;
    j.work = work;
    j.step = share < LANES ? LANES : (u32)share;
    note(&j.failed, 0u);
    note(&j.count, count);
    note(&j.next, (u64)0);
    note(&j.leader, lane() + 1);
    if (open) {
        // SYNC helper: pairs with each helper's entry.
        weakened("helper/open") ? note(&j.helpers, OPEN) : pass(&j.helpers, OPEN);
        bump(&b.jobs, 1u);
    }
    const u32 done = peek(&j.number);
    note(&j.number, done + 1);
    together(j, l, done);
    close_job(b, j);
    if (!peek(&j.failed)) return 0;
    copy(text, j.text, j.text_bytes);
    return j.text_bytes;
}

// Another warp's job, if one is open: does some of it. Called by all lanes of a warp that has nothing else to do.
ENGINE_CALL bool help(Block& b, Lane& l) {
    known(b), known(l);
    Worker& own = b.workers[l.warp];
    u32 whose = b.warps;
    if (is_first(live_lanes()))
        for (u32 w = 0; w < b.warps && whose == b.warps; ++w) {
            Job& j = b.workers[w].job;
            const u32 helpers = peek(&j.helpers);
            // SYNC helper: pairs with the leader's and every other helper's.
            if (w != l.warp && helpers & OPEN && peek(&j.next) < peek(&j.count) && swap_if(&j.helpers, helpers, helpers + 1)) whose = w;
        }
    whose = from_lane(whose, first_one(live_lanes()));
    if (whose == b.warps) return false;
    Job& j = b.workers[whose].job;
    if (is_first(live_lanes())) note(&own.helps, whose + 1);
    sync_lanes();
    do_items(j, l);
    sync_lanes();
    if (is_first(live_lanes())) {
        note(&own.helps, 0u);
        // SYNC helper: pairs with the leader's wait.
        weakened("helper/left") ? bump(&j.helpers, ~0u) : bump_in_order(&j.helpers, ~0u);
    }
    return true;
}

// The last lane of a warp has ended: nobody waits for it.
ENGINE_FN void leave_job(Block& b, Worker& w) {
    if (const u32 helps = peek(&w.helps)) bump_in_order(&b.workers[helps - 1].job.helpers, ~0u);
}

// J-3: a lane has panicked on a GPU. Whether it was another lane's job, who hears of it then; a leader's own ends before its actor fails.
ENGINE_FN bool was_at_job(Block& b, Lane& l, const u8* text, u32 bytes) {
    Worker& own = b.workers[l.warp];
    const u32 helps = peek(&own.helps), leader = peek(&own.job.leader);
    if (!helps && !leader) return false;
    if (!helps && leader == lane() + 1) {
        // With the others to where `together` ends.
        fail_job(own.job, text, bytes);
        do_items(own.job, l);
        sync_lanes();
        close_job(b, own.job);
        return false;
    }
    fail_job(helps ? b.workers[helps - 1].job : own.job, text, bytes);
    return true;
}
