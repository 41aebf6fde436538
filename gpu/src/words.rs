//! Typed views of the words that lie beside the rings: the header, and each shard's control and progress line.
//!
//! | words | written by | read by |
//! | --- | --- | --- |
//! | [`HeaderWords`]: `launches`, `clock_offset`, `stood` | worker | application, engine |
//! | [`HeaderWords`]: `noted` | application | worker |
//! | [`NameWords`](crate::names::NameWords) | application | the engine |
//! | [`HeaderWords`]: `system` | who makes the region | application, engine |
//! | [`ControlWords`]: `command` | worker, application | the shard's engine |
//! | [`ControlWords`]: `loss` | worker | the shard's engine, the next worker |
//! | [`ControlWords`], the rest | application | the shard's engine |
//! | [`ProgressWords`] | the shard's engine | application, worker |
//!
//! The peer is not believed: these are numbers, and whoever uses one as an index or a length bounds it first.
#![cfg_attr(loom, allow(dead_code, reason = "regions are not built under loom"))]

use crate::sync::{AtomicI64, AtomicU32, AtomicU64, Sync};
#[cfg(not(loom))]
use resident_kernels::wire::ShardControl;
use resident_kernels::wire::{BUSY_KIND_BITS, RegionHeader, ShardProgress, WORK_WARPS};
use std::sync::atomic::Ordering::Relaxed;

/// A region's first page. Where things lie is not told here: [`Region`](crate::region::Region) has checked and kept it.
#[repr(C, align(64))]
pub struct HeaderWords {
    magic: AtomicU64,
    fingerprint: AtomicU64,
    bytes: AtomicU64,
    shards: AtomicU32,
    capacity_log2: AtomicU32,
    rows: AtomicU32,
    reply_lines: AtomicU32,
    arena_bytes: AtomicU64,
    control: AtomicU64,
    progress: AtomicU64,
    ingress: AtomicU64,
    egress: AtomicU64,
    ring_stride: AtomicU64,
    replies: AtomicU64,
    clock_offset: AtomicI64,
    launches: AtomicU64,
    clock_ask: AtomicU64,
    clock_answer: AtomicU64,
    clock_nanos: AtomicU64,
    stood: AtomicU64,
    noted: AtomicU64,
    system: AtomicU32,
    names_log2: AtomicU32,
    names: AtomicU64,
    nursery: AtomicU32,
    inbox: AtomicU32,
}

/// What the host tells one shard. One thread at a time asks for kills.
#[derive(Default)]
#[repr(C, align(128))]
pub struct ControlWords {
    pub(crate) egress_head: AtomicU64,
    command: AtomicU32,
    kill: AtomicU32,
    kill_row: AtomicU32,
    kill_generation: AtomicU32,
    loss: AtomicU32,
    pub(crate) mended: AtomicU32,
    /// Stands for row and generation under loom, as in a slot.
    #[cfg(loom)]
    owner: loom::cell::UnsafeCell<()>,
}

// SAFETY: `owner` guards nothing but itself, and loom watches who touches it.
#[cfg(loom)]
unsafe impl std::marker::Sync for ControlWords {}

/// What one shard tells the host.
#[derive(Default)]
#[repr(C, align(128))]
pub struct ProgressWords {
    pub(crate) ingress_head: AtomicU64,
    handled: AtomicU64,
    refused: AtomicU64,
    faults: AtomicU64,
    swap: AtomicU32,
    kill_done: AtomicU32,
    running: AtomicU32,
    warps: AtomicU32,
    hlc: AtomicU64,
    beat: AtomicU64,
    settled: AtomicU32,
    busy: AtomicU64,
    passed: [AtomicU64; WORK_WARPS],
}

macro_rules! same_layout {
    ($words:ident, $wire:ident, $($field:ident)*) => {
        #[cfg(not(loom))]
        const _: () = {
            assert!(size_of::<$words>() == size_of::<$wire>() && align_of::<$words>() == align_of::<$wire>());
            $(assert!(std::mem::offset_of!($words, $field) == std::mem::offset_of!($wire, $field));)*
            // Every field of the wire's struct is named here: this does not compile otherwise.
            const fn _all(wire: $wire) { let $wire { $($field: _),* } = wire; }
        };
    };
}
same_layout!(HeaderWords, RegionHeader, magic fingerprint bytes shards capacity_log2 rows reply_lines arena_bytes control
    progress ingress egress ring_stride replies clock_offset launches clock_ask clock_answer
    clock_nanos stood noted system names_log2 names nursery inbox);
