//! A device as its application holds it: rings to every shard, words to watch and command it by.

mod cuts;

use std::collections::VecDeque;
use std::fmt;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_utils::Backoff;
use resident_kernels::actor::Kind;
use resident_kernels::engine::kinds;
use resident_kernels::wire::{MAX_STATE, ShardProgress, WORK_WARPS};

use crate::cut::Cuts;
pub use crate::fault::DeviceFault;
use crate::fault::{Class, WorkerError};
use crate::keeper::{Keeper, Kept, State};
use crate::names::Names;
pub use crate::options::{Choice, DeviceInfo, DeviceKind, Isolation, Options};
use crate::region::{FORKED, MAX_INBOX, MAX_NAMES, MAX_NURSERY, MAX_SHARDS, Region};
use crate::replies::ReplyLines;
use crate::ring::{Consumer, Producer};

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

/// A worker that was lost.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loss {
    /// Why.
    pub fault: DeviceFault,
    /// When it was noticed.
    pub noticed: Instant,
    /// When another worker had taken over and every shard ran again; `None` until then.
    pub resumed: Option<Instant>,
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
    /// A shard did not reach a message boundary in time, so the worker process was killed.
    #[error("the shards {shards:?} did not reach a message boundary within {waited:?}: their worker was killed")]
    Killed {
        /// The shards that still ran.
        shards: Vec<u32>,
        /// How long was waited.
        waited: Duration,
    },
    /// A shard did not reach a message boundary in time, and its worker is a thread.
    #[error(
        "the shards {shards:?} did not reach a message boundary within {waited:?}: a handler runs on; the process must end to free the device"
    )]
    Running {
        /// The shards that still run.
        shards: Vec<u32>,
        /// How long was waited.
        waited: Duration,
    },
    /// The device had failed before.
    #[error(transparent)]
    Failed(DeviceFault),
    /// This process is a child that was forked from the one that has started the device, which runs on.
    #[error("{FORKED}")]
    Forked,
}

/// A running device.
pub struct Device {
    region: Arc<Region>,
    info: DeviceInfo,
    ports: Mutex<Vec<Option<(Producer, Consumer)>>>,
    replies: Arc<ReplyLines>,
    kills: Mutex<Vec<VecDeque<(u32, u32)>>>,
    cuts: Cuts,
    keeper: Keeper,
    isolation: Isolation,
    system: u32,
    /// What the region said at last, once it was released.
    left: OnceLock<Left>,
}

/// What stays of a region that was released.
struct Left {
    progress: Box<[ShardProgress]>,
    launches: u64,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({}, {:?})", self.info, self.health())
    }
}

