//! What OTP does not have: backoff, directives, zombies, devices that are lost, starts and stops that overlap.

use crate::world::{CRASH, SECOND, Step, World, child, flags, kill, on, significant, start, stop, workers};
use resident_supervisor::{
    AdminError, AutoShutdown, Backoff, Child, ChildSpec, Directive, End, Event, Exit, Flags, Outcome, Reply, Request, Restart, Shutdown,
    Status, Strategy,
};
use std::error::Error;
use std::time::Duration;

const GROUPS: [Strategy; 2] = [Strategy::OneForAll, Strategy::RestForOne];

fn slow(id: &str) -> ChildSpec {
    let backoff = Backoff { jitter_percent: 0, reset_after: 10 * SECOND, ..Backoff::new(SECOND, 4 * SECOND) };
    ChildSpec { backoff: Some(backoff), ..ChildSpec::worker(id) }
}

/// B23
#[test]
fn restarts_wait_longer_and_longer_until_it_was_quiet() {
    let mut world = World::booted(flags(Strategy::OneForOne, 99), [slow("a")]);
    for seconds in [1, 2, 4, 4] {
        world.exit("a", CRASH);
        world.pass(seconds * SECOND - Duration::from_nanos(1));
        assert_eq!(world.log(), []);
        world.pass(Duration::from_nanos(1));
        assert_eq!(world.log(), [start("a")]);
    }
    world.pass(10 * SECOND);
    world.exit("a", CRASH);
    world.pass(SECOND);
    assert_eq!(world.log(), [start("a")]);
}

/// B23
#[test]
fn nobody_restarts_after_a_stop() {
    let mut world = World::booted(flags(Strategy::OneForOne, 9), [slow("a"), slow("b")]);
    world.exit("a", CRASH);
    world.exit("b", CRASH);
    assert_eq!((world.restart("a"), world.terminate("a")), (Err(AdminError::Restarting), Ok(Reply::Done)));
    world.tell(Event::Shutdown);
    world.pass(99 * SECOND);
    assert_eq!(world.log(), [Step::Exit(End::Stopped)]);
}

/// B23: in a group, those after the child wait with it.
#[test]
fn a_group_waits_for_the_backoff() {
    let mut world = World::booted(flags(Strategy::OneForAll, 9), [ChildSpec::worker("a"), slow("b"), ChildSpec::worker("c")]);
    world.exit("b", CRASH);
    assert_eq!(world.log(), [stop("c"), stop("a"), start("a")]);
    world.pass(SECOND);
    assert_eq!(world.log(), [start("b"), start("c")]);
}

/// B29
#[test]
fn resume_is_no_restart() {
    for strategy in GROUPS {
        for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
            let mut world = World::booted(flags(strategy, 0), [child("a", restart), ChildSpec::worker("b")]);
            for _ in 0..3 {
                world.exit("a", Exit::Failed(Directive::Resume));
            }
            assert_eq!(world.log(), vec![Step::Resume("a".into()); 3]);
            assert_eq!((world.running().len(), world.child("a").incarnation), (2, 4));
        }
    }
}

/// B29: a resume that did not come to an end is not tried again with a state that may be gone.
#[test]
fn a_resume_that_fails_is_a_restart() {
    let mut world = World::booted(flags(Strategy::OneForOne, 1), workers(["a"]));
    world.outcomes.insert("a".into(), [Outcome::Failed("no")].into());
    world.exit("a", Exit::Failed(Directive::Resume));
    assert_eq!(world.log(), [Step::Resume("a".into()), start("a")]);
}

/// B29, B8
#[test]
fn a_restart_of_all_goes_before_a_resume() {
    for restart in [Restart::Permanent, Restart::Temporary] {
        let mut world = World::booted(flags(Strategy::OneForAll, 1), [ChildSpec::worker("a"), child("b", restart), ChildSpec::worker("c")]);
        world.stubborn.insert("c".into());
        world.ask(Request::TerminateChild("c".into()));
        world.exit("b", Exit::Failed(Directive::Resume));
        world.exit("a", CRASH);
        world.exit("c", Exit::Shutdown);
        match restart {
            Restart::Temporary => assert_eq!(world.log(), [stop("c"), start("a"), start("c")]),
            _ => assert_eq!(world.log(), [stop("c"), start("a"), start("b"), start("c")]),
        }
    }
}

