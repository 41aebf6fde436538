// Names: how a handler finds an actor by its name. Part of engine.h.
//
// The table lies in the region and the application alone writes it (gpu/src/names.rs). A name is in one of NAME_WINDOW entries from the
// one that its hash names on. An entry is two chunks, and each says in its high word which version of the entry it is of: odd while
// somebody has it.
//
//   NR-1 (whole)   An entry that is read is one that was written. The writer makes both versions even, writes the low words, then both
//                  versions odd: so whoever sees a version and what belongs to it in one access (a GPU), or sees it ahead of the low word
//                  and once more behind it (a CPU), has a chunk of that version; and two chunks of one version are one entry.
//   NR-2 (no wait) Nothing is read twice. An entry that is being changed counts as nobody's: who had it is leaving, who gets it is
//                  not there yet, and a name is in no two entries at a time.
//
// Any number of lanes may look at once; nothing is written.
#pragma once
#include "wire.h"

struct Names { const NameEntry* table; u32 log2; };

ENGINE_FN Names names_of(const EngineParams& p) {
    const RegionHeader& h = *(const RegionHeader*)p.region;
    return {(const NameEntry*)(p.region + h.names), h.names_log2};
}

// Reads an entry; false if it is nobody's, or being changed.
ENGINE_FN bool read_name(const NameEntry* entry, Chunk& who, Chunk& where) {
    const Chunk* const chunks = (const Chunk*)entry;
    if (ONE_ACCESS) {
        who = load_chunk(chunks);
        where = load_chunk(chunks + 1);
    } else {
        // SYNC name-ready: pairs with the host's stores of the versions.
        who.hi = take(&chunks[0].hi);
        where.hi = take(&chunks[1].hi);
        // SYNC name-busy: pairs with the host's stores of the low words, behind those that made the versions even.
        who.lo = take(&chunks[0].lo);
        where.lo = take(&chunks[1].lo);
        if (look(&chunks[0].hi) != who.hi || look(&chunks[1].hi) != where.hi) return false;
    }
    const u32 version = (u32)(who.hi >> 32);
    return version & 1 && version == (u32)(where.hi >> 32);
}

// A handler's `ctx.lookup`: the actor with this hash of its name and this tag of its kind.
ENGINE_FN bool find_name(const Names& names, u32 system, u64 hash, u32 kind, RawAddress& found) {
    const u64 mask = (1ull << names.log2) - 1, first = hash * 0x9e3779b97f4a7c15ull >> 32;
    for (u32 i = 0; i < NAME_WINDOW; ++i) {
        Chunk who, where;
        if (!read_name(names.table + ((first + i) & mask), who, where)) {
            // Nobody has ever been there, or whoever went further on has gone.
            if (who.hi == 0 || (!(who.hi >> 32 & 1) && who.hi & NAME_END)) return false;
            continue;
        }
        if (who.lo != hash) continue;
        if ((u32)who.hi >> 16 != kind) return false;
        found = {system, (u32)where.lo, (u32)(where.lo >> 32), (u32)who.hi & 0xffff};
        return true;
    }
    return false;
}
