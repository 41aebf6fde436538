//! Keeps a device alive: holds what outlives a worker, watches the worker, and has the next one take over.
//!
//! One thread to a device. It starts the workers, so they end with it; what it does is decided by [`Watch`](watch::Watch). When a
//! worker is lost it is ended, and once the system has taken back what it held, nobody writes the region but the application:
//! the rings to the host are mended ([`ring`](crate::ring), R-6), and the next worker
//! launches over the same region and memory (engine.h, E-6).

mod clocks;
mod neighbours;
mod watch;

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use resident_host::explain;
use resident_kernels::engine::kinds;
use resident_kernels::wire;

use self::clocks::Clocks;
use self::neighbours::{Neighbours, Ours};
use self::watch::{Action, At, Event, Limits, Look, Watch};
use crate::cut::CutError;
use crate::cut::buffer::Buffer;
use crate::fault::{Class, WorkerError};
use crate::options::{Choice, DeviceInfo, DeviceKind, Isolation, Options};
use crate::protocol::{self, Done, Job, Order, Wish, Word, not_taken};
use crate::region::{Owner, Region};
use crate::worker::link::{Link, any_readable};
use crate::worker::{Hand, order};

/// How a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Stopped,
    Lost(WorkerError),
}

/// What keeper and application both see.
struct Shared {
    now: Mutex<Now>,
    changed: Condvar,
}

struct Now {
    state: State,
    /// The worker's process.
    worker: Option<u32>,
    /// The process of the worker that stands by, once it is ready.
    standby: Option<u32>,
    losses: u64,
    last: Option<Loss>,
    /// How often no worker came to stand by, or it ended, and why the last did.
    failures: (u64, Option<WorkerError>),
    /// What has come of the job at hand, until it is taken.
    answer: Option<Result<Done, CutError>>,
}

/// A worker that was lost.
#[derive(Clone, Debug)]
pub(crate) struct Loss {
    pub error: WorkerError,
    /// When that was noticed.
    pub noticed: Instant,
    /// When every shard ran again.
    pub resumed: Option<Instant>,
}

/// The keeper, as its application holds it. A child of that, which has a copy of the link, says nothing over it.
pub(crate) struct Keeper {
    owner: Owner,
    shared: Arc<Shared>,
    /// Until the keeper has ended.
    wishes: Mutex<Option<Link>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A device that runs.
pub(crate) struct Kept {
    pub region: Arc<Region>,
    pub info: DeviceInfo,
}

impl Keeper {
    /// Starts a device; what it runs on comes over `hello` once its shards run, or why they do not.
    pub(crate) fn start(options: Options, hello: SyncSender<Result<Kept, WorkerError>>) -> Result<Keeper, WorkerError> {
        let none = |error| WorkerError::new(Class::Worker, format!("nobody to keep the device: {}", explain(&error, "start it again")));
        let (wishes, heard) = Link::pair().map_err(none)?;
        let shared = Arc::new(Shared {
            now: Mutex::new(Now {
                state: State::Running,
                worker: None,
                standby: None,
                losses: 0,
                last: None,
                failures: (0, None),
                answer: None,
            }),
            changed: Condvar::new(),
        });
        let keep = {
            let shared = shared.clone();
            move || {
                leave_signals();
                match open(&options) {
                    Ok(first) => Keeping::new(options, first, shared, heard).run(hello),
                    Err(error) => drop(hello.send(Err(error))),
                }
            }
        };
        let thread = thread::Builder::new().name("resident-keeper".into()).spawn(keep).map_err(none)?;
        Ok(Keeper { owner: Owner::me(), shared, wishes: Mutex::new(Some(wishes)), thread: Mutex::new(Some(thread)) })
    }

    pub(crate) fn state(&self) -> State {
        lock(&self.shared.now).state.clone()
    }

    /// Workers lost so far, and the last of them.
    pub(crate) fn losses(&self) -> (u64, Option<Loss>) {
        let now = lock(&self.shared.now);
        (now.losses, now.last.clone())
    }

    /// How often no worker came to stand by, or it ended, and why the last did.
    pub(crate) fn standby_failures(&self) -> (u64, Option<WorkerError>) {
        lock(&self.shared.now).failures.clone()
    }

