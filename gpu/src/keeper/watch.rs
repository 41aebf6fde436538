//! When a worker is lost and what is done about it, decided: `(event, now) -> actions`, without a clock of its own.

mod life;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use resident_kernels::wire;

use self::life::{GAP, Life};
use crate::fault::{Class, WorkerError};
use crate::protocol::Loss;

/// How long the other shards have to reach a message boundary once one hangs.
const GRACE: Duration = Duration::from_millis(20);
/// How long shards may take to come up that are ready but for the launch, on a device that nobody else uses: a worker that was lost
/// meanwhile may take long to be gone.
const LAUNCH: Duration = Duration::from_secs(5);
/// How long a device that nobody else uses may give no sign of life: a trap stops all shards at once, and the driver says so some
/// hundred milliseconds later.
const SILENCE: Duration = Duration::from_millis(50);
/// Longer than another process stops a device: a trap of its, or its end, takes most of a second.
const STALL: Duration = Duration::from_secs(1);
/// How long a device may give no sign of life and its driver say nothing, beyond what its handlers may take.
const DEAD: Duration = Duration::from_secs(10);
/// Shards whose last signs of life lie no further apart have stopped at once, in microseconds. An illegal address stops its own shard
/// first and the others long after; that is left to the driver to say.
const AT_ONCE: u64 = 5000;
/// Workers in a row that fail to open before no other is tried, where one has to take over. With the pauses between them that is more than
/// a second, in which a shortage may pass.
const ATTEMPTS: u32 = 8;
/// After the first that fails to open, until the next is tried; doubled after each.
const PAUSE: Duration = Duration::from_millis(10);
/// The longest pause: as long as what is short stays so, one that stands by is tried again this often.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What a shard is at, as it says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct At {
    /// The message being handled and how long it may take.
    pub busy: Option<(u64, Duration)>,
    /// How long it has been at work, by a clock of its own: a message's budget is of that, unless shards give signs of life.
    pub clock: Duration,
    /// Its last sign of life, in microseconds of the device's clock.
    pub beat: u64,
    pub running: bool,
}

/// What a look at the device shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'a> {
    pub shards: &'a [At],
    /// Nobody but the worker can have stopped the device. Where that is not known, it is not so.
    pub alone: bool,
    /// The shards are told to leave; then they give no more signs of life.
    pub leaving: bool,
}

/// What has happened.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// The shards were looked at.
    Look(Look<'a>),
    /// The worker has said that the device has failed.
    Failed(WorkerError),
    /// A handler of this shard has panicked, and stands still: panics abort in the worker's program.
    Panicked(u32, WorkerError),
    /// The worker has closed its link.
    Gone,
    /// The worker has ended and the system has taken back what it held; by this signal, if it was one.
    Ended(Option<i32>),
    /// The next worker has everything ready but the launch.
    Opened,
    /// There is no next worker.
    NotOpened(WorkerError),
    /// Every shard runs.
    Running,
    /// The application wants the device to stop.
    Stop,
    /// Every shard has left, as told.
    Stopped,
    /// The application waits no longer.
    GiveUp,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Open the next worker.
    Open,
    /// Tell the shards to leave at their next message boundary.
    Part,
    /// End the worker; `Ended` follows.
    End,
    /// The worker is lost: the next one is to take over.
    Report(WorkerError),
    /// Launch the next worker after this loss.
    Launch(Loss),
    /// Tell the worker to stop.
    Stop,
    /// The device is lost for good.
    Lose(WorkerError),
    /// It has stopped.
    Done,
}

/// What is allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// A lost worker is replaced.
    pub replace: bool,
    /// The shards give signs of life.
    pub beats: bool,
    /// The next worker is opened ahead of need.
    pub standby: bool,
    /// Losses within a time.
    pub losses: (u32, Duration),
    /// From the order to launch until every shard runs.
    pub launch: Duration,
    /// The longest that any message may take.
    pub budget: Duration,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Launching(Duration),
    Running,
    /// The shards were told to leave, since some hang, or one has panicked; then the worker is ended, for this reason.
    Parting {
        hung: Vec<u32>,
        until: Duration,
        why: WorkerError,
    },
    /// The worker is being ended, for this reason; without one, how it ended tells.
    Ending(Option<WorkerError>, Vec<u32>),
    /// The worker has ended, then, and the next is not ready.
    Waiting(Duration),
    Stopping,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    None,
    Opening,
    Ready,
}

