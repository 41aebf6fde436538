//! What OTP does not have: restarts in place, typed faults, backoff, devices that are lost, zombies.
//!
//! The B numbers are those of the behaviours listed in `docs/supervision.md`.

use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use ractor::{ActorProcessingErr, ActorRef, RactorErr, call, cast, pg};
use resident::guardian::*;
use resident::prelude::*;
use resident::{IncarnationEnds, SpawnError, watch};
use resident_test_actors::{
    CountUp, Counter, EXPLICIT, FailWith, Failer, FailerMsg, Juggle, Panic, Panicker, PanickerMsg, Player, PlayerMsg,
};
use resident_tests::family::*;
use resident_tests::*;
use tokio::sync::mpsc;
use tokio::time::Instant;

async fn started(builder: Builder) -> SupervisorRef {
    reports::keep();
    soon("the start", builder.start()).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn stopped(sup: &SupervisorRef) {
    soon("the supervisor's end", sup.stop()).await.unwrap();
}

/// A supervisor with one child.
async fn alone(child: ChildSpec) -> SupervisorRef {
    started(Supervisor::builder(unique("alone")).intensity(u32::MAX, LONG).child(child)).await
}

fn panicker(system: &System) -> ChildSpec {
    ChildSpec::gpu("child", Panicker::default).on(system)
}

fn bang() -> PanickerMsg {
    PanickerMsg::Panic(Panic { how: EXPLICIT, value: 1 })
}

/// B25: who holds the actor holds its next incarnation.
#[tokio::test(flavor = "multi_thread")]
async fn a_resident_actor_keeps_its_handles_over_a_restart() {
    let system = system().await;
    let name = unique("named");
    let sup = alone(panicker(&system).name(&*name)).await;
    let actor = sup.child::<Panicker>("child").await.unwrap();
    let group = unique("group");
    pg::join(group.clone(), vec![actor.get_cell()]);
    let (id, before) = (actor.get_id(), actor.info().address);
    for incarnation in 2..5 {
        actor.send(bang()).await.unwrap();
        runs(&sup, "child", incarnation).await;
        assert!(actor.fault().is_none(), "that was another incarnation's");
        let plain = ActorRef::<PanickerMsg>::where_is(&name).unwrap();
        assert_eq!(call!(actor, PanickerMsg::CountUp).unwrap(), 1, "a fresh state");
        assert_eq!(call!(plain, PanickerMsg::CountUp).unwrap(), 2);
        assert_eq!(system.running(), 1);
    }
    let after = sup.child::<Panicker>("child").await.unwrap();
    assert_eq!((after.get_id(), pg::get_members(&group).len()), (id, 1));
    assert_ne!(actor.info().address, before, "another row, or another generation of it");
    assert_eq!(GpuRef::<Panicker>::where_is(&name, &system).unwrap().get_id(), id);

    // What ends the proxy ends the actor, whichever incarnation lives: the next one is another.
    actor.kill();
    eventually("another actor", async || sup.child::<Panicker>("child").await.is_some_and(|child| child.get_id() != id)).await;
    let next = sup.child::<Panicker>("child").await.unwrap();
    assert_eq!((next.get_name(), call!(next, PanickerMsg::CountUp).unwrap()), (Some(name), 1));
    stopped(&sup).await;
    assert_eq!(system.running(), 0);
    system.stop().await;
}

/// HO-11: on two shards a restart may bring the same generation, of another row.
#[tokio::test(flavor = "multi_thread")]
async fn every_incarnation_is_another() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let sup = alone(panicker(&system)).await;
    let actor = sup.child::<Panicker>("child").await.unwrap();
    let mut seen = vec![actor.info()];
    for incarnation in 2..10 {
        actor.send(bang()).await.unwrap();
        runs(&sup, "child", incarnation).await;
        seen.push(actor.info());
        assert_eq!(actor.info(), actor.info(), "and it stays as it is");
    }
    assert_eq!(seen.iter().map(|info| info.incarnation).collect::<Vec<_>>(), (1..10).collect::<Vec<_>>());
    assert_eq!(seen.iter().map(|info| info.address).collect::<HashSet<_>>().len(), seen.len());
    assert!(seen.windows(2).any(|two| two[0].address.generation() == two[1].address.generation()), "a generation does not tell");

    // What ends for good and is started again is another actor.
    let id = actor.get_id();
    actor.kill();
    eventually("another actor", async || sup.child::<Panicker>("child").await.is_some_and(|child| child.get_id() != id)).await;
    assert_eq!(sup.child::<Panicker>("child").await.unwrap().info().incarnation, 1);
    stopped(&sup).await;
    system.stop().await;
}

