//! Real faults: whoever is blamed fails with all that is known, and nobody else notices that the worker was lost.
//!
//! A breaker does what no worker survives, or the worker is killed. On a GPU, with `RESIDENT_TEST_DEVICE=cuda`, it is the same.

use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use ractor::{ActorErr, ActorId, ActorRef, RactorErr, call, cast};
use resident::prelude::*;
use resident::{Class, DeviceFault, DeviceKind, DeviceMsg, Health, Isolation, SpawnError, StopError};
use resident_test_actors::*;
use resident_tests::*;
use tokio::task::spawn_blocking;

/// More losses than any test makes.
const ANY: (u32, Duration) = (10_000, Duration::from_secs(3600));

/// What breaks, the actor's class, and the device's.
const CLASSES: [(u32, FaultClass, Class); 3] = [
    (TRAP, FaultClass::Trap, Class::Trap),
    (WILD_READ, FaultClass::IllegalAddress, Class::IllegalAddress),
    (SPIN, FaultClass::Hang, Class::Hang),
];

/// A system of two shards whose rings hold what a test sends without waiting.
async fn two_shards(config: Config) -> System {
    start(Config { shards: Some(2), capacity: 1024, isolation: Isolation::Process, ..config }).await
}

/// The fault inside the error of a `call!`.
fn fault_of<M>(error: RactorErr<M>) -> GpuFault {
    match error {
        RactorErr::Actor(ActorErr::Failed(error)) => *error.downcast().expect("a GpuFault"),
        other => panic!("expected a fault, got {other:?}"),
    }
}

/// The fault that ended an `ask` or a request of a pipeline.
fn fault_of_ask<T: std::fmt::Debug>(answer: Result<T, AskError>) -> GpuFault {
    match answer {
        Err(AskError::Failed(fault)) => *fault,
        other => panic!("expected a fault, got {other:?}"),
    }
}

/// Until the loss by what broke, the first after so many, is over: how many there have been. On a GPU messages are handled side by
/// side, and if some were beside what broke, it took a second loss to know which one it was.
async fn taken_over(system: &System, before: u64) -> u64 {
    until("the takeover", || matches!(system.losses(), (n, Some(last)) if n > before && last.resumed.is_some())).await;
    let (losses, most) = (system.losses().0, if system.device().kind == DeviceKind::Cuda { 2 } else { 1 });
    assert!(losses - before <= most, "{losses} losses after {before}");
    losses
}

/// Actors that have nothing to do with it: one on each shard, and what each was sent.
struct Others {
    counters: Vec<GpuRef<Counter>>,
    sums: Mutex<Vec<Count>>,
}

impl Others {
    async fn on(system: &System) -> Others {
        let counters = on_every_shard(system, Counter::default).await;
        let sums = Mutex::new(vec![Count { total: 0, added: 0, hlc: 0 }; counters.len()]);
        Others { counters, sums }
    }

    /// All of them go on.
    async fn go_on(&self, system: &System) {
        futures(self.counters.iter().enumerate().map(|(shard, _)| self.goes_on(system, shard))).await;
    }

    /// They go on while the worker is lost, one more than `before`: the one on `shard` behind what breaks there, the others once the
    /// worker has ended. A message that another shard is at in that moment would be blamed with it.
    async fn outlive(&self, system: &System, before: u64, shard: usize) {
        let elsewhere = async {
            until("the loss is noticed", || system.losses().0 > before).await;
            futures((0..self.counters.len()).filter(|other| *other != shard).map(|shard| self.goes_on(system, shard))).await;
        };
        tokio::join!(self.goes_on(system, shard), elsewhere);
    }

