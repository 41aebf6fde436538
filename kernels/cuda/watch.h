// What ThreadSanitizer is told of a shard's two threads on the CPU; nothing in an ordinary build. ci/sanitizers.sh builds with
// ENGINE_WATCH.
//
// ThreadSanitizer reports races of ordinary accesses, and a staged chunk is made of atomic words only. So each chunk gets a byte
// that stands for it: the poller writes it as it stages the chunk, the handler reads it as it takes the chunk off the stage, and
// where nothing orders the two there is a race. RESIDENT_WEAKEN names one end of an ordering that is relaxed then, to see that the
// race is found: `staged/store`, `staged/load`, `stage-free/store`, `stage-free/load`.
//
// A slot of an inbox gets a word, so that its neighbours do not push it out of what ThreadSanitizer remembers: who writes the slot writes
// it, the poller that has read the slot reads it. The orderings there are
// `inbox-room/store` and `inbox-room/load`.
//
// What lanes do together is of ordinary accesses: `helper/open` and `helper/left`.
#pragma once
#include "types.h"

struct Chunk;

#ifdef ENGINE_WATCH
#include <cstdlib>
#include <cstring>

u8& byte_for(const Chunk* staged);      // in host.cpp, which knows the stage

u64& word_for_mail(const Chunk* slot);  // by its address: what runs at the same time lies within the GiB that this tells apart

inline void mail_is_written(const Chunk* slot) { word_for_mail(slot) = 1; }
inline void mail_is_read(const Chunk* slot) { (void)*(volatile u64*)&word_for_mail(slot); }
inline void chunk_is_written(const Chunk* staged) { byte_for(staged) = 1; }
inline void chunk_is_read(const Chunk* staged) { (void)*(volatile u8*)&byte_for(staged); }
inline bool weakened(const char* end) {
    static const char* const name = getenv("RESIDENT_WEAKEN");
    return name && !strcmp(name, end);
}
#else
inline void mail_is_written(const Chunk*) {}
inline void mail_is_read(const Chunk*) {}
inline void chunk_is_written(const Chunk*) {}
inline void chunk_is_read(const Chunk*) {}
constexpr bool weakened(const char*) { return false; }
#endif