    pub(crate) fn worker(&self) -> Option<u32> {
        lock(&self.shared.now).worker
    }

    pub(crate) fn standby(&self) -> Option<u32> {
        lock(&self.shared.now).standby
    }

    /// Waits until the device no longer runs, or until `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) -> State {
        let now = lock(&self.shared.now);
        let waited = self.shared.changed.wait_timeout_while(now, timeout, |now| now.state == State::Running);
        waited.unwrap_or_else(PoisonError::into_inner).0.state.clone()
    }

    /// Whether this is the application's process.
    pub(crate) fn is_mine(&self) -> bool {
        self.owner.is_me()
    }

    fn wish(&self, wish: &Wish, descriptors: &[BorrowedFd<'_>]) {
        if !self.is_mine() {
            return;
        }
        if let Some(wishes) = &*lock(&self.wishes) {
            // Nobody there: it has ended, which its state says.
            let _ = wishes.send(wish, descriptors);
        }
    }

    pub(crate) fn stop(&self) {
        self.wish(&Wish::Stop, &[]);
    }

    /// Ends the worker in whatever state it is, where that can be done.
    pub(crate) fn give_up(&self) {
        self.wish(&Wish::GiveUp, &[]);
    }

    /// Asks for a job, the only one at a time; [`answer`](Self::answer) says what has come of it.
    pub(crate) fn ask(&self, job: Job, buffer: &Buffer) {
        lock(&self.shared.now).answer = None;
        // If it has ended, the answer says so.
        self.wish(&Wish::Job(job, buffer.id()), &[buffer.fd()]);
    }

    /// What has come of the job, if that is known within `timeout`.
    pub(crate) fn answer(&self, timeout: Duration) -> Option<Result<Done, CutError>> {
        let now = lock(&self.shared.now);
        let pending = |now: &mut Now| now.answer.is_none() && now.state == State::Running;
        let mut now = self.shared.changed.wait_timeout_while(now, timeout, pending).unwrap_or_else(PoisonError::into_inner).0;
        now.answer.take().or_else(|| {
            let stopped = || WorkerError::new(Class::Worker, "it was stopped");
            match &now.state {
                State::Running => None,
                State::Stopped => Some(Err(CutError::Ended(stopped().into()))),
                State::Lost(error) => Some(Err(CutError::Ended(error.clone().into()))),
            }
        })
    }

    /// Waits until the keeper has given everything back; it was told to stop.
    pub(crate) fn join(&self) {
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
            *lock(&self.wishes) = None;
        }
    }
}

/// The keeper's own.
struct Keeping {
    options: Options,
    region: Arc<Region>,
    memory: OwnedFd,
    info: DeviceInfo,
    worker: Hand,
    next: Option<Hand>,
    watch: Watch,
    clocks: Clocks,
    /// Of a GPU, where they matter.
    neighbours: Option<Neighbours>,
    /// What each shard was at when it was last looked at.
    seen: Vec<Option<(u64, u32)>>,
    /// The worker has a job.
    asked: bool,
    begun: Instant,
    /// When it was noticed that the worker is lost.
    noticed: Instant,
    shared: Arc<Shared>,
    wishes: Link,
    over: bool,
}

/// The first worker and what it has made.
struct First {
    worker: Hand,
    region: Arc<Region>,
    memory: OwnedFd,
    info: DeviceInfo,
}

/// Leaves to other threads what asks a process to end or to do something, and has workers, which inherit that, not mind it: what is sent to
/// all processes of an application, as systemd ends one, is the application's to answer, and its end is theirs.
fn leave_signals() {
    let signals = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2];
    // The system refuses no set of signals.
    let _ = signals.into_iter().collect::<SigSet>().thread_block();
}

