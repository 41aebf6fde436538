//! The engine on the CPU: the same source, compiled for the host, a thread per shard.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use resident_kernels::engine::run_host_shard;
use resident_kernels::wire::{EngineParams, Row, ShardState};

use super::Engine;
use crate::fault::{Class, WorkerError};
use crate::region::Region;

/// Threads, and the memory that stands for the device's.
pub(crate) struct Cpu {
    memory: Arc<Memory>,
    threads: bool,
    shards: Vec<JoinHandle<()>>,
}

impl Cpu {
    pub(crate) fn open(region: &Arc<Region>, threads: bool) -> Cpu {
        region.header().set_clock_offset(0);
        Cpu { memory: Arc::new(Memory::new(region)), threads, shards: Vec::new() }
    }
}

impl Engine for Cpu {
    fn launch(&mut self) -> Result<(), WorkerError> {
        for shard in 0..self.memory.region.geometry().shards {
            let (memory, threads) = (self.memory.clone(), self.threads);
            let run = move || {
                // SAFETY: `memory` holds region, rows, shard states and arena at the sizes of the region's geometry until this
                // thread ends; `launch` is called again only after every shard has left, so each shard has one thread.
                unsafe { run_host_shard(&memory.params, shard, threads) }
            };
            let thread = thread::Builder::new().name(format!("shard-{shard}")).spawn(run);
            self.shards.push(thread.map_err(|e| WorkerError::new(Class::Worker, format!("no thread for shard {shard}: {e}")))?);
        }
        Ok(())
    }

    fn ended(&mut self) -> Result<bool, WorkerError> {
        if !self.shards.iter().all(JoinHandle::is_finished) {
            return Ok(false);
        }
        for shard in self.shards.drain(..) {
            shard.join().map_err(|_| WorkerError::new(Class::Worker, "a shard's thread panicked; this is an error of resident, please report it"))?;
        }
        Ok(true)
    }
}

/// Rows, shard states and arena, zeroed.
struct Memory {
    region: Arc<Region>,
    params: EngineParams,
    base: NonNull<u8>,
    layout: Layout,
}

// SAFETY: `base` is owned; shards touch their own rows and the states of their actors, which are disjoint.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    fn new(region: &Arc<Region>) -> Memory {
        let geometry = region.geometry();
        let rows = geometry.shards as usize * geometry.rows as usize * size_of::<Row>();
        let saved = geometry.shards as usize * size_of::<ShardState>();
        let layout = Layout::from_size_align(rows + saved + geometry.arena_bytes as usize, 4096).expect("a geometry that a region accepted fits the address space");
        // SAFETY: the layout is not empty, a region has at least one shard and one row.
        let Some(base) = NonNull::new(unsafe { alloc_zeroed(layout) }) else { handle_alloc_error(layout) };
        let at = base.as_ptr() as u64;
        let params = EngineParams { region: region.base().as_ptr() as u64, rows: at, shards: at + rows as u64, arena: at + (rows + saved) as u64 };
        Memory { region: region.clone(), params, base, layout }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout; every shard thread holds an `Arc`, so none is left.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}
