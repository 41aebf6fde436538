//! Supervision under actix, beyond what `otp.rs` asks of every framework.

use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::fut::{ActorFutureExt, wrap_future};
use actix::{Actor, Addr, Arbiter, AsyncContext, Context, Handler, Message, Running};
use resident::guardian::*;
use resident::prelude::*;
use resident::{ActixError, FaultClass};
use resident_test_actors::{CountUp, EXPLICIT, EmitLate, Emitter, Late, Panic, Panicker};
use resident_tests::family::*;
use resident_tests::*;
use tokio::sync::{mpsc, oneshot};

/// Runs a test in an actix system of its own.
fn in_actix(test: impl Future<Output = ()>) {
    actix::System::new().block_on(test);
}

async fn started(builder: Builder) -> SupervisorRef {
    reports::keep();
    soon("the start", builder.start_actix()).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn stopped(sup: &SupervisorRef) {
    soon("the supervisor's end", sup.stop()).await.unwrap();
}

fn alone(child: ChildSpec) -> Builder {
    Supervisor::builder(unique("alone")).intensity(u32::MAX, LONG).child(child)
}

/// Why a supervisor did not start, if it is actix that refused.
fn refused(started: Result<SupervisorRef, SupervisorError>) -> String {
    let error = started.expect_err("it is not to start");
    assert!(error.root().is::<ActixError>(), "{error:?}");
    error.root().to_string()
}

/// Panics where it is told to, or does not want to stop.
struct Fragile {
    at: Option<Step>,
    /// Messages that it has handled.
    seen: Arc<AtomicU64>,
    /// How often it was called at its end.
    stops: Arc<AtomicU64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Started,
    Handled,
    Later,
    Dropped,
    /// Goes on.
    Stopping,
}

impl Fragile {
    fn new(at: Option<Step>) -> Fragile {
        Fragile { at, seen: Arc::default(), stops: Arc::default() }
    }

    fn pass(&self, step: Step) {
        if self.at == Some(step) {
            panic!("it broke");
        }
    }
}

impl Actor for Fragile {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        self.pass(Step::Started);
    }

    fn stopping(&mut self, _: &mut Context<Self>) -> Running {
        if self.at == Some(Step::Stopping) { Running::Continue } else { Running::Stop }
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.stops.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        self.pass(Step::Dropped);
    }
}

/// Goes on for a while: the next message waits.
struct Slow;

impl Message for Slow {
    type Result = ();
}

impl Handler<Slow> for Fragile {
    type Result = ();

    fn handle(&mut self, _: Slow, ctx: &mut Context<Self>) {
        self.pass(Step::Handled);
        if self.at == Some(Step::Dropped) {
            return actix::ActorContext::stop(ctx);
        }
        let later = wrap_future::<_, Self>(tokio::task::yield_now());
        ctx.wait(later.map(|(), fragile, _| {
            fragile.pass(Step::Later);
            fragile.seen.fetch_add(1, Ordering::Relaxed);
        }));
    }
}

/// AX-15: wherever an actor of actix's panics, its supervisor hears of it, and what it said; the decision is typed.
#[test]
fn a_panic_is_heard_wherever_it_comes() {
    in_actix(async {
        for step in [Step::Started, Step::Handled, Step::Later, Step::Dropped] {
            let (heard, mut said) = mpsc::unbounded_channel();
            let fragile = ChildSpec::actix("fragile", move || Fragile::new(Some(step)));
            let fragile = fragile.on_error(move |error| {
                let _ = heard.send(error.downcast_ref::<ActixError>().map(ToString::to_string));
                Directive::Stop
            });
            let sup = started(alone(fragile).child(ChildSpec::actix("other", || Fragile::new(None)))).await;
            if let Some(addr) = sup.addr::<Fragile>("fragile").await {
                addr.do_send(Slow);
            }
            assert_eq!(soon("the failure", said.recv()).await.unwrap().as_deref(), Some("it panicked: it broke"));
            is(&sup, "fragile", Status::Stopped).await;
            let other = sup.addr::<Fragile>("other").await.unwrap();
            soon("an answer", other.send(Slow)).await.unwrap();
            stopped(&sup).await;
        }
    });
}

/// AX-15: drained, an actor handles what its mailbox has, though it waits in between; stopped, it does not.
#[test]
fn a_drained_actor_handles_its_mailbox() {
    const MESSAGES: u64 = 100;
    in_actix(async {
        for is_drained in [true, false] {
            let seen = Arc::new(AtomicU64::new(0));
            let made = seen.clone();
            let shutdown = if is_drained { Shutdown::Drain(LONG) } else { Shutdown::Timeout(LONG) };
            let child =
                ChildSpec::actix("child", move || Fragile { at: None, seen: made.clone(), stops: Arc::default() }).shutdown(shutdown);
            let sup = started(alone(child)).await;
            let addr = sup.addr::<Fragile>("child").await.unwrap();
            (0..MESSAGES).for_each(|_| addr.do_send(Slow));
            stopped(&sup).await;
            assert!(!addr.connected());
            assert_eq!(seen.load(Ordering::Relaxed) == MESSAGES, is_drained);
        }
    });
}