/// B29
#[test]
fn stop_ends_even_a_permanent_child() {
    let mut world = World::booted(flags(Strategy::OneForAll, 0), workers(["a", "b"]));
    world.exit("a", Exit::Failed(Directive::Stop));
    assert_eq!((world.log(), world.status("a")), (vec![], Some(Status::Stopped)));
}

/// B29, B33, B35: the siblings are gone before the cause goes up.
#[test]
fn escalate_is_an_ordered_shutdown_with_its_cause() {
    let mut world = World::booted(flags(Strategy::OneForOne, 9), workers(["a", "b", "c"]));
    world.stubborn.insert("a".into());
    world.exit("b", Exit::Failed(Directive::Escalate));
    assert_eq!(world.log(), [stop("c"), stop("a")]);
    world.exit("a", CRASH);
    assert_eq!(world.log(), [Step::Exit(End::Escalated { child: "b".into(), cause: "exit" })]);
    world.tell(Event::Shutdown);
    assert_eq!(world.terminate("a"), Err(AdminError::ShuttingDown));
    assert_eq!(world.log(), []);
}

/// B33: through three supervisors.
#[test]
fn the_root_cause_is_the_last_source() {
    let fault = std::io::Error::other("a trap");
    let inner = End::Escalated { child: "book".into(), cause: fault };
    let middle = End::Intensity { child: "books".into(), cause: inner };
    let outer = End::StartFailed { child: "market".into(), cause: middle };
    let mut error: &dyn Error = &outer;
    let mut depth = 0;
    while let Some(source) = error.source() {
        (error, depth) = (source, depth + 1);
    }
    assert_eq!((error.to_string().as_str(), depth), ("a trap", 3));
}

/// B10, B31: the shutdown goes on without it.
#[test]
fn a_zombie_does_not_hold_the_shutdown() {
    let mut world = World::booted(Flags::default(), workers(["a", "b"]));
    world.stubborn.insert("b".into());
    world.immortal.insert("b".into());
    world.tell(Event::Shutdown);
    world.pass(9 * SECOND);
    assert_eq!(world.log(), [stop("b"), kill("b")]);
    world.pass(SECOND);
    assert_eq!(world.log(), [Step::Zombie("b".into()), stop("a"), Step::Exit(End::Stopped)]);
    world.exit("b", Exit::Killed);
    assert_eq!(world.log(), []);
}

/// B31: no second incarnation beside it.
#[test]
fn a_zombie_is_not_started_again_until_it_is_gone() {
    let mut world = World::booted(Flags::default(), [ChildSpec { shutdown: Shutdown::BrutalKill, ..ChildSpec::worker("a") }]);
    world.immortal.insert("a".into());
    let asked = world.ask(Request::TerminateChild("a".into()));
    assert_eq!(world.answers.get(&asked), None);
    world.pass(5 * SECOND);
    assert_eq!(world.answers.remove(&asked), Some(Err(AdminError::Zombie)));
    assert_eq!(world.status("a"), Some(Status::Zombie));
    assert_eq!((world.terminate("a"), world.restart("a"), world.delete("a")), {
        (Err(AdminError::Zombie), Err(AdminError::Running), Err(AdminError::Running))
    });
    assert_eq!(world.log(), [kill("a"), Step::Zombie("a".into())]);
    world.exit("a", Exit::Killed);
    assert_eq!((world.status("a"), world.log()), (Some(Status::Stopped), vec![]));
    assert!(world.restart("a").is_ok());
}

/// B31: its group goes on without it, and restarts in order once it is gone, which does not count.
#[test]
fn a_group_restarts_when_its_zombie_is_gone() {
    let mut world = World::booted(flags(Strategy::OneForAll, 1), workers(["a", "b", "c"]));
    world.stubborn.insert("b".into());
    world.immortal.insert("b".into());
    world.exit("a", CRASH);
    world.pass(10 * SECOND);
    let zombie = Step::Zombie("b".into());
    assert_eq!(world.log(), [stop("c"), stop("b"), kill("b"), zombie, start("a"), start("c")]);
    world.exit("b", Exit::Killed);
    assert_eq!(world.log(), [stop("c"), stop("a"), start("a"), start("b"), start("c")]);
}

