//! A handler that fails: who hears it, what they hear, and that nobody else notices.

use std::error::Error;
use std::time::Duration;

use ractor::{ActorErr, ActorId, ActorRef, MessagingErr, RactorErr, call, cast};
use resident::prelude::*;
use resident_test_actors::*;
use resident_tests::*;

/// The fault inside the error of a `call!`.
fn fault_of<M>(error: &RactorErr<M>) -> &GpuFault {
    match error {
        RactorErr::Actor(ActorErr::Failed(error)) => error.downcast_ref().expect("a GpuFault"),
        other => panic!("expected a fault, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_reaches_caller_and_supervisor() {
    let system = system().await;
    let (supervisor, mut heard) = supervisor().await;
    let name = unique("panicker");
    let (actor, join) = Panicker::spawn_linked(Some(name.clone()), Panicker::default(), &system, supervisor).await.unwrap();
    for _ in 0..3 {
        call!(actor, PanickerMsg::CountUp).unwrap();
    }
    let error = call!(actor, PanickerMsg::PanicInCall, PanicInCall { how: OUT_OF_BOUNDS, value: 77 }).unwrap_err();
    let fault = fault_of(&error);
    assert_eq!((fault.class, fault.kind, fault.message, fault.handled), (FaultClass::Panic, "Panicker", "PanicInCall", 3));
    assert!(fault.text.contains("index out of bounds: the len is 8 but the index is 77"), "{}", fault.text);
    assert!(fault.text.contains("panicker.rs:"), "the place is in the text: {}", fault.text);
    assert!(fault.state::<Panicker>().is_none(), "the caller does not wait for the state");

    soon("the end", join).await.unwrap();
    let (who, fault) = heard.fault().await;
    assert_eq!((who, ActorId::from(fault.actor), fault.name.as_deref()), (actor.get_id(), actor.get_id(), Some(&*name)));
    assert_eq!((fault.class, fault.handled, fault.incarnation), (FaultClass::Panic, 3, 1));
    assert_eq!(fault.state::<Panicker>().unwrap().counted, 3, "the state as the panic left it");
    assert!(fault.state::<Counter>().is_none(), "and nothing else's");
    let text = fault.to_string();
    assert!(text.contains(&name) && text.contains("panicked while handling `PanicInCall`"), "{text}");
    assert!(fault.source().is_none());
    assert_eq!(actor.fault().unwrap().class, FaultClass::Panic);
    let error = call!(actor, PanickerMsg::CountUp).unwrap_err();
    assert!(matches!(error, RactorErr::Messaging(MessagingErr::SendErr(_))), "{error:?}");
    assert!(ActorRef::<PanickerMsg>::where_is(&name).is_none());
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_fail_is_told_apart() {
    let system = system().await;
    let (supervisor, mut heard) = supervisor().await;
    for (how, text) in [(EXPLICIT, "asked to panic with 5"), (OVERFLOW, "overflow"), (UNWRAP, "unwrap"), (LONG, "   ")] {
        let (actor, _) = Panicker::spawn_linked(None, Panicker::default(), &system, supervisor.clone()).await.unwrap();
        cast!(actor, PanickerMsg::Panic(Panic { how, value: 5 })).unwrap();
        let (who, fault) = heard.fault().await;
        assert_eq!((who, fault.class, fault.message), (actor.get_id(), FaultClass::Panic, "Panic"));
        assert!(fault.text.contains(text), "{}", fault.text);
    }
    let (actor, _) = Failer::spawn_linked(None, Failer::default(), &system, supervisor.clone()).await.unwrap();
    assert_eq!(call!(actor, FailerMsg::FailWith, FailWith { code: 0 }).unwrap(), 1);
    let error = call!(actor, FailerMsg::FailWith, FailWith { code: 12 }).unwrap_err();
    assert_eq!((fault_of(&error).class, &*fault_of(&error).text), (FaultClass::Failed, "asked to fail with code 12"));
    let (_, fault) = heard.fault().await;
    assert_eq!(fault.state::<Failer>().unwrap().handled, 1, "of a message that fails nothing is kept");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_state_is_read_whole() {
    let system = system().await;
    let (supervisor, mut heard) = supervisor().await;
    let big = Big::new(9);
    let digest = big.digest();
    let (actor, _) = Big::spawn_linked(None, big, &system, supervisor).await.unwrap();
    cast!(actor, BigMsg::Put(Put { at: u64::MAX, word: 0 })).unwrap();
    let (_, fault) = heard.fault().await;
    assert_eq!(fault.state::<Big>().unwrap().digest(), digest);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_caller_has_the_typed_fault() {
    let system = system().await;
    let (actor, _) = Panicker::spawn(None, Panicker::default(), &system).await.unwrap();
    let (other, _) = Panicker::spawn(None, Panicker::default(), &system).await.unwrap();
    let waiting = tokio::task::spawn_blocking({
        let (actor, system) = (actor.clone(), system.clone());
        move || {
            let wait = Duration::from_secs(60);
            assert_eq!(actor.ask(&CountUp, wait).unwrap(), 1);
            match actor.ask(&PanicInCall { how: EXPLICIT, value: 1 }, wait) {
                Err(AskError::Failed(fault)) => assert!(fault.text.ends_with("asked to panic with 1"), "{}", fault.text),
                other => panic!("{other:?}"),
            }
            match actor.ask(&CountUp, wait) {
                Err(AskError::Failed(_)) => {}
                other => panic!("{other:?}"),
            }
            let mut pipeline = Pipeline::<Panicker, PanicInCall>::new(&system, 4).unwrap();
            for value in 0..4 {
                pipeline.submit(&other, &PanicInCall { how: if value == 1 { EXPLICIT } else { 99 }, value }).unwrap();
            }
            assert_eq!(pipeline.next().unwrap(), 0);
            for _ in 1..4 {
                // The first of these was being handled, the others found the actor failed.
                match pipeline.next() {
                    Err(AskError::Failed(fault)) => assert!(fault.text.contains("asked to panic with 1"), "{}", fault.text),
                    other => panic!("{other:?}"),
                }
            }
            assert!(matches!(pipeline.next(), Err(AskError::Idle)));
        }
    });
    soon("the direct calls", waiting).await.unwrap();
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_caller_sees_its_port_closed() {
    let system = system().await;
    let (actor, _) = Panicker::spawn(None, Panicker::default(), &system).await.unwrap();
    let plain: ActorRef<PanickerMsg> = actor.into();
    let error = call!(plain, PanickerMsg::PanicInCall, PanicInCall { how: EXPLICIT, value: 1 }).unwrap_err();
    assert!(matches!(error, RactorErr::Messaging(MessagingErr::ChannelClosed)), "{error:?}");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_panics_lose_no_other_message() {
    const PANICS: u64 = 10_000;
    let system = start(Config { shards: Some(1), rows: 256, ..Config::default() }).await;
    let (neighbour, _) = Echo::spawn(None, Echo::new(3), &system).await.unwrap();
    let mut expected = Echo::new(3);
    for nonce in 0..PANICS {
        let (actor, _) = loop {
            match Panicker::spawn(None, Panicker::default(), &system).await {
                Ok(spawned) => break spawned,
                Err(resident::SpawnError::Rows { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        neighbour.send(EchoMsg::Note(Note { nonce, words: words(nonce) })).await.unwrap();
        expected.remember(nonce);
        let error = call!(actor, PanickerMsg::PanicInCall, PanicInCall { how: EXPLICIT, value: nonce as u32 }).unwrap_err();
        assert!(fault_of(&error).text.ends_with(&format!("asked to panic with {nonce}")), "{}", fault_of(&error).text);
    }
    let history = call!(neighbour, EchoMsg::Recall).unwrap();
    assert_eq!((history.answered, history.history), (PANICS, expected.history));
    until("the failed actors are gone", || system.running() == 1).await;
    assert_eq!(system.dead_letters(), 0);
    system.stop().await;
}
