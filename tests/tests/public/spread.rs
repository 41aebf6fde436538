//! Groups whose members live on several devices.

use std::collections::HashMap;

use ractor::rpc::CallResult;
use ractor::{ActorRef, ActorStatus};
use resident::prelude::*;
use resident::{ActorKey, CallError, Health, Isolation, MemberError, SpawnError};
use resident_test_actors::*;
use resident_tests::family::LONG;
use resident_tests::*;
use tokio::spawn;
use tokio::task::spawn_blocking;

/// Two devices of two shards, on each of which there is room for 500.
async fn two() -> System {
    several(2, Config { shards: Some(2), rows: 250, capacity: 1024, ..Config::default() }).await
}

/// The same, whose first lost worker is one too many.
async fn frail() -> System {
    let config = Config { shards: Some(2), rows: 250, isolation: Isolation::Process, intensity: (0, LONG), ..Config::default() };
    several(2, config).await
}

fn counters(keys: std::ops::Range<u64>) -> impl Iterator<Item = (u64, Counter)> {
    keys.map(|key| (key, Counter::default()))
}

async fn group(system: &System, members: u64) -> GpuGroup<Counter> {
    soon("the group", Counter::spawn_many(None, counters(0..members), system)).await.unwrap().0
}

fn add(amount: u64) -> CounterMsg {
    CounterMsg::Add(Add { amount })
}

fn running(system: &System) -> Vec<usize> {
    system.devices().iter().map(|device| device.running()).collect()
}

async fn total(group: &GpuGroup<Counter>, key: u64) -> Result<u64, CallError<CounterMsg>> {
    match soon("a total", group.call(&key, CounterMsg::Get, None)).await? {
        CallResult::Success(count) => Ok(count.total),
        other => panic!("{other:?}"),
    }
}

/// Loses a device for good.
async fn lose(system: &System, device: usize) {
    let device = &system.devices()[device];
    kill(device.worker().expect("a process"));
    until("the device is lost for good", || matches!(device.health(), Health::Failed(_))).await;
}

/// SD-16
#[tokio::test(flavor = "multi_thread")]
async fn members_live_on_all_devices_and_are_reached_by_their_keys() {
    let system = two().await;
    let group = group(&system, 600).await;
    assert_eq!((running(&system), group.len()), (vec![300, 300], 600));
    let mut messages: Vec<_> = (0..600).map(|key| (key, add(key))).collect();
    group.tell_many(&mut messages).unwrap();
    for key in 0..600 {
        soon("room", group.send(&key, add(1000))).await.unwrap();
    }
    assert_eq!(soon("all to be told", group.tell_all(&Add { amount: 10_000 })).await.unwrap(), 600);
    let asked = spawn_blocking({
        let group = group.clone();
        move || {
            for key in 0..600 {
                assert_eq!(group.ask(&key, &AddAndGet { amount: 1 }, PATIENCE).unwrap(), key + 11_001);
            }
        }
    });
    soon("the replies", asked).await.unwrap();
    for key in [0, 299, 300, 599] {
        assert_eq!(total(&group, key).await.unwrap(), key + 11_001);
    }
    let each = |sum, key: &u64, count: Count| {
        assert_eq!((count.total, count.added), (key + 11_001, 4));
        sum + 1
    };
    let folded = soon("all replies", group.fold(&Get, 0, each)).await.unwrap();
    assert_eq!((folded.value, folded.failed), (600, 0));

    // Neighbours are on one device; a member that becomes an actor stays where it is.
    for (key, device) in [(0, 0), (299, 0), (300, 1), (599, 1)] {
        let member = soon("the actor", group.member(&key)).await.unwrap();
        assert_eq!(&*member.info().device, system.devices()[device].label());
        group.tell(&key, add(1)).unwrap();
        assert_eq!(total(&group, key).await.unwrap(), key + 11_002);
    }
    // Whoever comes starts where the fewest are.
    for key in 0..100 {
        assert!(soon("it to leave", group.remove(&key)).await);
    }
    assert_eq!(running(&system), [200, 300]);
    for key in 600..700 {
        group.insert(key, Counter { total: 5, added: 0 }).await.unwrap();
    }
    assert_eq!((running(&system), total(&group, 650).await.unwrap(), group.len()), (vec![300, 300], 5, 600));
    soon("the group's end", group.actor().stop_and_wait(None, None)).await.unwrap();
    assert_eq!((running(&system), group.len()), (vec![0, 0], 0));
    system.stop().await;
}