    /// Casts, a call, a direct call and pipelined ones to one of them: all are answered, once, and nothing is handled twice.
    async fn goes_on(&self, system: &System, shard: usize) {
        const WINDOW: u64 = 16;
        let counter = &self.counters[shard];
        for _ in 0..10 {
            cast!(counter, CounterMsg::Tick).unwrap();
        }
        let asked = spawn_blocking({
            let counter = counter.clone();
            move || counter.ask(&AddAndGet { amount: 1000 }, PATIENCE)
        });
        let piped = spawn_blocking({
            let (system, counter) = (system.clone(), counter.clone());
            move || {
                let mut pipeline = Pipeline::<Counter, AddAndGet>::new(&system, WINDOW as usize).unwrap();
                assert_eq!(
                    pipeline.submit_many(&counter, &[const { AddAndGet { amount: 10_000 } }; WINDOW as usize]).unwrap(),
                    WINDOW as usize
                );
                (0..WINDOW).map(|_| pipeline.next().unwrap()).collect::<Vec<_>>()
            }
        });
        let called = soon("a call", async { call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 100 }).unwrap() }).await;
        let asked = soon("a direct call", asked).await.unwrap().unwrap();
        let piped = soon("the pipelined calls", piped).await.unwrap();
        let before = self.sum(shard);
        assert!(called >= before.total + 110 && asked >= before.total + 1000, "{called}, {asked}, {before:?}");
        assert!(piped.is_sorted_by(|one, next| one + 10_000 <= *next), "{piped:?}");
        self.sent(shard, 10 + 100 + 1000 + 10_000 * WINDOW, 10 + 1 + 1 + WINDOW);
        self.is_whole(shard).await;
    }

    fn sum(&self, shard: usize) -> Count {
        self.sums.lock().unwrap()[shard].clone()
    }

    fn sent(&self, shard: usize, amount: u64, times: u64) {
        let sum = &mut self.sums.lock().unwrap()[shard];
        sum.total += amount;
        sum.added += times;
    }

    async fn is_whole(&self, shard: usize) {
        let has = soon("a total", async { call!(self.counters[shard], CounterMsg::Get).unwrap() }).await;
        assert_eq!(Count { hlc: 0, ..has }, self.sum(shard));
    }
}