impl Device {
    /// Opens a device and returns once its shards run. Blocks: some milliseconds on a CPU, up to a second on a GPU.
    pub fn start(options: Options) -> Result<Arc<Device>, StartError> {
        options.check().map_err(StartError::Options)?;
        let isolation = options.isolation;
        let (send, hello) = sync_channel(1);
        let keeper = Keeper::start(options, send)?;
        // It says something before its time is over.
        let kept = hello.recv().unwrap_or_else(|_| Err(WorkerError::new(Class::Worker, "the keeper has panicked, please report it")));
        let Kept { region, info } = kept.inspect_err(|_| keeper.join())?;
        let ports = (0..info.shards).map(|shard| region.host_ports(shard)).collect();
        Ok(Arc::new(Device {
            ports: Mutex::new(ports),
            replies: region.replies().expect("this mapping is new"),
            kills: Mutex::new(vec![VecDeque::new(); info.shards as usize]),
            cuts: Cuts::new(&region),
            keeper,
            isolation,
            system: region.header().system(),
            left: OnceLock::new(),
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

    /// The table of names that handlers look up, once.
    pub fn take_names(&self) -> Option<Names> {
        self.region.names()
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
        let now = self.region.progress(shard).snapshot();
        // Looked for behind that: where the region has gone meanwhile, what is left of it is here.
        self.left.get().map_or(now, |left| left.progress[shard as usize])
    }

    /// The kind of the message that a shard has been handling for a while; a GPU says so after a millisecond.
    ///
    /// # Panics
    ///
    /// If there is no such shard.
    pub fn busy(&self, shard: u32) -> Option<&'static Kind> {
        let (_, kind) = self.region.progress(shard).busy()?;
        kinds().get(kind as usize).copied()
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
    /// acknowledged. False if the shard takes it only later: with the next kill, or [`kill_rest`](Self::kill_rest). Nothing in a child that
    /// was forked.
    pub fn kill(&self, shard: u32, row: u32, generation: u32) -> bool {
        if !self.keeper.is_mine() {
            return true;
        }
        let mut kills = lock(&self.kills);
        let Some(queue) = kills.get_mut(shard as usize) else { return true };
        queue.push_back((row, generation));
        self.ask_kills(shard, queue)
    }

    /// Tells a shard of the kills that it did not take at once; false if some are left.
    pub fn kill_rest(&self, shard: u32) -> bool {
        let mut kills = lock(&self.kills);
        let Some(queue) = kills.get_mut(shard as usize) else { return true };
        self.ask_kills(shard, queue) || self.health() != Health::Running
    }

    fn ask_kills(&self, shard: u32, queue: &mut VecDeque<(u32, u32)>) -> bool {
        const PATIENCE: Duration = Duration::from_millis(2);
        let (begun, backoff) = (Instant::now(), Backoff::new());
        // A shard takes one kill at a time, some microseconds after it was told; one that does not answer gets the rest with
        // the next kill, and the stop behind each says the same.
        while let Some(&(row, generation)) = queue.front() {
            if self.region.control(shard).ask_kill(self.region.progress(shard), row, generation).is_some() {
                queue.pop_front();
                backoff.reset();
            } else if begun.elapsed() > PATIENCE {
                return false;
            } else {
                backoff.snooze();
            }
        }
        true
    }

    /// What tells the actors of this device from those of others: [`Options::system`].
    pub fn system(&self) -> u32 {
        self.system
    }

    /// Generations of the resident kernel so far; 1 after the start.
    pub fn launches(&self) -> u64 {
        let now = self.region.header().launches();
        // As in `progress`.
        self.left.get().map_or(now, |left| left.launches)
    }

    /// How the device is. While one worker takes over from another it runs.
    pub fn health(&self) -> Health {
        match self.keeper.state() {
            State::Running => Health::Running,
            State::Stopped => Health::Stopped,
            State::Lost(error) => Health::Failed(error.into()),
        }
    }

    /// The process that runs the device now; `None` if it is a thread of this one.
    pub fn worker(&self) -> Option<u32> {
        self.keeper.worker()
    }

    /// The process that stands by to take over, once it is ready for it.
    pub fn standby(&self) -> Option<u32> {
        self.keeper.standby()
    }

    /// How many workers were lost so far, and the last of them.
    pub fn losses(&self) -> (u64, Option<Loss>) {
        let (losses, last) = self.keeper.losses();
        let last = last.map(|loss| Loss { fault: loss.error.into(), noticed: loss.noticed, resumed: loss.resumed });
        (losses, last)
    }

    /// How many workers that were to stand by did not open, or ended, and why the last one did. Another is tried, after a pause that grows
    /// from 10 ms to 10 s.
    pub fn standby_failures(&self) -> (u64, Option<DeviceFault>) {
        let (failures, last) = self.keeper.standby_failures();
        (failures, last.map(DeviceFault::from))
    }

    /// Tells the shards to leave at their next message boundary and waits for them. Again after that, it answers the same.
    /// The egress rings must be drained meanwhile. A worker process whose shards do not leave in time is killed.
    pub fn stop(&self, timeout: Duration) -> Result<(), StopError> {
        if !self.keeper.is_mine() {
            return Err(StopError::Forked);
        }
        self.keeper.stop();
        let stopped = match self.keeper.wait(timeout) {
            State::Running => {
                let shards = (0..self.info.shards).filter(|shard| self.region.progress(*shard).running()).collect();
                if self.isolation == Isolation::Thread {
                    return Err(StopError::Running { shards, waited: timeout });
                }
                self.keeper.give_up();
                Err(StopError::Killed { shards, waited: timeout })
            }
            State::Stopped => Ok(()),
            State::Lost(error) => Err(StopError::Failed(error.into())),
        };
        self.keeper.join();
        stopped
    }

    /// Gives back everything that was shared with the worker of a device which has ended, however many still hold the device: it goes
    /// on saying what it said at its end. Nobody may use its rings any more. Blocks while a cut ends.
    pub fn release(&self) {
        // A worker that is a thread and does not stop has to find its memory.
        if self.health() == Health::Running {
            return;
        }
        let progress = (0..self.info.shards).map(|shard| self.progress(shard)).collect();
        if self.left.set(Left { progress, launches: self.launches() }).is_ok() {
            self.cuts.end();
            self.region.release();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Options {
    /// Names a size that no device takes, and one that devices do.
    pub fn check(&self) -> Result<(), String> {
        if !self.capacity.is_power_of_two() || self.capacity < 64 {
            return Err(format!(
                "`capacity` is {}: a ring takes a power of two, at least 64; try {}",
                self.capacity,
                self.capacity.checked_next_power_of_two().unwrap_or(1 << 31).max(64)
            ));
        }
        if self.shards == Some(0) {
            return Err("`shards` is 0: a device needs at least one".into());
        }
        if self.rows == 0 {
            return Err("`rows` is 0: a shard needs at least one row for an actor".into());
        }
        // With more shards than this the number has no room for too many.
        let shards = self.shards.unwrap_or(MAX_SHARDS);
        let inboxes = u64::from(shards) * WORK_WARPS as u64 * u64::from(MAX_INBOX);
        if u64::from(self.inboxes) > inboxes {
            return Err(format!(
                "`inboxes` is {}: those of {shards} shards have {inboxes} slots at most; take fewer, or more shards",
                self.inboxes
            ));
        }
        if self.nursery_bytes as usize > MAX_STATE {
            return Err(format!("`nursery_bytes` is {}: a state has {MAX_STATE} at most", self.nursery_bytes));
        }
        if self.nursery > MAX_NURSERY {
            return Err(format!("`nursery` is {}: take at most {MAX_NURSERY}, and more shards", self.nursery));
        }
        if self.names > MAX_NAMES {
            return Err(format!("`names` is {}: take at most {MAX_NAMES}", self.names));
        }
        if self.stack_bytes < 8192 {
            return Err(format!("`stack_bytes` is {}: engine and handler need 8192 at least", self.stack_bytes));
        }
        Ok(())
    }
}