/// The next end of an incarnation: which, and the class and the count of its fault.
async fn next_end(ends: &mut IncarnationEnds) -> Option<(u64, Option<(FaultClass, u64)>)> {
    let end = soon("an incarnation's end", ends.next()).await?;
    let fault = end.fault.map(|fault| (fault.class, fault.state::<Panicker>().expect("the state that is gone").counted));
    Some((end.incarnation, fault))
}

/// HO-12: who watches hears of each incarnation's end once, whether it has failed or was restarted with another, and of the last.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_each_incarnation_is_heard() {
    let system = system().await;
    let sibling = ChildSpec::gpu("sibling", Panicker::default).on(&system);
    let family = Supervisor::builder(unique("family")).strategy(Strategy::OneForAll).intensity(u32::MAX, LONG);
    let sup = started(family.child(panicker(&system)).child(sibling)).await;
    let actor = sup.child::<Panicker>("child").await.unwrap();
    let (monitor, mut monitored) = supervisor().await;
    monitor.monitor(actor.get_cell());
    let mut ends = actor.ends();
    for incarnation in 1..4 {
        for count in 1..=incarnation {
            assert_eq!(call!(actor, PanickerMsg::CountUp).unwrap(), count);
        }
        actor.send(bang()).await.unwrap();
        assert_eq!(next_end(&mut ends).await, Some((incarnation, Some((FaultClass::Panic, incarnation)))));
        match monitored.end().await {
            Event::Failed(who, text) => assert!(who == actor.get_id() && text.to_string().contains("asked to panic"), "{text}"),
            other => panic!("{other:?}"),
        }
        runs(&sup, "child", incarnation + 1).await;
    }
    sup.child::<Panicker>("sibling").await.unwrap().send(bang()).await.unwrap();
    assert_eq!(next_end(&mut ends).await, Some((4, None)), "it was stopped");
    assert!(matches!(monitored.end().await, Event::Terminated(who, false, Some(_)) if who == actor.get_id()));
    runs(&sup, "child", 5).await;
    assert_eq!((actor.info().incarnation, call!(actor, PanickerMsg::CountUp).unwrap()), (5, 1));
    stopped(&sup).await;
    assert_eq!((next_end(&mut ends).await, next_end(&mut ends).await), (Some((5, None)), None));
    assert!(matches!(monitored.end().await, Event::Terminated(who, ..) if who == actor.get_id()), "as of any actor");
    assert!(!monitored.has_more());
    let mut late = actor.ends();
    assert_eq!((next_end(&mut late).await, next_end(&mut late).await), (Some((5, None)), None));
    system.stop().await;
}

/// HO-12: what monitors are told of an incarnation is not taken for the end of the actor by its guardian.
#[tokio::test(flavor = "multi_thread")]
async fn an_incarnations_end_is_not_the_actors() {
    let system = system().await;
    let sup = alone(panicker(&system).restart(Restart::Transient)).await;
    let mut incarnation = 1;
    for turn in 0..20 {
        let actor = sup.child::<Panicker>("child").await.unwrap();
        actor.send(bang()).await.unwrap();
        incarnation += 1;
        runs(&sup, "child", incarnation).await;
        actor.stop(None);
        // A failure that was noted for it would have it started again.
        is(&sup, "child", Status::Stopped).await;
        assert!(sup.child::<Panicker>("child").await.is_none(), "turn {turn}");
        sup.restart_child("child").await.unwrap();
        incarnation += 1;
        runs(&sup, "child", incarnation).await;
    }
    stopped(&sup).await;
    system.stop().await;
}