/// SD-16
#[tokio::test(flavor = "multi_thread")]
async fn members_send_to_those_of_other_devices() {
    let system = two().await;
    let (group, _) = Player::spawn_many(None, (0..400u64).map(|key| (key, Player::default())), &system).await.unwrap();
    let addresses: HashMap<_, _> = soon("addresses", group.addresses()).await.into_iter().collect();
    assert_eq!(addresses.len(), 400);
    for key in 0..400 {
        assert_eq!(soon("an address", group.address(&key)).await, Some(addresses[&key]));
        // On the other device.
        group.send(&key, PlayerMsg::Meet(Meet { next: addresses[&((key + 200) % 400)] })).await.unwrap();
    }
    soon("all", group.fold(&Show, (), |(), _, _| ())).await.unwrap();
    soon("balls", group.tell_all(&Ball { hops: 9 })).await.unwrap();
    let had = async { while group.fold(&Show, 0, |sum, _, score: Score| sum + score.balls).await.unwrap().value < 4000 {} };
    soon("every hop", had).await;
    assert_eq!(system.dead_letters(), 0);
    system.stop().await;
}

/// SD-16
#[tokio::test(flavor = "multi_thread")]
async fn members_are_placed_by_load_and_room() {
    let system = two().await;
    let on = |placement| system.placing(placement);
    let first = soon("a group", Counter::spawn_many(None, counters(0..100), &on(Placement::On(0)))).await.unwrap().0;
    assert_eq!(running(&system), [100, 0]);
    let near = Placement::Near(ActorKey::new(first.actor().get_id().pid()));
    let beside = soon("a group", Counter::spawn_many(None, counters(0..50), &on(near))).await.unwrap().0;
    assert_eq!(running(&system), [150, 0]);
    // Also those that come later.
    beside.insert(50, Counter::default()).await.unwrap();
    assert_eq!(running(&system), [151, 0]);
    let level = soon("a group", Counter::spawn_many(None, counters(0..199), &on(Placement::LeastLoaded))).await.unwrap().0;
    assert_eq!(running(&system), [175, 175]);
    let even = soon("a group", Counter::spawn_many(None, counters(0..100), &on(Placement::Spread))).await.unwrap().0;
    assert_eq!(running(&system), [225, 225]);
    for key in 100..110 {
        even.insert(key, Counter::default()).await.unwrap();
    }
    assert_eq!(running(&system), [230, 230]);

    // As far as there is room, and all or nothing.
    match Counter::spawn_many(None, counters(0..541), &system).await {
        Err(SpawnError::Members { wanted: 541, free: 540 }) => {}
        other => panic!("{other:?}"),
    }
    soon("the group's end", level.actor().stop_and_wait(None, None)).await.unwrap();
    soon("the group's end", first.actor().stop_and_wait(None, None)).await.unwrap();
    assert_eq!(running(&system), [106, 55]);
    let most = group(&system, 839).await;
    assert_eq!((running(&system), soon("all", most.tell_all(&Tick)).await.unwrap()), (vec![500, 500], 839));
    assert!(matches!(most.insert(839, Counter::default()).await, Err(MemberError::Spawn(SpawnError::Members { wanted: 1, free: 0 }))));
    system.stop().await;

    // States that one device has no room for. There are six slabs on each, of one state.
    let system = several(2, Config { shards: Some(1), rows: 50, arena_bytes: 6 << 16, ..Config::default() }).await;
    let (large, _) = Big::spawn_many(None, (0..4).map(|key| (key, Big::new(key))), &system.placing(Placement::On(0))).await.unwrap();
    assert!(matches!(Big::spawn_many(None, (0..9).map(|key| (key, Big::new(key))), &system).await, Err(SpawnError::State(_))));
    assert_eq!(running(&system), [4, 0]);
    let (rest, _) = Big::spawn_many(None, (0..8).map(|key| (key, Big::new(key))), &system).await.unwrap();
    assert_eq!((running(&system), large.len() + rest.len()), (vec![6, 6], 12));
    system.stop().await;
}