/// One device's watch.
#[derive(Debug)]
pub(crate) struct Watch {
    limits: Limits,
    phase: Phase,
    next: Next,
    /// Each shard's message and since when, by its clock, it is at it.
    at: Vec<Option<(u64, Duration)>>,
    life: Life,
    losses: VecDeque<Duration>,
    /// That failed to open since one has opened, or was lost.
    attempts: u32,
    /// When the next one is tried again.
    again: Option<Duration>,
    loss: Loss,
    stop: bool,
}

impl Watch {
    /// Of a device with `shards` shards whose first worker was told to launch at `now`.
    pub(crate) fn new(limits: Limits, shards: usize, now: Duration) -> Watch {
        Watch {
            limits,
            phase: Phase::Launching(now),
            next: Next::None,
            at: vec![None; shards],
            life: Life::new(now),
            losses: VecDeque::new(),
            attempts: 0,
            again: None,
            loss: Loss::default(),
            stop: false,
        }
    }

    /// The shards are on their way out, some milliseconds at most: who looks, looks all the time.
    pub(crate) fn is_parting(&self) -> bool {
        matches!(self.phase, Phase::Parting { .. })
    }

    /// All shards run, as far as is known, and nobody has told them to leave.
    pub(crate) fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// The device has just stopped to give signs of life: it is time to ask for what a verdict would need.
    pub(crate) fn is_quiet(&self) -> bool {
        self.phase == Phase::Running && self.must_beat() && self.life.quiet() > GAP
    }

    /// Whether the shards' signs of life say something.
    fn must_beat(&self) -> bool {
        self.limits.beats && self.limits.replace
    }

    pub(crate) fn handle(&mut self, event: Event<'_>, now: Duration) -> Vec<Action> {
        match event {
            _ if self.phase == Phase::Over => vec![],
            Event::Look(look) => match self.look(look, now) {
                none if none.is_empty() => self.try_again(now),
                actions => actions,
            },
            Event::Failed(error) => self.end(Some(error)),
            Event::Panicked(shard, error) => self.panicked(shard, error, now),
            Event::Gone => self.end(None),
            Event::Ended(signal) => self.ended(signal, now),
            Event::Opened => {
                self.next = Next::Ready;
                self.attempts = 0;
                self.go_on(now)
            }
            Event::NotOpened(error) => {
                self.next = Next::None;
                self.attempts += 1;
                if self.attempts >= ATTEMPTS && matches!(self.phase, Phase::Waiting(_)) {
                    return self.lose(error);
                }
                self.again = Some(now + pause(self.attempts));
                vec![]
            }
            Event::Running => {
                self.phase = Phase::Running;
                self.at.fill(None);
                self.life = Life::new(now);
                if self.stop {
                    return self.stop();
                }
                if self.limits.replace && self.limits.standby { self.open() } else { vec![] }
            }
            Event::Stop => {
                self.stop = true;
                if self.phase == Phase::Running { self.stop() } else { vec![] }
            }
            Event::Stopped => {
                self.phase = Phase::Over;
                vec![Action::Done]
            }
            Event::GiveUp => {
                self.phase = Phase::Over;
                vec![Action::End, Action::Done]
            }
        }
    }

