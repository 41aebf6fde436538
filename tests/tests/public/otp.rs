//! OTP's `supervisor_SUITE` by the names of its cases, each with actors of ractor's, with resident actors, with actors of actix's and with
//! resident actors under actix.
//!
//! The B numbers are those of the behaviours listed in `docs/supervision.md`.

use std::time::Duration;

use ractor::ActorCell;
use resident::guardian::*;
use resident::prelude::{ChildSpec, Supervisor, SupervisorRef};
use resident_tests::family::*;
use resident_tests::*;

/// The cases that mean something in every framework, and `more`, with a family.
macro_rules! cases {
    ($family:ident: $($more:ident)*) => {
        run! {
            $family:
            sup_start_normal sup_start_ignore_init sup_start_ignore_child sup_start_ignore_temporary_child
            sup_start_ignore_temporary_child_start_child sup_start_error_return sup_start_fail sup_start_child_returns_error
            sup_stop_infinity sup_stop_timeout sup_stop_brutal_kill sup_stop_brutal_kill_dynamic sup_stop_timeout_dynamic sup_stop_race
            child_adm child_adm_simple child_specs extra_return sup_flags
            permanent_normal transient_normal temporary_normal
            permanent_abnormal transient_abnormal temporary_abnormal
            temporary_bystander
            one_for_one one_for_one_escalation one_for_all one_for_all_escalation one_for_all_other_child_fails_restart
            rest_for_one rest_for_one_escalation rest_for_one_other_child_fails_restart
            simple_one_for_one simple_one_for_one_escalation simple_one_for_one_shutdown simple_one_for_one_extra
            tree count_children count_children_supervisor count_restarting_children
            nonsignificant_temporary nonsignificant_transient significant_temporary significant_transient significant_simple
            significant_bystander significant_escalation
            do_not_save_start_parameters_for_temporary_children simple_one_for_one_scale_many_temporary_children
            scale_start_stop_many_children
            multiple_restarts hanging_restart_loop hanging_restart_loop_rest_for_one hanging_restart_loop_simple
            order_of_children format_log code_change
            $($more)*
        }
    };
}

/// Runs each case with a family.
macro_rules! run {
    ($family:ident: $($case:ident)*) => {
        $(#[test]
        fn $case() {
            <super::$family as super::Family>::block_on(async {
                let family = <super::$family as super::Family>::new().await;
                super::$case(family.clone()).await;
                super::Family::end(family).await;
            });
        })*
    };
}

mod cpu {
    cases! {
        Cpu: child_unlink permanent_shutdown transient_shutdown temporary_shutdown permanent_killed transient_killed temporary_killed
    }
}

mod gpu {
    cases! {
        Gpu: child_unlink permanent_shutdown transient_shutdown temporary_shutdown permanent_killed transient_killed temporary_killed
    }
}

/// Not with actors of actix's: `child_unlink`, since actix has no links; `*_shutdown`, since a stop of actix's has no reason; `*_killed`, since
/// nobody but its supervisor can kill one, which `sup_stop_brutal_kill` does.
mod actix {
    cases! { Actix: }
}

/// Resident actors with addresses are without links and reasons, too.
mod actix_gpu {
    cases! { ActixGpu: permanent_killed transient_killed temporary_killed }
}

/// A supervisor of three children that allows `restarts` of them.
fn three(family: &impl Family, strategy: Strategy, restarts: u32) -> Builder {
    Supervisor::builder(unique("three"))
        .strategy(strategy)
        .intensity(restarts, LONG)
        .child(family.child("one"))
        .child(family.child("two"))
        .child(family.child("three"))
}

fn dynamic(max_children: Option<usize>) -> Builder {
    Supervisor::builder(unique("dynamic")).strategy(Strategy::Dynamic { max_children }).intensity(2, LONG)
}