/// AX-15: a stop is an ordinary one. A kill, also of one that does not want to stop, calls nothing of the actor's.
#[test]
fn a_killed_actor_is_only_dropped() {
    in_actix(async {
        let short = Shutdown::Timeout(Duration::from_millis(20));
        let ways = [(None, Shutdown::Infinity, 1), (None, Shutdown::BrutalKill, 0), (Some(Step::Stopping), short, 0)];
        for (at, shutdown, expected) in ways {
            let stops = Arc::new(AtomicU64::new(0));
            let told = stops.clone();
            let child = ChildSpec::actix("child", move || Fragile { at, seen: Arc::default(), stops: told.clone() }).shutdown(shutdown);
            let sup = started(alone(child)).await;
            let addr = sup.addr::<Fragile>("child").await.unwrap();
            sup.terminate_child("child").await.unwrap();
            assert!(!addr.connected());
            assert_eq!(stops.load(Ordering::Relaxed), expected);
            stopped(&sup).await;
        }
    });
}

/// AX-15: address and handle of a resident child stay, and who sends while it is restarted waits for the next incarnation.
#[test]
fn a_resident_child_keeps_its_address_and_its_senders_wait() {
    in_actix(async {
        let family = ActixGpu::new().await;
        let sup = started(alone(family.child("child"))).await;
        let handle = sup.handle::<Panicker>("child").await.unwrap();
        let addr = handle.addr().unwrap();
        let mut ends = handle.ends();
        for incarnation in 2..5 {
            family.starts().set("child", How::Hangs);
            let fault = addr.send(Panic { how: EXPLICIT, value: 1 }).await.unwrap().unwrap_err();
            assert_eq!(fault.class, FaultClass::Panic);
            is(&sup, "child", Status::Starting).await;
            addr.do_send(CountUp);
            let waits = addr.send(CountUp);
            family.starts().set("child", How::Runs);
            assert_eq!(soon("the answer", waits).await.unwrap().unwrap(), 2, "a fresh state, behind the cast");
            runs(&sup, "child", incarnation).await;
            assert_eq!(soon("an end", ends.next()).await.unwrap().incarnation, incarnation - 1);
        }
        // Nobody has the next one.
        family.starts().set("child", How::Hangs);
        addr.do_send(Panic { how: EXPLICIT, value: 1 });
        is(&sup, "child", Status::Starting).await;
        let waits = tokio::spawn(addr.send(CountUp));
        addr.do_send(CountUp);
        sup.terminate_child("child").await.unwrap();
        let fault = soon("the answer", waits).await.unwrap().unwrap().unwrap_err();
        assert_eq!(fault.class, FaultClass::Panic, "why there is none");
        soon("the actor's end", handle.ended()).await;
        until("the address is closed", || !addr.connected()).await;
        stopped(&sup).await;
        family.end().await;
    });
}

/// AX-15: drained, a resident child handles what its mailbox has, though the ring is full.
#[test]
fn a_drained_resident_child_handles_its_mailbox() {
    const MESSAGES: u64 = 1000;
    in_actix(async {
        let system = start(Config { shards: Some(1), capacity: 64, ..Config::default() }).await;
        let heard = Arc::new(AtomicU64::new(0));
        let count = heard.clone();
        system.route_to(move |_: Late| count.fetch_add(1, Ordering::Relaxed) < MESSAGES).unwrap();
        let child = ChildSpec::gpu("child", Emitter::default).on(&system).shutdown(Shutdown::Drain(LONG));
        let sup = started(alone(child)).await;
        let addr = sup.handle::<Emitter>("child").await.unwrap().addr().unwrap();
        (0..MESSAGES).for_each(|_| addr.do_send(EmitLate { count: 1, minutes: 1 }));
        stopped(&sup).await;
        assert_eq!(system.stop().await.dead_letters, 0);
        assert_eq!(heard.load(Ordering::Relaxed), MESSAGES);
    });
}

