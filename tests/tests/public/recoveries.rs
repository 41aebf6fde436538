//! Supervised actors that go back to their last checkpoint: exactly once with a journal, and told where that was too short.

use std::time::Duration;

use ractor::{call, cast};
use resident::Isolation;
use resident::checkpoint::{Archive, Checkpoint, Directory, Options, Scope, StateOf, every};
use resident::guardian::{Directive, InFlight, Restore};
use resident::prelude::*;
use resident_test_actors::*;
use resident_tests::family::{LONG, runs};
use resident_tests::*;

/// A system whose journals hold so many messages.
async fn journaled(journal: usize) -> System {
    let intensity = (10_000, Duration::from_secs(3600));
    start(Config { shards: Some(2), capacity: 256, journal, intensity, isolation: Isolation::Process, ..Config::default() }).await
}

fn child(system: &System, restore: Restore, in_flight: InFlight) -> ChildSpec {
    ChildSpec::gpu("ledger", Ledger::default).restore(restore).in_flight(in_flight).on(system)
}

/// A supervisor with one ledger.
async fn kept(spec: ChildSpec) -> (SupervisorRef, GpuRef<Ledger>) {
    let sup = Supervisor::builder(unique("sup")).intensity(u32::MAX, LONG).child(spec);
    let sup = soon("the start", sup.start()).await.unwrap();
    let ledger = sup.child::<Ledger>("ledger").await.unwrap();
    (sup, ledger)
}

async fn look(ledger: &GpuRef<Ledger>) -> Ledger {
    let Page { entries, digest, balance } = soon("an answer", async { call!(ledger, LedgerMsg::Look) }).await.unwrap();
    Ledger { entries, digest, balance }
}

async fn append(ledger: &GpuRef<Ledger>, numbers: impl IntoIterator<Item = u64>) {
    for n in numbers {
        soon("room", ledger.send(LedgerMsg::Append(Append { n }))).await.unwrap();
    }
}

async fn spoil(ledger: &GpuRef<Ledger>, how: u32) {
    soon("room", ledger.send(LedgerMsg::Spoil(Spoil { how }))).await.unwrap();
}

/// C-29: without a journal a restart goes back to the last checkpoint, of whichever scope; before the first, to a fresh state.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_back_to_the_last_checkpoint() {
    let system = journaled(0).await;
    let (sup, ledger) = kept(child(&system, Restore::LatestCheckpoint, InFlight::Fail)).await;
    append(&ledger, 0..10).await;
    spoil(&ledger, SPOIL_BY_PANIC).await;
    runs(&sup, "ledger", 2).await;
    assert_eq!(look(&ledger).await, Ledger::default(), "there was none");

    append(&ledger, 0..5).await;
    soon("a checkpoint", system.checkpoint(Scope::Device).into_future()).await.unwrap();
    append(&ledger, 5..9).await;
    for incarnation in 3..6 {
        spoil(&ledger, SPOIL_BY_PANIC).await;
        runs(&sup, "ledger", incarnation).await;
        assert_eq!(look(&ledger).await, Ledger::of(0..5));
    }
    append(&ledger, 5..7).await;
    soon("a checkpoint", ledger.checkpoint().into_future()).await.unwrap();
    spoil(&ledger, SPOIL_BY_TRAP).await;
    runs(&sup, "ledger", 6).await;
    assert_eq!(look(&ledger).await, Ledger::of(0..7), "a checkpoint of it alone is one, too");

    // Another one, though of the same name in the supervisor's books.
    sup.terminate_child("ledger").await.unwrap();
    sup.restart_child("ledger").await.unwrap();
    let ledger = sup.child::<Ledger>("ledger").await.unwrap();
    assert_eq!(look(&ledger).await, Ledger::default());
    soon("the end", sup.stop()).await.unwrap();

    let (sup, ledger) = kept(child(&system, Restore::Fresh, InFlight::Fail)).await;
    append(&ledger, 0..5).await;
    soon("a checkpoint", system.checkpoint(Scope::Device).into_future()).await.unwrap();
    spoil(&ledger, SPOIL_BY_PANIC).await;
    runs(&sup, "ledger", 2).await;
    assert_eq!(look(&ledger).await, Ledger::default(), "nobody asked for it");
    soon("the end", sup.stop()).await.unwrap();
    system.stop().await;
}

