//! OTP's rules told again on a list, where a start and a stop are over as soon as they are wanted, and the supervisor
//! compared with that over random histories: who is started and stopped in which order, who runs, what is answered,
//! how it ends.

use crate::world::{Answer, CRASH, SECOND, Step, World, significant};
use proptest::prelude::*;
use proptest::strategy::Strategy as _;
use resident_supervisor::{
    AdminError, AutoShutdown, ChildInfo, ChildSpec, Directive, End, Event, Exit, Flags, Outcome, Reply, Request, Restart, Status, Strategy,
};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

struct Child {
    id: String,
    /// How many were added before it.
    number: usize,
    restart: Restart,
    significant: bool,
    runs: bool,
}

struct Model {
    strategy: Strategy,
    intensity: usize,
    period: Duration,
    auto_shutdown: AutoShutdown,
    now: Duration,
    children: Vec<Child>,
    added: usize,
    restarts: Vec<Duration>,
    outcomes: HashMap<String, VecDeque<Outcome<&'static str>>>,
    steps: Vec<Step>,
    ended: bool,
}

/// A start that failed in a restart: who, and why.
type Failed = Option<(String, &'static str)>;

impl Model {
    fn is_dynamic(&self) -> bool {
        matches!(self.strategy, Strategy::Dynamic { .. })
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.children.iter().position(|child| child.id == id)
    }

    /// Starts a child that is not in the list.
    fn start(&mut self, id: &str) -> Outcome<&'static str> {
        self.steps.push(Step::Start(id.into()));
        self.outcomes.get_mut(id).and_then(VecDeque::pop_front).unwrap_or(Outcome::Running)
    }

    /// Starts those of the list that do not run, in order, up to the first that fails.
    fn start_all(&mut self, ids: &[String]) -> Failed {
        for id in ids {
            match self.start(id) {
                Outcome::Running => {
                    let at = self.position(id).unwrap();
                    self.children[at].runs = true;
                }
                Outcome::Ignored => self.del_child(id),
                Outcome::Failed(cause) | Outcome::Lost(cause) => return Some((id.clone(), cause)),
            }
        }
        None
    }

    /// Stops those of the list that run, in reverse order.
    fn stop_all(&mut self, ids: &[String]) {
        for id in ids.iter().rev() {
            self.stop(id);
        }
    }

    fn stop(&mut self, id: &str) {
        let at = self.position(id).unwrap();
        if self.children[at].runs {
            self.steps.push(Step::Stop(id.into()));
        }
        self.del_child(id);
    }

    fn del_child(&mut self, id: &str) {
        let at = self.position(id).unwrap();
        self.children[at].runs = false;
        if self.children[at].restart == Restart::Temporary || self.is_dynamic() {
            self.children.remove(at);
        }
    }

    fn ids(&self) -> Vec<String> {
        self.children.iter().map(|child| child.id.clone()).collect()
    }

    fn end(&mut self, end: End<&'static str>) {
        let mut ids = self.ids();
        if self.is_dynamic() {
            ids.reverse();
        }
        self.stop_all(&ids);
        self.steps.push(Step::Exit(end));
        self.ended = true;
    }

    fn boot(&mut self) {
        match self.start_all(&self.ids()) {
            None => self.steps.push(Step::Ready),
            Some((id, cause)) => {
                self.del_child(&id);
                self.end(End::StartFailed { child: id.as_str().into(), cause });
            }
        }
    }

    fn exit(&mut self, id: &str, exit: Exit) {
        let child = &self.children[self.position(id).unwrap()];
        let (restart, significant) = (child.restart, child.significant);
        let ended = match exit {
            Exit::Failed(Directive::Escalate) => {
                self.del_child(id);
                return self.end(End::Escalated { child: id.into(), cause: "exit" });
            }
            Exit::Failed(Directive::Resume) => return self.resume(id),
            Exit::Failed(Directive::Stop) => true,
            _ if restart == Restart::Permanent => false,
            Exit::Normal | Exit::Shutdown => true,
            _ => restart == Restart::Temporary,
        };
        if ended { self.stay_ended(id, significant) } else { self.restart(id, "exit") }
    }

    fn resume(&mut self, id: &str) {
        let outcome = self.start(id);
        self.steps.pop();
        self.steps.push(Step::Resume(id.into()));
        let child = &self.children[self.position(id).unwrap()];
        match outcome {
            Outcome::Running => {}
            Outcome::Ignored => self.del_child(id),
            Outcome::Failed(_) | Outcome::Lost(_) if child.restart == Restart::Temporary => self.stay_ended(id, child.significant),
            Outcome::Failed(cause) | Outcome::Lost(cause) => self.restart(id, cause),
        }
    }

    fn stay_ended(&mut self, id: &str, significant: bool) {
        self.del_child(id);
        let others = self.children.iter().any(|child| child.significant && child.runs);
        let shuts_down = match self.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => significant,
            AutoShutdown::AllSignificant => significant && !others,
        };
        if shuts_down {
            self.end(End::AutoShutdown { child: id.into() });
        }
    }

    fn restart(&mut self, id: &str, cause: &'static str) {
        let (mut id, mut cause) = (id.to_string(), cause);
        loop {
            let at = self.position(&id).unwrap();
            self.children[at].runs = false;
            self.restarts.retain(|&restart| restart + self.period >= self.now);
            self.restarts.push(self.now);
            if self.restarts.len() > self.intensity {
                self.del_child(&id);
                return self.end(End::Intensity { child: id.as_str().into(), cause });
            }
            let siblings = match self.strategy {
                Strategy::OneForOne | Strategy::Dynamic { .. } => Vec::new(),
                Strategy::OneForAll => self.ids(),
                Strategy::RestForOne => self.ids()[at..].to_vec(),
            };
            self.stop_all(&siblings);
            let mut ids = if siblings.is_empty() { vec![id] } else { siblings };
            ids.retain(|id| self.position(id).is_some());
            match self.start_all(&ids) {
                None => return,
                Some(failed) => (id, cause) = failed,
            }
        }
    }

    fn start_child(&mut self, spec: &ChildSpec) -> &'static str {
        if let Strategy::Dynamic { max_children: Some(limit) } = self.strategy
            && self.children.len() >= limit
        {
            return "max children";
        }
        if let Some(at) = self.position(&spec.id).filter(|_| !self.is_dynamic()) {
            return if self.children[at].runs { "already started" } else { "already present" };
        }
        let permanent = spec.significant && spec.restart == Restart::Permanent;
        if permanent || spec.significant && self.auto_shutdown == AutoShutdown::Never {
            return "invalid";
        }
        let number = self.added;
        self.added += 1;
        let outcome = self.start(&spec.id);
        let (runs, answer) = match outcome {
            Outcome::Running => (true, "started"),
            Outcome::Ignored => (false, "ignored"),
            Outcome::Failed(_) | Outcome::Lost(_) => return "start failed",
        };
        if runs || spec.restart != Restart::Temporary && !self.is_dynamic() {
            self.children.push(Child { id: spec.id.to_string(), number, restart: spec.restart, significant: spec.significant, runs });
        }
        answer
    }

    fn terminate_child(&mut self, id: &str) -> &'static str {
        if self.is_dynamic() {
            return "dynamic";
        }
        if self.position(id).is_none() {
            return "not found";
        }
        self.stop(id);
        "done"
    }

    fn terminate_number(&mut self, number: usize) -> &'static str {
        if let Some(id) = self.children.iter().find(|child| child.number == number).map(|child| child.id.clone()) {
            self.stop(&id);
        }
        "done"
    }

    fn restart_child(&mut self, id: &str) -> &'static str {
        match self.position(id).map(|at| self.children[at].runs) {
            _ if self.is_dynamic() => "dynamic",
            None => "not found",
            Some(true) => "running",
            Some(false) => match self.start(id) {
                Outcome::Running => {
                    let at = self.position(id).unwrap();
                    self.children[at].runs = true;
                    "started"
                }
                Outcome::Ignored => "ignored",
                Outcome::Failed(_) | Outcome::Lost(_) => "start failed",
            },
        }
    }

    fn delete_child(&mut self, id: &str) -> &'static str {
        match self.position(id) {
            _ if self.is_dynamic() => "dynamic",
            None => "not found",
            Some(at) if self.children[at].runs => "running",
            Some(at) => {
                self.children.remove(at);
                "done"
            }
        }
    }
}

