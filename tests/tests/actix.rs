//! A resident actor as an ordinary actix actor: what works on an `Addr` works on an `Addr<Gpu<A>>`, with the same outcome.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use actix::dev::SendError;
use actix::{Arbiter, MailboxError, Recipient, SystemService as _};
use resident::control::{Drain, GetHealth, GetSnapshot, Loss, Stop};
use resident::prelude::*;
use resident::{ActixError, CallError, DeviceMsg, Gpu, Health, SpawnError};
use resident_kernels::prelude::*;
use resident_test_actors::*;
use resident_tests::*;
use tokio::task::yield_now;

type Planes = actix::Addr<Gpu<Counter>>;

/// Runs a test in an actix system of its own.
fn in_actix<T>(test: impl Future<Output = T>) -> T {
    actix::System::new().block_on(test)
}

fn small() -> Config {
    Config { shards: Some(1), capacity: 64, ..Config::default() }
}

fn bang() -> Panic {
    Panic { how: EXPLICIT, value: 7 }
}

async fn rows_are_free(system: &System) {
    until("the rows are free", || system.running() == 0).await;
}

/// Why actix did not start it.
fn refused<T>(started: Result<T, SpawnError>) -> ActixError {
    match started.map(drop) {
        Err(SpawnError::Framework(error)) => *error.downcast().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// AX-1.
#[test]
fn an_address_is_an_ordinary_one() {
    in_actix(async {
        let system = system().await;
        let counter: Planes = Counter::start_actix(&system, Counter::default()).unwrap();
        counter.do_send(Add { amount: 39 });
        counter.try_send(Tick).unwrap();
        counter.send(Tick).await.unwrap().unwrap();
        assert_eq!(counter.send(Get).await.unwrap().unwrap().total, 41);

        let ticks: Recipient<Tick> = counter.clone().recipient();
        ticks.do_send(Tick);
        ticks.try_send(Tick).unwrap();
        ticks.send(Tick).await.unwrap().unwrap();
        let sums: Recipient<AddAndGet> = counter.clone().into();
        assert_eq!(sums.send(AddAndGet { amount: 1 }).await.unwrap().unwrap(), 45);
        assert!(counter.connected() && counter == counter.clone());

        let weak = counter.downgrade();
        assert_eq!(weak.upgrade().unwrap().send(AddAndGet { amount: 1 }).await.unwrap().unwrap(), 46);
        let weak_ticks = ticks.downgrade();
        drop((counter, ticks, sums));
        until("the last address has gone", || weak.upgrade().is_none()).await;
        assert!(weak_ticks.upgrade().is_none_or(|ticks| !ticks.connected()));
        rows_are_free(&system).await;
        assert_eq!(system.stop().await.dead_letters, 0);
    });
}

/// AX-1.
#[test]
fn a_mailbox_stands_on_an_arbiter_or_on_none() {
    in_actix(async {
        let system = system().await;
        let arbiter = Arbiter::new();
        let there = Counter::start_in(&arbiter.handle(), &system, Counter::default()).unwrap();
        let free = Counter::start_free(&system, Counter::default()).unwrap();
        for addr in [&there, &free] {
            for _ in 0..100 {
                addr.do_send(Tick);
            }
            assert_eq!(addr.send(Get).await.unwrap().unwrap().total, 100);
        }
        // Asked by another arbiter, and by a thread that has none.
        let (send, heard) = tokio::sync::oneshot::channel();
        let asked = there.clone();
        arbiter.spawn(async move { send.send(asked.send(Get).await.unwrap().unwrap().total).unwrap() });
        assert_eq!(heard.await.unwrap(), 100);
        let asked = there.clone();
        let elsewhere = thread::spawn(move || tokio::runtime::Runtime::new().unwrap().block_on(asked.send(Get)).unwrap().unwrap().total);
        assert_eq!(elsewhere.join().unwrap(), 100);
        drop((there, free));
        rows_are_free(&system).await;
        system.stop().await;
        arbiter.stop();
    });
}

/// AX-1: no actix system at all.
#[tokio::test(flavor = "multi_thread")]
async fn it_needs_no_actix_system() {
    let system = system().await;
    let counter = Counter::start_free(&system, Counter::default()).unwrap();
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let counter = counter.clone();
            tokio::spawn(async move {
                for _ in 0..500 {
                    counter.send(Tick).await.unwrap().unwrap();
                }
            })
        })
        .collect();
    for sender in senders {
        soon("a sender", sender).await.unwrap();
    }
    assert_eq!(counter.send(Get).await.unwrap().unwrap().total, 2000);
    let report = system.stop().await;
    assert_eq!((report.drained, report.killed, report.dead_letters), (1, 0, 0));
    until("the address is closed", || !counter.connected()).await;
}

