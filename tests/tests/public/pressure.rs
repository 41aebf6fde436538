//! A full ring is back-pressure: the message comes back or its sender waits, and none is lost.

use ractor::{ActorRef, MessagingErr, RactorErr, call, cast};
use resident::prelude::*;
use resident_test_actors::*;
use resident_tests::*;

/// The smallest rings.
fn small() -> Config {
    Config { shards: Some(1), capacity: 64, ..Config::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_ring_gives_the_message_back() {
    let system = start(small()).await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let (mut sent, mut full) = (0, 0);
    while full < 100 || sent < 10_000 {
        match counter.try_cast(CounterMsg::Add(Add { amount: sent })) {
            Ok(()) => sent += 1,
            Err(CastError::Full(CounterMsg::Add(add))) => {
                assert_eq!(add.amount, sent);
                full += 1;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    let count = call!(counter, CounterMsg::Get).unwrap();
    assert_eq!((count.added, count.total), (sent, (0..sent).sum()));
    system.stop().await;
}

/// HO-16: `cast!` says the same of a full ring and of a dead actor; the handle tells them apart.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_ring_is_told_from_a_dead_actor() {
    let system = start(small()).await;
    let (counter, join) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let is_given_back =
        |counter: &GpuRef<Counter>| matches!(cast!(counter, CounterMsg::Tick), Err(RactorErr::Messaging(MessagingErr::SendErr(_))));
    assert!(counter.takes_messages());
    for _ in 0..100 {
        until("a full ring", || is_given_back(&counter)).await;
        assert!(counter.takes_messages(), "there will be room");
    }
    counter.stop(None);
    soon("its end", join).await.unwrap();
    assert!(is_given_back(&counter) && !counter.takes_messages());

    // One that has failed; one that is restarted.
    let bang = || PanickerMsg::Panic(Panic { how: EXPLICIT, value: 0 });
    for _ in 0..20 {
        let (panicker, join) = Panicker::spawn(None, Panicker::default(), &system).await.unwrap();
        assert!(call!(panicker, PanickerMsg::PanicInCall, PanicInCall { how: EXPLICIT, value: 0 }).is_err());
        assert!(!panicker.takes_messages(), "whoever has heard of its failure hears this too");
        soon("its end", join).await.unwrap();
    }
    let child = ChildSpec::gpu("child", Panicker::default).on(&system);
    let sup = Supervisor::builder(unique("patient")).intensity(u32::MAX, PATIENCE).child(child).start().await.unwrap();
    let kept = sup.child::<Panicker>("child").await.unwrap();
    kept.send(bang()).await.unwrap();
    until("the next incarnation", || {
        assert!(kept.takes_messages(), "also in between");
        kept.info().incarnation == 2
    })
    .await;
    sup.stop().await.unwrap();
    assert!(!kept.takes_messages());

    let (last, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    assert!(last.takes_messages());
    system.control().kill();
    soon("the loss of its device", last.ended()).await;
    assert!(is_given_back(&last) && !last.takes_messages());
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_wait_for_room() {
    const SENDERS: u64 = 8;
    const EACH: u64 = 5000;
    let system = start(small()).await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let counter = counter.clone();
            tokio::spawn(async move {
                for _ in 0..EACH {
                    counter.send(CounterMsg::Tick).await.unwrap();
                }
            })
        })
        .collect();
    for sender in senders {
        soon("a sender", sender).await.unwrap();
    }
    assert_eq!(call!(counter, CounterMsg::Get).unwrap().total, SENDERS * EACH);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mailbox_waits_for_room() {
    let system = start(small()).await;
    let (echo, _) = Echo::spawn(None, Echo::new(2), &system).await.unwrap();
    let plain: ActorRef<EchoMsg> = echo.clone().into();
    let mut expected = Echo::new(2);
    for nonce in 0..10_000 {
        expected.remember(nonce);
        plain.cast(EchoMsg::Note(Note { nonce, words: words(nonce) })).unwrap();
    }
    let history = call!(plain, EchoMsg::Recall).unwrap();
    assert_eq!((history.answered, history.history), (10_000, expected.history));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_wait_for_room_and_large_frames_fit() {
    let system = start(small()).await;
    let (echo, _) = Echo::spawn(None, Echo::new(4), &system).await.unwrap();
    let calls: Vec<_> = (0..500)
        .map(|nonce| {
            let echo = echo.clone();
            tokio::spawn(async move {
                let ask = AskLarge { nonce, words: words(nonce) };
                let answer = call!(echo, EchoMsg::AskLarge, ask.clone()).unwrap();
                assert_eq!(answer, Echo::new(4).answer_large(&ask));
            })
        })
        .collect();
    for call in calls {
        soon("a call", call).await.unwrap();
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_sender_hears_of_the_end() {
    let system = start(small()).await;
    for _ in 0..20 {
        let (panicker, join) = Panicker::spawn(None, Panicker::default(), &system).await.unwrap();
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let panicker = panicker.clone();
                tokio::spawn(async move {
                    loop {
                        if panicker.send(PanickerMsg::Panic(Panic { how: 99, value: 0 })).await.is_err() {
                            return;
                        }
                    }
                })
            })
            .collect();
        until("a message was sent", || panicker.try_cast(PanickerMsg::Panic(Panic { how: UNWRAP, value: 0 })).is_ok()).await;
        for sender in senders {
            soon("a sender", sender).await.unwrap();
        }
        soon("the end", join).await.unwrap();
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_in_their_order() {
    let system = start(small()).await;
    let (echo, _) = Echo::spawn(None, Echo::new(6), &system).await.unwrap();
    let notes: Vec<_> = (0..10_000).map(|nonce| Note { nonce, words: words(nonce) }).collect();
    let mut expected = Echo::new(6);
    notes.iter().for_each(|note| expected.remember(note.nonce));
    let (mut sent, mut cut) = (0, 0);
    while sent < notes.len() {
        let more = echo.cast_many(&notes[sent..]).unwrap();
        sent += more;
        cut += u32::from(sent < notes.len());
        tokio::task::yield_now().await;
    }
    assert!(cut > 0, "no more goes in than the ring holds");
    let history = call!(echo, EchoMsg::Recall).unwrap();
    assert_eq!((history.answered, history.history), (10_000, expected.history));
    echo.stop_and_wait(None, None).await.unwrap();
    assert!(matches!(echo.cast_many(&notes), Err(CastError::Stopped(()))));
    system.stop().await;
}