fn told(answer: &Answer) -> &'static str {
    match answer {
        Ok(Reply::Started(_)) => "started",
        Ok(Reply::Ignored) => "ignored",
        Ok(Reply::Done) => "done",
        Err(AdminError::Invalid(_)) => "invalid",
        Err(AdminError::AlreadyStarted(_)) => "already started",
        Err(AdminError::AlreadyPresent) => "already present",
        Err(AdminError::NotFound) => "not found",
        Err(AdminError::Running) => "running",
        Err(AdminError::Dynamic) => "dynamic",
        Err(AdminError::MaxChildren(_)) => "max children",
        Err(AdminError::StartFailed(_)) => "start failed",
        Err(AdminError::Restarting) => "restarting",
        Err(AdminError::Terminated) => "terminated",
        Err(AdminError::Zombie) => "zombie",
        Err(AdminError::ShuttingDown) => "shutting down",
        Err(AdminError::Forked) => unreachable!("a model does not fork"),
    }
}

/// What happens next.
#[derive(Clone, Debug)]
enum Op {
    /// The child at this place among those that run, wrapped around, exits.
    Exit(usize, Exit),
    Outcomes(u8, Vec<Outcome<&'static str>>),
    Start(u8, Restart, bool),
    Terminate(u8),
    TerminateNumber(usize),
    Restart(u8),
    Delete(u8),
    Limits(u32, u64),
    Pass(u64),
    Shutdown,
}

fn id(number: u8) -> String {
    char::from(b'a' + number).to_string()
}

fn any_restart() -> BoxedStrategy<Restart> {
    prop_oneof![Just(Restart::Permanent), Just(Restart::Transient), Just(Restart::Temporary)].boxed()
}

fn any_exit() -> BoxedStrategy<Exit> {
    prop_oneof![
        4 => Just(CRASH),
        2 => Just(Exit::Normal),
        1 => Just(Exit::Shutdown),
        1 => Just(Exit::Killed),
        1 => Just(Exit::Lost),
        1 => Just(Exit::Failed(Directive::Resume)),
        1 => Just(Exit::Failed(Directive::Stop)),
        1 => prop_oneof![6 => Just(CRASH), 1 => Just(Exit::Failed(Directive::Escalate))],
    ]
    .boxed()
}

fn any_outcome() -> BoxedStrategy<Outcome<&'static str>> {
    prop_oneof![
        2 => Just(Outcome::Running),
        1 => Just(Outcome::Ignored),
        3 => Just(Outcome::Failed("start")),
        1 => Just(Outcome::Lost("lost")),
    ]
    .boxed()
}

