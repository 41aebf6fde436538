// The end of a batch: what it does is logged, then it is committed, then it is done. Part of engine.h.
#pragma once
#include "handle.h"

// The commit: what the warp has come past, of one queue and of the other.
ENGINE_FN void keep_cursor(Block& b, u32 warp, u32 queue, u64 past, u64 other) {
    commit_by(b.saved->cursors + 2 * warp, queue == INGRESS ? past : other, queue == INGRESS ? other : past);
}

// A number of the warp's, in the place of the two that does not hold the one before: which of them holds depends on the commit.
ENGINE_FN void keep_total(Worker& w, u32 which, u64 batch, u64 more) {
    if (!more) return;
    u64* const places = which == HANDLED ? w.kept->handled : which == REFUSED ? w.kept->refused : w.kept->faults;
    w.places[which] ^= 1;
    w.totals[which] += more;
    keep((Chunk*)places + w.places[which], {batch, w.totals[which]});
}

// Whether an actor has failed by this lane's frame.
ENGINE_FN u32 has_failed(const Lane& l) { return l.outcome.what == OUTCOME_FAILED || (l.outcome.what == OUTCOME_BLAMED && l.outcome.value != 0); }

// Where the frames of a batch go on the egress ring, and their stamps.
struct Line { u64 at, stamp; };

ENGINE_FN Chunk* ring_slot(const Block& b, u64 at) { return slot(b.egress, b.capacity_log2, at); }

// Writes a frame of one slot, whose payload is in shared memory, to a ring or to the log.
ENGINE_FN void write_one(Chunk* to, u32 tag, const Outgoing& f, u64 stamp, const u8* payload, u32 extra) {
    write_first(to, tag, f.op, f.message, f.row, f.generation, f.correlation, stamp, (const u32*)payload, f.bytes, extra);
}

// A logged frame gets its stamp, and its head says where it goes.
ENGINE_FN void place_logged(const Log& log, u64 turn, u32 at, u32 slots, const Line& line) {
    Chunk* const c1 = log.slots + at * CHUNKS + 1;
    store_chunk(c1, {line.stamp, load_chunk(c1).hi});
    keep(log.heads + at, log_head(turn, LOG_HOST, slots, line.at));
}

// Writes what the warp's last batch has logged for the host, from the ring's tail on up to `end`, as the host takes it; by one lane, under the
// lock. False if the shard is to leave and the host takes nothing: the next launch goes on there.
ENGINE_CALL bool say_logged(Block& b, Worker& w, u64 end) {
    known(b), known(w);
    const Log log = log_at(w.log);
    const auto is_at = [&](u32 at, u64 place) {
        const Chunk head = load_chunk(log.heads + at);
        return turn_of(head) == w.turn && kind_of(head) == LOG_HOST && head.hi == place;
    };
    u32 at = 0;
    for (u64 next = peek(&b.egress_tail); next < end;) {
        // Most stand one behind another.
        if (at >= LOG_SLOTS || !is_at(at, next))
            for (at = 0; at < LOG_SLOTS && !is_at(at, next);) ++at;
        if (at == LOG_SLOTS) return true;
        const u32 slots = slots_of(load_chunk(log.heads + at));
        if (!wait_for_room(b, w, slots)) return false;
        for (u32 k = 0; k < slots; ++k) copy_slot(ring_slot(b, next + k), lap(next + k, b.capacity_log2), log.slots + (at + k) * CHUNKS);
        at += slots;
        next += slots;
        advance_egress(b, next);
    }
    return true;
}

// The row of the lane's actor becomes what the batch has made of it, and its state, of which so many bytes are a copy.
ENGINE_FN void settle_row(Block& b, const Lane& l, u32 copied) {
    Row& row = b.rows[l.head.row];
    if (l.spawned) {
        row.kind = l.kind;
        put(&row.state_offset, l.state_offset);
        row.state_bytes = l.state_bytes;
        put(&row.generation, l.generation);
    }
    copy_state(l.copy, copied, [&](u32 i, Chunk c) { ((Chunk*)(b.arena + l.state_offset))[i] = c; });
    count_from(b.counts + l.head.row, l.count);
    if (l.spawned || l.status != ROW_LIVE) put(&row.status, l.status);
}

