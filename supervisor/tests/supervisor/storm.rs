//! Random histories in which starts, stops, exits, requests and wakes overlap, come late, twice or never. Whatever
//! happens, no child has two incarnations, order is kept, nobody waits for nothing, every request is answered once, and
//! a shutdown ends.

use crate::world::{CRASH, SECOND, child, on, significant};
use proptest::prelude::*;
use proptest::strategy::Strategy as _;
use resident_supervisor::{
    Action, AutoShutdown, Backoff, Child, ChildKey, ChildSpec, Directive, Event, Exit, Flags, Outcome, Request, RequestId, Restart,
    Shutdown, Status, Strategy, Supervisor,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What the supervisor believes to have a process, and what it told it.
#[derive(Debug)]
struct Process {
    incarnation: u64,
    starting: bool,
    asked: bool,
    killed: bool,
    zombie: bool,
}

impl Process {
    fn is_leaving(&self) -> bool {
        (self.asked || self.killed) && !self.zombie
    }
}

struct Storm {
    supervisor: Supervisor<()>,
    flags: Flags,
    now: Duration,
    processes: BTreeMap<ChildKey, Process>,
    incarnations: BTreeMap<ChildKey, u64>,
    wakes: BTreeSet<Duration>,
    history: Vec<Event<()>>,
    unanswered: BTreeSet<RequestId>,
    requests: u64,
    ready: bool,
    shutting_down: bool,
    exited: bool,
}

/// One thing that happens: which, to whom, and how.
type Gust = (u8, usize, u8);

impl Storm {
    fn new(flags: Flags, specs: Vec<ChildSpec>) -> Storm {
        Storm {
            supervisor: Supervisor::new(flags, specs, 7).expect("the specifications are right"),
            flags,
            now: Duration::ZERO,
            processes: BTreeMap::new(),
            incarnations: BTreeMap::new(),
            wakes: BTreeSet::new(),
            history: Vec::new(),
            unanswered: BTreeSet::new(),
            requests: 0,
            ready: false,
            shutting_down: false,
            exited: false,
        }
    }

    fn is_dynamic(&self) -> bool {
        matches!(self.flags.strategy, Strategy::Dynamic { .. })
    }

    fn tell(&mut self, event: Event<()>) {
        self.history.push(event.clone());
        self.shutting_down |= event == Event::Shutdown;
        for action in self.supervisor.handle(event, self.now) {
            self.carry_out(action);
        }
        self.check_views();
    }

    fn carry_out(&mut self, action: Action<()>) {
        assert!(!self.exited || matches!(action, Action::Reply { .. }), "{action:?} after the exit");
        match action {
            Action::Start { child, .. } => {
                let last = self.incarnations.insert(child.key, child.incarnation).unwrap_or(0);
                assert_eq!(child.incarnation, last + 1);
                assert!(!self.shutting_down);
                let one_by_one = !matches!(self.flags.strategy, Strategy::OneForOne | Strategy::Dynamic { .. }) || !self.ready;
                if one_by_one && !self.is_dynamic() {
                    assert!(self.processes.values().all(|process| !process.starting && !process.is_leaving() || process.zombie));
                }
                let process = Process { incarnation: child.incarnation, starting: true, asked: false, killed: false, zombie: false };
                assert!(self.processes.insert(child.key, process).is_none(), "two incarnations of {child:?}");
            }
            Action::Stop { child, .. } => {
                self.check_stop_order(child.key);
                let process = self.present(child);
                assert!(!process.asked && !process.killed);
                process.asked = true;
            }
            Action::Kill { child } => {
                let process = self.present(child);
                assert!(!process.killed);
                process.killed = true;
                if !process.asked {
                    self.check_stop_order(child.key);
                }
            }
            Action::Zombie { child } => {
                let process = self.present(child);
                assert!(process.killed);
                process.zombie = true;
            }
            Action::Retire { child, .. } => assert!(!self.processes.contains_key(&child)),
            Action::Reply { request, .. } => assert!(self.unanswered.remove(&request), "answered twice"),
            Action::Wake { at } => assert!(self.wakes.insert(at)),
            Action::Ready => assert!(!std::mem::replace(&mut self.ready, true)),
            Action::Exit(_) => {
                assert!(self.processes.values().all(|process| process.zombie));
                self.exited = true;
            }
            Action::Accept { .. } => {}
        }
    }

    /// In a shutdown, whoever started later is gone.
    fn check_stop_order(&self, key: ChildKey) {
        if self.shutting_down && !self.is_dynamic() {
            let later = (std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded);
            assert!(self.processes.range(later).all(|(_, process)| process.zombie));
        }
    }

    fn check_views(&self) {
        if self.exited {
            return;
        }
        let children = self.supervisor.which_children();
        for info in &children {
            let process = self.processes.get(&info.child.key).filter(|process| process.incarnation == info.child.incarnation);
            assert_eq!(process.is_some(), !matches!(info.status, Status::Stopped | Status::Restarting), "{info:?}");
            assert_eq!(process.is_some_and(|process| process.zombie), info.status == Status::Zombie);
        }
        assert!(self.processes.keys().all(|&key| self.supervisor.child(key).is_some()));
    }

    fn present(&mut self, child: Child) -> &mut Process {
        let process = self.processes.get_mut(&child.key).expect("a process");
        assert_eq!(process.incarnation, child.incarnation);
        process
    }

    fn pick(&self, at: usize, is_meant: impl Fn(&Process) -> bool) -> Option<Child> {
        let meant: Vec<_> = self.processes.iter().filter(|(_, process)| is_meant(process)).collect();
        let (&key, process) = *meant.get(at.checked_rem(meant.len())?)?;
        Some(Child { key, incarnation: process.incarnation })
    }

    fn exits(&mut self, child: Child, exit: Exit) {
        self.processes.remove(&child.key);
        self.tell(Event::Exited { child, exit, cause: () });
    }

    fn finish_start(&mut self, child: Child, outcome: Outcome<()>) {
        if outcome == Outcome::Running {
            self.present(child).starting = false;
        } else {
            self.processes.remove(&child.key);
        }
        self.tell(Event::Started { child, outcome });
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        while let Some(at) = self.wakes.first().copied().filter(|&at| at <= self.now) {
            self.wakes.remove(&at);
            self.tell(Event::Wake { at });
        }
    }

    fn blow(&mut self, (what, whom, how): Gust) {
        match what {
            0..=5 => {
                let outcomes =
                    [Outcome::Running, Outcome::Failed(()), Outcome::Running, Outcome::Ignored, Outcome::Running, Outcome::Lost(())];
                if let Some(child) = self.pick(whom, |process| process.starting) {
                    self.finish_start(child, outcomes[how as usize % outcomes.len()].clone());
                }
            }
            6..=8 => {
                let exits = [CRASH, Exit::Normal, Exit::Killed, Exit::Lost, Exit::Failed(Directive::Resume), Exit::Failed(Directive::Stop)];
                if let Some(child) = self.pick(whom, |_| true) {
                    self.exits(child, exits[how as usize % exits.len()]);
                }
            }
            9..=11 => {
                if let Some(child) = self.pick(whom, |process| process.asked || process.killed) {
                    self.exits(child, Exit::Shutdown);
                }
            }
            12..=13 => self.pass(how as u32 * SECOND / 16),
            14..=15 => self.ask(whom, how),
            16 if !self.history.is_empty() => {
                let event = self.history[whom % self.history.len()].clone();
                if matches!(event, Event::Started { .. } | Event::Exited { .. }) {
                    self.tell(event);
                }
            }
            17 => self.tell(Event::Available { device: "gpu".into() }),
            _ => {}
        }
    }

    fn ask(&mut self, whom: usize, how: u8) {
        let children = self.supervisor.which_children();
        let target = children.get(whom % children.len().max(1)).map(|info| info.child.key);
        let request = match (how % 6, target) {
            (0, _) => Request::StartChild(child(&format!("new {}", whom % 4), Restart::Permanent)),
            (1, _) => Request::StartChild(child(&format!("new {}", whom % 4), Restart::Temporary)),
            (2, Some(key)) => Request::TerminateChild(key.into()),
            (3, Some(key)) => Request::RestartChild(key.into()),
            (4, Some(key)) => Request::DeleteChild(key.into()),
            (5, _) if !self.is_dynamic() => {
                self.flags.strategy = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne][whom % 3];
                Request::Reconfigure(self.flags)
            }
            _ => return,
        };
        let id = RequestId(self.requests);
        self.requests += 1;
        self.unanswered.insert(id);
        self.tell(Event::Request { id, request });
    }

    /// Lets everything that is under way come to its end, well.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            if let Some(child) = self.pick(0, |process| process.starting && !process.asked && !process.killed) {
                self.finish_start(child, Outcome::Running);
            } else if let Some(child) = self.pick(0, |process| process.asked || process.killed) {
                self.exits(child, Exit::Shutdown);
            } else if let Some(&at) = self.wakes.first() {
                self.pass(at.saturating_sub(self.now));
            } else if self.supervisor.which_children().iter().any(|info| info.status == Status::Restarting) {
                for device in ["gpu", "elsewhere"] {
                    self.tell(Event::Available { device: device.into() });
                }
                assert!(!self.processes.values().all(|process| !process.starting), "somebody waits for nothing");
            } else {
                let settled = |status| matches!(status, Status::Running | Status::Stopped);
                assert!(self.supervisor.which_children().into_iter().all(|info| settled(info.status)));
                assert!(self.ready && self.unanswered.is_empty());
                return;
            }
            if self.exited {
                return;
            }
        }
        panic!("it never settles");
    }

    /// Shuts down a world in which every second child goes only when the supervisor has given it up.
    fn calm(&mut self) {
        self.tell(Event::Shutdown);
        let mut left = 10 * (self.processes.len() + 1);
        while !self.exited {
            left = left.checked_sub(1).expect("the shutdown ends");
            let leaving = |process: &Process| process.is_leaving() && process.incarnation.is_multiple_of(2);
            if let Some(child) = self.pick(0, leaving) {
                self.exits(child, Exit::Shutdown);
            } else if let Some(&at) = self.wakes.first() {
                self.pass(at.saturating_sub(self.now));
            } else {
                let child = self.pick(0, Process::is_leaving).expect("somebody to wait for");
                self.exits(child, Exit::Shutdown);
            }
        }
        assert_eq!(self.unanswered, BTreeSet::new());
    }
}

