// Printed from kernels/src/wire.rs by `cargo run -p resident-kernels --example wire_header`; do not edit.
#pragma once
#include "types.h"

constexpr u32 SLOT_BYTES = 64;
constexpr u32 SLOT_WORDS = 16;
constexpr u32 INLINE_BYTES = 28;
constexpr u32 MORE_BYTES = 48;
constexpr u32 MAX_PAYLOAD = 960;
constexpr u32 MAX_FRAME_SLOTS = 21;
constexpr u32 MAX_STATE = 65536;
constexpr u32 MAX_FAULT_TEXT = 240;
constexpr u32 MAX_KINDS = 64;
constexpr u32 LINE_STRIDE = 4096;
constexpr u32 UNDO_BYTES = 256;
constexpr u32 STATE_PAGE = 4096;
constexpr u32 DIGEST_STRIDE = 2048;
constexpr u32 PAGE_OF_SEVERAL = 1;
constexpr u32 PAGE_KNOWN = 2;
constexpr u32 AGAIN = 32768;
constexpr u32 LOSS = 65536;
constexpr u32 RETRY = 131072;
constexpr u32 HOLD = 262144;
constexpr u32 ALLOWANCE = 24;
constexpr u32 BUSY_KIND_BITS = 8;
constexpr u32 DISPATCH_UNKNOWN = 4294967295u;
constexpr u32 DISPATCH_FAILED = 4294967294u;
constexpr u64 HANDLING = 0x8000000000000000ull;
constexpr u64 FROM_ACTOR = 0x0000010000000000ull;
constexpr u64 REGION_MAGIC = 0x746e656469736572ull;
constexpr u64 WIRE_FINGERPRINT = 0x042694c5e59e278aull;

constexpr u32 OP_CAST = 1;
constexpr u32 OP_CALL = 2;
constexpr u32 OP_CALL_DIRECT = 3;
constexpr u32 OP_SPAWN = 4;
constexpr u32 OP_INIT = 5;
constexpr u32 OP_STOP = 6;
constexpr u32 OP_READ = 7;
constexpr u32 OP_FENCE = 8;
constexpr u32 OP_REPLY = 16;
constexpr u32 OP_ACK = 17;
constexpr u32 OP_FAULT = 18;
constexpr u32 OP_EMIT = 19;
constexpr u32 OP_REFUSED = 20;
constexpr u32 OP_RETURN = 21;
constexpr u32 OP_BLAMED = 22;
constexpr u32 OP_ENDED = 23;
constexpr u32 OP_TELL = 32;
constexpr u32 OP_ASK = 33;
constexpr u32 OP_VOID = 34;

constexpr u32 FAULT_PANIC = 1;
constexpr u32 FAULT_FAILED = 2;
constexpr u32 FAULT_EMIT = 3;
constexpr u32 FAULT_TRAP = 4;
constexpr u32 FAULT_ADDRESS = 5;
constexpr u32 FAULT_HANG = 6;
constexpr u32 FAULT_WORKER = 7;
constexpr u32 FAULT_OUTBOX = 8;

constexpr u32 REFUSED_STALE = 1;
constexpr u32 REFUSED_FAILED = 2;
constexpr u32 REFUSED_MESSAGE = 3;
constexpr u32 REFUSED_PROTOCOL = 4;

constexpr u32 ROW_FREE = 0;
constexpr u32 ROW_LIVE = 1;
constexpr u32 ROW_FAILED = 2;
constexpr u32 ROW_KILLED = 3;
constexpr u32 ROW_INBOX = 4;
constexpr u32 ROW_OUTBOX = 5;

constexpr u32 RUN = 0;
constexpr u32 STOP = 1;