// Logs the frames that found no place, with their tickets: all lanes together, whoever has sent them, from `at` on. How many there are.
template <class Group> ENGINE_FN u32 log_held(Block& b, Lane& l, const Log& log, u32 at, u32 all) {
    Worker& w = b.workers[l.warp];
    const Mail& m = b.mail;
    const u64 turn = w.turn;
    const u32 live = Group::live(), rank = ones(live & Group::below()), lanes = ones(live), own = holds(l);
    // Each is found by whose it is, which stands where its head is going to be, and is of no turn until then.
    const Share share = share_of<Group>(live, own);
    for (u32 i = 0; i < own; ++i) keep(log.heads + at + share.ahead + i, {0, lane() << 8 | i});
    const u64 stamp = l.hlc + 1;
    l.hlc += own;
    Group::sync();
    for (u32 first = 0; first < all; first += lanes) {
        const u32 place = at + first + rank;
        const bool mine = first + rank < all;
        const u32 which = mine ? (u32)load_chunk(log.heads + place).hi : lane() << 8;
        const HeldFrame& held = w.rests[which >> 8].held[which & 0xff];
        Outgoing f{};
        if (mine) f = held.frame;
        // No actor of this device has such an address: a dead letter.
        const bool good = mine && f.to < m.shards && f.generation != 0;
        const u32 to = good ? mailbox_of(m, f.to, f.row) : 0;
        const Ticket ticket = take_tickets<Group>(m, good, to, 1);
        const u64 when = Group::from(stamp, which >> 8) + (which & 0xff);
        if (good) {
            write_one(log.slots + place * CHUNKS, log_tag(turn), f, when, held.payload, f.to);
            keep(log.heads + place, log_head(turn, LOG_MAIL, 1, mail_place(ticket.first, to)));
        } else if (mine) {
            keep(log.heads + place, log_head(turn, LOG_MORE, 0, 0));
            ++l.refused;
        }
    }
    return all;
}

// Sends the mail that is logged from one place to another.
template <class Group> ENGINE_FN void send_logged(Block& b, Lane& l, const Log& log, u32 from, u32 ends) {
    const Mail& m = b.mail;
    const u32 live = Group::live(), rank = ones(live & Group::below()), lanes = ones(live);
    for (u32 first = from; first < ends; first += lanes) {
        const u32 at = first + rank;
        const Chunk head = at < ends ? load_chunk(log.heads + at) : Chunk{0, 0};
        const bool is_mail = kind_of(head) == LOG_MAIL;
        if (!Group::any(is_mail)) continue;
        Ticket t{ticket_of(head), false};
        if (is_mail) t.late = t.first + slots_of(head) - look_for_room(&mailbox(m, inbox_of(head)).head) > 1ull << m.inbox_log2;
        send_mail<Group>(b, b.workers[l.warp], l.warp, is_mail, inbox_of(head), t, slots_of(head), [&](u32 k, Chunk* to, u32 lap) { copy_slot(to, lap, log.slots + (at + k) * CHUNKS); });
    }
}

