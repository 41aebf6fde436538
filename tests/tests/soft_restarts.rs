//! Restarts in place use nothing up. Alone in its process, which counts ractor's actors.

use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef, call};
use resident::guardian::ChildSpec;
use resident::prelude::*;
use resident_test_actors::{EXPLICIT, Panic, Panicker, PanickerMsg};
use resident_tests::*;

const RESTARTS: u64 = 10_000;

/// An actor that does nothing.
struct Idle;

#[ractor::actor(message = (), state = (), arguments = ())]
impl Idle {
    async fn pre_start(&self, _: ActorRef<()>, _: ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

/// ractor counts its actors up.
async fn actors_so_far() -> u64 {
    let (idle, _) = Idle::spawn(None, Idle, ()).await.unwrap();
    idle.stop(None);
    idle.get_id().pid()
}

/// B25.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_leave_nothing_behind() {
    // One row and little room: whatever is not given back is missed.
    let system = start(Config { shards: Some(1), rows: 1, arena_bytes: 1 << 16, ..Config::default() }).await;
    let child = ChildSpec::gpu("child", Panicker::default).on(&system);
    let sup = Supervisor::builder("soft").intensity(u32::MAX, Duration::from_secs(1)).child(child).start().await.unwrap();
    let actor = sup.child::<Panicker>("child").await.unwrap();
    let (id, generation) = (actor.get_id(), actor.info().address.generation());
    let before = actors_so_far().await;
    let mut took = Vec::new();
    for _ in 0..RESTARTS {
        let fault = call!(actor, PanickerMsg::PanicInCall, resident_test_actors::PanicInCall { how: EXPLICIT, value: 1 });
        assert!(fault.is_err(), "{fault:?}");
        let begun = Instant::now();
        assert_eq!(call!(actor, PanickerMsg::CountUp).unwrap(), 1, "a fresh state");
        took.push(begun.elapsed());
    }
    assert_eq!(actors_so_far().await, before + 1, "no actor was spawned meanwhile");
    assert_eq!(sup.child::<Panicker>("child").await.unwrap().get_id(), id);
    assert_eq!(u64::from(actor.info().address.generation() - generation), RESTARTS);
    assert_eq!((system.running(), system.dead_letters()), (1, 0));
    took.sort_unstable();
    println!("from a fault's news to the next reply: p50 {:?}, p99 {:?}", took[took.len() / 2], took[took.len() * 99 / 100]);

    actor.send(PanickerMsg::Panic(Panic { how: EXPLICIT, value: 1 })).await.unwrap();
    sup.stop().await.unwrap();
    assert_eq!(system.running(), 0);
    let (_, join) = Panicker::spawn(None, Panicker::default(), &system).await.expect("row and state are free for another");
    system.stop().await;
    join.await.unwrap();
}