struct alignas(64) RegionHeader {
    u64 magic;
    u64 fingerprint;
    u64 bytes;
    u32 shards;
    u32 capacity_log2;
    u32 rows;
    u32 reply_lines;
    u64 arena_bytes;
    u64 control;
    u64 progress;
    u64 ingress;
    u64 egress;
    u64 ring_stride;
    u64 replies;
    i64 clock_offset;
    u32 nest_bytes;
    u64 launches;
    u64 clock_ask;
    u64 clock_answer;
    u64 clock_nanos;
    u64 stood;
    u64 noted;
    u32 system;
};
static_assert(sizeof(RegionHeader) == 192, "RegionHeader");
static_assert(__builtin_offsetof(RegionHeader, magic) == 0, "RegionHeader.magic");
static_assert(__builtin_offsetof(RegionHeader, fingerprint) == 8, "RegionHeader.fingerprint");
static_assert(__builtin_offsetof(RegionHeader, bytes) == 16, "RegionHeader.bytes");
static_assert(__builtin_offsetof(RegionHeader, shards) == 24, "RegionHeader.shards");
static_assert(__builtin_offsetof(RegionHeader, capacity_log2) == 28, "RegionHeader.capacity_log2");
static_assert(__builtin_offsetof(RegionHeader, rows) == 32, "RegionHeader.rows");
static_assert(__builtin_offsetof(RegionHeader, reply_lines) == 36, "RegionHeader.reply_lines");
static_assert(__builtin_offsetof(RegionHeader, arena_bytes) == 40, "RegionHeader.arena_bytes");
static_assert(__builtin_offsetof(RegionHeader, control) == 48, "RegionHeader.control");
static_assert(__builtin_offsetof(RegionHeader, progress) == 56, "RegionHeader.progress");
static_assert(__builtin_offsetof(RegionHeader, ingress) == 64, "RegionHeader.ingress");
static_assert(__builtin_offsetof(RegionHeader, egress) == 72, "RegionHeader.egress");
static_assert(__builtin_offsetof(RegionHeader, ring_stride) == 80, "RegionHeader.ring_stride");
static_assert(__builtin_offsetof(RegionHeader, replies) == 88, "RegionHeader.replies");
static_assert(__builtin_offsetof(RegionHeader, clock_offset) == 96, "RegionHeader.clock_offset");
static_assert(__builtin_offsetof(RegionHeader, nest_bytes) == 104, "RegionHeader.nest_bytes");
static_assert(__builtin_offsetof(RegionHeader, launches) == 112, "RegionHeader.launches");
static_assert(__builtin_offsetof(RegionHeader, clock_ask) == 120, "RegionHeader.clock_ask");
static_assert(__builtin_offsetof(RegionHeader, clock_answer) == 128, "RegionHeader.clock_answer");
static_assert(__builtin_offsetof(RegionHeader, clock_nanos) == 136, "RegionHeader.clock_nanos");
static_assert(__builtin_offsetof(RegionHeader, stood) == 144, "RegionHeader.stood");
static_assert(__builtin_offsetof(RegionHeader, noted) == 152, "RegionHeader.noted");
static_assert(__builtin_offsetof(RegionHeader, system) == 160, "RegionHeader.system");

struct alignas(128) ShardControl {
    u64 egress_head;
    u32 command;
    u32 kill;
    u32 kill_row;
    u32 kill_generation;
    u32 loss;
    u32 mended;
};
static_assert(sizeof(ShardControl) == 128, "ShardControl");
static_assert(__builtin_offsetof(ShardControl, egress_head) == 0, "ShardControl.egress_head");
static_assert(__builtin_offsetof(ShardControl, command) == 8, "ShardControl.command");
static_assert(__builtin_offsetof(ShardControl, kill) == 12, "ShardControl.kill");
static_assert(__builtin_offsetof(ShardControl, kill_row) == 16, "ShardControl.kill_row");
static_assert(__builtin_offsetof(ShardControl, kill_generation) == 20, "ShardControl.kill_generation");
static_assert(__builtin_offsetof(ShardControl, loss) == 24, "ShardControl.loss");
static_assert(__builtin_offsetof(ShardControl, mended) == 28, "ShardControl.mended");