same_layout!(ControlWords, ShardControl, egress_head command kill kill_row kill_generation loss mended);
same_layout!(ProgressWords, ShardProgress, ingress_head handled refused faults swap kill_done running warps hlc beat settled busy passed);

/// What the header says of the region's shape, as read: not yet checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) magic: u64,
    pub(crate) fingerprint: u64,
    pub(crate) bytes: u64,
    pub(crate) shards: u32,
    pub(crate) capacity_log2: u32,
    pub(crate) rows: u32,
    pub(crate) reply_lines: u32,
    pub(crate) arena_bytes: u64,
    /// Offsets of control, progress, ingress, egress, replies and names.
    pub(crate) offsets: [u64; 6],
    /// Bytes from one ring to the next.
    pub(crate) ring_stride: u64,
    /// Entries of the table of names, as a power of two.
    pub(crate) names_log2: u32,
    /// Grants of each nursery.
    pub(crate) nursery: u32,
    /// See [`Geometry::inbox`](crate::region::Geometry::inbox).
    pub(crate) inbox: u32,
}

impl Default for HeaderWords {
    fn default() -> HeaderWords {
        HeaderWords {
            magic: AtomicU64::new(0),
            fingerprint: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            shards: AtomicU32::new(0),
            capacity_log2: AtomicU32::new(0),
            rows: AtomicU32::new(0),
            reply_lines: AtomicU32::new(0),
            arena_bytes: AtomicU64::new(0),
            control: AtomicU64::new(0),
            progress: AtomicU64::new(0),
            ingress: AtomicU64::new(0),
            egress: AtomicU64::new(0),
            ring_stride: AtomicU64::new(0),
            replies: AtomicU64::new(0),
            clock_offset: AtomicI64::new(0),
            launches: AtomicU64::new(0),
            clock_ask: AtomicU64::new(0),
            clock_answer: AtomicU64::new(0),
            clock_nanos: AtomicU64::new(0),
            stood: AtomicU64::new(0),
            noted: AtomicU64::new(0),
            system: AtomicU32::new(0),
            names_log2: AtomicU32::new(0),
            names: AtomicU64::new(0),
            nursery: AtomicU32::new(0),
            inbox: AtomicU32::new(0),
        }
    }
}

impl HeaderWords {
    /// Writes the shape; nobody else knows of the region yet.
    pub(crate) fn set_shape(&self, shape: &Shape) {
        self.magic.store(shape.magic, Relaxed);
        self.fingerprint.store(shape.fingerprint, Relaxed);
        self.bytes.store(shape.bytes, Relaxed);
        self.shards.store(shape.shards, Relaxed);
        self.capacity_log2.store(shape.capacity_log2, Relaxed);
        self.rows.store(shape.rows, Relaxed);
        self.reply_lines.store(shape.reply_lines, Relaxed);
        self.arena_bytes.store(shape.arena_bytes, Relaxed);
        self.ring_stride.store(shape.ring_stride, Relaxed);
        self.names_log2.store(shape.names_log2, Relaxed);
        self.nursery.store(shape.nursery, Relaxed);
        self.inbox.store(shape.inbox, Relaxed);
        let offsets = [&self.control, &self.progress, &self.ingress, &self.egress, &self.replies, &self.names];
        for (word, offset) in offsets.into_iter().zip(shape.offsets) {
            word.store(offset, Relaxed);
        }
    }

    /// Reads the shape, each word once.
    pub(crate) fn shape(&self) -> Shape {
        Shape {
            magic: self.magic.load(Relaxed),
            fingerprint: self.fingerprint.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            shards: self.shards.load(Relaxed),
            capacity_log2: self.capacity_log2.load(Relaxed),
            rows: self.rows.load(Relaxed),
            reply_lines: self.reply_lines.load(Relaxed),
            arena_bytes: self.arena_bytes.load(Relaxed),
            offsets: [&self.control, &self.progress, &self.ingress, &self.egress, &self.replies, &self.names]
                .map(|word| word.load(Relaxed)),
            names_log2: self.names_log2.load(Relaxed),
            nursery: self.nursery.load(Relaxed),
            inbox: self.inbox.load(Relaxed),
            ring_stride: self.ring_stride.load(Relaxed),
        }
    }

    /// Launches so far.
    pub fn launches(&self) -> u64 {
        self.launches.load(Relaxed)
    }

