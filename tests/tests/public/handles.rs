//! Actors without a framework, by the handle that names none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use resident::prelude::*;
use resident::{ActorKey, AskError, CallError, Scope, SpawnError};
use resident_test_actors::*;
use resident_tests::*;
use tokio::runtime::Runtime;

/// NH-1.
#[tokio::test(flavor = "multi_thread")]
async fn messages_go_by_their_types() {
    let system = system().await;
    let counter = Handle::spawn(Some(unique("own")), Counter::default(), &system).await.unwrap();
    counter.try_cast(Add { amount: 40 }).unwrap();
    counter.send(Tick).await.unwrap();
    counter.call(Tick).await.unwrap();
    assert_eq!(counter.call(Get).await.unwrap().total, 42);
    assert_eq!(counter.ask(&AddAndGet { amount: 1 }, PATIENCE).unwrap(), 43);
    counter.ask(&Tick, PATIENCE).unwrap();
    assert_eq!(counter.cast_many(&vec![Add { amount: 2 }; 100]).unwrap(), 100);
    let mut pipeline = Pipeline::new(&system, 8).unwrap();
    assert_eq!(pipeline.submit_many(&counter, &[const { AddAndGet { amount: 1 } }; 4]).unwrap(), 4);
    assert_eq!([(); 4].map(|()| pipeline.next().unwrap()), [245, 246, 247, 248]);

    let info = counter.info();
    assert_eq!((info.kind, info.incarnation), ("Counter", 1));
    assert_eq!(counter.address().await.shard(), info.address.shard());
    let again = counter.clone();
    drop(counter);
    assert_eq!(again.call(Get).await.unwrap().total, 248, "it goes on without its first handle");
    let saved = system.checkpoint(Scope::Actors(vec![again.key()])).await.unwrap();
    assert_eq!(saved.actors().len(), 1);
    system.stop().await;
}

/// NH-2.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_comes_behind_what_was_sent_and_a_kill_does_not() {
    let system = one_shard().await;
    for _ in 0..turns(200) {
        let counter = Handle::spawn(None, Counter::default(), &system).await.unwrap();
        let sent = counter.cast_many(&vec![Add { amount: 1 }; 200]).unwrap();
        let last = {
            let counter = counter.clone();
            tokio::spawn(async move { counter.call(Get).await })
        };
        let mut ends = counter.ends();
        counter.stop();
        assert!(soon("its end", counter.ended()).await.is_none());
        let end = ends.next().await.unwrap();
        assert!(end.incarnation == 1 && end.fault.is_none() && ends.next().await.is_none());
        match soon("the call", last).await.unwrap() {
            Ok(count) => assert_eq!(count.total, sent as u64),
            Err(CallError::Unsent(CastError::Stopped(Get))) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(matches!(counter.try_cast(Tick), Err(CastError::Stopped(Tick))) && !counter.takes_messages());
        assert!(matches!(counter.ask(&Get, PATIENCE), Err(AskError::Stopped)));
        assert_eq!(system.running(), 0, "its row is free");
    }
    let doomed = Handle::spawn(None, Counter::default(), &system).await.unwrap();
    doomed.kill();
    doomed.stop();
    assert!(soon("its end", doomed.ended()).await.is_none());
    until("its row is free", || system.running() == 0).await;
    system.stop().await;
}

/// NH-3.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_reaches_its_caller_and_ends_the_actor() {
    let system = one_shard().await;
    let panicker = Handle::spawn(None, Panicker::default(), &system).await.unwrap();
    assert_eq!(panicker.call(CountUp).await.unwrap(), 1);
    match soon("the call", panicker.call(PanicInCall { how: EXPLICIT, value: 7 })).await {
        Err(CallError::Failed(fault)) => {
            assert_eq!((fault.class, fault.actor, fault.handled), (FaultClass::Panic, panicker.key(), 1));
            assert!(fault.text.contains("asked to panic with 7"), "{fault}");
        }
        other => panic!("{other:?}"),
    }
    let mut ends = panicker.ends();
    assert_eq!(soon("its end", panicker.ended()).await.unwrap().class, FaultClass::Panic);
    assert_eq!(ends.next().await.unwrap().fault.unwrap().state::<Panicker>().unwrap().counted, 1);
    assert!(matches!(panicker.send(CountUp).await, Err(CastError::Stopped(_))));
    assert!(matches!(panicker.ask(&CountUp, PATIENCE), Err(AskError::Failed(_))));
    until("its row is free", || system.running() == 0).await;
    system.stop().await;
}