struct alignas(128) ShardProgress {
    u64 ingress_head;
    u64 handled;
    u64 refused;
    u64 faults;
    u32 queued;
    u32 swap;
    u32 kill_done;
    u32 running;
    u64 hlc;
    u64 beat;
    u32 settled;
    u64 busy;
};
static_assert(sizeof(ShardProgress) == 128, "ShardProgress");
static_assert(__builtin_offsetof(ShardProgress, ingress_head) == 0, "ShardProgress.ingress_head");
static_assert(__builtin_offsetof(ShardProgress, handled) == 8, "ShardProgress.handled");
static_assert(__builtin_offsetof(ShardProgress, refused) == 16, "ShardProgress.refused");
static_assert(__builtin_offsetof(ShardProgress, faults) == 24, "ShardProgress.faults");
static_assert(__builtin_offsetof(ShardProgress, queued) == 32, "ShardProgress.queued");
static_assert(__builtin_offsetof(ShardProgress, swap) == 36, "ShardProgress.swap");
static_assert(__builtin_offsetof(ShardProgress, kill_done) == 40, "ShardProgress.kill_done");
static_assert(__builtin_offsetof(ShardProgress, running) == 44, "ShardProgress.running");
static_assert(__builtin_offsetof(ShardProgress, hlc) == 48, "ShardProgress.hlc");
static_assert(__builtin_offsetof(ShardProgress, beat) == 56, "ShardProgress.beat");
static_assert(__builtin_offsetof(ShardProgress, settled) == 64, "ShardProgress.settled");
static_assert(__builtin_offsetof(ShardProgress, busy) == 72, "ShardProgress.busy");

struct alignas(32) Row {
    u32 kind;
    u32 generation;
    u64 state_offset;
    u32 state_bytes;
    u32 status;
};
static_assert(sizeof(Row) == 32, "Row");
static_assert(__builtin_offsetof(Row, kind) == 0, "Row.kind");
static_assert(__builtin_offsetof(Row, generation) == 4, "Row.generation");
static_assert(__builtin_offsetof(Row, state_offset) == 8, "Row.state_offset");
static_assert(__builtin_offsetof(Row, state_bytes) == 16, "Row.state_bytes");
static_assert(__builtin_offsetof(Row, status) == 20, "Row.status");

struct alignas(64) ShardState {
    u64 ingress;
    u64 egress;
    u64 hlc;
    u64 handled;
    u64 refused;
    u64 faults;
    u64 count;
    u64 inbox;
    u64 sent;
    u64 pad;
    u64 outbox_head;
    u64 outbox_tail;
    u64 ticket;
    u64 ticket_of;
    u8 undo[256];
    u32 kill;
};
static_assert(sizeof(ShardState) == 384, "ShardState");
static_assert(__builtin_offsetof(ShardState, ingress) == 0, "ShardState.ingress");
static_assert(__builtin_offsetof(ShardState, egress) == 8, "ShardState.egress");
static_assert(__builtin_offsetof(ShardState, hlc) == 16, "ShardState.hlc");
static_assert(__builtin_offsetof(ShardState, handled) == 24, "ShardState.handled");
static_assert(__builtin_offsetof(ShardState, refused) == 32, "ShardState.refused");
static_assert(__builtin_offsetof(ShardState, faults) == 40, "ShardState.faults");
static_assert(__builtin_offsetof(ShardState, count) == 48, "ShardState.count");
static_assert(__builtin_offsetof(ShardState, inbox) == 56, "ShardState.inbox");
static_assert(__builtin_offsetof(ShardState, sent) == 64, "ShardState.sent");
static_assert(__builtin_offsetof(ShardState, pad) == 72, "ShardState.pad");
static_assert(__builtin_offsetof(ShardState, outbox_head) == 80, "ShardState.outbox_head");
static_assert(__builtin_offsetof(ShardState, outbox_tail) == 88, "ShardState.outbox_tail");
static_assert(__builtin_offsetof(ShardState, ticket) == 96, "ShardState.ticket");
static_assert(__builtin_offsetof(ShardState, ticket_of) == 104, "ShardState.ticket_of");
static_assert(__builtin_offsetof(ShardState, undo) == 112, "ShardState.undo");
static_assert(__builtin_offsetof(ShardState, kill) == 368, "ShardState.kill");

struct alignas(256) Mailbox {
    u64 tail;
    u64 pad0[15];
    u64 head;
    u64 pad1[15];
};
static_assert(sizeof(Mailbox) == 256, "Mailbox");
static_assert(__builtin_offsetof(Mailbox, tail) == 0, "Mailbox.tail");
static_assert(__builtin_offsetof(Mailbox, pad0) == 8, "Mailbox.pad0");
static_assert(__builtin_offsetof(Mailbox, head) == 128, "Mailbox.head");
static_assert(__builtin_offsetof(Mailbox, pad1) == 136, "Mailbox.pad1");

