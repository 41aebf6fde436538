//! Whose turn it is: who is stopped and started now, given who still stops and starts. In order, one at a time, while
//! the supervisor starts or shuts down and where children restart in groups; else everyone at once.

use super::{Phase, Supervisor};
use crate::children::Stage;
use crate::{Action, AdminError, Child, ChildKey, Shutdown, Start};
use std::time::Duration;

impl<C> Supervisor<C> {
    pub(super) fn take_turns(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Ended) {
            return;
        }
        self.pass_deadlines(now);
        self.stop_next(now);
        match self.phase {
            Phase::Booting | Phase::Running => self.start_next(),
            Phase::Ending(_) => self.exit_when_empty(),
            Phase::New | Phase::Ended => {}
        }
        self.ask_for_wake();
    }

    fn in_order(&self) -> bool {
        !self.flags.is_dynamic() && (self.flags.restarts_groups() || !matches!(self.phase, Phase::Running))
    }

    fn pass_deadlines(&mut self, now: Duration) {
        while let Some((_, key)) = self.children.next_deadline().filter(|&(at, _)| at <= now) {
            match self.children.get(key).map(|record| record.stage()) {
                Some(Stage::Stopping) => self.kill(key, now),
                Some(Stage::Killing) => self.give_up_on(key),
                _ => self.children.set(key, Stage::Ready, None),
            }
        }
    }

    fn stop_next(&mut self, now: Duration) {
        let condemned = self.children.at(Stage::Condemned);
        if !self.in_order() {
            for key in condemned.clone() {
                self.stop(key, now);
            }
        } else if let Some(&last) = condemned.last()
            && [Stage::Stopping, Stage::Killing].iter().all(|&stage| self.children.at(stage).last() < Some(&last))
        {
            self.stop(last, now);
        }
    }

    fn start_next(&mut self) {
        if !self.in_order() {
            for key in self.children.at(Stage::Ready).clone() {
                self.start(key);
            }
            return;
        }
        if self.children.any_at(&Stage::LEAVING) || self.children.any_at(&[Stage::Starting]) {
            return;
        }
        let groups = self.flags.restarts_groups();
        let waiting = [Stage::Delayed, Stage::AwaitsDevice];
        match self.children.at(Stage::Ready).first().copied() {
            Some(first) => {
                // In a group, a child's successors need it.
                let blocked = waiting.iter().any(|&stage| self.children.at(stage).first().is_some_and(|&key| key < first));
                if !(groups && blocked) {
                    self.start(first);
                }
            }
            None if matches!(self.phase, Phase::Booting) && !(groups && self.children.any_at(&waiting)) => self.be_ready(),
            None => {}
        }
    }

    fn exit_when_empty(&mut self) {
        if self.children.any_at(&Stage::LEAVING) {
            return;
        }
        if let Phase::Ending(end) = std::mem::replace(&mut self.phase, Phase::Ended) {
            self.actions.push(Action::Exit(end));
        }
    }

    fn start(&mut self, key: ChildKey) {
        let Some(record) = self.children.get_mut(key) else { return };
        record.incarnation += 1;
        record.since = None;
        if let Some(device) = &record.spec.device {
            record.device_starts = self.device_starts.get(device).copied().unwrap_or(0);
        }
        let (child, start) = (Child { key, incarnation: record.incarnation }, record.start);
        if start == Start::Resume {
            record.start = Start::Again;
        }
        self.actions.push(Action::Start { child, start });
        self.children.set(key, Stage::Starting, None);
    }

    fn stop(&mut self, key: ChildKey, now: Duration) {
        let Some(record) = self.children.get(key) else { return };
        let child = Child { key, incarnation: record.incarnation };
        let (drain, deadline) = match record.spec.shutdown {
            Shutdown::BrutalKill => return self.kill(key, now),
            Shutdown::Timeout(limit) => (false, Some(now.saturating_add(limit))),
            Shutdown::Drain(limit) => (true, Some(now.saturating_add(limit))),
            Shutdown::Infinity => (false, None),
        };
        self.actions.push(Action::Stop { child, drain });
        self.children.set(key, Stage::Stopping, deadline);
    }

    fn kill(&mut self, key: ChildKey, now: Duration) {
        let Some(record) = self.children.get(key) else { return };
        self.actions.push(Action::Kill { child: Child { key, incarnation: record.incarnation } });
        self.children.set(key, Stage::Killing, Some(now.saturating_add(self.flags.kill_bound)));
    }

    /// Goes on without a child that does not answer the kill.
    fn give_up_on(&mut self, key: ChildKey) {
        let Some(record) = self.children.get_mut(key) else { return };
        self.actions.push(Action::Zombie { child: Child { key, incarnation: record.incarnation } });
        for request in std::mem::take(&mut record.stoppers) {
            self.reply(request, Err(AdminError::Zombie));
        }
        self.children.set(key, Stage::Zombie, None);
    }

    fn ask_for_wake(&mut self) {
        if let Some((at, _)) = self.children.next_deadline()
            && self.wakes.first().is_none_or(|&wake| at < wake)
        {
            self.wakes.insert(at);
            self.actions.push(Action::Wake { at });
        }
    }
}
