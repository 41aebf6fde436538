//! Messages from actor to actor: order, whatever fills up, answers, ends, addresses that lead nowhere, and losses.

use std::time::{Duration, Instant};

use ractor::call;
use resident::checkpoint::Scope;
use resident::prelude::*;
use resident::{Address, Isolation};
use resident_kernels::plain::Plain;
use resident_kernels::wire::WORK_WARPS;
use resident_test_actors::*;
use resident_tests::*;

use crate::players::*;

async fn player(system: &System) -> GpuRef<Player> {
    Player::spawn(None, Player::default(), system).await.unwrap().0
}

/// Players that pass to each other in a ring, over all shards.
async fn ring(system: &System, players: usize) -> Vec<GpuRef<Player>> {
    let mut ring = Vec::new();
    for _ in 0..players {
        ring.push(player(system).await);
    }
    joined(&ring).await;
    ring
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ball_goes_round() {
    for shards in [1, 2, 3] {
        let system = start(Config { shards: Some(shards), ..Config::default() }).await;
        let players = ring(&system, 7).await;
        const HOPS: u64 = 20_000;
        for player in &players {
            player.send(PlayerMsg::Ball(Ball { hops: HOPS })).await.unwrap();
        }
        all_kept(&players, 7).await;
        assert_eq!(sum(&players, |score| score.balls).await, 7 * (HOPS + 1));
        assert_eq!(system.dead_letters(), 0);
        system.stop().await;
    }
}

/// What one sends to another comes in its order, whatever others send and however long a message is.
#[tokio::test(flavor = "multi_thread")]
async fn order_is_kept_of_each_sender() {
    let system = start(Config { shards: Some(3), ..Config::default() }).await;
    let receiver = player(&system).await;
    let mut senders = Vec::new();
    for _ in 0..SENDERS {
        let sender = player(&system).await;
        meets(&sender, &receiver).await;
        senders.push(sender);
    }
    const TURNS: u64 = 40;
    const COUNT: u32 = 100;
    for turn in 0..TURNS {
        for (n, sender) in senders.iter().enumerate() {
            // Each turn begins at 0 again: the receiver is told of that ahead.
            let heavy = (turn as u32 + n as u32) % 5;
            serves(sender, n as u32, COUNT, heavy).await;
        }
    }
    let each = |score: &Score| score.expected.iter().all(|next| *next == u64::from(COUNT));
    let wrong = SENDERS as u64 * (TURNS - 1);
    let last = score("the last number", &receiver, |score| each(score) && score.wrong >= wrong).await;
    // The only ones out of order are the first of each later turn.
    assert_eq!(last.wrong, wrong);
    assert_eq!(system.dead_letters(), 0);
    system.stop().await;
}

/// Two that fill each other's mailboxes, and their own, both go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_of_full_mailboxes_goes_on() {
    for shards in [1, 2] {
        let system = start(Config { shards: Some(shards), capacity: 64, ..Config::default() }).await;
        let (one, two) = (player(&system).await, player(&system).await);
        meets(&one, &two).await;
        meets(&two, &one).await;
        const COUNT: u32 = 2000;
        serves(&one, 1, COUNT, 0).await;
        serves(&two, 2, COUNT, 0).await;
        let (of_one, of_two) = (
            score("all of it", &one, |score| score.expected[2] == u64::from(COUNT)).await,
            score("all of it", &two, |score| score.expected[1] == u64::from(COUNT)).await,
        );
        assert_eq!((of_one.wrong, of_two.wrong), (0, 0));
        system.stop().await;
    }
}

/// Who sends more than can wait fails, with a fault that says so, and nobody else notices.
#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_outbox_holds_is_a_fault() {
    let system = start(Config { shards: Some(1), capacity: 64, ..Config::default() }).await;
    let (supervisor, mut heard) = supervisor().await;
    let (sender, _) = Player::spawn_linked(None, Player::default(), &system, supervisor).await.unwrap();
    // Of the same work warp, which is at its sender's handler: nobody takes what comes.
    let warp = sender.address().await.row() % WORK_WARPS as u32;
    let receiver = loop {
        let next = player(&system).await;
        if next.address().await.row() % WORK_WARPS as u32 == warp {
            break next;
        }
    };
    meets(&sender, &receiver).await;
    serves(&sender, 0, 100_000, 0).await;
    let (who, fault) = heard.fault().await;
    assert_eq!((who, fault.class, fault.message), (sender.get_id(), FaultClass::Outbox, "Serve"));
    assert!(fault.to_string().contains("outbox"), "{fault}");
    // Nothing of what it has sent goes out.
    assert_eq!(score("nothing", &receiver, |_| true).await.expected[0], 0);
    let (again, next) = (player(&system).await, player(&system).await);
    meets(&again, &next).await;
    serves(&again, 1, 100, 0).await;
    score("what others send", &next, |score| score.expected[1] == 100).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_as_messages() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let players = ring(&system, 4).await;
    const NUMBERS: u64 = 200;
    for player in &players {
        for number in 1..=NUMBERS {
            player.send(PlayerMsg::Wonder(Wonder { number })).await.unwrap();
        }
    }
    for player in &players {
        let score = score("the answers", player, |score| score.answers == NUMBERS).await;
        assert_eq!(score.sum, NUMBERS * (NUMBERS + 1));
    }
    assert_eq!(system.dead_letters(), 0);
    system.stop().await;
}

