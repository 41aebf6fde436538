//! Messages that are to be sent later, and are taken back.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use ractor::call;
use resident::checkpoint::Scope;
use resident::guardian::Restore;
use resident::prelude::*;
use resident::{Isolation, Timer};
use resident_test_actors::*;
use resident_tests::family::{LONG, runs};
use resident_tests::*;

/// How long alarms take: more where the machine was too busy for less, as [`in_time`] finds.
const TIMES: [u64; 5] = [100, 400, 1600, 6400, 25_600];

async fn alarm(system: &System) -> GpuRef<Alarm> {
    Alarm::spawn(None, Alarm::default(), system).await.unwrap().0
}

/// What it knows. All that it has said of timers before was heard then.
async fn listen(alarm: &GpuRef<Alarm>) -> Alarms {
    soon("an answer", async { call!(alarm, AlarmMsg::Listen).unwrap() }).await
}

async fn set(alarm: &GpuRef<Alarm>, whom: &GpuRef<Alarm>, set: Set) {
    let whom = whom.address().await;
    alarm.send(AlarmMsg::Set(Set { whom, ..set })).await.unwrap();
}

/// One alarm in a place, so many milliseconds from now.
fn one(place: u64, millis: u64) -> Set {
    Set { whom: resident::Address::NOBODY, times: 1, place, millis, instead: 0 }
}

async fn unset(alarm: &GpuRef<Alarm>, place: u64) {
    alarm.send(AlarmMsg::Unset(Unset { place })).await.unwrap();
}

/// Until so many alarms of a place have come.
async fn rung(alarm: &GpuRef<Alarm>, place: usize, times: u64) -> Alarms {
    let held = async {
        loop {
            let alarms = listen(alarm).await;
            if alarms.rung[place] >= times {
                return alarms;
            }
        }
    };
    soon("an alarm", held).await
}

/// Tries `attempt` with alarms that take longer and longer, until it says that all was done before the first was due.
async fn in_time(attempt: impl AsyncFn(u64) -> bool) {
    for millis in TIMES {
        if attempt(millis).await {
            return;
        }
    }
    panic!("this machine is too busy");
}

/// M-17: what is taken back does not come, what is not does; to take back what has come, or nothing, or the same again, does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_does_not_come() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    in_time(async |millis| {
        let (one_of_them, other) = (alarm(&system).await, alarm(&system).await);
        // Nothing was set there yet.
        unset(&one_of_them, 0).await;
        let begun = Instant::now();
        for place in 0..4 {
            set(&one_of_them, &other, one(place, millis)).await;
        }
        // Another hundred in one message, each in place of the one before.
        set(&one_of_them, &one_of_them, Set { times: 100, instead: 1, ..one(5, millis) }).await;
        for place in [1, 3, 3, 1] {
            unset(&one_of_them, place).await;
        }
        listen(&one_of_them).await;
        if begun.elapsed() >= Duration::from_millis(millis) {
            return false;
        }
        // Due behind all others: they have come by then, or never do.
        set(&one_of_them, &other, one(7, millis + 50)).await;
        assert_eq!(rung(&other, 7, 1).await.rung, [1, 0, 1, 0, 0, 0, 0, 1]);
        assert_eq!(rung(&one_of_them, 5, 1).await.rung, [0, 0, 0, 0, 0, 1, 0, 0]);
        unset(&one_of_them, 0).await;
        set(&one_of_them, &other, one(0, 0)).await;
        assert_eq!(rung(&other, 0, 2).await.rung, [2, 0, 1, 0, 0, 0, 0, 1]);
        true
    })
    .await;
    assert_eq!(system.dead_letters(), 0);
    system.stop().await;
}

/// M-17: no two are the same, whoever sets them and however many at a time, also over a loss of the worker.
#[tokio::test(flavor = "multi_thread")]
async fn no_two_timers_are_one() {
    let system = start(Config { shards: Some(2), isolation: Isolation::Process, intensity: (100, PATIENCE), ..Config::default() }).await;
    const ACTORS: u64 = 100;
    const TIMES: u64 = 20;
    let bell = alarm(&system).await;
    let mut crowd = Vec::new();
    for _ in 0..ACTORS {
        crowd.push(alarm(&system).await);
    }
    let mut seen: HashSet<Timer> = HashSet::new();
    for round in 1..=2 {
        for time in 0..TIMES {
            for alarm in &crowd {
                set(alarm, &bell, Set { times: 2, ..one(time % ALARMS as u64, 0) }).await;
            }
        }
        for alarm in &crowd {
            for timer in listen(alarm).await.set {
                assert!(!timer.is_none() && seen.insert(timer), "{timer:?} is there twice");
            }
        }
        let all = async { while listen(&bell).await.rung.iter().sum::<u64>() < round * ACTORS * TIMES * 2 {} };
        soon("every alarm", all).await;
        if let Some(worker) = system.worker().filter(|_| round == 1) {
            kill(worker);
            until("the takeover", || matches!(system.losses(), (1, Some(last)) if last.resumed.is_some())).await;
        }
    }
    system.stop().await;
}

/// M-17: whoever has a timer can cancel it: another actor, and whoever has been restarted and finds it in its checkpoint, behind a loss
/// of the worker, too.
#[tokio::test(flavor = "multi_thread")]
async fn timers_outlive_whoever_has_set_them() {
    let system = start(Config { shards: Some(2), isolation: Isolation::Process, intensity: (100, PATIENCE), ..Config::default() }).await;
    let spec = ChildSpec::gpu("alarm", Alarm::default).restore(Restore::LatestCheckpoint).on(&system);
    let sup = Supervisor::builder(unique("sup")).intensity(u32::MAX, LONG).child(spec);
    let sup = soon("the start", sup.start()).await.unwrap();
    let restarted = sup.child::<Alarm>("alarm").await.unwrap();
    for (incarnation, millis) in (2..).zip(TIMES) {
        let (bell, friend) = (alarm(&system).await, alarm(&system).await);
        let begun = Instant::now();
        for place in 0..4 {
            set(&restarted, &bell, one(place, millis)).await;
        }
        restarted.send(AlarmMsg::HandOn(HandOn { whom: friend.address().await, place: 0 })).await.unwrap();
        soon("a checkpoint", system.checkpoint(Scope::Device).into_future()).await.unwrap();
        if let Some(worker) = system.worker() {
            let losses = system.losses().0;
            kill(worker);
            until("the takeover", || matches!(system.losses(), (n, Some(last)) if n > losses && last.resumed.is_some())).await;
        }
        unset(&restarted, 1).await;
        listen(&restarted).await;
        // There is no such place: it panics.
        unset(&restarted, ALARMS as u64).await;
        runs(&sup, "alarm", incarnation).await;
        unset(&restarted, 2).await;
        listen(&restarted).await;
        listen(&friend).await;
        if begun.elapsed() < Duration::from_millis(millis) {
            set(&bell, &bell, one(7, millis + 50)).await;
            assert_eq!(rung(&bell, 7, 1).await.rung, [0, 0, 0, 1, 0, 0, 0, 1]);
            soon("the end", sup.stop()).await.unwrap();
            system.stop().await;
            return;
        }
    }
    panic!("this machine is too busy");
}