/// HO-12: an end is told at once, however long the next start takes; of a kill, and of an actor without a guardian, too.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_heard_before_the_next_start() {
    let family = Gpu::new().await;
    let sup = alone(family.child("child")).await;
    let actor = sup.child::<Panicker>("child").await.unwrap();
    let mut ends = actor.ends();
    family.starts().set("child", How::Hangs);
    family.fail(&sup, "child").await;
    assert_eq!(soon("the end", ends.next()).await.map(|end| end.incarnation), Some(1));
    is(&sup, "child", Status::Starting).await;
    let mut late = actor.ends();
    assert_eq!(soon("the same", late.next()).await.map(|end| end.incarnation), Some(1));
    family.starts().set("child", How::Runs);
    runs(&sup, "child", 2).await;
    actor.kill();
    for ends in [&mut ends, &mut late] {
        assert_eq!((next_end(ends).await, next_end(ends).await), (Some((2, None)), None));
    }
    stopped(&sup).await;

    let (single, join) = Panicker::spawn(None, Panicker::default(), &family.system).await.unwrap();
    let mut ends = single.ends();
    single.send(bang()).await.unwrap();
    assert_eq!((next_end(&mut ends).await, next_end(&mut ends).await), (Some((1, Some((FaultClass::Panic, 0)))), None));
    soon("its end", join).await.unwrap();
    family.end().await;
}

/// B27: a sender that comes between two incarnations waits for the next.
#[tokio::test(flavor = "multi_thread")]
async fn senders_wait_while_an_actor_is_restarted() {
    let family = Gpu::new().await;
    let sup = alone(family.child("child")).await;
    let actor = sup.child::<Panicker>("child").await.unwrap();
    family.starts().set("child", How::Hangs);
    family.fail(&sup, "child").await;
    is(&sup, "child", Status::Starting).await;

    assert!(matches!(actor.try_cast(PanickerMsg::Panic(Panic { how: 99, value: 0 })), Err(CastError::Full(_))));
    assert_eq!(actor.cast_many(&[Panic { how: 99, value: 0 }]).unwrap(), 0);
    let mut pipeline = Pipeline::<Panicker, CountUp>::new(&family.system, 1).unwrap();
    assert!(matches!(pipeline.submit(&actor, &CountUp), Err(AskError::Full)));
    let ask = |wait| {
        let actor = actor.clone();
        tokio::task::spawn_blocking(move || actor.ask(&CountUp, wait))
    };
    let late = soon("an answer", ask(Duration::from_millis(10))).await.unwrap();
    assert!(matches!(late, Err(AskError::Timeout(_))), "{late:?}");

    let plain: ActorRef<PanickerMsg> = actor.clone().into();
    let by_mailbox = tokio::spawn(async move { call!(plain, PanickerMsg::CountUp) });
    let by_ring = tokio::spawn({
        let actor = actor.clone();
        async move { call!(actor, PanickerMsg::CountUp) }
    });
    let by_line = ask(PATIENCE);
    family.starts().set("child", How::Runs);
    let mut counts = [
        soon("a reply", by_mailbox).await.unwrap().unwrap(),
        soon("a reply", by_ring).await.unwrap().unwrap(),
        soon("a reply", by_line).await.unwrap().unwrap(),
    ];
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 3]);
    stopped(&sup).await;
    family.end().await;
}

/// B26, B27: where no restart follows, who waits is told.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_senders_hear_of_an_end_for_good() {
    let family = Gpu::new().await;
    let sup = alone(family.child("child").on_fault(|_| Directive::Restart)).await;
    let actor = sup.child::<Panicker>("child").await.unwrap();
    family.starts().set("child", How::Hangs);
    family.fail(&sup, "child").await;
    is(&sup, "child", Status::Starting).await;
    let waiting = tokio::spawn({
        let actor = actor.clone();
        async move { actor.send(bang()).await }
    });
    let asking = tokio::task::spawn_blocking({
        let actor = actor.clone();
        move || actor.ask(&CountUp, PATIENCE)
    });
    sup.terminate_child("child").await.unwrap();
    assert!(matches!(soon("the sender's answer", waiting).await.unwrap(), Err(CastError::Stopped(_))));
    assert!(matches!(soon("the asker's answer", asking).await.unwrap(), Err(AskError::Failed(_))));
    assert_eq!(soon("the end", actor.ended()).await.unwrap().class, FaultClass::Panic);
    stopped(&sup).await;
    family.end().await;
}

