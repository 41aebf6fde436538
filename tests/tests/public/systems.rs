//! Starting, stopping, the device's actor, and bad input on the way.

use std::time::Duration;

use ractor::{call, cast};
use resident::prelude::*;
use resident::{ArenaError, DeviceKind, DeviceMsg, DeviceStartError, Health, Pump, SpawnError, StartError, Wait};
use resident_test_actors::*;
use resident_tests::*;

#[tokio::test(flavor = "multi_thread")]
async fn it_says_which_device_and_why() {
    let system = System::start(Config::cpu()).await.unwrap();
    assert_eq!(system.device().kind, DeviceKind::Cpu);
    let text = system.device().to_string();
    assert!(text.contains("cpu") && text.contains("asked for"), "{text}");
    system.stop().await;
}

/// HO-17: a system's name is where somebody looks for it; `metrics.rs` has the labels.
#[tokio::test(flavor = "multi_thread")]
async fn a_system_has_a_name() {
    let name = unique("flights");
    let system = start(Config { name: Some(name.as_str().into()), ..Config::default() }).await;
    let other = start(Config::default()).await;
    assert_eq!((system.name(), other.name()), (Some(&*name), None));
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let (stranger, _) = Counter::spawn(None, Counter::default(), &other).await.unwrap();
    assert_eq!((counter.info().system.as_deref(), stranger.info().system), (Some(&*name), None));
    system.control().kill();
    soon("the loss of its device", counter.ended()).await;
    let said = reports::of(&name);
    assert_eq!(said.first().map(String::as_str), Some("started"));
    assert!(said.iter().any(|line| line.starts_with("device lost")), "{said:?}");
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_that_can_not_be_are_refused_with_advice() {
    let cpu = || Config::cpu();
    let refused = async |config: Config| match System::start(config).await {
        Err(StartError::Device(DeviceStartError::Options(text))) => text,
        other => panic!("{other:?}"),
    };
    assert!(refused(Config { capacity: 1000, ..cpu() }).await.contains("try 1024"));
    assert!(refused(Config { capacity: 1, ..cpu() }).await.contains("64"));
    assert!(refused(Config { shards: Some(0), ..cpu() }).await.contains("shards"));
    assert!(refused(Config { rows: 0, ..cpu() }).await.contains("rows"));
    assert!(refused(Config { names: u32::MAX, ..cpu() }).await.contains("names"));
    assert!(refused(Config { nursery: u32::MAX, ..cpu() }).await.contains("nursery"));
    assert!(refused(Config { nursery_bytes: 1 << 20, ..cpu() }).await.contains("nursery_bytes"));
    let none = Config { pump: Pump { threads: 0, ..Pump::default() }, ..cpu() };
    assert!(matches!(System::start(none).await, Err(StartError::NoPump)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gpu_it_says_what_is_missing() {
    let missing = match System::start(Config { devices: vec![DeviceOptions::cuda(9999)], ..Config::default() }).await {
        Err(StartError::Device(
            DeviceStartError::NoDriver(text)
            | DeviceStartError::OldDriver(text)
            | DeviceStartError::NoDevice(text)
            | DeviceStartError::NoHandlers(text),
        )) => text,
        other => panic!("{other:?}"),
    };
    assert!(!missing.is_empty());
    let system = System::start(Config::default()).await.unwrap();
    assert!(!system.device().reason.is_empty());
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    assert_eq!(call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 2 }).unwrap(), 2);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_for_a_pump_to_wait() {
    for (wait, threads) in [(Wait::Spin, 1), (Wait::Yield, 2), (Wait::Park, 3)] {
        let pump = Pump { threads, spin: Duration::ZERO, yield_for: Duration::ZERO, wait };
        let system = start(Config { pump, shards: Some(2), ..Config::default() }).await;
        for amount in 0..20 {
            let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
            assert_eq!(call!(counter, CounterMsg::AddAndGet, AddAndGet { amount }).unwrap(), amount);
        }
        assert_eq!(system.stop().await.drained, 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_whose_poller_is_a_thread_of_its_own() {
    let system = start(Config { cpu_threads: true, shards: Some(1), ..Config::default() }).await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    for _ in 0..1000 {
        counter.send(CounterMsg::Tick).await.unwrap();
    }
    assert_eq!(call!(counter, CounterMsg::Get).unwrap().total, 1000);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_arena_run_out_with_advice() {
    let system = start(Config { shards: Some(1), rows: 2, ..Config::default() }).await;
    let (first, join) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    Counter::spawn(None, Counter::default(), &system).await.unwrap();
    match Counter::spawn(None, Counter::default(), &system).await {
        Err(error @ SpawnError::Rows { shards: 1, rows: 2 }) => assert!(error.to_string().contains("more `rows`")),
        other => panic!("{other:?}"),
    }
    let old = first.info();
    first.stop(None);
    join.await.unwrap();
    let (next, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    assert_eq!(next.info().address.row(), old.address.row());
    assert_ne!(next.info().address.generation(), old.address.generation());
    assert!(first.try_cast(CounterMsg::Tick).is_err(), "an old handle does not reach the row's next actor");
    assert_eq!(call!(next, CounterMsg::Get).unwrap().added, 0);
    system.stop().await;

    let system = start(Config { shards: Some(1), arena_bytes: 1 << 17, ..Config::default() }).await;
    Big::spawn(None, Big::new(1), &system).await.unwrap();
    Big::spawn(None, Big::new(2), &system).await.unwrap();
    assert!(matches!(Big::spawn(None, Big::new(3), &system).await, Err(SpawnError::State(ArenaError::Exhausted { .. }))));
    assert_eq!(system.running(), 2);
    system.stop().await;
}

mod unexported {
    use resident_kernels::prelude::*;

    #[derive(State, Default)]
    #[repr(C)]
    pub struct Hidden {
        pub told: u64,
    }

    #[derive(Message)]
    #[repr(C)]
    pub struct Tell {
        pub what: u64,
    }

    #[actor]
    impl Hidden {
        fn tell(&mut self, msg: &Tell, _ctx: &mut Ctx) {
            self.told = msg.what;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_is_not_exported_is_refused() {
    let system = system().await;
    let _ = unexported::Tell { what: 1 };
    match unexported::Hidden::spawn(None, Default::default(), &system).await {
        Err(error @ SpawnError::Kind("Hidden")) => assert!(error.to_string().contains("export!")),
        other => panic!("{other:?}"),
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_is_orderly_and_final() {
    let system = system().await;
    let mut joins = Vec::new();
    let mut handles = Vec::new();
    for _ in 0..200 {
        let (counter, join) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
        cast!(counter, CounterMsg::Tick).unwrap();
        joins.push(join);
        handles.push(counter);
    }
    let report = soon("the stop", system.stop()).await;
    assert_eq!((report.drained, report.killed, report.dead_letters), (200, 0, 0));
    assert!(report.device.is_ok());
    for join in joins {
        join.await.unwrap();
    }
    assert!(handles[0].try_cast(CounterMsg::Tick).is_err());
    assert!(matches!(handles[0].ask(&Get, PATIENCE), Err(AskError::Stopped)));
    assert!(matches!(Counter::spawn(None, Counter::default(), &system).await, Err(SpawnError::Stopped)));
    assert_eq!(system.stop().await.drained, 200, "another stop tells the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_devices_actor_answers_and_stops_it() {
    let system = system().await;
    let (supervisor, mut heard) = supervisor().await;
    system.control().link(supervisor);
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    for _ in 0..10 {
        cast!(counter, CounterMsg::Tick).unwrap();
    }
    assert_eq!(call!(counter, CounterMsg::Get).unwrap().total, 10);
    assert_eq!(call!(system.control(), DeviceMsg::Health).unwrap(), Health::Running);
    let numbers = call!(system.control(), DeviceMsg::Metrics).unwrap();
    assert_eq!((numbers.running, numbers.messages, numbers.dead_letters, numbers.incarnation), (1, 11, 0, 1));
    assert_eq!(call!(system.control(), DeviceMsg::Drain).unwrap(), 1);
    until("the drained actor's row is free", || system.running() == 0).await;
    let (_counter, join) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let report = call!(system.control(), DeviceMsg::Stop).unwrap();
    assert_eq!(report.drained, 1);
    join.await.unwrap();
    assert!(matches!(heard.end().await, Event::Terminated(..)));
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_devices_actor_loses_the_device() {
    let system = system().await;
    let (supervisor, mut heard) = supervisor().await;
    let (counter, join) = Counter::spawn_linked(None, Counter::default(), &system, supervisor).await.unwrap();
    system.control().kill();
    soon("the actor's end", join).await.unwrap();
    let (who, fault) = heard.fault().await;
    assert_eq!((who, fault.class), (counter.get_id(), FaultClass::DeviceLost));
    assert!(counter.try_cast(CounterMsg::Tick).is_err());
    assert!(matches!(Counter::spawn(None, Counter::default(), &system).await, Err(SpawnError::Lost(_))));
    soon("a stop after that", system.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_clone_stops_the_system() {
    let system = system().await;
    let (counter, join) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let clone = system.clone();
    drop(system);
    assert!(call!(counter, CounterMsg::Get).is_ok());
    drop(clone);
    soon("the actor's end", join).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_ends_takes_the_system_with_it() {
    tokio::task::spawn_blocking(|| {
        for _ in 0..3 {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let (system, counter) = runtime.block_on(async {
                let system = system().await;
                let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
                assert!(call!(counter, CounterMsg::Get).is_ok());
                (system, counter)
            });
            drop(runtime);
            assert!(counter.try_cast(CounterMsg::Tick).is_err());
            assert!(counter.ask(&Get, PATIENCE).is_err());
            drop(system);
        }
    })
    .await
    .unwrap();
}
