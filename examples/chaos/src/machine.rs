//! What a run may not leave behind: descriptors, child processes, room on the device.

use std::fs;
use std::process::{self, Command};
use std::time::{Duration, Instant};

use chaos_actors::Vault;
use resident::{Spawn, System};

use crate::clerk::Clerk;

/// How long the system may take to take back what was held.
const SETTLE: Duration = Duration::from_secs(20);
/// Other processes may use the GPU, too; a context takes more than this.
pub const SLACK_MIB: u64 = 32;

/// What this process holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdings {
    pub descriptors: usize,
    pub processes: usize,
    /// In use on all GPUs, if there is one to ask.
    pub gpu_mib: Option<u64>,
}

impl Holdings {
    /// At this moment.
    pub fn now() -> Holdings {
        Holdings { descriptors: fs::read_dir("/proc/self/fd").map_or(0, Iterator::count), processes: children(), gpu_mib: gpu_mib() }
    }

    /// What is held once it is no more than before, or has not become so in time.
    pub fn after(before: &Holdings) -> Holdings {
        let begun = Instant::now();
        loop {
            let now = Holdings::now();
            if now.is_within(before) || begun.elapsed() > SETTLE {
                return now;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn is_within(&self, before: &Holdings) -> bool {
        self.descriptors == before.descriptors
            && self.processes == before.processes
            && self.gpu_mib.zip(before.gpu_mib).is_none_or(|(is, was)| is <= was + SLACK_MIB)
    }
}

/// Processes whose parent is this one, dead ones that nobody has waited for too.
fn children() -> usize {
    let parent_of = |stat: &str| stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok();
    let stats =
        fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    stats.filter(|stat| parent_of(stat) == Some(process::id())).count()
}

fn gpu_mib() -> Option<u64> {
    let asked = Command::new("nvidia-smi").args(["--query-gpu=memory.used", "--format=csv,noheader,nounits"]).output().ok()?;
    let text = String::from_utf8(asked.stdout).ok().filter(|_| asked.status.success())?;
    text.lines().map(|line| line.trim().parse::<u64>().ok()).sum()
}

/// How many more of the largest clerks the device has room for; they are gone again when it answers.
pub async fn room(system: &System) -> usize {
    let mut all = Vec::new();
    while let Ok((vault, join)) = Vault::spawn(None, Vault::new(0), system).await {
        all.push((vault, join));
    }
    for (vault, _) in &all {
        vault.stop(None);
    }
    let count = all.len();
    for (_, join) in all {
        let _ = join.await;
    }
    count
}