fn open(options: &Options) -> Result<First, WorkerError> {
    let worker = Hand::start(options)?;
    match worker.order(&Order::Open(Box::new(options.clone())), &[]) {
        // It has ended, which is heard below.
        Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
        told => told.map_err(silent)?,
    }
    match worker.hear(options.start_timeout) {
        Some(Some((Word::Opened(info), descriptors))) => {
            let [region, memory]: [OwnedFd; 2] = descriptors
                .map_err(not_taken)?
                .try_into()
                .map_err(|_| WorkerError::new(Class::Protocol, "the worker did not hand over its descriptors"))?;
            let region = Region::open(region).map_err(|error| WorkerError::new(Class::Protocol, error.to_string()))?;
            Ok(First { worker, region, memory, info })
        }
        Some(Some((Word::Failed(error), _))) => Err(error),
        Some(Some(_)) => Err(WorkerError::new(Class::Protocol, "the worker's first word is no answer")),
        Some(None) => Err(WorkerError::new(
            Class::Worker,
            "the worker ended before it said a word; is `worker` a program that links resident and the handler crate?",
        )),
        None => Err(WorkerError::new(Class::Worker, "the device was not opened in time; raise `start_timeout`")),
    }
}

/// What a message of each kind may take.
fn budgets() -> impl Iterator<Item = Duration> {
    kinds().iter().map(|kind| Duration::from_millis(kind.budget_ms.into()))
}

fn silent(error: std::io::Error) -> WorkerError {
    WorkerError::new(Class::Worker, format!("the worker does not answer: {error}"))
}

/// How often a device is looked at, for a budget of `shortest`.
fn rhythm(shortest: Duration) -> Duration {
    (shortest / 50).clamp(Duration::from_millis(1), Duration::from_millis(5))
}

impl Keeping {
    fn new(options: Options, first: First, shared: Arc<Shared>, wishes: Link) -> Keeping {
        let First { worker, region, memory, info } = first;
        let limits = Limits {
            replace: options.isolation == Isolation::Process,
            beats: info.kind == DeviceKind::Cuda,
            standby: options.standby,
            losses: options.intensity,
            launch: options.start_timeout,
            budget: budgets().max().unwrap_or_default(),
        };
        let ours = Ours { worker: worker.process(), standby: None };
        let neighbours = info.bus.clone().filter(|_| limits.replace).map(|bus| Neighbours::of(ours, bus));
        let watch = Watch::new(limits, info.shards as usize, Duration::ZERO);
        // Whoever comes next is to be on this very device.
        let device = match info.kind {
            DeviceKind::Cpu => Choice::Cpu,
            DeviceKind::Cuda => Choice::Cuda(info.ordinal),
        };
        let options = Options { device, shards: Some(info.shards), ..options };
        let (now, seen) = (Instant::now(), vec![None; info.shards as usize]);
        Keeping {
            options,
            region,
            memory,
            info,
            worker,
            next: None,
            watch,
            clocks: Clocks::wall(),
            neighbours,
            seen,
            asked: false,
            begun: now,
            noticed: now,
            shared,
            wishes,
            over: false,
        }
    }

    fn run(mut self, hello: SyncSender<Result<Kept, WorkerError>>) {
        lock(&self.shared.now).worker = self.worker.process();
        if let Err(error) = self.come_up() {
            return drop(hello.send(Err(error)));
        }
        // The application's is a mapping of its own: each hands out its ends once.
        let region = match self.region.again() {
            Ok(region) => region,
            Err(error) => return drop(hello.send(Err(WorkerError::new(Class::Memory, error.to_string())))),
        };
        let told = hello.send(Ok(Kept { region, info: self.info.clone() }));
        self.happen(if told.is_ok() { Event::Running } else { Event::GiveUp });
        let rest = rhythm(budgets().min().unwrap_or(Duration::from_secs(1)));
        let mut looked = Instant::now();
        while !self.over {
            let parting = self.watch.is_parting();
            self.wait(if parting { Duration::ZERO } else { rest.saturating_sub(looked.elapsed()) });
            self.hear_application();
            self.hear_worker();
            self.hear_next();
            if parting || looked.elapsed() >= rest {
                looked = Instant::now();
                self.look();
            }
        }
    }