/// AX-2.
#[test]
fn a_million_messages_from_four_arbiters_keep_their_order() {
    const EACH: u64 = 250_000;
    in_actix(async {
        let system = system().await;
        let player = Player::start_actix(&system, Player::default()).unwrap();
        let arbiters: Vec<_> = (0..4).map(|_| Arbiter::new()).collect();
        let (done, mut all) = tokio::sync::mpsc::channel(4);
        for (sender, arbiter) in arbiters.iter().enumerate() {
            let (player, done) = (player.clone(), done.clone());
            arbiter.spawn(async move {
                for number in 0..EACH {
                    let light = Light { sender: sender as u32, pad: 0, number };
                    // In all three ways, and never too far ahead.
                    match number % 1000 {
                        0 => player.send(light).await.unwrap().unwrap(),
                        1 => {
                            while let Err(error) = player.try_send(light.clone()) {
                                assert!(matches!(error, SendError::Full(_)));
                                yield_now().await;
                            }
                        }
                        _ => player.do_send(light),
                    }
                }
                done.send(()).await.unwrap();
            });
        }
        for _ in 0..4 {
            soon("a sender", all.recv()).await.unwrap();
        }
        let score = player.send(Show).await.unwrap().unwrap();
        assert_eq!((score.numbers, score.wrong), (4 * EACH, 0));
        assert_eq!(score.expected[..4], [EACH; 4]);
        assert_eq!(system.stop().await.dead_letters, 0);
        for arbiter in arbiters {
            arbiter.stop();
        }
    });
}

/// AX-3.
#[test]
fn a_full_ring_holds_the_mailbox_up_and_nothing_is_lost() {
    const MAILBOX: usize = 8;
    in_actix(async {
        let system = start(small()).await;
        let breaker = Gpu::new(&system, Breaker::default()).unwrap().mailbox(MAILBOX).unwrap().start_here().unwrap();
        let handle = breaker.handle().await.unwrap();
        for _ in 0..turns(20) {
            let before = handle.call(Deposit { n: 0 }).await.unwrap();
            let work = breaker.send(Work { rounds: 2_000_000 });
            let work = actix::spawn(work);
            yield_now().await;
            let (mut taken, mut full) = (0, 0);
            while full < 50 {
                match breaker.try_send(Deposit { n: 1 }) {
                    Ok(()) => taken += 1,
                    Err(SendError::Full(Deposit { n: 1 })) => full += 1,
                    Err(error) => panic!("{error}"),
                }
                yield_now().await;
            }
            soon("the long message", work).await.unwrap().unwrap().unwrap();
            // The first address, the clones of handle and order have a place each beyond the capacity.
            let after = breaker.send(Deposit { n: 0 }).await.unwrap().unwrap();
            assert_eq!(after - before, 2_000_000 + taken);
        }
        assert_eq!(system.stop().await.dead_letters, 0);
    });
}

/// AX-3: what waits for room is cancelled with its caller.
#[test]
fn a_caller_that_has_gone_is_not_handled() {
    in_actix(async {
        let system = start(small()).await;
        let breaker = Breaker::start_actix(&system, Breaker::default()).unwrap();
        let work = actix::spawn(breaker.send(Work { rounds: 1_000_000 }));
        yield_now().await;
        // In the mailbox, or at its head where the ring is full.
        let gone: Vec<_> = (0..500).map(|_| breaker.send(Deposit { n: 1 })).collect();
        drop(gone);
        soon("the long message", work).await.unwrap().unwrap().unwrap();
        assert_eq!(breaker.send(Deposit { n: 0 }).await.unwrap().unwrap(), 1_000_000);
        system.stop().await;
    });
}

/// AX-3: the same at the head of a mailbox that waits.
#[test]
fn a_caller_that_goes_while_its_message_waits_is_not_handled() {
    in_actix(async {
        let system = start(small()).await;
        let breaker = Breaker::start_actix(&system, Breaker::default()).unwrap();
        let handle = breaker.handle().await.unwrap();
        let (mut sum, mut tried) = (0, 0);
        for _ in 0..turns(20) {
            handle.send(Work { rounds: 3_000_000 }).await.unwrap();
            sum += 3_000_000;
            let fill = || handle.cast_many(&vec![Deposit { n: 1 }; 200]).unwrap() as u64;
            sum += fill();
            let call = actix::spawn(breaker.send(Deposit { n: 1_000_000_000 }));
            for _ in 0..5 {
                yield_now().await;
            }
            let more = fill();
            sum += more;
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
            // There was no room from before the call to its end: it was never sent.
            let is_known = more == 0 && handle.cast_many(&[const { Deposit { n: 0 } }]).unwrap() == 0;
            let now = soon("an answer", breaker.send(Deposit { n: 0 })).await.unwrap().unwrap();
            assert!(now == sum || !is_known, "{now} instead of {sum}");
            (sum, tried) = (now, tried + usize::from(is_known));
        }
        assert!(tried > 0, "the ring was not full for once");
        system.stop().await;
    });
}

