// Cuts: what the actors of a device are at one moment, copied in between two launches of the engine and looked at beside the
// next. The same text for the GPU (gpu.h) and the CPU (host.h); docs/checkpoints.md tells the whole.
//
//   CUT-1 (still)   `select` and `copy` run while no shard does; `changed` reads only what they have copied.
//   CUT-2 (all)     Every live or failed actor that was asked for is listed; with a base, every one that is not as the base has it.
//   CUT-4 (mail)    Every message on its way from actor to actor is listed, whichever rows were asked for.
//   CUT-3 (bounds)  Nothing is written outside the rooms that the parameters name; what needs more is counted and not copied.
//
// Each step is the work of many warps (on the CPU: of one thread), each of which takes its turns by its `Crew`.
#pragma once
#include "wire.h"

struct Crew { u64 index, count; };      // which warp this is, and of how many

ENGINE_FN bool is_there(const Row& row) { return (row.status == ROW_LIVE || row.status == ROW_FAILED) && row.killed != row.generation; }
ENGINE_FN u64 pages_of(u64 bytes) { return (bytes + STATE_PAGE - 1) / STATE_PAGE; }
ENGINE_FN u64 whole_chunks(u64 bytes) { return (bytes + sizeof(Chunk) - 1) / sizeof(Chunk) * sizeof(Chunk); }

// CUT-4: what is in the mailboxes, in pieces of a page that end where the ring's pages do, so that none goes round its end.
ENGINE_FN void cut_mail(const CutParams& p, Crew crew) {
    const Mail m{(u8*)p.mailboxes, p.mailbox_bytes, (u32)p.shard_count, p.warps, p.inbox_log2, p.outbox_log2};
    const u64 boxes = p.shard_count * p.warps;
    CutTotals* const totals = (CutTotals*)p.totals;
    constexpr u32 PIECE = STATE_PAGE / SLOT_BYTES;
    for (u64 first = crew.index * LANES; first < 2 * boxes; first += crew.count * LANES) {
        const u64 at = first + lane();
        const u32 box = (u32)(at / 2), shard = box / p.warps, warp = box % p.warps;
        const bool is_inbox = at % 2 == 0;
        u64 head = 0, tail = 0;
        if (at < 2 * boxes) {
            const ShardState& s = ((const ShardState*)p.shards)[shard];
            head = is_inbox ? s.cursors[2 * warp + INBOX] : s.outbox_heads[warp];
            // What is late stands in outboxes.
            const u64 all = mailbox(m, box).tail, end = head + (1ull << m.inbox_log2);
            tail = is_inbox ? (all < end ? all : end) : s.outbox_tails[warp];
        }
        const u64 slots = tail - head, pieces = slots ? (tail - 1) / PIECE - head / PIECE + 1 : 0;
        const u64 entry = share_out(&totals->rows, (u64)(slots != 0));
        const u64 page = share_out(&totals->pages, pieces);
        const u64 offset = share_out(&totals->bytes, slots * SLOT_BYTES);
        if (!slots) continue;
        CutRow found{};
        found.shard = shard;
        found.row = ~0u;
        found.status = is_inbox ? ROW_INBOX : ROW_OUTBOX;
        found.bytes = (u32)(slots * SLOT_BYTES);
        found.handled = head;
        found.offset = offset;
        ((CutRow*)p.list)[entry] = found;
        Chunk* const ring = is_inbox ? inbox(m, box) : outbox(m, box);
        const u32 log2 = is_inbox ? p.inbox_log2 : p.outbox_log2;
        u64 from = head;
        for (u32 i = 0; i < pieces; ++i) {
            const u64 rest = PIECE - from % PIECE, n = rest < tail - from ? rest : tail - from;
            // Counted from the arena's beginning, as pages of states are.
            const u64 place = (u64)slot(ring, log2, from) - p.arena;
            ((CutPage*)p.pages)[page + i] = {(u32)entry, i, (u32)(n * SLOT_BYTES), 0, place, offset + (from - head) * SLOT_BYTES};
            from += n;
        }
    }
}