    fn look(&mut self, look: Look<'_>, now: Duration) -> Vec<Action> {
        let Look { shards, alone, leaving } = look;
        self.life.see(shards, leaving, now);
        let launch = if alone { self.limits.launch.min(LAUNCH) } else { self.limits.launch };
        match &self.phase {
            Phase::Launching(since) if now.saturating_sub(*since) > launch => self.end_for(Class::Worker, "the shards did not come up"),
            Phase::Waiting(since) if now.saturating_sub(*since) > self.limits.launch => {
                self.lose(WorkerError::new(Class::Worker, "no other worker took over in time"))
            }
            // Where others can stop the device, the driver is waited for: what it says is found and not guessed.
            Phase::Running | Phase::Parting { .. } if alone && self.is_silent(shards) => {
                self.end_for(Class::Trap, "the device fell silent in the middle of its work, as it does when it traps")
            }
            Phase::Running | Phase::Parting { .. } if self.is_dead() => {
                let text = format!(
                    "the device gave no sign of life for {:?} and its driver said nothing: it stands still, or another process keeps it \
                     busy; see what `nvidia-smi` shows",
                    self.life.quiet()
                );
                self.end_for(Class::Worker, text)
            }
            Phase::Running if self.limits.replace => {
                let all = 0..shards.len().min(self.at.len());
                let hung: Vec<_> = all.filter(|shard| self.is_late(*shard, shards[*shard])).map(|shard| shard as u32).collect();
                if hung.is_empty() {
                    return vec![];
                }
                let why = WorkerError::new(Class::Hang, "a handler did not come to an end within its budget");
                self.phase = Phase::Parting { hung, until: now + if alone { GRACE } else { STALL }, why };
                vec![Action::Part]
            }
            Phase::Parting { hung, until, why } => {
                let others_left = shards.iter().enumerate().all(|(shard, at)| !at.running || hung.contains(&(shard as u32)));
                if !others_left && now < *until {
                    return vec![];
                }
                let why = why.clone();
                self.end(Some(why))
            }
            _ => vec![],
        }
    }

    /// Whether all shards run, have stopped giving signs of life at once, and that for long.
    fn is_silent(&self, shards: &[At]) -> bool {
        let beats = shards.iter().map(|at| at.beat);
        let last = beats.clone().max().unwrap_or(0);
        // Of a single shard it can not be told.
        let at_once = shards.len() > 1 && shards.iter().all(|at| at.running) && beats.clone().all(|beat| last - beat <= AT_ONCE);
        self.must_beat() && at_once && self.life.quiet() > SILENCE
    }

    /// Whether a device that has to give signs of life gives none for so long that none will come.
    fn is_dead(&self) -> bool {
        self.must_beat() && self.life.quiet() > self.limits.budget.saturating_add(DEAD)
    }

    /// Whether a shard is at one message for longer than that may take.
    fn is_late(&mut self, shard: usize, at: At) -> bool {
        let clock = if self.limits.beats { self.life.had() } else { at.clock };
        let Some((message, budget)) = at.busy else {
            self.at[shard] = None;
            return false;
        };
        match self.at[shard] {
            Some((known, since)) if known == message => clock.saturating_sub(since) > budget,
            _ => {
                self.at[shard] = Some((message, clock));
                false
            }
        }
    }

    /// The handler's thread stands still, so the others can come to a message boundary ahead of the end. While the shards come up or leave
    /// they cannot, and what they are at is handled again.
    fn panicked(&mut self, shard: u32, error: WorkerError, now: Duration) -> Vec<Action> {
        match self.phase {
            Phase::Running => {
                self.phase = Phase::Parting { hung: vec![shard], until: now + GRACE, why: error };
                vec![Action::Part]
            }
            // The worker is being ended already: the message is handled again, and if it panics again, that is heard.
            Phase::Parting { .. } => vec![],
            _ => {
                let actions = self.end(Some(error));
                if let Phase::Ending(_, hung) = &mut self.phase {
                    *hung = vec![shard];
                }
                actions
            }
        }
    }

    fn end_for(&mut self, class: Class, text: impl Into<String>) -> Vec<Action> {
        self.end(Some(WorkerError::new(class, text)))
    }

