//! Which device, how large, and which it turned out to be.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Which device to open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Choice {
    /// The first GPU if there is a driver, a device and handlers compiled for it; else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU with this ordinal, or an error.
    Cuda(u32),
}

/// What to open and how large.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Which device.
    pub device: Choice,
    /// Which of its application's CPU devices it is, for people: each is a device of its own.
    pub cpu: u32,
    /// What tells its actors from those of others: the number of its application's system, of which the lowest
    /// [`DEVICE_BITS`](resident_kernels::wire::DEVICE_BITS) say which of that one's devices it is. `None` draws one.
    pub system: Option<u32>,
    /// Shards: thread blocks, each with a multiprocessor of its own while there are enough. By default 64 on a GPU and one per
    /// core, at most 4, on a CPU.
    pub shards: Option<u32>,
    /// Slots of each ring, 64 bytes each; a power of two, at least 64. All rings together should fit the cache of a core that
    /// sends to all shards.
    pub capacity: u32,
    /// Slots of all inboxes together, at least, in which messages from actor to actor wait; 0: each holds what a ring does, and 4,096 at least.
    pub inboxes: u32,
    /// Actors a shard holds at most.
    pub rows: u32,
    /// Lines for replies that a caller watches itself, 64 bytes each.
    pub reply_lines: u32,
    /// Bytes of device memory for state.
    pub arena_bytes: u64,
    /// Names that handlers can look up.
    pub names: u32,
    /// Grants of each shard's nursery, from which handlers spawn: as many rows of each shard more.
    pub nursery: u32,
    /// Bytes of room for a state that a grant has: so much more in the arena.
    pub nursery_bytes: u32,
    /// Bytes of stack of a lane on the GPU, of which the engine needs 4096. The driver takes this for
    /// every thread the device can hold, 2048 per multiprocessor.
    pub stack_bytes: u32,
    /// Where linked GPU code is kept from start to start; `None` links anew.
    pub cache: Option<PathBuf>,
    /// On the CPU, give a shard's poller a thread of its own, as on the GPU: slower, for tests.
    pub cpu_threads: bool,
    /// How long starting may take.
    pub start_timeout: Duration,
    /// Where the device's worker lives.
    pub isolation: Isolation,
    /// Whether a second worker stands by, with everything ready but the launch, to take over from one that is lost. On a GPU it takes
    /// the memory of a CUDA context.
    pub standby: bool,
    /// The program that a worker process is; this one unless said otherwise. It links the same handler crate.
    pub worker: Option<PathBuf>,
    /// How many workers may be lost within how long before the device counts as lost for good.
    pub intensity: (u32, Duration),
}

/// Where a device's worker lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Isolation {
    /// In a process of its own: what kills it costs the actor whose message was being handled, no other.
    #[default]
    Process,
    /// In a thread: a trap, a wild pointer or an endless loop in a handler costs the device with all its actors, and the process its
    /// CUDA contexts. For an application whose own kernels must run beside.
    Thread,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            device: Choice::Auto,
            cpu: 0,
            system: None,
            shards: None,
            capacity: 256,
            inboxes: 0,
            rows: 8192,
            reply_lines: 8192,
            arena_bytes: 256 << 20,
            names: 1024,
            nursery: 0,
            nursery_bytes: 256,
            stack_bytes: 8192,
            cache: default_cache(),
            cpu_threads: false,
            start_timeout: Duration::from_secs(60),
            isolation: Isolation::Process,
            standby: true,
            worker: None,
            intensity: (100, Duration::from_secs(60)),
        }
    }
}

/// `$XDG_CACHE_HOME/resident`, or `~/.cache/resident`.
fn default_cache() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache"))).map(|cache| cache.join("resident"))
}

/// What kind of device it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeviceKind {
    /// The engine compiled for the host.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
}

impl DeviceKind {
    /// `cpu` or `cuda`.
    pub fn as_str(self) -> &'static str {
        match self {
            DeviceKind::Cpu => "cpu",
            DeviceKind::Cuda => "cuda",
        }
    }
}

/// The device that was opened; its `Display` says which and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// CPU or GPU.
    pub kind: DeviceKind,
    /// Its ordinal among those of its kind.
    pub ordinal: u32,
    /// Where a GPU is on the PCI bus.
    pub(crate) bus: Option<String>,
    /// Its name, as the driver gives it.
    pub name: String,
    /// Shards that run.
    pub shards: u32,
    /// The worker's program is built with `panic = "abort"`, and this is the CPU device: each handler's panic ends the worker process,
    /// which the standby replaces, or the application's with [`Isolation::Thread`].
    pub panics_abort: bool,
    /// Why this device: "asked for", "found", or what was missing for a GPU.
    pub reason: String,
}

impl DeviceInfo {
    /// Its short name, as logs, faults and metrics have it: `cuda:0`.
    pub fn label(&self) -> String {
        format!("{}:{}", self.kind.as_str(), self.ordinal)
    }
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {} shards ({})", self.label(), self.name, self.shards, self.reason)?;
        if self.panics_abort { write!(f, ", panics abort") } else { Ok(()) }
    }
}