/// AX-4.
#[test]
fn what_was_accepted_is_handled_before_the_end() {
    in_actix(async {
        let system = start(small()).await;
        for how in 0..3 {
            for _ in 0..turns(20) {
                let counter = Counter::start_actix(&system, Counter::default()).unwrap();
                let handle = counter.handle().await.unwrap();
                let mut ends = handle.ends();
                for _ in 0..50 {
                    counter.do_send(Tick);
                }
                let last = counter.send(Get);
                match how {
                    0 => drop(counter),
                    1 => handle.stop(),
                    _ => {
                        // Without its first address.
                        let (kept, weak) = (counter.clone().detached(), counter.downgrade());
                        drop((counter, kept));
                        for _ in 0..20 {
                            yield_now().await;
                        }
                        weak.upgrade().unwrap().do_send(Tick);
                        handle.stop();
                    }
                }
                assert_eq!(soon("the last call", last).await.unwrap().unwrap().total, 50);
                assert!(soon("its end", handle.ended()).await.is_none());
                let end = ends.next().await.unwrap();
                assert!(end.fault.is_none() && ends.next().await.is_none());
                assert_eq!(system.running(), 0);
                assert!(handle.addr().is_none() && matches!(handle.try_cast(Tick), Err(CastError::Stopped(_))));
            }
        }
        // With their system.
        let counters: Vec<_> = (0..10).map(|_| Counter::start_actix(&system, Counter::default()).unwrap()).collect();
        for counter in counters.iter().cycle().take(300) {
            counter.do_send(Tick);
        }
        let report = system.stop().await;
        assert_eq!((report.drained, report.killed, report.dead_letters), (10, 0, 0));
        for counter in counters {
            assert!(matches!(soon("an answer", counter.send(Get)).await, Err(MailboxError::Closed)));
            assert!(matches!(counter.try_send(Tick), Err(SendError::Closed(_))));
        }
    });
}

/// L-8: an older actor is told to stop once as many as stop at a time are newer and one of them has ended.
#[test]
fn with_their_system_the_newest_stop_first_whatever_has_started_them() {
    in_actix(async {
        let system = start(Config { shards: Some(3), capacity: 1024, ..Config::default() }).await;
        let nobodys = Handle::spawn(None, Counter::default(), &system).await.unwrap();
        let addr = Counter::start_actix(&system, Counter::default()).unwrap();
        let older = [nobodys, addr.handle().await.unwrap()];
        for _ in 0..100 {
            Counter::spawn(None, Counter::default(), &system).await.unwrap();
        }
        let shards = older.each_ref().map(|old| old.info().address.shard());
        let newest = loop {
            let (newest, _) = Breaker::spawn(None, Breaker::default(), &system).await.unwrap();
            if !shards.contains(&newest.info().address.shard()) {
                break newest;
            }
        };
        // It has not ended until this is over, and nothing keeps the older ones from it but their turn.
        let (port, _answer) = ractor::concurrency::oneshot();
        newest.send(BreakerMsg::Work(Work { rounds: 3_000_000 }, port.into())).await.unwrap();
        let told = async |old: &Handle<Counter>| {
            soon("its end", old.ended()).await;
            newest.get_status()
        };
        let (report, first, second) = tokio::join!(system.stop(), told(&older[0]), told(&older[1]));
        assert_eq!((first, second), (ractor::ActorStatus::Stopped, ractor::ActorStatus::Stopped));
        assert_eq!((report.killed, report.dead_letters), (0, 0));
    });
}

/// AX-4: nobody asks.
#[test]
fn an_arbiter_that_ends_takes_its_actors_along() {
    let keeper = tokio::runtime::Runtime::new().unwrap();
    let system = keeper.block_on(one_shard());
    for _ in 0..turns(10) {
        let (handle, addr) = in_actix(async {
            let arbiter = Arbiter::new();
            let there = Counter::start_in(&arbiter.handle(), &system, Counter::default()).unwrap();
            let here = Counter::start_actix(&system, Counter::default()).unwrap();
            let handles = (there.handle().await.unwrap(), here.handle().await.unwrap());
            for _ in 0..100 {
                there.do_send(Tick);
            }
            let call = there.send(Get);
            arbiter.stop();
            match soon("the call", call).await {
                Ok(count) => assert!(count.unwrap().total <= 100),
                Err(MailboxError::Closed) => {}
                Err(error) => panic!("{error}"),
            }
            assert!(soon("its end", handles.0.ended()).await.is_none());
            until("the address is closed", || !there.connected()).await;
            (handles.1, here)
        });
        // This one's system has ended.
        assert!(keeper.block_on(soon("its end", handle.ended())).is_none());
        keeper.block_on(until("the address is closed", || !addr.connected()));
        assert!(handle.try_cast(Tick).is_err());
        keeper.block_on(rows_are_free(&system));
    }
    keeper.block_on(system.stop());
}

/// AX-4: what the ring has is handled all the same.
#[test]
fn what_was_accepted_outlives_the_arbiter() {
    in_actix(async {
        let system = one_shard().await;
        let breaker = Breaker::start_free(&system, Breaker::default()).unwrap();
        let other = Handle::spawn(None, Player::default(), &system).await.unwrap();
        for round in 1..=turns(10) as u64 {
            let arbiter = Arbiter::new();
            let player = Player::start_in(&arbiter.handle(), &system, Player::default()).unwrap();
            player.send(Meet { next: other.address().await }).await.unwrap().unwrap();
            let handle = player.handle().await.unwrap();
            // Until this is over, nothing of what follows is handled.
            breaker.do_send(Work { rounds: 3_000_000 });
            breaker.handle().await.unwrap();
            assert_eq!(handle.cast_many(&vec![Ball { hops: 1 }; 100]).unwrap(), 100);
            arbiter.stop();
            arbiter.join().unwrap();
            assert!(!player.connected());
            until("the balls are there", || other.ask(&Show, PATIENCE).unwrap().kept == 100 * round).await;
            soon("its end", handle.ended()).await;
        }
        system.stop().await;
    });
}

