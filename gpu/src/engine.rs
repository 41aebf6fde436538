//! What runs the shards: one contract, two implementations, one suite (`tests/conformance.rs`).
//!
//! - **N-1** `launch` starts every shard over the region and returns; the shards resume where the last launch left.
//! - **N-2** Between launches rows, state and cursors are kept.
//! - **N-3** `ended` says without blocking whether every shard has left; a device fault is an error, once and for ever.
//! - **N-5** An engine over the region and memory of one that was lost goes on where that one was lost (engine.h, E-6).
//! - **N-6** A job, a cut or a load, is begun and drained beside the shards; its `stand` comes between two launches, and does not
//!   block the second one.
//! - **N-4** Dropping an engine whose shards have left gives back everything it took.

mod cpu;
mod cuda;

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use resident_kernels::engine::PANICS_ABORT;
use resident_kernels::host::modules;
use resident_kernels::wire::{BatchState, CutParams, CutTotals, EngineParams, ShardState};

use crate::cut::buffer::{Buffer, rows};
use crate::fault::WorkerError;
use crate::options::{Choice, DeviceInfo, DeviceKind, Options};
use crate::protocol::Job;
use crate::region::{Geometry, Region};

/// An engine over one region.
pub(crate) trait Engine {
    /// The descriptor of rows, shard states and arena, by which a next engine has them.
    fn memory(&self) -> BorrowedFd<'_>;
    /// What each shard and each of its work warps has left, while none runs.
    fn left(&mut self) -> Result<Left, WorkerError>;
    /// N-1.
    fn launch(&mut self) -> Result<(), WorkerError>;
    /// N-3.
    fn ended(&mut self) -> Result<bool, WorkerError>;
    /// N-6: takes up a job over a buffer, the only one at a time. Nothing is left of it after an error.
    fn begin(&mut self, job: Job, buffer: Buffer) -> Result<(), WorkerError>;
    /// Whether everything is done that can be while the shards run.
    fn ready(&mut self) -> Result<bool, WorkerError>;
    /// While no shard runs.
    fn stand(&mut self) -> Result<(), WorkerError>;
    /// What has come of it, once all is done, which it may be asked often.
    fn outcome(&mut self) -> Result<Option<Outcome>, WorkerError>;
}

/// What shards keep for the next launch.
pub(crate) struct Left {
    pub shards: Vec<ShardState>,
    /// `WORK_WARPS` of each.
    pub batches: Vec<BatchState>,
}

/// What has come of a job.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// There was less room than it takes; now there is enough, for another stand.
    Again,
    /// It is in the buffer, or on the device.
    Done(Found),
}

/// What a cut has found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    /// Rows listed.
    pub rows: u64,
    /// Pages listed.
    pub pages: u64,
    /// Bytes of states, or of pages.
    pub bytes: u64,
    /// The cut that it starts from.
    pub base: Option<u64>,
    /// Its own number.
    pub number: Option<u64>,
}

impl Found {
    /// What the device has counted.
    fn of(totals: &CutTotals, base: Option<u64>, number: Option<u64>) -> Found {
        let (pages, bytes) = if base.is_some() { (totals.changed, totals.changed_bytes) } else { (0, totals.bytes) };
        Found { rows: totals.rows, pages, bytes, base, number }
    }
}

/// The device that will be opened, before its region exists.
pub(crate) enum Plan {
    Cpu(DeviceInfo),
    Cuda(cuda::Found, &'static str, DeviceInfo),
}

impl Plan {
    /// Finds the device that `options` asks for; `Auto` takes the GPU if there is one and says why if not.
    pub(crate) fn make(options: &Options) -> Result<Plan, WorkerError> {
        match options.device {
            Choice::Cpu => Ok(Plan::cpu(options, "asked for".into())),
            Choice::Cuda(ordinal) => Plan::cuda(options, ordinal, "asked for"),
            Choice::Auto => Plan::cuda(options, 0, "found").or_else(|missing| Ok(Plan::cpu(options, missing.text))),
        }
    }

    fn cpu(options: &Options, reason: String) -> Plan {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
        Plan::Cpu(DeviceInfo {
            kind: DeviceKind::Cpu,
            ordinal: options.cpu,
            bus: None,
            name: "CPU".into(),
            shards: options.shards.unwrap_or(cores.min(4)),
            panics_abort: PANICS_ABORT,
            reason,
        })
    }

    fn cuda(options: &Options, ordinal: u32, reason: &str) -> Result<Plan, WorkerError> {
        let found = cuda::find(ordinal)?;
        let ptx = cuda::handlers(modules())?;
        let shards = options.shards.unwrap_or(DEFAULT_SHARDS.min(found.sms));
        let (name, bus) = (found.name.clone(), Some(found.bus.clone()));
        let info = DeviceInfo { kind: DeviceKind::Cuda, ordinal, bus, name, shards, panics_abort: false, reason: reason.into() };
        Ok(Plan::Cuda(found, ptx, info))
    }

    pub(crate) fn info(&self) -> &DeviceInfo {
        let (Plan::Cpu(info) | Plan::Cuda(_, _, info)) = self;
        info
    }

    /// Takes memory, or the `memory` of an engine before, links and loads: everything that could block once a resident kernel runs.
    pub(crate) fn open(self, options: &Options, region: &Arc<Region>, memory: Option<OwnedFd>) -> Result<Box<dyn Engine>, WorkerError> {
        Ok(match self {
            Plan::Cpu(_) => Box::new(cpu::Cpu::open(region, memory, options.cpu_threads)?),
            Plan::Cuda(found, ptx, _) => Box::new(cuda::Cuda::open(region, memory, options, &found, ptx)?),
        })
    }
}

/// A cut of nothing.
const NOTHING: CutTotals = CutTotals { rows: 0, pages: 0, bytes: 0, changed: 0, changed_bytes: 0 };

/// What all steps of cuts and loads on an engine have in common; the rest is 0.
fn step_params(geometry: &Geometry, engine: &EngineParams) -> CutParams {
    CutParams {
        rows: engine.rows,
        counts: engine.counts,
        arena: engine.arena,
        row_count: rows(geometry),
        rows_per_shard: geometry.rows.into(),
        shards: engine.shards,
        shard_count: geometry.shards.into(),
        mailboxes: engine.mailboxes,
        mailbox_bytes: engine.mailbox_bytes,
        inbox_log2: engine.inbox_log2,
        outbox_log2: engine.outbox_log2,
        warps: engine.warps,
        pad: 0,
        wanted: 0,
        base_rows: 0,
        base_counts: 0,
        digests: 0,
        from_base: 0,
        totals: 0,
        list: 0,
        pages: 0,
        bytes: 0,
        room: 0,
        changed: 0,
        changed_bytes: 0,
    }
}

/// What the names of the CPU device's shard threads begin with.
pub(crate) const SHARD_THREAD: &str = "shard-";

/// Shards of a GPU unless the user says otherwise: half of an H200's multiprocessors stay free for other work.
const DEFAULT_SHARDS: u32 = 64;
