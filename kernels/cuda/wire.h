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
constexpr u32 SHORT_REPLY = 64;
constexpr u32 LANE_BYTES = 848;
constexpr u32 LANE_GIVEN = 0;
constexpr u32 LANE_PLACE = 48;
constexpr u32 LANE_REPLY = 112;
constexpr u32 REST_BYTES = 4160;
constexpr u32 HOLDS = 16;
constexpr u32 HOLD_BYTES = 64;
constexpr u32 LOG_SLOTS = 4736;
constexpr u32 LOG_BYTES = 388608;
constexpr u32 MAX_KINDS = 64;
constexpr u32 LINE_STRIDE = 4096;
constexpr u32 COPY_BYTES = 256;
constexpr u32 STATE_PAGE = 4096;
constexpr u32 DIGEST_STRIDE = 2048;
constexpr u32 PAGE_OF_SEVERAL = 1;
constexpr u32 PAGE_KNOWN = 2;
constexpr u32 LOSS = 65536;
constexpr u32 RETRY = 131072;
constexpr u32 HOLD = 262144;
constexpr u32 NAME_WINDOW = 32;
constexpr u32 NAME_END = 1;
constexpr u32 BUSY_KIND_BITS = 8;
constexpr u32 TURN_BITS = 16;
constexpr u32 DEVICE_BITS = 4;
constexpr u32 SHARD_BITS = 12;
constexpr u32 TICKET_BITS = 48;
constexpr u32 WORK_WARPS = 4;
constexpr u32 WORK_LANES = 128;
constexpr u32 BLOCK_THREADS = 192;
constexpr u32 MAX_REGISTERS = 248;
constexpr u32 HOLDS_CLOSED = 65536u;
constexpr u32 DISPATCH_UNKNOWN = 4294967295u;
constexpr u32 DISPATCH_FAILED = 4294967294u;
constexpr u32 DISPATCH_DONE = 0u;
constexpr u32 DISPATCH_STOP = 1u;
constexpr u32 DISPATCH_KILL = 2u;
constexpr u32 JOB_OUTSIDE = 4294967295u;
constexpr u64 BEGUN_MESSAGES = 0x00000000000000ffull;
constexpr u64 BEGUN_INBOX = 0x0000000000000100ull;
constexpr u64 BEGUN_IN_PLACE = 0x0000000000000200ull;
constexpr u64 FROM_ACTOR = 0x0000010000000000ull;
constexpr u64 REGION_MAGIC = 0x746e656469736572ull;
constexpr u64 WIRE_FINGERPRINT = 0x9ac86fac5bf8b126ull;

constexpr u32 OP_CAST = 1;
constexpr u32 OP_CALL = 2;
constexpr u32 OP_CALL_DIRECT = 3;
constexpr u32 OP_SPAWN = 4;
constexpr u32 OP_INIT = 5;
constexpr u32 OP_STOP = 6;
constexpr u32 OP_READ = 7;
constexpr u32 OP_FENCE = 8;
constexpr u32 OP_GRANT = 9;
constexpr u32 OP_TELL_IN = 10;
constexpr u32 OP_ASK_IN = 11;
constexpr u32 OP_REPLY = 16;
constexpr u32 OP_ACK = 17;
constexpr u32 OP_FAULT = 18;
constexpr u32 OP_EMIT = 19;
constexpr u32 OP_REFUSED = 20;
constexpr u32 OP_RETURN = 21;
constexpr u32 OP_BLAMED = 22;
constexpr u32 OP_ENDED = 23;
constexpr u32 OP_BORN = 24;
constexpr u32 OP_TELL_OUT = 25;
constexpr u32 OP_ASK_OUT = 26;
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
constexpr u32 FAULT_NURSERY = 9;

constexpr u32 REFUSED_STALE = 1;
constexpr u32 REFUSED_FAILED = 2;
constexpr u32 REFUSED_MESSAGE = 3;
constexpr u32 REFUSED_PROTOCOL = 4;