/// AX-5.
#[test]
fn a_fault_reaches_its_caller_and_closes_the_address() {
    in_actix(async {
        let system = one_shard().await;
        for _ in 0..turns(30) {
            let panicker = Panicker::start_actix(&system, Panicker::default()).unwrap();
            let handle = panicker.handle().await.unwrap();
            panicker.send(CountUp).await.unwrap().unwrap();
            let behind = {
                let call = panicker.send(PanicInCall { how: EXPLICIT, value: 7 });
                let behind = panicker.send(CountUp);
                let fault = soon("the call", call).await.unwrap().unwrap_err();
                assert_eq!((fault.class, fault.actor, fault.handled), (FaultClass::Panic, handle.key(), 1));
                assert!(fault.text.contains("asked to panic with 7"), "{fault}");
                behind
            };
            match soon("the call behind it", behind).await {
                Ok(Err(fault)) => assert_eq!(fault.class, FaultClass::Panic),
                Err(MailboxError::Closed) => {}
                other => panic!("{other:?}"),
            }
            assert_eq!(soon("its end", handle.ended()).await.unwrap().class, FaultClass::Panic);
            until("the address is closed", || !panicker.connected()).await;
            assert!(matches!(panicker.send(CountUp).await, Err(MailboxError::Closed)));
            assert!(matches!(panicker.try_send(CountUp), Err(SendError::Closed(_))));
        }
        rows_are_free(&system).await;
        system.stop().await;
    });
}

/// AX-6.
#[test]
fn under_a_supervisor_it_is_restarted_and_its_mailbox_stays() {
    in_actix(async {
        let system = start(small()).await;
        let gpu = Gpu::new(&system, Panicker::default()).unwrap().named(unique("kept")).unwrap().mailbox(1000).unwrap();
        let panicker = actix::Supervisor::start(|_| gpu);
        let handle = panicker.handle().await.unwrap();
        let mut ends = handle.ends();
        let mut last = 0;
        for round in 1..=turns(200) as u64 {
            let calls: Vec<_> = (0..10)
                .map(|n| {
                    if n == 5 {
                        panicker.do_send(bang());
                    }
                    panicker.send(CountUp)
                })
                .collect();
            let mut answered = 0;
            for call in calls {
                match soon("a call", call).await.unwrap() {
                    Ok(count) => {
                        // Each incarnation counts from 1, and none is answered by an older one.
                        assert!(count == last + 1 || count == 1, "{count} behind {last}");
                        (last, answered) = (count, answered + 1);
                    }
                    Err(fault) => assert_eq!(fault.class, FaultClass::Panic),
                }
            }
            assert!(answered >= 5, "those ahead of the panic");
            let end = soon("the end of an incarnation", ends.next()).await.unwrap();
            assert_eq!((end.incarnation, end.fault.unwrap().class), (round, FaultClass::Panic));
            let count = soon("a call", panicker.send(CountUp)).await.unwrap().unwrap();
            assert!(count == last + 1 || count == 1, "{count} behind {last}");
            last = count;
            assert!(panicker.connected() && handle.info().incarnation == round + 1);
        }
        system.stop().await;
    });
}

/// AX-6: a message that comes while an incarnation is gone is the first that the next one gets.
#[test]
fn a_supervised_mailbox_loses_nothing_to_a_restart() {
    const EACH: u64 = 300;
    in_actix(async {
        let system = start(small()).await;
        let gpu = Gpu::new(&system, Ledger::default()).unwrap();
        let ledger = actix::Supervisor::start(|_| gpu);
        let handle = ledger.handle().await.unwrap();
        for round in 0..turns(30) as u64 {
            let incarnation = handle.info().incarnation;
            assert!(soon("the fault", ledger.send(Spoil { how: SPOIL_BY_WORD })).await.unwrap().is_err());
            // Known before any of these comes to its turn: they are for the next incarnation.
            let wanted = Ledger::of((0..EACH).map(|n| round * EACH + n));
            for n in 0..EACH {
                ledger.do_send(Append { n: round * EACH + n });
            }
            let page = soon("the page", ledger.send(Look)).await.unwrap().unwrap();
            assert_eq!((page.entries, page.digest), (wanted.entries, wanted.digest), "in their order, none lost");
            assert_eq!(handle.info().incarnation, incarnation + 1);
        }
        // Told to stop, it is not started again, whoever has an address.
        handle.stop();
        assert!(soon("its end", handle.ended()).await.is_none());
        assert!(matches!(soon("an answer", ledger.send(Look)).await, Err(MailboxError::Closed)));
        let before = system.dead_letters();
        ledger.do_send(Append { n: 0 });
        until("the lost message is counted", || system.dead_letters() == before + 1).await;
        assert_eq!(system.running(), 0);
        system.stop().await;
    });
}

