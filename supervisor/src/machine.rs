//! The supervisor: what each event means for the children (`machine/exits.rs`, `machine/admin.rs`), and, after
//! every event, who may be stopped and started now (`machine/turns.rs`).

mod admin;
mod exits;
mod turns;

use crate::backoff::Jitter;
use crate::children::{Children, Stage};
use crate::intensity::Intensity;
use crate::{Action, AdminError, ChildInfo, ChildKey, ChildSpec, Counts, End, Event, Flags, Invalid, Kind, Reply, RequestId};
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// A supervisor. `C` is what the carrier knows of why a child ended.
#[derive(Debug)]
pub struct Supervisor<C> {
    flags: Flags,
    phase: Phase<C>,
    children: Children,
    intensity: Intensity,
    jitter: Jitter,
    /// How many times each device was started or became available.
    device_starts: HashMap<Arc<str>, u64>,
    /// The wakes that are still to come.
    wakes: BTreeSet<Duration>,
    actions: Vec<Action<C>>,
}

#[derive(Debug)]
enum Phase<C> {
    New,
    Booting,
    Running,
    Ending(End<C>),
    Ended,
}

impl<C> Supervisor<C> {
    /// A supervisor that has started nothing yet, with the children that [`Event::Boot`] starts, in this order.
    /// `seed` is what the jitter of backoffs is drawn from.
    pub fn new(flags: Flags, children: impl IntoIterator<Item = ChildSpec>, seed: u64) -> Result<Supervisor<C>, Invalid> {
        flags.check()?;
        let mut supervisor = Supervisor {
            flags,
            phase: Phase::New,
            children: Children::new(!flags.is_dynamic()),
            intensity: Intensity::default(),
            jitter: Jitter(seed),
            device_starts: HashMap::new(),
            wakes: BTreeSet::new(),
            actions: Vec::new(),
        };
        for spec in children {
            if flags.is_dynamic() {
                return Err(Invalid::DynamicWithChildren);
            }
            supervisor.check(&spec)?;
            if supervisor.children.find(&spec.id).is_some() {
                return Err(Invalid::DuplicateId(spec.id));
            }
            supervisor.children.add(spec, None);
        }
        Ok(supervisor)
    }

    /// Takes in what happened and answers what to do. `now` is the time since any moment, always the same one, and
    /// does not go back.
    pub fn handle(&mut self, event: Event<C>, now: Duration) -> Vec<Action<C>> {
        match event {
            Event::Request { id, request } => self.request(id, request),
            _ if matches!(self.phase, Phase::Ended) => {}
            Event::Boot => self.boot(),
            Event::Shutdown => self.end(End::Stopped),
            Event::Started { child, outcome } => self.started(child, outcome, now),
            Event::Exited { child, exit, cause } => self.exited(child, exit, cause, now),
            Event::Available { device } => self.available(&device),
            Event::Wake { at } => _ = self.wakes.remove(&at),
        }
        self.take_turns(now);
        std::mem::take(&mut self.actions)
    }

    /// The children in start order.
    pub fn which_children(&self) -> Vec<ChildInfo> {
        self.children.iter().filter_map(|(key, _)| self.children.info(key)).collect()
    }

    /// How many children there are.
    pub fn count_children(&self) -> Counts {
        let active = [Stage::Running, Stage::Condemned, Stage::Stopping, Stage::Killing, Stage::Zombie];
        let supervisors = self.children.iter().filter(|(_, record)| record.spec.kind == Kind::Supervisor).count();
        Counts {
            specs: self.children.len(),
            active: active.iter().map(|&stage| self.children.at(stage).len()).sum(),
            supervisors,
            workers: self.children.len() - supervisors,
        }
    }

    /// The child of this id; none under a dynamic supervisor.
    pub fn find(&self, id: &str) -> Option<ChildKey> {
        self.children.find(id)
    }

    /// What is known of a child.
    pub fn child(&self, key: ChildKey) -> Option<ChildInfo> {
        self.children.info(key)
    }

    fn boot(&mut self) {
        match self.phase {
            Phase::New if self.flags.is_dynamic() => self.be_ready(),
            Phase::New => self.phase = Phase::Booting,
            Phase::Booting | Phase::Running | Phase::Ending(_) | Phase::Ended => {}
        }
    }

    fn be_ready(&mut self) {
        self.phase = Phase::Running;
        self.actions.push(Action::Ready);
    }

    /// Begins the shutdown, unless it has begun.
    fn end(&mut self, end: End<C>) {
        if self.is_ending() {
            return;
        }
        self.phase = Phase::Ending(end);
        for key in self.children.keys_from(Bound::Unbounded) {
            self.unwant(key, AdminError::ShuttingDown);
        }
    }

    fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending(_) | Phase::Ended)
    }

    /// Sees to it that a child stops, if it has not, and that nobody starts it but a request.
    fn unwant(&mut self, key: ChildKey, starter_told: AdminError<C>) {
        let Some(record) = self.children.get_mut(key) else { return };
        record.wanted = false;
        let (stage, starter) = (record.stage(), record.starter.take());
        if let Some(request) = starter {
            self.reply(request, Err(starter_told));
        }
        match stage {
            Stage::Delayed | Stage::AwaitsDevice | Stage::Ready => self.retire(key),
            Stage::Starting | Stage::Running => self.children.set(key, Stage::Condemned, None),
            Stage::Idle | Stage::Condemned | Stage::Stopping | Stage::Killing | Stage::Zombie => {}
        }
    }

    /// Notes that a child has no process and that none is coming; forgets it if its kind is not kept.
    fn retire(&mut self, key: ChildKey) {
        let Some(record) = self.children.get_mut(key) else { return };
        if record.is_temporary() || self.flags.is_dynamic() {
            return self.forget(key);
        }
        record.wanted = false;
        self.actions.push(Action::Retire { child: key, forget: false });
        self.dismiss(key);
        self.children.set(key, Stage::Idle, None);
    }

    /// Forgets a child that has no process.
    fn forget(&mut self, key: ChildKey) {
        self.actions.push(Action::Retire { child: key, forget: true });
        self.dismiss(key);
        self.children.remove(key);
    }

    /// Answers those who wait for the start or the stop of a child that has no process and gets none.
    fn dismiss(&mut self, key: ChildKey) {
        let starter = self.children.get_mut(key).and_then(|record| record.starter.take());
        if let Some(request) = starter {
            self.reply(request, Err(AdminError::Terminated));
        }
        self.answer_stoppers(key);
    }

    /// Answers those who wait for a child to be gone.
    fn answer_stoppers(&mut self, key: ChildKey) {
        let stoppers = self.children.get_mut(key).map(|record| std::mem::take(&mut record.stoppers));
        for request in stoppers.into_iter().flatten() {
            self.reply(request, Ok(Reply::Done));
        }
    }

    fn reply(&mut self, request: RequestId, reply: Result<Reply, AdminError<C>>) {
        self.actions.push(Action::Reply { request, reply });
    }
}