constexpr u32 ROW_FREE = 0;
constexpr u32 ROW_LIVE = 1;
constexpr u32 ROW_FAILED = 2;
constexpr u32 ROW_ENDED = 3;
constexpr u32 ROW_INBOX = 4;
constexpr u32 ROW_OUTBOX = 5;

constexpr u32 GRANT_FREE = 0;
constexpr u32 GRANT_READY = 1;
constexpr u32 GRANT_TAKEN = 2;
constexpr u32 GRANT_FILLED = 3;

constexpr u32 BIRTH_NONE = 1;
constexpr u32 BIRTH_LARGE = 2;
constexpr u32 BIRTH_KIND = 3;
constexpr u32 BIRTH_FAILED = 4;

constexpr u32 WIDTH_LANE = 0;
constexpr u32 WIDTH_WARP = 1;
constexpr u32 WIDTH_BLOCK = 2;

constexpr u32 LOG_MAIL = 1;
constexpr u32 LOG_HOST = 2;
constexpr u32 LOG_LINE = 3;
constexpr u32 LOG_MORE = 4;

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
    u64 launches;
    u64 clock_ask;
    u64 clock_answer;
    u64 clock_nanos;
    u64 stood;
    u64 noted;
    u32 system;
    u32 names_log2;
    u64 names;
    u32 nursery;
    u32 inbox;
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
static_assert(__builtin_offsetof(RegionHeader, launches) == 104, "RegionHeader.launches");
static_assert(__builtin_offsetof(RegionHeader, clock_ask) == 112, "RegionHeader.clock_ask");
static_assert(__builtin_offsetof(RegionHeader, clock_answer) == 120, "RegionHeader.clock_answer");
static_assert(__builtin_offsetof(RegionHeader, clock_nanos) == 128, "RegionHeader.clock_nanos");
static_assert(__builtin_offsetof(RegionHeader, stood) == 136, "RegionHeader.stood");
static_assert(__builtin_offsetof(RegionHeader, noted) == 144, "RegionHeader.noted");
static_assert(__builtin_offsetof(RegionHeader, system) == 152, "RegionHeader.system");
static_assert(__builtin_offsetof(RegionHeader, names_log2) == 156, "RegionHeader.names_log2");
static_assert(__builtin_offsetof(RegionHeader, names) == 160, "RegionHeader.names");
static_assert(__builtin_offsetof(RegionHeader, nursery) == 168, "RegionHeader.nursery");
static_assert(__builtin_offsetof(RegionHeader, inbox) == 172, "RegionHeader.inbox");

struct alignas(32) Grant {
    u32 row;
    u32 generation;
    u64 state_offset;
    u32 bytes;
    u32 status;
    u64 taken;
};
static_assert(sizeof(Grant) == 32, "Grant");
static_assert(__builtin_offsetof(Grant, row) == 0, "Grant.row");
static_assert(__builtin_offsetof(Grant, generation) == 4, "Grant.generation");
static_assert(__builtin_offsetof(Grant, state_offset) == 8, "Grant.state_offset");
static_assert(__builtin_offsetof(Grant, bytes) == 16, "Grant.bytes");
static_assert(__builtin_offsetof(Grant, status) == 20, "Grant.status");
static_assert(__builtin_offsetof(Grant, taken) == 24, "Grant.taken");

struct alignas(8) GrantRow {
    u64 state_offset;
    u32 bytes;
    u32 pad;
};
static_assert(sizeof(GrantRow) == 16, "GrantRow");
static_assert(__builtin_offsetof(GrantRow, state_offset) == 0, "GrantRow.state_offset");
static_assert(__builtin_offsetof(GrantRow, bytes) == 8, "GrantRow.bytes");
static_assert(__builtin_offsetof(GrantRow, pad) == 12, "GrantRow.pad");

