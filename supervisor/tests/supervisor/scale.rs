//! A hundred thousand children cost a hundred times what a thousand do, give or take; not ten thousand times.

use crate::world::{CRASH, child, flags};
use resident_supervisor::{Action, Child, Event, Exit, Outcome, Request, RequestId, Restart, Strategy, Supervisor};
use rustix::time::{ClockId, clock_gettime};
use std::collections::VecDeque;
use std::time::Duration;

const NOW: Duration = Duration::ZERO;

/// What this thread has had of a processor: that others want it too costs nothing.
fn spent() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("it runs forward")
}

/// Starts `count` children, has each fail and the first half terminated, and shuts down; what that took.
fn life(strategy: Strategy, count: u64, restart: Restart) -> Duration {
    let begun = spent();
    let mut supervisor = Supervisor::<()>::new(flags(strategy, u32::MAX), [], 1).unwrap();
    supervisor.handle(Event::Boot, NOW);
    let mut keys = Vec::new();
    for number in 0..count {
        let request = Request::StartChild(child(&number.to_string(), restart));
        let actions = supervisor.handle(Event::Request { id: RequestId(number), request }, NOW);
        keys.push(run(&mut supervisor, actions).expect("a start").key);
    }
    for (number, &key) in keys.iter().enumerate() {
        let child = Child { key, incarnation: 1 };
        let actions = match number % 2 {
            0 => supervisor.handle(Event::Request { id: RequestId(0), request: Request::TerminateChild(key.into()) }, NOW),
            _ => supervisor.handle(Event::Exited { child, exit: CRASH, cause: () }, NOW),
        };
        run(&mut supervisor, actions);
    }
    let actions = supervisor.handle(Event::Shutdown, NOW);
    run(&mut supervisor, actions);
    assert_eq!(supervisor.count_children().active, 0);
    spent() - begun
}

/// Carries out actions until there are none; whom they started.
fn run(supervisor: &mut Supervisor<()>, actions: Vec<Action<()>>) -> Option<Child> {
    let (mut actions, mut started) = (VecDeque::from(actions), None);
    while let Some(action) = actions.pop_front() {
        let event = match action {
            Action::Start { child, .. } => {
                started = Some(child);
                Event::Started { child, outcome: Outcome::Running }
            }
            Action::Stop { child, .. } | Action::Kill { child } => Event::Exited { child, exit: Exit::Shutdown, cause: () },
            _ => continue,
        };
        actions.extend(supervisor.handle(event, NOW));
    }
    started
}

/// B6, B18, B20: `scale_start_stop_many_children`, `simple_one_for_one_scale_many_temporary_children`
#[test]
fn scale_many_children() {
    let cases = [(Strategy::OneForOne, Restart::Permanent), (Strategy::Dynamic { max_children: None }, Restart::Temporary)];
    for (strategy, restart) in cases {
        let small = (0..3).map(|_| life(strategy, 1_000, restart)).min().unwrap();
        let large = life(strategy, 100_000, restart);
        assert!(large < 2_500 * small, "{strategy:?}: {small:?} for 1,000 and {large:?} for 100,000");
    }
}
