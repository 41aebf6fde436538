//! Stop, drain, kill: what is handled, what supervisors hear, and that no call is left over.

use std::time::Duration;

use ractor::{ActorRef, ActorStatus, RactorErr, call, cast};
use resident::SpawnError;
use resident::prelude::*;
use resident_test_actors::*;
use resident_tests::*;

#[tokio::test(flavor = "multi_thread")]
async fn stop_handles_what_the_shard_was_sent() {
    let system = system().await;
    let (emitter, join) = Emitter::spawn(None, Emitter::default(), &system).await.unwrap();
    for _ in 0..100 {
        cast!(emitter, EmitterMsg::EmitLate(EmitLate { count: 10, minutes: 1 })).unwrap();
    }
    emitter.stop(Some("enough".into()));
    soon("the end", join).await.unwrap();
    // Each was emitted, and nobody is routed to take it.
    assert_eq!(system.dead_letters(), 1000);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_handles_the_mailbox_too() {
    let system = system().await;
    let (supervisor, mut heard) = supervisor().await;
    let (emitter, _) = Emitter::spawn_linked(None, Emitter::default(), &system, supervisor).await.unwrap();
    let plain: ActorRef<EmitterMsg> = emitter.clone().into();
    for _ in 0..500 {
        cast!(emitter, EmitterMsg::EmitLate(EmitLate { count: 1, minutes: 1 })).unwrap();
        cast!(plain, EmitterMsg::EmitLate(EmitLate { count: 1, minutes: 1 })).unwrap();
    }
    emitter.drain().unwrap();
    assert!(matches!(emitter.try_cast(EmitterMsg::EmitLate(EmitLate { count: 1, minutes: 1 })), Err(CastError::Stopped(_))));
    match heard.end().await {
        Event::Terminated(who, _, reason) => assert_eq!((who, reason.as_deref()), (emitter.get_id(), Some("Drained"))),
        other => panic!("{other:?}"),
    }
    assert_eq!(system.dead_letters(), 1000);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_ends_calls_and_frees_the_row() {
    let system = start(Config { shards: Some(1), rows: 1, ..Config::default() }).await;
    let (supervisor, mut heard) = supervisor().await;
    for _ in 0..50 {
        let spawned = Counter::spawn_linked(None, Counter::default(), &system, supervisor.clone()).await;
        let (counter, join) = spawned.expect("the only row is free again once its actor has ended");
        let calls: Vec<_> = (0..50)
            .map(|_| {
                let counter = counter.clone();
                tokio::spawn(async move { call!(counter, CounterMsg::Get).map(|_| ()) })
            })
            .collect();
        counter.kill();
        soon("the end", join).await.unwrap();
        match heard.end().await {
            Event::Terminated(who, _, reason) => assert_eq!((who, reason.as_deref()), (counter.get_id(), Some("killed"))),
            other => panic!("{other:?}"),
        }
        for call in calls {
            match soon("a call to a killed actor", call).await.unwrap() {
                Ok(()) | Err(RactorErr::Messaging(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(counter.try_cast(CounterMsg::Tick).is_err());
        until("the row is free", || system.running() == 0).await;
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_ends_kills_its_children() {
    let system = system().await;
    let (supervisor, _heard) = supervisor().await;
    let (counter, join) = Counter::spawn_linked(None, Counter::default(), &system, supervisor.clone()).await.unwrap();
    supervisor.stop(None);
    soon("the child's end", join).await.unwrap();
    assert_eq!(counter.get_status(), ActorStatus::Stopped);
    until("the row is free", || system.running() == 0).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_child_under_a_supervisor_that_has_ended() {
    let system = system().await;
    let (supervisor, _heard) = supervisor().await;
    supervisor.stop_and_wait(None, None).await.unwrap();
    match Counter::spawn_linked(None, Counter::default(), &system, supervisor).await {
        Err(SpawnError::Framework(_)) => {}
        other => panic!("{other:?}"),
    }
    until("the row is free", || system.running() == 0).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_and_timeouts() {
    let system = system().await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    assert!(counter.wait(Some(Duration::from_millis(1))).await.is_err(), "it runs");
    counter.stop_and_wait(None, Some(PATIENCE)).await.unwrap();
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    counter.drain_and_wait(Some(PATIENCE)).await.unwrap();
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    counter.kill_and_wait(Some(PATIENCE)).await.unwrap();
    until("all rows are free", || system.running() == 0).await;
    system.stop().await;
}
