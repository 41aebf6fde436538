//! Two applications on one device: what breaks in one is nobody's fault in the other.
//!
//! On a GPU they share it, and each trap stops both for most of a second. On the CPU each has a device of its own.

use std::time::Duration;

use ractor::{call, cast};
use resident::prelude::*;
use resident::{Class, DeviceKind, Isolation};
use resident_test_actors::*;
use resident_tests::application::*;
use resident_tests::*;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

/// More losses than any test makes.
const ANY: (u32, Duration) = (1_000_000, Duration::from_secs(3600));
/// Faults of the application in which everything breaks.
const FAULTS: usize = 50;

/// What breaks in turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A message that the worker does not survive, and the class of what it does.
    Message(u32, FaultClass),
    /// The worker is killed.
    Kill,
}

use Fault::*;
const TURN: [Fault; 3] = [Message(TRAP, FaultClass::Trap), Message(WILD_READ, FaultClass::IllegalAddress), Kill];
/// Stands in for every sixteenth of them, since it takes its budget.
const HANG: (usize, Fault) = (16, Message(SPIN, FaultClass::Hang));

async fn two_shards() -> System {
    start(Config { shards: Some(2), capacity: 1024, intensity: ANY, isolation: Isolation::Process, ..Config::default() }).await
}

/// Until the losses so far are over.
async fn taken_over(system: &System) {
    until("the takeover", || system.losses().1.is_none_or(|last| last.resumed.is_some())).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "an application that another one stands beside"]
async fn breaks_fifty_times() {
    if !is_application() {
        return;
    }
    let system = two_shards().await;
    let (supervisor, mut heard) = supervisor().await;
    let (bystander, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    for (n, fault) in TURN.into_iter().cycle().take(FAULTS).enumerate() {
        let fault = if n % HANG.0 == HANG.0 - 1 { HANG.1 } else { fault };
        let before = system.losses().0;
        let class = match fault {
            Message(how, class) => {
                let (doomed, _) = Breaker::spawn_linked(None, Breaker::default(), &system, supervisor.clone()).await.unwrap();
                cast!(doomed, BreakerMsg::Break(Break { how })).unwrap();
                let (who, fault) = heard.fault().await;
                assert_eq!((who, fault.class, fault.message), (doomed.get_id(), class, "Break"), "{n}: {fault}");
                class
            }
            Kill => {
                kill(system.worker().expect("a process"));
                until("the loss is noticed", || system.losses().0 > before).await;
                FaultClass::Worker
            }
        };
        taken_over(&system).await;
        let (losses, last) = system.losses();
        let device = match class {
            FaultClass::Trap => Class::Trap,
            FaultClass::IllegalAddress => Class::IllegalAddress,
            FaultClass::Hang => Class::Hang,
            _ => Class::Worker,
        };
        assert_eq!((losses, last.map(|last| last.fault.class)), (before + 1, Some(device)), "{n}: nothing else was being handled");
        assert_eq!(call!(bystander, CounterMsg::AddAndGet, AddAndGet { amount: 1 }).unwrap(), n as u64 + 1);
    }
    assert!(!heard.has_more());
    soon("the stop", system.stop()).await.device.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_faults_of_another_application_are_not_noticed() {
    let system = two_shards().await;
    let (supervisor, mut heard) = supervisor().await;
    let counters = on_every_shard(&system, Counter::default).await;
    let workers = on_every_shard(&system, Breaker::default).await;
    counters.iter().for_each(|actor| actor.link(supervisor.clone()));
    workers.iter().for_each(|actor| actor.link(supervisor.clone()));
    let first = system.worker();
    // Some milliseconds of work, so that a stall finds somebody in the middle of it.
    let rounds = if system.device().kind == DeviceKind::Cuda { 200_000 } else { 20_000 };
    let (other, runtime) = (Application::start("breaks_fifty_times"), Handle::current());
    let other = spawn_blocking(move || runtime.block_on(other.ends()));
    let mut turns = 0;
    while !other.is_finished() {
        turns += 1;
        for (counter, worker) in counters.iter().zip(&workers) {
            for amount in 1..=100 {
                soon("room", counter.send(CounterMsg::Add(Add { amount }))).await.unwrap();
            }
            let sum = soon("the work", async { call!(worker, BreakerMsg::Work, Work { rounds }).unwrap() }).await;
            let count = soon("a count", async { call!(counter, CounterMsg::Get).unwrap() }).await;
            // Everything that was sent was handled, once.
            assert_eq!((sum, count.added, count.total), (turns * rounds, turns * 100, turns * 5050));
        }
    }
    let status = soon("the other application", other).await.unwrap();
    assert!(status.success(), "the other application: {status}");
    assert!(turns > 0 && !heard.has_more(), "nobody was blamed");
    assert!(counters.iter().all(|actor| actor.fault().is_none()) && workers.iter().all(|actor| actor.fault().is_none()));
    assert_eq!((system.losses().0, system.worker(), system.dead_letters()), (0, first, 0));
    soon("the stop", system.stop()).await.device.unwrap();
}