    /// Counts a launch. For the worker.
    pub fn set_launches(&self, launches: u64) {
        self.launches.store(launches, Relaxed);
    }

    /// Microseconds from the device's clock to the host's.
    pub fn clock_offset(&self) -> i64 {
        self.clock_offset.load(Relaxed)
    }

    /// For the worker, before a launch: the launch itself orders it for the engine.
    pub fn set_clock_offset(&self, micros: i64) {
        self.clock_offset.store(micros, Relaxed);
    }

    /// Asks the device's clock; a new number is a new question, `u64::MAX` ends the asking. For the worker.
    pub fn ask_clock(&self, question: u64) {
        self.clock_ask.store(question, Relaxed);
    }

    /// The device's clock in nanoseconds, once it has answered `question`.
    pub fn clock_answer(&self, question: u64) -> Option<u64> {
        // SYNC clock: pairs with the last store in the engine's `resident_clock` (here: `answer_clock`).
        (self.clock_answer.load(Sync::Clock.load()) == question).then(|| self.clock_nanos.load(Relaxed))
    }

    /// Answers a question about the clock. The device's side, for a peer written in Rust.
    pub fn answer_clock(&self, question: u64, nanos: u64) {
        self.clock_nanos.store(nanos, Relaxed);
        // SYNC clock: pairs with the load in `clock_answer`.
        self.clock_answer.store(question, Sync::Clock.store());
    }

    /// Offset of the question within a region; the two words of the answer follow it.
    pub(crate) const CLOCK_ASK: u64 = std::mem::offset_of!(RegionHeader, clock_ask) as u64;

    /// How many times all shards have stood still for a cut. What each said before it left is seen.
    pub fn stood(&self) -> u64 {
        // SYNC stood: pairs with the store in `set_stood`.
        self.stood.load(Sync::Stood.load())
    }

    /// All shards stand still. For the worker.
    pub fn set_stood(&self, count: u64) {
        // SYNC stood: pairs with the load in `stood`.
        self.stood.store(count, Sync::Stood.store());
    }

    /// The last time at which the application has noted what is in the rings, and reads them no more.
    pub fn noted(&self) -> u64 {
        // SYNC noted: pairs with the store in `set_noted`.
        self.noted.load(Sync::Noted.load())
    }

    /// The application has noted what is in the rings.
    pub fn set_noted(&self, stood: u64) {
        // SYNC noted: pairs with the load in `noted`.
        self.noted.store(stood, Sync::Noted.store());
    }

    /// What tells the actors of this device from those of others.
    pub fn system(&self) -> u32 {
        self.system.load(Relaxed)
    }

    /// For who makes the region, before anybody else has it.
    pub(crate) fn set_system(&self, system: u32) {
        self.system.store(system, Relaxed);
    }
}

impl ControlWords {
    /// Tells the shard `wire::RUN` or `wire::STOP`.
    pub fn set_command(&self, command: u16) {
        // SYNC command: pairs with the engine's load in `obey`.
        self.command.store(command as u32, Sync::Command.store());
    }

    /// Egress slots that the consumer has given back to the shard, as it last said.
    pub(crate) fn given_back(&self) -> u64 {
        self.egress_head.load(Relaxed)
    }

    /// What the shard was told last; for the engine, and to look at.
    pub fn command(&self) -> u32 {
        // SYNC command: pairs with the store in `set_command`.
        self.command.load(Sync::Command.load())
    }

    /// What the engine is to do about the message that was being handled when the device was lost, [`ShardControl`]'s word.
    pub fn loss(&self) -> u32 {
        self.loss.load(Relaxed)
    }

    /// For the worker. Ahead of a launch, which orders it for the engine, or to let a shard go on: a number that stands alone.
    pub fn set_loss(&self, loss: u32) {
        self.loss.store(loss, Relaxed);
    }

    /// Asks to kill the actor in `row` at `generation`. `None`, and nothing asked, while the kill before is not
    /// carried out; else the number that `progress.kill_done` shows once it is. One thread at a time.
    pub fn ask_kill(&self, progress: &ProgressWords, row: u32, generation: u32) -> Option<u32> {
        let asked = self.kill.load(Relaxed);
        // SYNC kill-done: pairs with the engine's store in `revoke` (here: `ProgressWords::set_kill_done`).
        if progress.kill_done.load(Sync::KillDone.load()) != asked {
            return None;
        }
        #[cfg(loom)]
        self.owner.with_mut(|_| ());
        self.kill_row.store(row, Relaxed);
        self.kill_generation.store(generation, Relaxed);
        // SYNC kill: pairs with the engine's load in `revoke` (here: `kill_asked`).
        self.kill.store(asked.wrapping_add(1), Sync::Kill.store());
        Some(asked.wrapping_add(1))
    }

