//! OTP's own cases, by their names in `supervisor_SUITE`.

use crate::world::{CRASH, SECOND, Step, World, child, flags, kill, on, significant, start, stop, workers};
use resident_supervisor::{
    AdminError, AutoShutdown, Backoff, ChildSpec, Counts, End, Event, Exit, Flags, Invalid, Kind, Outcome, Reply, Request, Restart,
    Shutdown, Status, Strategy, Supervisor,
};
use std::time::Duration;

const EXITS: [Exit; 3] = [Exit::Normal, Exit::Shutdown, CRASH];

fn exceeded(child: &str) -> Step {
    Step::Exit(End::Intensity { child: child.into(), cause: "exit" })
}

fn failed(child: &str) -> Step {
    Step::Exit(End::StartFailed { child: child.into(), cause: "no" })
}

/// B1
#[test]
fn order_of_children() {
    let mut world = World::new(Flags::default(), workers(["zebra", "ant", "mole"]));
    world.boot();
    assert_eq!(world.log(), [start("zebra"), start("ant"), start("mole"), Step::Ready]);
    world.stubborn.insert("ant".into());
    world.tell(Event::Shutdown);
    assert_eq!(world.log(), [stop("mole"), stop("ant")]);
    world.exit("ant", Exit::Shutdown);
    assert_eq!(world.log(), [stop("zebra"), Step::Exit(End::Stopped)]);
}

/// B1: a child is started when the one before it has, not when that was told to.
#[test]
fn a_start_waits_for_the_one_before() {
    let mut world = World::new(Flags::default(), workers(["a", "b"]));
    world.hanging.insert("a".into());
    world.boot();
    assert_eq!(world.log(), [start("a")]);
    world.started("a", Outcome::Running);
    assert_eq!(world.log(), [start("b"), Step::Ready]);
}

/// B2: `sup_start_fail`, `sup_start_error_return`, `sup_start_child_returns_error`, `faulty_application_shutdown`
#[test]
fn sup_start_fail() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let mut world = World::new(flags(strategy, 9), workers(["a", "b", "c", "d"]));
        world.outcomes.insert("c".into(), [Outcome::Failed("no")].into());
        world.boot();
        assert_eq!(world.log(), [start("a"), start("b"), start("c"), stop("b"), stop("a"), failed("c")]);
    }
}

/// B3
#[test]
fn one_for_one() {
    let mut world = World::booted(flags(Strategy::OneForOne, 2), workers(["a", "b"]));
    world.exit("a", CRASH);
    world.exit("b", CRASH);
    assert_eq!(world.log(), [start("a"), start("b")]);
    assert_eq!(world.running(), ["a", "b"]);
    world.exit("a", CRASH);
    assert_eq!(world.log(), [stop("b"), exceeded("a")]);
}

/// B3, B35: a failing restart counts, and the shutdown comes before the end.
#[test]
fn one_for_one_escalation() {
    let mut world = World::booted(flags(Strategy::OneForOne, 2), workers(["a", "b", "c"]));
    world.outcomes.insert("b".into(), vec![Outcome::Failed("no"); 9].into());
    world.exit("b", CRASH);
    let end = Step::Exit(End::Intensity { child: "b".into(), cause: "no" });
    assert_eq!(world.log(), [start("b"), start("b"), stop("c"), stop("a"), end]);
}

/// B4
#[test]
fn one_for_all() {
    let mut world = World::booted(flags(Strategy::OneForAll, 2), workers(["a", "b", "c"]));
    world.stubborn.insert("c".into());
    world.exit("b", CRASH);
    assert_eq!(world.log(), [stop("c")]);
    world.exit("c", CRASH);
    assert_eq!(world.log(), [stop("a"), start("a"), start("b"), start("c")]);
    // Only the first of the two crashes counted.
    world.stubborn.clear();
    world.exit("a", CRASH);
    assert_eq!(world.log(), [stop("c"), stop("b"), start("a"), start("b"), start("c")]);
    world.exit("c", CRASH);
    assert_eq!(world.log(), [stop("b"), stop("a"), exceeded("c")]);
}

