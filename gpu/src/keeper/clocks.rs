//! By which clock a message's budget is measured: of a GPU's shard the wall's; of the CPU device's the time that the shard's thread was
//! given, since it shares its cores and a machine that is busy makes no handler hang.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::engine::SHARD_THREAD;

/// The clocks of one worker's shards.
pub(crate) struct Clocks {
    begun: Instant,
    /// Each shard's threads as the system shows them; none for a GPU.
    threads: Vec<Vec<PathBuf>>,
}

impl Clocks {
    pub(crate) fn wall() -> Clocks {
        Clocks { begun: Instant::now(), threads: Vec::new() }
    }

    /// Those of the `shards` shard threads of a worker process.
    pub(crate) fn of(process: u32, shards: u32) -> Clocks {
        let mut threads = vec![Vec::new(); shards as usize];
        for task in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            let shard = name.trim().strip_prefix(SHARD_THREAD).and_then(|number| number.parse::<usize>().ok());
            if let Some(threads) = shard.and_then(|shard| threads.get_mut(shard)) {
                threads.push(task.path().join("schedstat"));
            }
        }
        Clocks { threads, ..Clocks::wall() }
    }

    /// A shard's clock; where the system does not show it, the wall's. `None` once its thread has ended.
    pub(crate) fn now(&self, shard: u32) -> Option<Duration> {
        match self.threads.get(shard as usize).map_or(&[][..], Vec::as_slice) {
            [] => Some(self.begun.elapsed()),
            threads => threads
                .iter()
                .map(|thread| fs::read_to_string(thread).ok()?.split(' ').next()?.parse::<u64>().ok())
                .sum::<Option<u64>>()
                .map(Duration::from_nanos),
        }
    }
}