struct alignas(8) Peer {
    u32 allowance;
    u32 waiting;
};
static_assert(sizeof(Peer) == 8, "Peer");
static_assert(__builtin_offsetof(Peer, allowance) == 0, "Peer.allowance");
static_assert(__builtin_offsetof(Peer, waiting) == 4, "Peer.waiting");

struct alignas(4) RawAddress {
    u32 system;
    u32 row;
    u32 generation;
    u32 shard;
};
static_assert(sizeof(RawAddress) == 16, "RawAddress");
static_assert(__builtin_offsetof(RawAddress, system) == 0, "RawAddress.system");
static_assert(__builtin_offsetof(RawAddress, row) == 4, "RawAddress.row");
static_assert(__builtin_offsetof(RawAddress, generation) == 8, "RawAddress.generation");
static_assert(__builtin_offsetof(RawAddress, shard) == 12, "RawAddress.shard");

struct alignas(16) ReplyTo {
    u32 row;
    u32 generation;
    u32 shard;
    u32 message;
};
static_assert(sizeof(ReplyTo) == 16, "ReplyTo");
static_assert(__builtin_offsetof(ReplyTo, row) == 0, "ReplyTo.row");
static_assert(__builtin_offsetof(ReplyTo, generation) == 4, "ReplyTo.generation");
static_assert(__builtin_offsetof(ReplyTo, shard) == 8, "ReplyTo.shard");
static_assert(__builtin_offsetof(ReplyTo, message) == 12, "ReplyTo.message");

struct alignas(16) SendLater {
    u32 system;
    u32 row;
    u32 generation;
    u32 shard;
    u64 micros;
    u32 message;
    u32 pad;
};
static_assert(sizeof(SendLater) == 32, "SendLater");
static_assert(__builtin_offsetof(SendLater, system) == 0, "SendLater.system");
static_assert(__builtin_offsetof(SendLater, row) == 4, "SendLater.row");
static_assert(__builtin_offsetof(SendLater, generation) == 8, "SendLater.generation");
static_assert(__builtin_offsetof(SendLater, shard) == 12, "SendLater.shard");
static_assert(__builtin_offsetof(SendLater, micros) == 16, "SendLater.micros");
static_assert(__builtin_offsetof(SendLater, message) == 24, "SendLater.message");
static_assert(__builtin_offsetof(SendLater, pad) == 28, "SendLater.pad");

struct alignas(8) SpawnRow {
    u32 kind;
    u32 state_bytes;
    u64 state_offset;
};
static_assert(sizeof(SpawnRow) == 16, "SpawnRow");
static_assert(__builtin_offsetof(SpawnRow, kind) == 0, "SpawnRow.kind");
static_assert(__builtin_offsetof(SpawnRow, state_bytes) == 4, "SpawnRow.state_bytes");
static_assert(__builtin_offsetof(SpawnRow, state_offset) == 8, "SpawnRow.state_offset");

struct alignas(4) ReadState {
    u32 offset;
    u32 bytes;
};
static_assert(sizeof(ReadState) == 8, "ReadState");
static_assert(__builtin_offsetof(ReadState, offset) == 0, "ReadState.offset");
static_assert(__builtin_offsetof(ReadState, bytes) == 4, "ReadState.bytes");

struct alignas(8) FaultInfo {
    u64 handled;
    u32 message;
    u32 depth;
};
static_assert(sizeof(FaultInfo) == 16, "FaultInfo");
static_assert(__builtin_offsetof(FaultInfo, handled) == 0, "FaultInfo.handled");
static_assert(__builtin_offsetof(FaultInfo, message) == 8, "FaultInfo.message");
static_assert(__builtin_offsetof(FaultInfo, depth) == 12, "FaultInfo.depth");

struct alignas(8) BlameInfo {
    u64 handled;
    u32 message;
    u32 failed;
    u32 line;
    u32 reply_tag;
};
static_assert(sizeof(BlameInfo) == 24, "BlameInfo");
static_assert(__builtin_offsetof(BlameInfo, handled) == 0, "BlameInfo.handled");
static_assert(__builtin_offsetof(BlameInfo, message) == 8, "BlameInfo.message");
static_assert(__builtin_offsetof(BlameInfo, failed) == 12, "BlameInfo.failed");
static_assert(__builtin_offsetof(BlameInfo, line) == 16, "BlameInfo.line");
static_assert(__builtin_offsetof(BlameInfo, reply_tag) == 20, "BlameInfo.reply_tag");

