//! Owns a device: opens its engine, launches the shards, watches them, ends them.
//!
//! What it and its application say to each other is in [`protocol`](crate::protocol); a worker shares with its application a region,
//! the device's memory, and the [`Link`](link::Link) over which they speak.
//!
//! No byte of a message passes through a worker, and it keeps nothing that a next one would need.

mod inquest;
mod jobs;
pub(crate) mod link;
mod name;
mod pace;
mod process;

use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use resident_host::explain;
use resident_kernels::wire::{self, WORK_WARPS};

use self::inquest::Inquest;
use self::jobs::Jobs;
use self::link::{Descriptors, Link};
use self::name::Role;
use self::pace::Pace;
pub(crate) use self::process::Hand;
use crate::arena::room_for;
use crate::engine::{Engine, Plan};
use crate::fault::{Class, WorkerError, described};
use crate::options::{DeviceInfo, DeviceKind, Options};
use crate::protocol::{Order, Word, not_taken};
use crate::region::{Geometry, Region};

/// A device, opened.
struct Opened {
    region: Arc<Region>,
    engine: Box<dyn Engine>,
    info: DeviceInfo,
    start_timeout: Duration,
}

/// A worker's life. `orphaned` is called when the application has gone while shards run.
pub(crate) fn serve(link: &Link, orphaned: fn()) {
    let error = match catch_unwind(AssertUnwindSafe(|| work(link, orphaned))) {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(panic) => WorkerError::new(Class::Worker, format!("the worker panicked: {}", described(&*panic))),
    };
    if link.send(&Word::Failed(error), &[]).is_ok() {
        // The application ends it: a device that has failed may not be given back in order.
        while let Ok(Some(_)) = link.receive::<Order>() {}
    }
}

/// `Ok` once it was told to stop and every shard has left, or its application has gone.
fn work(link: &Link, orphaned: fn()) -> Result<(), WorkerError> {
    let Some((Order::Open(options), descriptors)) = next(link)? else { return Ok(()) };
    let mut opened = open(&options, descriptors, link)?;
    let Some((Order::Launch(loss), _)) = next(link)? else { return Ok(()) };
    name::take(Role::Worker, &opened.info);
    let inquest = match loss {
        Some(loss) => Inquest::open(&opened.region, &opened.engine.left()?, &loss),
        None => Inquest::default(),
    };
    launch(&opened.region, &mut *opened.engine)?;
    let begun = Instant::now();
    while !(0..opened.info.shards).all(|shard| opened.region.progress(shard).running()) {
        if opened.engine.ended()? || begun.elapsed() > opened.start_timeout {
            return Err(WorkerError::new(Class::Worker, "not every shard came up; is another process keeping the device busy?"));
        }
        thread::yield_now();
    }
    say(link, &Word::Running)?;
    watch(link, opened, inquest, orphaned)?;
    say(link, &Word::Stopped)
}

fn next(link: &Link) -> Result<Option<(Order, Descriptors)>, WorkerError> {
    link.receive().map_err(|error| {
        WorkerError::new(Class::Worker, format!("no order came over the link: {}", explain(&error, "start the system again")))
    })
}

fn say(link: &Link, word: &Word) -> Result<(), WorkerError> {
    // Nobody there: the next look at the link sees it.
    let _ = link.send(word, &[]);
    Ok(())
}

fn open(options: &Options, descriptors: Descriptors, link: &Link) -> Result<Opened, WorkerError> {
    let plan = Plan::make(options)?;
    let info = plan.info().clone();
    let mut descriptors = descriptors.map_err(not_taken)?.into_iter();
    let (region, memory) = (descriptors.next(), descriptors.next());
    let made = region.is_none();
    let region = match region {
        Some(region) => Region::open(region),
        None => Region::create(&Geometry {
            shards: info.shards,
            capacity: options.capacity,
            rows: options.rows.saturating_add(options.nursery),
            reply_lines: options.reply_lines,
            arena_bytes: options.arena_bytes + room_for(options.nursery_bytes, u64::from(info.shards) * u64::from(options.nursery)),
            nursery: options.nursery,
            names: options.names,
            inbox: options.inboxes.div_ceil(info.shards * WORK_WARPS as u32),
        }),
    };
    let region = region.map_err(|error| WorkerError::new(Class::Memory, error.to_string()))?;
    if let (true, Some(system)) = (made, options.system) {
        region.header().set_system(system);
    }
    let engine = plan.open(options, &region, memory)?;
    name::take(Role::Standby, &info);
    let word = Word::Opened(info.clone());
    let sent = match (made, region.fd(), engine.memory()) {
        (true, Some(region), memory) => link.send(&word, &[region, memory.as_fd()]),
        _ => link.send(&word, &[]),
    };
    sent.map_err(|error| WorkerError::new(Class::Worker, format!("the descriptors could not be handed over: {error}")))?;
    Ok(Opened { region, engine, info, start_timeout: options.start_timeout })
}

