//! Messages between the actors of different devices of a system, which go by the host.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ractor::call;
use resident::prelude::*;
use resident::{Health, Isolation};
use resident_test_actors::*;
use resident_tests::family::LONG;
use resident_tests::*;

use crate::players::*;

/// More losses than any test makes.
const ANY: (u32, Duration) = (10_000, LONG);

async fn devices(count: usize, config: Config) -> System {
    several(count, Config { isolation: Isolation::Process, ..config }).await
}

async fn player(system: &System, device: usize) -> GpuRef<Player> {
    Player::spawn(None, Player::default(), &system.placing(Placement::On(device))).await.unwrap().0
}

/// A player on each device, each of whom sends to the next one, and the last to the first.
async fn ring(system: &System) -> Vec<GpuRef<Player>> {
    let mut ring = Vec::new();
    for device in 0..system.devices().len() {
        ring.push(player(system, device).await);
    }
    joined(&ring).await;
    ring
}

/// SD-10
#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_sends_and_asks_reaches_other_devices() {
    for count in [2, 3] {
        let system = devices(count, Config { shards: Some(2), ..Config::default() }).await;
        let players = ring(&system).await;
        const HOPS: u64 = 500;
        for (n, player) in players.iter().enumerate() {
            player.send(PlayerMsg::Ball(Ball { hops: HOPS })).await.unwrap();
            player.send(PlayerMsg::Wonder(Wonder { number: 10 + n as u64 })).await.unwrap();
            serves(player, n as u32, 300, 7).await;
        }
        all_kept(&players, count as u64).await;
        assert_eq!(sum(&players, |score| score.balls).await, count as u64 * (HOPS + 1));
        for (n, player) in players.iter().enumerate() {
            let before = (n + count - 1) % count;
            let score = score("all of it", player, |score| score.answers == 1 && score.numbers == 300).await;
            assert_eq!((score.sum, score.expected[before], score.wrong), (2 * (10 + n as u64), 300, 0));
        }
        let report = soon("the stop", system.stop()).await;
        assert_eq!((report.dead_letters, report.drained), (0, count));
    }
}

/// SD-10
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_later_reaches_other_devices() {
    let system = devices(2, Config { shards: Some(1), ..Config::default() }).await;
    let alarm = async |device| Alarm::spawn(None, Alarm::default(), &system.placing(Placement::On(device))).await.unwrap().0;
    let alarms = [alarm(0).await, alarm(1).await];
    for (of, whom) in [(0, 1), (1, 0)] {
        let whom = alarms[whom].address().await;
        alarms[of].send(AlarmMsg::Set(Set { whom, times: 30, place: 1, millis: 1, instead: 0 })).await.unwrap();
    }
    for alarm in &alarms {
        let rung = async { while call!(alarm, AlarmMsg::Listen).unwrap().rung[1] < 30 {} };
        soon("all of them", rung).await;
        assert_eq!(call!(alarm, AlarmMsg::Listen).unwrap().rung, [0, 30, 0, 0, 0, 0, 0, 0]);
    }
    assert_eq!(system.dead_letters(), 0);
    system.stop().await;
}

/// SD-12
#[tokio::test(flavor = "multi_thread")]
async fn order_is_kept_between_devices() {
    let system = devices(3, Config { shards: Some(2), ..Config::default() }).await;
    let receiver = player(&system, 2).await;
    let mut senders = Vec::new();
    for n in 0..SENDERS {
        // Two of them are on the receiver's own.
        let sender = player(&system, n % 3).await;
        meets(&sender, &receiver).await;
        senders.push(sender);
    }
    const TURNS: u64 = 50;
    const COUNT: u32 = 250;
    for turn in 0..TURNS {
        for (n, sender) in senders.iter().enumerate() {
            serves(sender, n as u32, COUNT, 20 * (turn as u32 % 3)).await;
        }
    }
    let all = SENDERS as u64 * TURNS * u64::from(COUNT);
    let last = score("the last number", &receiver, |score| score.numbers >= all).await;
    // The only ones out of order are the first of each later turn, which begins at 0 again.
    assert_eq!((last.numbers, last.wrong), (all, SENDERS as u64 * (TURNS - 1)));
    assert_eq!(system.dead_letters(), 0);
    system.stop().await;
}