/// SD-17: who is on the lost device fails, and can start afresh on another; group and supervisor go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_device_costs_a_group_its_own_members_alone() {
    for lost in [0, 1] {
        let system = frail().await;
        let (supervisor, mut heard) = supervisor().await;
        let (group, end) = Counter::spawn_many_linked(None, counters(0..100), &system, supervisor).await.unwrap();
        let (doomed, safe) = if lost == 0 { (0..50, 50..100) } else { (50..100, 0..50) };
        let own = soon("the actor", group.member(&(doomed.start + 1))).await.unwrap();
        soon("all to be told", group.tell_all(&Add { amount: 3 })).await.unwrap();
        let bystanders = async {
            for _ in 0..20 {
                for key in safe.clone() {
                    assert_eq!(total(&group, key).await.unwrap(), 3, "it is not disturbed");
                }
            }
        };
        tokio::join!(bystanders, lose(&system, lost));
        assert_eq!(soon("its end", own.ended()).await.map(|fault| fault.class), Some(FaultClass::DeviceLost));

        let lost_label = system.devices()[lost].label().to_owned();
        until("they have failed, and their rows are free", || group.failed().len() == 50 && system.running() == 50).await;
        assert_eq!(group.len(), 100);
        for key in doomed.clone() {
            let fault = group.fault(&key).expect("it has failed");
            assert_eq!((fault.class, &*fault.device), (FaultClass::DeviceLost, &*lost_label));
            assert!(matches!(group.tell(&key, add(1)), Err(CastError::Failed(..))));
            assert!(matches!(total(&group, key).await, Err(CallError::Failed(_))));
            assert!(matches!(soon("no actor", group.member(&key)).await, Err(MemberError::Failed(_))));
            assert_eq!(soon("no address", group.address(&key)).await, None);
        }
        let asked = spawn_blocking({
            let (group, key) = (group.clone(), doomed.start);
            move || group.ask(&key, &Get, PATIENCE)
        });
        assert!(matches!(soon("an answer", asked).await.unwrap(), Err(AskError::Failed(_))));
        let folded = soon("all replies", group.fold(&Get, 0, |sum, _, count| sum + count.total)).await.unwrap();
        assert_eq!((folded.value, folded.replies, folded.failed), (150, 50, 50));
        assert_eq!(soon("those that are left", group.tell_all(&Add { amount: 1 })).await.unwrap(), 50);
        assert_eq!(soon("addresses", group.addresses()).await.len(), 50);

        // They begin afresh where there is a device, and new ones with them.
        for key in doomed.clone().skip(10) {
            soon("the restart", group.restart(&key, Counter { total: key, added: 0 })).await.unwrap();
            assert_eq!(total(&group, key).await.unwrap(), key);
        }
        group.insert(100, Counter::default()).await.unwrap();
        assert!(soon("it to leave", group.remove(&doomed.start)).await);
        assert_eq!((group.len(), group.failed().len(), system.running()), (100, 9, 91));
        assert_eq!((system.devices()[lost].running(), group.actor().get_status()), (0, ActorStatus::Running));
        assert!(!heard.has_more(), "its supervisor hears nothing");

        // With the last of its devices the group fails.
        lose(&system, 1 - lost).await;
        let (who, fault) = heard.fault().await;
        assert_eq!((who, fault.class), (group.actor().get_id(), FaultClass::DeviceLost));
        soon("the group's end", end).await.unwrap();
        until("nothing is left", || system.running() == 0).await;
        system.stop().await;
    }
}

/// SD-17
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_has_lost_a_device_stops_in_order() {
    let system = frail().await;
    let (supervisor, mut heard) = supervisor().await;
    let (group, _) = Counter::spawn_many_linked(None, counters(0..100), &system, supervisor).await.unwrap();
    lose(&system, 1).await;
    until("they have failed", || group.failed().len() == 50).await;
    group.actor().stop(None);
    match heard.end().await {
        Event::Terminated(who, ..) => assert_eq!(who, group.actor().get_id()),
        other => panic!("{other:?}"),
    }
    assert_eq!((system.running(), group.len()), (0, 0));
    system.stop().await;
}