/// B26: each call ends, with a reply or without; nothing is handled that nobody sent.
#[tokio::test(flavor = "multi_thread")]
async fn calls_end_once_whatever_happens_to_their_actor() {
    const CALLS: u64 = 10_000;
    let system = one_shard().await;
    // Its state goes on, so it has counted what was answered.
    let sup = alone(panicker(&system).on_fault(|_| Directive::Resume)).await;
    let actor = sup.child::<Panicker>("child").await.unwrap();
    let (answered, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let calls: Vec<_> = (0..CALLS)
        .map(|n| {
            let (actor, answered, ended) = (actor.clone(), answered.clone(), ended.clone());
            tokio::spawn(async move {
                if n % 500 == 0 {
                    actor.send(bang()).await.unwrap();
                }
                match call!(actor, PanickerMsg::CountUp) {
                    Ok(_) => answered.fetch_add(1, Ordering::Relaxed),
                    Err(RactorErr::Actor(_) | RactorErr::Messaging(_)) => 0,
                    Err(other) => panic!("{other:?}"),
                };
                ended.fetch_add(1, Ordering::Relaxed)
            })
        })
        .collect();
    for call in calls {
        soon("a call's end", call).await.unwrap();
    }
    assert_eq!(ended.load(Ordering::Relaxed), CALLS);
    eventually("it runs", async || matches!(call!(actor, PanickerMsg::CountUp), Ok(n) if n == answered.load(Ordering::Relaxed) + 1)).await;
    stopped(&sup).await;
    system.stop().await;
}

/// B29, B33: what follows a fault is decided by its class.
#[tokio::test(flavor = "multi_thread")]
async fn a_decider_sees_the_typed_fault() {
    let system = one_shard().await;
    let failer = ChildSpec::gpu("failer", Failer::default).on(&system).on_fault(|fault| match (fault.class, &*fault.text) {
        (FaultClass::Failed, "asked to fail with code 1") => Directive::Resume,
        (FaultClass::Failed, "asked to fail with code 2") => Directive::Stop,
        (FaultClass::Failed, "asked to fail with code 3") => Directive::Escalate,
        (FaultClass::Failed, _) => panic!("a decider that panics decides nothing"),
        _ => Directive::Restart,
    });
    let (root, mut heard) = supervisor().await;
    let inner = Supervisor::builder("inner").intensity(2, LONG).child(failer);
    let middle = Supervisor::builder("middle").intensity(0, LONG).child(ChildSpec::supervisor(inner));
    let outer = Supervisor::builder("outer").intensity(0, LONG).child(ChildSpec::supervisor(middle));
    let outer = outer.start_linked(root).await.unwrap();
    let inner = outer.supervisor("middle").await.unwrap().supervisor("inner").await.unwrap();
    let failer = inner.child::<Failer>("failer").await.unwrap();
    let fail = async |code: u32| {
        let answer = call!(failer, FailerMsg::FailWith, FailWith { code });
        assert!(answer.is_err(), "{answer:?}");
    };
    for _ in 0..5 {
        fail(1).await;
    }
    assert_eq!(
        call!(failer, FailerMsg::FailWith, FailWith { code: 0 }).unwrap(),
        1,
        "it goes on with its state, which a message that fails leaves as it was"
    );
    fail(4).await;
    assert_eq!(call!(failer, FailerMsg::FailWith, FailWith { code: 0 }).unwrap(), 1, "started afresh");
    fail(2).await;
    is(&inner, "failer", Status::Stopped).await;
    let fault = soon("the end", failer.ended()).await.unwrap();
    assert_eq!((fault.class, &*fault.text), (FaultClass::Failed, "asked to fail with code 2"));

    inner.restart_child("failer").await.unwrap().unwrap();
    let failer = inner.child::<Failer>("failer").await.unwrap();
    cast!(failer, FailerMsg::Fail).unwrap();
    runs(&inner, "failer", 9).await;
    assert!(call!(failer, FailerMsg::FailWith, FailWith { code: 3 }).is_err());
    let Event::Failed(_, error) = heard.end().await else { panic!("the outer supervisor gives up, too") };
    let error = error.downcast_ref::<SupervisorError>().unwrap();
    let fault = error.root().downcast_ref::<GpuFault>().expect("what it all began with");
    assert_eq!((&*fault.text, fault.state::<Failer>().unwrap().handled), ("asked to fail with code 3", 0));
    assert_eq!(system.running(), 0);
    system.stop().await;
}

/// B29: an error of a CPU actor's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_decider_sees_any_error() {
    let family = Cpu::new().await;
    let child = family.child("child").on_error(|error| match error.to_string().as_str() {
        "resume" => Directive::Resume,
        "stop" => Directive::Stop,
        _ => Directive::Escalate,
    });
    let sup = started(Supervisor::builder(unique("sup")).intensity(1, LONG).child(child)).await;
    let fail = async |text: &str| {
        let worker = sup.actor::<WorkerMsg>("child").await.unwrap();
        worker.cast(WorkerMsg::Fail(text.into())).unwrap();
        watch(worker).await;
    };
    fail("resume").await;
    runs(&sup, "child", 2).await;
    assert_eq!(family.count(&sup, "child").await, Some(1), "there is no state to go on with");
    fail("stop").await;
    is(&sup, "child", Status::Stopped).await;
    sup.restart_child("child").await.unwrap();
    fail("else").await;
    match soon("the end", sup.ended()).await {
        Err(SupervisorError::Ended { end: End::Escalated { child, cause }, .. }) => {
            assert_eq!((&*child, cause.to_string().as_str()), ("child", "else"));
        }
        other => panic!("{other:?}"),
    }
}