fn any_op() -> BoxedStrategy<Op> {
    prop_oneof![
        8 => (any::<usize>(), any_exit()).prop_map(|(at, exit)| Op::Exit(at, exit)),
        3 => (0..6u8, prop::collection::vec(any_outcome(), 1..4)).prop_map(|(id, outcomes)| Op::Outcomes(id, outcomes)),
        4 => (0..6u8, any_restart(), any::<bool>()).prop_map(|(id, restart, significant)| Op::Start(id, restart, significant)),
        2 => (0..6u8).prop_map(Op::Terminate),
        1 => (0..8usize).prop_map(Op::TerminateNumber),
        2 => (0..6u8).prop_map(Op::Restart),
        1 => (0..6u8).prop_map(Op::Delete),
        1 => (0..6u32, 1..6u64).prop_map(|(intensity, period)| Op::Limits(intensity, period)),
        4 => (0..4u64).prop_map(Op::Pass),
        1 => prop_oneof![9 => Just(Op::Pass(1)), 1 => Just(Op::Shutdown)],
    ]
    .boxed()
}

fn any_strategy() -> BoxedStrategy<Strategy> {
    prop_oneof![
        Just(Strategy::OneForOne),
        Just(Strategy::OneForAll),
        Just(Strategy::RestForOne),
        Just(Strategy::Dynamic { max_children: None }),
        Just(Strategy::Dynamic { max_children: Some(3) }),
    ]
    .boxed()
}

fn any_auto_shutdown() -> BoxedStrategy<AutoShutdown> {
    prop_oneof![Just(AutoShutdown::Never), Just(AutoShutdown::AnySignificant), Just(AutoShutdown::AllSignificant)].boxed()
}

fn any_children() -> BoxedStrategy<Vec<(Restart, bool)>> {
    prop::collection::vec((any_restart(), any::<bool>()), 0..6).boxed()
}

struct Pair {
    world: World,
    model: Model,
    flags: Flags,
}