/// B5, B30: the device counts once, and takes those after it with it, whoever's exit comes first.
#[test]
fn a_lost_device_restarts_its_dependants() {
    for order in [["gpu", "a", "b"], ["a", "gpu", "b"], ["b", "a", "gpu"]] {
        for strategy in GROUPS {
            let specs = [ChildSpec::device("gpu"), on("gpu", "a"), on("gpu", "b"), ChildSpec::worker("c")];
            let mut world = World::booted(flags(strategy, 1), specs);
            for id in ["c", "b", "a"] {
                world.stubborn.insert(id.into());
            }
            for id in order {
                world.exit(id, Exit::Lost);
            }
            world.exit("c", Exit::Shutdown);
            assert_eq!(world.running(), ["gpu", "a", "b", "c"]);
            let steps = world.log();
            assert_eq!(steps[steps.len() - 4..], [start("gpu"), start("a"), start("b"), start("c")]);
            world.exit("gpu", Exit::Lost);
            let end = End::Intensity { child: "gpu".into(), cause: "exit" };
            world.pass(30 * SECOND);
            assert_eq!(world.log().pop(), Some(Step::Exit(end)), "{order:?} {strategy:?}");
        }
    }
}

/// B30: under one for one, those on the device wait until it has started again.
#[test]
fn children_wait_for_a_sibling_device() {
    for order in [["gpu", "a", "b"], ["a", "b", "gpu"]] {
        let specs = [ChildSpec::device("gpu"), on("gpu", "a"), on("gpu", "b"), ChildSpec::worker("c")];
        let mut world = World::booted(flags(Strategy::OneForOne, 1), specs);
        world.hanging.insert("gpu".into());
        for id in order {
            world.exit(id, Exit::Lost);
        }
        assert_eq!(world.log(), [start("gpu")]);
        assert_eq!(world.status("a"), Some(Status::Restarting));
        world.started("gpu", Outcome::Running);
        assert_eq!(world.log(), [start("a"), start("b")]);
    }
}

/// B30: an exit that comes late, when the device is back already.
#[test]
fn a_late_loss_waits_for_nothing() {
    let mut world = World::booted(flags(Strategy::OneForOne, 1), [ChildSpec::device("gpu"), on("gpu", "a")]);
    world.exit("gpu", Exit::Lost);
    world.exit("a", Exit::Lost);
    assert_eq!(world.log(), [start("gpu"), start("a")]);
}

/// B30: a thousand children on a device that is lost a hundred times; nobody counts.
#[test]
fn children_wait_for_a_device_elsewhere() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let ids: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let mut world = World::booted(flags(strategy, 0), ids.iter().map(|id| on("gpu", id)));
        world.stubborn.extend(ids.iter().cloned());
        for _ in 0..10 {
            for id in &ids {
                world.exit(id, Exit::Lost);
            }
            world.log();
            assert_eq!(world.running(), [""; 0]);
            world.tell(Event::Available { device: "other".into() });
            assert_eq!(world.log(), []);
            world.tell(Event::Available { device: "gpu".into() });
            assert_eq!(world.log(), ids.iter().map(|id| start(id)).collect::<Vec<_>>());
        }
        world.exit("7", CRASH);
        let end = End::Intensity { child: "7".into(), cause: "exit" };
        world.pass(10_000 * SECOND);
        assert_eq!(world.log().pop(), Some(Step::Exit(end)));
    }
}

/// B30: a restart that finds the device lost waits too.
#[test]
fn a_start_on_a_lost_device_waits() {
    let mut world = World::booted(flags(Strategy::OneForOne, 1), [on("gpu", "a")]);
    world.outcomes.insert("a".into(), [Outcome::Lost("lost")].into());
    world.exit("a", CRASH);
    assert_eq!((world.log(), world.status("a")), (vec![start("a")], Some(Status::Restarting)));
    world.tell(Event::Available { device: "gpu".into() });
    assert_eq!(world.log(), [start("a")]);
    let mut world = World::new(flags(Strategy::OneForOne, 1), [on("gpu", "a")]);
    world.outcomes.insert("a".into(), [Outcome::Lost("lost")].into());
    world.boot();
    assert_eq!(world.log().pop(), Some(Step::Exit(End::StartFailed { child: "a".into(), cause: "lost" })));
}