/// Of what a message has sent, emitted and spawned that panics or fails, nothing goes out, and its state is that of the message before.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_has_done_nothing() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let (supervisor, mut heard) = supervisor().await;
    let (sender, _) = Player::spawn_linked(None, Player::default(), &system, supervisor).await.unwrap();
    let receiver = player(&system).await;
    meets(&sender, &receiver).await;
    serves(&sender, 3, 50, 7).await;
    sender.send(PlayerMsg::Serve(Serve { sender: 4, count: 50, heavy: 7, panic: 1 })).await.unwrap();
    let (_, fault) = heard.fault().await;
    assert_eq!((fault.class, fault.handled), (FaultClass::Panic, 2));
    assert_eq!(score("what was sent", &receiver, |score| score.expected[3] == 50).await.wrong, 0);
    assert_eq!(score("nothing else", &receiver, |_| true).await.expected[4], 0);
    assert_eq!(system.dead_letters(), 0);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_ends_itself() {
    let system = one_shard().await;
    let name = unique("leaver");
    let (leaver, join) = Player::spawn(Some(name.clone()), Player::default(), &system).await.unwrap();
    let other = player(&system).await;
    meets(&other, &leaver).await;
    assert_eq!(soon("its last answer", async { call!(leaver, PlayerMsg::Leave).unwrap() }).await, 0);
    soon("its end", join).await.unwrap();
    assert!(leaver.fault().is_none() && ractor::registry::where_is(name).is_none());
    assert_eq!(system.running(), 1);
    // Who still has its address reaches nobody, also when another lives in its row.
    let next = player(&system).await;
    assert_eq!(next.info().address.row(), leaver.info().address.row());
    other.send(PlayerMsg::Ball(Ball { hops: 3 })).await.unwrap();
    until("a dead letter", || system.dead_letters() == 1).await;
    assert_eq!(show(&next).await.balls, 0);
    system.stop().await;
}

/// Whatever an address says, nobody gets what is not for it, and each such message is counted.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_lead_nowhere() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let elsewhere = start(Config { shards: Some(2), ..Config::default() }).await;
    let guesser = player(&system).await;
    let there = on_every_shard(&system, Player::default).await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let (failed, _) = Panicker::spawn(None, Panicker::default(), &system).await.unwrap();
    let right = in_words(there[1].address().await);
    let with = |at: usize, word: u32| {
        let mut wrong = right;
        wrong[at] = word;
        wrong
    };
    let foreign = in_words(player(&elsewhere).await.address().await);
    let wrong = [
        in_words(Address::<Player>::NOBODY),
        foreign,
        in_words(counter.address().await),
        in_words(failed.address().await),
        with(0, right[0] ^ 1),
        with(1, right[1] + 1000),
        with(1, u32::MAX),
        with(2, right[2] + 1),
        with(2, 0),
        with(3, 2),
        with(3, u32::MAX),
        with(3, right[3] | 1 << 16),
        [u32::MAX; 4],
    ];
    // One by one, then as many at a time as a warp has lanes.
    for words in wrong {
        guesser.send(PlayerMsg::Guess(Guess { words })).await.unwrap();
    }
    until("a dead letter for each", || system.dead_letters() == wrong.len() as u64).await;
    let mut crowd = Vec::new();
    for _ in 0..32 {
        crowd.push(player(&system).await);
    }
    for words in wrong {
        for guesser in &crowd {
            guesser.send(PlayerMsg::Guess(Guess { words })).await.unwrap();
        }
    }
    let lost = (wrong.len() * (1 + crowd.len())) as u64;
    until("a dead letter for each of many", || system.dead_letters() == lost).await;
    for player in &there {
        assert_eq!(show(player).await.balls, 0);
    }
    let count = soon("a total", async { call!(counter, CounterMsg::Get).unwrap() }).await;
    assert_eq!((count.total, count.added), (0, 0));
    guesser.send(PlayerMsg::Guess(Guess { words: right })).await.unwrap();
    score("the one that leads somewhere", &there[1], |score| score.balls == 1).await;
    assert_eq!((system.dead_letters(), elsewhere.dead_letters()), (lost, 0));
    system.stop().await;
    elsewhere.stop().await;
}