/// B4
#[test]
fn one_for_all_other_child_fails_restart() {
    let mut world = World::booted(flags(Strategy::OneForAll, 3), workers(["a", "b", "c"]));
    world.outcomes.insert("b".into(), [Outcome::Failed("no")].into());
    world.exit("a", CRASH);
    let expected = [stop("c"), stop("b"), start("a"), start("b"), stop("a"), start("a"), start("b"), start("c")];
    assert_eq!(world.log(), expected);
}

/// B4: a child that was started again and fails while its successor starts takes that with it.
#[test]
fn one_for_all_fails_during_restart() {
    let mut world = World::booted(flags(Strategy::OneForAll, 3), workers(["a", "b"]));
    world.hanging.insert("b".into());
    world.exit("b", CRASH);
    assert_eq!(world.log(), [stop("a"), start("a"), start("b")]);
    world.hanging.clear();
    world.exit("a", CRASH);
    assert_eq!(world.log(), [stop("b"), start("a"), start("b")]);
    assert_eq!(world.running(), ["a", "b"]);
}

/// B4
#[test]
fn one_for_all_escalation() {
    let mut world = World::booted(flags(Strategy::OneForAll, 2), workers(["a", "b"]));
    world.outcomes.insert("b".into(), vec![Outcome::Failed("no"); 9].into());
    world.exit("a", CRASH);
    let end = Step::Exit(End::Intensity { child: "b".into(), cause: "no" });
    assert_eq!(world.log(), [stop("b"), start("a"), start("b"), stop("a"), start("a"), start("b"), stop("a"), end]);
}

/// B5
#[test]
fn rest_for_one() {
    let mut world = World::booted(flags(Strategy::RestForOne, 3), workers(["a", "b", "c"]));
    world.exit("b", CRASH);
    assert_eq!(world.log(), [stop("c"), start("b"), start("c")]);
    world.exit("c", CRASH);
    assert_eq!(world.log(), [start("c")]);
    world.exit("a", CRASH);
    assert_eq!(world.log(), [stop("c"), stop("b"), start("a"), start("b"), start("c")]);
    world.exit("b", CRASH);
    assert_eq!(world.log(), [stop("c"), stop("a"), exceeded("b")]);
}

/// B5: what was restarted before the one that failed stays.
#[test]
fn rest_for_one_other_child_fails_restart() {
    let mut world = World::booted(flags(Strategy::RestForOne, 3), workers(["a", "b", "c"]));
    world.outcomes.insert("b".into(), [Outcome::Failed("no")].into());
    world.exit("a", CRASH);
    assert_eq!(world.log(), [stop("c"), stop("b"), start("a"), start("b"), start("b"), start("c")]);
}

/// B5
#[test]
fn rest_for_one_escalation() {
    let mut world = World::booted(flags(Strategy::RestForOne, 1), workers(["a", "b"]));
    world.outcomes.insert("b".into(), vec![Outcome::Failed("no"); 9].into());
    world.exit("a", CRASH);
    let end = Step::Exit(End::Intensity { child: "b".into(), cause: "no" });
    assert_eq!(world.log(), [stop("b"), start("a"), start("b"), stop("a"), end]);
}

/// B6: `simple_one_for_one`, `simple_one_for_one_escalation`, and the limit of Elixir's `DynamicSupervisor`.
#[test]
fn simple_one_for_one() {
    let mut world = World::booted(flags(Strategy::Dynamic { max_children: Some(2) }, 1), []);
    assert!(matches!(world.start(ChildSpec::worker("a")), Ok(Reply::Started(_))));
    assert!(matches!(world.start(ChildSpec::worker("b")), Ok(Reply::Started(_))));
    assert_eq!(world.start(ChildSpec::worker("c")), Err(AdminError::MaxChildren(2)));
    world.log();
    world.exit("a", CRASH);
    assert_eq!(world.log(), [start("a")]);
    world.exit("b", CRASH);
    assert_eq!(world.log(), [stop("a"), exceeded("b")]);
}