struct alignas(16) CutRow {
    u32 shard;
    u32 row;
    u32 generation;
    u32 kind;
    u32 status;
    u32 bytes;
    u32 known;
    u32 gone;
    u64 handled;
    u64 at;
    u64 offset;
};
static_assert(sizeof(CutRow) == 64, "CutRow");
static_assert(__builtin_offsetof(CutRow, shard) == 0, "CutRow.shard");
static_assert(__builtin_offsetof(CutRow, row) == 4, "CutRow.row");
static_assert(__builtin_offsetof(CutRow, generation) == 8, "CutRow.generation");
static_assert(__builtin_offsetof(CutRow, kind) == 12, "CutRow.kind");
static_assert(__builtin_offsetof(CutRow, status) == 16, "CutRow.status");
static_assert(__builtin_offsetof(CutRow, bytes) == 20, "CutRow.bytes");
static_assert(__builtin_offsetof(CutRow, known) == 24, "CutRow.known");
static_assert(__builtin_offsetof(CutRow, gone) == 28, "CutRow.gone");
static_assert(__builtin_offsetof(CutRow, handled) == 32, "CutRow.handled");
static_assert(__builtin_offsetof(CutRow, at) == 40, "CutRow.at");
static_assert(__builtin_offsetof(CutRow, offset) == 48, "CutRow.offset");

struct alignas(16) CutPage {
    u32 row;
    u32 page;
    u32 bytes;
    u32 flags;
    u64 from;
    u64 offset;
};
static_assert(sizeof(CutPage) == 32, "CutPage");
static_assert(__builtin_offsetof(CutPage, row) == 0, "CutPage.row");
static_assert(__builtin_offsetof(CutPage, page) == 4, "CutPage.page");
static_assert(__builtin_offsetof(CutPage, bytes) == 8, "CutPage.bytes");
static_assert(__builtin_offsetof(CutPage, flags) == 12, "CutPage.flags");
static_assert(__builtin_offsetof(CutPage, from) == 16, "CutPage.from");
static_assert(__builtin_offsetof(CutPage, offset) == 24, "CutPage.offset");

struct alignas(8) CutTotals {
    u64 rows;
    u64 pages;
    u64 bytes;
    u64 changed;
    u64 changed_bytes;
};
static_assert(sizeof(CutTotals) == 40, "CutTotals");
static_assert(__builtin_offsetof(CutTotals, rows) == 0, "CutTotals.rows");
static_assert(__builtin_offsetof(CutTotals, pages) == 8, "CutTotals.pages");
static_assert(__builtin_offsetof(CutTotals, bytes) == 16, "CutTotals.bytes");
static_assert(__builtin_offsetof(CutTotals, changed) == 24, "CutTotals.changed");
static_assert(__builtin_offsetof(CutTotals, changed_bytes) == 32, "CutTotals.changed_bytes");

