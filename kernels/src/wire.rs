//! Every layout that host and device share, defined once.
//!
//! The host writes and reads these through typed views; the engine (`kernels/cuda`) reads them through
//! `wire.h`, which [`c_header`] prints and CI compares byte for byte.
//!
//! # A slot
//!
//! A ring is an array of 64-byte slots, and a slot is four 16-byte chunks. The last 16 bits of every chunk are
//! the **lap tag** of that slot, `lap(index)`, so a reader that finds the expected tag in all four chunks has
//! the whole slot: nothing else orders one chunk against another, neither the PTX memory model across lanes
//! nor the bus. A torn slot reads as not yet written.
//!
//! ```text
//! word   0          1            2             3
//!        row        generation   correlation   message | tag << 16
//!        4          5            6             7
//!        hlc low    hlc high     payload 0     length  | tag << 16
//!        8          9            10            11
//!        payload 1  payload 2    payload 3     reply   | tag << 16
//!        12         13           14            15
//!        payload 4  payload 5    payload 6     op      | tag << 16
//! ```
//!
//! A payload of more than [`INLINE_BYTES`] goes on in consecutive slots of [`MORE_BYTES`] each: three payload
//! words to a chunk, and the tag.

use core::mem::{offset_of, size_of};

/// Bytes in one slot.
pub const SLOT_BYTES: usize = 64;
/// 32-bit words in one slot.
pub const SLOT_WORDS: usize = 16;
/// Payload bytes that the first slot of a frame carries.
pub const INLINE_BYTES: usize = 28;
/// Payload bytes that each further slot carries.
pub const MORE_BYTES: usize = 48;
/// The largest payload of one frame, in bytes: a message, a reply, an emitted message.
pub const MAX_PAYLOAD: usize = 960;
/// Slots that the largest frame takes.
pub const MAX_FRAME_SLOTS: usize = slots_for(MAX_PAYLOAD);
/// The largest state of an actor, in bytes.
pub const MAX_STATE: usize = 64 * 1024;
/// State bytes that a spawn frame carries behind its [`SpawnRow`]; the rest goes ahead in `INIT` frames.
pub const SPAWN_STATE_BYTES: usize = MAX_PAYLOAD - size_of::<SpawnRow>();
/// State bytes that one `INIT` frame carries behind its 8-byte arena offset.
pub const INIT_STATE_BYTES: usize = MAX_PAYLOAD - 8;
/// The largest text of a fault, in bytes; longer ones are cut.
pub const MAX_FAULT_TEXT: usize = 240;
/// The largest reply that a dispatch writes where it is told to; longer ones go to [`CtxRaw::room`].
pub const SHORT_REPLY: usize = 64;
/// Bytes at [`CtxRaw::room`].
pub const ROOM_BYTES: usize = MAX_PAYLOAD + MAX_FAULT_TEXT;
/// Bytes of a block's shared memory that each of its lanes takes.
pub const LANE_BYTES: usize = 848;
/// Bytes into a lane at which its [`Given`] stands,
pub const LANE_GIVEN: usize = 0;
/// its [`Outgoing`], with a payload of [`INLINE_BYTES`] behind it,
pub const LANE_PLACE: usize = 48;
/// and where its short reply goes.
pub const LANE_REPLY: usize = 112;
/// Bytes of device memory that each lane takes, for what is too long for shared memory, and for a [`NotedFault`].
pub const REST_BYTES: usize = size_of::<NotedFault>() + 2 * MAX_PAYLOAD + ROOM_BYTES + HOLDS * HOLD_BYTES;
/// Frames of one slot that a lane holds back beside those in places.
pub const HOLDS: usize = 16;
/// Bytes of one: its [`Outgoing`], and its payload.
pub const HOLD_BYTES: usize = size_of::<Outgoing>() + 32;
/// In [`CtxRaw::held`]: no more are taken, since what comes behind has to stay behind.
pub const HOLDS_CLOSED: u32 = 1 << 16;
/// Slots that the frames of one batch take at most, and so those of one message.
pub const LOG_SLOTS: usize = 4736;
/// Bytes of device memory that the log of a work warp takes: a head of 16 bytes for each slot, the slots, and for each lane a [`RowRecord`]
/// and a state.
pub const LOG_BYTES: usize = LOG_SLOTS * (16 + SLOT_BYTES) + LOG_LANES * (size_of::<RowRecord>() + COPY_BYTES);
/// Actors in one batch at most: lanes of a warp.
const LOG_LANES: usize = 32;
/// Bytes from one shard's control or progress line to the next, and between rings beyond their own: lines of many shards that
/// lie close together, or a large power of two apart, are served one after another when a GPU reads them.
pub const LINE_STRIDE: usize = 4096;
/// The most kinds of actor in one program.
pub const MAX_KINDS: usize = 64;
/// The largest state of which a batch handles a copy, in bytes; a larger one is handled in place.
pub const COPY_BYTES: usize = 256;
/// States are compared and copied in pages of so many bytes, counted from their own beginning.
pub const STATE_PAGE: usize = 4096;
/// In [`CutPage::flags`]: the page is one of several of its state, which are compared by their digests.
pub const PAGE_OF_SEVERAL: u32 = 1;
/// In [`CutPage::flags`]: the base has its actor.
pub const PAGE_KNOWN: u32 = 2;
/// Arena bytes to one page digest: half a page, so that no two states of more than a page share one, wherever they lie.
pub const DIGEST_STRIDE: usize = 2048;
/// Bits of [`ShardProgress::busy`] that hold a kind.
pub const BUSY_KIND_BITS: u32 = 8;
/// What is added to a busy word with each message.
pub const BUSY_MESSAGE: u64 = (WORK_WARPS as u64) << BUSY_KIND_BITS;
/// First word of a region: "resident" in ASCII.
pub const REGION_MAGIC: u64 = u64::from_le_bytes(*b"resident");

/// Slots that a frame with `payload` bytes takes.
pub const fn slots_for(payload: usize) -> usize {
    if payload <= INLINE_BYTES { 1 } else { 1 + (payload - INLINE_BYTES).div_ceil(MORE_BYTES) }
}

/// The tag of slot `index` in a ring of `1 << capacity_log2` slots: the lap, from 1, in 16 bits.
///
/// Memory that no lap has written is zero, which no slot of the first lap carries; later a slot holds the tag
/// of its lap or of the one before, and those differ.
pub const fn lap(index: u64, capacity_log2: u32) -> u16 {
    ((index >> capacity_log2) + 1) as u16
}

