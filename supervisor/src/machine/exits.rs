//! What becomes of a child that started, did not start, or ended.

use super::{Phase, Supervisor};
use crate::children::Stage;
use crate::exit::Verdict;
use crate::{AdminError, AutoShutdown, Child, ChildKey, End, Exit, Kind, Outcome, Reply, Start, Strategy};
use std::ops::Bound;
use std::time::Duration;

impl<C> Supervisor<C> {
    /// The stage of a child whose present incarnation is `child`, and whether that has started.
    fn present(&self, child: Child) -> Option<(Stage, bool)> {
        let record = self.children.get(child.key).filter(|record| record.incarnation == child.incarnation)?;
        Some((record.stage(), record.since.is_some()))
    }

    pub(super) fn started(&mut self, child: Child, outcome: Outcome<C>, now: Duration) {
        let Some((stage, false)) = self.present(child) else { return };
        match (stage, outcome) {
            (Stage::Starting, Outcome::Running) => self.runs(child, now),
            (Stage::Starting, Outcome::Ignored) => self.ignored(child.key),
            (Stage::Starting, Outcome::Failed(cause)) => self.start_failed(child.key, false, cause, now),
            (Stage::Starting, Outcome::Lost(cause)) => self.start_failed(child.key, true, cause, now),
            (_, Outcome::Running) => self.note_start(child.key, now),
            (_, Outcome::Ignored | Outcome::Failed(_)) => self.gone(child.key, stage, false),
            (_, Outcome::Lost(_)) => self.gone(child.key, stage, true),
        }
    }

    pub(super) fn exited(&mut self, child: Child, exit: Exit, cause: C, now: Duration) {
        let Some((stage, _)) = self.present(child) else { return };
        match stage {
            Stage::Starting => {
                self.runs(child, now);
                self.ended(child.key, exit, cause, now);
            }
            Stage::Running => self.ended(child.key, exit, cause, now),
            _ => self.gone(child.key, stage, exit == Exit::Lost),
        }
    }

    /// A device is there for those who wait for it.
    pub(super) fn available(&mut self, device: &str) {
        *self.device_starts.entry(device.into()).or_default() += 1;
        for key in self.children.at(Stage::AwaitsDevice).clone() {
            if self.children.get(key).is_some_and(|record| record.spec.device.as_deref() == Some(device)) {
                self.children.set(key, Stage::Ready, None);
            }
        }
    }

    fn note_start(&mut self, key: ChildKey, now: Duration) {
        if let Some(record) = self.children.get_mut(key) {
            record.since = Some(now);
            record.start = Start::Again;
        }
    }

    fn runs(&mut self, child: Child, now: Duration) {
        self.note_start(child.key, now);
        self.children.set(child.key, Stage::Running, None);
        let Some(record) = self.children.get_mut(child.key) else { return };
        let device = (record.spec.kind == Kind::Device).then(|| record.spec.id.clone());
        if let Some(request) = record.starter.take() {
            self.reply(request, Ok(Reply::Started(child)));
        }
        if let Some(device) = device {
            self.available(&device);
        }
    }

    fn ignored(&mut self, key: ChildKey) {
        let Some(record) = self.children.get_mut(key) else { return };
        record.start = Start::Again;
        if let Some(request) = record.starter.take() {
            self.reply(request, Ok(Reply::Ignored));
        }
        self.retire(key);
    }

    fn start_failed(&mut self, key: ChildKey, lost: bool, cause: C, now: Duration) {
        let Some(record) = self.children.get_mut(key) else { return };
        let first = record.start == Start::First;
        if let Some(request) = record.starter.take() {
            self.reply(request, Err(AdminError::StartFailed(cause)));
            if first { self.forget(key) } else { self.retire(key) }
        } else if first && matches!(self.phase, Phase::Booting) {
            let child = record.spec.id.clone();
            self.retire(key);
            self.end(End::StartFailed { child, cause });
        } else if record.is_temporary() {
            self.ends_for_good(key);
        } else {
            self.restart(key, lost, cause, now);
        }
    }

    /// A child that was to run no longer does.
    fn ended(&mut self, key: ChildKey, exit: Exit, cause: C, now: Duration) {
        let Some(record) = self.children.get_mut(key) else { return };
        match exit.verdict(record.spec.restart) {
            Verdict::Restart => self.restart(key, exit == Exit::Lost, cause, now),
            Verdict::Resume => {
                record.start = Start::Resume;
                self.children.set(key, Stage::Ready, None);
            }
            Verdict::End => self.ends_for_good(key),
            Verdict::Escalate => {
                let child = record.spec.id.clone();
                self.retire(key);
                self.end(End::Escalated { child, cause });
            }
        }
    }