/// B24, B25: events of an incarnation that is gone.
#[test]
fn stale_events_change_nothing() {
    let mut world = World::booted(flags(Strategy::OneForOne, 1), workers(["a"]));
    let first = world.child("a");
    world.exit_of(first, CRASH);
    let second = world.child("a");
    world.log();
    world.exit_of(first, CRASH);
    world.tell(Event::Started { child: first, outcome: Outcome::Failed("no") });
    world.tell(Event::Started { child: second, outcome: Outcome::Failed("no") });
    world.exit_of(Child { incarnation: 9, ..second }, CRASH);
    assert_eq!((world.log(), world.child("a")), (vec![], second));
}

/// The carrier hears of an exit before it hears that the start had gone well.
#[test]
fn an_exit_before_its_start_is_both() {
    let mut world = World::new(flags(Strategy::OneForOne, 1), workers(["a"]));
    world.hanging.insert("a".into());
    world.boot();
    let first = world.child("a");
    world.exit_of(first, CRASH);
    world.tell(Event::Started { child: first, outcome: Outcome::Running });
    assert_eq!(world.log(), [start("a"), start("a")]);
    world.started("a", Outcome::Running);
    assert_eq!(world.log(), [Step::Ready]);
}

/// B15: nobody waits for somebody else's start or stop under one for one.
#[test]
fn one_for_one_starts_and_stops_overlap() {
    let mut world = World::booted(flags(Strategy::OneForOne, 9), workers(["a", "b", "c"]));
    world.hanging.insert("a".into());
    world.stubborn.insert("b".into());
    world.exit("a", CRASH);
    let asked = world.ask(Request::TerminateChild("b".into()));
    let again = world.ask(Request::TerminateChild("b".into()));
    world.exit("c", CRASH);
    assert_eq!(world.log(), [start("a"), stop("b"), start("c")]);
    world.exit("b", Exit::Shutdown);
    assert_eq!((world.answers.remove(&asked), world.answers.remove(&again)), (Some(Ok(Reply::Done)), Some(Ok(Reply::Done))));
}

/// Who asked for a start is told when it comes to nothing.
#[test]
fn a_start_that_is_stopped_is_answered() {
    let mut world = World::booted(flags(Strategy::OneForOne, 1), []);
    world.hanging.extend(["a".into(), "b".into()]);
    let asked = world.ask(Request::StartChild(ChildSpec::worker("a")));
    assert_eq!(world.terminate("a"), Ok(Reply::Done));
    assert_eq!(world.answers.remove(&asked), Some(Err(AdminError::Terminated)));
    let asked = world.ask(Request::StartChild(ChildSpec::worker("b")));
    world.stubborn.insert("b".into());
    world.tell(Event::Shutdown);
    assert_eq!(world.answers.remove(&asked), Some(Err(AdminError::ShuttingDown)));
    world.started("b", Outcome::Failed("no"));
    assert_eq!(world.log().pop(), Some(Step::Exit(End::Stopped)));
}

/// B12: a child that has not had its first start is not a bystander.
#[test]
fn a_restart_at_boot_leaves_the_rest_to_come() {
    let flags = Flags { auto_shutdown: AutoShutdown::AllSignificant, ..flags(Strategy::OneForAll, 1) };
    let specs = [ChildSpec::worker("a"), significant("b", Restart::Transient), significant("c", Restart::Temporary)];
    let mut world = World::new(flags, specs);
    world.hanging.insert("b".into());
    world.boot();
    world.exit("a", CRASH);
    world.started("b", Outcome::Running);
    assert_eq!(world.log(), [start("a"), start("b"), stop("b"), start("a"), start("b"), start("c"), Step::Ready]);
    world.exit("b", Exit::Normal);
    assert_eq!(world.running(), ["a", "c"]);
}

/// A shutdown before the first start, and during it.
#[test]
fn a_shutdown_ends_a_boot() {
    let mut world = World::new(Flags::default(), workers(["a", "b"]));
    world.tell(Event::Shutdown);
    assert_eq!(world.log(), [Step::Exit(End::Stopped)]);
    let mut world = World::new(Flags::default(), workers(["a", "b", "c"]));
    world.hanging.insert("b".into());
    world.boot();
    world.tell(Event::Shutdown);
    assert_eq!(world.log(), [start("a"), start("b"), stop("b"), stop("a"), Step::Exit(End::Stopped)]);
}
