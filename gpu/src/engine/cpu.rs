//! The engine on the CPU: the same source, compiled for the host, a thread per shard.

mod cut;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::slice;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use memmap2::{MmapOptions, MmapRaw};
use resident_host::explain;
use resident_kernels::engine::{mend_host, run_host_shard};
use resident_kernels::wire::{BatchState, EngineParams, ShardState, WORK_WARPS};
use rustix::fs::fstat;

use self::cut::Cuts;
use super::{Engine, Left, Outcome, SHARD_THREAD};
use crate::cut::buffer::Buffer;
use crate::fault::{Class, WorkerError};
use crate::protocol::Job;
use crate::region::Region;
use crate::shared::shared;
use crate::tables::Tables;

/// Work warps of a shard whose roles are threads of their own: enough that they meet.
const WARPS: usize = 2;

/// Threads, and the memory that stands for the device's.
pub(crate) struct Cpu {
    memory: Arc<Memory>,
    threads: bool,
    /// The engine before was lost: the mailboxes are to be mended before the first launch.
    broken: bool,
    shards: Vec<JoinHandle<()>>,
    cuts: Option<Cuts>,
}

impl Cpu {
    pub(crate) fn open(region: &Arc<Region>, memory: Option<OwnedFd>, threads: bool) -> Result<Cpu, WorkerError> {
        region.header().set_clock_offset(0);
        let broken = memory.is_some();
        Ok(Cpu {
            memory: Arc::new(Memory::new(region, memory, if threads { WARPS } else { 1 })?),
            threads,
            broken,
            shards: Vec::new(),
            cuts: None,
        })
    }
}

impl Engine for Cpu {
    fn memory(&self) -> BorrowedFd<'_> {
        self.memory.fd.as_fd()
    }

    fn left(&mut self) -> Result<Left, WorkerError> {
        let shards = self.memory.region.geometry().shards as usize;
        let (states, batches) = (self.memory.params.shards as *const ShardState, self.memory.params.batches as *const BatchState);
        // SAFETY: so many of each are there, plain words, and no shard runs that would write one.
        let (states, batches) = unsafe { (slice::from_raw_parts(states, shards), slice::from_raw_parts(batches, shards * WORK_WARPS)) };
        Ok(Left { shards: states.to_vec(), batches: batches.to_vec() })
    }

    fn launch(&mut self) -> Result<(), WorkerError> {
        if std::mem::take(&mut self.broken) {
            // SAFETY: as below; no shard runs.
            unsafe { mend_host(&self.memory.params) }
        }
        for shard in 0..self.memory.region.geometry().shards {
            let (memory, threads) = (self.memory.clone(), self.threads);
            let run = move || {
                // SAFETY: `memory` holds region, rows, shard states and arena at the sizes of the region's geometry until this
                // thread ends; `launch` is called again only after every shard has left, so each shard has one thread.
                unsafe { run_host_shard(&memory.params, shard, threads) }
            };
            let thread = thread::Builder::new().name(format!("{SHARD_THREAD}{shard}")).spawn(run);
            self.shards.push(thread.map_err(|cause| {
                WorkerError::new(Class::Worker, format!("no thread for shard {shard}: {}", explain(&cause, "take fewer `shards`")))
            })?);
        }
        Ok(())
    }

    fn ended(&mut self) -> Result<bool, WorkerError> {
        if !self.shards.iter().all(JoinHandle::is_finished) {
            return Ok(false);
        }
        for shard in self.shards.drain(..) {
            shard.join().map_err(|_| {
                WorkerError::new(Class::Worker, "a shard's thread panicked; this is an error of resident, please report it")
            })?;
        }
        Ok(true)
    }

    fn begin(&mut self, job: Job, buffer: Buffer) -> Result<(), WorkerError> {
        let memory = &self.memory;
        self.cuts.get_or_insert_with(|| Cuts::new(&memory.region.geometry(), &memory.params)).begin(job, buffer);
        Ok(())
    }

    fn ready(&mut self) -> Result<bool, WorkerError> {
        Ok(true)
    }

    fn stand(&mut self) -> Result<(), WorkerError> {
        // SAFETY: no shard runs. What is late goes where it can, so that inboxes have it in its order.
        unsafe { mend_host(&self.memory.params) }
        self.cuts.iter_mut().for_each(Cuts::stand);
        Ok(())
    }

    fn outcome(&mut self) -> Result<Option<Outcome>, WorkerError> {
        self.cuts.as_mut().map_or(Ok(None), Cuts::outcome)
    }
}

/// Rows, shard states, counts, mailboxes and arena: a memfd, whose pages are zero and take memory once they are used. Shards touch
/// their own rows and the states of their actors, which are disjoint.
struct Memory {
    region: Arc<Region>,
    fd: OwnedFd,
    params: EngineParams,
    /// What `params` points into.
    _map: MmapRaw,
}

impl Memory {
    /// Of an engine before, or new.
    fn new(region: &Arc<Region>, before: Option<OwnedFd>, warps: usize) -> Result<Memory, WorkerError> {
        let tables = Tables::of(&region.geometry());
        let bytes = tables.bytes as usize;
        let fd = match before {
            Some(fd) => fd,
            None => shared("resident-state", bytes as u64).map_err(|cause| none(bytes, cause))?,
        };
        if fstat(&fd).map_err(|cause| none(bytes, cause.into()))?.st_size != bytes as i64 {
            return Err(WorkerError::new(Class::Protocol, "rows and state of the engine before have another size"));
        }
        let map = MmapOptions::new().len(bytes).map_raw(&fd).map_err(|cause| none(bytes, cause))?;
        let params = tables.params(region.base().as_ptr() as u64, map.as_mut_ptr() as u64, warps);
        Ok(Memory { region: region.clone(), fd, params, _map: map })
    }
}

fn none(bytes: usize, cause: io::Error) -> WorkerError {
    let cause = explain(&cause, "lower `arena_bytes` or `rows`");
    WorkerError::new(Class::Memory, format!("the system gives no {bytes} bytes for rows and state: {cause}"))
}