struct alignas(8) CutParams {
    u64 rows;
    u64 counts;
    u64 arena;
    u64 row_count;
    u64 rows_per_shard;
    u64 shards;
    u64 shard_count;
    u64 mailboxes;
    u64 mailbox_bytes;
    u32 inbox_log2;
    u32 outbox_log2;
    u64 wanted;
    u64 base_rows;
    u64 base_counts;
    u64 digests;
    u64 from_base;
    u64 totals;
    u64 list;
    u64 pages;
    u64 bytes;
    u64 room;
    u64 changed;
    u64 changed_bytes;
};
static_assert(sizeof(CutParams) == 176, "CutParams");
static_assert(__builtin_offsetof(CutParams, rows) == 0, "CutParams.rows");
static_assert(__builtin_offsetof(CutParams, counts) == 8, "CutParams.counts");
static_assert(__builtin_offsetof(CutParams, arena) == 16, "CutParams.arena");
static_assert(__builtin_offsetof(CutParams, row_count) == 24, "CutParams.row_count");
static_assert(__builtin_offsetof(CutParams, rows_per_shard) == 32, "CutParams.rows_per_shard");
static_assert(__builtin_offsetof(CutParams, shards) == 40, "CutParams.shards");
static_assert(__builtin_offsetof(CutParams, shard_count) == 48, "CutParams.shard_count");
static_assert(__builtin_offsetof(CutParams, mailboxes) == 56, "CutParams.mailboxes");
static_assert(__builtin_offsetof(CutParams, mailbox_bytes) == 64, "CutParams.mailbox_bytes");
static_assert(__builtin_offsetof(CutParams, inbox_log2) == 72, "CutParams.inbox_log2");
static_assert(__builtin_offsetof(CutParams, outbox_log2) == 76, "CutParams.outbox_log2");
static_assert(__builtin_offsetof(CutParams, wanted) == 80, "CutParams.wanted");
static_assert(__builtin_offsetof(CutParams, base_rows) == 88, "CutParams.base_rows");
static_assert(__builtin_offsetof(CutParams, base_counts) == 96, "CutParams.base_counts");
static_assert(__builtin_offsetof(CutParams, digests) == 104, "CutParams.digests");
static_assert(__builtin_offsetof(CutParams, from_base) == 112, "CutParams.from_base");
static_assert(__builtin_offsetof(CutParams, totals) == 120, "CutParams.totals");
static_assert(__builtin_offsetof(CutParams, list) == 128, "CutParams.list");
static_assert(__builtin_offsetof(CutParams, pages) == 136, "CutParams.pages");
static_assert(__builtin_offsetof(CutParams, bytes) == 144, "CutParams.bytes");
static_assert(__builtin_offsetof(CutParams, room) == 152, "CutParams.room");
static_assert(__builtin_offsetof(CutParams, changed) == 160, "CutParams.changed");
static_assert(__builtin_offsetof(CutParams, changed_bytes) == 168, "CutParams.changed_bytes");

struct alignas(16) CtxRaw {
    u64 hlc;
    u64 sent;
    u64 now;
    u32 row;
    u32 generation;
    u32 shard;
    u32 fault;
    u32 system;
    u32 ended;
    u32 text_bytes;
    u8 text[240];
};
static_assert(sizeof(CtxRaw) == 304, "CtxRaw");
static_assert(__builtin_offsetof(CtxRaw, hlc) == 0, "CtxRaw.hlc");
static_assert(__builtin_offsetof(CtxRaw, sent) == 8, "CtxRaw.sent");
static_assert(__builtin_offsetof(CtxRaw, now) == 16, "CtxRaw.now");
static_assert(__builtin_offsetof(CtxRaw, row) == 24, "CtxRaw.row");
static_assert(__builtin_offsetof(CtxRaw, generation) == 28, "CtxRaw.generation");
static_assert(__builtin_offsetof(CtxRaw, shard) == 32, "CtxRaw.shard");
static_assert(__builtin_offsetof(CtxRaw, fault) == 36, "CtxRaw.fault");
static_assert(__builtin_offsetof(CtxRaw, system) == 40, "CtxRaw.system");
static_assert(__builtin_offsetof(CtxRaw, ended) == 44, "CtxRaw.ended");
static_assert(__builtin_offsetof(CtxRaw, text_bytes) == 48, "CtxRaw.text_bytes");
static_assert(__builtin_offsetof(CtxRaw, text) == 52, "CtxRaw.text");

struct alignas(8) EngineParams {
    u64 region;
    u64 rows;
    u64 counts;
    u64 shards;
    u64 arena;
    u64 mailboxes;
    u64 mailbox_bytes;
    u32 inbox_log2;
    u32 outbox_log2;
};
static_assert(sizeof(EngineParams) == 64, "EngineParams");
static_assert(__builtin_offsetof(EngineParams, region) == 0, "EngineParams.region");
static_assert(__builtin_offsetof(EngineParams, rows) == 8, "EngineParams.rows");
static_assert(__builtin_offsetof(EngineParams, counts) == 16, "EngineParams.counts");
static_assert(__builtin_offsetof(EngineParams, shards) == 24, "EngineParams.shards");
static_assert(__builtin_offsetof(EngineParams, arena) == 32, "EngineParams.arena");
static_assert(__builtin_offsetof(EngineParams, mailboxes) == 40, "EngineParams.mailboxes");
static_assert(__builtin_offsetof(EngineParams, mailbox_bytes) == 48, "EngineParams.mailbox_bytes");
static_assert(__builtin_offsetof(EngineParams, inbox_log2) == 56, "EngineParams.inbox_log2");
static_assert(__builtin_offsetof(EngineParams, outbox_log2) == 60, "EngineParams.outbox_log2");