/// B6: all at once, in no order.
#[test]
fn simple_one_for_one_shutdown() {
    let mut world = World::booted(flags(Strategy::Dynamic { max_children: None }, 1), []);
    for id in ["a", "b", "c"] {
        world.start(ChildSpec::worker(id)).unwrap();
        world.stubborn.insert(id.into());
    }
    world.log();
    world.tell(Event::Shutdown);
    assert_eq!(world.log(), [stop("a"), stop("b"), stop("c")]);
    world.exit("b", Exit::Shutdown);
    world.pass(5 * SECOND);
    assert_eq!(world.log(), [kill("a"), kill("c"), Step::Exit(End::Stopped)]);
}

/// B7: `permanent_normal` … `temporary_abnormal`, and a kill.
#[test]
fn restart_types() {
    for (restart, exit) in [Restart::Permanent, Restart::Transient, Restart::Temporary].into_iter().flat_map(|restart| {
        let exits = EXITS.into_iter().chain([Exit::Killed, Exit::Lost]);
        exits.map(move |exit| (restart, exit))
    }) {
        let mut world = World::booted(flags(Strategy::OneForOne, 1), [child("a", restart)]);
        world.exit("a", exit);
        let again = match restart {
            Restart::Permanent => true,
            Restart::Transient => !matches!(exit, Exit::Normal | Exit::Shutdown),
            Restart::Temporary => false,
        };
        let status = match restart {
            _ if again => Some(Status::Running),
            Restart::Temporary => None,
            _ => Some(Status::Stopped),
        };
        assert_eq!(world.log().is_empty(), !again, "{restart:?} {exit:?}");
        assert_eq!(world.status("a"), status, "{restart:?} {exit:?}");
        let retired = if again { vec![] } else { vec![("a".to_string(), restart == Restart::Temporary)] };
        assert_eq!(world.retired, retired);
    }
}

/// B8
#[test]
fn temporary_bystander() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let mut world = World::booted(flags(strategy, 1), [ChildSpec::worker("a"), child("b", Restart::Temporary)]);
        world.exit("a", CRASH);
        assert_eq!(world.log(), [stop("b"), start("a")]);
        assert_eq!(world.supervisor.which_children().len(), 1);
    }
}

/// B9: as many as allowed within the period, one more is too many, and those from before do not count.
#[test]
fn multiple_restarts() {
    let flags = Flags { intensity: 2, period: 5 * SECOND, ..Flags::default() };
    let mut world = World::booted(flags, workers(["a"]));
    for _ in 0..4 {
        world.exit("a", CRASH);
        world.pass(2 * SECOND + SECOND / 2 + Duration::from_nanos(1));
    }
    world.log();
    world.exit("a", CRASH);
    world.pass(SECOND);
    world.exit("a", CRASH);
    assert_eq!(world.log(), [start("a"), exceeded("a")]);
}

/// B10
#[test]
fn sup_stop_infinity() {
    let endless = ChildSpec { shutdown: Shutdown::Infinity, ..ChildSpec::worker("a") };
    let mut world = World::booted(Flags::default(), [endless]);
    world.stubborn.insert("a".into());
    world.tell(Event::Shutdown);
    world.pass(10_000 * SECOND);
    assert_eq!(world.log(), [stop("a")]);
    world.exit("a", Exit::Shutdown);
    assert_eq!(world.log(), [Step::Exit(End::Stopped)]);
}