/// B23: delays double up to the greatest, begin anew after a quiet time, and end with the supervisor.
#[tokio::test(start_paused = true)]
async fn restarts_back_off() {
    let family = Cpu::new().await;
    let second = Duration::from_secs(1);
    let backoff = Backoff { jitter_percent: 50, reset_after: 100 * second, ..Backoff::new(second, 4 * second) };
    let sup = Supervisor::builder(unique("sup")).intensity(100, LONG).child(family.child("child").backoff(backoff));
    let sup = sup.start().await.unwrap();
    let restart = async |tries: u64| {
        let begun = Instant::now();
        family.fail(&sup, "child").await;
        family.starts().reached("child", tries).await;
        let worker = sup.actor::<WorkerMsg>("child");
        let waited = begun.elapsed();
        let _ = worker.await;
        waited
    };
    for (tries, delay) in [(2, 1), (3, 2), (4, 4), (5, 4)] {
        let waited = restart(tries).await;
        let delay = delay * second;
        assert!(waited >= delay && waited <= delay.mul_f64(1.5) + Duration::from_millis(2), "{waited:?} where {delay:?} belongs");
        while sup.actor::<WorkerMsg>("child").await.is_none() {
            tokio::task::yield_now().await;
        }
    }
    tokio::time::sleep(200 * second).await;
    let waited = restart(6).await;
    assert!(waited <= second.mul_f64(1.5) + Duration::from_millis(2), "{waited:?}");
    while sup.actor::<WorkerMsg>("child").await.is_none() {
        tokio::task::yield_now().await;
    }
    family.fail(&sup, "child").await;
    sup.stop().await.unwrap();
    tokio::time::sleep(100 * second).await;
    assert_eq!(family.starts().tried("child"), 6);
}

/// B24: a state that takes its time to go is gone before the next start, whether its actor stopped, failed or was killed.
#[tokio::test(flavor = "multi_thread")]
async fn the_old_state_is_gone_before_the_next_start() {
    let (said, mut heard) = mpsc::unbounded_channel();
    let sup = alone(ChildSpec::actor("slow", || Slow, said)).await;
    for round in 2..5 {
        assert_eq!(heard.recv().await, Some("start"));
        let slow = sup.actor::<bool>("slow").await.unwrap();
        match round {
            2 => slow.stop(None),
            3 => slow.cast(true).unwrap(),
            _ => slow.kill(),
        }
        assert_eq!(soon("the drop", heard.recv()).await, Some("drop begins"));
        assert!(sup.count_children().await.specs == 1, "it answers meanwhile");
        assert_eq!(soon("the drop", heard.recv()).await, Some("drop ends"));
        runs(&sup, "slow", round).await;
    }
    stopped(&sup).await;
}

struct Slow;

