//! Groups: many actors with one proxy. Members are told and called by key, fail alone, come and go, and end together.

use std::sync::Arc;
use std::time::Duration;

use ractor::rpc::CallResult;
use ractor::{ActorId, ActorRef, ActorStatus, call};
use resident::prelude::*;
use resident::{CallError, Class, DeviceFault, DeviceKind, Isolation, MemberError, Scope, SpawnError};
use resident_test_actors::*;
use resident_tests::*;
use tokio::spawn;
use tokio::task::spawn_blocking;

/// A system on whose two shards there is room for `actors`, no more.
async fn room_for(actors: u32) -> System {
    start(Config { shards: Some(2), rows: actors / 2, capacity: 1024, ..Config::default() }).await
}

async fn counters(system: &System, members: u64) -> GpuGroup<Counter> {
    let members = (0..members).map(|key| (key, Counter::default()));
    soon("the group", Counter::spawn_many(None, members, system)).await.unwrap().0
}

async fn panickers(system: &System, members: u64) -> GpuGroup<Panicker> {
    let members = (0..members).map(|key| (key, Panicker::default()));
    soon("the group", Panicker::spawn_many(None, members, system)).await.unwrap().0
}

async fn total(group: &GpuGroup<Counter>, key: u64) -> u64 {
    match soon("a total", group.call(&key, CounterMsg::Get, None)).await.unwrap() {
        CallResult::Success(count) => count.total,
        other => panic!("{other:?}"),
    }
}

async fn count_up(group: &GpuGroup<Panicker>, key: u64) -> Result<u64, GpuFault> {
    match soon("a count", group.call(&key, PanickerMsg::CountUp, None)).await {
        Ok(CallResult::Success(count)) => Ok(count),
        Err(CallError::Failed(fault)) => Err(*fault),
        other => panic!("{other:?}"),
    }
}

fn add(amount: u64) -> CounterMsg {
    CounterMsg::Add(Add { amount })
}

fn explicit() -> PanickerMsg {
    PanickerMsg::Panic(Panic { how: EXPLICIT, value: 7 })
}