fn any_spec() -> BoxedStrategy<(u8, u8, u8, bool)> {
    (0..3u8, 0..4u8, 0..4u8, any::<bool>()).boxed()
}

fn spec(number: usize, (restart, shutdown, nature, slow): (u8, u8, u8, bool)) -> ChildSpec {
    let id = number.to_string();
    let restart = [Restart::Permanent, Restart::Transient, Restart::Temporary][restart as usize];
    let base = match nature {
        0 => child(&id, restart),
        1 if restart != Restart::Permanent => significant(&id, restart),
        1 | 2 => ChildSpec { restart, ..on("gpu", &id) },
        _ => ChildSpec { restart, ..on("elsewhere", &id) },
    };
    let shutdown = [Shutdown::BrutalKill, Shutdown::Timeout(SECOND), Shutdown::Drain(2 * SECOND), Shutdown::Infinity][shutdown as usize];
    ChildSpec { shutdown, backoff: slow.then(|| Backoff::new(SECOND, 4 * SECOND)), ..base }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_is_kept_in_any_storm(
        strategy in prop::sample::select(vec![
            Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::Dynamic { max_children: Some(5) },
        ]),
        intensity in 0..20u32,
        all in any::<bool>(),
        has_device in any::<bool>(),
        specs in prop::collection::vec(any_spec(), 0..6),
        calm_boot in any::<bool>(),
        settles in any::<bool>(),
        gusts in prop::collection::vec((0..19u8, any::<usize>(), any::<u8>()), 0..120),
    ) {
        let auto_shutdown = if all { AutoShutdown::AllSignificant } else { AutoShutdown::AnySignificant };
        let flags = Flags { strategy, intensity, auto_shutdown, kill_bound: SECOND, ..Flags::default() };
        let device = has_device.then(|| ChildSpec::device("gpu"));
        let specs: Vec<ChildSpec> = device.into_iter().chain(specs.into_iter().enumerate().map(|(number, of)| spec(number, of))).collect();
        let mut storm = Storm::new(flags, if matches!(strategy, Strategy::Dynamic { .. }) { Vec::new() } else { specs });
        storm.tell(Event::Boot);
        while calm_boot && let Some(child) = storm.pick(0, |process| process.starting) {
            storm.finish_start(child, Outcome::Running);
        }
        for gust in gusts {
            storm.blow(gust);
        }
        if settles && !storm.exited {
            storm.settle();
        }
        storm.calm();
    }
}
