//! Owns a device: opens its engine, launches the shards, watches them, ends them.
//!
//! A worker shares a [`Region`] with its application and nothing else. It makes the region, hands its descriptor over once the
//! shards run ([`Hello`]), and from then on the two speak through words in the region's header:
//!
//! | word | written by | |
//! | --- | --- | --- |
//! | `command` | the application | 0, then [`STOP`] |
//! | `status` | the worker | [`Status`], with the class of the error when it failed; `text` is the error in words |
//! | `launches` | the worker | generations of the resident kernel so far |
//!
//! There is no pointer in the region and no other channel, so a worker may be a thread of the application, as here, or a process.

use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use resident_kernels::wire;

use crate::engine::{Engine, Plan};
use crate::fault::{Class, WorkerError, described};
use crate::options::{DeviceInfo, DeviceKind, Options};
use crate::region::{Geometry, Region};

/// What the application writes to `command` when its worker shall end; 0 until then.
pub(crate) const STOP: u32 = 1;

/// How a worker is; the number travels in the low half of `status`, the class of an error in the high half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Starting,
    Running,
    Stopped,
    Failed(Class),
}

impl Status {
    pub(crate) fn to_word(self) -> u32 {
        match self {
            Status::Starting => 0,
            Status::Running => 1,
            Status::Stopped => 2,
            Status::Failed(class) => 3 | (class as u32) << 16,
        }
    }

    /// Reads a word that another process may have written; an unknown one is a failure of the protocol.
    pub(crate) fn from_word(word: u32) -> Status {
        match word & 0xffff {
            0 => Status::Starting,
            1 => Status::Running,
            2 => Status::Stopped,
            3 => Status::Failed(Class::from_code(word >> 16)),
            _ => Status::Failed(Class::Protocol),
        }
    }
}

/// A worker's first words: the region and what it runs on.
pub(crate) struct Hello {
    pub region: OwnedFd,
    pub info: DeviceInfo,
}

/// A worker's life. Ends when it was told to stop and every shard has left, or when the device failed.
pub(crate) fn run(options: Options, hello: SyncSender<Result<Hello, WorkerError>>) {
    let started = catch_unwind(AssertUnwindSafe(|| start(&options)));
    let (region, engine, info) = match started {
        Ok(Ok(started)) => started,
        Ok(Err(error)) => return drop(hello.send(Err(error))),
        Err(panic) => {
            return drop(
                hello.send(Err(WorkerError::new(Class::Worker, format!("the worker panicked while it started: {}", described(&*panic))))),
            );
        }
    };
    let fd = match region.fd().map(|fd| fd.try_clone_to_owned()) {
        Some(Ok(fd)) => fd,
        refused => return drop(hello.send(Err(WorkerError::new(Class::Worker, format!("no descriptor for the region: {refused:?}"))))),
    };
    region.header().set_status(Status::Running.to_word());
    let swaps = info.kind == DeviceKind::Cuda;
    if hello.send(Ok(Hello { region: fd, info })).is_err() {
        region.header().set_command(STOP);
    }
    let ended = catch_unwind(AssertUnwindSafe(|| watch(&region, engine, swaps)));
    match ended.unwrap_or_else(|panic| Err(WorkerError::new(Class::Worker, format!("the worker panicked: {}", described(&*panic))))) {
        Ok(()) => region.header().set_status(Status::Stopped.to_word()),
        Err(error) => region.header().fail(Status::Failed(error.class).to_word(), &error.text),
    }
}

/// A region, the engine over it whose shards run, and what that is.
type Started = (Arc<Region>, Box<dyn Engine>, DeviceInfo);

fn start(options: &Options) -> Result<Started, WorkerError> {
    let plan = Plan::make(options)?;
    let info = plan.info().clone();
    let geometry = Geometry {
        shards: info.shards,
        capacity: options.capacity,
        rows: options.rows,
        reply_lines: options.reply_lines,
        arena_bytes: options.arena_bytes,
    };
    let region = Region::create(&geometry).map_err(|error| WorkerError::new(Class::Memory, error.to_string()))?;
    let mut engine = plan.open(options, &region)?;
    launch(&region, &mut *engine)?;
    let begun = Instant::now();
    while !(0..info.shards).all(|shard| region.progress(shard).running()) {
        if engine.ended()? || begun.elapsed() > options.start_timeout {
            return Err(WorkerError::new(Class::Worker, "not every shard came up; is another process keeping the device busy?"));
        }
        thread::yield_now();
    }
    Ok((region, engine, info))
}

fn launch(region: &Region, engine: &mut dyn Engine) -> Result<(), WorkerError> {
    order(region, wire::RUN);
    region.header().set_launches(region.header().launches() + 1);
    engine.launch()
}

fn order(region: &Region, command: u16) {
    for shard in 0..region.geometry().shards {
        region.control(shard).set_command(command);
    }
}

/// Whether a shard of this launch asks for another one.
fn asks_anew(region: &Region) -> bool {
    let launch = region.header().launches() as u32;
    (0..region.geometry().shards).any(|shard| region.progress(shard).swap() == launch)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// A shard's stack is nearly used: the others leave too, and a new generation goes on.
    Swapping,
    Stopping,
}

/// How often a worker looks when nothing presses.
const GLANCE: Duration = Duration::from_micros(200);
/// The same for a device whose shards never ask for a new generation.
const REST: Duration = Duration::from_millis(2);

fn watch(region: &Region, mut engine: Box<dyn Engine>, swaps: bool) -> Result<(), WorkerError> {
    let mut phase = Phase::Running;
    loop {
        let stop = region.header().command() == STOP;
        let ended = engine.ended()?;
        phase = match phase {
            Phase::Running if stop => {
                order(region, wire::STOP);
                Phase::Stopping
            }
            Phase::Running if swaps && asks_anew(region) => {
                order(region, wire::STOP);
                Phase::Swapping
            }
            Phase::Running if ended => return Err(WorkerError::new(Class::Protocol, "the shards left without having been told to")),
            Phase::Swapping if ended && !stop => {
                launch(region, &mut *engine)?;
                Phase::Running
            }
            Phase::Swapping | Phase::Stopping if ended => return Ok(()),
            unchanged => unchanged,
        };
        match phase {
            Phase::Running => thread::park_timeout(if swaps { GLANCE } else { REST }),
            Phase::Swapping | Phase::Stopping => thread::yield_now(),
        }
    }
}