/// NH-3, O-4.
#[tokio::test(flavor = "multi_thread")]
async fn each_call_ends_once_however_its_actor_does() {
    const CALLS: usize = 500;
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let ended = Arc::new(AtomicUsize::new(0));
    let rounds = turns(24);
    for round in 0..rounds {
        let actor = Handle::spawn(None, Panicker::default(), &system).await.unwrap();
        let calls: Vec<_> = (0..CALLS)
            .map(|n| {
                let (actor, ended) = (actor.clone(), ended.clone());
                tokio::spawn(async move {
                    if n == CALLS / 2 {
                        match round % 4 {
                            0 => actor.stop(),
                            1 => actor.kill(),
                            2 => drop(actor.send(Panic { how: EXPLICIT, value: 0 }).await),
                            _ => {}
                        }
                    }
                    let outcome = actor.call(CountUp).await;
                    ended.fetch_add(1, Ordering::Relaxed);
                    outcome.is_ok()
                })
            })
            .collect();
        let mut answered = 0;
        for call in calls {
            answered += usize::from(soon("a call", call).await.unwrap());
        }
        if round % 4 == 3 {
            assert_eq!(answered, CALLS);
            actor.stop();
        }
        soon("its end", actor.ended()).await;
    }
    assert_eq!(ended.load(Ordering::Relaxed), rounds * CALLS);
    until("the rows are free", || system.running() == 0).await;
    system.stop().await;
}

/// NH-4.
#[tokio::test(flavor = "multi_thread")]
async fn one_living_actor_has_a_name_and_a_key() {
    let system = system().await;
    let name = unique("N14228");
    let first = Handle::spawn(Some(name.clone()), Counter::default(), &system).await.unwrap();
    assert_eq!(first.name(), Some(&*name));
    match Handle::spawn(Some(name.clone()), Counter::default(), &system).await {
        Err(SpawnError::Name(taken)) => assert_eq!(taken, name),
        other => panic!("{other:?}"),
    }
    assert_eq!(system.running(), 1, "who did not start has no row");
    first.stop();
    soon("its end", first.ended()).await;
    let (second, (framed, _)) = (
        Handle::spawn(Some(name), Counter::default(), &system).await.unwrap(),
        Counter::spawn(None, Counter::default(), &system).await.unwrap(),
    );
    assert!(first.key() < second.key());
    // An actor of ractor's has the key of its id, and none of the others does.
    let ids = ractor::ActorId::from(second.key());
    assert!(framed.key() == framed.get_id() && second.key() != framed.get_id() && ids != framed.get_id());
    assert_ne!(ActorKey::to_string(&second.key()), framed.get_id().to_string());
    let report = system.stop().await;
    assert_eq!((report.drained, report.killed), (2, 0));
    assert!(soon("its end", second.ended()).await.is_none());
}

/// NH-5.
#[test]
fn it_needs_a_runtime_and_is_revoked_with_it() {
    let (lasting, passing) = (Runtime::new().unwrap(), Runtime::new().unwrap());
    let system = lasting.block_on(system());
    let actor = passing.block_on(Handle::spawn(None, Counter::default(), &system)).unwrap();
    passing.block_on(actor.call(Tick)).unwrap();
    drop(passing);
    assert!(lasting.block_on(soon("its end", actor.ended())).is_none());
    assert!(matches!(actor.try_cast(Tick), Err(CastError::Stopped(_))));
    lasting.block_on(until("its row is free", || system.running() == 0));

    let mut spawn = std::pin::pin!(Handle::spawn(None, Counter::default(), &system));
    let polled = std::future::Future::poll(spawn.as_mut(), &mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(matches!(polled, std::task::Poll::Ready(Err(SpawnError::Runtime))), "{polled:?}");
    lasting.block_on(system.stop());
}