impl Pair {
    fn new(flags: Flags, children: Vec<(Restart, bool)>, outcomes: Vec<(u8, Outcome<&'static str>)>) -> Pair {
        let children = if matches!(flags.strategy, Strategy::Dynamic { .. }) { Vec::new() } else { children };
        let specs: Vec<ChildSpec> = (0u8..).zip(children).map(|(number, (restart, wish))| spec(&flags, number, restart, wish)).collect();
        let listed = specs.iter().enumerate().map(|(number, spec)| Child {
            id: spec.id.to_string(),
            number,
            restart: spec.restart,
            significant: spec.significant,
            runs: false,
        });
        let mut model = Model {
            strategy: flags.strategy,
            intensity: flags.intensity as usize,
            period: flags.period,
            auto_shutdown: flags.auto_shutdown,
            now: Duration::ZERO,
            children: listed.collect(),
            added: specs.len(),
            restarts: Vec::new(),
            outcomes: HashMap::new(),
            steps: Vec::new(),
            ended: false,
        };
        let mut world = World::new(flags, specs);
        for (number, outcome) in outcomes {
            world.outcomes.insert(id(number), VecDeque::from([outcome.clone()]));
            model.outcomes.insert(id(number), VecDeque::from([outcome]));
        }
        Pair { world, model, flags }
    }

    fn boot(&mut self) {
        self.model.boot();
        self.world.boot();
    }

    fn take(&mut self, op: Op) -> Result<(), TestCaseError> {
        let (world, model) = (&mut self.world, &mut self.model);
        match op {
            Op::Exit(at, exit) => {
                let running: Vec<usize> = (0..model.children.len()).filter(|&at| model.children[at].runs).collect();
                if running.is_empty() {
                    return Ok(());
                }
                let at = running[at % running.len()];
                let child = world.supervisor.which_children()[at].child;
                let id = model.children[at].id.clone();
                model.exit(&id, exit);
                world.exit_of(child, exit);
            }
            Op::Outcomes(number, outcomes) => {
                world.outcomes.insert(id(number), outcomes.clone().into());
                model.outcomes.insert(id(number), outcomes.into());
            }
            Op::Start(number, restart, wish) => {
                // Ids of dynamic children are kept apart, so that the log tells them apart.
                let number = if model.is_dynamic() { model.added as u8 } else { number };
                let spec = ChildSpec { significant: wish, ..significant(&id(number), restart) };
                prop_assert_eq!(model.start_child(&spec), told(&world.start(spec)));
            }
            Op::Terminate(number) => prop_assert_eq!(model.terminate_child(&id(number)), told(&world.terminate(&id(number)))),
            Op::TerminateNumber(number) => {
                let Some(&key) = world.keys.get(number).filter(|_| model.is_dynamic()) else { return Ok(()) };
                let answer = world.asked(Request::TerminateChild(key.into()));
                prop_assert_eq!(model.terminate_number(number), told(&answer));
            }
            Op::Restart(number) => prop_assert_eq!(model.restart_child(&id(number)), told(&world.restart(&id(number)))),
            Op::Delete(number) => prop_assert_eq!(model.delete_child(&id(number)), told(&world.delete(&id(number)))),
            Op::Limits(intensity, period) => {
                (model.intensity, model.period) = (intensity as usize, period as u32 * SECOND);
                self.flags = Flags { intensity, period: model.period, ..self.flags };
                prop_assert_eq!(world.asked(Request::Reconfigure(self.flags)), Ok(Reply::Done));
            }
            Op::Pass(seconds) => {
                world.pass(seconds as u32 * SECOND);
                model.now = world.now;
            }
            Op::Shutdown => {
                model.end(End::Stopped);
                world.tell(Event::Shutdown);
            }
        }
        Ok(())
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        prop_assert_eq!(&self.world.steps, &self.model.steps);
        let of = |info: ChildInfo| (info.id.to_string(), info.status == Status::Running);
        let seen: Vec<(String, bool)> = self.world.supervisor.which_children().into_iter().map(of).collect();
        let expected: Vec<(String, bool)> = self.model.children.iter().map(|child| (child.id.clone(), child.runs)).collect();
        prop_assert_eq!(seen, expected);
        Ok(())
    }
}

/// A specification that is right: significant only where it may be.
fn spec(flags: &Flags, number: u8, restart: Restart, wish: bool) -> ChildSpec {
    let may = restart != Restart::Permanent && flags.auto_shutdown != AutoShutdown::Never;
    ChildSpec { significant: wish && may, ..significant(&id(number), restart) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_supervisor_does_what_the_list_does(
        strategy in any_strategy(),
        intensity in 0..6u32,
        period in 1..6u64,
        auto_shutdown in any_auto_shutdown(),
        children in any_children(),
        outcomes in prop::collection::vec((0..6u8, any_outcome()), 0..2),
        ops in prop::collection::vec(any_op(), 0..40),
    ) {
        let flags = Flags { strategy, intensity, period: period as u32 * SECOND, auto_shutdown, ..Flags::default() };
        let mut pair = Pair::new(flags, children, outcomes);
        pair.boot();
        pair.compare()?;
        for op in ops {
            if pair.model.ended {
                break;
            }
            pair.take(op)?;
            pair.compare()?;
        }
    }
}