/// AX-16: what actix cannot start says why.
#[test]
fn what_cannot_be_kept_says_why() {
    let spec = || ChildSpec::actix("child", || Fragile::new(None));
    let tokio = tokio::runtime::Runtime::new().unwrap();
    assert!(refused(tokio.block_on(alone(spec()).start_actix())).contains("no actix arbiter"));
    assert!(refused(tokio.block_on(alone(spec()).start())).contains("no actix arbiter"), "nor under another framework");
    in_actix(async {
        let arbiter = Arbiter::new();
        let make = || ready(Ok(Fragile::new(None)));
        let there = ChildSpec::actix_in("child", &arbiter.handle(), make);
        let sup = started(alone(there.clone())).await;
        soon("an answer", sup.addr::<Fragile>("child").await.unwrap().send(Slow)).await.unwrap();
        stopped(&sup).await;
        arbiter.stop();
        arbiter.join().unwrap();
        assert!(refused(alone(there).start_actix().await).contains("the arbiter has stopped"));
        assert!(refused(alone(spec().name("feed")).start_actix().await).contains("actix knows no names"));
        let error = alone(Cpu::new().await.child("child")).start_actix().await.unwrap_err();
        assert!(error.to_string().contains("start that one by `Builder::start`"), "{error}");
    });
}

/// AX-16: children of each framework have one supervisor, also one that is ractor's.
#[test]
fn actors_of_each_framework_have_one_supervisor() {
    in_actix(async {
        let (ractor, actix, gpu) = (Cpu::new().await, Actix::new().await, Gpu::new().await);
        let sup = Supervisor::builder(unique("all")).strategy(Strategy::OneForAll).intensity(3, LONG);
        let sup = sup.child(ractor.child("ractor")).child(actix.child("actix")).child(gpu.child("gpu"));
        let sup = soon("the start", sup.start()).await.unwrap();
        for incarnation in 1.. {
            assert_eq!(ractor.count(&sup, "ractor").await, Some(1));
            assert_eq!(actix.count(&sup, "actix").await, Some(1));
            assert_eq!(gpu.count(&sup, "gpu").await, Some(1));
            match incarnation {
                1 => ractor.fail(&sup, "ractor").await,
                2 => actix.fail(&sup, "actix").await,
                3 => gpu.fail(&sup, "gpu").await,
                _ => break,
            }
            runs(&sup, "gpu", incarnation + 1).await;
        }
        stopped(&sup).await;
        gpu.end().await;
    });
}

/// AX-16: a supervisor ends with its arbiter, as by a kill, and so do its children, wherever they live.
#[test]
fn a_supervisor_ends_with_its_arbiter() {
    in_actix(async {
        let family = ActixGpu::new().await;
        let (home, elsewhere) = (Arbiter::new(), Arbiter::new());
        let far = ChildSpec::actix_in("far", &elsewhere.handle(), || ready(Ok(Fragile::new(None))));
        let inner = ChildSpec::supervisor(Supervisor::builder("inner").child(far).child(family.child("gpu")));
        let outer = Supervisor::builder(unique("outer")).child(inner);
        let (tell, told) = oneshot::channel();
        home.spawn(async move { drop(tell.send(started(outer).await)) });
        let sup = soon("the start", told).await.unwrap();
        let inner = sup.supervisor("inner").await.unwrap();
        let far: Addr<Fragile> = inner.addr("far").await.unwrap();
        let addr = inner.handle::<Panicker>("gpu").await.unwrap().addr().unwrap();
        soon("an answer", far.send(Slow)).await.unwrap();
        home.stop();
        home.join().unwrap();
        for sup in [&sup, &inner] {
            let ended = soon("its end", sup.ended()).await;
            assert!(matches!(ended, Err(SupervisorError::Killed(_))), "{ended:?}");
            assert!(matches!(sup.terminate_child("far").await, Err(AdminError::ShuttingDown)));
        }
        until("its children's end", || !far.connected() && !addr.connected()).await;
        until("its row is free", || family.system.running() == 0).await;
        elsewhere.stop();
        family.end().await;
    });
}

/// AX-15: a device that is lost is started again with those that live on it, and counts once; it stops in order behind them.
#[test]
fn a_device_is_a_child_under_actix() {
    in_actix(async {
        let gpu = DeviceSlot::new("gpu");
        let device = ChildSpec::device(&gpu, Config { shards: Some(1), ..Config::cpu() });
        let sup = Supervisor::builder(unique("sup")).strategy(Strategy::RestForOne).intensity(2, LONG).child(device);
        let sup = started(sup.child(ChildSpec::gpu("child", Panicker::default).on(&gpu))).await;
        let addr = sup.handle::<Panicker>("child").await.unwrap().addr().unwrap();
        for incarnation in 2..4 {
            sup.device("gpu").await.unwrap().control().kill();
            runs(&sup, "child", incarnation).await;
            runs(&sup, "gpu", incarnation).await;
            assert_eq!(soon("an answer", addr.send(CountUp)).await.unwrap().unwrap(), 1, "the same address, on the new device");
        }
        let system = gpu.system().unwrap();
        assert_eq!(system.running(), 1);
        stopped(&sup).await;
        assert!(gpu.system().is_none());
        let report = soon("the report", system.stop()).await;
        assert!(report.device.is_ok() && report.killed == 0, "{report:?}");
        let said = reports::of(sup.name());
        assert_eq!(said[said.len() - 5..said.len() - 1], ["stop child", "ended child", "stop gpu", "ended gpu"], "{said:?}");
    });
}