    fn ends_for_good(&mut self, key: ChildKey) {
        let Some(record) = self.children.get(key) else { return };
        let (child, significant) = (record.spec.id.clone(), record.spec.significant);
        self.retire(key);
        let shuts_down = significant
            && match self.flags.auto_shutdown {
                AutoShutdown::Never => false,
                AutoShutdown::AnySignificant => true,
                AutoShutdown::AllSignificant => !self.children.iter().any(|(_, record)| record.spec.significant && record.wanted),
            };
        if shuts_down {
            self.end(End::AutoShutdown { child });
        }
    }

    /// A child that was asked to stop, or was a zombie, is gone.
    fn gone(&mut self, key: ChildKey, stage: Stage, lost: bool) {
        let Some(record) = self.children.get(key) else { return };
        match stage {
            Stage::Condemned | Stage::Stopping | Stage::Killing | Stage::Zombie => {}
            Stage::Idle | Stage::Delayed | Stage::AwaitsDevice | Stage::Ready | Stage::Starting | Stage::Running => return,
        }
        if !record.wanted {
            return self.retire(key);
        }
        self.await_turn(key, lost);
        self.answer_stoppers(key);
        if stage == Stage::Zombie {
            // Its siblings went on without it.
            self.restart_siblings(key);
        }
    }

    /// Starts a child again that ended or did not start, and whoever the strategy says; gives up if that is once too often.
    fn restart(&mut self, key: ChildKey, lost: bool, cause: C, now: Duration) {
        let Some(record) = self.children.get_mut(key) else { return };
        record.start = Start::Again;
        if let Some(device) = record.spec.device.clone().filter(|_| lost) {
            self.await_turn(key, lost);
            // A device that is a sibling restarts those after it when its own exit comes.
            if self.children.device_before(key, &device).is_none() {
                self.restart_siblings(key);
            }
            return;
        }
        if !self.intensity.admit(self.flags.intensity, self.flags.period, now) {
            let child = record.spec.id.clone();
            self.retire(key);
            return self.end(End::Intensity { child, cause });
        }
        let mut delay = Duration::ZERO;
        if let Some(backoff) = record.spec.backoff {
            if record.since.is_some_and(|since| now.saturating_sub(since) >= backoff.reset_after) {
                record.attempts = 0;
            }
            delay = backoff.delay(record.attempts, &mut self.jitter);
            record.attempts = record.attempts.saturating_add(1);
        }
        match delay {
            Duration::ZERO => self.children.set(key, Stage::Ready, None),
            delay => self.children.set(key, Stage::Delayed, Some(now.saturating_add(delay))),
        }
        self.restart_siblings(key);
    }

    /// Has a child wait for its turn to start, or, if its device was lost, for a start of the device since its own.
    fn await_turn(&mut self, key: ChildKey, lost: bool) {
        let Some(record) = self.children.get(key) else { return };
        let waits = record.spec.device.as_ref().is_some_and(|device| {
            let starts = self.device_starts.get(device).copied().unwrap_or(0);
            lost && starts <= record.device_starts
        });
        self.children.set(key, if waits { Stage::AwaitsDevice } else { Stage::Ready }, None);
    }

    /// Has the strategy's siblings of a child that is started again stopped, and then started too.
    fn restart_siblings(&mut self, key: ChildKey) {
        let first = match self.flags.strategy {
            Strategy::OneForOne | Strategy::Dynamic { .. } => return,
            Strategy::RestForOne => Bound::Excluded(key),
            Strategy::OneForAll => Bound::Unbounded,
        };
        for sibling in self.children.keys_from(first).into_iter().filter(|&sibling| sibling != key) {
            self.restart_sibling(sibling);
        }
    }

    fn restart_sibling(&mut self, sibling: ChildKey) {
        let Some(record) = self.children.get_mut(sibling) else { return };
        match record.stage() {
            Stage::Starting | Stage::Running => {
                record.wanted = !record.is_temporary();
                self.children.set(sibling, Stage::Condemned, None);
            }
            Stage::Condemned | Stage::Stopping | Stage::Killing | Stage::Zombie => record.wanted = !record.is_temporary(),
            Stage::Idle => {
                (record.wanted, record.start) = (true, Start::Again);
                self.children.set(sibling, Stage::Ready, None);
            }
            // It was to go on where it was; now it is restarted like the others.
            Stage::Ready if record.start == Start::Resume && record.is_temporary() => self.retire(sibling),
            Stage::Ready if record.start == Start::Resume => record.start = Start::Again,
            Stage::Delayed | Stage::AwaitsDevice | Stage::Ready => {}
        }
    }
}