/// SD-17: whatever its members do as the device is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_lost_while_members_come_and_go() {
    let system = frail().await;
    let group = group(&system, 200).await;
    let changes: Vec<_> = (0..4)
        .map(|n| {
            let group = group.clone();
            spawn(async move {
                for i in 0..50 {
                    let key = n * 50 + i;
                    match i % 4 {
                        0 => drop(group.remove(&key).await),
                        1 => drop(group.member(&key).await),
                        2 => drop(group.call(&key, CounterMsg::Get, None).await),
                        _ => drop(group.restart(&key, Counter::default()).await),
                    }
                    group.insert(1000 + key, Counter::default()).await.expect("there is room on the other device");
                    let _ = group.tell(&(1000 + key), add(1));
                }
            })
        })
        .collect();
    lose(&system, 0).await;
    for change in changes {
        soon("the changes", change).await.unwrap();
    }
    // What is left has answered, what has failed says so.
    let folded = soon("all replies", group.fold(&Get, (), |(), _, _| ())).await.unwrap();
    assert_eq!((folded.failed, folded.replies + folded.failed), (group.failed().len(), group.len()));
    until("the books balance", || system.running() == folded.replies && system.devices()[0].running() == 0).await;
    soon("the group's end", group.actor().stop_and_wait(None, None)).await.unwrap();
    until("nothing is left", || system.running() == 0).await;
    system.stop().await;
}

/// SD-16
#[tokio::test(flavor = "multi_thread")]
async fn members_of_each_device_fail_alone() {
    let system = two().await;
    let (group, _) = Panicker::spawn_many(None, (0..20u64).map(|key| (key, Panicker::default())), &system).await.unwrap();
    for (key, device) in [(3, 0), (13, 1)] {
        group.tell(&key, PanickerMsg::Panic(Panic { how: EXPLICIT, value: key as u32 })).unwrap();
        match soon("a fault", group.call(&key, PanickerMsg::CountUp, None)).await {
            Err(CallError::Failed(fault)) => {
                assert_eq!((fault.class, &*fault.device), (FaultClass::Panic, system.devices()[device].label()))
            }
            other => panic!("{other:?}"),
        }
    }
    let mut failed: Vec<_> = group.failed().into_iter().map(|(key, _)| key).collect();
    failed.sort();
    assert_eq!(failed, [3, 13]);
    for key in [3, 13] {
        soon("the restart", group.restart(&key, Panicker::default())).await.unwrap();
    }
    let folded = soon("all replies", group.fold(&CountUp, 0, |sum, _, count| sum + count)).await.unwrap();
    assert_eq!((folded.value, folded.failed, running(&system)), (20, 0, vec![10, 10]));
    system.stop().await;
}

/// SD-16: all are given back, each is counted once.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_ends_on_all_devices() {
    let system = two().await;
    for round in 0..6 {
        let group = group(&system, 1000).await;
        assert_eq!(soon("all to be told", group.tell_all(&Tick)).await.unwrap(), 1000);
        match round % 3 {
            0 => group.actor().stop(None),
            1 => group.actor().drain().unwrap(),
            _ => group.actor().kill(),
        }
        until("all rows are free", || running(&system) == [0, 0]).await;
        until("the group has ended", || group.actor().get_status() == ActorStatus::Stopped).await;
    }
    let name = unique("crowd");
    let (group, _) = Counter::spawn_many(Some(name.clone()), counters(0..1000), &system).await.unwrap();
    assert!(ActorRef::<resident::GroupMsg>::where_is(name).is_some());
    group.tell_all(&Add { amount: 1 }).await.unwrap();
    let report = soon("the stop", system.stop()).await;
    assert_eq!((report.drained, report.killed), (1000, 0), "{report:?}");
    assert!(matches!(Counter::spawn_many(None, counters(0..1), &system).await, Err(SpawnError::Stopped)));
}