struct alignas(8) Born {
    u32 row;
    u32 generation;
    u32 kind;
    u32 bytes;
    u64 state_offset;
};
static_assert(sizeof(Born) == 24, "Born");
static_assert(__builtin_offsetof(Born, row) == 0, "Born.row");
static_assert(__builtin_offsetof(Born, generation) == 4, "Born.generation");
static_assert(__builtin_offsetof(Born, kind) == 8, "Born.kind");
static_assert(__builtin_offsetof(Born, bytes) == 12, "Born.bytes");
static_assert(__builtin_offsetof(Born, state_offset) == 16, "Born.state_offset");

struct alignas(32) NameEntry {
    u64 hash;
    u16 shard;
    u16 kind;
    u32 version;
    u32 row;
    u32 generation;
    u32 pad;
    u32 version_again;
};
static_assert(sizeof(NameEntry) == 32, "NameEntry");
static_assert(__builtin_offsetof(NameEntry, hash) == 0, "NameEntry.hash");
static_assert(__builtin_offsetof(NameEntry, shard) == 8, "NameEntry.shard");
static_assert(__builtin_offsetof(NameEntry, kind) == 10, "NameEntry.kind");
static_assert(__builtin_offsetof(NameEntry, version) == 12, "NameEntry.version");
static_assert(__builtin_offsetof(NameEntry, row) == 16, "NameEntry.row");
static_assert(__builtin_offsetof(NameEntry, generation) == 20, "NameEntry.generation");
static_assert(__builtin_offsetof(NameEntry, pad) == 24, "NameEntry.pad");
static_assert(__builtin_offsetof(NameEntry, version_again) == 28, "NameEntry.version_again");

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
    u32 swap;
    u32 kill_done;
    u32 running;
    u32 warps;
    u64 hlc;
    u64 beat;
    u32 settled;
    u64 busy;
    u64 passed[4];
};
static_assert(sizeof(ShardProgress) == 128, "ShardProgress");
static_assert(__builtin_offsetof(ShardProgress, ingress_head) == 0, "ShardProgress.ingress_head");
static_assert(__builtin_offsetof(ShardProgress, handled) == 8, "ShardProgress.handled");
static_assert(__builtin_offsetof(ShardProgress, refused) == 16, "ShardProgress.refused");
static_assert(__builtin_offsetof(ShardProgress, faults) == 24, "ShardProgress.faults");
static_assert(__builtin_offsetof(ShardProgress, swap) == 32, "ShardProgress.swap");
static_assert(__builtin_offsetof(ShardProgress, kill_done) == 36, "ShardProgress.kill_done");
static_assert(__builtin_offsetof(ShardProgress, running) == 40, "ShardProgress.running");
static_assert(__builtin_offsetof(ShardProgress, warps) == 44, "ShardProgress.warps");
static_assert(__builtin_offsetof(ShardProgress, hlc) == 48, "ShardProgress.hlc");
static_assert(__builtin_offsetof(ShardProgress, beat) == 56, "ShardProgress.beat");
static_assert(__builtin_offsetof(ShardProgress, settled) == 64, "ShardProgress.settled");
static_assert(__builtin_offsetof(ShardProgress, busy) == 72, "ShardProgress.busy");
static_assert(__builtin_offsetof(ShardProgress, passed) == 80, "ShardProgress.passed");

struct alignas(32) Row {
    u32 kind;
    u32 generation;
    u64 state_offset;
    u32 state_bytes;
    u32 status;
    u32 killed;
};
static_assert(sizeof(Row) == 32, "Row");
static_assert(__builtin_offsetof(Row, kind) == 0, "Row.kind");
static_assert(__builtin_offsetof(Row, generation) == 4, "Row.generation");
static_assert(__builtin_offsetof(Row, state_offset) == 8, "Row.state_offset");
static_assert(__builtin_offsetof(Row, state_bytes) == 16, "Row.state_bytes");
static_assert(__builtin_offsetof(Row, status) == 20, "Row.status");
static_assert(__builtin_offsetof(Row, killed) == 24, "Row.killed");