    /// The first launch; one that fails is not tried again.
    fn come_up(&mut self) -> Result<(), WorkerError> {
        self.worker.order(&Order::Launch(None), &[]).map_err(silent)?;
        match self.worker.hear(self.options.start_timeout) {
            Some(Some((Word::Running, _))) => Ok(()),
            Some(Some((Word::Failed(error), _))) => Err(error),
            Some(_) => Err(WorkerError::new(Class::Worker, "the worker ended while it started")),
            None => Err(WorkerError::new(Class::Worker, "the shards did not come up in time; is another process keeping the device busy?")),
        }
    }

    /// Until somebody has something to say.
    fn wait(&self, timeout: Duration) {
        let mut waits = vec![self.wishes.as_fd()];
        waits.extend(self.worker.link().map(Link::as_fd));
        waits.extend(self.next.as_ref().and_then(Hand::link).map(Link::as_fd));
        any_readable(&waits, timeout);
    }

    fn hear_application(&mut self) {
        if !self.wishes.wait(Duration::ZERO) {
            return;
        }
        match self.wishes.receive() {
            Ok(Some((Wish::Stop, _))) => self.happen(Event::Stop),
            Ok(Some((Wish::GiveUp, _))) => self.happen(Event::GiveUp),
            Ok(Some((Wish::Job(..), Err(error)))) => self.answer(Err(not_taken(error).into())),
            Ok(Some((Wish::Job(job, buffer), Ok(descriptors)))) => {
                let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
                let told = self.watch.is_running() && self.worker.order(&Order::Job(job, buffer), &descriptors).is_ok();
                self.asked = told;
                if !told {
                    self.answer(Err(CutError::Lost));
                }
            }
            // Its handle has gone: there is nobody to wait for what a stop would wait for.
            Ok(None) | Err(_) => self.happen(Event::GiveUp),
        }
    }

    fn hear_worker(&mut self) {
        let Some(word) = self.worker.hear(Duration::ZERO).filter(|_| !self.over) else { return };
        self.happen(match word {
            Some((Word::Done(done), _)) => return self.answer(Ok(done)),
            Some((Word::Refused(error), _)) => return self.answer(Err(error.into())),
            Some((Word::Running, _)) => {
                if let Some(loss) = &mut lock(&self.shared.now).last {
                    loss.resumed.get_or_insert_with(Instant::now);
                }
                Event::Running
            }
            Some((Word::Stopped, _)) => Event::Stopped,
            Some((Word::Panicked(shard, text), _)) => Event::Panicked(shard, WorkerError::new(Class::Panic, text)),
            Some((Word::Failed(error), _)) => Event::Failed(error),
            Some((Word::Opened(_), _)) | None => Event::Gone,
        });
    }

    /// What has come of the job at hand.
    fn answer(&mut self, answer: Result<Done, CutError>) {
        self.asked = false;
        // The CPU device's shards have new threads since.
        self.look_for_clocks();
        lock(&self.shared.now).answer = Some(answer);
        self.shared.changed.notify_all();
    }

    fn look_for_clocks(&mut self) {
        if let (DeviceKind::Cpu, Some(process)) = (self.info.kind, self.worker.process()) {
            self.clocks = Clocks::of(process, self.info.shards);
        }
    }

    fn hear_next(&mut self) {
        let Some(word) = self.next.as_ref().and_then(|next| next.hear(Duration::ZERO)) else { return };
        match word {
            Some((Word::Opened(_), _)) => {
                lock(&self.shared.now).standby = self.next.as_ref().and_then(Hand::process);
                self.happen(Event::Opened);
            }
            Some((Word::Failed(error), _)) => self.no_next(error),
            _ => self.no_next(WorkerError::new(Class::Worker, "the worker that stood by has ended")),
        }
    }

    fn no_next(&mut self, error: WorkerError) {
        self.next = None;
        self.name_ours();
        {
            let mut now = lock(&self.shared.now);
            now.standby = None;
            now.failures = (now.failures.0 + 1, Some(error.clone()));
        }
        self.happen(Event::NotOpened(error));
    }