/// B10: `sup_stop_timeout`, `sup_stop_timeout_dynamic`
#[test]
fn sup_stop_timeout() {
    for strategy in [Strategy::OneForOne, Strategy::Dynamic { max_children: None }] {
        let mut world = World::booted(flags(strategy, 1), []);
        let patient = ChildSpec { shutdown: Shutdown::Drain(SECOND), ..ChildSpec::worker("a") };
        world.start(patient).unwrap();
        world.stubborn.insert("a".into());
        world.log();
        world.tell(Event::Shutdown);
        world.pass(SECOND - Duration::from_nanos(1));
        assert_eq!(world.log(), [Step::Drain("a".into())]);
        world.pass(Duration::from_nanos(1));
        assert_eq!(world.log(), [kill("a"), Step::Exit(End::Stopped)]);
    }
}

/// B10: `sup_stop_brutal_kill`, `sup_stop_brutal_kill_dynamic`
#[test]
fn sup_stop_brutal_kill() {
    for strategy in [Strategy::OneForOne, Strategy::Dynamic { max_children: None }] {
        let mut world = World::booted(flags(strategy, 1), []);
        world.start(ChildSpec { shutdown: Shutdown::BrutalKill, ..ChildSpec::worker("a") }).unwrap();
        world.log();
        world.tell(Event::Shutdown);
        assert_eq!(world.log(), [kill("a"), Step::Exit(End::Stopped)]);
    }
}

/// B11: `sup_stop_race`, `sup_stop_non_shutdown_exit_dynamic`
#[test]
fn sup_stop_race() {
    let mut world = World::booted(flags(Strategy::OneForOne, 0), workers(["a", "b"]));
    world.stubborn.insert("b".into());
    world.tell(Event::Shutdown);
    let (a, b) = (world.child("a"), world.child("b"));
    world.exit_of(a, CRASH);
    world.exit_of(a, CRASH);
    assert_eq!(world.log(), [stop("b")]);
    world.exit_of(b, CRASH);
    world.exit_of(b, CRASH);
    assert_eq!(world.log(), [Step::Exit(End::Stopped)]);
}

fn with_shutdown(auto_shutdown: AutoShutdown) -> Flags {
    Flags { auto_shutdown, intensity: 9, ..Flags::default() }
}

/// B12: `nonsignificant_temporary`, `nonsignificant_transient`
#[test]
fn nonsignificant() {
    for auto_shutdown in [AutoShutdown::Never, AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
        for (restart, exit) in [(Restart::Temporary, CRASH), (Restart::Temporary, Exit::Normal), (Restart::Transient, Exit::Normal)] {
            let mut world = World::booted(with_shutdown(auto_shutdown), [child("a", restart)]);
            world.exit("a", exit);
            assert_eq!(world.log(), []);
        }
    }
}

/// B12: `significant_temporary`, `significant_transient`
#[test]
fn significant_children() {
    let end = |child: &str| Step::Exit(End::AutoShutdown { child: child.into() });
    for restart in [Restart::Temporary, Restart::Transient] {
        let specs = || [significant("a", restart), significant("b", restart), child("c", restart)];
        let mut any = World::booted(with_shutdown(AutoShutdown::AnySignificant), specs());
        any.exit("c", Exit::Normal);
        assert_eq!(any.log(), []);
        any.exit("b", Exit::Normal);
        assert_eq!(any.log(), [stop("a"), end("b")]);
        let mut all = World::booted(with_shutdown(AutoShutdown::AllSignificant), specs());
        all.exit("a", Exit::Shutdown);
        assert_eq!(all.log(), []);
        all.exit("b", Exit::Normal);
        assert_eq!(all.log(), [stop("c"), end("b")]);
    }
    let mut world = World::booted(with_shutdown(AutoShutdown::AnySignificant), [significant("a", Restart::Transient)]);
    world.exit("a", CRASH);
    assert_eq!(world.log(), [start("a")]);
}

