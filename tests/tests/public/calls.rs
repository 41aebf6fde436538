//! Every call ends exactly once, whatever happens to its actor; and the direct ways to call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ractor::rpc::CallResult;
use ractor::{ActorRef, call};
use resident::prelude::*;
use resident_test_actors::*;
use resident_tests::*;

/// A small generator of numbers, the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = mix(self.0, 0x5eed);
        self.0 % sides
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_end_once_under_stop_drain_kill_and_panic() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let (supervisor, mut heard) = supervisor().await;
    let ended = Arc::new(AtomicU64::new(0));
    let mut dice = Dice(1);
    let mut sent = 0;
    for _ in 0..150 {
        let (actor, join) = Panicker::spawn_linked(None, Panicker::default(), &system, supervisor.clone()).await.unwrap();
        let plain: ActorRef<PanickerMsg> = actor.clone().into();
        let mut calls = Vec::new();
        let ending = dice.roll(40);
        for at in 0..40 {
            sent += 1;
            let (ended, by_mailbox, timed) = (ended.clone(), dice.roll(3) == 0, dice.roll(4) == 0);
            let (target, plain) = (actor.clone(), plain.clone());
            calls.push(tokio::spawn(async move {
                let limit = timed.then_some(PATIENCE);
                if by_mailbox {
                    let _ = plain.call(PanickerMsg::CountUp, limit).await;
                } else if let Ok(CallResult::Timeout) = target.call(PanickerMsg::CountUp, limit).await {
                    panic!("a call was left over");
                }
                ended.fetch_add(1, Ordering::Relaxed);
            }));
            if at == ending {
                match dice.roll(4) {
                    0 => actor.stop(None),
                    1 => drop(actor.drain()),
                    2 => actor.kill(),
                    _ => drop(actor.try_cast(PanickerMsg::Panic(Panic { how: EXPLICIT, value: at as u32 }))),
                }
            }
        }
        for call in calls {
            soon("a call", call).await.unwrap();
        }
        soon("the actor's end", join).await.unwrap();
        heard.end().await;
    }
    assert_eq!(ended.load(Ordering::Relaxed), sent);
    until("all rows are free", || system.running() == 0).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_directly() {
    let system = system().await;
    let (echo, _) = Echo::spawn(None, Echo::new(5), &system).await.unwrap();
    let asking = tokio::task::spawn_blocking(move || {
        let mut expected = Echo::new(5);
        for nonce in 0..2000 {
            let ask = Ask { nonce, words: words(nonce) };
            assert_eq!(echo.ask(&ask, PATIENCE).unwrap(), expected.answer(&ask));
            expected.remember(nonce);
            if nonce % 100 == 0 {
                let ask = AskLarge { nonce, words: words(nonce) };
                assert_eq!(echo.ask(&ask, PATIENCE).unwrap(), expected.answer_large(&ask));
                expected.remember(nonce);
            }
        }
        // A cast can be asked too: its empty reply says that it was handled.
        echo.ask(&Note { nonce: 1, words: words(1) }, PATIENCE).unwrap();
    });
    soon("the answers", asking).await.unwrap();
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_in_order_to_many_actors() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let mut echoes = Vec::new();
    for secret in 0..8 {
        echoes.push(Echo::spawn(None, Echo::new(secret), &system).await.unwrap().0);
    }
    let other = System::start(Config { shards: Some(1), ..Config::cpu() }).await.unwrap();
    let (stranger, _) = Echo::spawn(None, Echo::new(0), &other).await.unwrap();
    let piping = tokio::task::spawn_blocking({
        let system = system.clone();
        move || {
            let mut pipeline = Pipeline::<Echo, Ask>::new(&system, 64).unwrap();
            let mut expected: Vec<_> = (0..8).map(Echo::new).collect();
            assert!(matches!(pipeline.submit(&stranger, &Ask { nonce: 0, words: [0; 6] }), Err(AskError::OtherSystem)));
            let (mut sent, mut seen) = (0u64, 0u64);
            while seen < 50_000 {
                while sent < 50_000 && !pipeline.is_full() {
                    match pipeline.submit(&echoes[sent as usize % 8], &Ask { nonce: sent, words: words(sent) }) {
                        Ok(()) => sent += 1,
                        Err(AskError::Full) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
                if pipeline.is_full() {
                    assert!(matches!(pipeline.submit(&echoes[0], &Ask { nonce: 0, words: [0; 6] }), Err(AskError::Window(64))));
                }
                let answer = pipeline.next().unwrap();
                let of = &mut expected[seen as usize % 8];
                assert_eq!(answer, of.answer(&Ask { nonce: seen, words: words(seen) }));
                of.remember(seen);
                seen += 1;
                while let Some(answer) = pipeline.try_next() {
                    assert_eq!(answer.unwrap().nonce, seen);
                    expected[seen as usize % 8].remember(seen);
                    seen += 1;
                }
            }
            assert_eq!(pipeline.in_flight(), 0);
            assert!(pipeline.try_next().is_none());
            let asks: Vec<_> = (0..100).map(|nonce| Ask { nonce, words: words(nonce) }).collect();
            assert_eq!(pipeline.submit_many(&echoes[3], &asks).unwrap(), 64, "the window's worth");
            for ask in &asks[..64] {
                assert_eq!(pipeline.next().unwrap(), expected[3].answer(ask));
                expected[3].remember(ask.nonce);
            }
            assert!(matches!(pipeline.next(), Err(AskError::Idle)));
        }
    });
    soon("the pipeline", piping).await.unwrap();
    system.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_gives_up_and_harms_no_later_call() {
    let system = one_shard().await;
    let (busy, _) = Emitter::spawn(None, Emitter::default(), &system).await.unwrap();
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let asking = tokio::task::spawn_blocking({
        let counter = counter.clone();
        move || {
            let mut late = 0;
            while late == 0 {
                busy.cast(EmitterMsg::EmitLate(EmitLate { count: 4000, minutes: 0 })).unwrap();
                match counter.ask(&AddAndGet { amount: 1 }, Duration::ZERO) {
                    Ok(_) => {}
                    Err(AskError::Timeout(_)) => late += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            // What timed out was handled all the same, and its reply lands on a line that is nobody's.
            let before = counter.ask(&Get, PATIENCE).unwrap();
            assert_eq!(counter.ask(&AddAndGet { amount: 1 }, PATIENCE).unwrap(), before.total + 1);
        }
    });
    soon("the asking", asking).await.unwrap();
    assert!(call!(counter, CounterMsg::Get).is_ok());
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_reply_lines_is_an_error() {
    let system = start(Config { shards: Some(1), reply_lines: 4, ..Config::default() }).await;
    assert!(matches!(Pipeline::<Counter, Get>::new(&system, 5), Err(AskError::NoReplyLine)));
    assert!(Pipeline::<Counter, Get>::new(&system, 4).is_ok());
    system.stop().await;
}