async fn started(family: &impl Family, builder: Builder) -> SupervisorRef {
    soon("the start", family.start(builder)).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn stopped(sup: &SupervisorRef) {
    soon("the supervisor's end", sup.stop()).await.unwrap();
}

/// How it ended by itself.
async fn failed(sup: &SupervisorRef) -> End<Cause> {
    match soon("the supervisor's end", sup.ended()).await {
        Err(SupervisorError::Ended { end, .. }) => end,
        other => panic!("expected that it gave up: {other:?}"),
    }
}

async fn incarnations(sup: &SupervisorRef) -> Vec<u64> {
    sup.which_children().await.iter().map(|info| info.child.incarnation).collect()
}

async fn statuses(sup: &SupervisorRef) -> Vec<Status> {
    sup.which_children().await.iter().map(|info| info.status).collect()
}

async fn sup_start_normal(family: impl Family) {
    let sup = started(&family, three(&family, Strategy::OneForOne, 1)).await;
    assert_eq!(statuses(&sup).await, [Status::Running; 3]);
    assert_eq!(family.count(&sup, "two").await, Some(1));
    let cell = family.actor(&sup, "two").await.unwrap();
    stopped(&sup).await;
    assert!(cell.has_ended());
    assert!(sup.which_children().await.is_empty());
    assert!(matches!(sup.terminate_child("two").await, Err(AdminError::ShuttingDown)));
}

/// B21. The supervisor itself is left out.
async fn sup_start_ignore_init(family: impl Family) {
    family.starts().set("one", How::Ignored);
    let sup = started(&family, three(&family, Strategy::OneForOne, 1)).await;
    assert_eq!(statuses(&sup).await, [Status::Stopped, Status::Running, Status::Running]);
    stopped(&sup).await;
}

/// B21: the specification of an ignored child is kept.
async fn sup_start_ignore_child(family: impl Family) {
    let sup = started(&family, Supervisor::builder(unique("sup"))).await;
    family.starts().set("child", How::Ignored);
    assert_eq!(sup.start_child(family.child("child")).await.unwrap(), None);
    assert_eq!(statuses(&sup).await, [Status::Stopped]);
    family.starts().set("child", How::Runs);
    assert!(sup.restart_child("child").await.unwrap().is_some());
    assert_eq!(family.count(&sup, "child").await, Some(1));
    stopped(&sup).await;
}

/// B21: but not that of a temporary one.
async fn sup_start_ignore_temporary_child(family: impl Family) {
    family.starts().set("child", How::Ignored);
    let temporary = family.child("child").restart(Restart::Temporary);
    let sup = started(&family, Supervisor::builder(unique("sup")).child(temporary).child(family.child("other"))).await;
    assert_eq!(sup.count_children().await, Counts { specs: 1, active: 1, supervisors: 0, workers: 1 });
    stopped(&sup).await;
}

/// B21.
async fn sup_start_ignore_temporary_child_start_child(family: impl Family) {
    let sup = started(&family, Supervisor::builder(unique("sup"))).await;
    family.starts().set("child", How::Ignored);
    let temporary = family.child("child").restart(Restart::Temporary);
    assert_eq!(sup.start_child(temporary).await.unwrap(), None);
    assert_eq!(sup.count_children().await.specs, 0);
    stopped(&sup).await;
}

/// B2: the supervisor does not start, and says which child, and why.
async fn sup_start_error_return(family: impl Family) {
    family.starts().set("two", How::Fails);
    match soon("the start", family.start(three(&family, Strategy::OneForOne, 1))).await {
        Err(SupervisorError::Ended { end: End::StartFailed { child, cause }, .. }) => {
            assert_eq!(&*child, "two");
            assert_eq!(cause.root().to_string(), "two was told not to start");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((family.starts().tried("one"), family.starts().tried("two"), family.starts().tried("three")), (1, 1, 0));
}

/// B2: those that ran are stopped in reverse; a panic in a start is a start that failed.
async fn sup_start_fail(family: impl Family) {
    family.starts().set("three", How::Panics);
    let builder = three(&family, Strategy::OneForAll, 1);
    let error = soon("the start", family.start(builder)).await.unwrap_err();
    assert!(error.root().to_string().contains("three was told to panic"), "{error}");
    let name = match &error {
        SupervisorError::Ended { supervisor, .. } => supervisor.to_string(),
        other => panic!("{other:?}"),
    };
    let said = reports::of(&name);
    let ends: Vec<_> = said.iter().filter(|said| said.starts_with("stop") || said.starts_with("ended")).collect();
    assert_eq!(ends, ["stop two", "ended two", "stop one", "ended one"]);
}

/// B2, B13: a child that does not start is no child.
async fn sup_start_child_returns_error(family: impl Family) {
    let sup = started(&family, Supervisor::builder(unique("sup"))).await;
    family.starts().set("child", How::Fails);
    match sup.start_child(family.child("child")).await {
        Err(AdminError::StartFailed(cause)) => assert_eq!(cause.root().to_string(), "child was told not to start"),
        other => panic!("{other:?}"),
    }
    assert_eq!(sup.count_children().await.specs, 0);
    stopped(&sup).await;
}

/// B10: it waits as long as it takes.
async fn sup_stop_infinity(family: impl Family) {
    let child = family.child("child").shutdown(Shutdown::Infinity);
    let sup = started(&family, Supervisor::builder(unique("sup")).child(child)).await;
    let cell = family.actor(&sup, "child").await.unwrap();
    stopped(&sup).await;
    assert!(cell.has_ended());
}

/// B10: one that does not stop in time is killed. Here it still starts, which it never ends.
async fn sup_stop_timeout(family: impl Family) {
    let child = family.child("child").shutdown(Shutdown::Timeout(Duration::from_millis(20)));
    let sup = started(&family, Supervisor::builder(unique("sup")).intensity(1, LONG).child(child)).await;
    family.starts().set("child", How::Hangs);
    family.fail(&sup, "child").await;
    is(&sup, "child", Status::Starting).await;
    stopped(&sup).await;
}

/// B10: no time to stop in order.
async fn sup_stop_brutal_kill(family: impl Family) {
    let name = unique("brutal");
    let children = ["one", "two"].map(|id| family.child(id).shutdown(Shutdown::BrutalKill));
    let builder = children.into_iter().fold(Supervisor::builder(&*name), Builder::child);
    let sup = started(&family, builder).await;
    let cell = family.actor(&sup, "one").await.unwrap();
    stopped(&sup).await;
    assert!(cell.has_ended());
    let said = reports::of(&name);
    assert_eq!(said[2..6], ["stop two", "ended two", "stop one", "ended one"]);
}

/// B6, B10.
async fn sup_stop_brutal_kill_dynamic(family: impl Family) {
    let sup = started(&family, dynamic(None)).await;
    let mut cells = Vec::new();
    for _ in 0..3 {
        let spec = family.child("child").restart(Restart::Temporary).shutdown(Shutdown::BrutalKill);
        let child = sup.start_child(spec).await.unwrap().unwrap();
        cells.push(family.actor(&sup, child.key).await.unwrap());
    }
    stopped(&sup).await;
    assert!(cells.iter().all(|cell| cell.has_ended()));
}

/// B6, B10: the children of a dynamic supervisor stop all at once.
async fn sup_stop_timeout_dynamic(family: impl Family) {
    let sup = started(&family, dynamic(None)).await;
    for _ in 0..3 {
        sup.start_child(family.child("child").shutdown(Shutdown::Timeout(LONG))).await.unwrap().unwrap();
    }
    stopped(&sup).await;
    let said = reports::of(sup.name());
    assert_eq!(said[3..6], ["stop child", "stop child", "stop child"], "{said:?}");
}

/// B11: children that end by themselves meanwhile.
async fn sup_stop_race(family: impl Family) {
    for round in 0..20 {
        let sup = started(&family, three(&family, Strategy::OneForOne, 10)).await;
        let cells = [family.actor(&sup, "one").await.unwrap(), family.actor(&sup, "three").await.unwrap()];
        let stop = tokio::spawn({
            let sup = sup.clone();
            async move { sup.stop().await }
        });
        if round % 2 == 0 {
            cells[0].crash()
        } else {
            cells[1].stop()
        }
        cells[1].stop();
        soon("the stop", stop).await.unwrap().unwrap();
        assert!(cells.iter().all(|cell| cell.has_ended()));
    }
}

/// B13.
async fn child_adm(family: impl Family) {
    let sup = started(&family, Supervisor::builder(unique("sup")).intensity(2, LONG).child(family.child("child"))).await;
    assert!(matches!(sup.start_child(family.child("child")).await, Err(AdminError::AlreadyStarted(_))));
    assert!(matches!(sup.restart_child("child").await, Err(AdminError::Running)));
    assert!(matches!(sup.delete_child("child").await, Err(AdminError::Running)));
    assert!(matches!(sup.terminate_child("other").await, Err(AdminError::NotFound)));
    assert!(matches!(sup.restart_child("other").await, Err(AdminError::NotFound)));
    assert!(matches!(sup.delete_child("other").await, Err(AdminError::NotFound)));

    for _ in 0..200 {
        let cell = family.actor(&sup, "child").await.unwrap();
        sup.terminate_child("child").await.unwrap();
        assert!(cell.has_ended(), "it is gone when the answer comes");
        sup.restart_child("child").await.unwrap().unwrap();
    }
    sup.terminate_child("child").await.unwrap();
    sup.terminate_child("child").await.unwrap();
    assert_eq!(statuses(&sup).await, [Status::Stopped]);
    assert!(family.actor(&sup, "child").await.is_none());
    assert!(matches!(sup.start_child(family.child("child")).await, Err(AdminError::AlreadyPresent)));

    family.starts().set("child", How::Fails);
    assert!(matches!(sup.restart_child("child").await, Err(AdminError::StartFailed(_))));
    family.starts().set("child", How::Runs);
    let child = sup.restart_child("child").await.unwrap().unwrap();
    assert_eq!(sup.which_children().await[0].child, child);
    assert_eq!(family.count(&sup, "child").await, Some(1), "a fresh state");

    sup.terminate_child("child").await.unwrap();
    sup.delete_child("child").await.unwrap();
    assert!(matches!(sup.restart_child("child").await, Err(AdminError::NotFound)));
    assert!(sup.which_children().await.is_empty());
    assert!(sup.start_child(family.child("child")).await.unwrap().is_some());
    stopped(&sup).await;
}

/// B6, B13: a dynamic supervisor knows its children by key.
async fn child_adm_simple(family: impl Family) {
    let sup = started(&family, dynamic(Some(2))).await;
    let first = sup.start_child(family.child("child")).await.unwrap().unwrap();
    let second = sup.start_child(family.child("child")).await.unwrap().unwrap();
    assert!(matches!(sup.start_child(family.child("child")).await, Err(AdminError::MaxChildren(2))));
    assert!(matches!(sup.terminate_child("child").await, Err(AdminError::Dynamic)));
    assert!(matches!(sup.restart_child(first.key).await, Err(AdminError::Dynamic)));
    assert!(matches!(sup.delete_child(first.key).await, Err(AdminError::Dynamic)));
    sup.terminate_child(first.key).await.unwrap();
    sup.terminate_child(first.key).await.unwrap();
    assert_eq!(sup.count_children().await.specs, 1);
    assert_eq!(family.count(&sup, second.key).await, Some(1));
    stopped(&sup).await;
}

/// B14: what is wrong is said before anything starts.
async fn child_specs(family: impl Family) {
    let invalid = async |builder: Builder| match family.start(builder).await {
        Err(SupervisorError::Invalid { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    let sup = || Supervisor::builder(unique("sup"));
    let child = || family.child("child");
    assert_eq!(invalid(sup().child(child()).child(child())).await, Invalid::DuplicateId("child".into()));
    let significant = || child().significant(true);
    assert_eq!(invalid(sup().child(significant().restart(Restart::Transient))).await, Invalid::SignificantNever("child".into()));
    let any = || sup().auto_shutdown(AutoShutdown::AnySignificant);
    assert_eq!(invalid(any().child(significant())).await, Invalid::SignificantPermanent("child".into()));
    let late = Backoff::new(Duration::from_secs(2), Duration::from_secs(1));
    assert_eq!(invalid(sup().child(child().backoff(late))).await, Invalid::Backoff("child".into()));
    assert_eq!(invalid(dynamic(None).child(child())).await, Invalid::DynamicWithChildren);
    assert_eq!(family.starts().tried("child"), 0);

    let sup = started(&family, sup()).await;
    assert!(matches!(sup.start_child(significant()).await, Err(AdminError::Invalid(Invalid::SignificantPermanent(_)))));
    stopped(&sup).await;
}

/// B13: what a start answers.
async fn extra_return(family: impl Family) {
    let sup = started(&family, Supervisor::builder(unique("sup")).intensity(2, LONG)).await;
    let child = sup.start_child(family.child("child")).await.unwrap().unwrap();
    assert_eq!(child.incarnation, 1);
    family.fail(&sup, "child").await;
    runs(&sup, "child", 2).await;
    assert_eq!(sup.which_children().await[0].child.key, child.key);
    stopped(&sup).await;
}

/// B14.
async fn sup_flags(family: impl Family) {
    let flags = Supervisor::builder("flags").intensity(1, Duration::ZERO).child(family.child("child"));
    let error = family.start(flags).await.unwrap_err();
    assert!(matches!(&error, SupervisorError::Invalid { why: Invalid::ZeroPeriod, .. }), "{error:?}");
    assert!(error.to_string().contains("`flags`"), "{error}");
}

/// How a child ends.
enum Way<A> {
    /// By itself or by somebody else.
    By(fn(&A)),
    Abnormal,
}

/// B7: whether a child that is started again as `restart` says is, after it ended this way.
async fn restarts<F: Family>(family: F, restart: Restart, way: Way<F::Actor>, expected: bool) {
    let sup = Supervisor::builder(unique("sup")).intensity(2, LONG);
    let sup = started(&family, sup.child(family.child("child").restart(restart)).child(family.child("other"))).await;
    assert_eq!(family.count(&sup, "child").await, Some(1));
    let cell = family.actor(&sup, "child").await.unwrap();
    match way {
        Way::By(end) => end(&cell),
        Way::Abnormal => family.fail(&sup, "child").await,
    }
    if expected {
        runs(&sup, "child", 2).await;
        assert_eq!(family.count(&sup, "child").await, Some(1), "a fresh state");
    } else if restart == Restart::Temporary {
        eventually("the child is forgotten", async || info(&sup, "child").await.is_none()).await;
    } else {
        is(&sup, "child", Status::Stopped).await;
        assert!(family.actor(&sup, "child").await.is_none());
    }
    assert_eq!(info(&sup, "other").await, Some((Status::Running, 1)));
    stopped(&sup).await;
}

async fn permanent_normal(family: impl Family) {
    restarts(family, Restart::Permanent, Way::By(Standing::stop), true).await;
}

async fn transient_normal(family: impl Family) {
    restarts(family, Restart::Transient, Way::By(Standing::stop), false).await;
}

async fn temporary_normal(family: impl Family) {
    restarts(family, Restart::Temporary, Way::By(Standing::stop), false).await;
}

/// What a supervisor says to a child that it stops.
fn shut_down(cell: &ActorCell) {
    cell.stop(Some("shutdown".into()));
}

async fn permanent_shutdown(family: impl Family<Actor = ActorCell>) {
    restarts(family, Restart::Permanent, Way::By(shut_down), true).await;
}

async fn transient_shutdown(family: impl Family<Actor = ActorCell>) {
    restarts(family, Restart::Transient, Way::By(shut_down), false).await;
}

async fn temporary_shutdown(family: impl Family<Actor = ActorCell>) {
    restarts(family, Restart::Temporary, Way::By(shut_down), false).await;
}

async fn permanent_abnormal(family: impl Family) {
    restarts(family, Restart::Permanent, Way::Abnormal, true).await;
}

async fn transient_abnormal(family: impl Family) {
    restarts(family, Restart::Transient, Way::Abnormal, true).await;
}

async fn temporary_abnormal(family: impl Family) {
    restarts(family, Restart::Temporary, Way::Abnormal, false).await;
}

async fn permanent_killed(family: impl Family<Actor: Mortal>) {
    restarts(family, Restart::Permanent, Way::By(Mortal::kill), true).await;
}

/// A kill is no way to have meant to end.
async fn transient_killed(family: impl Family<Actor: Mortal>) {
    restarts(family, Restart::Transient, Way::By(Mortal::kill), true).await;
}

async fn temporary_killed(family: impl Family<Actor: Mortal>) {
    restarts(family, Restart::Temporary, Way::By(Mortal::kill), false).await;
}

/// B8: a temporary sibling is stopped with the others, and not started again.
async fn temporary_bystander(family: impl Family) {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let sup = Supervisor::builder(unique("sup")).strategy(strategy).intensity(2, LONG);
        let bystander = family.child("bystander").restart(Restart::Temporary);
        let sup = started(&family, sup.child(family.child("child")).child(bystander)).await;
        let cell = family.actor(&sup, "bystander").await.unwrap();
        family.fail(&sup, "child").await;
        runs(&sup, "child", 2).await;
        soon("the bystander's end", cell.ended()).await;
        assert_eq!(sup.count_children().await.specs, 1);
        stopped(&sup).await;
    }
}

/// Fails `id` and waits for its next incarnation.
async fn again(family: &impl Family, sup: &SupervisorRef, id: &str) {
    let (_, now) = info(sup, id).await.unwrap();
    family.fail(sup, id).await;
    runs(sup, id, now + 1).await;
}

/// B3.
async fn one_for_one(family: impl Family) {
    let sup = started(&family, three(&family, Strategy::OneForOne, 2)).await;
    assert_eq!(family.count(&sup, "one").await, Some(1));
    again(&family, &sup, "two").await;
    assert_eq!(incarnations(&sup).await, [1, 2, 1]);
    assert_eq!(family.count(&sup, "one").await, Some(2), "it goes on as if nothing were");
    again(&family, &sup, "two").await;
    family.fail(&sup, "two").await;
    assert!(matches!(failed(&sup).await, End::Intensity { child, .. } if &*child == "two"));
}

/// B3, B35: it gives up once its children are gone.
async fn one_for_one_escalation(family: impl Family) {
    escalates(family, Strategy::OneForOne).await;
}

async fn escalates(family: impl Family, strategy: Strategy) {
    let (sup, end) = family.start_linked(three(&family, strategy, 0)).await;
    let cells = [family.actor(&sup, "one").await.unwrap(), family.actor(&sup, "three").await.unwrap()];
    family.fail(&sup, "two").await;
    let error = soon("the supervisor's end", end).await;
    assert!(matches!(error, SupervisorError::Ended { end: End::Intensity { .. }, .. }), "{error}");
    assert!(cells.iter().all(|cell| cell.has_ended()), "a child outlived its supervisor");
}

/// B4.
async fn one_for_all(family: impl Family) {
    let sup = started(&family, three(&family, Strategy::OneForAll, 2)).await;
    for id in ["one", "two", "three"] {
        assert_eq!(family.count(&sup, id).await, Some(1));
    }
    again(&family, &sup, "two").await;
    runs(&sup, "three", 2).await;
    assert_eq!(incarnations(&sup).await, [2, 2, 2]);
    for id in ["one", "two", "three"] {
        assert_eq!(family.count(&sup, id).await, Some(1), "{id} has a fresh state");
    }
    stopped(&sup).await;
}

/// B4, B35.
async fn one_for_all_escalation(family: impl Family) {
    escalates(family, Strategy::OneForAll).await;
}

/// B4: another child does not start again.
async fn one_for_all_other_child_fails_restart(family: impl Family) {
    other_child_fails_restart(family, Strategy::OneForAll, "one").await;
}

async fn other_child_fails_restart(family: impl Family, strategy: Strategy, fails: &str) {
    let sup = started(&family, three(&family, strategy, 3)).await;
    family.starts().set("three", How::Fails);
    family.fail(&sup, fails).await;
    // The first restart, and those of the child that does not start, are all there are.
    assert!(matches!(failed(&sup).await, End::Intensity { child, .. } if &*child == "three"));
    assert_eq!(family.starts().tried("three"), 1 + 3);

    // Once it does, all is well.
    family.starts().set("three", How::Runs);
    let sup = started(&family, three(&family, strategy, u32::MAX)).await;
    family.starts().set("three", How::Fails);
    let before = family.starts().tried("three");
    family.fail(&sup, fails).await;
    eventually("some starts that fail", async || family.starts().tried("three") > before + 2).await;
    family.starts().set("three", How::Runs);
    eventually("all run", async || statuses(&sup).await == [Status::Running; 3]).await;
    assert_eq!(family.count(&sup, "three").await, Some(1));
    stopped(&sup).await;
}

/// B5.
async fn rest_for_one(family: impl Family) {
    let sup = started(&family, three(&family, Strategy::RestForOne, 2)).await;
    again(&family, &sup, "two").await;
    runs(&sup, "three", 2).await;
    assert_eq!(incarnations(&sup).await, [1, 2, 2]);
    again(&family, &sup, "three").await;
    assert_eq!(incarnations(&sup).await, [1, 2, 3]);
    stopped(&sup).await;
}

/// B5, B35.
async fn rest_for_one_escalation(family: impl Family) {
    escalates(family, Strategy::RestForOne).await;
}

/// B5.
async fn rest_for_one_other_child_fails_restart(family: impl Family) {
    other_child_fails_restart(family, Strategy::RestForOne, "two").await;
}

/// B6.
async fn simple_one_for_one(family: impl Family) {
    let sup = started(&family, dynamic(None)).await;
    let one = sup.start_child(family.child("child")).await.unwrap().unwrap();
    let two = sup.start_child(family.child("child")).await.unwrap().unwrap();
    assert_ne!(one.key, two.key);
    assert_eq!(family.count(&sup, one.key).await, Some(1));
    family.fail(&sup, two.key).await;
    eventually("the restart", async || incarnations(&sup).await == [1, 2]).await;
    assert_eq!(family.count(&sup, one.key).await, Some(2));
    stopped(&sup).await;
}

/// B6, B35.
async fn simple_one_for_one_escalation(family: impl Family) {
    let sup = started(&family, dynamic(None)).await;
    let mut cells = Vec::new();
    for _ in 0..3 {
        let child = sup.start_child(family.child("child")).await.unwrap().unwrap();
        cells.push(family.actor(&sup, child.key).await.unwrap());
    }
    let fails = sup.which_children().await[0].child.key;
    for incarnation in 2..4 {
        family.fail(&sup, fails).await;
        eventually("the restart", async || {
            let child = sup.which_children().await[0].clone();
            (child.child.incarnation, child.status) == (incarnation, Status::Running)
        })
        .await;
    }
    family.fail(&sup, fails).await;
    assert!(matches!(failed(&sup).await, End::Intensity { .. }));
    assert!(cells.iter().all(|cell| cell.has_ended()));
}

/// B6.
async fn simple_one_for_one_shutdown(family: impl Family) {
    let sup = started(&family, dynamic(None)).await;
    for _ in 0..50 {
        sup.start_child(family.child("child")).await.unwrap().unwrap();
    }
    assert_eq!(sup.count_children().await.active, 50);
    stopped(&sup).await;
}

/// B6: each child has a specification of its own.
async fn simple_one_for_one_extra(family: impl Family) {
    let sup = started(&family, dynamic(None)).await;
    sup.start_child(family.child("one").restart(Restart::Temporary)).await.unwrap().unwrap();
    let two = sup.start_child(family.child("two")).await.unwrap().unwrap();
    family.fail(&sup, sup.which_children().await[0].child.key).await;
    family.fail(&sup, two.key).await;
    runs(&sup, "two", 2).await;
    eventually("the temporary one is forgotten", async || sup.count_children().await.specs == 1).await;
    stopped(&sup).await;
}

/// B16.
async fn child_unlink(family: impl Family<Actor = ActorCell>) {
    let sup = started(&family, three(&family, Strategy::OneForOne, 3)).await;
    let cell = family.actor(&sup, "two").await.unwrap();
    cell.unlink(sup.cell().clone());
    sup.terminate_child("two").await.unwrap();
    assert!(cell.has_ended());
    sup.restart_child("two").await.unwrap();

    // Its end is seen though nobody tells of it.
    let cell = family.actor(&sup, "two").await.unwrap();
    cell.unlink(sup.cell().clone());
    cell.kill();
    runs(&sup, "two", 3).await;
    let cell = family.actor(&sup, "three").await.unwrap();
    cell.unlink(sup.cell().clone());
    stopped(&sup).await;
    assert!(cell.has_ended());
}

/// B17: a supervisor that gives up is restarted with its own children, and not with those that came later.
async fn tree(family: impl Family) {
    let inner =
        |id: &str| ["one", "two", "three"].iter().fold(Supervisor::builder(id).intensity(0, LONG), |sup, id| sup.child(family.child(id)));
    let outer = Supervisor::builder(unique("outer")).intensity(1, LONG);
    let sup = started(&family, outer.child(ChildSpec::supervisor(inner("left"))).child(ChildSpec::supervisor(inner("right")))).await;
    assert_eq!(sup.count_children().await, Counts { specs: 2, active: 2, supervisors: 2, workers: 0 });
    let left = sup.supervisor("left").await.unwrap();
    let right = sup.supervisor("right").await.unwrap();
    left.start_child(family.child("late")).await.unwrap().unwrap();
    assert_eq!(left.count_children().await.specs, 4);
    let cells = [family.actor(&left, "one").await.unwrap(), family.actor(&left, "late").await.unwrap()];

    family.fail(&left, "two").await;
    runs(&sup, "left", 2).await;
    assert!(cells.iter().all(|cell| cell.has_ended()));
    let left = sup.supervisor("left").await.unwrap();
    assert_eq!(left.count_children().await.specs, 3);
    assert_eq!(family.count(&right, "two").await, Some(1));

    family.fail(&left, "two").await;
    let end = failed(&sup).await;
    assert!(matches!(&end, End::Intensity { child, .. } if &**child == "left"), "{end}");
    assert!(soon("the sibling's end", right.ended()).await.is_ok(), "it was stopped in order");
}

/// B13.
async fn count_children(family: impl Family) {
    let sup = started(&family, three(&family, Strategy::OneForOne, 1)).await;
    assert_eq!(sup.count_children().await, Counts { specs: 3, active: 3, supervisors: 0, workers: 3 });
    sup.terminate_child("two").await.unwrap();
    assert_eq!(sup.count_children().await, Counts { specs: 3, active: 2, supervisors: 0, workers: 3 });
    sup.delete_child("two").await.unwrap();
    assert_eq!(sup.count_children().await, Counts { specs: 2, active: 2, supervisors: 0, workers: 2 });
    stopped(&sup).await;
}

/// B13, B17.
async fn count_children_supervisor(family: impl Family) {
    let sup = Supervisor::builder(unique("outer")).child(family.child("child"));
    let sup = started(&family, sup.child(ChildSpec::supervisor(three(&family, Strategy::OneForOne, 1)))).await;
    assert_eq!(sup.count_children().await, Counts { specs: 2, active: 2, supervisors: 1, workers: 1 });
    stopped(&sup).await;
}

/// B13, B15: children that wait for their restart are not active.
async fn count_restarting_children(family: impl Family) {
    let backoff = Backoff { jitter_percent: 0, ..Backoff::new(LONG, LONG) };
    let sup = Supervisor::builder(unique("sup")).intensity(3, LONG).child(family.child("one").backoff(backoff));
    let sup = started(&family, sup.child(family.child("two"))).await;
    family.fail(&sup, "one").await;
    is(&sup, "one", Status::Restarting).await;
    assert_eq!(sup.count_children().await, Counts { specs: 2, active: 1, supervisors: 0, workers: 2 });
    assert!(matches!(sup.restart_child("one").await, Err(AdminError::Restarting)));
    sup.terminate_child("one").await.unwrap();
    assert_eq!(statuses(&sup).await, [Status::Stopped, Status::Running]);
    stopped(&sup).await;
}

/// B12.
async fn nonsignificant_temporary(family: impl Family) {
    nonsignificant(family, Restart::Temporary).await;
}

/// B12.
async fn nonsignificant_transient(family: impl Family) {
    nonsignificant(family, Restart::Transient).await;
}

async fn nonsignificant(family: impl Family, restart: Restart) {
    let sup = Supervisor::builder(unique("sup")).auto_shutdown(AutoShutdown::AnySignificant);
    let sup = started(&family, sup.child(family.child("child").restart(restart)).child(family.child("other"))).await;
    let cell = family.actor(&sup, "child").await.unwrap();
    cell.stop();
    eventually("the child's end", async || sup.count_children().await.active == 1).await;
    assert_eq!(family.count(&sup, "other").await, Some(1));
    stopped(&sup).await;
}

/// Significant children that are started again as `restart` says.
async fn significant(family: &impl Family, auto: AutoShutdown, restart: Restart) -> SupervisorRef {
    let child = |id| family.child(id).restart(restart).significant(true);
    let sup = Supervisor::builder(unique("sup")).auto_shutdown(auto).intensity(3, LONG);
    started(family, sup.child(child("one")).child(child("two")).child(family.child("other"))).await
}

/// B12.
async fn significant_temporary(family: impl Family) {
    let sup = significant(&family, AutoShutdown::AnySignificant, Restart::Temporary).await;
    family.fail(&sup, "one").await;
    soon("the shutdown", sup.ended()).await.unwrap();

    let sup = significant(&family, AutoShutdown::AllSignificant, Restart::Temporary).await;
    family.actor(&sup, "one").await.unwrap().stop();
    eventually("the first end", async || sup.count_children().await.specs == 2).await;
    assert_eq!(family.count(&sup, "other").await, Some(1));
    family.actor(&sup, "two").await.unwrap().stop();
    soon("the shutdown", sup.ended()).await.unwrap();
}

/// B12: a failure is none of its ends for good.
async fn significant_transient(family: impl Family) {
    let sup = significant(&family, AutoShutdown::AnySignificant, Restart::Transient).await;
    again(&family, &sup, "one").await;
    family.actor(&sup, "one").await.unwrap().stop();
    soon("the shutdown", sup.ended()).await.unwrap();

    let sup = significant(&family, AutoShutdown::AllSignificant, Restart::Transient).await;
    family.actor(&sup, "two").await.unwrap().stop();
    is(&sup, "two", Status::Stopped).await;
    family.actor(&sup, "one").await.unwrap().stop();
    soon("the shutdown", sup.ended()).await.unwrap();
}

/// B12.
async fn significant_simple(family: impl Family) {
    let sup = started(&family, dynamic(None).auto_shutdown(AutoShutdown::AllSignificant)).await;
    let spec = || family.child("child").restart(Restart::Transient).significant(true);
    let one = sup.start_child(spec()).await.unwrap().unwrap();
    let two = sup.start_child(spec()).await.unwrap().unwrap();
    family.actor(&sup, one.key).await.unwrap().stop();
    eventually("the first end", async || sup.count_children().await.specs == 1).await;
    family.actor(&sup, two.key).await.unwrap().stop();
    soon("the shutdown", sup.ended()).await.unwrap();
}

/// B12: an end that came with a sibling's restart, or that was asked for, is none of its own.
async fn significant_bystander(family: impl Family) {
    let sup = Supervisor::builder(unique("sup"))
        .auto_shutdown(AutoShutdown::AnySignificant)
        .strategy(Strategy::OneForAll)
        .intensity(3, LONG)
        .child(family.child("child"))
        .child(family.child("bystander").restart(Restart::Temporary).significant(true));
    let sup = started(&family, sup).await;
    again(&family, &sup, "child").await;
    assert_eq!(sup.count_children().await.specs, 1);
    let late = family.child("late").restart(Restart::Transient).significant(true);
    sup.start_child(late).await.unwrap().unwrap();
    sup.terminate_child("late").await.unwrap();
    assert_eq!(family.count(&sup, "child").await, Some(1));
    stopped(&sup).await;
}

/// B12: the shutdown of an inner supervisor is an end like any other.
async fn significant_escalation(family: impl Family) {
    let inner = Supervisor::builder("inner").auto_shutdown(AutoShutdown::AnySignificant);
    let inner = inner.child(family.child("child").restart(Restart::Transient).significant(true));
    let outer = Supervisor::builder(unique("outer")).auto_shutdown(AutoShutdown::AnySignificant).child(family.child("other"));
    let outer = outer.child(ChildSpec::supervisor(inner).restart(Restart::Transient).significant(true));
    let sup = started(&family, outer).await;
    let inner = sup.supervisor("inner").await.unwrap();
    family.actor(&inner, "child").await.unwrap().stop();
    soon("the inner shutdown", inner.ended()).await.unwrap();
    soon("the outer shutdown", sup.ended()).await.unwrap();
}

/// B18.
async fn do_not_save_start_parameters_for_temporary_children(family: impl Family) {
    let sup = started(&family, three(&family, Strategy::OneForOne, 1)).await;
    sup.start_child(family.child("late").restart(Restart::Temporary)).await.unwrap().unwrap();
    sup.terminate_child("late").await.unwrap();
    assert_eq!(sup.count_children().await.specs, 3);
    assert!(matches!(sup.restart_child("late").await, Err(AdminError::NotFound)));
    stopped(&sup).await;
}

/// B18, B20.
async fn simple_one_for_one_scale_many_temporary_children(family: impl Family) {
    let sup = started(&family, dynamic(None)).await;
    for _ in 0..500 {
        let child = sup.start_child(family.child("child").restart(Restart::Temporary)).await.unwrap().unwrap();
        family.actor(&sup, child.key).await.unwrap().stop();
    }
    eventually("all are forgotten", async || sup.count_children().await == Counts::default()).await;
    stopped(&sup).await;
}

/// B20.
async fn scale_start_stop_many_children(family: impl Family) {
    let sup = started(&family, Supervisor::builder(unique("sup"))).await;
    for i in 0..500 {
        sup.start_child(family.child(&i.to_string())).await.unwrap().unwrap();
    }
    assert_eq!(sup.count_children().await.active, 500);
    stopped(&sup).await;
}

/// B9: as many restarts as there may be, and one more.
async fn multiple_restarts(family: impl Family) {
    let sup = started(&family, three(&family, Strategy::OneForOne, 4)).await;
    for id in ["one", "two", "three", "one"] {
        again(&family, &sup, id).await;
    }
    assert_eq!(incarnations(&sup).await, [3, 2, 2]);
    family.fail(&sup, "two").await;
    assert!(matches!(failed(&sup).await, End::Intensity { child, .. } if &*child == "two"));

    // Those of long ago do not count.
    let sup = started(&family, three(&family, Strategy::OneForOne, 1).intensity(1, Duration::from_nanos(1))).await;
    for _ in 0..5 {
        again(&family, &sup, "one").await;
    }
    stopped(&sup).await;
}

/// B15: it answers, and can be stopped, while a start goes on and on.
async fn hanging_restart_loop(family: impl Family) {
    hangs(&family, three(&family, Strategy::OneForOne, 3), "two").await;
    hangs(&family, three(&family, Strategy::OneForAll, 3), "one").await;
}

/// B15.
async fn hanging_restart_loop_rest_for_one(family: impl Family) {
    hangs(&family, three(&family, Strategy::RestForOne, 3), "two").await;
}

async fn hangs(family: &impl Family, builder: Builder, id: &str) {
    let sup = started(family, builder).await;
    family.starts().set(id, How::Hangs);
    family.fail(&sup, id).await;
    is(&sup, id, Status::Starting).await;
    assert_eq!(sup.count_children().await.specs, 3);
    assert!(matches!(sup.restart_child(id).await, Err(AdminError::Restarting)));
    assert!(matches!(sup.delete_child(id).await, Err(AdminError::Restarting)));
    assert!(matches!(sup.start_child(family.child(id)).await, Err(AdminError::AlreadyStarted(_))));
    soon("the start is given up", sup.terminate_child(id)).await.unwrap();
    assert_eq!(info(&sup, id).await.unwrap().0, Status::Stopped);
    let start = tokio::spawn({
        let (sup, id) = (sup.clone(), id.to_owned());
        async move { sup.restart_child(&*id).await }
    });
    is(&sup, id, Status::Starting).await;
    stopped(&sup).await;
    family.starts().set(id, How::Runs);
    assert!(matches!(soon("the answer", start).await.unwrap(), Err(AdminError::Terminated | AdminError::ShuttingDown)));
}

/// B15.
async fn hanging_restart_loop_simple(family: impl Family) {
    let sup = started(&family, dynamic(None)).await;
    let one = sup.start_child(family.child("one")).await.unwrap().unwrap();
    let two = sup.start_child(family.child("two")).await.unwrap().unwrap();
    family.starts().set("one", How::Hangs);
    family.fail(&sup, one.key).await;
    is(&sup, "one", Status::Starting).await;
    assert_eq!(family.count(&sup, two.key).await, Some(1));
    soon("the start is given up", sup.terminate_child(one.key)).await.unwrap();
    assert_eq!(sup.count_children().await.specs, 1);
    stopped(&sup).await;
}

/// B1: started in their order, stopped in reverse, each gone before the next.
async fn order_of_children(family: impl Family) {
    let name = unique("order");
    let ids = ["two", "nine", "one", "five"];
    let builder = ids
        .iter()
        .fold(Supervisor::builder(&*name).strategy(Strategy::OneForAll).intensity(1, LONG), |sup, id| sup.child(family.child(id)));
    let sup = started(&family, builder).await;
    assert_eq!(sup.which_children().await.iter().map(|info| info.id.to_string()).collect::<Vec<_>>(), ids);
    again(&family, &sup, "one").await;
    runs(&sup, "five", 2).await;
    stopped(&sup).await;
    let expected = [
        "start two",
        "start nine",
        "start one",
        "start five",
        "ended one",
        "stop five",
        "ended five",
        "stop nine",
        "ended nine",
        "stop two",
        "ended two",
        "restart two",
        "restart nine",
        "restart one",
        "restart five",
        "stop five",
        "ended five",
        "stop one",
        "ended one",
        "stop nine",
        "ended nine",
        "stop two",
        "ended two",
        "the supervisor was asked to stop",
    ];
    assert_eq!(reports::of(&name), expected);
}

/// B22.
async fn format_log(family: impl Family) {
    let sup = started(&family, three(&family, Strategy::OneForOne, 0)).await;
    family.fail(&sup, "two").await;
    let end = failed(&sup).await;
    let said = reports::of(sup.name());
    assert_eq!(said.first().map(String::as_str), Some("start one"));
    assert_eq!(said.last(), Some(&end.to_string()));
}

/// B19: other settings while it runs.
async fn code_change(family: impl Family) {
    let sup = started(&family, three(&family, Strategy::OneForOne, 0)).await;
    sup.reconfigure(Flags { strategy: Strategy::OneForAll, intensity: 1, period: LONG, ..Flags::default() }).await.unwrap();
    again(&family, &sup, "two").await;
    runs(&sup, "three", 2).await;
    assert_eq!(incarnations(&sup).await, [2, 2, 2]);
    let dynamic = Flags { strategy: Strategy::Dynamic { max_children: None }, ..Flags::default() };
    assert!(matches!(sup.reconfigure(dynamic).await, Err(AdminError::Invalid(Invalid::DynamicChanged))));
    stopped(&sup).await;
}