/// B12
#[test]
fn significant_simple() {
    let flags = Flags { strategy: Strategy::Dynamic { max_children: None }, ..with_shutdown(AutoShutdown::AllSignificant) };
    let mut world = World::booted(flags, []);
    for id in ["a", "b"] {
        world.start(significant(id, Restart::Temporary)).unwrap();
    }
    world.exit("a", Exit::Normal);
    assert_eq!(world.running(), ["b"]);
    world.exit("b", CRASH);
    assert_eq!(world.log().pop(), Some(Step::Exit(End::AutoShutdown { child: "b".into() })));
}

/// B12: neither a stop as a sibling nor one that was asked for is an end of one's own.
#[test]
fn significant_bystander() {
    let flags = Flags { strategy: Strategy::OneForAll, ..with_shutdown(AutoShutdown::AnySignificant) };
    let specs = [ChildSpec::worker("a"), significant("b", Restart::Temporary), significant("c", Restart::Transient)];
    let mut world = World::booted(flags, specs);
    world.exit("a", CRASH);
    assert_eq!(world.log(), [stop("c"), stop("b"), start("a"), start("c")]);
    assert_eq!(world.terminate("c"), Ok(Reply::Done));
    assert_eq!(world.log(), [stop("c")]);
}

/// B13
#[test]
fn child_adm() {
    let mut world = World::booted(Flags::default(), workers(["a"]));
    let a = world.child("a");
    assert_eq!(world.start(ChildSpec::worker("a")), Err(AdminError::AlreadyStarted(a)));
    assert_eq!((world.restart("a"), world.delete("a")), (Err(AdminError::Running), Err(AdminError::Running)));
    assert_eq!((world.terminate("a"), world.terminate("a")), (Ok(Reply::Done), Ok(Reply::Done)));
    assert_eq!(world.log(), [stop("a")]);
    assert_eq!(world.start(ChildSpec::worker("a")), Err(AdminError::AlreadyPresent));
    assert!(matches!(world.restart("a"), Ok(Reply::Started(again)) if again.key == a.key && again.incarnation == 2));
    world.terminate("a").unwrap();
    assert_eq!(world.delete("a"), Ok(Reply::Done));
    for answer in [world.delete("a"), world.restart("a"), world.terminate("a")] {
        assert_eq!(answer, Err(AdminError::NotFound));
    }
    assert!(matches!(world.start(ChildSpec::worker("a")), Ok(Reply::Started(other)) if other.key != a.key));
}

/// B13: a start that fails adds nothing; a restart that fails leaves the child stopped; neither counts.
#[test]
fn child_adm_failures() {
    let mut world = World::booted(flags(Strategy::OneForOne, 0), workers(["a"]));
    world.terminate("a").unwrap();
    for id in ["a", "b"] {
        world.outcomes.insert(id.into(), [Outcome::Failed("no")].into());
    }
    assert_eq!(world.start(ChildSpec::worker("b")), Err(AdminError::StartFailed("no")));
    assert_eq!(world.restart("a"), Err(AdminError::StartFailed("no")));
    assert_eq!((world.status("a"), world.status("b")), (Some(Status::Stopped), None));
}

/// B13
#[test]
fn child_adm_simple() {
    let mut world = World::booted(flags(Strategy::Dynamic { max_children: None }, 1), []);
    let Ok(Reply::Started(first)) = world.start(ChildSpec::worker("a")) else { panic!("a start that goes well") };
    assert!(matches!(world.start(ChildSpec::worker("a")), Ok(Reply::Started(second)) if second.key != first.key));
    for answer in [world.terminate("a"), world.restart("a"), world.delete("a")] {
        assert_eq!(answer, Err(AdminError::Dynamic));
    }
    assert_eq!(world.asked(Request::RestartChild(first.key.into())), Err(AdminError::Dynamic));
    for _ in 0..2 {
        assert_eq!(world.asked(Request::TerminateChild(first.key.into())), Ok(Reply::Done));
    }
    assert_eq!(world.supervisor.count_children().specs, 1);
}