struct SlowState(mpsc::UnboundedSender<&'static str>);

impl Drop for SlowState {
    fn drop(&mut self) {
        let _ = self.0.send("drop begins");
        // What the actor's end has woken runs meanwhile, elsewhere.
        tokio::task::block_in_place(|| std::thread::sleep(Duration::from_millis(50)));
        let _ = self.0.send("drop ends");
    }
}

#[ractor::actor(message = bool, state = SlowState, arguments = mpsc::UnboundedSender<&'static str>)]
impl Slow {
    async fn pre_start(&self, _: ActorRef<bool>, said: mpsc::UnboundedSender<&'static str>) -> Result<SlowState, ActorProcessingErr> {
        let _ = said.send("start");
        Ok(SlowState(said))
    }

    async fn handle(&self, _: ActorRef<bool>, _: bool, _: &mut SlowState) -> Result<(), ActorProcessingErr> {
        Err("told to fail".into())
    }
}

/// B24: the only row is free again before the next start takes it, however the actor ended.
#[tokio::test(flavor = "multi_thread")]
async fn the_old_row_is_free_before_the_next_start() {
    let system = start(Config { shards: Some(1), rows: 1, ..Config::default() }).await;
    let sup = started(Supervisor::builder(unique("sup")).intensity(100, LONG).child(panicker(&system))).await;
    for incarnation in 2..32 {
        let actor = sup.child::<Panicker>("child").await.unwrap();
        match incarnation % 3 {
            0 => actor.kill(),
            1 => actor.stop(None),
            _ => actor.send(bang()).await.unwrap(),
        }
        runs(&sup, "child", incarnation).await;
    }
    stopped(&sup).await;
    system.stop().await;
}

/// B32.
#[tokio::test(flavor = "multi_thread")]
async fn watching_an_actor_that_has_ended_answers_at_once() {
    let system = system().await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let watching = tokio::spawn(watch(counter.clone()));
    counter.stop_and_wait(None, Some(PATIENCE)).await.unwrap();
    soon("the news", watching).await.unwrap();
    for _ in 0..3 {
        soon("the old news", watch(counter.clone())).await;
    }
    assert!(soon("the old news", counter.ended()).await.is_none());
    let (panicker, _) = Panicker::spawn(None, Panicker::default(), &system).await.unwrap();
    cast!(panicker, bang()).unwrap();
    assert_eq!(soon("the news", panicker.ended()).await.unwrap().class, FaultClass::Panic);
    system.stop().await;
}

fn device() -> Config {
    Config { shards: Some(1), ..Config::cpu() }
}

/// B5, B30: a device that is lost is started again with those that live on it, and counts once.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_device_takes_its_actors_along_and_counts_once() {
    let gpu = DeviceSlot::new("gpu");
    let mut sup = Supervisor::builder(unique("sup")).strategy(Strategy::RestForOne).intensity(2, LONG);
    sup = sup.child(ChildSpec::device(&gpu, device()));
    let ids: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    for id in &ids {
        sup = sup.child(ChildSpec::gpu(&**id, Panicker::default).on(&gpu));
    }
    let sup = started(sup).await;
    let actors = {
        let mut actors = Vec::new();
        for id in &ids {
            actors.push(sup.child::<Panicker>(&**id).await.unwrap());
        }
        actors
    };
    for round in 2..4 {
        let old = sup.device("gpu").await.unwrap();
        old.control().kill();
        runs(&sup, "99", round).await;
        for actor in &actors {
            assert_eq!(call!(actor, PanickerMsg::CountUp).unwrap(), 1, "the same handle, on the new device");
        }
        assert_eq!(gpu.system().unwrap().running(), 100);
        assert!(matches!(Counter::spawn(None, Counter::default(), &old).await, Err(SpawnError::Lost(_) | SpawnError::Stopped)));
    }
    gpu.system().unwrap().control().kill();
    match soon("the end", sup.ended()).await {
        Err(SupervisorError::Ended { end: End::Intensity { child, .. }, .. }) => assert_eq!(&*child, "gpu"),
        other => panic!("{other:?}"),
    }
    assert!(gpu.system().is_none());
}

/// B5: a fault of an actor is none of its device.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_restarts_those_behind_and_not_the_device() {
    let gpu = DeviceSlot::new("gpu");
    let on = |id: &str| ChildSpec::gpu(id, Panicker::default).on(&gpu);
    let sup = Supervisor::builder(unique("sup")).strategy(Strategy::RestForOne).intensity(2, LONG);
    let sup = started(sup.child(ChildSpec::device(&gpu, device())).child(on("a")).child(on("b"))).await;
    sup.child::<Panicker>("a").await.unwrap().send(bang()).await.unwrap();
    runs(&sup, "b", 2).await;
    let incarnations: Vec<_> = sup.which_children().await.iter().map(|info| info.child.incarnation).collect();
    assert_eq!(incarnations, [1, 2, 2]);
    stopped(&sup).await;
}