macro_rules! consts {
    ($(#[$outer:meta])* $list:ident { $($(#[$meta:meta])* $name:ident = $value:expr,)* }) => {
        $($(#[$meta])* pub const $name: u16 = $value;)*
        $(#[$outer])*
        pub const $list: &[(&str, u16)] = &[$((stringify!($name), $name)),*];
    };
}

consts! {
    /// Every operation by name, for the C header.
    OPS {
        /// Host to device: handle a message, answer nothing.
        OP_CAST = 1,
        /// Host to device: handle a message, answer on the egress ring.
        OP_CALL = 2,
        /// Host to device: handle a message, answer into reply line `correlation` with tag `reply`.
        OP_CALL_DIRECT = 3,
        /// Host to device: make row `row` live at `generation`; payload is [`SpawnRow`] and the state's head. Acknowledged.
        OP_SPAWN = 4,
        /// Host to device: write state bytes ahead of a spawn; payload is an arena offset (`u64`) and the bytes.
        OP_INIT = 5,
        /// Host to device: free row `row`. Acknowledged, after every message before it.
        OP_STOP = 6,
        /// Host to device: read state of row `row`, live or failed; payload is [`ReadState`]. Answered by `OP_REPLY`.
        OP_READ = 7,
        /// Host to device: acknowledge, after everything before it.
        OP_FENCE = 8,
        /// Host to device: row `row` at `generation` is for an actor that a handler spawns; payload is [`GrantRow`]. Not acknowledged.
        OP_GRANT = 9,
        /// Host to device: a message from an actor of another device, which its shard hands on as [`OP_TELL`]. As that in all else.
        OP_TELL_IN = 10,
        /// Host to device: the same as [`OP_ASK`].
        OP_ASK_IN = 11,
        /// Device to host: the reply of call `correlation`.
        OP_REPLY = 16,
        /// Device to host: the frame `correlation` (spawn, stop, fence) is done.
        OP_ACK = 17,
        /// Device to host: row `row` failed at `generation`; `message` is its `FAULT_*` class, payload is
        /// [`FaultInfo`] and text. As an answer to a call, the call was the one being handled.
        OP_FAULT = 18,
        /// Device to host: row `row` emitted a message of type `correlation`.
        OP_EMIT = 19,
        /// Device to host: call `correlation` was not handled; `message` is its `REFUSED_*` reason.
        OP_REFUSED = 20,
        /// Device to host: the message (number `message`) that row `row` was handling when the device was lost, as it was sent.
        /// Ahead of the `OP_BLAMED` that follows from it.
        OP_RETURN = 21,
        /// Device to host, first of all after a device was lost: what the shard was at, payload is [`BlameInfo`]; `message` is the
        /// `FAULT_*` class of the loss. As an answer to a call, the call was the one being handled, and its answer may have come.
        OP_BLAMED = 22,
        /// Device to host: the actor in row `row` has asked for its end, `Ctx::stop_self`; its row is refused to everybody from here on.
        OP_ENDED = 23,
        /// Device to host: row `row` has spawned an actor; payload is [`Born`].
        OP_BORN = 24,
        /// Device to host: a message to row `row` of another device; above the [`OP_TELL`]'s 16 bits `correlation` names its shard, and above
        /// [`SHARD_BITS`] of that its device.
        OP_TELL_OUT = 25,
        /// Device to host: the same of an [`OP_ASK`].
        OP_ASK_OUT = 26,
        /// Shard to shard: handle a message; `correlation` is the [tag](crate::actor::Kind::tag) of the kind that its sender takes the
        /// receiver for.
        OP_TELL = 32,
        /// Shard to shard: the same, and its reply goes to the [`ReplyTo`] ahead of the payload.
        OP_ASK = 33,
        /// In an inbox: nothing, where a launch was lost before a frame was whole.
        OP_VOID = 34,
    }
}

consts! {
    /// Every fault class by name, for the C header.
    FAULTS {
        /// The handler panicked.
        FAULT_PANIC = 1,
        /// The handler called `Ctx::fail`.
        FAULT_FAILED = 2,
        /// The handler emitted a payload over the limit.
        FAULT_EMIT = 3,
        /// The device trapped while it handled a message of the actor's.
        FAULT_TRAP = 4,
        /// The device accessed an illegal address meanwhile.
        FAULT_ADDRESS = 5,
        /// The handler did not come to an end within its budget.
        FAULT_HANG = 6,
        /// The worker of the device ended meanwhile.
        FAULT_WORKER = 7,
        /// The handler has sent more than its shard's outbox holds while the receivers' inboxes were full.
        FAULT_OUTBOX = 8,
        /// The handler has spawned more than its shard's nursery had places for, or a state too large for one.
        FAULT_NURSERY = 9,
    }
}

consts! {
    /// Every reason to refuse a frame by name, for the C header.
    REFUSALS {
        /// The row holds another generation, or none: the actor has stopped.
        REFUSED_STALE = 1,
        /// The row's actor has failed and was not released yet.
        REFUSED_FAILED = 2,
        /// The kind has no such message, or the message another size.
        REFUSED_MESSAGE = 3,
        /// The frame violates the protocol: unknown op, row out of range, length over the limit.
        REFUSED_PROTOCOL = 4,
    }
}

consts! {
    /// Every row status by name, for the C header.
    ROWS {
        /// The row belongs to nobody.
        ROW_FREE = 0,
        /// The row's actor handles messages.
        ROW_LIVE = 1,
        /// The row's actor failed; its state is kept until `OP_STOP`.
        ROW_FAILED = 2,
        /// The row's actor has ended itself; `OP_STOP` frees the row.
        ROW_ENDED = 3,
        /// In a cut, no row: what waits in a shard's inbox.
        ROW_INBOX = 4,
        /// In a cut, no row: what waits in a shard's outbox.
        ROW_OUTBOX = 5,
    }
}

consts! {
    /// What a slot of a nursery holds, by name, for the C header.
    GRANTS {
        /// Nothing.
        GRANT_FREE = 0,
        /// A grant.
        GRANT_READY = 1,
        /// A grant that becomes an actor.
        GRANT_TAKEN = 2,
        /// A grant that is being written.
        GRANT_FILLED = 3,
    }
}

consts! {
    /// Why nobody was spawned, by name, for the C header.
    BIRTHS {
        /// No grant is there.
        BIRTH_NONE = 1,
        /// The state is longer than a grant's room.
        BIRTH_LARGE = 2,
        /// The kind is not exported.
        BIRTH_KIND = 3,
        /// The spawner has failed.
        BIRTH_FAILED = 4,
    }
}

consts! {
    /// How many lanes a kind's handlers ask for, by name, for the C header.
    WIDTHS {
        /// One.
        WIDTH_LANE = 0,
        /// Those of its warp.
        WIDTH_WARP = 1,
        /// Those of its block that have nothing else to do, and all of its warp.
        WIDTH_BLOCK = 2,
    }
}

consts! {
    /// What a slot of a warp's log is, by name, for the C header.
    LOGGED {
        /// A frame for an inbox: where it goes is the ticket, and above [`TICKET_BITS`] the inbox.
        LOG_MAIL = 1,
        /// A frame for the host: where it goes is its place on the egress ring.
        LOG_HOST = 2,
        /// The reply of a direct call: where it goes is the line, and above 32 bits its tag.
        LOG_LINE = 3,
        /// It goes on with a frame.
        LOG_MORE = 4,
    }
}

consts! {
    /// Every command to the shards by name, for the C header.
    COMMANDS {
        /// Handle messages.
        RUN = 0,
        /// Leave at the next message boundary.
        STOP = 1,
    }
}

/// In [`ShardControl::loss`]: the launch follows a loss.
pub const LOSS: u32 = 1 << 16;
/// In [`ShardControl::loss`]: the message is not blamed, and is handled as if it had not been begun.
pub const RETRY: u32 = 1 << 17;
/// In [`ShardControl::loss`]: wait until this bit is gone.
pub const HOLD: u32 = 1 << 18;
/// In a count of messages handled: one that came from another actor. Those that the application has sent are counted below it.
pub const FROM_ACTOR: u64 = 1 << 40;
/// In place of an emitted message's type: a message to another actor that is sent later. [`SendLater`] stands ahead of it, and behind that its
/// [`Timer`](crate::timer::Timer).
pub const LATER: u32 = digest(b"resident: a message that is sent later") as u32;
/// In place of an emitted message's type: a message that was to be sent later is not to be, [`Timer`](crate::timer::Timer).
pub const CANCEL: u32 = digest(b"resident: a timer that is cancelled") as u32;
/// In place of an emitted message's type: a link that is made or undone, [`LinkTo`].
pub const LINK: u32 = digest(b"resident: a link") as u32;
/// Entries in which a name can be, from the one that its hash names on.
pub const NAME_WINDOW: usize = 32;
/// In [`NameEntry::shard`] of an entry that is nobody's: no name that could be here is in one further on.
pub const NAME_END: u16 = 1;
/// In [`BatchState::begun`]: a mask of how many messages the batch has.
pub const BEGUN_MESSAGES: u64 = 0xff;
/// In [`BatchState::begun`]: the batch is of the warp's inbox, else of the host's ring.
pub const BEGUN_INBOX: u64 = 1 << 8;
/// In [`BatchState::begun`]: its only message's state is handled in place.
pub const BEGUN_IN_PLACE: u64 = 1 << 9;
/// Bits of [`BatchState::begun`] below the warp's turn.
pub const TURN_BITS: u32 = 16;
/// Bits of a system's number that say which of its devices, the lowest: each device has a number of its own.
pub const DEVICE_BITS: u32 = 4;
/// Bits of a shard's number on its device, where the device stands above it.
pub const SHARD_BITS: u32 = 12;
/// Bits below the inbox in the head of a frame that is logged for one.
pub const TICKET_BITS: u32 = 48;
/// The most warps of a shard that handle messages: a GPU's.
pub const WORK_WARPS: usize = 4;
/// The most lanes of a shard that handle messages.
pub const WORK_LANES: usize = WORK_WARPS * 32;
/// Threads of a shard on a GPU: its work warps, a poller and one that delivers.
pub const BLOCK_THREADS: usize = (2 + WORK_WARPS) * 32;
/// Registers that each of them has at most, so that they fit a multiprocessor: it has 65,536 in four parts, given out by eights.
pub const MAX_REGISTERS: usize = {
    let share = 65536 / BLOCK_THREADS.next_multiple_of(128) / 8 * 8;
    // No thread has more than 255.
    if share < 248 { share } else { 248 }
};

/// A handler's dispatch returns this when the kind has no such message or the message another size.
pub const DISPATCH_UNKNOWN: u32 = u32::MAX;
/// What `resident_job` returns of a job about something else than state and message.
pub const JOB_OUTSIDE: u32 = u32::MAX;
/// A handler's dispatch returns this when the actor failed; the text is in its [`CtxRaw`]. (A panic on the GPU does not return.)
pub const DISPATCH_FAILED: u32 = u32::MAX - 1;
/// In the upper half of what a dispatch returns: it has handled all that it was given,
pub const DISPATCH_DONE: u32 = 0;
/// it has stopped at a message from which the engine goes on,
pub const DISPATCH_STOP: u32 = 1;
/// or ahead of one, since an actor of the shard was killed meanwhile: the engine knows whether it was this one.
pub const DISPATCH_KILL: u32 = 2;

macro_rules! layouts {
    ($($(#[$meta:meta])* struct $name:ident : $align:literal { $($(#[$fmeta:meta])* $field:ident : $ty:ident $([$len:expr])?,)* })*) => {
        $(
            $(#[$meta])*
            #[repr(C, align($align))]
            #[derive(Clone, Copy, Debug)]
            pub struct $name { $($(#[$fmeta])* pub $field: layouts!(@ty $ty $([$len])?),)* }

            impl $name {
                /// Returns the value's bytes as they travel, padding as zero.
                pub fn to_bytes(&self) -> [u8; size_of::<$name>()] {
                    let mut bytes = [0; size_of::<$name>()];
                    $(self.$field.write(&mut bytes[offset_of!($name, $field)..]);)*
                    bytes
                }

                /// Reads a value from its bytes.
                pub fn from_bytes(bytes: &[u8; size_of::<$name>()]) -> $name {
                    $name { $($field: Value::read(&bytes[offset_of!($name, $field)..]),)* }
                }
            }
        )*
        const STRUCTS: &[Struct] = &[$(Struct {
            name: stringify!($name),
            size: size_of::<$name>(),
            align: $align,
            fields: &[$(Field {
                name: stringify!($field),
                ty: stringify!($ty),
                len: 0 $(+ $len)?,
                offset: offset_of!($name, $field),
            }),*],
        }),*];
    };
    (@ty $ty:ident) => { $ty };
    (@ty $ty:ident [$len:expr]) => { [$ty; $len] };
}

/// A field of a layout, in the order of bytes that host and device have.
trait Value: Copy {
    /// Writes it to the front of `out`.
    fn write(self, out: &mut [u8]);
    /// Reads it from the front of `bytes`.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! values {
    ($($ty:ident)*) => {$(
        impl Value for $ty {
            fn write(self, out: &mut [u8]) {
                out[..size_of::<$ty>()].copy_from_slice(&self.to_le_bytes());
            }

            fn read(bytes: &[u8]) -> $ty {
                let mut own = [0; size_of::<$ty>()];
                own.copy_from_slice(&bytes[..size_of::<$ty>()]);
                $ty::from_le_bytes(own)
            }
        }
    )*};
}

values!(u8 u16 u32 u64 i64);

impl<T: Value, const N: usize> Value for [T; N] {
    fn write(self, out: &mut [u8]) {
        for (value, out) in self.into_iter().zip(out.chunks_mut(size_of::<T>())) {
            value.write(out);
        }
    }

    fn read(bytes: &[u8]) -> [T; N] {
        core::array::from_fn(|at| T::read(&bytes[at * size_of::<T>()..]))
    }
}

struct Struct {
    name: &'static str,
    size: usize,
    align: usize,
    fields: &'static [Field],
}

struct Field {
    name: &'static str,
    ty: &'static str,
    /// 0 for a plain field, else the number of elements.
    len: usize,
    offset: usize,
}

layouts! {
    /// The first page of a region. Written by who makes the region, but for the words at its end, whose writer stands beside them.
    /// Offsets are from the region's start: it holds no pointer.
    struct RegionHeader : 64 {
        /// [`REGION_MAGIC`].
        magic: u64,
        /// [`FINGERPRINT`] of the side that made the region.
        fingerprint: u64,
        /// Bytes of the whole region.
        bytes: u64,
        /// Shards, each with a control line, a progress line and two rings.
        shards: u32,
        /// Slots of each ring, as a power of two.
        capacity_log2: u32,
        /// Rows of each shard.
        rows: u32,
        /// Reply lines, 64 bytes each.
        reply_lines: u32,
        /// Bytes of the state arena in device memory.
        arena_bytes: u64,
        /// Offset of the first [`ShardControl`]; the others follow, [`LINE_STRIDE`] apart.
        control: u64,
        /// Offset of the first [`ShardProgress`]; the others follow, [`LINE_STRIDE`] apart.
        progress: u64,
        /// Offset of shard 0's ingress ring; the others follow, `ring_stride` apart.
        ingress: u64,
        /// Offset of shard 0's egress ring; the others follow, `ring_stride` apart.
        egress: u64,
        /// Bytes from one ring to the next: the ring's own, and [`LINE_STRIDE`].
        ring_stride: u64,
        /// Offset of reply line 0.
        replies: u64,
        /// Microseconds to add to the device's clock for the host's; written by the worker before launch.
        clock_offset: i64,
        /// Launches so far; written by the worker.
        launches: u64,
        /// What the worker asks the device's clock while it calibrates: counts questions.
        clock_ask: u64,
        /// The last question answered; written by the device.
        clock_answer: u64,
        /// The device's clock then, in nanoseconds; written by the device before `clock_answer`.
        clock_nanos: u64,
        /// Counts the times that all shards stood still for a cut; written by the worker.
        stood: u64,
        /// The last of them at which the application has noted what is in the rings; written by the application.
        noted: u64,
        /// Tells the actors of this device from those of others: the number of its system, and in the lowest [`DEVICE_BITS`] which of that
        /// system's devices it is.
        system: u32,
        /// Entries of the table of names, as a power of two.
        names_log2: u32,
        /// Offset of its first [`NameEntry`].
        names: u64,
        /// Grants that each shard's nursery has at most.
        nursery: u32,
        /// Slots that each inbox has at least, beside what a ring has.
        inbox: u32,
    }

    /// A place for an actor that a handler spawns, in device memory: a slot of its shard's nursery.
    struct Grant : 32 {
        /// The row.
        row: u32,
        /// The generation that it is to have.
        generation: u32,
        /// Where the state goes in the arena.
        state_offset: u64,
        /// Bytes of room there.
        bytes: u32,
        /// `GRANT_*`.
        status: u32,
        /// Of one that is taken, the turn that has taken it, and below [`TURN_BITS`] its warp.
        taken: u64,
    }

    /// Payload of a grant frame.
    struct GrantRow : 8 {
        /// Where the state goes in the arena; a multiple of 16.
        state_offset: u64,
        /// Bytes of room there.
        bytes: u32,
        /// Zero.
        pad: u32,
    }

    /// Payload of a birth frame: who was spawned.
    struct Born : 8 {
        /// Its row.
        row: u32,
        /// Which of the row's actors.
        generation: u32,
        /// Index of its kind.
        kind: u32,
        /// Bytes of its state.
        bytes: u32,
        /// Where its state begins in the arena.
        state_offset: u64,
    }

    /// A name that handlers can look up, in the region. Written by the application only. Two chunks, each of which says which version
    /// of the entry it is of: who reads both of one version, and that an odd one, has the entry.
    struct NameEntry : 32 {
        /// [`digest`] of the name.
        hash: u64,
        /// The actor's shard; [`NAME_END`] or 0 while nobody has the entry.
        shard: u16,
        /// The [tag](crate::actor::Kind::tag) of its kind.
        kind: u16,
        /// Raised with each change: odd while somebody has the entry, 0 before anybody had.
        version: u32,
        /// The actor's row.
        row: u32,
        /// Which of the row's actors.
        generation: u32,
        /// Zero.
        pad: u32,
        /// As `version`.
        version_again: u32,
    }

    /// What the host tells one shard. Written by the host only, read by the shard's engine: the first 16 bytes in one access.
    struct ShardControl : 128 {
        /// Egress slots the host has consumed, in all.
        egress_head: u64,
        /// `RUN` or `STOP`.
        command: u32,
        /// Counts kills asked for; the two words below are written before it.
        kill: u32,
        /// The row to kill.
        kill_row: u32,
        /// Its generation.
        kill_generation: u32,
        /// What to do about the messages that were being handled when the device was lost: a `FAULT_*` to blame one with, and
        /// [`LOSS`] and its like. 0 for a launch that follows no loss. Written by the worker.
        loss: u32,
        /// Counts the times that the egress ring was mended after a loss; for its consumer, the engine does not read it.
        mended: u32,
    }

    /// What one shard tells the host. Written by the shard's engine only.
    struct ShardProgress : 128 {
        /// Ingress slots consumed, in all: what a producer may use again.
        ingress_head: u64,
        /// Frames handled, in all.
        handled: u64,
        /// Frames refused, in all: each answered if it was a call, a dead letter if it was a cast.
        refused: u64,
        /// Actors that failed, in all.
        faults: u64,
        /// The number of the launch in which the shard has left because too many of its lanes have ended: the worker launches anew.
        swap: u32,
        /// The last kill carried out.
        kill_done: u32,
        /// Raised once a shard runs; 0 again when it has left.
        running: u32,
        /// Warps that handle messages: a row's are handled by the one of its number modulo this.
        warps: u32,
        /// The shard's hybrid logical clock.
        hlc: u64,
        /// The shard's clock in microseconds, written every millisecond while it runs on a GPU: a device that has trapped falls silent
        /// long before its driver says so.
        beat: u64,
        /// The number of the launch that has come past what the one before had begun.
        settled: u32,
        /// The messages being handled, of one kind and one at least: a number of their own, not 0, and their kind in the lowest
        /// [`BUSY_KIND_BITS`]. Written once they have taken long, unless the shard is one thread; 0 when they are done.
        busy: u64,
        /// Of each of those, the next ingress slot that it has not come past, when the shard has left.
        passed: u64[WORK_WARPS],
    }

    /// An actor as its shard keeps it, in device memory.
    struct Row : 32 {
        /// Index of its kind.
        kind: u32,
        /// Raised by one with every spawn; frames for another generation are refused.
        generation: u32,
        /// Where its state begins in the arena.
        state_offset: u64,
        /// Bytes of its state.
        state_bytes: u32,
        /// `ROW_FREE`, `ROW_LIVE`, `ROW_FAILED` or `ROW_ENDED`. Written by lanes.
        status: u32,
        /// The generation that was killed last. Written by the poller, so that a kill and the end of its actor do not overwrite each other.
        killed: u32,
    }

    /// What a shard keeps from one launch to the next, in device memory. It is written as the shard goes, so that it holds when the
    /// launch does not come to an end.
    struct ShardState : 64 {
        /// Next egress slot to write.
        egress: u64,
        /// The shard's hybrid logical clock.
        hlc: u64,
        /// The warp whose messages are handled once more, one at a time, plus one; 0 for none.
        trying: u64,
        /// Zero: the cursors of a warp are written in one access.
        pad: u64,
        /// Of each work warp, the first slot of its outbox that may not have been sent.
        outbox_heads: u64[WORK_WARPS],
        /// Of each, the next slot of its outbox to write.
        outbox_tails: u64[WORK_WARPS],
        /// Of each, the next ingress slot that it has not come past, and the next slot of its inbox.
        cursors: u64[2 * WORK_WARPS],
        /// The last kill carried out.
        kill: u32,
    }

    /// What a work warp keeps of the batch that it is at, in device memory. A batch is done once the warp's cursors say so: then its log
    /// holds all that it was to do, and before that nothing of it was done.
    struct BatchState : 64 {
        /// Where both cursors stand behind the batch, in sum; 0 when none is begun.
        batch: u64,
        /// `BEGUN_*`, and from [`TURN_BITS`] on the warp's turn, a number of its own for each time that a batch is begun.
        begun: u64,
        /// Frames handled so far: twice a batch and the number behind it.
        handled: u64[4],
        /// Frames refused, in the same way.
        refused: u64[4],
        /// Actors failed, in the same way.
        faults: u64[4],
    }

    /// What becomes of a row by a batch, in the warp's log.
    struct RowRecord : 16 {
        /// The turn.
        turn: u64,
        /// The row.
        row: u32,
        /// What its status becomes.
        status: u32,
        /// Messages handled then.
        count: u64,
        /// Bytes of its state that stand in the log.
        bytes: u32,
        /// 1 if what follows is new, too.
        spawned: u32,
        /// Where its state begins in the arena.
        state_offset: u64,
        /// Its generation.
        generation: u32,
        /// Its kind, and above 8 bits the bytes of its state.
        kind: u32,
    }

    /// What is known of a message that has failed or panicked, until its batch is done: it is not run again.
    struct NotedFault : 16 {
        /// The message's frame: twice its first slot, one more if that is of the inbox, plus one; 0 for none.
        frame: u64,
        /// Its `FAULT_*`.
        fault: u32,
        /// Bytes of the text, in the lane's room.
        text_bytes: u32,
    }

    /// The words of a work warp's inbox, in device memory, on lines of their own. Behind them come the inbox's slots, those of the warp's
    /// outbox, and for each of these a [`LateFrame`].
    struct Mailbox : 256 {
        /// Slots given out to senders, in all.
        tail: u64,
        /// Where its bits begin among those of all inboxes, for whoever mends them.
        mark: u64,
        /// Zero.
        pad0: u64[14],
        /// Slots handled, in all: what senders may use again.
        head: u64,
        /// Zero.
        pad1: u64[15],
    }

    /// Where a frame of an outbox goes, which begins in the same slot there.
    struct LateFrame : 16 {
        /// Its slot in the inbox.
        ticket: u64,
        /// The inbox: of all work warps of all shards.
        inbox: u32,
        /// Slots; 0 if none begins here, or it has gone.
        slots: u32,
    }

    /// Where an actor is, as it travels in messages.
    struct RawAddress : 4 {
        /// The system and the device, [`RegionHeader::system`].
        system: u32,
        /// The row.
        row: u32,
        /// Which of the row's actors; 0 for nobody.
        generation: u32,
        /// The shard.
        shard: u32,
    }

    /// Who gets a reply, ahead of the payload of [`OP_ASK`].
    struct ReplyTo : 16 {
        /// The row.
        row: u32,
        /// Which of the row's actors; 0 for nobody.
        generation: u32,
        /// The shard, and above [`SHARD_BITS`] the device.
        shard: u32,
        /// Index of the message that the reply is, and above 16 bits the tag of the kind that handles it.
        message: u32,
    }

    /// What stands ahead of a message that is sent later.
    struct SendLater : 16 {
        /// The receiver's system.
        system: u32,
        /// Its row.
        row: u32,
        /// Which of the row's actors.
        generation: u32,
        /// Its shard.
        shard: u32,
        /// Microseconds from now.
        micros: u64,
        /// Index of the message, and above 16 bits the tag of the kind that handles it.
        message: u32,
        /// Zero.
        pad: u32,
    }

    /// A link from the actor that emits this to another.
    struct LinkTo : 4 {
        /// The other's system.
        system: u32,
        /// Its row.
        row: u32,
        /// Which of the row's actors.
        generation: u32,
        /// Its shard.
        shard: u32,
        /// The row of who emits this.
        own_row: u32,
        /// Which of that row's actors.
        own_generation: u32,
        /// Its shard.
        own_shard: u32,
        /// The [tag](crate::actor::Kind::tag) of the kind that it takes the other for; above 16 bits 1 to make the link, 0 to undo it.
        link: u32,
    }

    /// Payload of a spawn frame, ahead of the state's first [`SPAWN_STATE_BYTES`].
    struct SpawnRow : 8 {
        /// Index of the kind.
        kind: u32,
        /// Bytes of the whole state.
        state_bytes: u32,
        /// Where the state goes in the arena; a multiple of 16.
        state_offset: u64,
    }

    /// Payload of a read frame.
    struct ReadState : 4 {
        /// First byte of the state to read.
        offset: u32,
        /// Bytes to read, at most [`MAX_PAYLOAD`].
        bytes: u32,
    }

    /// Payload of a fault frame, ahead of its text.
    struct FaultInfo : 8 {
        /// Messages that the actor had handled.
        handled: u64,
        /// Index of the message being handled.
        message: u32,
        /// Zero.
        pad: u32,
    }

    /// Payload of a blame frame.
    struct BlameInfo : 8 {
        /// Messages that the actor had handled.
        handled: u64,
        /// Index of the message being handled.
        message: u32,
        /// 1 if the row's actor failed by it; 0 if it was to be refused.
        failed: u32,
        /// The reply line of a direct call, `u32::MAX` if it was none.
        line: u32,
        /// The direct call's tag.
        reply_tag: u32,
    }

    /// An actor in a cut, or to be loaded.
    struct CutRow : 16 {
        /// Its shard.
        shard: u32,
        /// Its row.
        row: u32,
        /// Its generation.
        generation: u32,
        /// Index of its kind.
        kind: u32,
        /// `ROW_LIVE` or `ROW_FAILED`; `ROW_FREE` if there is none any more, and then all below is 0 but `gone`. `ROW_INBOX` or `ROW_OUTBOX`
        /// for a shard's messages from actor to actor, slot by slot, and then `handled` is the first slot's index.
        status: u32,
        /// Bytes of its state.
        bytes: u32,
        /// 1 if the base has this actor.
        known: u32,
        /// The generation of an actor that the base has in this row and that is there no more, or 0.
        gone: u32,
        /// Messages it has handled.
        handled: u64,
        /// Where its state begins in the arena.
        at: u64,
        /// Where its state begins in the cut's bytes.
        offset: u64,
    }

    /// A page of a state in a cut.
    struct CutPage : 16 {
        /// The actor's place in the list of rows.
        row: u32,
        /// Which page of its state.
        page: u32,
        /// Its bytes, at most [`STATE_PAGE`].
        bytes: u32,
        /// `PAGE_*`.
        flags: u32,
        /// Where it begins in the arena.
        from: u64,
        /// Where it begins in the cut's bytes.
        offset: u64,
    }

    /// How much there is in a cut.
    struct CutTotals : 8 {
        /// Rows listed.
        rows: u64,
        /// Pages of their states.
        pages: u64,
        /// Bytes of their states, each a multiple of 16.
        bytes: u64,
        /// With a base, pages that have changed.
        changed: u64,
        /// Their bytes.
        changed_bytes: u64,
    }

    /// Parameters of the kernels that take a cut and load actors. Addresses, as in [`EngineParams`].
    struct CutParams : 8 {
        /// The engine's rows.
        rows: u64,
        /// Its counts.
        counts: u64,
        /// Its arena.
        arena: u64,
        /// Rows in all, of all shards.
        row_count: u64,
        /// Rows of each shard.
        rows_per_shard: u64,
        /// The engine's shard states, and how many.
        shards: u64,
        /// See `shards`.
        shard_count: u64,
        /// The engine's mailboxes.
        mailboxes: u64,
        /// Bytes of one.
        mailbox_bytes: u64,
        /// Slots of an inbox, as a power of two.
        inbox_log2: u32,
        /// Slots of an outbox, as a power of two.
        outbox_log2: u32,
        /// Warps of a shard that handle messages.
        warps: u32,
        /// Zero.
        pad: u32,
        /// One bit for each row that is asked for, or 0 for all.
        wanted: u64,
        /// Rows and counts as the base has them; 0 if this cut is not to become one.
        base_rows: u64,
        /// See `base_rows`.
        base_counts: u64,
        /// One digest for every [`DIGEST_STRIDE`] bytes of the arena: of the pages of states of more than a page.
        digests: u64,
        /// 1 if only what differs from the base is asked for.
        from_base: u64,
        /// [`CutTotals`], zero before.
        totals: u64,
        /// Room for a [`CutRow`] for each row.
        list: u64,
        /// Room for [`CutPage`]s, as many as there can be.
        pages: u64,
        /// Room for states.
        bytes: u64,
        /// How much: a cut that needs more copies nothing.
        room: u64,
        /// With a base: room for the pages that have changed, and for their bytes, in host memory.
        changed: u64,
        /// See `changed`.
        changed_bytes: u64,
    }

    /// What a handler may know and say while it runs; `Ctx` wraps it.
    struct CtxRaw : 16 {
        /// The shard's hybrid logical clock: as it was when the engine hands the context over, merged with `sent` at `now` before
        /// the handler runs.
        hlc: u64,
        /// The message's stamp.
        sent: u64,
        /// The shard's physical clock, in microseconds since the Unix epoch.
        now: u64,
        /// Address of [`ROOM_BYTES`] bytes of the engine's: for a reply of more than [`SHORT_REPLY`] bytes, and behind [`MAX_PAYLOAD`] of
        /// them why the actor failed, UTF-8.
        room: u64,
        /// Address of the warp's lanes, [`LANE_BYTES`] each.
        lanes: u64,
        /// Address of the shard's [`Pulse`].
        pulse: u64,
        /// Address of a word that changes with each message that is begun.
        busy: u64,
        /// Address of [`HOLDS`] times [`HOLD_BYTES`] bytes, for frames that find no place.
        holds: u64,
        /// The actor's row.
        row: u32,
        /// Its generation.
        generation: u32,
        /// Its shard.
        shard: u32,
        /// Set by `Ctx::fail`; a `FAULT_*` class.
        fault: u32,
        /// Its system and device, [`RegionHeader::system`].
        system: u32,
        /// Set by `Ctx::stop_self`.
        ended: u32,
        /// Bytes of the text of its fault.
        text_bytes: u32,
        /// Lanes whose messages are this actor's and not handled yet, a bit each, in their order.
        messages: u32,
        /// Lanes where there is room for an [`Outgoing`], a bit each.
        places: u32,
        /// Lanes where a handler has left one.
        placed: u32,
        /// The kills that are known to the engine, as [`Pulse`] counts them.
        kills: u32,
        /// How many stand at `holds`, and [`HOLDS_CLOSED`].
        held: u32,
    }

    /// What a shard shows to whoever handles messages: what changes while one handles several.
    struct Pulse : 16 {
        /// The shard's physical clock, in microseconds since the Unix epoch.
        now: u64,
        /// Number of the last kill that was carried out.
        kill: u32,
        /// Zero.
        pad: u32,
    }

    /// A message as its handler is given it; it stands [`LANE_GIVEN`] bytes into the lane that has taken it.
    struct Given : 16 {
        /// Its stamp.
        sent: u64,
        /// Address of its payload, aligned.
        payload: u64,
        /// What is [`CtxRaw::room`] while it is handled.
        room: u64,
        /// Its index, and above 16 bits of it the tag of the kind that its sender means, or 0.
        message: u32,
        /// Bytes of its payload.
        bytes: u32,
        /// Whether its reply goes to another actor.
        asks: u32,
        /// Bytes of its reply, once it is handled.
        said: u32,
        /// Zero.
        pad: u64,
    }

    /// A frame that is held back until its batch is committed: to whom it goes and what it is. Its payload, if that is not longer than
    /// [`INLINE_BYTES`], stands behind it.
    struct Outgoing : 16 {
        /// The operation; 0 for none.
        op: u32,
        /// As a handler leaves it the receiver's shard, then the inbox; `u32::MAX` for the host.
        to: u32,
        /// The row.
        row: u32,
        /// Which of the row's actors.
        generation: u32,
        /// The tag of the kind that the sender takes the receiver for, or what stands for the correlation.
        correlation: u32,
        /// Index of the message.
        message: u32,
        /// Bytes of the payload.
        bytes: u32,
        /// The receiver's system, as a handler leaves it.
        system: u32,
    }

    /// What several lanes are to do together: items, and the parts of state and message that these are about.
    struct RawJob : 8 {
        /// How many items.
        count: u64,
        /// Address of the part that is given out.
        items: u64,
        /// Its bytes.
        item_bytes: u64,
        /// Address of the part that all lanes read.
        shared: u64,
        /// Its bytes.
        shared_bytes: u64,
    }

    /// The engine's kernel parameters. Addresses of the worker's own mappings, valid in its process only.
    struct EngineParams : 8 {
        /// The region, as the engine sees it.
        region: u64,
        /// `shards * rows` of [`Row`].
        rows: u64,
        /// As many 64-bit counts of messages handled: beside the rows, which are read for every message and rarely written.
        counts: u64,
        /// `shards` of [`ShardState`].
        shards: u64,
        /// `shards * WORK_WARPS` of [`BatchState`].
        batches: u64,
        /// As many times [`LOG_BYTES`].
        logs: u64,
        /// `shards * WORK_LANES` times [`REST_BYTES`].
        rests: u64,
        /// The state arena.
        arena: u64,
        /// Mailboxes, one for each work warp of each shard, `mailbox_bytes` apart.
        mailboxes: u64,
        /// Bytes of one: a [`Mailbox`], inbox, outbox and a [`LateFrame`] for each slot of that.
        mailbox_bytes: u64,
        /// A bit for each slot of all inboxes and outboxes, for whoever mends them.
        marks: u64,
        /// Slots of an inbox, as a power of two.
        inbox_log2: u32,
        /// Slots of an outbox, as a power of two.
        outbox_log2: u32,
        /// Warps of a shard that handle messages.
        warps: u32,
        /// Zero.
        pad: u32,
        /// `shards` nurseries of [`Grant`]s.
        nurseries: u64,
        /// Slots of each.
        grant_slots: u64,
    }
}

const fn fnv(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

/// Digest of bytes, for fingerprints known at compile time (FNV-1a, 64 bits).
pub const fn digest(bytes: &[u8]) -> u64 {
    fnv(0xcbf2_9ce4_8422_2325, bytes)
}

/// Folds a number into a fingerprint.
pub const fn fold(hash: u64, value: u64) -> u64 {
    fnv(hash, &value.to_le_bytes())
}

/// The first entry in which a name of this hash can be, in a table of `1 << log2`. The digest's lower bits alone would do worse.
pub const fn name_place(hash: u64, log2: u32) -> u64 {
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & ((1 << log2) - 1)
}

/// Every list of constants.
const LISTS: [&[(&str, u16)]; 9] = [OPS, FAULTS, REFUSALS, ROWS, GRANTS, BIRTHS, WIDTHS, LOGGED, COMMANDS];

/// Digest of every layout and constant above: equal on both sides, or they do not speak.
pub const FINGERPRINT: u64 = {
    let mut hash = digest(b"resident wire 4");
    let mut i = 0;
    while i < STRUCTS.len() {
        let s = &STRUCTS[i];
        hash = fold(fold(fnv(hash, s.name.as_bytes()), s.size as u64), s.align as u64);
        let mut f = 0;
        while f < s.fields.len() {
            let field = &s.fields[f];
            hash = fnv(fnv(hash, field.name.as_bytes()), field.ty.as_bytes());
            hash = fold(fold(hash, field.offset as u64), field.len as u64);
            f += 1;
        }
        i += 1;
    }
    let lists = LISTS;
    let mut l = 0;
    while l < lists.len() {
        let mut i = 0;
        while i < lists[l].len() {
            hash = fold(fnv(hash, lists[l][i].0.as_bytes()), lists[l][i].1 as u64);
            i += 1;
        }
        l += 1;
    }
    let numbers = [MAX_PAYLOAD as u64, INLINE_BYTES as u64, MORE_BYTES as u64, NAME_WINDOW as u64, DEVICE_BITS as u64, SHARD_BITS as u64];
    let mut n = 0;
    while n < numbers.len() {
        hash = fold(hash, numbers[n]);
        n += 1;
    }
    hash
};

/// Prints the C++ header of this file (`kernels/cuda/wire.h`).
pub fn c_header(out: &mut dyn core::fmt::Write) -> core::fmt::Result {
    writeln!(out, "// Printed from kernels/src/wire.rs by `cargo run -p resident-kernels --example wire_header`; do not edit.")?;
    writeln!(out, "#pragma once\n#include \"types.h\"\n")?;
    for (name, value) in [
        ("SLOT_BYTES", SLOT_BYTES),
        ("SLOT_WORDS", SLOT_WORDS),
        ("INLINE_BYTES", INLINE_BYTES),
        ("MORE_BYTES", MORE_BYTES),
        ("MAX_PAYLOAD", MAX_PAYLOAD),
        ("MAX_FRAME_SLOTS", MAX_FRAME_SLOTS),
        ("MAX_STATE", MAX_STATE),
        ("MAX_FAULT_TEXT", MAX_FAULT_TEXT),
        ("SHORT_REPLY", SHORT_REPLY),
        ("LANE_BYTES", LANE_BYTES),
        ("LANE_GIVEN", LANE_GIVEN),
        ("LANE_PLACE", LANE_PLACE),
        ("LANE_REPLY", LANE_REPLY),
        ("REST_BYTES", REST_BYTES),
        ("HOLDS", HOLDS),
        ("HOLD_BYTES", HOLD_BYTES),
        ("LOG_SLOTS", LOG_SLOTS),
        ("LOG_BYTES", LOG_BYTES),
        ("MAX_KINDS", MAX_KINDS),
        ("LINE_STRIDE", LINE_STRIDE),
        ("COPY_BYTES", COPY_BYTES),
        ("STATE_PAGE", STATE_PAGE),
        ("DIGEST_STRIDE", DIGEST_STRIDE),
        ("PAGE_OF_SEVERAL", PAGE_OF_SEVERAL as usize),
        ("PAGE_KNOWN", PAGE_KNOWN as usize),
        ("LOSS", LOSS as usize),
        ("RETRY", RETRY as usize),
        ("HOLD", HOLD as usize),
        ("NAME_WINDOW", NAME_WINDOW),
        ("NAME_END", NAME_END as usize),
        ("BUSY_KIND_BITS", BUSY_KIND_BITS as usize),
        ("TURN_BITS", TURN_BITS as usize),
        ("DEVICE_BITS", DEVICE_BITS as usize),
        ("SHARD_BITS", SHARD_BITS as usize),
        ("TICKET_BITS", TICKET_BITS as usize),
        ("WORK_WARPS", WORK_WARPS),
        ("WORK_LANES", WORK_LANES),
        ("BLOCK_THREADS", BLOCK_THREADS),
        ("MAX_REGISTERS", MAX_REGISTERS),
    ] {
        writeln!(out, "constexpr u32 {name} = {value};")?;
    }
    writeln!(out, "constexpr u32 HOLDS_CLOSED = {HOLDS_CLOSED}u;")?;
    writeln!(out, "constexpr u32 DISPATCH_UNKNOWN = {DISPATCH_UNKNOWN}u;")?;
    writeln!(out, "constexpr u32 DISPATCH_FAILED = {DISPATCH_FAILED}u;")?;
    writeln!(out, "constexpr u32 DISPATCH_DONE = {DISPATCH_DONE}u;")?;
    writeln!(out, "constexpr u32 DISPATCH_STOP = {DISPATCH_STOP}u;")?;
    writeln!(out, "constexpr u32 DISPATCH_KILL = {DISPATCH_KILL}u;")?;
    writeln!(out, "constexpr u32 JOB_OUTSIDE = {JOB_OUTSIDE}u;")?;
    writeln!(out, "constexpr u64 BEGUN_MESSAGES = 0x{BEGUN_MESSAGES:016x}ull;")?;
    writeln!(out, "constexpr u64 BEGUN_INBOX = 0x{BEGUN_INBOX:016x}ull;")?;
    writeln!(out, "constexpr u64 BEGUN_IN_PLACE = 0x{BEGUN_IN_PLACE:016x}ull;")?;
    writeln!(out, "constexpr u64 FROM_ACTOR = 0x{FROM_ACTOR:016x}ull;")?;
    writeln!(out, "constexpr u64 REGION_MAGIC = 0x{REGION_MAGIC:016x}ull;")?;
    writeln!(out, "constexpr u64 WIRE_FINGERPRINT = 0x{FINGERPRINT:016x}ull;")?;
    for list in LISTS {
        writeln!(out)?;
        for (name, value) in list {
            writeln!(out, "constexpr u32 {name} = {value};")?;
        }
    }
    for s in STRUCTS {
        writeln!(out, "\nstruct alignas({}) {} {{", s.align, s.name)?;
        for f in s.fields {
            match f.len {
                0 => writeln!(out, "    {} {};", f.ty, f.name)?,
                len => writeln!(out, "    {} {}[{len}];", f.ty, f.name)?,
            }
        }
        writeln!(out, "}};\nstatic_assert(sizeof({}) == {}, \"{}\");", s.name, s.size, s.name)?;
        for f in s.fields {
            writeln!(out, "static_assert(__builtin_offsetof({}, {}) == {}, \"{}.{}\");", s.name, f.name, f.offset, s.name, f.name)?;
        }
    }
    Ok(())
}
