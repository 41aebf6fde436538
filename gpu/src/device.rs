//! A device as its application holds it: rings to every shard, words to watch and command it by.

use std::collections::VecDeque;
use std::fmt;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use resident_kernels::actor::Kind;
use resident_kernels::engine::kinds;
use resident_kernels::wire::ShardProgress;

use crate::fault::{Class, WorkerError};
pub use crate::options::{Choice, DeviceInfo, DeviceKind, Options};
use crate::region::Region;
use crate::replies::ReplyLines;
use crate::ring::{Consumer, Producer};
use crate::worker::{self, Hello, STOP, Status};

macro_rules! start_errors {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// Why a device did not start; every text says what to do.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum StartError {
            $($(#[$meta])* #[error("{0}")] $name(String),)*
            /// A size in [`Options`] that no device takes.
            #[error("{0}")]
            Options(String),
            /// The device did not come up in time.
            #[error("the device did not start within {0:?}; raise `start_timeout`, or look at what else runs on it")]
            Timeout(Duration),
        }

        impl From<WorkerError> for StartError {
            fn from(error: WorkerError) -> StartError {
                match error.class {
                    $(Class::$name => StartError::$name(error.text),)*
                    _ => StartError::Worker(error.text),
                }
            }
        }
    };
}

start_errors! {
    /// The worker itself failed.
    Worker,
    /// No CUDA driver on this machine.
    NoDriver,
    /// The CUDA driver is older than 12.4.
    OldDriver,
    /// The driver shows no such device.
    NoDevice,
    /// The device is older than compute capability 8.0.
    OldDevice,
    /// The handlers were not compiled for the GPU.
    NoHandlers,
    /// Engine and handlers do not agree on their layouts, or did not link.
    Link,
    /// More shards than the device holds at once.
    TooManyShards,
    /// Not enough memory.
    Memory,
    /// The driver refused a call.
    Driver,
    /// Another system of this process runs on the device.
    Busy,
}

/// A device that failed while it ran.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct DeviceFault {
    /// What happened.
    pub class: Class,
    /// What happened, in words, and what to do.
    pub text: String,
}

/// How a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Its shards handle messages.
    Running,
    /// It was told to stop and every shard has left.
    Stopped,
    /// It is lost.
    Failed(DeviceFault),
}

/// Why a device did not stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// A shard did not reach a message boundary in time.
    #[error(
        "the shards {shards:?} did not reach a message boundary within {waited:?}: a handler runs on; the process must end to free the device"
    )]
    Timeout {
        /// The shards that still run.
        shards: Vec<u32>,
        /// How long was waited.
        waited: Duration,
    },
    /// The device had failed before.
    #[error(transparent)]
    Failed(DeviceFault),
}

/// A running device.
pub struct Device {
    region: Arc<Region>,
    info: DeviceInfo,
    ports: Mutex<Vec<Option<(Producer, Consumer)>>>,
    replies: Arc<ReplyLines>,
    kills: Mutex<Vec<VecDeque<(u32, u32)>>>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({}, {:?})", self.info, self.health())
    }
}

impl Device {
    /// Opens a device and returns once its shards run. Blocks: some milliseconds on a CPU, up to a second on a GPU.
    pub fn start(options: Options) -> Result<Arc<Device>, StartError> {
        let timeout = options.start_timeout;
        check(&options)?;
        let (send, hello) = sync_channel(1);
        let worker = thread::Builder::new().name("resident-worker".into()).spawn(move || worker::run(options, send));
        let worker = worker.map_err(|error| StartError::Worker(format!("no thread for the worker: {error}")))?;
        let Hello { region, info } = match hello.recv_timeout(timeout) {
            Ok(hello) => hello?,
            Err(RecvTimeoutError::Timeout) => return Err(StartError::Timeout(timeout)),
            Err(RecvTimeoutError::Disconnected) => return Err(StartError::Worker("the worker ended before it said a word".into())),
        };
        let region = Region::open(region).map_err(|error| StartError::Worker(error.to_string()))?;
        let ports = (0..info.shards).map(|shard| region.host_ports(shard)).collect();
        Ok(Arc::new(Device {
            ports: Mutex::new(ports),
            replies: region.replies().expect("this mapping is new"),
            kills: Mutex::new(vec![VecDeque::new(); info.shards as usize]),
            worker: Mutex::new(Some(worker)),
            region,
            info,
        }))
    }