/// B30: actors of another supervisor wait for the device, and their supervisor does not count it.
#[tokio::test(flavor = "multi_thread")]
async fn actors_elsewhere_wait_for_their_device() {
    let gpu = DeviceSlot::new("gpu");
    let owner = Supervisor::builder(unique("owner")).intensity(3, LONG).child(ChildSpec::device(&gpu, device()));
    let owner = started(owner).await;
    let tenants = Supervisor::builder(unique("tenants")).intensity(0, LONG).child(ChildSpec::gpu("child", Panicker::default).on(&gpu));
    let tenants = started(tenants).await;
    let actor = tenants.child::<Panicker>("child").await.unwrap();
    for incarnation in 2..5 {
        owner.device("gpu").await.unwrap().control().kill();
        runs(&owner, "gpu", incarnation).await;
        eventually("it lives on the new device", async || matches!(call!(actor, PanickerMsg::CountUp), Ok(1))).await;
    }
    runs(&tenants, "child", 4).await;
    owner.terminate_child("gpu").await.unwrap();
    stopped(&tenants).await;
    stopped(&owner).await;
}

/// B10, B31: one that does not go is reported, and its supervisor goes on without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_is_reported_and_left_behind() {
    let family = Cpu::new().await;
    let bound = Duration::from_millis(10);
    let name = unique("zombie");
    let stuck = family.child("stuck").shutdown(Shutdown::Timeout(bound));
    let sup = Supervisor::builder(&*name).kill_bound(bound).child(family.child("other")).child(stuck);
    let sup = started(sup).await;
    let worker = sup.actor::<WorkerMsg>("stuck").await.unwrap();
    call!(worker, WorkerMsg::Block, Duration::from_secs(1)).unwrap();
    assert!(matches!(soon("the answer", sup.terminate_child("stuck")).await, Err(AdminError::Zombie)));
    is(&sup, "stuck", Status::Zombie).await;
    assert_eq!(family.count(&sup, "other").await, Some(1));
    stopped(&sup).await;
    assert!(reports::of(&name).contains(&"was killed and is still there stuck".to_owned()));
    watch(worker).await;
}

/// B10, B31: the same in a handler on the device.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_runs_on_makes_a_zombie() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let bound = Duration::from_millis(10);
    let name = unique("zombie");
    let stuck = ChildSpec::gpu("stuck", Player::default).on(&system).shutdown(Shutdown::Timeout(bound));
    let sup = Supervisor::builder(&*name).kill_bound(bound).child(stuck).child(panicker(&system));
    let sup = started(sup).await;
    let player = sup.child::<Player>("stuck").await.unwrap();
    // Longer than both bounds, and not for ever: nobody could end it here.
    let rounds = if cfg!(debug_assertions) { 20_000_000 } else { 400_000_000 };
    cast!(player, PlayerMsg::Juggle(Juggle { first: 0, rounds })).unwrap();
    assert!(matches!(soon("the answer", sup.terminate_child("stuck")).await, Err(AdminError::Zombie)));
    let actor = sup.child::<Panicker>("child").await.unwrap();
    assert_eq!(call!(actor, PanickerMsg::CountUp).unwrap(), 1, "the other shard goes on");
    stopped(&sup).await;
    assert!(reports::of(&name).contains(&"was killed and is still there stuck".to_owned()));
    until("its row is free in the end", || system.running() == 0).await;
    system.stop().await;
}

/// B4: a sibling that takes its time to stop uses up no restarts, and the next start waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_sibling_in_a_long_handler_uses_up_no_restarts() {
    let family = Cpu::new().await;
    let busy = family.child("busy").shutdown(Shutdown::Timeout(LONG));
    let sup = Supervisor::builder(unique("sup")).strategy(Strategy::OneForAll).intensity(1, LONG);
    let sup = started(sup.child(family.child("child")).child(busy)).await;
    call!(sup.actor::<WorkerMsg>("busy").await.unwrap(), WorkerMsg::Block, Duration::from_millis(200)).unwrap();
    family.fail(&sup, "child").await;
    runs(&sup, "busy", 2).await;
    assert_eq!(family.starts().tried("child"), 2);
    stopped(&sup).await;
}