/// Blocks its arbiter until somebody lets go.
struct Block(oneshot::Sender<()>, std::sync::mpsc::Receiver<()>);

impl Message for Block {
    type Result = ();
}

impl Handler<Block> for Fragile {
    type Result = ();

    fn handle(&mut self, Block(begun, release): Block, _: &mut Context<Self>) {
        let _ = begun.send(());
        // An error says that it was let go.
        let _ = release.recv();
    }
}

/// AX-15: one that blocks its arbiter is reported, and its supervisor on another one goes on without it.
#[test]
fn an_actor_that_blocks_its_arbiter_is_left_behind() {
    in_actix(async {
        let elsewhere = Arbiter::new();
        let bound = Duration::from_millis(10);
        let stuck = ChildSpec::actix_in("stuck", &elsewhere.handle(), || ready(Ok(Fragile::new(None)))).shutdown(Shutdown::Timeout(bound));
        let other = ChildSpec::actix("other", || Fragile::new(None));
        let sup = started(Supervisor::builder(unique("zombie")).kill_bound(bound).child(other).child(stuck)).await;
        let addr = sup.addr::<Fragile>("stuck").await.unwrap();
        let (begun, begins) = oneshot::channel();
        let (release, released) = std::sync::mpsc::channel();
        addr.do_send(Block(begun, released));
        soon("the block", begins).await.unwrap();
        assert!(matches!(soon("the answer", sup.terminate_child("stuck")).await, Err(AdminError::Zombie)));
        is(&sup, "stuck", Status::Zombie).await;
        soon("an answer", sup.addr::<Fragile>("other").await.unwrap().send(Slow)).await.unwrap();
        stopped(&sup).await;
        assert!(reports::of(sup.name()).contains(&"was killed and is still there stuck".to_owned()));
        drop(release);
        until("its end", || !addr.connected()).await;
        elsewhere.stop();
    });
}

/// AX-15: a supervisor that is a child gives its start up when it is told to.
#[test]
fn a_supervisor_that_still_starts_is_given_up() {
    in_actix(async {
        let family = ActixGpu::new().await;
        let sup = started(Supervisor::builder(unique("outer"))).await;
        family.starts().set("two", How::Hangs);
        let inner = Supervisor::builder("inner").child(family.child("one")).child(family.child("two"));
        let start = actix::spawn({
            let sup = sup.clone();
            async move { sup.start_child(ChildSpec::supervisor(inner)).await }
        });
        soon("the start", family.starts().reached("two", 1)).await;
        stopped(&sup).await;
        assert!(matches!(soon("the answer", start).await.unwrap(), Err(AdminError::Terminated | AdminError::ShuttingDown)));
        family.end().await;
    });
}

/// AX-15: each call by an address ends once, whatever happens to the child meanwhile.
#[test]
fn each_call_ends_while_its_child_is_restarted() {
    const CALLS: u64 = 2_000;
    in_actix(async {
        let family = ActixGpu::new().await;
        let sup = started(alone(family.child("child"))).await;
        let addr = sup.handle::<Panicker>("child").await.unwrap().addr().unwrap();
        let calls: Vec<_> = (0..CALLS)
            .map(|number| {
                let addr = addr.clone();
                actix::spawn(async move {
                    match number % 100 {
                        7 => addr.send(Panic { how: EXPLICIT, value: 1 }).await.unwrap().err(),
                        _ => addr.send(CountUp).await.unwrap().err(),
                    }
                })
            })
            .collect();
        let (mut counted, mut failed) = (0, 0);
        for call in calls {
            match soon("a call's end", call).await.unwrap() {
                None => counted += 1,
                Some(fault) => {
                    assert_eq!(fault.class, FaultClass::Panic);
                    failed += 1;
                }
            }
        }
        assert_eq!(counted + failed, CALLS);
        assert!(failed >= CALLS / 100 && counted > 0, "{counted}, {failed}");
        let late = actix::spawn(async move {
            let mut answered = 0;
            while let Ok(Ok(_)) = addr.send(CountUp).await {
                answered += 1;
            }
            answered
        });
        stopped(&sup).await;
        soon("the last call's end", late).await.unwrap();
        family.end().await;
    });
}
