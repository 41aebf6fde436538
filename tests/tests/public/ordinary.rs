//! A resident actor is an ordinary ractor actor: what works on an `ActorRef` works on a `GpuRef`, with the same outcome.

use std::time::Duration;

use ractor::{ActorRef, ActorStatus, MessagingErr, SpawnErr, call, call_t, cast, forward, pg, registry};
use resident::SpawnError;
use resident::prelude::*;
use resident_test_actors::*;
use resident_tests::*;

#[tokio::test(flavor = "multi_thread")]
async fn cast_and_call_by_ring_and_by_mailbox() {
    let system = system().await;
    let (counter, join) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    cast!(counter, CounterMsg::Add(Add { amount: 40 })).unwrap();
    cast!(counter, CounterMsg::Tick).unwrap();
    assert_eq!(call!(counter, CounterMsg::Get).unwrap().total, 41);
    assert_eq!(call_t!(counter, CounterMsg::AddAndGet, 60_000, AddAndGet { amount: 1 }).unwrap(), 42);

    let plain: ActorRef<CounterMsg> = counter.clone().into();
    cast!(plain, CounterMsg::Add(Add { amount: 1 })).unwrap();
    assert_eq!(call!(plain, CounterMsg::Get).unwrap().total, 43);
    assert_eq!(call_t!(plain, CounterMsg::AddAndGet, 60_000, AddAndGet { amount: 1 }).unwrap(), 44);
    plain.stop(None);
    join.await.unwrap();
    assert_eq!(system.stop().await.dead_letters, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_arrive_in_their_order() {
    let system = one_shard().await;
    let (echo, _) = Echo::spawn(None, Echo::new(7), &system).await.unwrap();
    let plain: ActorRef<EchoMsg> = echo.clone().into();
    let mut expected = Echo::new(7);
    for nonce in 0..20_000 {
        expected.remember(nonce);
        echo.send(EchoMsg::Note(Note { nonce, words: words(nonce) })).await.unwrap();
    }
    let history = call!(echo, EchoMsg::Recall).unwrap();
    assert_eq!((history.answered, history.history), (expected.answered, expected.history));
    for nonce in 0..5_000 {
        expected.remember(nonce);
        plain.cast(EchoMsg::Note(Note { nonce, words: words(nonce) })).unwrap();
    }
    let history = call!(plain, EchoMsg::Recall).unwrap();
    assert_eq!((history.answered, history.history), (expected.answered, expected.history));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_comes_behind_the_mailbox() {
    let system = system().await;
    let (echo, _) = Echo::spawn(None, Echo::new(1), &system).await.unwrap();
    let plain: ActorRef<EchoMsg> = ActorRef::from(echo.get_cell());
    let mut expected = Echo::new(1);
    for round in 0..50 {
        for nonce in round * 100..round * 100 + 99 {
            expected.remember(nonce);
            plain.cast(EchoMsg::Note(Note { nonce, words: words(nonce) })).unwrap();
        }
        let sender = soon("the fence", echo.sender()).await.unwrap();
        let nonce = round * 100 + 99;
        expected.remember(nonce);
        sender.send(EchoMsg::Note(Note { nonce, words: words(nonce) })).await.unwrap();
        let history = call!(sender, EchoMsg::Recall).unwrap();
        assert_eq!((history.answered, history.history), (expected.answered, expected.history));
    }
    echo.stop_and_wait(None, None).await.unwrap();
    assert!(echo.sender().await.is_err());
    assert_eq!(system.stop().await.dead_letters, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_status_and_identity() {
    let system = system().await;
    let name = unique("N14228");
    let (counter, join) = Counter::spawn(Some(name.clone()), Counter::default(), &system).await.unwrap();
    assert_eq!(counter.get_name().as_deref(), Some(&*name));
    assert!(registry::registered().contains(&name));
    until("the actor runs", || counter.get_status() == ActorStatus::Running).await;

    let same: ActorRef<CounterMsg> = ActorRef::where_is(&name).unwrap();
    assert_eq!(same.get_id(), counter.get_id());
    assert!(ActorRef::<EchoMsg>::where_is(&name).is_none(), "another message type finds nothing");
    let handle = GpuRef::<Counter>::where_is(&name, &system).unwrap();
    assert_eq!(handle.info(), counter.info());
    assert!(GpuRef::<Echo>::where_is(&name, &system).is_none(), "another kind finds nothing");
    assert!(GpuRef::<Counter>::where_is(unique("nobody"), &system).is_none());
    cast!(handle, CounterMsg::Tick).unwrap();
    assert_eq!(call!(same, CounterMsg::Get).map(|_| ()).ok(), Some(()));

    match Counter::spawn(Some(name.clone()), Counter::default(), &system).await {
        Err(SpawnError::Name(taken)) => assert_eq!(taken, name),
        other => panic!("expected the name to be taken, got {other:?}"),
    }
    assert!(matches!(SpawnErr::from(SpawnError::Name(name.clone())), SpawnErr::ActorAlreadyRegistered(_)));
    counter.stop(None);
    join.await.unwrap();
    assert!(ActorRef::<CounterMsg>::where_is(&name).is_none());
    let (again, _) = Counter::spawn(Some(name.clone()), Counter { total: 5, added: 1 }, &system).await.unwrap();
    assert_eq!(call!(again, CounterMsg::Get).unwrap().total, 5, "a name survives: its next holder answers");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_links_and_monitors() {
    let system = system().await;
    let (supervisor, mut heard) = supervisor().await;
    let (watcher, mut watched) = resident_tests::supervisor().await;
    let group = unique("fleet");
    let (counter, join) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    pg::join(group.clone(), vec![counter.get_cell()]);
    let member: ActorRef<CounterMsg> = pg::get_members(&group)[0].clone().into();
    assert_eq!(call!(member, CounterMsg::AddAndGet, AddAndGet { amount: 3 }).unwrap(), 3);

    counter.link(supervisor.clone());
    assert_eq!(counter.try_get_supervisor().map(|s| s.get_id()), Some(supervisor.get_id()));
    assert!(supervisor.get_children().iter().any(|c| c.get_id() == counter.get_id()));
    watcher.monitor(counter.get_cell());
    counter.stop(Some("landed".into()));
    join.await.unwrap();
    match heard.end().await {
        Event::Terminated(who, _, reason) => assert_eq!((who, reason.as_deref()), (counter.get_id(), Some("landed"))),
        other => panic!("{other:?}"),
    }
    match watched.end().await {
        Event::Terminated(who, _, reason) => assert_eq!((who, reason.as_deref()), (counter.get_id(), Some("landed"))),
        other => panic!("{other:?}"),
    }
    assert!(pg::get_members(&group).is_empty());
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_forwarded() {
    let system = system().await;
    let (from, _) = Counter::spawn(None, Counter { total: 20, added: 1 }, &system).await.unwrap();
    let (to, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let target: ActorRef<CounterMsg> = to.clone().into();
    forward!(from, CounterMsg::Get, target, |count: Count| CounterMsg::Add(Add { amount: count.total })).unwrap();
    let target = to.sender().await.unwrap();
    assert_eq!(call!(target, CounterMsg::Get).unwrap().total, 20);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_actor_gives_the_message_back() {
    let system = system().await;
    let (counter, join) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    counter.stop(None);
    join.await.unwrap();
    match counter.cast(CounterMsg::Add(Add { amount: 9 })) {
        Err(MessagingErr::SendErr(CounterMsg::Add(add))) => assert_eq!(add.amount, 9),
        other => panic!("{other:?}"),
    }
    match counter.try_cast(CounterMsg::Add(Add { amount: 9 })) {
        Err(CastError::Stopped(CounterMsg::Add(add))) => assert_eq!(add.amount, 9),
        other => panic!("{other:?}"),
    }
    let error = cast!(counter, CounterMsg::Add(Add { amount: 9 })).unwrap_err();
    assert!(error.has_message());
    assert!(counter.send(CounterMsg::Tick).await.is_err());
    let error = call!(counter, CounterMsg::Get).unwrap_err();
    assert!(error.has_message(), "the unsent call comes back: {error:?}");
    assert!(matches!(counter.ask(&Get, Duration::from_secs(60)), Err(AskError::Stopped)));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_type_through_the_cell_is_refused() {
    let system = system().await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    assert!(matches!(
        counter.get_cell().send_message(EchoMsg::Recall(ractor::concurrency::oneshot().0.into())),
        Err(MessagingErr::InvalidActorType)
    ));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn states_of_every_size() {
    let system = system().await;
    let big = Big::new(3);
    let digest = big.digest();
    let (actor, _) = Big::spawn(None, big, &system).await.unwrap();
    assert_eq!(call!(actor, BigMsg::Digest).unwrap(), digest);
    cast!(actor, BigMsg::Put(Put { at: 8191, word: 11 })).unwrap();
    assert_eq!(call!(actor, BigMsg::Peek, Peek { at: 8191 }).unwrap(), 11);
    system.stop().await;
}
