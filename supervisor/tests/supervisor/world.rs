//! A carrier of children that do at once what they are told, unless a test says otherwise.

use resident_supervisor::{
    Action, AdminError, Child, ChildKey, ChildSpec, Directive, End, Event, Exit, Flags, Outcome, Reply, Request, RequestId, Restart, Start,
    Status, Strategy, Supervisor,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

pub type Answer = Result<Reply, AdminError<&'static str>>;

pub const SECOND: Duration = Duration::from_secs(1);
pub const CRASH: Exit = Exit::Failed(Directive::Restart);

/// What the supervisor had done, by the children's ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Start(String),
    Resume(String),
    Stop(String),
    Drain(String),
    Kill(String),
    Zombie(String),
    Ready,
    Exit(End<&'static str>),
}

pub struct World {
    pub supervisor: Supervisor<&'static str>,
    pub now: Duration,
    pub steps: Vec<Step>,
    /// How the next starts of a child go; those after them go well.
    pub outcomes: HashMap<String, VecDeque<Outcome<&'static str>>>,
    /// Children whose starts do not end.
    pub hanging: HashSet<String>,
    /// Children that do not listen when asked to stop.
    pub stubborn: HashSet<String>,
    /// Children that do not go when killed.
    pub immortal: HashSet<String>,
    pub answers: BTreeMap<RequestId, Answer>,
    /// What was retired, and whether it was forgotten.
    pub retired: Vec<(String, bool)>,
    /// In the order in which the children were added.
    pub keys: Vec<ChildKey>,
    wakes: BTreeSet<Duration>,
    ids: BTreeMap<ChildKey, String>,
    specs: HashMap<RequestId, String>,
    requests: u64,
}

impl World {
    pub fn new(flags: Flags, specs: impl IntoIterator<Item = ChildSpec>) -> World {
        let supervisor = Supervisor::new(flags, specs, 1).expect("the specifications are right");
        let ids = supervisor.which_children().into_iter().map(|info| (info.child.key, info.id.to_string()));
        let ids: BTreeMap<ChildKey, String> = ids.collect();
        World {
            supervisor,
            now: Duration::ZERO,
            steps: Vec::new(),
            outcomes: HashMap::new(),
            hanging: HashSet::new(),
            stubborn: HashSet::new(),
            immortal: HashSet::new(),
            answers: BTreeMap::new(),
            retired: Vec::new(),
            keys: ids.keys().copied().collect(),
            wakes: BTreeSet::new(),
            ids,
            specs: HashMap::new(),
            requests: 0,
        }
    }

    /// A world whose children have all started, with nothing in its log.
    pub fn booted(flags: Flags, specs: impl IntoIterator<Item = ChildSpec>) -> World {
        let mut world = World::new(flags, specs);
        world.boot();
        assert_eq!(world.steps.pop(), Some(Step::Ready));
        world.steps.clear();
        world
    }

    pub fn boot(&mut self) {
        self.tell(Event::Boot);
    }

    /// Tells the supervisor, does what it answers, and tells it how that went, until it has nothing more to say.
    pub fn tell(&mut self, event: Event<&'static str>) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.supervisor.handle(event, self.now) {
                events.extend(self.carry_out(action));
            }
        }
    }

    fn carry_out(&mut self, action: Action<&'static str>) -> Option<Event<&'static str>> {
        match action {
            Action::Start { child, start } => {
                let id = self.id(child.key);
                self.steps.push(if start == Start::Resume { Step::Resume(id.clone()) } else { Step::Start(id.clone()) });
                if self.hanging.contains(&id) {
                    return None;
                }
                let outcome = self.outcomes.get_mut(&id).and_then(VecDeque::pop_front).unwrap_or(Outcome::Running);
                return Some(Event::Started { child, outcome });
            }
            Action::Stop { child, drain } => {
                let id = self.id(child.key);
                self.steps.push(if drain { Step::Drain(id.clone()) } else { Step::Stop(id.clone()) });
                if !self.stubborn.contains(&id) {
                    return Some(Event::Exited { child, exit: Exit::Shutdown, cause: "asked" });
                }
            }
            Action::Kill { child } => {
                let id = self.id(child.key);
                self.steps.push(Step::Kill(id.clone()));
                if !self.immortal.contains(&id) {
                    return Some(Event::Exited { child, exit: Exit::Killed, cause: "killed" });
                }
            }
            Action::Zombie { child } => self.steps.push(Step::Zombie(self.id(child.key))),
            Action::Retire { child, forget } => self.retired.push((self.id(child), forget)),
            Action::Accept { request, child } => {
                self.keys.push(child);
                self.ids.insert(child, self.specs[&request].clone());
            }
            Action::Reply { request, reply } => assert!(self.answers.insert(request, reply).is_none(), "answered twice"),
            Action::Wake { at } => assert!(self.wakes.insert(at), "asked twice for one wake"),
            Action::Ready => self.steps.push(Step::Ready),
            Action::Exit(end) => self.steps.push(Step::Exit(end)),
        }
        None
    }

    /// Lets time pass, and every wake come at its time.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.wakes.first().copied().filter(|&at| at <= end) {
            self.wakes.remove(&at);
            self.now = at;
            self.tell(Event::Wake { at });
        }
        self.now = end;
    }

    pub fn exit(&mut self, id: &str, exit: Exit) {
        let child = self.child(id);
        self.exit_of(child, exit);
    }

    pub fn exit_of(&mut self, child: Child, exit: Exit) {
        self.tell(Event::Exited { child, exit, cause: "exit" });
    }

    pub fn started(&mut self, id: &str, outcome: Outcome<&'static str>) {
        let child = self.child(id);
        self.tell(Event::Started { child, outcome });
    }

    /// Asks for something; the answer may come later.
    pub fn ask(&mut self, request: Request) -> RequestId {
        let id = RequestId(self.requests);
        self.requests += 1;
        if let Request::StartChild(spec) = &request {
            self.specs.insert(id, spec.id.to_string());
        }
        self.tell(Event::Request { id, request });
        id
    }

    /// Asks for something that is answered at once.
    pub fn asked(&mut self, request: Request) -> Answer {
        let id = self.ask(request);
        self.answers.remove(&id).expect("answered at once")
    }

    pub fn start(&mut self, spec: ChildSpec) -> Answer {
        self.asked(Request::StartChild(spec))
    }

    pub fn terminate(&mut self, id: &str) -> Answer {
        self.asked(Request::TerminateChild(id.into()))
    }

    pub fn restart(&mut self, id: &str) -> Answer {
        self.asked(Request::RestartChild(id.into()))
    }

    pub fn delete(&mut self, id: &str) -> Answer {
        self.asked(Request::DeleteChild(id.into()))
    }

    /// The present incarnation of the first child of this id.
    pub fn child(&self, id: &str) -> Child {
        self.supervisor.which_children().into_iter().find(|info| &*info.id == id).expect("a child of this id").child
    }

    pub fn status(&self, id: &str) -> Option<Status> {
        self.supervisor.which_children().into_iter().find(|info| &*info.id == id).map(|info| info.status)
    }

    pub fn running(&self) -> Vec<String> {
        let children = self.supervisor.which_children().into_iter();
        children.filter(|info| info.status == Status::Running).map(|info| info.id.to_string()).collect()
    }

    /// What was done since this was asked last.
    pub fn log(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }

    fn id(&self, key: ChildKey) -> String {
        self.ids[&key].clone()
    }
}

pub fn flags(strategy: Strategy, intensity: u32) -> Flags {
    Flags { strategy, intensity, ..Flags::default() }
}

pub fn child(id: &str, restart: Restart) -> ChildSpec {
    ChildSpec { restart, ..ChildSpec::worker(id) }
}

pub fn significant(id: &str, restart: Restart) -> ChildSpec {
    ChildSpec { significant: true, ..child(id, restart) }
}

pub fn on(device: &str, id: &str) -> ChildSpec {
    ChildSpec { device: Some(device.into()), ..ChildSpec::worker(id) }
}

pub fn workers<const N: usize>(ids: [&str; N]) -> Vec<ChildSpec> {
    ids.into_iter().map(ChildSpec::worker).collect()
}

pub fn start(id: &str) -> Step {
    Step::Start(id.into())
}

pub fn stop(id: &str) -> Step {
    Step::Stop(id.into())
}

pub fn kill(id: &str) -> Step {
    Step::Kill(id.into())
}