fn launch(region: &Region, engine: &mut dyn Engine) -> Result<(), WorkerError> {
    order(region, wire::RUN);
    region.header().set_launches(region.header().launches() + 1);
    engine.launch()
}

/// Tells every shard to run or to leave.
pub(crate) fn order(region: &Region, command: u16) {
    for shard in 0..region.geometry().shards {
        region.control(shard).set_command(command);
    }
}

/// Whether every shard has left, or is about to with nothing more to say.
fn none_runs(region: &Region) -> bool {
    !(0..region.geometry().shards).any(|shard| region.progress(shard).running())
}

/// Whether a shard of this launch asks for another one.
fn asks_anew(region: &Region) -> bool {
    let launch = region.header().launches() as u32;
    (0..region.geometry().shards).any(|shard| region.progress(shard).swap() == launch)
}

/// Frames that the shards have come past.
fn done(region: &Region) -> u64 {
    (0..region.geometry().shards).fold(0, |done, shard| done.wrapping_add(region.progress(shard).done()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Too many of a shard's lanes have ended: the others leave too, and a new generation goes on.
    Swapping,
    /// A job is done while no shard runs; then a new generation goes on.
    Standing,
    Stopping,
}

/// How often a worker looks at a device whose shards never ask for a new generation and whose faults end the process; for others see `Pace`.
const REST: Duration = Duration::from_millis(20);

fn watch(link: &Link, opened: Opened, mut inquest: Inquest, orphaned: fn()) -> Result<(), WorkerError> {
    let Opened { region, mut engine, info, .. } = opened;
    let cuda = info.kind == DeviceKind::Cuda;
    // Lanes end where there are many to a warp: on a CPU only in a test of that (ci/fibers.sh).
    let swaps = cuda || cfg!(fibers);
    let mut phase = Phase::Running;
    let mut jobs = Jobs::default();
    let mut pace = Pace::new(Instant::now());
    // Told to stop, or by nobody any more.
    let mut stop = false;
    loop {
        let ended = engine.ended()?;
        let settled = inquest.go_on(&region);
        phase = match phase {
            Phase::Running if stop => {
                order(&region, wire::STOP);
                Phase::Stopping
            }
            Phase::Running if swaps && asks_anew(&region) => {
                order(&region, wire::STOP);
                Phase::Swapping
            }
            Phase::Running if !ended && settled && jobs.wants_a_stand(&mut *engine, link)? => {
                order(&region, wire::STOP);
                Phase::Standing
            }
            // On a GPU what comes next waits in the stream for the kernel's very end. A shard that asks for a new generation may have left
            // without all its warps having come equally far: then it comes to the stand another time.
            Phase::Standing if (ended || cuda && none_runs(&region)) && !stop => {
                if swaps && asks_anew(&region) {
                    jobs.postpone()
                } else {
                    jobs.stand(&region, &mut *engine)?
                }
                launch(&region, &mut *engine)?;
                Phase::Running
            }
            Phase::Running if ended => return Err(WorkerError::new(Class::Protocol, "the shards left without having been told to")),
            Phase::Swapping if ended && !stop => {
                launch(&region, &mut *engine)?;
                Phase::Running
            }
            Phase::Swapping | Phase::Standing | Phase::Stopping if ended => return Ok(()),
            unchanged => unchanged,
        };
        if phase == Phase::Running {
            jobs.go_on(&region, &mut *engine, link)?;
        }
        let rest = match phase {
            Phase::Running if stop || !settled || jobs.are_pressing() => Duration::ZERO,
            Phase::Running if swaps => pace.rest(done(&region), Instant::now()),
            Phase::Running => REST,
            Phase::Swapping | Phase::Standing | Phase::Stopping => Duration::ZERO,
        };
        if stop {
            thread::yield_now();
        } else if link.wait(rest) {
            stop = match next(link)? {
                Some((Order::Stop, _)) => true,
                Some((Order::Job(job, buffer), descriptors)) => {
                    jobs.begin(&region, &mut *engine, link, job, buffer, descriptors)?;
                    false
                }
                Some((Order::Open(_) | Order::Launch(_), _)) => false,
                None => {
                    orphaned();
                    true
                }
            };
        }
    }
}
