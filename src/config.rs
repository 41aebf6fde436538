//! What a system is started with. Every field has a default that suits a first program.
//!
//! A field is a *setting* of files and variables, too ([`Settings`]); `config/knobs.rs` has the table.

mod devices;
mod error;
mod knobs;
mod settings;
mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use resident_gpu::device::{Isolation, Options};

pub(crate) use devices::Wanted;
pub use devices::{DeviceOptions, DevicesError};
pub use error::ConfigError;
pub use settings::{Origin, Setting, Settings};

/// How a system is started.
///
/// ```
/// use resident::{Config, DeviceOptions};
///
/// let config = Config { capacity: 4096, ..Config::cpu() };
/// assert_eq!(config.rows, Config::default().rows);
/// let config = Config { devices: vec![DeviceOptions::cuda(0), DeviceOptions::cuda(1)], ..config };
/// assert_eq!(config.capacity, 4096); // of each
/// ```
///
/// [`Config::load`] takes it from a file and from variables.
#[derive(Clone, Debug)]
pub struct Config {
    /// A name for the system, for people: it is in [`ActorInfo`](crate::ActorInfo), a field `system` in logs, and a label `system` of metrics.
    /// Default: none, and then that label is `resident`; see [`System::label`](crate::System::label).
    pub name: Option<Arc<str>>,
    /// Which devices, each with shards, rows and memory as the other fields say. Default: one GPU, the first, if it can be used, else the CPU
    /// device; [`System::devices`](crate::System::devices) says which and why.
    pub devices: Vec<DeviceOptions>,
    /// Shards of each device: blocks of a GPU, threads of the CPU device. Default: as many as suit the device.
    pub shards: Option<u32>,
    /// Slots of each ring, a power of two from 64 on. A message of up to 28 bytes takes one slot. Default: 256.
    pub capacity: u32,
    /// Slots for messages between the actors of a device: how many may be on their way at a time, each of up to 28 bytes. A handler that answers
    /// one message with several wants room for all of them (`docs/messages.md`). Default: 0, as many as rings hold, and 16,384 a shard at least.
    pub inboxes: u32,
    /// Actors that one shard can hold. Default: 8192.
    pub rows: u32,
    /// Reply lines for [`GpuRef::ask`](crate::GpuRef::ask) and [`Pipeline`](crate::Pipeline). Default: 8192.
    pub reply_lines: u32,
    /// Bytes for the states of all actors of a device. Default: 256 MiB.
    pub arena_bytes: u64,
    /// Actors with a name that handlers can look up at a time, 128 to 256 bytes each. Default: 1024.
    pub names: u32,
    /// Places in each shard's nursery, from which handlers spawn actors (`Ctx::spawn`) without waiting for the application, which fills it
    /// up behind them: as many as the handlers of a shard spawn within a fraction of a millisecond. They come on top of `rows` and
    /// `arena_bytes`. 0: handlers spawn nobody. Default: 32.
    pub nursery: u32,
    /// Bytes of the largest state that a handler spawns; each place has so much room. Default: 256.
    pub nursery_bytes: u32,
    /// Bytes of stack for each GPU thread. Default: 8192.
    pub stack_bytes: u32,
    /// Where linked GPU modules are kept between runs. Default: the user's cache directory.
    pub cache: Option<PathBuf>,
    /// Gives each shard of the CPU device a second thread that polls, as on a GPU: for tests. Default: false.
    pub cpu_threads: bool,
    /// How replies and emitted messages are fetched from each device.
    pub pump: Pump,
    /// How long a task that calls looks for its reply again and again, yielding to other tasks in between, before it sleeps: to
    /// wake a sleeping task takes longer than a GPU takes to reply. Default: 20 us on a machine of more than four cores, else
    /// nothing.
    pub call_yield: Duration,
    /// How long [`System::stop`](crate::System::stop), and an actor that stops, wait for the device. Default: 10 s.
    pub stop_timeout: Duration,
    /// How long [`System::start`](crate::System::start) waits for the device. Default: 60 s.
    pub start_timeout: Duration,
    /// Where the device's worker lives: in a process of its own, so that no fault of a kernel reaches this one, or in a thread.
    /// Default: a process.
    pub isolation: Isolation,
    /// Keeps a second worker process ready to take over from one that is lost. It takes the memory of a CUDA context on a GPU; without
    /// it a takeover takes as long as a start. Default: true.
    pub standby: bool,
    /// The program that worker processes run: it links this crate and the same handler crate. Default: this program itself.
    pub worker: Option<PathBuf>,
    /// Messages that are kept of each actor that [`Restore::LatestCheckpoint`](crate::guardian::Restore) and
    /// [`InFlight::Replay`](crate::guardian::InFlight) are asked for, since its last checkpoint: as many as come between two. One that
    /// is lost because there were more is counted and told when it is missed. Default: 0, none.
    pub journal: usize,
    /// How many workers of a device may be lost within how long before it is given up. Default: 100 within a minute.
    pub intensity: (u32, Duration),
    /// One in so many messages has a `tracing` span ([`trace`](crate::trace)); of each thread the first one has. Default: 0, none has.
    pub trace: u32,
}

