//! When a worker is lost and what is done about it, decided: `(event, now) -> actions`, without a clock of its own.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use resident_kernels::wire;

use crate::fault::{Class, WorkerError};

/// How long the other shards have to reach a message boundary once one hangs.
const GRACE: Duration = Duration::from_millis(20);
/// Workers in a row that fail to open before no other is tried.
const ATTEMPTS: u32 = 3;

/// What a shard is at, as it says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct At {
    /// The message being handled and how long it may take.
    pub busy: Option<(u64, Duration)>,
    pub running: bool,
}

/// What has happened.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// The shards were looked at.
    Look(&'a [At]),
    /// The worker has said that the device has failed.
    Failed(WorkerError),
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
    /// Launch the next worker, after the loss that each shard's message is to be blamed with.
    Launch(Vec<u16>),
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
    /// The next worker is opened ahead of need.
    pub standby: bool,
    /// Losses within a time.
    pub losses: (u32, Duration),
    /// From the order to launch until every shard runs.
    pub launch: Duration,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Launching(Duration),
    Running,
    /// The shards were told to leave, since some hang.
    Parting {
        hung: Vec<usize>,
        until: Duration,
    },
    /// The worker is being ended.
    Ending(WorkerError, Vec<usize>),
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
    /// Each shard's message and since when it is at it.
    at: Vec<Option<(u64, Duration)>>,
    losses: VecDeque<Duration>,
    attempts: u32,
    blame: Vec<u16>,
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
            losses: VecDeque::new(),
            attempts: 0,
            blame: vec![0; shards],
            stop: false,
        }
    }

    /// The shards are on their way out, some milliseconds at most: who looks, looks all the time.
    pub(crate) fn is_parting(&self) -> bool {
        matches!(self.phase, Phase::Parting { .. })
    }

    pub(crate) fn handle(&mut self, event: Event<'_>, now: Duration) -> Vec<Action> {
        match event {
            _ if self.phase == Phase::Over => vec![],
            Event::Look(shards) => self.look(shards, now),
            Event::Failed(error) => self.end(error),
            Event::Gone => self.end(WorkerError::new(Class::Worker, "the worker process ended")),
            Event::Ended(signal) => self.ended(signal, now),
            Event::Opened => {
                self.next = Next::Ready;
                self.attempts = 0;
                self.go_on(now)
            }
            Event::NotOpened(error) => {
                self.next = Next::None;
                self.attempts += 1;
                match self.phase {
                    Phase::Waiting(_) if self.attempts >= ATTEMPTS => self.lose(error),
                    _ if self.attempts < ATTEMPTS => self.open(),
                    // The next loss tries anew.
                    _ => vec![],
                }
            }
            Event::Running => {
                self.phase = Phase::Running;
                self.at.fill(None);
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

    fn look(&mut self, shards: &[At], now: Duration) -> Vec<Action> {
        match &self.phase {
            Phase::Launching(since) if now.saturating_sub(*since) > self.limits.launch => {
                self.end(WorkerError::new(Class::Worker, "the shards did not come up"))
            }
            Phase::Waiting(since) if now.saturating_sub(*since) > self.limits.launch => {
                self.lose(WorkerError::new(Class::Worker, "no other worker took over in time"))
            }
            Phase::Running if self.limits.replace => {
                let hung: Vec<_> = (0..shards.len().min(self.at.len())).filter(|shard| self.is_late(*shard, shards[*shard], now)).collect();
                if hung.is_empty() {
                    return vec![];
                }
                self.phase = Phase::Parting { hung, until: now + GRACE };
                vec![Action::Part]
            }
            Phase::Parting { hung, until } => {
                let others_left = shards.iter().enumerate().all(|(shard, at)| !at.running || hung.contains(&shard));
                if !others_left && now < *until {
                    return vec![];
                }
                self.end(WorkerError::new(Class::Hang, "a handler did not come to an end within its budget"))
            }
            _ => vec![],
        }
    }

    /// Whether a shard is at one message for longer than that may take.
    fn is_late(&mut self, shard: usize, at: At, now: Duration) -> bool {
        let Some((message, budget)) = at.busy else {
            self.at[shard] = None;
            return false;
        };
        match self.at[shard] {
            Some((known, since)) if known == message => now.saturating_sub(since) > budget,
            _ => {
                self.at[shard] = Some((message, now));
                false
            }
        }
    }

    fn end(&mut self, error: WorkerError) -> Vec<Action> {
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
        let Phase::Ending(mut error, hung) = mem::replace(&mut self.phase, Phase::Waiting(now)) else { return vec![] };
        if error.class == Class::Worker
            && let Some(signal) = signal
        {
            error = by_signal(signal);
        }
        if self.stop || !self.limits.replace {
            return self.lose(error);
        }
        let (most, period) = self.limits.losses;
        self.losses.push_back(now);
        while self.losses.front().is_some_and(|loss| now.saturating_sub(*loss) > period) {
            self.losses.pop_front();
        }
        if self.losses.len() > most as usize {
            error.text = format!("{}; that is more than {most} losses within {period:?}, so the device is given up", error.text);
            return self.lose(error);
        }
        self.blame.fill(blame(error.class));
        for shard in &hung {
            self.blame[*shard] = wire::FAULT_HANG;
        }
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
        vec![Action::Launch(self.blame.clone())]
    }

    fn open(&mut self) -> Vec<Action> {
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

/// What the messages that were being handled are blamed with.
fn blame(class: Class) -> u16 {
    match class {
        Class::Trap => wire::FAULT_TRAP,
        Class::IllegalAddress => wire::FAULT_ADDRESS,
        _ => wire::FAULT_WORKER,
    }
}

/// What a signal says of a worker process that ended by it.
fn by_signal(signal: i32) -> WorkerError {
    use rustix::process::Signal;
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