/// The group's end, with everything given back.
async fn stopped<A: resident_kernels::host::Resident, K>(group: &GpuGroup<A, K>, system: &System)
where
    K: std::hash::Hash + Eq + Clone + Send + Sync + 'static,
{
    let before = system.running() - group.len();
    soon("the group's end", group.actor().stop_and_wait(None, None)).await.unwrap();
    assert_eq!((system.running(), group.len()), (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_told_and_asked() {
    const MEMBERS: u64 = 200_000;
    let system = room_for(MEMBERS as u32).await;
    let group = counters(&system, MEMBERS).await;
    assert_eq!((group.len(), system.running()), (MEMBERS as usize, MEMBERS as usize));
    for key in (0..MEMBERS).step_by(1000) {
        soon("room", group.send(&key, add(key))).await.unwrap();
    }
    assert_eq!(soon("all to be told", group.tell_all(&Add { amount: 1 })).await.unwrap(), MEMBERS as usize);
    let sum = |sum, key: &u64, count: Count| {
        let (own, times) = if key.is_multiple_of(1000) { (*key, 2) } else { (0, 1) };
        assert_eq!((count.total, count.added), (own + 1, times), "{key}");
        sum + count.total
    };
    let folded = soon("all replies", group.fold(&Get, 0, sum)).await.unwrap();
    let expected: u64 = MEMBERS + (0..MEMBERS).step_by(1000).sum::<u64>();
    assert_eq!((folded.value, folded.replies, folded.failed), (expected, MEMBERS as usize, 0));
    stopped(&group, &system).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_reached_by_their_keys() {
    let system = system().await;
    let members = (0..100).map(|n| (format!("N{n}"), Counter { total: n, added: 0 }));
    let (group, _) = Counter::spawn_many(Some(unique("fleet")), members, &system).await.unwrap();
    let (known, unknown) = ("N42".to_owned(), "N100".to_owned());
    group.tell(&known, add(8)).unwrap();
    match group.call(&known, CounterMsg::Get, Some(PATIENCE)).await {
        Ok(CallResult::Success(count)) => assert_eq!(count.total, 50),
        other => panic!("{other:?}"),
    }
    match group.tell(&unknown, add(8)) {
        Err(CastError::Unknown(CounterMsg::Add(add))) => assert_eq!(add.amount, 8),
        other => panic!("{other:?}"),
    }
    assert!(matches!(group.send(&unknown, add(8)).await, Err(CastError::Unknown(_))));
    assert!(matches!(group.call(&unknown, CounterMsg::Get, None).await, Err(CallError::Unsent(CastError::Unknown(_)))));
    assert!(matches!(group.member(&unknown).await, Err(MemberError::Unknown)));
    assert!(matches!(group.restart(&unknown, Counter::default()).await, Err(MemberError::Unknown)));
    assert!(!group.remove(&unknown).await);
    assert!(group.contains(&known) && !group.contains(&unknown) && !group.is_empty());
    let mut keys = group.keys();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 100);
    let asked = spawn_blocking({
        let (group, known) = (group.clone(), known.clone());
        move || {
            assert!(matches!(group.ask(&unknown, &Get, PATIENCE), Err(AskError::Unknown)));
            // Behind what was told before.
            group.tell(&known, add(1)).unwrap();
            group.ask(&known, &AddAndGet { amount: 10 }, PATIENCE).unwrap()
        }
    });
    assert_eq!(soon("the reply", asked).await.unwrap(), 61);
    let name = group.actor().get_name().unwrap();
    assert!(ActorRef::<resident::GroupMsg>::where_is(name).is_some());
    stopped(&group, &system).await;
    assert!(matches!(group.tell(&known, add(1)), Err(CastError::Stopped(_))));
    assert!(matches!(group.tell_all(&Tick).await, Err(CastError::Stopped(()))));
    assert!(matches!(group.fold(&Get, (), |(), _, _| ()).await, Err(CastError::Stopped(()))));
    assert!(matches!(group.insert(known.clone(), Counter::default()).await, Err(MemberError::Stopped)));
    system.stop().await;
}

/// So many that places are claimed in several turns, and the index is made by several threads.
#[tokio::test(flavor = "multi_thread")]
async fn all_of_many_or_nothing() {
    const ROOM: u64 = 70_000;
    let system = room_for(ROOM as u32).await;
    for _ in 0..2 {
        match Counter::spawn_many(None, (0..=ROOM).map(|key| (key, Counter::default())), &system).await {
            Err(SpawnError::Members { wanted: 70_001, free: 70_000 }) => {}
            other => panic!("{other:?}"),
        }
        let twice = (0..ROOM).map(|key| (key.min(ROOM - 2), Counter::default()));
        assert!(matches!(Counter::spawn_many(None, twice, &system).await, Err(SpawnError::Duplicate { position: 69_999 })));
        assert_eq!(system.running(), 0);
    }
    let group = counters(&system, ROOM).await;
    assert_eq!((group.len(), group.contains(&(ROOM - 1)), group.contains(&ROOM)), (70_000, true, false));
    assert_eq!(soon("all", group.tell_all(&Add { amount: 2 })).await.unwrap(), 70_000);
    stopped(&group, &system).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing() {
    let system = start(Config { shards: Some(2), rows: 50, arena_bytes: 10 << 16, ..Config::default() }).await;
    let kept = counters(&system, 10).await;
    let twice = [1, 2, 3, 2].map(|key| (key, Counter::default()));
    match Counter::spawn_many(None, twice, &system).await {
        Err(SpawnError::Duplicate { position }) => assert_eq!(position, 3),
        other => panic!("{other:?}"),
    }
    for _ in 0..3 {
        match Counter::spawn_many(None, (0..91).map(|key| (key, Counter::default())), &system).await {
            Err(error @ SpawnError::Members { wanted: 91, free: 90 }) => assert!(error.to_string().contains("more `rows`")),
            other => panic!("{other:?}"),
        }
        let large = (0..20).map(|key| (key, Big::new(key)));
        assert!(matches!(Big::spawn_many(None, large, &system).await, Err(SpawnError::State(_))));
        assert_eq!(system.running(), 10);
    }
    // What was refused has left all the room there was.
    let rest = counters(&system, 90).await;
    assert!(matches!(rest.insert(90, Counter::default()).await, Err(MemberError::Spawn(SpawnError::Members { wanted: 1, free: 0 }))));
    stopped(&rest, &system).await;
    let name = unique("group");
    let (_first, _) = Counter::spawn_many(Some(name.clone()), [(1, Counter::default())], &system).await.unwrap();
    let again = Counter::spawn_many(Some(name.clone()), [(1, Counter::default())], &system).await;
    assert!(matches!(again, Err(SpawnError::Name(taken)) if taken == name));
    assert_eq!(system.running(), 11);
    assert_eq!(total(&kept, 3).await, 0);
    system.stop().await;
    let late = Counter::spawn_many(None, [(1, Counter::default())], &system).await;
    assert!(matches!(late, Err(SpawnError::Stopped)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawn_that_is_given_up_leaves_nothing() {
    let system = start(Config { shards: Some(1), rows: 5000, capacity: 64, ..Config::default() }).await;
    for polls in 1..8 {
        let members = (0..5000).map(|key| (key, Counter::default()));
        let mut spawning = Box::pin(Counter::spawn_many(None, members, &system));
        let mut left = polls;
        // Given up after so many looks, wherever it is then.
        let spawned = std::future::poll_fn(|context| {
            left -= 1;
            match spawning.as_mut().poll(context) {
                std::task::Poll::Pending if left == 0 => std::task::Poll::Ready(None),
                polled => polled.map(Some),
            }
        });
        if let Some(Ok((group, _))) = soon("the group", spawned).await {
            group.actor().stop(None);
        }
        drop(spawning);
        until("nothing is left", || system.running() == 0).await;
    }
    let group = counters(&system, 5000).await;
    stopped(&group, &system).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_fails_alone_and_starts_afresh() {
    let system = room_for(100).await;
    let group = panickers(&system, 100).await;
    group.tell(&7, explicit()).unwrap();
    let fault = count_up(&group, 7).await.unwrap_err();
    assert_eq!((fault.class, fault.kind, fault.message), (FaultClass::Panic, "Panicker", "Panic"));
    assert_eq!(fault.actor, group.actor().get_id());
    assert!(fault.text.contains("asked to panic with 7"), "{}", fault.text);
    match group.call(&8, |reply| PanickerMsg::PanicInCall(PanicInCall { how: UNWRAP, value: 0 }, reply), None).await {
        Err(CallError::Failed(fault)) => assert_eq!(fault.message, "PanicInCall"),
        other => panic!("{other:?}"),
    }
    match group.tell(&7, explicit()) {
        Err(CastError::Failed(_, fault)) => assert!(fault.text.contains("asked to panic with 7")),
        other => panic!("{other:?}"),
    }
    let asked = spawn_blocking({
        let group = group.clone();
        move || {
            let fault = match group.ask(&9, &PanicInCall { how: EXPLICIT, value: 9 }, PATIENCE) {
                Err(AskError::Failed(fault)) => fault,
                other => panic!("{other:?}"),
            };
            assert!(matches!(group.ask(&9, &CountUp, PATIENCE), Err(AskError::Failed(_))));
            fault
        }
    });
    assert!(soon("the answer", asked).await.unwrap().text.contains("with 9"));
    let mut failed: Vec<_> = group.failed().into_iter().map(|(key, fault)| (key, fault.message)).collect();
    failed.sort();
    assert_eq!(failed, [(7, "Panic"), (8, "PanicInCall"), (9, "PanicInCall")]);
    assert!(matches!(group.member(&7).await, Err(MemberError::Failed(_))));
    assert!(group.fault(&7).is_some() && group.fault(&6).is_none());
    let folded = soon("the counts", group.fold(&CountUp, 0, |sum, _, count| sum + count)).await.unwrap();
    assert_eq!((folded.value, folded.replies, folded.failed), (97, 97, 3));

    // All rows are taken, so it starts where it was.
    soon("the restart", group.restart(&7, Panicker { counted: 70, ..Panicker::default() })).await.unwrap();
    assert_eq!(count_up(&group, 7).await.unwrap(), 71);
    assert!(group.fault(&7).is_none());
    assert!(matches!(group.restart(&7, Panicker::default()).await, Err(MemberError::Running)));
    for round in 0..50 {
        group.tell(&8, explicit()).unwrap_err();
        group.restart(&8, Panicker { counted: round, ..Panicker::default() }).await.unwrap();
        assert_eq!(count_up(&group, 8).await.unwrap(), round + 1);
        group.tell(&8, explicit()).unwrap();
        count_up(&group, 8).await.unwrap_err();
    }
    assert!(group.remove(&9).await);
    assert_eq!((group.failed().len(), group.len(), system.running()), (1, 99, 99));
    group.insert(9, Panicker::default()).await.unwrap();
    assert_eq!(count_up(&group, 9).await.unwrap(), 1);
    assert_eq!(count_up(&group, 99).await.unwrap(), 2, "and the others have noticed nothing");
    stopped(&group, &system).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_becomes_an_actor() {
    let system = room_for(20).await;
    let group = counters(&system, 20).await;
    group.tell(&3, add(1)).unwrap();
    let member = soon("the actor", group.member(&3)).await.unwrap();
    group.tell(&3, add(10)).unwrap();
    member.cast(add(100)).unwrap();
    assert_eq!(total(&group, 3).await, 111);
    let plain: ActorRef<CounterMsg> = member.clone().into();
    assert_eq!(call!(plain, CounterMsg::AddAndGet, AddAndGet { amount: 1000 }).unwrap(), 1111);
    assert_eq!(soon("the same", group.member(&3)).await.unwrap().get_id(), member.get_id());
    assert_eq!((group.len(), system.running()), (20, 20));
    assert_eq!(soon("all to be told", group.tell_all(&Tick)).await.unwrap(), 20);
    let sum = soon("the sum", group.fold(&Get, 0, |sum, _, count| sum + count.total)).await.unwrap();
    assert_eq!((sum.value, sum.replies), (1111 + 20, 20));
    let asked = spawn_blocking({
        let group = group.clone();
        move || group.ask(&3, &AddAndGet { amount: 1 }, PATIENCE).unwrap()
    });
    assert_eq!(soon("the reply", asked).await.unwrap(), 1113);

    let (supervisor, mut heard) = supervisor().await;
    member.link(supervisor);
    member.stop(None);
    match heard.end().await {
        Event::Terminated(who, ..) => assert_eq!(who, member.get_id()),
        other => panic!("{other:?}"),
    }
    until("it has left", || !group.contains(&3)).await;
    assert!(matches!(group.tell(&3, add(1)), Err(CastError::Unknown(_))));
    assert_eq!((group.len(), system.running()), (19, 19));
    group.insert(3, Counter { total: 5, added: 0 }).await.unwrap();
    assert_eq!(total(&group, 3).await, 5);

    // Taken out, it stops; and it ends with its group, by a stop as by a kill.
    let removed = group.member(&4).await.unwrap();
    assert!(soon("it to leave", group.remove(&4)).await);
    assert_eq!((removed.get_status(), system.running()), (ActorStatus::Stopped, 19));
    let ends = group.member(&5).await.unwrap();
    ends.cast(add(1)).unwrap();
    stopped(&group, &system).await;
    assert_eq!(ends.get_status(), ActorStatus::Stopped);
    let group = counters(&system, 20).await;
    let killed = group.member(&5).await.unwrap();
    group.actor().kill();
    soon("its end", killed.ended()).await;
    until("nothing is left", || system.running() == 0).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_ends_while_its_members_change() {
    let system = room_for(200).await;
    for round in 0..30 {
        let group = counters(&system, 150).await;
        let changes: Vec<_> = (0..8)
            .map(|n| {
                let group = group.clone();
                spawn(async move {
                    for i in 0..10 {
                        let _ = group.member(&(n * 10 + i)).await;
                        let _ = group.insert(1000 + n * 10 + i, Counter::default()).await;
                        group.remove(&(n * 10 + i + 5)).await;
                        let _ = group.fold(&Get, (), |(), _, _| ()).await;
                    }
                })
            })
            .collect();
        until("it changes", || group.contains(&1000) || group.contains(&1010)).await;
        if round % 2 == 0 {
            group.actor().kill()
        } else {
            group.actor().stop(None)
        }
        for change in changes {
            soon("a change", change).await.unwrap();
        }
        until("all rows are free", || system.running() == 0).await;
    }
    let group = counters(&system, 200).await;
    stopped(&group, &system).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_fails_stays_a_member_that_failed() {
    let system = room_for(10).await;
    let group = panickers(&system, 10).await;
    let (supervisor, mut heard) = supervisor().await;
    let member = group.member(&3).await.unwrap();
    member.link(supervisor);
    group.tell(&3, explicit()).unwrap();
    let (who, fault) = heard.fault().await;
    assert_eq!((who, ActorId::from(fault.actor)), (member.get_id(), member.get_id()));
    until("the group knows", || group.fault(&3).is_some()).await;
    assert!(matches!(group.tell(&3, explicit()), Err(CastError::Failed(..))));
    assert_eq!(group.failed().len(), 1);
    // Its row has gone with its actor, so there is room for another.
    until("its row is free", || system.running() == 9).await;
    until("the actor has ended", || member.get_status() == ActorStatus::Stopped).await;
    soon("the restart", async {
        // The group hears of the end a moment after the actor's supervisor.
        while let Err(error) = group.restart(&3, Panicker { counted: 30, ..Panicker::default() }).await {
            assert!(matches!(error, MemberError::Running), "{error}");
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(count_up(&group, 3).await.unwrap(), 31);
    assert_eq!((group.len(), system.running(), group.failed().len()), (10, 10, 0));
    stopped(&group, &system).await;
    system.stop().await;
}

/// As `tell` one by one: in order, and what does not go is left.
#[tokio::test(flavor = "multi_thread")]
async fn many_are_told_at_once() {
    let system = room_for(1000).await;
    let group = counters(&system, 1000).await;
    let mut told = 0;
    let mut messages: Vec<_> = (0..10_000).map(|n| (n * 7 % 1000, add(1 + n / 1000))).collect();
    while !messages.is_empty() {
        let before = messages.len();
        match group.tell_many(&mut messages) {
            Ok(()) => {}
            Err(unsent) => {
                assert!(unsent.is_full(), "{unsent}");
                let (key, msg) = messages.remove(0);
                soon("room", group.send(&key, msg)).await.unwrap();
            }
        }
        told += before - messages.len();
    }
    assert_eq!(told, 10_000);
    let sum = soon("the sum", group.fold(&Get, 0, |sum, _, count| sum + count.total)).await.unwrap();
    assert_eq!(sum.value, 1000 * (1..=10).sum::<u64>());

    // Nobody has this key: those ahead are sent, it and those behind it are left as they were.
    let mut messages: Vec<_> = [5, 6, 1000, 7].map(|key| (key, add(100))).into();
    assert!(matches!(group.tell_many(&mut messages), Err(CastError::Unknown(()))));
    assert_eq!(messages.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [1000, 7]);
    assert_eq!([total(&group, 5).await, total(&group, 6).await, total(&group, 7).await], [155, 155, 55]);
    stopped(&group, &system).await;
    assert!(matches!(group.tell_many(&mut messages), Err(CastError::Stopped(()))));
    assert_eq!(messages.len(), 2);
    system.stop().await;
}

/// However its failure and its becoming an actor meet, it is heard of.
#[tokio::test(flavor = "multi_thread")]
async fn who_fails_while_it_becomes_an_actor() {
    let system = room_for(10).await;
    let group = panickers(&system, 10).await;
    for round in 0..300 {
        let key = round % 10;
        let detached = spawn({
            let group = group.clone();
            async move { group.member(&key).await }
        });
        for _ in 0..round / 10 {
            tokio::task::yield_now().await;
        }
        // It may be an actor by then, of which the group hears a moment later.
        let _ = group.tell(&key, explicit());
        match soon("the member", detached).await.unwrap() {
            Ok(member) => until("its actor has ended", || member.get_status() == ActorStatus::Stopped).await,
            Err(error) => assert!(matches!(error, MemberError::Failed(_)), "{error}"),
        }
        until("the group knows", || group.fault(&key).is_some()).await;
        soon("the restart", async {
            while let Err(error) = group.restart(&key, Panicker::default()).await {
                assert!(matches!(error, MemberError::Running), "{error}");
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    assert_eq!((group.len(), system.running(), group.failed().len()), (10, 10, 0));
    stopped(&group, &system).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go() {
    let system = room_for(50).await;
    let group = counters(&system, 0).await;
    assert!(group.is_empty());
    for round in 0..20 {
        for key in 0..50 {
            soon("a place", group.insert(key, Counter { total: round, added: 0 })).await.unwrap();
            soon("room", group.send(&key, add(key))).await.unwrap();
        }
        assert!(matches!(group.insert(0, Counter::default()).await, Err(MemberError::Taken)));
        for key in 0..50 {
            assert_eq!(total(&group, key).await, round + key);
            assert!(soon("it to leave", group.remove(&key)).await);
            assert!(!group.contains(&key));
        }
        assert_eq!((group.len(), system.running()), (0, 0));
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_before_is_handled() {
    let system = system().await;
    let members = (0..10).map(|key| (key, Emitter::default()));
    let (group, join) = Emitter::spawn_many(None, members, &system).await.unwrap();
    for _ in 0..20 {
        soon("room", group.tell_all(&EmitLate { count: 10, minutes: 1 })).await.unwrap();
    }
    // Each was emitted, and nobody is routed to take it.
    assert!(soon("it to leave", group.remove(&0)).await);
    group.actor().stop(Some("enough".into()));
    soon("the end", join).await.unwrap();
    assert_eq!((system.dead_letters(), system.running()), (2000, 0));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_and_kills_give_everything_back() {
    let system = room_for(2000).await;
    for round in 0..6 {
        // All of it, each time.
        let group = counters(&system, 2000).await;
        let calls: Vec<_> = (0..50)
            .map(|key| {
                let group = group.clone();
                spawn(async move { group.call(&key, CounterMsg::Get, None).await.map(drop) })
            })
            .collect();
        match round % 3 {
            0 => group.actor().stop(None),
            1 => group.actor().drain().unwrap(),
            _ => group.actor().kill(),
        }
        for call in calls {
            match soon("a call", call).await.unwrap() {
                Ok(()) | Err(CallError::Unsent(CastError::Stopped(_))) => {}
                other => panic!("{other:?}"),
            }
        }
        until("all rows are free", || system.running() == 0).await;
        until("the group has ended", || group.actor().get_status() == ActorStatus::Stopped).await;
        assert!(matches!(group.tell(&1, add(1)), Err(CastError::Stopped(_))));
        assert!(group.is_empty());
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_hears_of_the_group_and_not_of_members() {
    let system = system().await;
    let (supervisor, mut heard) = supervisor().await;
    let members = || (0..10u64).map(|key| (key, Panicker::default()));
    let (group, _) = Panicker::spawn_many_linked(None, members(), &system, supervisor.clone()).await.unwrap();
    group.tell(&1, explicit()).unwrap();
    count_up(&group, 1).await.unwrap_err();
    group.actor().stop(None);
    match heard.end().await {
        Event::Terminated(who, ..) => assert_eq!(who, group.actor().get_id()),
        other => panic!("{other:?}"),
    }
    assert!(!heard.has_more());
    let (group, join) = Panicker::spawn_many_linked(None, members(), &system, supervisor.clone()).await.unwrap();
    supervisor.stop(None);
    soon("the group's end", join).await.unwrap();
    assert_eq!(group.actor().get_status(), ActorStatus::Stopped);
    until("all rows are free", || system.running() == 0).await;
    let late = Panicker::spawn_many_linked(None, members(), &system, supervisor).await;
    assert!(matches!(late, Err(SpawnError::Framework(_))));
    until("all rows are free", || system.running() == 0).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_do_not_mix_and_end_with_their_system() {
    let system = system().await;
    let (one, other) = (counters(&system, 100).await, counters(&system, 50).await);
    let faulty = panickers(&system, 10).await;
    let (alone, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    one.tell_all(&Add { amount: 1 }).await.unwrap();
    other.tell_all(&Add { amount: 2 }).await.unwrap();
    let sum = |sum, _: &u64, count: Count| sum + count.total;
    assert_eq!(one.fold(&Get, 0, sum).await.unwrap().value, 100);
    assert_eq!(other.fold(&Get, 0, sum).await.unwrap().value, 100);
    assert_eq!(call!(alone, CounterMsg::Get).unwrap().total, 0);
    assert_eq!(call!(system.control(), resident::DeviceMsg::Metrics).unwrap().running, 161);
    faulty.member(&1).await.unwrap();
    let report = soon("the stop", system.stop()).await;
    assert_eq!((report.drained, report.killed, system.running()), (161, 0, 0));
    assert!(report.device.is_ok());
    assert!(matches!(one.tell(&1, add(1)), Err(CastError::Stopped(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_arrive_in_their_order() {
    const SENDERS: u64 = 4;
    const EACH: u64 = 3000;
    let system = start(Config { shards: Some(2), capacity: 64, ..Config::default() }).await;
    let members = (0..8).map(|key| (key, Echo::new(key)));
    let (group, _) = Echo::spawn_many(None, members, &system).await.unwrap();
    // Each sender has a member of its own, and all send to the last ones. One of the own ones becomes an actor meanwhile.
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let group = group.clone();
            spawn(async move {
                for nonce in 0..EACH {
                    let note = || EchoMsg::Note(Note { nonce, words: words(nonce) });
                    group.send(&sender, note()).await.unwrap();
                    group.send(&(4 + nonce % 4), note()).await.unwrap();
                    if sender == 0 && nonce == EACH / 2 {
                        group.member(&0).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for sender in senders {
        soon("a sender", sender).await.unwrap();
    }
    let history = (0..EACH).fold(0, fold_nonce);
    let check = |answered, key: &u64, recalled: History| {
        if *key < 4 {
            assert_eq!((recalled.answered, recalled.history), (EACH, history), "{key}");
        } else {
            assert_eq!(recalled.answered, SENDERS * EACH / 4, "{key}");
        }
        answered + recalled.answered
    };
    let all = soon("the histories", group.fold(&Recall, 0, check)).await.unwrap();
    assert_eq!((all.value, all.failed), (2 * SENDERS * EACH, 0));
    assert_eq!(system.dead_letters(), 0);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_states_arrive_whole() {
    let system = start(Config { shards: Some(2), capacity: 64, ..Config::default() }).await;
    let (group, _) = Big::spawn_many(None, (0..20).map(|key| (key, Big::new(key))), &system).await.unwrap();
    let inserting = group.insert(20, Big::new(20));
    soon("a place", inserting).await.unwrap();
    let check = |(), key: &u64, digest| assert_eq!(digest, Big::new(*key).digest());
    assert_eq!(soon("the digests", group.fold(&Digest, (), check)).await.unwrap().replies, 21);
    stopped(&group, &system).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_is_blamed_and_the_others_go_on() {
    let config = Config { shards: Some(2), capacity: 1024, isolation: Isolation::Process, ..Config::default() };
    let system = start(config).await;
    let members = (0..100).map(|key| (key, Breaker { handled: 0, sum: key }));
    let (group, _) = Breaker::spawn_many(None, members, &system).await.unwrap();
    group.tell_all(&Deposit { n: 1 }).await.unwrap();
    group.tell(&5, BreakerMsg::Break(Break { how: SPIN })).unwrap();
    let folded = soon("all who answer", group.fold(&Deposit { n: 1 }, 0, |sum, _, total| sum + total)).await.unwrap();
    assert_eq!((folded.value, folded.replies, folded.failed), ((0..100).sum::<u64>() - 5 + 99 * 2, 99, 1));
    let fault = group.fault(&5).expect("it was blamed");
    assert_eq!((fault.class, fault.message, fault.handled), (FaultClass::Hang, "Break", 1));
    // Whoever hangs beside others does so once more, alone, until it is blamed.
    assert!((1..=2).contains(&system.losses().0) && group.failed().len() == 1, "{:?}", system.losses());
    soon("the restart", group.restart(&5, Breaker::default())).await.unwrap();
    let folded = soon("all answers", group.fold(&Deposit { n: 0 }, 0, |_, _, _| 0)).await.unwrap();
    assert_eq!((folded.replies, folded.failed), (100, 0));
    // In a call, too.
    let broken = group.call(&6, |reply| BreakerMsg::BreakInCall(BreakInCall { how: TRAP }, reply), None);
    match soon("the call's end", broken).await {
        Err(CallError::Failed(fault)) => assert_eq!((fault.class, fault.message), (FaultClass::Trap, "BreakInCall")),
        other => panic!("{other:?}"),
    }
    stopped(&group, &system).await;
    soon("the stop", system.stop()).await.device.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawn_outlives_its_worker() {
    let config = Config { shards: Some(2), rows: 20_000, capacity: 64, isolation: Isolation::Process, ..Config::default() };
    let system = start(config).await;
    let killing = async {
        until("it is on its way", || system.running() > 0).await;
        kill(system.worker().expect("a process"));
    };
    let (group, ()) = tokio::join!(counters(&system, 40_000), killing);
    let sum = |sum, _: &u64, count| sum + count;
    let folded = soon("all", group.fold(&AddAndGet { amount: 1 }, 0, sum)).await.unwrap();
    assert_eq!((folded.value + folded.failed as u64, folded.replies + folded.failed), (40_000, 40_000));
    assert!(folded.failed <= 2, "at most one of each shard was being handled");
    stopped(&group, &system).await;
    soon("the stop", system.stop()).await.device.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_device_fails_them_all() {
    let config = Config { shards: Some(2), intensity: (0, Duration::from_secs(3600)), isolation: Isolation::Process, ..Config::default() };
    let system = start(config).await;
    let (supervisor, mut heard) = supervisor().await;
    let members = (0..1000).map(|key| (key, Counter::default()));
    let (group, join) = Counter::spawn_many_linked(None, members, &system, supervisor).await.unwrap();
    let own = group.member(&9).await.unwrap();
    freeze(system.worker().expect("a process"));
    let called = spawn({
        let group = group.clone();
        async move { group.call(&1, CounterMsg::Get, None).await }
    });
    kill(system.worker().expect("a process"));
    match soon("the call's end", called).await.unwrap() {
        Err(CallError::Failed(fault)) => assert_eq!(fault.class, FaultClass::DeviceLost),
        Err(CallError::Unsent(CastError::Lost(_))) => {}
        // The kernel of a process that was stopped runs on.
        Ok(CallResult::Success(_)) if system.device().kind == DeviceKind::Cuda => {}
        other => panic!("{other:?}"),
    }
    let (who, fault) = heard.fault().await;
    assert_eq!((who, fault.class), (group.actor().get_id(), FaultClass::DeviceLost));
    soon("the group's end", join).await.unwrap();
    assert_eq!(soon("its end", own.ended()).await.map(|fault| fault.class), Some(FaultClass::DeviceLost));
    assert!(matches!(group.tell(&1, add(1)), Err(CastError::Stopped(_) | CastError::Lost(_))));
    assert!(matches!(group.insert(1000, Counter::default()).await, Err(MemberError::Stopped | MemberError::Spawn(SpawnError::Lost(_)))));
    until("nothing is left", || system.running() == 0).await;
    let report = soon("the stop", system.stop()).await;
    assert!(matches!(report.device, Err(resident::StopError::Failed(DeviceFault { class: Class::Worker, .. }))), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_in_checkpoints() {
    let system = system().await;
    let members = (0..100).map(|n| (n, Ledger::of([n])));
    let (group, _) = Ledger::spawn_many(None, members, &system).await.unwrap();
    let (alone, _) = Ledger::spawn(Some(unique("ledger")), Ledger::default(), &system).await.unwrap();
    group.tell_all(&Move { cents: 5 }).await.unwrap();
    group.tell(&7, LedgerMsg::Spoil(Spoil { how: SPOIL_BY_PANIC })).unwrap();
    let whole = soon("a checkpoint", system.checkpoint(Scope::Device).into_future()).await.unwrap();
    let kind = soon("a checkpoint", system.checkpoint(Scope::kind::<Ledger>()).into_future()).await.unwrap();
    for checkpoint in [&whole, &kind] {
        assert_eq!(checkpoint.actors().len(), 101);
        assert_eq!(checkpoint.actors().iter().filter(|actor| actor.name.is_some()).count(), 1);
    }
    let states = whole.actors().iter().map(|actor| whole.state_at::<Ledger>(actor).unwrap());
    assert_eq!(states.map(|ledger| ledger.balance).sum::<i64>(), 500);
    stopped(&group, &system).await;
    soon("the end", alone.stop_and_wait(None, None)).await.unwrap();

    // As actors of their own; and of their states a group can be made again.
    let back = soon("the restore", system.restore::<Ledger>(&whole, None)).await.unwrap();
    assert_eq!((back.actors.len(), back.failed.len(), system.running()), (100, 1, 100));
    let page = call!(back.actors[0].actor, LedgerMsg::Look).unwrap();
    assert!(page.balance == 5 || page.entries == 0);
    let states = whole.actors().iter().map(|actor| (actor.key, whole.state_at::<Ledger>(actor).unwrap()));
    let (again, _) = Ledger::spawn_many(None, states, &system).await.unwrap();
    let sum = again.fold(&Look, 0, |sum, _, page| sum + page.balance).await.unwrap();
    assert_eq!((sum.value, sum.replies), (500, 101));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_wait_for_room_and_hear_of_the_end() {
    let system = start(Config { shards: Some(1), capacity: 64, ..Config::default() }).await;
    let group = Arc::new(counters(&system, 4).await);
    let (mut sent, mut full) = (0, 0);
    while full < 100 {
        match group.tell(&1, add(1)) {
            Ok(()) => sent += 1,
            Err(CastError::Full(_)) => full += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let group = group.clone();
            spawn(async move {
                for _ in 0..1000 {
                    group.send(&1, add(1)).await.unwrap();
                    group.tell_all(&Tick).await.unwrap();
                }
            })
        })
        .collect();
    for sender in senders {
        soon("a sender", sender).await.unwrap();
    }
    assert_eq!(total(&group, 1).await, sent + 16_000);
    assert_eq!(total(&group, 2).await, 8000);
    let endless = spawn({
        let group = group.clone();
        async move {
            loop {
                if let Err(error) = group.send(&1, add(1)).await {
                    break error;
                }
            }
        }
    });
    until("it sends", || group.tell(&2, add(1)).is_err_and(|error| error.is_full())).await;
    group.actor().stop(None);
    assert!(matches!(soon("the sender's end", endless).await.unwrap(), CastError::Stopped(_)));
    system.stop().await;
}

/// Members reach each other on the device, and end themselves.
#[tokio::test(flavor = "multi_thread")]
async fn members_send_to_each_other_and_end_themselves() {
    let system = start(Config { shards: Some(2), rows: 2000, ..Config::default() }).await;
    const MEMBERS: u64 = 3000;
    let (group, _) = Player::spawn_many(None, (0..MEMBERS).map(|n| (n, Player::default())), &system).await.unwrap();
    let addresses: std::collections::HashMap<_, _> = soon("addresses", group.addresses()).await.into_iter().collect();
    assert_eq!(addresses.len() as u64, MEMBERS);
    assert_eq!(soon("an address", group.address(&7)).await, Some(addresses[&7]));
    for n in 0..MEMBERS {
        let next = addresses[&((n * 7 + 1) % MEMBERS)];
        group.send(&n, PlayerMsg::Meet(Meet { next })).await.unwrap();
    }
    // All know their next one before one hears from another.
    soon("all", group.fold(&Show, (), |(), _, _| ())).await.unwrap();
    soon("balls", group.tell_all(&Ball { hops: 9 })).await.unwrap();
    let had = async { while group.fold(&Show, 0, |sum, _, score: Score| sum + score.balls).await.unwrap().value < 10 * MEMBERS {} };
    soon("every hop", had).await;
    assert_eq!(system.dead_letters(), 0);

    assert!(matches!(soon("a last answer", group.call(&5, PlayerMsg::Leave, None)).await, Ok(CallResult::Success(_))));
    until("it has left", || !group.contains(&5) && system.running() as u64 == MEMBERS - 1).await;
    assert_eq!(soon("no address", group.address(&5)).await, None);
    let own = group.member(&6).await.unwrap();
    soon("a last answer", own.call(PlayerMsg::Leave, None)).await.unwrap();
    assert!(soon("its end", own.ended()).await.is_none());
    until("it has left too", || !group.contains(&6) && system.running() as u64 == MEMBERS - 2).await;
    group.actor().stop(None);
    until("all have left", || system.running() == 0).await;
    system.stop().await;
}