/// AX-6: also where many messages come between a fault and the word of it.
#[test]
fn each_fault_is_one_restart() {
    in_actix(async {
        let system = start(small()).await;
        let gpu = Gpu::new(&system, Panicker::default()).unwrap();
        let panicker = actix::Supervisor::start(|_| gpu);
        let handle = panicker.handle().await.unwrap();
        let mut ends = handle.ends();
        for round in 1..=turns(300) as u64 {
            panicker.do_send(bang());
            for _ in 0..500 {
                panicker.do_send(CountUp);
            }
            soon("an answer", panicker.send(CountUp)).await.unwrap().ok();
            let end = soon("the end of an incarnation", ends.next()).await.unwrap();
            assert_eq!((end.incarnation, end.fault.map(|fault| fault.class)), (round, Some(FaultClass::Panic)));
        }
        // Behind whatever was said of the last one.
        soon("an answer", panicker.send(CountUp)).await.unwrap().unwrap();
        assert_eq!(handle.info().incarnation, turns(300) as u64 + 1);
        system.stop().await;
    });
}

/// AX-6: where there is no next incarnation, nothing goes round in circles.
#[test]
fn a_supervised_actor_ends_with_its_device() {
    in_actix(async {
        let system = start(small()).await;
        let gpu = Gpu::new(&system, Counter::default()).unwrap();
        let counter = actix::Supervisor::start(|_| gpu);
        counter.send(Tick).await.unwrap().unwrap();
        let handle = counter.handle().await.unwrap();
        system.control().kill();
        match soon("the loss of its device", counter.send(Get)).await {
            Ok(Ok(_)) | Err(MailboxError::Closed) => {}
            Ok(Err(fault)) => assert_eq!(fault.class, FaultClass::DeviceLost),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(soon("its end", handle.ended()).await.unwrap().class, FaultClass::DeviceLost);
        for _ in 0..10 {
            let fault = soon("an answer", counter.send(Get)).await.unwrap().unwrap_err();
            assert_eq!(fault.class, FaultClass::DeviceLost, "whoever comes later hears why");
        }
    });
}

/// SD-7
#[test]
fn an_actix_actor_is_placed_and_ends_with_its_device() {
    in_actix(async {
        let isolation = resident::Isolation::Process;
        let system = several(2, Config { isolation, intensity: (0, PATIENCE), ..small() }).await;
        let on = |device| system.placing(Placement::On(device));
        let here = Counter::start_actix(&on(0), Counter::default()).unwrap();
        let there = Counter::start_free(&on(1), Counter::default()).unwrap();
        let supervised = Gpu::new(&on(1), Counter::default()).unwrap();
        let supervised = actix::Supervisor::start(|_| supervised);
        let handles = [here.handle().await.unwrap(), there.handle().await.unwrap(), supervised.handle().await.unwrap()];
        let labels: Vec<_> = system.devices().iter().map(|device| device.label().to_owned()).collect();
        assert_eq!(handles.each_ref().map(|handle| handle.info().device.to_string()), [&*labels[0], &labels[1], &labels[1]]);
        assert!(matches!(Counter::start_actix(&on(2), Counter::default()), Err(SpawnError::Placement(_))));
        // A place that is kept counts, also ahead of its actor's start: one and two are there.
        let kept: Vec<_> = (0..5).map(|_| Gpu::new(&system, Counter::default()).unwrap()).collect();
        let mut placed = Vec::new();
        for gpu in kept {
            let counter = gpu.start_here().unwrap();
            let device = counter.handle().await.unwrap().info().device;
            placed.push(labels.iter().position(|label| **label == *device).unwrap());
        }
        assert_eq!(placed, [0, 0, 1, 0, 1]);

        kill(system.devices()[1].worker().expect("a process"));
        for handle in &handles[1..] {
            assert_eq!(soon("its end", handle.ended()).await.unwrap().class, FaultClass::DeviceLost);
        }
        assert_eq!(here.send(AddAndGet { amount: 3 }).await.unwrap().unwrap(), 3);
        let next = Counter::start_actix(&system, Counter::default()).unwrap();
        assert_eq!(*next.handle().await.unwrap().info().device, *labels[0]);
        drop((here, next));
        soon("the stop", system.stop()).await;
    });
}

/// AX-5, also where it has not been sent yet.
#[test]
fn a_call_that_waits_for_room_hears_the_fault() {
    in_actix(async {
        let system = start(Config { isolation: resident::Isolation::Process, ..small() }).await;
        // A worker that stands still takes nothing; the kernel of a process that does runs on.
        let worker = system.worker().filter(|_| system.device().kind == resident::DeviceKind::Cpu);
        for _ in 0..10 {
            let panicker = Panicker::start_actix(&system, Panicker::default()).unwrap();
            let handle = panicker.handle().await.unwrap();
            handle.address().await;
            if let Some(worker) = worker {
                freeze(worker);
                until("it stands still", || is_frozen(worker)).await;
            }
            while handle.try_cast(bang()).is_ok() {}
            let call = panicker.send(CountUp);
            // The bridge, on this very thread, finds no room.
            yield_now().await;
            worker.into_iter().for_each(thaw);
            match soon("the call", call).await {
                Ok(Err(fault)) => assert_eq!((fault.class, fault.actor), (FaultClass::Panic, handle.key())),
                other => assert!(worker.is_none() && matches!(other, Err(MailboxError::Closed)), "{other:?}"),
            }
            soon("its end", handle.ended()).await;
        }
        rows_are_free(&system).await;
        system.stop().await;
    });
}

/// AX-7.
#[test]
fn each_call_ends_once_however_its_actor_does() {
    const CALLS: usize = 10_000;
    let keeper = tokio::runtime::Runtime::new().unwrap();
    for how in 0..6 {
        let system = keeper.block_on(start(Config { shards: Some(1), isolation: resident::Isolation::Process, ..Config::default() }));
        in_actix(async {
            let arbiter = Arbiter::new();
            let gpu = Gpu::new(&system, Panicker::default()).unwrap();
            let panicker = gpu.start_on(&arbiter.handle()).unwrap();
            let handle = panicker.handle().await.unwrap();
            let answered = Arc::new(AtomicU64::new(0));
            let calls: Vec<_> = (0..CALLS)
                .map(|_| {
                    let (call, answered) = (panicker.send(CountUp), answered.clone());
                    actix::spawn(async move {
                        let answer = call.await;
                        answered.fetch_add(u64::from(matches!(answer, Ok(Ok(_)))), Ordering::Relaxed);
                        answer
                    })
                })
                .collect();
            until("some are answered", || answered.load(Ordering::Relaxed) > 0 || !panicker.connected()).await;
            yield_now().await;
            match how {
                0 => handle.stop(),
                1 => handle.kill(),
                2 => panicker.do_send(bang()),
                3 => system.worker().into_iter().for_each(kill),
                4 => drop(arbiter.stop()),
                _ => drop(panicker),
            }
            let mut replies = Vec::new();
            for call in calls {
                match soon("a call", call).await.unwrap() {
                    Ok(Ok(number)) => replies.push(number),
                    Ok(Err(fault)) => assert_eq!((how, fault.class), (2, FaultClass::Panic)),
                    Err(error) => assert!(matches!(error, MailboxError::Closed) && how != 3, "{how}: {error}"),
                }
            }
            // Each that was handled has answered its own call.
            replies.sort_unstable();
            assert!(replies.iter().copied().eq(1..=replies.len() as u64), "{how}: a reply is missing, or came twice");
            if how == 5 || how == 0 {
                assert!(!replies.is_empty());
            }
            if how == 3 {
                assert_eq!(replies.len(), CALLS);
                handle.stop();
            }
            soon("its end", handle.ended()).await;
            rows_are_free(&system).await;
            arbiter.stop();
        });
        keeper.block_on(system.stop());
    }
}

/// AX-8.
#[test]
fn a_handle_and_an_address_are_had_from_each_other() {
    in_actix(async {
        let system = one_shard().await;
        let name = unique("N14228");
        let counter = Gpu::new(&system, Counter::default()).unwrap().named(&name).unwrap().start_here().unwrap();
        assert!(matches!(Gpu::new(&system, Counter::default()).unwrap().named(&name), Err(SpawnError::Name(_))));
        for round in 1..=50 {
            for _ in 0..10 {
                counter.do_send(Tick);
            }
            // Behind what the address was given.
            let handle = counter.handle().await.unwrap();
            assert_eq!(handle.ask(&AddAndGet { amount: 0 }, PATIENCE).unwrap(), 10 * round);
            assert_eq!(handle.addr().as_ref(), Some(&counter));
        }
        let handle = counter.handle().await.unwrap();
        assert_eq!(handle.name(), Some(&*name));
        assert_eq!(handle.cast_many(&[Tick, Tick]).unwrap(), 2);
        let mut pipeline = Pipeline::new(&system, 4).unwrap();
        pipeline.submit(&handle, &AddAndGet { amount: 1 }).unwrap();
        assert_eq!(pipeline.next().unwrap(), 503);

        // A handle of an actor that is nobody's has no address; one of ractor's lives beside.
        assert!(Handle::spawn(None, Counter::default(), &system).await.unwrap().addr().is_none());
        let (framed, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
        assert_eq!(ractor::call!(framed, CounterMsg::AddAndGet, AddAndGet { amount: 3 }).unwrap(), 3);
        let player = Player::start_actix(&system, Player::default()).unwrap();
        let (other, _) = Player::spawn(None, Player::default(), &system).await.unwrap();
        player.send(Meet { next: other.address().await }).await.unwrap().unwrap();
        player.send(Ball { hops: 1 }).await.unwrap().unwrap();
        until("the ball is there", || other.ask(&Show, PATIENCE).unwrap().kept == 1).await;
        let report = system.stop().await;
        assert_eq!((report.drained, report.killed), (5, 0));
    });
}

/// AX-9.
#[test]
fn a_service_lives_on_the_system_that_was_named() {
    in_actix(async {
        let system = system().await;
        system.serve_registry().unwrap();
        let counter = Gpu::<Counter>::from_registry();
        counter.do_send(Add { amount: 2 });
        assert_eq!(Gpu::<Counter>::from_registry().send(AddAndGet { amount: 1 }).await.unwrap().unwrap(), 3);
        let local = <Gpu<Panicker> as actix::ArbiterService>::from_registry();
        assert_eq!(local.send(CountUp).await.unwrap().unwrap(), 1);
        assert!(local.send(PanicInCall { how: EXPLICIT, value: 0 }).await.unwrap().is_err());
        assert_eq!(local.send(CountUp).await.unwrap().unwrap(), 1, "services are supervised");
        let report = system.stop().await;
        assert_eq!((report.drained, report.killed), (2, 0));
    });
    // Nobody has named one, or it has gone.
    in_actix(async {
        assert!(matches!(soon("an answer", Gpu::<Counter>::from_registry().send(Get)).await, Err(MailboxError::Closed)));
        let gone = system().await;
        gone.serve_registry().unwrap();
        gone.stop().await;
        assert!(matches!(soon("an answer", Gpu::<Ledger>::from_registry().send(Look)).await, Err(MailboxError::Closed)));
    });
}

/// AX-14.
#[test]
fn the_device_has_an_actor_in_each_framework() {
    in_actix(async {
        let system = system().await;
        let device = system.control_actix().unwrap();
        assert!(device == system.control_actix().unwrap(), "there is one");
        let counter = Counter::start_actix(&system, Counter::default()).unwrap();
        let (framed, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
        counter.send(Tick).await.unwrap().unwrap();
        ractor::call!(framed, CounterMsg::Get).unwrap();
        assert_eq!(device.send(GetHealth).await.unwrap(), Health::Running);
        let numbers = device.send(GetSnapshot).await.unwrap();
        assert_eq!((numbers.running, numbers.messages), (2, 2));
        assert_eq!(numbers, ractor::call!(system.control(), DeviceMsg::Metrics).unwrap());
        assert_eq!(soon("the drain", device.send(Drain)).await.unwrap(), 2);
        rows_are_free(&system).await;

        // Either stops the system, and the other ends with it.
        let _counter = Counter::start_actix(&system, Counter::default()).unwrap();
        let loss = actix::spawn(device.send(Loss));
        let report = soon("the stop", device.send(Stop)).await.unwrap();
        assert_eq!((report.drained, report.killed), (1, 0));
        soon("the end of ractor's", resident::watch(system.control().get_cell())).await;
        assert_eq!(soon("the answer", loss).await.unwrap().unwrap(), None, "it was not lost");
        until("the address is closed", || !device.connected()).await;
        assert!(matches!(system.control_actix(), Err(SpawnError::Stopped)));

        let system = one_shard().await;
        let device = system.control_actix().unwrap();
        soon("the stop", async { ractor::call!(system.control(), DeviceMsg::Stop).unwrap() }).await;
        until("the address is closed", || !device.connected()).await;

        // With the last handle, and by `stop`.
        let system = one_shard().await;
        let device = system.control_actix().unwrap();
        let loss = actix::spawn(device.send(Loss));
        let ractors = system.control().clone();
        drop(system);
        soon("the end of ractor's", resident::watch(ractors)).await;
        assert_eq!(soon("the answer", loss).await.unwrap().unwrap(), None);
        let system = one_shard().await;
        let device = system.control_actix().unwrap();
        system.stop().await;
        assert_eq!(system.control().get_status(), ractor::ActorStatus::Stopped);
        until("the address is closed", || !device.connected()).await;
    });
}

/// AX-14: whoever ends the device, both hear of it.
#[test]
fn a_lost_device_is_told_to_each_framework() {
    in_actix(async {
        let system = one_shard().await;
        let device = system.control_actix().unwrap();
        let loss = actix::spawn(device.send(Loss));
        system.control().kill();
        let fault = soon("the loss", loss).await.unwrap().unwrap().expect("it was lost");
        assert!(fault.text.contains("ended without stopping it"), "{fault}");
        assert_eq!(device.send(GetHealth).await.unwrap(), Health::Failed(fault.clone()), "it goes on answering");
        assert_eq!(device.send(Loss).await.unwrap(), Some(fault.clone()));
        soon("a stop after that", system.stop()).await;
        until("the address is closed", || !device.connected()).await;
        // One that comes later is told, too.
        let system = one_shard().await;
        system.control().kill();
        until("it is lost", || Counter::start_free(&system, Counter::default()).is_err()).await;
        assert_eq!(system.control_actix().unwrap().send(Loss).await.unwrap(), Some(fault));
        system.stop().await;
    });
}

/// What an actix actor takes a [`Late`] for.
struct Alert(u64);

impl actix::Message for Alert {
    type Result = ();
}

impl From<Late> for Alert {
    fn from(late: Late) -> Alert {
        Alert(late.number)
    }
}

/// Expects alerts in their order.
struct Desk {
    next: u64,
    heard: Arc<AtomicU64>,
}

impl actix::Actor for Desk {
    type Context = actix::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4);
    }
}

impl actix::Handler<Alert> for Desk {
    type Result = ();

    fn handle(&mut self, alert: Alert, _: &mut Self::Context) {
        assert!(alert.0 >= self.next, "{} behind {}", alert.0, self.next);
        self.next = alert.0 + 1;
        self.heard.fetch_add(1, Ordering::Relaxed);
    }
}

/// AX-11.
#[test]
fn emitted_messages_wait_for_a_receiver_and_do_not_lose_it() {
    let keeper = tokio::runtime::Runtime::new().unwrap();
    let system = keeper.block_on(one_shard());
    let heard = Arc::new(AtomicU64::new(0));
    in_actix(async {
        let arbiter = Arbiter::new();
        let there = heard.clone();
        let desk = actix::Actor::start_in_arbiter(&arbiter.handle(), |_| Desk { next: 0, heard: there });
        system.route_to_recipient::<Late, Alert>(desk.clone().recipient()).unwrap();
        let emitter = Emitter::start_actix(&system, Emitter::default()).unwrap();
        for _ in 0..10 {
            emitter.send(EmitLate { count: 50, minutes: 1 }).await.unwrap().unwrap();
        }
        until("all are there", || heard.load(Ordering::Relaxed) == 500).await;
        assert_eq!(system.dead_letters(), 0);

        // Its thread stands still, so its mailbox is full, and then it goes on.
        let (go, stands) = std::sync::mpsc::channel::<()>();
        let (says, stood) = tokio::sync::oneshot::channel();
        arbiter.spawn_fn(move || {
            says.send(()).unwrap();
            stands.recv().unwrap();
        });
        stood.await.unwrap();
        emitter.send(EmitLate { count: 50, minutes: 1 }).await.unwrap().unwrap();
        // The mailbox holds four, and one for each of its senders.
        until("the others have waited for too long", || system.dead_letters() >= 40).await;
        go.send(()).unwrap();
        until("what it had room for", || heard.load(Ordering::Relaxed) + system.dead_letters() == 550).await;
        emitter.send(EmitLate { count: 1, minutes: 1 }).await.unwrap().unwrap();
        until("it is still the receiver", || heard.load(Ordering::Relaxed) + system.dead_letters() == 551).await;
        let lost = system.dead_letters();
        arbiter.stop();
        until("it has ended", || !desk.connected()).await;
        emitter.send(EmitLate { count: 1, minutes: 1 }).await.unwrap().unwrap();
        until("nobody takes it", || system.dead_letters() == lost + 1).await;
    });
    // A closure.
    let last = heard.clone();
    system.route_to(move |late: Late| last.fetch_max(late.number, Ordering::Relaxed) < late.number).unwrap();
    let emitter = keeper.block_on(Handle::spawn(None, Emitter { emitted: 1_000_000 }, &system)).unwrap();
    keeper.block_on(emitter.call(EmitLate { count: 1, minutes: 1 })).unwrap();
    keeper.block_on(until("the closure has it", || heard.load(Ordering::Relaxed) == 1_000_000));
    let desk = in_actix(async { actix::Actor::start(Desk { next: 0, heard: heard.clone() }) });
    assert_eq!(system.route_to_recipient::<Late, Alert>(desk.recipient()), Err(resident::RouteError::Runtime));
    keeper.block_on(system.stop());
}

/// A kind that nobody exports.
#[derive(State, Default)]
#[repr(C)]
struct Stray {
    n: u64,
}

#[derive(Message)]
struct Nudge;

#[resident_kernels::actor]
impl Stray {
    fn nudge(&mut self, _: &Nudge, _ctx: &mut Ctx) {
        self.n += 1;
    }
}

/// AX-10.
#[test]
fn what_cannot_be_started_says_why() {
    let keeper = tokio::runtime::Runtime::new().unwrap();
    let system = keeper.block_on(system());
    assert!(matches!(refused(Counter::start_actix(&system, Counter::default())), ActixError::NoArbiter));
    assert!(matches!(refused(system.serve_registry()), ActixError::NoArbiter));
    assert!(matches!(refused(Gpu::new(&system, Counter::default()).unwrap().mailbox(0)), ActixError::NoMailbox));
    in_actix(async {
        let arbiter = Arbiter::new();
        let handle = arbiter.handle();
        arbiter.stop();
        arbiter.join().unwrap();
        assert!(matches!(refused(Counter::start_in(&handle, &system, Counter::default())), ActixError::ArbiterStopped));
        match Stray::start_actix(&system, Stray::default()) {
            Err(SpawnError::Kind(kind)) => assert_eq!(kind, "Stray"),
            other => panic!("{other:?}"),
        }
        // A value that is never started gives its place back.
        drop(Gpu::new(&system, Counter::default()).unwrap());
        // As any actix actor would.
        let counter = Counter::start_actix(&system, Counter::default()).unwrap();
        let handle = counter.handle().await.unwrap();
        handle.kill();
        soon("its end", handle.ended()).await;
        assert!(matches!(handle.call(Get).await, Err(CallError::Unsent(CastError::Stopped(_)))));
        assert!(matches!(soon("an answer", counter.send(Get)).await, Err(MailboxError::Closed)));
    });
    keeper.block_on(rows_are_free(&system));
    keeper.block_on(system.stop());
    assert!(matches!(Counter::start_free(&system, Counter::default()), Err(SpawnError::Stopped)));
}