// CUT-2: lists rows and pages, and gives each state its place. Rows that have handled nothing since the base are not looked at any
// further.
ENGINE_FN void cut_select(const CutParams& p, Crew crew) {
    cut_mail(p, crew);
    Row* const base_rows = (Row*)p.base_rows;
    const u64* const base_counts = (const u64*)p.base_counts;
    CutTotals* const totals = (CutTotals*)p.totals;
    // All lanes of a warp take each turn, since they share out places together.
    for (u64 first = crew.index * LANES; first < p.row_count; first += crew.count * LANES) {
        const u64 at = first + lane();
        CutRow found{};
        u64 pages = 0, bytes = 0;
        bool listed = false;
        if (at < p.row_count && (!p.wanted || ((const u8*)p.wanted)[at / 8] >> at % 8 & 1)) {
            const Row row = ((const Row*)p.rows)[at];
            const u64 handled = ((const u64*)p.counts)[at];
            const bool there = is_there(row);
            bool same = false, gone = false;
            u32 before = 0;
            if (p.from_base) {
                const Row base = base_rows[at];
                const bool was = is_there(base);
                before = base.generation;
                found.known = was && there && before == row.generation;
                gone = was && !found.known;
                same = found.known && base.status == row.status && base_counts[at] == handled;
            }
            listed = (there && !same) || gone;
            found.shard = (u32)(at / p.rows_per_shard);
            found.row = (u32)(at % p.rows_per_shard);
            found.gone = gone ? before : 0;
            if (there && !same) {
                found.generation = row.generation;
                found.kind = row.kind;
                found.status = row.status;
                found.bytes = row.state_bytes;
                found.handled = handled;
                found.at = row.state_offset;
                pages = pages_of(row.state_bytes);
                bytes = whole_chunks(row.state_bytes);
            }
            // Where there is no base yet, this cut becomes one: of what it lists (`changed`).
            if (base_rows && !p.from_base) base_rows[at].status = ROW_FREE;
        }
        const u64 entry = share_out(&totals->rows, (u64)listed);
        const u64 page = share_out(&totals->pages, pages);
        found.offset = share_out(&totals->bytes, bytes);
        if (!listed) continue;
        ((CutRow*)p.list)[entry] = found;
        const u32 flags = (pages > 1 ? PAGE_OF_SEVERAL : 0) | (found.known ? PAGE_KNOWN : 0);
        for (u32 i = 0; i < pages; ++i) {
            const u64 begin = i * (u64)STATE_PAGE;
            const u64 rest = found.bytes - begin;
            ((CutPage*)p.pages)[page + i] = {(u32)entry, i, rest < STATE_PAGE ? (u32)rest : STATE_PAGE, flags, found.at + begin, found.offset + begin};
        }
    }
}

// A page's chunks in the registers of a warp.
constexpr u32 HELD = STATE_PAGE / sizeof(Chunk) / LANES;
static_assert(HELD * LANES * sizeof(Chunk) == STATE_PAGE, "a page is a whole number of chunks to a lane");

// What is beyond the end of the state reads as zero.
ENGINE_FN void hold(Chunk* held, const Chunk* from, u32 bytes) {
    for (u32 i = 0; i < HELD; ++i) {
        const u32 chunk = i * LANES + lane();
        held[i] = chunk * sizeof(Chunk) < bytes ? from[chunk] : Chunk{0, 0};
    }
}
ENGINE_FN void let_go(const Chunk* held, Chunk* to, u32 bytes) {
    for (u32 i = 0; i < HELD; ++i) {
        const u32 chunk = i * LANES + lane();
        if (chunk * sizeof(Chunk) < bytes) to[chunk] = held[i];
    }
}

// CUT-3: copies the states that were selected.
ENGINE_FN void cut_copy(const CutParams& p, Crew crew) {
    const CutTotals totals = *(const CutTotals*)p.totals;
    if (totals.bytes > p.room) return;
    const CutPage* const pages = (const CutPage*)p.pages;
    if (crew.index >= totals.pages) return;
    CutPage next = pages[crew.index];
    for (u64 i = crew.index; i < totals.pages; i += crew.count) {
        const CutPage page = next;
        // Where the next one is comes from memory too: meanwhile.
        if (i + crew.count < totals.pages) next = pages[i + crew.count];
        Chunk held[HELD];
        hold(held, (const Chunk*)(p.arena + page.from), page.bytes);
        let_go(held, (Chunk*)(p.bytes + page.offset), page.bytes);
    }
}