/// All of them, at the same time.
async fn futures(all: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A breaker that has handled three messages, under its supervisor.
struct Doomed {
    actor: GpuRef<Breaker>,
    name: String,
    end: tokio::task::JoinHandle<()>,
}

impl Doomed {
    async fn on(system: &System, supervisor: &ractor::ActorCell) -> Doomed {
        let name = unique("breaker");
        let (actor, end) = Breaker::spawn_linked(Some(name.clone()), Breaker::default(), system, supervisor.clone()).await.unwrap();
        for n in 1..=3 {
            call!(actor, BreakerMsg::Deposit, Deposit { n }).unwrap();
        }
        Doomed { actor, name, end }
    }

    fn shard(&self) -> usize {
        self.actor.info().address.shard() as usize
    }

    /// What its callers and its supervisor are told is all that there is to tell.
    fn check(&self, fault: &GpuFault, class: FaultClass, message: &str) {
        assert_eq!(
            (fault.class, fault.kind, ActorId::from(fault.actor), fault.name.as_deref()),
            (class, "Breaker", self.actor.get_id(), Some(&*self.name))
        );
        assert_eq!((fault.message, fault.handled), (message, 3), "{fault}");
        assert!(!fault.text.is_empty() && fault.incarnation >= 2, "{fault:?}");
    }

    /// The supervisor hears it, with the state, and the name is free again.
    async fn ends(self, heard: &mut Heard, class: FaultClass, message: &str) {
        let (who, fault) = heard.fault().await;
        assert_eq!(who, self.actor.get_id());
        self.check(&fault, class, message);
        assert_eq!(fault.state::<Breaker>(), Some(Breaker { handled: 3, sum: 6 }));
        assert!(fault.state::<Counter>().is_none());
        self.check(&self.actor.fault().unwrap(), class, message);
        soon("the actor's end", self.end).await.unwrap();
        assert!(self.actor.try_cast(BreakerMsg::Break(Break { how: TRAP })).is_err());
        assert!(ActorRef::<BreakerMsg>::where_is(&self.name).is_none());
        assert!(!heard.has_more(), "it ends once");
    }
}

async fn each_way_to_send(how: u32, class: FaultClass, device: Class) {
    let system = two_shards(Config::default()).await;
    let (supervisor, mut heard) = supervisor().await;
    let others = Others::on(&system).await;
    others.go_on(&system).await;

    // A cast: nobody waits for it, but what is behind it fails.
    let doomed = Doomed::on(&system, &supervisor).await;
    cast!(doomed.actor, BreakerMsg::Break(Break { how })).unwrap();
    let (behind, ()) =
        tokio::join!(async { call!(doomed.actor, BreakerMsg::Deposit, Deposit { n: 9 }) }, others.outlive(&system, 0, doomed.shard()));
    doomed.check(&fault_of(behind.unwrap_err()), class, "Break");
    doomed.ends(&mut heard, class, "Break").await;
    let losses = taken_over(&system, 0).await;
    assert_eq!(system.losses().1.map(|loss| loss.fault.class), Some(device));

    // A call, with others of all sorts behind it.
    let doomed = Doomed::on(&system, &supervisor).await;
    let (actor, other) = (&doomed.actor, doomed.actor.clone());
    let in_flight = system.clone();
    let (breaking, behind, (), ()) = tokio::join!(
        async { call!(actor, BreakerMsg::BreakInCall, BreakInCall { how }) },
        async { call!(actor, BreakerMsg::Deposit, Deposit { n: 9 }) },
        async {
            let direct = spawn_blocking(move || {
                fault_of_ask(other.ask(&Deposit { n: 9 }, PATIENCE));
                let mut pipeline = Pipeline::<Breaker, Deposit>::new(&in_flight, 4).unwrap();
                // Sent before the supervisor has heard of it, or refused after: it is the same fault.
                match pipeline.submit(&other, &Deposit { n: 9 }) {
                    Ok(()) => fault_of_ask(pipeline.next()),
                    refused => fault_of_ask(refused),
                }
            });
            soon("the direct calls", direct).await.unwrap();
        },
        others.outlive(&system, losses, doomed.shard()),
    );
    doomed.check(&fault_of(breaking.unwrap_err()), class, "BreakInCall");
    doomed.check(&fault_of(behind.unwrap_err()), class, "BreakInCall");
    doomed.ends(&mut heard, class, "BreakInCall").await;
    let losses = taken_over(&system, losses).await;

    // A direct call.
    let doomed = Doomed::on(&system, &supervisor).await;
    let actor = doomed.actor.clone();
    let asked = spawn_blocking(move || fault_of_ask(actor.ask(&BreakInCall { how }, PATIENCE)));
    others.outlive(&system, losses, doomed.shard()).await;
    doomed.check(&soon("the direct call", asked).await.unwrap(), class, "BreakInCall");
    doomed.ends(&mut heard, class, "BreakInCall").await;
    let losses = taken_over(&system, losses).await;

    // Pipelined ones, of which the first is answered.
    let doomed = Doomed::on(&system, &supervisor).await;
    let piped = spawn_blocking({
        let (actor, system) = (doomed.actor.clone(), system.clone());
        move || {
            let mut pipeline = Pipeline::<Breaker, BreakInCall>::new(&system, 8).unwrap();
            let sent = pipeline.submit_many(&actor, &[u32::MAX, how, u32::MAX, u32::MAX].map(|how| BreakInCall { how })).unwrap();
            assert_eq!((sent, pipeline.next().unwrap()), (4, 6));
            let faults = [(); 3].map(|()| fault_of_ask(pipeline.next()));
            assert!(matches!(pipeline.next(), Err(AskError::Idle)));
            faults
        }
    });
    others.outlive(&system, losses, doomed.shard()).await;
    for fault in soon("the pipeline", piped).await.unwrap() {
        assert_eq!((fault.class, fault.message, fault.handled), (class, "BreakInCall", 4));
    }
    let (_, fault) = heard.fault().await;
    assert_eq!((fault.handled, fault.state::<Breaker>()), (4, Some(Breaker { handled: 4, sum: 6 })));
    soon("the actor's end", doomed.end).await.unwrap();
    taken_over(&system, losses).await;

    assert_eq!(call!(system.control(), DeviceMsg::Health).unwrap(), Health::Running);
    until("only the others are left", || system.running() == others.counters.len()).await;
    others.go_on(&system).await;
    let report = soon("the stop", system.stop()).await;
    assert!(report.device.is_ok(), "{report:?}");
    assert!(!heard.has_more());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_fails_its_actor_alone() {
    let [(how, class, device), _, _] = CLASSES;
    each_way_to_send(how, class, device).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_illegal_address_fails_its_actor_alone() {
    let [_, (how, class, device), _] = CLASSES;
    each_way_to_send(how, class, device).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_fails_its_actor_alone() {
    let [_, _, (how, class, device)] = CLASSES;
    each_way_to_send(how, class, device).await;
}

/// On a GPU the write's fault comes when its handler has ended: the loss is seen, but nobody is to be blamed for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_wild_write_is_noticed() {
    let system = two_shards(Config::default()).await;
    let (supervisor, mut heard) = supervisor().await;
    let others = Others::on(&system).await;
    others.go_on(&system).await;
    let doomed = Doomed::on(&system, &supervisor).await;
    cast!(doomed.actor, BreakerMsg::Break(Break { how: WILD_WRITE })).unwrap();
    taken_over(&system, 0).await;
    assert_eq!(system.losses().1.map(|loss| loss.fault.class), Some(Class::IllegalAddress));
    others.go_on(&system).await;
    if system.device().kind == DeviceKind::Cpu {
        doomed.ends(&mut heard, FaultClass::IllegalAddress, "Break").await;
    }
    soon("the stop", system.stop()).await.device.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_is_taken_over_from() {
    let system = two_shards(Config::default()).await;
    let (supervisor, mut heard) = supervisor().await;
    let others = Others::on(&system).await;
    others.go_on(&system).await;
    // Nothing is being handled: nobody is to be blamed.
    let before = system.worker().expect("a process");
    kill(before);
    taken_over_after_kill(&system, 1, &others).await;
    assert_ne!(system.worker(), Some(before));
    assert_eq!(system.running(), others.counters.len());

    // One is killed while it is at a message that has no end. The kill is not blamed on it: it hangs once more, under the next.
    let doomed = Doomed::on(&system, &supervisor).await;
    let shard = doomed.shard();
    cast!(doomed.actor, BreakerMsg::Break(Break { how: SPIN })).unwrap();
    let elsewhere = others.counters[1 - shard].clone();
    for _ in 0..100 {
        call!(elsewhere, CounterMsg::Get).unwrap();
    }
    kill(system.worker().expect("a process"));
    until("the actor is blamed", || doomed.actor.fault().is_some()).await;
    taken_over(&system, system.losses().0 - 1).await;
    doomed.ends(&mut heard, FaultClass::Hang, "Break").await;
    others.go_on(&system).await;
    soon("the stop", system.stop()).await.device.unwrap();
}

async fn taken_over_after_kill(system: &System, losses: u64, others: &Others) {
    until("the loss is noticed", || system.losses().0 == losses).await;
    others.go_on(system).await;
    assert_eq!(taken_over(system, losses - 1).await, losses);
    let (_, last) = system.losses();
    let last = last.expect("a loss");
    assert_eq!(last.fault.class, Class::Worker);
    assert!(last.fault.text.contains("killed"), "{}", last.fault.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_standby_is_replaced_and_nobody_notices() {
    let system = two_shards(Config::default()).await;
    let others = Others::on(&system).await;
    for _ in 0..5 {
        until("a worker stands by", || system.standby().is_some()).await;
        let (worker, standby) = (system.worker(), system.standby().expect("it stands by"));
        assert_ne!(worker, Some(standby));
        kill(standby);
        until("another stands by", || system.standby().is_some_and(|next| next != standby)).await;
        others.go_on(&system).await;
        assert_eq!((system.worker(), system.losses().0), (worker, 0));
    }
    // And the one that was put in its place takes over.
    let standby = system.standby();
    kill(system.worker().expect("a process"));
    taken_over_after_kill(&system, 1, &others).await;
    assert_eq!(system.worker(), standby);
    soon("the stop", system.stop()).await.device.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_and_standby_are_killed_at_once() {
    let system = two_shards(Config { intensity: ANY, ..Config::default() }).await;
    let others = Others::on(&system).await;
    for _ in 0..turns(10) {
        until("a worker stands by", || system.standby().is_some()).await;
        let (before, both) = (system.losses().0, [system.standby(), system.worker()]);
        both.into_iter().flatten().for_each(kill);
        until("the loss is noticed", || system.losses().0 > before).await;
        others.go_on(&system).await;
        assert!(!both.contains(&system.worker()));
    }
    soon("the stop", system.stop()).await.device.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn several_faults_at_once_blame_each_its_own() {
    let system = two_shards(Config { intensity: ANY, ..Config::default() }).await;
    let (supervisor, mut heard) = supervisor().await;
    let others = Others::on(&system).await;
    for round in 0..turns(6) {
        let doomed =
            [Doomed::on(&system, &supervisor).await, Doomed::on(&system, &supervisor).await, Doomed::on(&system, &supervisor).await];
        for (n, doomed) in doomed.iter().enumerate() {
            cast!(doomed.actor, BreakerMsg::Break(Break { how: CLASSES[(n + round) % 3].0 })).unwrap();
        }
        if round % 2 == 0 {
            system.worker().into_iter().for_each(kill);
        }
        let mut missing: Vec<_> = doomed.iter().map(|doomed| doomed.actor.get_id()).collect();
        while !missing.is_empty() {
            let (who, fault) = heard.fault().await;
            // Which of two that break at once ends the worker is a matter of chance, and so is the class of the other.
            use FaultClass::*;
            assert!(matches!(fault.class, Trap | IllegalAddress | Hang | Worker), "{fault}");
            assert_eq!((fault.message, fault.handled, fault.state::<Breaker>()), ("Break", 3, Some(Breaker { handled: 3, sum: 6 })));
            let at = missing.iter().position(|id| *id == who).expect("each fails once, and nobody else");
            missing.remove(at);
        }
        others.go_on(&system).await;
    }
    others.go_on(&system).await;
    assert!(!heard.has_more());
    soon("the stop", system.stop()).await.device.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_over_is_killed_too() {
    let system = two_shards(Config { intensity: ANY, ..Config::default() }).await;
    let (supervisor, mut heard) = supervisor().await;
    let others = Others::on(&system).await;
    let all = turns(5);
    for _ in 0..all {
        let doomed = Doomed::on(&system, &supervisor).await;
        let mut last = system.worker();
        cast!(doomed.actor, BreakerMsg::Break(Break { how: TRAP })).unwrap();
        for _ in 0..4 {
            until("another worker", || system.worker() != last).await;
            last = system.worker();
            last.into_iter().for_each(kill);
        }
        until("another worker", || system.worker() != last).await;
        let (who, fault) = heard.fault().await;
        assert_eq!((who, fault.message, fault.handled), (doomed.actor.get_id(), "Break", 3));
        assert!(matches!(fault.class, FaultClass::Trap | FaultClass::Worker), "{fault}");
        assert_eq!(fault.state::<Breaker>(), Some(Breaker { handled: 3, sum: 6 }));
        others.go_on(&system).await;
        assert!(!heard.has_more(), "it ends once");
    }
    assert!(system.losses().0 >= 5 * all as u64);
    soon("the stop", system.stop()).await.device.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_standby_a_takeover_is_a_start() {
    let system = two_shards(Config { standby: false, ..Config::default() }).await;
    let (supervisor, mut heard) = supervisor().await;
    let others = Others::on(&system).await;
    let mut losses = 0;
    for (how, class, _) in CLASSES {
        let doomed = Doomed::on(&system, &supervisor).await;
        cast!(doomed.actor, BreakerMsg::Break(Break { how })).unwrap();
        others.outlive(&system, losses, doomed.shard()).await;
        doomed.ends(&mut heard, class, "Break").await;
        losses = taken_over(&system, losses).await;
        assert_eq!(system.standby(), None);
    }
    kill(system.worker().expect("a process"));
    taken_over_after_kill(&system, losses + 1, &others).await;
    soon("the stop", system.stop()).await.device.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_losses_lose_the_device_for_good() {
    let system = two_shards(Config { intensity: (2, Duration::from_secs(3600)), ..Config::default() }).await;
    let (supervisor, mut heard) = supervisor().await;
    let (over, mut device) = resident_tests::supervisor().await;
    system.control().link(over);
    let others = Others::on(&system).await;
    let (linked, end) = Counter::spawn_linked(None, Counter::default(), &system, supervisor.clone()).await.unwrap();
    for losses in 1..=2 {
        kill(system.worker().expect("a process"));
        taken_over_after_kill(&system, losses, &others).await;
    }
    // The third is one too many. What waits for an answer behind a handler without end gets one, of whichever sort.
    let doomed = Doomed::on(&system, &supervisor).await;
    let shard = doomed.shard();
    let neighbour = others.counters[shard].clone();
    cast!(doomed.actor, BreakerMsg::Break(Break { how: SPIN })).unwrap();
    let called = tokio::spawn({
        let neighbour = neighbour.clone();
        async move { call!(neighbour, CounterMsg::Get) }
    });
    let asked = spawn_blocking({
        let neighbour = neighbour.clone();
        move || neighbour.ask(&Get, PATIENCE)
    });
    let piped = spawn_blocking({
        let (neighbour, system) = (neighbour.clone(), system.clone());
        move || {
            let mut pipeline = Pipeline::<Counter, Get>::new(&system, 1).unwrap();
            pipeline.submit(&neighbour, &Get).and_then(|()| pipeline.next())
        }
    });
    // A GPU's shard has other lanes for its neighbour, which may have answered before.
    let on_a_gpu = system.device().kind == DeviceKind::Cuda;
    match soon("the call", called).await.unwrap() {
        Ok(_) if on_a_gpu => {}
        called => {
            let fault = fault_of(called.unwrap_err());
            assert_eq!(fault.class, FaultClass::DeviceLost);
            assert!(fault.text.contains("more than 2 losses within"), "{}", fault.text);
        }
    }
    for ended in [soon("the direct call", asked).await.unwrap(), soon("the pipelined call", piped).await.unwrap()] {
        match ended {
            Ok(_) if on_a_gpu => {}
            Err(AskError::Lost(_)) => {}
            Err(AskError::Failed(fault)) => assert_eq!(fault.class, FaultClass::DeviceLost),
            other => panic!("{other:?}"),
        }
    }
    let mut failed = [heard.fault().await, heard.fault().await].map(|(who, fault)| {
        assert_eq!(fault.class, FaultClass::DeviceLost);
        who
    });
    let mut expected = [doomed.actor.get_id(), linked.get_id()];
    failed.sort();
    expected.sort();
    assert_eq!(failed, expected);
    soon("the actors' ends", async { (end.await.unwrap(), doomed.end.await.unwrap()) }).await;
    match device.end().await {
        Event::Failed(_, error) => assert_eq!(error.downcast_ref::<DeviceFault>().map(|fault| fault.class), Some(Class::Hang)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(Counter::spawn(None, Counter::default(), &system).await, Err(SpawnError::Lost(_))));
    assert!(matches!(neighbour.try_cast(CounterMsg::Tick), Err(CastError::Lost(_) | CastError::Stopped(_))));
    let report = soon("the stop", system.stop()).await;
    assert!(matches!(report.device, Err(StopError::Failed(DeviceFault { class: Class::Hang, .. }))), "{report:?}");
    assert_eq!((system.standby(), system.losses().0), (None, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_is_frozen_is_given_up() {
    let start_timeout = Duration::from_secs(if std::env::var_os("RESIDENT_TEST_DEVICE").is_some() { 20 } else { 1 });
    let system = two_shards(Config { start_timeout, ..Config::default() }).await;
    let others = Others::on(&system).await;
    until("a worker stands by", || system.standby().is_some()).await;
    let frozen = system.standby().expect("it stands by");
    freeze(frozen);
    kill(system.worker().expect("a process"));
    others.outlive(&system, 0, 0).await;
    assert_eq!(system.losses().0, 2, "the worker, and the one that did not come up");
    assert_ne!(system.worker(), Some(frozen));
    soon("the stop", system.stop()).await.device.unwrap();
}

/// A worker that does nothing any more while a message waits is not noticed by that: nothing is being handled. A stop ends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_worker_is_killed_by_the_stop() {
    let system = two_shards(Config { stop_timeout: Duration::from_millis(200), ..Config::default() }).await;
    let worker = system.worker().expect("a process");
    freeze(worker);
    match soon("the stop", system.stop()).await.device {
        Err(StopError::Killed { shards, .. }) => assert_eq!(shards, [0, 1]),
        other => panic!("{other:?}"),
    }
    assert!(!std::path::Path::new(&format!("/proc/{worker}")).exists());
}

/// A stop that comes while one worker takes over from another ends, and leaves nothing to wait for.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_a_takeover_ends() {
    for standby in [true, false] {
        for _ in 0..turns(10) {
            let system = two_shards(Config { standby, ..Config::default() }).await;
            let others = Others::on(&system).await;
            kill(system.worker().expect("a process"));
            soon("the stop", system.stop()).await;
            assert!(others.counters[0].try_cast(CounterMsg::Tick).is_err());
            assert_eq!(system.running(), 0);
        }
    }
}