    fn look(&mut self) {
        let budget = |kind: u32| budgets().nth(kind as usize).unwrap_or(Duration::MAX);
        let mut shards = Vec::with_capacity(self.seen.len());
        for (shard, seen) in (0..).zip(&mut self.seen) {
            let progress = self.region.progress(shard);
            let running = progress.running();
            // Whoever leaves in the middle of a long message does not say any more that it is done.
            let busy = progress.busy().filter(|_| running);
            // Its clock is not for nothing, so it is looked at once a message is there for the second time.
            let again = busy.filter(|busy| seen.replace(*busy) == Some(*busy));
            let clock = again.and_then(|_| self.clocks.now(shard));
            let busy = again.filter(|_| clock.is_some()).map(|(slot, kind)| (slot, budget(kind)));
            shards.push(At { busy, clock: clock.unwrap_or_default(), beat: progress.beat(), running });
        }
        let leaving = self.region.control(0).command() == u32::from(wire::STOP);
        self.happen(Event::Look(Look { shards: &shards, alone: self.is_alone(), leaving }));
    }

    /// Whether nobody but a handler can have stopped the device.
    fn is_alone(&self) -> bool {
        let Some(neighbours) = &self.neighbours else { return self.info.kind == DeviceKind::Cpu };
        let alone = neighbours.none();
        if !alone || !self.watch.is_quiet() {
            return alone;
        }
        neighbours.look_now();
        // A worker that is being killed falls silent, too, before it is gone.
        !self.worker.is_dying()
    }

    /// Tells whose processes on the device are no neighbours.
    fn name_ours(&self) {
        if let Some(neighbours) = &self.neighbours {
            neighbours.set_ours(Ours { worker: self.worker.process(), standby: self.next.as_ref().and_then(Hand::process) });
        }
    }

    fn happen(&mut self, event: Event<'_>) {
        if let Event::Running = event {
            self.look_for_clocks();
        }
        let parting = self.watch.is_parting();
        for action in self.watch.handle(event, self.begun.elapsed()) {
            self.perform(action, parting);
        }
    }

    /// `parting` says that the shards had been told to leave before.
    fn perform(&mut self, action: Action, parting: bool) {
        match action {
            Action::Open => {
                let started = Hand::start(&self.options).and_then(|next| {
                    let order = Order::Open(Box::new(self.options.clone()));
                    let region = self.region.fd().ok_or_else(|| WorkerError::new(Class::Protocol, "a region without a descriptor"))?;
                    next.order(&order, &[region, self.memory.as_fd()]).map_err(silent)?;
                    Ok(next)
                });
                match started {
                    Ok(next) => {
                        self.next = Some(next);
                        self.name_ours();
                    }
                    Err(error) => self.no_next(error),
                }
            }
            Action::Part => {
                self.noticed = Instant::now();
                order(&self.region, wire::STOP);
            }
            Action::End => {
                if !parting {
                    self.noticed = Instant::now();
                }
                let signal = self.worker.end();
                if self.asked {
                    // Nobody writes the buffer any more.
                    self.answer(Err(CutError::Lost));
                }
                self.happen(Event::Ended(signal));
            }
            Action::Report(error) => {
                let mut now = lock(&self.shared.now);
                now.losses += 1;
                now.last = Some(Loss { error, noticed: self.noticed, resumed: None });
            }
            Action::Launch(loss) => self.take_over(loss),
            Action::Stop => {
                let _ = self.worker.order(&Order::Stop, &[]);
            }
            Action::Lose(error) => {
                // Thread or process: it can do nothing for the device any more.
                self.worker.end();
                self.finish(State::Lost(error));
            }
            Action::Done => {
                self.worker.join();
                self.finish(State::Stopped);
            }
        }
    }

    fn take_over(&mut self, loss: protocol::Loss) {
        let Some(next) = self.next.take() else { return };
        self.worker = next;
        self.name_ours();
        {
            let mut now = lock(&self.shared.now);
            (now.worker, now.standby) = (self.worker.process(), None);
        }
        for shard in 0..self.info.shards {
            self.region.mender(shard).mend();
            self.region.progress(shard).set_running(false);
        }
        // If it has gone, the next look at its link sees it.
        let _ = self.worker.order(&Order::Launch(Some(loss)), &[]);
    }

    fn finish(&mut self, state: State) {
        self.next = None;
        self.over = true;
        {
            let mut now = lock(&self.shared.now);
            (now.state, now.standby) = (state, None);
        }
        self.shared.changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