    /// The kill asked for after number `seen`, if there is one: its number, row and generation. The engine's
    /// side, for a peer written in Rust.
    pub fn kill_asked(&self, seen: u32) -> Option<(u32, u32, u32)> {
        // SYNC kill: pairs with the store in `ask_kill`.
        let kill = self.kill.load(Sync::Kill.load());
        if kill == seen {
            return None;
        }
        let asked = (kill, self.kill_row.load(Relaxed), self.kill_generation.load(Relaxed));
        #[cfg(loom)]
        self.owner.with(|_| ());
        Some(asked)
    }
}

impl ProgressWords {
    /// Everything the shard tells. The words are read one by one while the shard goes on; when `running` is 0,
    /// what the shard wrote before it left is seen, and nothing changes any more.
    pub fn snapshot(&self) -> ShardProgress {
        // SYNC running: pairs with the engine's last store in `leave` (here: `set_running`).
        let running = self.running.load(Sync::Running.load());
        ShardProgress {
            ingress_head: self.ingress_head.load(Relaxed),
            handled: self.handled.load(Relaxed),
            refused: self.refused.load(Relaxed),
            faults: self.faults.load(Relaxed),
            swap: self.swap.load(Relaxed),
            kill_done: self.kill_done.load(Relaxed),
            running,
            warps: self.warps.load(Relaxed),
            hlc: self.hlc.load(Relaxed),
            beat: self.beat.load(Relaxed),
            settled: self.settled.load(Relaxed),
            busy: self.busy.load(Relaxed),
            passed: self.passed.each_ref().map(|passed| passed.load(Relaxed)),
        }
    }

    /// Whether the shard runs; once it does not, what it wrote before it left is seen.
    pub fn running(&self) -> bool {
        // SYNC running: pairs with the engine's last store in `leave` (here: `set_running`).
        self.running.load(Sync::Running.load()) != 0
    }

    /// The launch in which the shard has left because too many of its lanes have ended; 0 for none.
    pub fn swap(&self) -> u32 {
        self.swap.load(Relaxed)
    }

    /// Frames handled, refused and failed at, in all.
    pub fn done(&self) -> u64 {
        let counts = [&self.handled, &self.refused, &self.faults];
        counts.into_iter().fold(0, |done, count| done.wrapping_add(count.load(Relaxed)))
    }

    /// The messages that the shard has been at: a number of theirs and their kind; `None` if it is at none, as far as it says.
    pub fn busy(&self) -> Option<(u64, u32)> {
        let busy = self.busy.load(Relaxed);
        (busy != 0).then_some((busy >> BUSY_KIND_BITS, busy as u32 & ((1 << BUSY_KIND_BITS) - 1)))
    }

    /// The shard's last sign of life, a number that changes.
    pub fn beat(&self) -> u64 {
        self.beat.load(Relaxed)
    }

    /// The launch that has come past what the one before had begun.
    pub fn settled(&self) -> u32 {
        self.settled.load(Relaxed)
    }

    /// The last kill carried out, as [`ControlWords::ask_kill`] numbered it.
    pub fn kill_done(&self) -> u32 {
        // SYNC kill-done: pairs with the engine's store in `revoke` (here: `set_kill_done`).
        self.kill_done.load(Sync::KillDone.load())
    }

    /// Says that a kill is carried out. The engine's side, for a peer written in Rust.
    pub fn set_kill_done(&self, kill: u32) {
        // SYNC kill-done: pairs with the loads in `ask_kill` and `kill_done`.
        self.kill_done.store(kill, Sync::KillDone.store());
    }

    /// Says that the shard runs or has left. The engine's side, for a peer written in Rust.
    pub fn set_running(&self, running: bool) {
        // SYNC running: pairs with the loads in `running` and `snapshot`.
        self.running.store(running as u32, Sync::Running.store());
    }

    /// Counts what was handled. The engine's side, for a peer written in Rust.
    pub fn set_handled(&self, handled: u64) {
        self.handled.store(handled, Relaxed);
    }
}