/// B35: killed, a supervisor leaves nothing behind; stopped by ractor's means, it stops in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_is_an_ordinary_actor() {
    let family = Gpu::new().await;
    for way in 0..4 {
        let (root, heard) = supervisor().await;
        let sup = Supervisor::builder(unique("sup")).child(family.child("one")).child(family.child("two"));
        let sup = sup.start_linked(root.clone()).await.unwrap();
        let cell = family.actor(&sup, "one").await.unwrap();
        match way {
            0 => sup.cell().kill(),
            1 => sup.cell().stop(Some("enough".into())),
            2 => sup.cell().drain().unwrap(),
            _ => root.kill(),
        }
        soon("its end", watch(sup.clone())).await;
        soon("its children's end", watch(cell)).await;
        until("the rows are free", || family.system.running() == 0).await;
        let ended = soon("its end", sup.ended()).await;
        match (way, heard) {
            (0, mut heard) => {
                assert!(matches!(heard.end().await, Event::Terminated(_, _, Some(reason)) if reason == "killed"));
                assert!(matches!(ended, Err(SupervisorError::Killed(_))), "{ended:?}");
            }
            (1 | 2, mut heard) => {
                assert!(matches!(heard.end().await, Event::Terminated(_, _, Some(reason)) if reason != "killed"));
                let said = reports::of(sup.name());
                assert_eq!(said[2..6], ["stop two", "ended two", "stop one", "ended one"]);
            }
            _ => {}
        }
    }
    family.end().await;
}

/// B35: what was killed did not end in order, though it had nobody to stop and was asked for something at that moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_while_it_is_busy_a_supervisor_was_killed() {
    for _ in 0..1_000 {
        let sup = started(Supervisor::builder(unique("sup"))).await;
        let asked = sup.clone();
        let asker = tokio::spawn(async move { while let Err(AdminError::NotFound) = asked.terminate_child("nobody").await {} });
        sup.cell().kill();
        let ended = soon("its end", sup.ended()).await;
        assert!(matches!(ended, Err(SupervisorError::Killed(_))), "{ended:?}");
        soon("its last answer", asker).await.unwrap();
    }
}

/// B16: a supervisor that was killed can not restart anyone: an actor that it kept fails as one on its own.
#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_left_its_supervisor_fails_by_itself_once_that_is_gone() {
    let system = system().await;
    let sup = alone(panicker(&system)).await;
    let actor = sup.child::<Panicker>("child").await.unwrap();
    actor.unlink(sup.cell().clone());
    sup.cell().kill();
    soon("the supervisor's end", watch(sup)).await;
    until("its engine's end", || actor.get_status() >= ractor::ActorStatus::Stopping || actor.try_cast(bang()).is_ok()).await;
    soon("the actor's end", actor.ended()).await;
    until("its row is free", || system.running() == 0).await;
    system.stop().await;
}

/// B13: two who ask at once.
#[tokio::test(flavor = "multi_thread")]
async fn many_ask_at_once() {
    let family = Gpu::new().await;
    let sup = started(Supervisor::builder(unique("sup"))).await;
    let won = Arc::new(AtomicUsize::new(0));
    let asking: Vec<_> = (0..16)
        .map(|_| {
            let (sup, won, spec) = (sup.clone(), won.clone(), family.child("child"));
            tokio::spawn(async move {
                match sup.start_child(spec).await {
                    Ok(_) => drop(won.fetch_add(1, Ordering::Relaxed)),
                    Err(AdminError::AlreadyStarted(_)) => {}
                    Err(other) => panic!("{other:?}"),
                }
            })
        })
        .collect();
    for asking in asking {
        soon("an answer", asking).await.unwrap();
    }
    assert_eq!(won.load(Ordering::Relaxed), 1);
    stopped(&sup).await;
    family.end().await;
}

/// What a report says that prints an error and then its sources, as most do.
fn report(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}\n{error}");
        next = error.source();
    }
    text
}

/// HO-15: however many supervisors a lost device goes up through, what happened to it is said once.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_device_is_told_once() {
    let system = start(Config { intensity: (0, LONG), ..Config::default() }).await;
    let inner = Supervisor::builder(unique("inner")).intensity(0, LONG).child(panicker(&system));
    let sup = started(Supervisor::builder(unique("outer")).intensity(0, LONG).child(ChildSpec::supervisor(inner))).await;
    system.control().kill();
    let error = soon("the end", sup.ended()).await.unwrap_err();
    let text = report(&error);
    assert_eq!(text.matches("has ended without stopping it").count(), 1, "{text}");
    assert_eq!(text, error.to_string(), "and whoever prints the error alone has it too");
    let root = error.root();
    let fault = root.downcast_ref::<GpuFault>().map(|fault| fault.class);
    assert!(fault == Some(FaultClass::DeviceLost) || matches!(root.downcast_ref(), Some(SpawnError::Lost(_))), "{root:?}");
}