struct alignas(64) ShardState {
    u64 egress;
    u64 hlc;
    u64 trying;
    u64 pad;
    u64 outbox_heads[4];
    u64 outbox_tails[4];
    u64 cursors[8];
    u32 kill;
};
static_assert(sizeof(ShardState) == 192, "ShardState");
static_assert(__builtin_offsetof(ShardState, egress) == 0, "ShardState.egress");
static_assert(__builtin_offsetof(ShardState, hlc) == 8, "ShardState.hlc");
static_assert(__builtin_offsetof(ShardState, trying) == 16, "ShardState.trying");
static_assert(__builtin_offsetof(ShardState, pad) == 24, "ShardState.pad");
static_assert(__builtin_offsetof(ShardState, outbox_heads) == 32, "ShardState.outbox_heads");
static_assert(__builtin_offsetof(ShardState, outbox_tails) == 64, "ShardState.outbox_tails");
static_assert(__builtin_offsetof(ShardState, cursors) == 96, "ShardState.cursors");
static_assert(__builtin_offsetof(ShardState, kill) == 160, "ShardState.kill");

struct alignas(64) BatchState {
    u64 batch;
    u64 begun;
    u64 handled[4];
    u64 refused[4];
    u64 faults[4];
};
static_assert(sizeof(BatchState) == 128, "BatchState");
static_assert(__builtin_offsetof(BatchState, batch) == 0, "BatchState.batch");
static_assert(__builtin_offsetof(BatchState, begun) == 8, "BatchState.begun");
static_assert(__builtin_offsetof(BatchState, handled) == 16, "BatchState.handled");
static_assert(__builtin_offsetof(BatchState, refused) == 48, "BatchState.refused");
static_assert(__builtin_offsetof(BatchState, faults) == 80, "BatchState.faults");

struct alignas(16) RowRecord {
    u64 turn;
    u32 row;
    u32 status;
    u64 count;
    u32 bytes;
    u32 spawned;
    u64 state_offset;
    u32 generation;
    u32 kind;
};
static_assert(sizeof(RowRecord) == 48, "RowRecord");
static_assert(__builtin_offsetof(RowRecord, turn) == 0, "RowRecord.turn");
static_assert(__builtin_offsetof(RowRecord, row) == 8, "RowRecord.row");
static_assert(__builtin_offsetof(RowRecord, status) == 12, "RowRecord.status");
static_assert(__builtin_offsetof(RowRecord, count) == 16, "RowRecord.count");
static_assert(__builtin_offsetof(RowRecord, bytes) == 24, "RowRecord.bytes");
static_assert(__builtin_offsetof(RowRecord, spawned) == 28, "RowRecord.spawned");
static_assert(__builtin_offsetof(RowRecord, state_offset) == 32, "RowRecord.state_offset");
static_assert(__builtin_offsetof(RowRecord, generation) == 40, "RowRecord.generation");
static_assert(__builtin_offsetof(RowRecord, kind) == 44, "RowRecord.kind");

struct alignas(16) NotedFault {
    u64 frame;
    u32 fault;
    u32 text_bytes;
};
static_assert(sizeof(NotedFault) == 16, "NotedFault");
static_assert(__builtin_offsetof(NotedFault, frame) == 0, "NotedFault.frame");
static_assert(__builtin_offsetof(NotedFault, fault) == 8, "NotedFault.fault");
static_assert(__builtin_offsetof(NotedFault, text_bytes) == 12, "NotedFault.text_bytes");

struct alignas(256) Mailbox {
    u64 tail;
    u64 mark;
    u64 pad0[14];
    u64 head;
    u64 pad1[15];
};
static_assert(sizeof(Mailbox) == 256, "Mailbox");
static_assert(__builtin_offsetof(Mailbox, tail) == 0, "Mailbox.tail");
static_assert(__builtin_offsetof(Mailbox, mark) == 8, "Mailbox.mark");
static_assert(__builtin_offsetof(Mailbox, pad0) == 16, "Mailbox.pad0");
static_assert(__builtin_offsetof(Mailbox, head) == 128, "Mailbox.head");
static_assert(__builtin_offsetof(Mailbox, pad1) == 136, "Mailbox.pad1");