/// C-30: every message is in the state once and in its order, over failures of each kind, with and without checkpoints between.
#[tokio::test(flavor = "multi_thread")]
async fn exactly_once_through_failures() {
    for ways in [[SPOIL_BY_PANIC, SPOIL_BY_WORD], [SPOIL_BY_TRAP, SPOIL_BY_PANIC]] {
        let system = journaled(4096).await;
        let (sup, ledger) = kept(child(&system, Restore::LatestCheckpoint, InFlight::Replay)).await;
        let mut n = 0;
        let mut incarnation = 1;
        for round in 0..12 {
            append(&ledger, n..n + 40).await;
            // What a caller was told is not undone.
            let signed = soon("an answer", async { call!(ledger, LedgerMsg::Sign, Sign { n: n + 40 }) }).await.unwrap();
            assert_eq!(signed, Ledger::of(0..=n + 40).digest, "round {round}");
            append(&ledger, n + 41..n + 70).await;
            if round % 4 == 1 {
                soon("a checkpoint", system.checkpoint(Scope::Device).into_future()).await.unwrap();
            }
            append(&ledger, n + 70..n + 90).await;
            let how = ways[round % 2];
            if how == SPOIL_BY_TRAP {
                // Tried once more after a loss, it does it again, and then is left out.
                incarnation += 1;
            }
            incarnation += 1;
            spoil(&ledger, how).await;
            // These are behind it in the ring, and are not lost.
            append(&ledger, n + 90..n + 100).await;
            runs(&sup, "ledger", incarnation).await;
            n += 100;
            assert_eq!(look(&ledger).await, Ledger::of(0..n), "round {round}");
        }
        let letters = if ways.contains(&SPOIL_BY_TRAP) { 6 } else { 0 };
        assert_eq!(system.dead_letters(), letters, "those that failed their actor twice");
        soon("the end", sup.stop()).await.unwrap();
        assert_eq!(system.running(), 0);
        system.stop().await;
    }
}

/// C-30: also where workers are killed under load, checkpoints go on all the time, and many send.
#[tokio::test(flavor = "multi_thread")]
async fn exactly_once_through_losses() {
    let system = journaled(1 << 16).await;
    let (sup, ledger) = kept(child(&system, Restore::LatestCheckpoint, InFlight::Replay)).await;
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::open(Directory::writer(directory.path()).unwrap(), Options::default());
    let periodic = every(Duration::from_millis(20)).deltas(5).save_to(archive.clone()).start(&system);
    let senders: Vec<_> = (0..3u64)
        .map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                for _ in 0..3000 {
                    ledger.send(LedgerMsg::Move(Move { cents: 1 })).await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for round in 0..6u64 {
        match round % 3 {
            0 => spoil(&ledger, SPOIL_BY_PANIC).await,
            1 => {
                let losses = system.losses().0;
                system.worker().into_iter().for_each(kill);
                until("the loss is noticed", || system.losses().0 > losses).await;
            }
            _ => spoil(&ledger, SPOIL_BY_TRAP).await,
        }
        look_or_wait(&ledger).await;
    }
    for sender in senders {
        soon("a sender", sender).await.unwrap();
    }
    let at_last = look_or_wait(&ledger).await;
    assert_eq!(at_last.balance, 9000);
    assert_eq!(at_last.entries, 0, "what failed has left nothing");
    until("one more is saved", || periodic.errors() > 0 || periodic.latest().is_some_and(|latest| balance(&latest) == 9000)).await;
    assert_eq!(periodic.errors(), 0, "{:?}", periodic.last_error());
    soon("the end of the checkpoints", periodic.stop()).await;
    assert_eq!(balance(&archive.latest().await.unwrap().unwrap()), 9000, "a chain over all these restarts");
    soon("the end", sup.stop()).await.unwrap();
    system.stop().await;
}

/// What the ledger in a checkpoint has, if it is not between two incarnations.
fn balance(checkpoint: &Checkpoint) -> i64 {
    checkpoint.actors().iter().map(|actor| checkpoint.state_at::<Ledger>(actor).unwrap().balance).sum()
}

/// Asks again if the actor fails before it answers.
async fn look_or_wait(ledger: &GpuRef<Ledger>) -> Ledger {
    let asking = async {
        loop {
            if let Ok(Page { entries, digest, balance }) = call!(ledger, LedgerMsg::Look) {
                return Ledger { entries, digest, balance };
            }
        }
    };
    soon("an answer", asking).await
}

/// C-30: a worker that is killed in the middle of a message counts it once.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_a_kill_interrupted_is_counted_once() {
    let system = journaled(1 << 16).await;
    let (sup, ledger) = kept(child(&system, Restore::LatestCheckpoint, InFlight::Replay)).await;
    let mut sent = 0;
    for round in 0..30u64 {
        let losses = system.losses().0;
        let mut worker = system.worker();
        // Each time after some more, and so in another place.
        let strike = sent + 64 + 97 * round;
        while system.losses().0 == losses {
            sent += ledger.cast_many(&[const { Append { n: 7 } }; 64]).unwrap() as u64;
            if sent >= strike
                && let Some(worker) = worker.take()
            {
                kill(worker);
            }
        }
        assert_eq!(look(&ledger).await.entries, sent, "round {round}");
        let checkpoint = soon("a checkpoint", ledger.checkpoint().into_future()).await.unwrap();
        // With the looks.
        assert_eq!(checkpoint.actors()[0].handled, sent + round + 1, "round {round}");
    }
    soon("the end", sup.stop()).await.unwrap();
    system.stop().await;
}