/// How replies and emitted messages are fetched: by threads that look at the device's rings.
///
/// A pump that finds nothing first spins, then yields its core, then does what `wait` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pump {
    /// Threads of a device, which share its shards among them. Default: 1.
    pub threads: u32,
    /// How long it looks again at once. Default: 50 us on a machine of more than four cores, else nothing.
    pub spin: Duration,
    /// How long it then yields its core between looks. Default: 200 us.
    pub yield_for: Duration,
    /// What it does after that. Default: park.
    pub wait: Wait,
}

/// What an idle pump does once it has spun and yielded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Goes on spinning: the lowest latency, one core.
    Spin,
    /// Goes on yielding: uses what no one else wants.
    Yield,
    /// Sleeps until a message is sent: no load when idle, a wake-up for the first message.
    Park,
}

impl Default for Config {
    fn default() -> Config {
        let options = Options::default();
        Config {
            name: None,
            // Not every GPU: what an actor sends to one on another device goes by the host.
            devices: vec![DeviceOptions::auto()],
            shards: options.shards,
            capacity: options.capacity,
            inboxes: options.inboxes,
            rows: options.rows,
            reply_lines: options.reply_lines,
            arena_bytes: options.arena_bytes,
            names: options.names,
            nursery: 32,
            nursery_bytes: options.nursery_bytes,
            stack_bytes: options.stack_bytes,
            cache: options.cache,
            cpu_threads: options.cpu_threads,
            pump: Pump::default(),
            call_yield: if many_cores() { Duration::from_micros(20) } else { Duration::ZERO },
            stop_timeout: Duration::from_secs(10),
            start_timeout: options.start_timeout,
            isolation: options.isolation,
            standby: options.standby,
            worker: options.worker,
            journal: 0,
            intensity: options.intensity,
            trace: 0,
        }
    }
}

impl Config {
    /// The defaults, on the CPU device.
    pub fn cpu() -> Config {
        Config { devices: vec![DeviceOptions::cpu()], ..Config::default() }
    }

    /// Takes what the file that `RESIDENT_CONFIG` names says, and above that what variables say, `RESIDENT_ROWS=4096`. What neither says
    /// has its default. [`Settings`] begins with other values, or says where each is from.
    pub fn load() -> Result<Config, ConfigError> {
        Settings::load().map(Settings::into_config)
    }

    /// Names a value that no system takes.
    fn check(&self) -> Result<(), String> {
        if self.pump.threads == 0 {
            return Err("`pump.threads` is 0: nobody would fetch replies".into());
        }
        let devices = self.wanted().map_err(|error| error.to_string())?;
        devices.iter().try_for_each(|device| self.options(device).check())
    }

    /// The devices, unless they cannot be those of a system.
    pub(crate) fn wanted(&self) -> Result<Vec<Wanted>, DevicesError> {
        devices::all(&self.devices)
    }

    /// What a device is told.
    pub(crate) fn options(&self, device: &Wanted) -> Options {
        Options {
            device: device.choice,
            cpu: device.cpu,
            system: None,
            shards: device.shards.or(self.shards),
            capacity: self.capacity,
            inboxes: self.inboxes,
            rows: self.rows,
            reply_lines: self.reply_lines,
            arena_bytes: self.arena_bytes,
            names: self.names,
            nursery: self.nursery,
            nursery_bytes: self.nursery_bytes,
            stack_bytes: self.stack_bytes,
            cache: self.cache.as_deref().map(whole),
            cpu_threads: self.cpu_threads,
            start_timeout: self.start_timeout,
            isolation: self.isolation,
            standby: self.standby,
            worker: self.worker.as_deref().map(|path| if is_name(path) { path.to_owned() } else { whole(path) }),
            intensity: self.intensity,
        }
    }
}

impl Default for Pump {
    fn default() -> Pump {
        let spin = if many_cores() { Duration::from_micros(50) } else { Duration::ZERO };
        Pump { threads: 1, spin, yield_for: Duration::from_micros(200), wait: Wait::Park }
    }
}

/// A path as it is meant now, wherever the process goes later: standbys are started as long as the device runs.
fn whole(path: &Path) -> PathBuf {
    // An empty one, or one from a directory that is no more: it leads nowhere, which the start says.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Whether a program is one that the system looks for by its name.
fn is_name(program: &Path) -> bool {
    program.parent() == Some(Path::new(""))
}

/// Whether a core that only looks takes nothing from those that work.
fn many_cores() -> bool {
    available_parallelism().is_ok_and(|cores| cores.get() > 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_start() {
        let here = std::env::current_dir().unwrap();
        let options = |config: Config| config.options(&config.wanted().unwrap()[0]);
        let worker = |program: &str| options(Config { worker: Some(program.into()), ..Config::default() }).worker.unwrap();
        assert_eq!(worker("bin/worker"), here.join("bin/worker"));
        assert_eq!(worker("./worker"), here.join("worker"));
        assert_eq!(worker("/bin/worker"), Path::new("/bin/worker"));
        assert_eq!(worker("worker"), Path::new("worker"), "one that the system looks for");
        let cache = Config { cache: Some("modules".into()), ..Config::default() };
        assert_eq!(options(cache).cache, Some(here.join("modules")));
    }
}