struct alignas(16) LateFrame {
    u64 ticket;
    u32 inbox;
    u32 slots;
};
static_assert(sizeof(LateFrame) == 16, "LateFrame");
static_assert(__builtin_offsetof(LateFrame, ticket) == 0, "LateFrame.ticket");
static_assert(__builtin_offsetof(LateFrame, inbox) == 8, "LateFrame.inbox");
static_assert(__builtin_offsetof(LateFrame, slots) == 12, "LateFrame.slots");

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

struct alignas(4) LinkTo {
    u32 system;
    u32 row;
    u32 generation;
    u32 shard;
    u32 own_row;
    u32 own_generation;
    u32 own_shard;
    u32 link;
};
static_assert(sizeof(LinkTo) == 32, "LinkTo");
static_assert(__builtin_offsetof(LinkTo, system) == 0, "LinkTo.system");
static_assert(__builtin_offsetof(LinkTo, row) == 4, "LinkTo.row");
static_assert(__builtin_offsetof(LinkTo, generation) == 8, "LinkTo.generation");
static_assert(__builtin_offsetof(LinkTo, shard) == 12, "LinkTo.shard");
static_assert(__builtin_offsetof(LinkTo, own_row) == 16, "LinkTo.own_row");
static_assert(__builtin_offsetof(LinkTo, own_generation) == 20, "LinkTo.own_generation");
static_assert(__builtin_offsetof(LinkTo, own_shard) == 24, "LinkTo.own_shard");
static_assert(__builtin_offsetof(LinkTo, link) == 28, "LinkTo.link");

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
    u32 pad;
};
static_assert(sizeof(FaultInfo) == 16, "FaultInfo");
static_assert(__builtin_offsetof(FaultInfo, handled) == 0, "FaultInfo.handled");
static_assert(__builtin_offsetof(FaultInfo, message) == 8, "FaultInfo.message");
static_assert(__builtin_offsetof(FaultInfo, pad) == 12, "FaultInfo.pad");

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
    u32 warps;
    u32 pad;
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
static_assert(sizeof(CutParams) == 184, "CutParams");
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
static_assert(__builtin_offsetof(CutParams, warps) == 80, "CutParams.warps");
static_assert(__builtin_offsetof(CutParams, pad) == 84, "CutParams.pad");
static_assert(__builtin_offsetof(CutParams, wanted) == 88, "CutParams.wanted");
static_assert(__builtin_offsetof(CutParams, base_rows) == 96, "CutParams.base_rows");
static_assert(__builtin_offsetof(CutParams, base_counts) == 104, "CutParams.base_counts");
static_assert(__builtin_offsetof(CutParams, digests) == 112, "CutParams.digests");
static_assert(__builtin_offsetof(CutParams, from_base) == 120, "CutParams.from_base");
static_assert(__builtin_offsetof(CutParams, totals) == 128, "CutParams.totals");
static_assert(__builtin_offsetof(CutParams, list) == 136, "CutParams.list");
static_assert(__builtin_offsetof(CutParams, pages) == 144, "CutParams.pages");
static_assert(__builtin_offsetof(CutParams, bytes) == 152, "CutParams.bytes");
static_assert(__builtin_offsetof(CutParams, room) == 160, "CutParams.room");
static_assert(__builtin_offsetof(CutParams, changed) == 168, "CutParams.changed");
static_assert(__builtin_offsetof(CutParams, changed_bytes) == 176, "CutParams.changed_bytes");

