//! Lives as several threads carry them out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use resident_kernels::prelude::{Ctx, Message, State, actor};
use tokio::runtime::Runtime;

use super::*;
use crate::config::Config;
use crate::fault::FaultClass;
use crate::shard::frames::encoded;
use crate::system::System;
use crate::who::Who;

#[derive(State, Default)]
#[repr(C)]
struct Spark {
    struck: u64,
}

#[derive(Message)]
struct Strike;

#[actor]
impl Spark {
    fn strike(&mut self, _: &Strike, _: &mut Ctx) {
        self.struck += 1;
    }
}

resident_kernels::export!(Spark);

/// A proxy that only counts what it is told.
struct Counting {
    who: Who,
    stops: AtomicU64,
    kills: AtomicU64,
}

impl Shell for Counting {
    fn who(&self) -> &Who {
        &self.who
    }

    fn takes_messages(&self) -> bool {
        true
    }

    fn stop(&self, _: Option<String>) {
        self.stops.fetch_add(1, Ordering::Relaxed);
    }

    fn drain(&self) {}

    fn kill(&self) {
        self.kills.fetch_add(1, Ordering::Relaxed);
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn stopped(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn drained(&self, _: Duration) -> BoxFuture<'_, bool> {
        Box::pin(async { true })
    }
}

/// H-1, H-3: one thread fails it, one keeps it, one ends it, all at once.
#[test]
fn lives_end_whoever_does_what_meanwhile() {
    let runtime = Runtime::new().unwrap();
    let system = runtime.block_on(System::start(Config { shards: Some(2), ..Config::cpu() })).unwrap();
    let state = encoded(&Spark::default());
    let (mut begun, mut heard) = (0, 0);
    for round in 0..400 {
        let shell =
            Arc::new(Counting { who: Who { key: ActorKey::next(), name: None }, stops: AtomicU64::new(0), kills: AtomicU64::new(0) });
        let told = Arc::new(AtomicU64::new(0));
        let keeper: Keeper = {
            let told = told.clone();
            Box::new(move || {
                told.fetch_add(1, Ordering::Relaxed);
                true
            })
        };
        let home = Home::new(shell.clone(), Place::claim::<Spark>(&system).unwrap(), Some(keeper), None);
        home.life().spawn(&state);
        home.open();
        thread::scope(|scope| {
            scope.spawn(|| {
                while !home.has_ended() {
                    let life = home.life().clone();
                    life.fail(FaultClass::Failed, None, "struck".into());
                    life.stop_proxy();
                    thread::yield_now();
                }
            });
            scope.spawn(|| {
                while home.rest(round % 2 == 0) {
                    drop(runtime.block_on(home.rested()));
                    let place = Place::claim::<Spark>(&system);
                    let begun = place.and_then(|place| home.restart(place, |_| Beginning::fresh(state.clone())));
                    if begun.is_err() && !home.has_ended() {
                        // So that the others end, too.
                        home.abandon();
                        panic!("{begun:?}");
                    }
                }
            });
            scope.spawn(|| {
                let some = 1 + round % 5;
                while home.life().number < some && !home.has_ended() {
                    thread::yield_now();
                }
                match round % 3 {
                    0 => drop(runtime.block_on(home.finish())),
                    1 => home.retire(),
                    _ => home.abandon(),
                }
            });
        });
        // As the framework does with a proxy that has ended.
        home.abandon();
        let life = home.life().clone();
        // Also that of one that came too late to begin.
        let since = Instant::now();
        while system.running() > 0 {
            assert!(since.elapsed() < Duration::from_secs(60), "each row is free at last");
            thread::yield_now();
        }
        let told = told.load(Ordering::Relaxed);
        assert!(told <= life.number, "{told} faults of {} incarnations", life.number);
        assert_eq!(shell.stops.load(Ordering::Relaxed) + shell.kills.load(Ordering::Relaxed), u64::from(round % 3 == 1));
        (begun, heard) = (begun + life.number, heard + told);
    }
    assert!(begun > 1000 && heard > 0, "{begun} incarnations, {heard} faults told");
    runtime.block_on(system.stop());
}