/// B13: `count_children`, `count_children_supervisor`, `count_restarting_children`
#[test]
fn count_children() {
    let slow = ChildSpec { backoff: Some(Backoff::new(SECOND, SECOND)), ..ChildSpec::worker("c") };
    let mut world = World::booted(Flags::default(), [ChildSpec::supervisor("a"), ChildSpec::worker("b"), slow]);
    assert_eq!(world.supervisor.count_children(), Counts { specs: 3, active: 3, supervisors: 1, workers: 2 });
    world.terminate("a").unwrap();
    world.exit("c", CRASH);
    assert_eq!(world.status("c"), Some(Status::Restarting));
    assert_eq!(world.supervisor.count_children(), Counts { specs: 3, active: 1, supervisors: 1, workers: 2 });
}

/// B14: `child_specs`, `sup_flags`
#[test]
fn child_specs() {
    let refused = |flags, specs: Vec<ChildSpec>| Supervisor::<()>::new(flags, specs, 0).err();
    let auto = with_shutdown(AutoShutdown::AnySignificant);
    let backwards = Backoff::new(2 * SECOND, SECOND);
    let cases = [
        (Flags { period: Duration::ZERO, ..Flags::default() }, vec![], Invalid::ZeroPeriod),
        (Flags::default(), workers(["a", "a"]), Invalid::DuplicateId("a".into())),
        (auto, vec![significant("a", Restart::Permanent)], Invalid::SignificantPermanent("a".into())),
        (Flags::default(), vec![significant("a", Restart::Transient)], Invalid::SignificantNever("a".into())),
        (Flags::default(), vec![on("gpu", "a"), ChildSpec::device("gpu")], Invalid::BeforeItsDevice("a".into())),
        (Flags::default(), vec![ChildSpec { backoff: Some(backwards), ..ChildSpec::worker("a") }], Invalid::Backoff("a".into())),
        (flags(Strategy::Dynamic { max_children: None }, 1), workers(["a"]), Invalid::DynamicWithChildren),
    ];
    for (flags, specs, expected) in cases {
        assert_eq!(refused(flags, specs), Some(expected));
    }
    assert_eq!(refused(auto, vec![significant("a", Restart::Transient)]), None);
    let mut world = World::booted(Flags::default(), []);
    let wrong = Invalid::SignificantNever("a".into());
    assert_eq!(world.start(significant("a", Restart::Transient)), Err(AdminError::Invalid(wrong)));
    assert_eq!((ChildSpec::worker("a").kind, ChildSpec::supervisor("a").shutdown), (Kind::Worker, Shutdown::Infinity));
}

/// B15: `hanging_restart_loop`, `hanging_restart_loop_rest_for_one`, `hanging_restart_loop_simple`
#[test]
fn hanging_restart_loop() {
    for strategy in [Strategy::OneForOne, Strategy::RestForOne, Strategy::OneForAll, Strategy::Dynamic { max_children: None }] {
        let mut world = World::booted(flags(strategy, 1_000_000), []);
        world.start(ChildSpec::worker("a")).unwrap();
        world.log();
        world.hanging.insert("a".into());
        world.exit("a", CRASH);
        for _ in 0..100 {
            assert_eq!(world.log(), [start("a")]);
            assert_eq!(world.status("a"), Some(Status::Starting));
            world.started("a", Outcome::Failed("no"));
        }
        world.log();
        if strategy == Strategy::OneForOne {
            assert!(matches!(world.start(ChildSpec::worker("b")), Ok(Reply::Started(_))));
            assert_eq!((world.restart("a"), world.delete("a")), (Err(AdminError::Restarting), Err(AdminError::Restarting)));
            assert_eq!(world.terminate("a"), Ok(Reply::Done));
            assert_eq!(world.log(), [start("b"), stop("a")]);
        } else {
            world.tell(Event::Shutdown);
            assert_eq!(world.log(), [stop("a"), Step::Exit(End::Stopped)]);
        }
    }
}