struct alignas(16) CtxRaw {
    u64 hlc;
    u64 sent;
    u64 now;
    u64 room;
    u64 lanes;
    u64 pulse;
    u64 busy;
    u64 holds;
    u32 row;
    u32 generation;
    u32 shard;
    u32 fault;
    u32 system;
    u32 ended;
    u32 text_bytes;
    u32 messages;
    u32 places;
    u32 placed;
    u32 kills;
    u32 held;
};
static_assert(sizeof(CtxRaw) == 112, "CtxRaw");
static_assert(__builtin_offsetof(CtxRaw, hlc) == 0, "CtxRaw.hlc");
static_assert(__builtin_offsetof(CtxRaw, sent) == 8, "CtxRaw.sent");
static_assert(__builtin_offsetof(CtxRaw, now) == 16, "CtxRaw.now");
static_assert(__builtin_offsetof(CtxRaw, room) == 24, "CtxRaw.room");
static_assert(__builtin_offsetof(CtxRaw, lanes) == 32, "CtxRaw.lanes");
static_assert(__builtin_offsetof(CtxRaw, pulse) == 40, "CtxRaw.pulse");
static_assert(__builtin_offsetof(CtxRaw, busy) == 48, "CtxRaw.busy");
static_assert(__builtin_offsetof(CtxRaw, holds) == 56, "CtxRaw.holds");
static_assert(__builtin_offsetof(CtxRaw, row) == 64, "CtxRaw.row");
static_assert(__builtin_offsetof(CtxRaw, generation) == 68, "CtxRaw.generation");
static_assert(__builtin_offsetof(CtxRaw, shard) == 72, "CtxRaw.shard");
static_assert(__builtin_offsetof(CtxRaw, fault) == 76, "CtxRaw.fault");
static_assert(__builtin_offsetof(CtxRaw, system) == 80, "CtxRaw.system");
static_assert(__builtin_offsetof(CtxRaw, ended) == 84, "CtxRaw.ended");
static_assert(__builtin_offsetof(CtxRaw, text_bytes) == 88, "CtxRaw.text_bytes");
static_assert(__builtin_offsetof(CtxRaw, messages) == 92, "CtxRaw.messages");
static_assert(__builtin_offsetof(CtxRaw, places) == 96, "CtxRaw.places");
static_assert(__builtin_offsetof(CtxRaw, placed) == 100, "CtxRaw.placed");
static_assert(__builtin_offsetof(CtxRaw, kills) == 104, "CtxRaw.kills");
static_assert(__builtin_offsetof(CtxRaw, held) == 108, "CtxRaw.held");

struct alignas(16) Pulse {
    u64 now;
    u32 kill;
    u32 pad;
};
static_assert(sizeof(Pulse) == 16, "Pulse");
static_assert(__builtin_offsetof(Pulse, now) == 0, "Pulse.now");
static_assert(__builtin_offsetof(Pulse, kill) == 8, "Pulse.kill");
static_assert(__builtin_offsetof(Pulse, pad) == 12, "Pulse.pad");

struct alignas(16) Given {
    u64 sent;
    u64 payload;
    u64 room;
    u32 message;
    u32 bytes;
    u32 asks;
    u32 said;
    u64 pad;
};
static_assert(sizeof(Given) == 48, "Given");
static_assert(__builtin_offsetof(Given, sent) == 0, "Given.sent");
static_assert(__builtin_offsetof(Given, payload) == 8, "Given.payload");
static_assert(__builtin_offsetof(Given, room) == 16, "Given.room");
static_assert(__builtin_offsetof(Given, message) == 24, "Given.message");
static_assert(__builtin_offsetof(Given, bytes) == 28, "Given.bytes");
static_assert(__builtin_offsetof(Given, asks) == 32, "Given.asks");
static_assert(__builtin_offsetof(Given, said) == 36, "Given.said");
static_assert(__builtin_offsetof(Given, pad) == 40, "Given.pad");