/// SD-12
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_while_workers_are_killed() {
    let config = Config { shards: Some(2), capacity: 64, intensity: ANY, ..Config::default() };
    let system = devices(2, config).await;
    let players = ring(&system).await;
    const HOPS: u64 = 100_000_000;
    const BALLS: u64 = 20;
    for n in 0..BALLS {
        players[n as usize % 2].send(PlayerMsg::Ball(Ball { hops: HOPS })).await.unwrap();
    }
    let over = AtomicBool::new(false);
    let serving = async {
        let mut turns = 0;
        while !over.load(Ordering::Relaxed) {
            for (n, player) in players.iter().enumerate() {
                serves(player, n as u32, 100, 9 * (turns as u32 % 2)).await;
            }
            turns += 1;
        }
        turns
    };
    let killing = async {
        for loss in 0..turns(12) {
            let device = &system.devices()[loss % 2];
            let (before, balls) = (device.losses().0, sum(&players, |score| score.balls).await);
            soon("they go on", async { while sum(&players, |score| score.balls).await < balls + 200 {} }).await;
            kill(device.worker().expect("a process"));
            let is_over = || matches!(device.losses(), (n, Some(last)) if n > before && last.resumed.is_some());
            until("the takeover", is_over).await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let (turns, ()) = tokio::join!(serving, killing);
    for (n, player) in players.iter().enumerate() {
        let score = score("the last number", player, |score| score.numbers >= 100 * turns).await;
        assert_eq!((score.numbers, score.wrong, score.expected[1 - n]), (100 * turns, turns - 1, 100));
    }
    // Each ball is still in the air, once: it comes to a third one, who keeps it for good.
    let catcher = player(&system, 1).await;
    for player in &players {
        meets(player, &catcher).await;
    }
    score("the balls", &catcher, |score| score.balls == BALLS).await;
    assert_eq!(system.dead_letters(), BALLS, "it has nobody to send to");
    assert_eq!((show(&catcher).await.balls, soon("the stop", system.stop()).await.dead_letters), (BALLS, BALLS));
}

/// SD-13: each of some devices has more for the next one than may wait for it, and takes nothing before it has sent that.
#[tokio::test(flavor = "multi_thread")]
async fn devices_that_fill_each_other_go_on() {
    for count in [2, 3] {
        let system = devices(count, Config { shards: Some(1), capacity: 64, ..Config::default() }).await;
        let players = ring(&system).await;
        const SERVES: u64 = 20;
        const COUNT: u32 = 2000;
        for _ in 0..SERVES {
            for (n, player) in players.iter().enumerate() {
                player.try_cast(PlayerMsg::Serve(Serve { sender: n as u32, count: COUNT, heavy: 0, panic: 0 })).unwrap();
            }
        }
        for player in &players {
            let all = SERVES * u64::from(COUNT);
            let score = score("all of it", player, |score| score.numbers >= all).await;
            assert_eq!((score.numbers, score.wrong), (all, SERVES - 1));
        }
        assert_eq!(soon("the stop", system.stop()).await.dead_letters, 0);
    }
}

/// SD-13: a device that takes nothing holds up neither the answers of another one nor what that sends to others; once it is lost, what waits for
/// it is counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_stands_still_holds_up_nobody_else() {
    let system = devices(3, Config { shards: Some(1), capacity: 1024, intensity: (0, LONG), ..Config::default() }).await;
    let (sender, stuck, other) = (player(&system, 0).await, player(&system, 1).await, player(&system, 2).await);
    let worker = system.devices()[1].worker().expect("a process");
    meets(&sender, &stuck).await;
    freeze(worker);
    until("it stands still", || is_frozen(worker)).await;
    for _ in 0..3 {
        serves(&sender, 0, 1000, 0).await;
    }
    meets(&sender, &other).await;
    serves(&sender, 0, 1000, 0).await;
    score("all of it", &other, |score| score.numbers == 1000).await;
    sender.send(PlayerMsg::Wonder(Wonder { number: 4 })).await.unwrap();
    assert_eq!(score("the answer", &sender, |score| score.answers == 1).await.sum, 8);
    assert_eq!(system.dead_letters(), 0);

    kill(worker);
    until("the device is lost for good", || matches!(system.devices()[1].health(), Health::Failed(_))).await;
    until("what had no room in its ring is counted", || system.devices()[1].dead_letters() >= 3000 - 1024).await;
    let before = system.devices()[0].dead_letters();
    let lost = in_words(stuck.info().address);
    sender.send(PlayerMsg::Guess(Guess { words: lost })).await.unwrap();
    until("a dead letter", || system.devices()[0].dead_letters() == before + 1).await;
    system.stop().await;
}

/// SD-14
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leads_nowhere_is_a_counted_dead_letter() {
    let system = devices(2, Config { shards: Some(2), ..Config::default() }).await;
    let (near, far) = (player(&system, 0).await, player(&system, 1).await);
    let [number, row, generation, shard] = in_words(far.address().await);
    assert_eq!(number ^ in_words(near.address().await)[0], 1, "they are of one system, and of different devices");
    let letters = |device: usize| system.devices()[device].dead_letters();
    for (words, at) in [
        // Found out by the sender's own device, or by the host.
        ([number ^ 16, row, generation, shard], 0),
        ([0, row, generation, shard], 0),
        ([number | 14, row, generation, shard], 0),
        ([number, row, generation, 2], 0),
        ([number, row, generation, 4095], 0),
        ([number, row, generation, 4096], 0),
        ([number, row, generation, u32::MAX], 0),
        ([number, row, 0, shard], 0),
        // By the receiver's.
        ([number, row, generation + 1, shard], 1),
        ([number, row + 1, generation, shard], 1),
        ([number, u32::MAX, generation, shard], 1),
        ([number, row, generation, 1 - shard], 1),
    ] {
        let before = [letters(0), letters(1)];
        near.send(PlayerMsg::Guess(Guess { words })).await.unwrap();
        until("a dead letter", || letters(at) == before[at] + 1).await;
        assert_eq!(letters(1 - at), before[1 - at], "{words:?}");
    }
    // Of another kind.
    let counter = Counter::spawn(None, Counter::default(), &system.placing(Placement::On(1))).await.unwrap().0;
    counter.address().await;
    let before = letters(1);
    near.send(PlayerMsg::Guess(Guess { words: in_words(counter.info().address) })).await.unwrap();
    until("a dead letter", || letters(1) == before + 1).await;
    assert_eq!((show(&far).await.balls, call!(counter, CounterMsg::Get).unwrap().added), (0, 0));
    near.send(PlayerMsg::Guess(Guess { words: [number, row, generation, shard] })).await.unwrap();
    score("the one that leads there", &far, |score| score.balls == 1).await;
    system.stop().await;
}