/// B17: dynamic children come back with nobody.
#[test]
fn tree() {
    let mut world = World::booted(flags(Strategy::Dynamic { max_children: None }, 1), []);
    world.start(ChildSpec::worker("a")).unwrap();
    world.tell(Event::Shutdown);
    assert_eq!(world.supervisor.which_children(), []);
    assert_eq!(world.retired, [("a".to_string(), true)]);
}

/// B18: `do_not_save_start_parameters_for_temporary_children`, `do_not_save_child_specs_for_temporary_children`
#[test]
fn do_not_save_temporary_children() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::Dynamic { max_children: None }] {
        for exit in EXITS {
            let mut world = World::booted(flags(strategy, 1), []);
            world.start(child("a", Restart::Temporary)).unwrap();
            world.exit("a", exit);
            assert_eq!(world.retired, [("a".to_string(), true)]);
            assert_eq!(world.supervisor.which_children(), []);
        }
    }
}

/// B19: `code_change`, `significant_upgrade_*`
#[test]
fn code_change() {
    let mut world = World::booted(flags(Strategy::OneForOne, 1), workers(["a", "b"]));
    world.exit("a", CRASH);
    assert_eq!(world.asked(Request::Reconfigure(flags(Strategy::OneForAll, 3))), Ok(Reply::Done));
    world.exit("a", CRASH);
    assert_eq!(world.log(), [start("a"), stop("b"), start("a"), start("b")]);
    let dynamic = flags(Strategy::Dynamic { max_children: None }, 1);
    assert_eq!(world.asked(Request::Reconfigure(dynamic)), Err(AdminError::Invalid(Invalid::DynamicChanged)));
    let endless = Flags { period: Duration::ZERO, ..Flags::default() };
    assert_eq!(world.asked(Request::Reconfigure(endless)), Err(AdminError::Invalid(Invalid::ZeroPeriod)));
    let mut world = World::booted(with_shutdown(AutoShutdown::AnySignificant), [significant("a", Restart::Transient)]);
    let never = world.asked(Request::Reconfigure(Flags::default()));
    assert_eq!(never, Err(AdminError::Invalid(Invalid::SignificantNever("a".into()))));
    // A lower limit counts from the next restart on.
    let mut world = World::booted(flags(Strategy::OneForOne, 5), workers(["a"]));
    for _ in 0..3 {
        world.exit("a", CRASH);
    }
    world.asked(Request::Reconfigure(flags(Strategy::OneForOne, 1))).unwrap();
    world.log();
    world.exit("a", CRASH);
    assert_eq!(world.log(), [exceeded("a")]);
}

/// B21: `sup_start_ignore_*`
#[test]
fn sup_start_ignore() {
    let specs = [child("a", Restart::Temporary), ChildSpec::worker("b"), ChildSpec::worker("c")];
    let mut world = World::new(flags(Strategy::OneForOne, 1), specs);
    for id in ["a", "b"] {
        world.outcomes.insert(id.into(), [Outcome::Ignored].into());
    }
    world.boot();
    assert_eq!(world.log(), [start("a"), start("b"), start("c"), Step::Ready]);
    assert_eq!((world.status("a"), world.status("b")), (None, Some(Status::Stopped)));
    assert!(matches!(world.restart("b"), Ok(Reply::Started(_))));
    world.outcomes.insert("d".into(), [Outcome::Ignored].into());
    assert_eq!(world.start(child("d", Restart::Temporary)), Ok(Reply::Ignored));
    assert_eq!(world.status("d"), None);
    world.outcomes.insert("c".into(), [Outcome::Ignored].into());
    world.exit("c", CRASH);
    assert_eq!(world.status("c"), Some(Status::Stopped));
}