struct alignas(16) Outgoing {
    u32 op;
    u32 to;
    u32 row;
    u32 generation;
    u32 correlation;
    u32 message;
    u32 bytes;
    u32 system;
};
static_assert(sizeof(Outgoing) == 32, "Outgoing");
static_assert(__builtin_offsetof(Outgoing, op) == 0, "Outgoing.op");
static_assert(__builtin_offsetof(Outgoing, to) == 4, "Outgoing.to");
static_assert(__builtin_offsetof(Outgoing, row) == 8, "Outgoing.row");
static_assert(__builtin_offsetof(Outgoing, generation) == 12, "Outgoing.generation");
static_assert(__builtin_offsetof(Outgoing, correlation) == 16, "Outgoing.correlation");
static_assert(__builtin_offsetof(Outgoing, message) == 20, "Outgoing.message");
static_assert(__builtin_offsetof(Outgoing, bytes) == 24, "Outgoing.bytes");
static_assert(__builtin_offsetof(Outgoing, system) == 28, "Outgoing.system");

struct alignas(8) RawJob {
    u64 count;
    u64 items;
    u64 item_bytes;
    u64 shared;
    u64 shared_bytes;
};
static_assert(sizeof(RawJob) == 40, "RawJob");
static_assert(__builtin_offsetof(RawJob, count) == 0, "RawJob.count");
static_assert(__builtin_offsetof(RawJob, items) == 8, "RawJob.items");
static_assert(__builtin_offsetof(RawJob, item_bytes) == 16, "RawJob.item_bytes");
static_assert(__builtin_offsetof(RawJob, shared) == 24, "RawJob.shared");
static_assert(__builtin_offsetof(RawJob, shared_bytes) == 32, "RawJob.shared_bytes");

struct alignas(8) EngineParams {
    u64 region;
    u64 rows;
    u64 counts;
    u64 shards;
    u64 batches;
    u64 logs;
    u64 rests;
    u64 arena;
    u64 mailboxes;
    u64 mailbox_bytes;
    u64 marks;
    u32 inbox_log2;
    u32 outbox_log2;
    u32 warps;
    u32 pad;
    u64 nurseries;
    u64 grant_slots;
};
static_assert(sizeof(EngineParams) == 120, "EngineParams");
static_assert(__builtin_offsetof(EngineParams, region) == 0, "EngineParams.region");
static_assert(__builtin_offsetof(EngineParams, rows) == 8, "EngineParams.rows");
static_assert(__builtin_offsetof(EngineParams, counts) == 16, "EngineParams.counts");
static_assert(__builtin_offsetof(EngineParams, shards) == 24, "EngineParams.shards");
static_assert(__builtin_offsetof(EngineParams, batches) == 32, "EngineParams.batches");
static_assert(__builtin_offsetof(EngineParams, logs) == 40, "EngineParams.logs");
static_assert(__builtin_offsetof(EngineParams, rests) == 48, "EngineParams.rests");
static_assert(__builtin_offsetof(EngineParams, arena) == 56, "EngineParams.arena");
static_assert(__builtin_offsetof(EngineParams, mailboxes) == 64, "EngineParams.mailboxes");
static_assert(__builtin_offsetof(EngineParams, mailbox_bytes) == 72, "EngineParams.mailbox_bytes");
static_assert(__builtin_offsetof(EngineParams, marks) == 80, "EngineParams.marks");
static_assert(__builtin_offsetof(EngineParams, inbox_log2) == 88, "EngineParams.inbox_log2");
static_assert(__builtin_offsetof(EngineParams, outbox_log2) == 92, "EngineParams.outbox_log2");
static_assert(__builtin_offsetof(EngineParams, warps) == 96, "EngineParams.warps");
static_assert(__builtin_offsetof(EngineParams, pad) == 100, "EngineParams.pad");
static_assert(__builtin_offsetof(EngineParams, nurseries) == 104, "EngineParams.nurseries");
static_assert(__builtin_offsetof(EngineParams, grant_slots) == 112, "EngineParams.grant_slots");