    /// Which device this is, and why.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// The program's kinds of actor; a spawn names one by its place here.
    pub fn kinds(&self) -> &'static [&'static Kind] {
        kinds()
    }

    /// The place of `kind` in [`kinds`](Device::kinds).
    pub fn kind_index(&self, kind: &'static Kind) -> Option<u32> {
        kinds().iter().position(|k| std::ptr::eq(*k, kind) || k.fingerprint == kind.fingerprint).map(|i| i as u32)
    }

    /// Both rings of a shard, once.
    pub fn take_ports(&self, shard: u32) -> Option<(Producer, Consumer)> {
        lock(&self.ports).get_mut(shard as usize)?.take()
    }

    /// The lines of direct calls.
    pub fn replies(&self) -> &Arc<ReplyLines> {
        &self.replies
    }

    /// How far a shard has come, as it last said.
    ///
    /// # Panics
    ///
    /// If there is no such shard.
    pub fn progress(&self, shard: u32) -> ShardProgress {
        self.region.progress(shard).snapshot()
    }

    /// Bytes of device memory for state.
    pub fn arena_bytes(&self) -> u64 {
        self.region.geometry().arena_bytes
    }

    /// Rows of each shard.
    pub fn rows(&self) -> u32 {
        self.region.geometry().rows
    }

    /// Revokes a row ahead of everything queued for it. The row and its state are free once an `OP_STOP` that follows is
    /// acknowledged.
    pub fn kill(&self, shard: u32, row: u32, generation: u32) {
        const PATIENCE: Duration = Duration::from_millis(2);
        let mut kills = lock(&self.kills);
        let Some(queue) = kills.get_mut(shard as usize) else { return };
        queue.push_back((row, generation));
        let begun = Instant::now();
        // A shard takes one kill at a time, some microseconds after it was told; one that does not answer gets the rest with
        // the next kill, and the stop behind each says the same.
        while let Some(&(row, generation)) = queue.front() {
            if self.region.control(shard).ask_kill(self.region.progress(shard), row, generation).is_some() {
                queue.pop_front();
            } else if begun.elapsed() > PATIENCE {
                return;
            } else {
                std::hint::spin_loop();
            }
        }
    }

    /// Generations of the resident kernel so far; 1 after the start.
    pub fn launches(&self) -> u64 {
        self.region.header().launches()
    }

    /// How the device is.
    pub fn health(&self) -> Health {
        match Status::from_word(self.region.header().status()) {
            Status::Starting | Status::Running => Health::Running,
            Status::Stopped => Health::Stopped,
            Status::Failed(class) => Health::Failed(DeviceFault { class, text: self.region.header().text() }),
        }
    }

    /// Tells the shards to leave at their next message boundary and waits for them. Again after that, it answers the same.
    /// The egress rings must be drained meanwhile.
    pub fn stop(&self, timeout: Duration) -> Result<(), StopError> {
        let begun = Instant::now();
        self.region.header().set_command(STOP);
        let mut worker = lock(&self.worker);
        if let Some(worker) = worker.as_ref() {
            worker.thread().unpark();
        }
        loop {
            match self.health() {
                Health::Running if begun.elapsed() > timeout => {
                    let shards = (0..self.info.shards).filter(|shard| self.region.progress(*shard).running()).collect();
                    return Err(StopError::Timeout { shards, waited: timeout });
                }
                Health::Running => thread::park_timeout(Duration::from_micros(50)),
                Health::Stopped => {
                    // It has said its last word and returns.
                    if let Some(worker) = worker.take() {
                        let _ = worker.join();
                    }
                    return Ok(());
                }
                Health::Failed(fault) => return Err(StopError::Failed(fault)),
            }
        }
    }
}

impl Drop for Device {
    /// Tells the worker to stop and does not wait for it.
    fn drop(&mut self) {
        self.region.header().set_command(STOP);
        if let Some(worker) = lock(&self.worker).as_ref() {
            worker.thread().unpark();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check(options: &Options) -> Result<(), StartError> {
    let wrong = |text: String| Err(StartError::Options(text));
    if !options.capacity.is_power_of_two() || options.capacity < 64 {
        return wrong(format!(
            "`capacity` is {}: a ring takes a power of two, at least 64; try {}",
            options.capacity,
            options.capacity.max(64).next_power_of_two()
        ));
    }
    if options.shards == Some(0) {
        return wrong("`shards` is 0: a device needs at least one".into());
    }
    if options.rows == 0 {
        return wrong("`rows` is 0: a shard needs at least one row for an actor".into());
    }
    if options.stack_bytes < 4096 {
        return wrong(format!("`stack_bytes` is {}: a handler needs 4096 at least", options.stack_bytes));
    }
    Ok(())
}