    fn end(&mut self, error: Option<WorkerError>) -> Vec<Action> {
        let hung = match &mut self.phase {
            Phase::Ending(..) | Phase::Waiting(_) => return vec![],
            // Whatever ends the worker now, that they hang was known before.
            Phase::Parting { hung, .. } => mem::take(hung),
            _ => vec![],
        };
        self.phase = Phase::Ending(error, hung);
        vec![Action::End]
    }

    fn ended(&mut self, signal: Option<i32>, now: Duration) -> Vec<Action> {
        let Phase::Ending(error, hung) = mem::replace(&mut self.phase, Phase::Waiting(now)) else { return vec![] };
        let mut error = error.unwrap_or_else(|| by_its_end(signal));
        if self.stop || !self.limits.replace {
            return self.lose(error);
        }
        let (most, period) = self.limits.losses;
        // A panic is the actor's alone, which its supervisor hears of: the device is as good as it was.
        if error.class != Class::Panic {
            self.losses.push_back(now);
        }
        while self.losses.front().is_some_and(|loss| now.saturating_sub(*loss) > period) {
            self.losses.pop_front();
        }
        if self.losses.len() > most as usize {
            error.text = format!("{}; that is more than {most} losses within {period:?}, so the device is given up", error.text);
            return self.lose(error);
        }
        self.loss = Loss { fault: fault(error.class), hung };
        self.attempts = 0;
        let mut actions = vec![Action::Report(error)];
        actions.extend(match self.next {
            Next::None => self.open(),
            Next::Opening => vec![],
            Next::Ready => self.go_on(now),
        });
        actions
    }

    /// Launches the next worker if one is needed and ready.
    fn go_on(&mut self, now: Duration) -> Vec<Action> {
        if !matches!(self.phase, Phase::Waiting(_)) || self.next != Next::Ready {
            return vec![];
        }
        self.next = Next::None;
        self.phase = Phase::Launching(now);
        vec![Action::Launch(mem::take(&mut self.loss))]
    }

    /// Opens the next worker if the last attempt failed and it is time for another; where the device is to stop, only to take over.
    fn try_again(&mut self, now: Duration) -> Vec<Action> {
        let is_needed = !self.stop || matches!(self.phase, Phase::Waiting(_));
        if is_needed && self.again.is_some_and(|again| now >= again) { self.open() } else { vec![] }
    }

    fn open(&mut self) -> Vec<Action> {
        self.again = None;
        self.next = Next::Opening;
        vec![Action::Open]
    }

    fn stop(&mut self) -> Vec<Action> {
        self.phase = Phase::Stopping;
        vec![Action::Stop]
    }

    fn lose(&mut self, error: WorkerError) -> Vec<Action> {
        self.phase = Phase::Over;
        vec![Action::Lose(error)]
    }
}

/// How long after so many attempts in a row that failed the next is made.
fn pause(attempts: u32) -> Duration {
    let doubled = 1u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

/// What a message that was being handled is blamed with.
fn fault(class: Class) -> u16 {
    match class {
        Class::Trap => wire::FAULT_TRAP,
        Class::IllegalAddress => wire::FAULT_ADDRESS,
        Class::Hang => wire::FAULT_HANG,
        Class::Panic => wire::FAULT_PANIC,
        _ => wire::FAULT_WORKER,
    }
}

/// What the end of a worker process that nobody wanted to end says, by this signal if it was one.
fn by_its_end(signal: Option<i32>) -> WorkerError {
    use rustix::process::Signal;
    let Some(signal) = signal else { return WorkerError::new(Class::Worker, "the worker process ended") };
    let is = |known: &[Signal]| known.iter().any(|known| known.as_raw() == signal);
    let (class, what) = if is(&[Signal::SEGV, Signal::BUS]) {
        (Class::IllegalAddress, "accessed an illegal address")
    } else if is(&[Signal::ABORT, Signal::ILL, Signal::TRAP, Signal::FPE]) {
        (Class::Trap, "trapped")
    } else {
        (Class::Worker, "was killed")
    };
    WorkerError::new(class, format!("the worker process {what} (signal {signal})"))
}