/// C-30: a restart that has nothing to do with the actor brings back all that it had accepted; one that resumes sends what was behind.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_with_a_sibling_or_a_state_that_goes_on() {
    let system = journaled(1000).await;
    let spec = child(&system, Restore::LatestCheckpoint, InFlight::Replay);
    let sibling = ChildSpec::gpu("sibling", Panicker::default).on(&system);
    let sup = Supervisor::builder(unique("sup")).strategy(resident::guardian::Strategy::OneForAll).intensity(u32::MAX, LONG);
    let sup = soon("the start", sup.child(sibling).child(spec).start()).await.unwrap();
    let ledger = sup.child::<Ledger>("ledger").await.unwrap();
    append(&ledger, 0..20).await;
    ledger.checkpoint().await.unwrap();
    append(&ledger, 20..50).await;
    cast!(sup.child::<Panicker>("sibling").await.unwrap(), PanickerMsg::Panic(Panic { how: EXPLICIT, value: 1 })).unwrap();
    runs(&sup, "ledger", 2).await;
    assert_eq!(look(&ledger).await, Ledger::of(0..50));
    soon("the end", sup.stop()).await.unwrap();

    let spec = child(&system, Restore::LatestCheckpoint, InFlight::Replay).on_fault(|fault| match fault.class {
        FaultClass::Failed => Directive::Resume,
        _ => Directive::Restart,
    });
    let (sup, ledger) = kept(spec).await;
    append(&ledger, 0..3).await;
    ledger.checkpoint().await.unwrap();
    append(&ledger, 3..6).await;
    spoil(&ledger, SPOIL_BY_WORD).await;
    append(&ledger, 6..9).await;
    runs(&sup, "ledger", 2).await;
    assert_eq!(look(&ledger).await, Ledger::of(0..9), "it goes on with the state of the message before");
    spoil(&ledger, SPOIL_BY_PANIC).await;
    runs(&sup, "ledger", 3).await;
    assert_eq!(look(&ledger).await, Ledger::of(0..9), "a restart goes back to the checkpoint, and to what was handled since");
    soon("the end", sup.stop()).await.unwrap();
    system.stop().await;
}

/// C-31: what a journal was too short for is counted and told.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_too_short_says_so() {
    let system = journaled(16).await;
    let (sup, ledger) = kept(child(&system, Restore::LatestCheckpoint, InFlight::Replay)).await;
    append(&ledger, 0..10).await;
    ledger.checkpoint().await.unwrap();
    append(&ledger, 10..26).await;
    assert_eq!(look(&ledger).await, Ledger::of(0..26));
    // With the look and what fails, 18 since the checkpoint.
    spoil(&ledger, SPOIL_BY_PANIC).await;
    runs(&sup, "ledger", 2).await;
    assert_eq!(look(&ledger).await, Ledger::of((0..10).chain(12..26)));
    assert_eq!(system.dead_letters(), 2);
    // From here on it is whole again.
    append(&ledger, 26..30).await;
    ledger.checkpoint().await.unwrap();
    append(&ledger, 30..40).await;
    spoil(&ledger, SPOIL_BY_PANIC).await;
    runs(&sup, "ledger", 3).await;
    assert_eq!(look(&ledger).await, Ledger::of((0..10).chain(12..40)));
    assert_eq!(system.dead_letters(), 2);
    soon("the end", sup.stop()).await.unwrap();
    system.stop().await;
}