/// Emitted by an actor that only others on the device send to, long after the application has sent something.
#[tokio::test(flavor = "multi_thread")]
async fn the_application_hears_of_what_goes_on_by_itself() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let players = ring(&system, 2).await;
    let (leaver, join) = Player::spawn(None, Player::default(), &system).await.unwrap();
    players[0].send(PlayerMsg::Ball(Ball { hops: 200_000 })).await.unwrap();
    assert_eq!(soon("an answer", async { call!(leaver, PlayerMsg::Leave).unwrap() }).await, 0);
    soon("its end", join).await.unwrap();
    all_kept(&players, 1).await;
    system.stop().await;
}

/// The worker is killed while balls are in the air: none is lost, none is there twice. Unless a player was in the middle of one that it
/// had sent on already: it is blamed and fails, which is tried anew with others then.
#[tokio::test(flavor = "multi_thread")]
async fn balls_outlive_the_worker() {
    let config =
        Config { shards: Some(2), capacity: 64, isolation: Isolation::Process, intensity: (10_000, PATIENCE), ..Config::default() };
    let system = start(config).await;
    if system.worker().is_none() {
        println!("not run: the environment asks for a worker that is a thread, which can not be killed");
        return;
    }
    const HOPS: u64 = 30_000;
    for loss in 1..=20 {
        let players = ring(&system, 24).await;
        for player in &players {
            player.send(PlayerMsg::Ball(Ball { hops: HOPS })).await.unwrap();
        }
        let going = async { while sum(&players, |score| score.balls).await < 5000 {} };
        soon("passes", going).await;
        kill(system.worker().unwrap());
        until("the takeover", || matches!(system.losses(), (n, Some(last)) if n == loss && last.resumed.is_some())).await;
        let mut failed = 0;
        for player in &players {
            failed += usize::from(soon("an answer", player.call(PlayerMsg::Show, None)).await.is_err());
        }
        assert!(failed <= 2, "each shard is in the middle of one message at most");
        if failed == 0 {
            all_kept(&players, 24).await;
            assert_eq!(sum(&players, |score| score.balls).await, 24 * (HOPS + 1));
            system.stop().await;
            return;
        }
        for player in &players {
            player.stop(None);
        }
        until("they are gone", || system.running() == 0).await;
    }
    panic!("somebody was blamed at every loss: nothing was seen");
}

/// In every checkpoint each ball is in the air once, and has been had as often as it has hops less.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_has_what_is_in_the_air() {
    const HOPS: u64 = u64::MAX >> 1;
    for shards in [1, 3] {
        // Small rings: some balls wait in outboxes.
        let system = start(Config { shards: Some(shards), capacity: 64, ..Config::default() }).await;
        let players = ring(&system, 300).await;
        let balls = players.len() as u64 * 3;
        for player in &players {
            for _ in 0..3 {
                player.send(PlayerMsg::Ball(Ball { hops: HOPS })).await.unwrap();
            }
        }
        let mut base = soon("a checkpoint", system.checkpoint(Scope::Device).into_future()).await.unwrap();
        let mut last = 0;
        for turn in 0..12 {
            let checkpoint = match turn % 3 {
                0 => soon("a checkpoint", system.checkpoint(Scope::Device).into_future()).await.unwrap(),
                _ => soon("a delta", system.checkpoint(Scope::Device).since(&base).into_future()).await.unwrap().0,
            };
            let had: u64 = checkpoint.actors().iter().map(|actor| checkpoint.state_at::<Player>(actor).unwrap().balls).sum();
            let pending = checkpoint.pending();
            let hops: u64 = pending.iter().map(|pending| HOPS - Ball::decode(&pending.payload).hops).sum();
            assert_eq!((pending.len() as u64, hops), (balls, had), "turn {turn} with {shards} shards");
            assert!(had > last, "they go on");
            last = had;
            base = checkpoint;
        }
        system.stop().await;
    }
}

/// A message that is sent later comes once, not before its time, whatever happens to the worker meanwhile; to one that has ended not at all.
#[tokio::test(flavor = "multi_thread")]
async fn messages_come_after_their_time() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let players = ring(&system, 2).await;
    let (leaver, join) = Player::spawn(None, Player::default(), &system).await.unwrap();
    let begun = Instant::now();
    for (millis, hops) in [(300, 0), (0, 4), (40, 10)] {
        players[0].send(PlayerMsg::Throw(Throw { millis, hops })).await.unwrap();
    }
    leaver.send(PlayerMsg::Throw(Throw { millis: 100, hops: 0 })).await.unwrap();
    call!(leaver, PlayerMsg::Leave).unwrap();
    soon("its end", join).await.unwrap();
    let had = async |balls| while sum(&players, |score| score.balls).await < balls {};
    soon("the first", had(5)).await;
    soon("the second", had(16)).await;
    assert!(begun.elapsed() >= Duration::from_millis(40));
    if let Some(worker) = system.worker() {
        kill(worker);
    }
    soon("the last", had(17)).await;
    assert!(begun.elapsed() >= Duration::from_millis(300));
    until("a dead letter", || system.dead_letters() == 1).await;
    assert_eq!(sum(&players, |score| score.balls).await, 17);
    system.stop().await;
}