// Commits the batch that the warp has handled, and does what it says: `end` slots of a queue, of which `frames` were for its rows. Of what is
// logged, what handlers have said ends at `ends`. False if there is no room for what it sends, or the shard is to leave: nothing was done.
template <class Group> ENGINE_FN bool commit(Block& b, Lane& l, u32 queue, u32 end, u32 frames, u32 ends, bool alone) {
    Worker& w = b.workers[l.warp];
    const Log log = log_at(w.log);
    const Mail& m = b.mail;
    const u64 turn = w.turn;
    const u32 tag = log_tag(turn), live = Group::live(), rank = ones(live & Group::below()), lanes = ones(live);
    const u32 logged = peek(&w.logged);
    const bool placed = l.place.op != 0, for_host = placed && l.place.to == TO_HOST, for_mail = placed && !for_host;
    u32 said = l.host;
    for (u32 i = 0; i < l.answers; ++i) said += slots_for(l.answer[i].bytes);
    const u32 held = Group::sum(holds(l)), mail = Group::sum(l.mail) + held, host = Group::sum(said);

    // From here on nothing waits and nothing fails.
    enum { ROOM, NONE, LEAVE };
    u32 room = ROOM;
    if (mail || host) {
        if (Group::is_first(live)) {
            const bool fits = !mail || outbox_has_room(b, w, mail) || rare(alone && wait_for_outbox(b, w, mail));
            if (rare(!fits)) room = NONE;
            else if (host && !lock_egress(b)) room = LEAVE;
        }
        room = Group::from(room, first_one(live));
        if (rare(room == NONE)) note(&w.crowded, 1u);
        if (rare(room != ROOM)) return false;
    }
    const u64 egress = peek(&b.egress_tail), latest = Group::latest(l.hlc), told = peek(&b.hlc);
    Line next{egress, (host && told > latest ? told : latest) + 1};

    // What stands in the lanes' places.
    Ticket ticket{};
    Line line{};
    u32 free = logged;
    if (const u32 all = Group::which(placed)) {
        const u32 hosts = Group::which(for_host), before = ones(hosts & Group::below());
        if (all != hosts) ticket = take_tickets<Group>(m, for_mail, l.place.to, 1);
        line = {next.at + before, for_host ? next.stamp + before : next_stamp(l)};
        next = {next.at + ones(hosts), next.stamp + ones(hosts)};
        if (placed) {
            const u32 at = free + ones(all & Group::below());
            write_one(log.slots + at * CHUNKS, tag, l.place, line.stamp, l.placed, shard_of(b, l.place.to));
            keep(log.heads + at, for_host ? log_head(turn, LOG_HOST, 1, line.at) : log_head(turn, LOG_MAIL, 1, mail_place(ticket.first, l.place.to)));
        }
        free += ones(all);
    }
    // What found no place.
    const u32 behind = free;
    if (rare(held)) free += log_held<Group>(b, l, log, free, held);
    // What handlers have logged.
    for (u32 first = 0; rare(first < ends); first += lanes) {
        const u32 at = first + rank;
        const Chunk head = at < ends ? load_chunk(log.heads + at) : Chunk{0, 0};
        const u32 slots = slots_of(head), hosts = Group::which(kind_of(head) == LOG_HOST);
        const bool is_mail = kind_of(head) == LOG_MAIL;
        if (Group::any(is_mail)) {
            const Ticket t = take_tickets<Group>(m, is_mail, inbox_of(head), slots);
            if (is_mail) keep(log.heads + at, log_head(turn, LOG_MAIL, slots, mail_place(t.first, inbox_of(head))));
        }
        if (!hosts) continue;
        const Share share = share_of<Group>(hosts, slots);
        if (kind_of(head) == LOG_HOST) place_logged(log, turn, at, slots, {next.at + share.ahead, next.stamp + share.ahead});
        next = {next.at + share.all, next.stamp + share.all};
    }
    // What lanes say of their frames.
    Line lines[2]{};
    for (u32 i = 0; i < 2; ++i) {
        const bool has = i < l.answers;
        const u32 all = Group::which(has);
        if (!rare(all)) break;
        const Answer& a = l.answer[i];
        const u32 slots = slots_for(has ? a.bytes : 0), shorts = Group::which(has && a.at == NOT_LOGGED);
        const Share share = share_of<Group>(all, slots);
        lines[i] = {next.at + share.ahead, next.stamp + share.ahead};
        next = {next.at + share.all, next.stamp + share.all};
        if (has && a.at == NOT_LOGGED) {
            const u32 at = free + ones(shorts & Group::below());
            write_one(log.slots + at * CHUNKS, tag, frame_of(l, a), lines[i].stamp, l.reply, 0);
            keep(log.heads + at, log_head(turn, LOG_HOST, 1, lines[i].at));
        } else if (has) {
            place_logged(log, turn, a.at, slots, lines[i]);
        }
        free += ones(shorts);
    }
    if (const u32 all = Group::which(l.line.op != 0)) {
        const u32 at = free + ones(all & Group::below());
        if (l.line.op) {
            store_chunk(log.slots + at * CHUNKS, {pair(l.head.row, l.head.generation), l.head.message | (u64)tag << 48});
            keep(log.heads + at, log_head(turn, LOG_LINE, 1, pair(l.head.correlation, l.head.reply_tag)));
        }
    }
    // What becomes of rows.
    const u32 copied = l.touched && l.state == l.copy ? l.state_bytes : 0;
    if (l.touched) {
        Chunk* const record = (Chunk*)(log.rows + Group::lane());
        keep(record, {turn, pair(l.head.row, l.status)});
        keep(record + 1, {l.count, pair(copied, l.spawned)});
        if (rare(l.spawned)) keep(record + 2, {l.state_offset, pair(l.generation, l.kind | l.state_bytes << 8)});
        copy_state(l.copy, copied, [&](u32 i, Chunk c) { keep(log.states + Group::lane() * COPY_CHUNKS + i, c); });
    }
    const u32 refused = Group::sum(l.refused);
    const u32 failed = Group::sum(has_failed(l));
    // Behind every stamp of the batch.
    const u64 stamp = Group::latest(l.hlc > next.stamp ? l.hlc : next.stamp) + 1;
    const u64 past = peek(&w.cursor[queue]) + end, other = peek(&w.cursor[queue ^ 1]);
    if (Group::is_first(live)) {
        keep_total(w, HANDLED, past + other, frames);
        keep_total(w, REFUSED, past + other, refused);
        keep_total(w, FAILED, past + other, failed);
        raise_kept(&b.saved->hlc, stamp);
        note(&w.hlc, stamp);
    }

    // The commit.
    Group::sync();
    if (Group::is_first(live)) keep_cursor(b, l.warp, queue, past, other);
    Group::sync();

    // What nobody hears of can wait for what somebody waits for.
    const bool heard = l.touched && (l.spawned || l.status != ROW_LIVE);
    if (rare(heard)) settle_row(b, l, copied);
    // More than there is room for goes as the host takes it.
    const bool at_once = Group::any(host && next.at - peek(&b.egress_head) <= 1ull << b.capacity_log2);
    if (rare(at_once)) {
        if (for_host) write_one(ring_slot(b, line.at), lap(line.at, b.capacity_log2), l.place, line.stamp, l.placed, 0);
        for (u32 at = rank; at < logged; at += lanes) {
            const Chunk head = load_chunk(log.heads + at);
            if (kind_of(head) != LOG_HOST) continue;
            for (u32 k = 0; k < slots_of(head); ++k) copy_slot(ring_slot(b, head.hi + k), lap(head.hi + k, b.capacity_log2), log.slots + (at + k) * CHUNKS);
        }
        for (u32 i = 0; i < l.answers; ++i) {
            const Answer& a = l.answer[i];
            if (a.at == NOT_LOGGED) write_one(ring_slot(b, lines[i].at), lap(lines[i].at, b.capacity_log2), frame_of(l, a), lines[i].stamp, l.reply, 0);
        }
        Group::sync();
    }
    if (rare(host && Group::is_first(live))) {
        note(&b.hlc, next.stamp);
        if (at_once) advance_egress(b, next.at);
        if (at_once || say_logged(b, w, next.at)) unlock_egress(b);
        else note(&b.unfinished, l.warp + 1);
    }
    Group::sync();
    if (rare(peek(&w.births))) end_births(b, w, l.warp, true);
    if (l.line.op) {
        const Answer& a = l.line;
        Chunk* const to = b.replies + l.head.correlation * (u64)CHUNKS;
        const u32* const words = (const u32*)reply_of(l, a.bytes);
        // SYNC reply-ready: the caller watches these lines itself.
        write_first(to, l.head.reply_tag, a.op, a.message, l.head.row, l.head.generation, l.head.correlation, stamp, words, a.bytes);
        for (u32 k = 1; rare(k < slots_for(a.bytes)); ++k) write_more(to + k * CHUNKS, l.head.reply_tag, k, words);
    }
    if (mail) {
        if (Group::any(for_mail))
            send_mail<Group>(b, w, l.warp, for_mail, l.place.to, ticket, 1, [&](u32, Chunk* to, u32 lap) { write_one(to, lap, l.place, line.stamp, l.placed, shard_of(b, l.place.to)); });
        if (rare(held)) send_logged<Group>(b, l, log, behind, behind + held);
        if (rare(ends)) send_logged<Group>(b, l, log, 0, ends);
    }
    if (l.touched && !heard) settle_row(b, l, copied);
    return true;
}

// MB-2: what was handled of the inbox may be written again.
ENGINE_FN void tell_inbox_head(Block& b, u32 warp, u64 passed) {
    // SYNC inbox-room: pairs with the senders' loads in `take_tickets` and `deliver`. The frames' contents have been received, their tags
    // were checked.
    give_room(&mailbox(b.mail, mailbox_of_warp(b.mail, b.shard, warp)).head, passed);
}

// Comes past `end` slots of a queue, of which the warp has handled what was its own.
ENGINE_FN void come_past(Block& b, Worker& w, u32 warp, u32 queue, u32 end) {
    const u64 next = peek(&w.cursor[queue]) + end;
    // SYNC stage-free: pairs with the poller's `passed_by_all`. What was staged there has been received.
    give_back(&w.cursor[queue], next);
    if (queue == INBOX) tell_inbox_head(b, warp, next);
}