// A digest of what a warp holds. Each step is a bijection of the digest and of the word, so pages that differ in one word differ in
// their digests; two others have the same by chance, once in 2^64. The constants are those of SplitMix64 (Steele et al. 2014).
ENGINE_FN u64 digest(const Chunk* held) {
    u64 of_page = 0;
    // On the CPU one lane stands for the 32 of a GPU: the same digest.
    constexpr u32 COLUMNS = 32, EACH = STATE_PAGE / sizeof(Chunk) / COLUMNS;
    for (u32 column = LANES == 1 ? 0 : lane(), i = 0; i < COLUMNS / LANES; ++i, ++column) {
        u64 h = 0x9e3779b97f4a7c15ull * (column + 1);
        for (u32 k = 0; k < EACH; ++k) {
            const Chunk& c = held[LANES == 1 ? k * COLUMNS + column : k];
            h = (h ^ c.lo) * 0xbf58476d1ce4e5b9ull;
            h = h << 31 | h >> 33;
            h = (h ^ c.hi) * 0x94d049bb133111ebull;
            h = h << 29 | h >> 35;
        }
        h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ull;
        of_page += h ^ h >> 27;
    }
    return sum_of_lanes(of_page);
}

// Of the states that were copied, the pages that are not as the base has them go to the host; a state of one page goes whole, since
// its actor has handled something. Then the base has what was listed.
ENGINE_FN void cut_changed(const CutParams& p, Crew crew) {
    CutTotals* const totals = (CutTotals*)p.totals;
    const u64 pages = totals->pages;
    if (totals->bytes > p.room) return;
    if (p.base_rows)
        for (u64 i = crew.index * LANES + lane(); i < totals->rows; i += crew.count * LANES) {
            const CutRow& row = ((const CutRow*)p.list)[i];
            if (row.status == ROW_INBOX || row.status == ROW_OUTBOX) continue;
            const u64 at = row.shard * p.rows_per_shard + row.row;
            ((Row*)p.base_rows)[at] = {row.kind, row.generation, row.at, row.bytes, row.status, 0};
            ((u64*)p.base_counts)[at] = row.handled;
        }
    for (u64 i = crew.index; i < pages; i += crew.count) {
        CutPage page = ((const CutPage*)p.pages)[i];
        const bool several = page.flags & PAGE_OF_SEVERAL;
        if (!several && !p.from_base) continue;
        Chunk held[HELD];
        hold(held, (const Chunk*)(p.bytes + page.offset), page.bytes);
        if (several && p.digests) {
            const u64 begin = page.from - page.page * (u64)STATE_PAGE;
            u64* const known = (u64*)p.digests + begin / DIGEST_STRIDE + page.page;
            const u64 now = digest(held), before = first_lane(lane() == 0 ? *known : 0);
            if (page.flags & PAGE_KNOWN && before == now) continue;
            if (lane() == 0) *known = now;
        }
        if (!p.from_base) continue;
        u64 slot = 0;
        if (lane() == 0) {
            slot = add(&totals->changed, 1);
            page.offset = add(&totals->changed_bytes, whole_chunks(page.bytes));
            ((CutPage*)p.changed)[slot] = page;
        }
        let_go(held, (Chunk*)(p.changed_bytes + first_lane(page.offset)), page.bytes);
    }
}

// Puts the actors listed where they belong, while no shard runs; their states lie in `bytes`.
ENGINE_FN void load(const CutParams& p, Crew crew) {
    const CutTotals totals = *(const CutTotals*)p.totals;
    for (u64 i = crew.index; i < totals.rows; i += crew.count) {
        const CutRow row = ((const CutRow*)p.list)[i];
        for (u32 page = 0; page < pages_of(row.bytes); ++page) {
            const u64 begin = page * (u64)STATE_PAGE;
            const u32 bytes = row.bytes - begin < STATE_PAGE ? (u32)(row.bytes - begin) : STATE_PAGE;
            Chunk held[HELD];
            hold(held, (const Chunk*)(p.bytes + row.offset + begin), bytes);
            let_go(held, (Chunk*)(p.arena + row.at + begin), bytes);
        }
        if (lane() != 0) continue;
        const u64 at = row.shard * p.rows_per_shard + row.row;
        ((Row*)p.rows)[at] = {row.kind, row.generation, row.at, row.bytes, row.status, 0};
        ((u64*)p.counts)[at] = row.handled;
    }
}
