//! Several devices in one system: what is of each, what is of the system, and what one costs that is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ractor::call;
use resident::checkpoint::{CheckpointError, RestoreError, Scope, StateOf, every};
use resident::guardian::{DeviceSlot, End, InFlight, Restore, Strategy, SupervisorError};
use resident::prelude::*;
use resident::{
    Class, DeviceFault, DeviceMsg, DevicesError, Health, Isolation, PlacementError, RouteError, SpawnError, StartError, StopError,
};
use resident_kernels::prelude::Address;
use resident_test_actors::*;
use resident_tests::family::{LONG, runs};
use resident_tests::*;

/// Two devices of two shards each, whose first lost worker is one too many.
async fn frail() -> System {
    several(2, Config { shards: Some(2), isolation: Isolation::Process, intensity: (0, LONG), ..Config::default() }).await
}

async fn two(config: Config) -> System {
    several(2, Config { shards: Some(2), capacity: 1024, ..config }).await
}

fn labels(system: &System) -> Vec<String> {
    system.devices().iter().map(|device| device.label().to_owned()).collect()
}

/// An actor on a device of this place.
async fn counter(system: &System, device: usize) -> GpuRef<Counter> {
    Counter::spawn(None, Counter::default(), &system.placing(Placement::On(device))).await.unwrap().0
}

/// Loses a device for good.
async fn lose(system: &System, device: usize) {
    let device = &system.devices()[device];
    kill(device.worker().expect("a process"));
    until("the device is lost for good", || matches!(device.health(), Health::Failed(_))).await;
}

async fn add(counter: &GpuRef<Counter>, amount: u64) -> u64 {
    soon("an answer", async { call!(counter, CounterMsg::AddAndGet, AddAndGet { amount }).unwrap() }).await
}

/// SD-1
#[tokio::test(flavor = "multi_thread")]
async fn devices_that_cannot_be_are_refused() {
    let start = async |devices: Vec<DeviceOptions>| match System::start(Config { devices, ..Config::default() }).await {
        Err(error) => error,
        Ok(system) => panic!("{system:?}"),
    };
    let (cpu, cuda) = (DeviceOptions::cpu(), DeviceOptions::cuda(1));
    for (devices, why) in [
        (vec![], DevicesError::None),
        (vec![cuda.clone(), cpu.clone(), cuda], DevicesError::Twice(1)),
        (vec![cpu.clone(); 17], DevicesError::Many(17)),
        (vec![cpu.clone(), DeviceOptions::auto()], DevicesError::Beside),
    ] {
        let error = start(devices).await;
        assert!(matches!(&error, StartError::Devices(found) if *found == why) && error.to_string().contains("`devices`"), "{error:?}");
    }
    // One that is not there costs the others their start.
    let error = start(vec![cpu, DeviceOptions::cuda(9999)]).await;
    assert!(matches!(error, StartError::Device(_)), "{error:?}");
}

/// SD-2
#[tokio::test(flavor = "multi_thread")]
async fn eight_devices_are_each_one_of_their_own() {
    let system = several(8, Config { shards: Some(1), isolation: Isolation::Process, standby: false, ..Config::default() }).await;
    let labels = labels(&system);
    assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), 8, "{labels:?}");
    assert!(labels.iter().all(|label| label.starts_with("cpu:")) || labels[0] == "cuda:0");
    let workers: BTreeSet<_> = system.devices().iter().map(|device| device.worker().expect("a process")).collect();
    assert_eq!(workers.len(), 8);
    let mut counters = Vec::new();
    for device in 0..8 {
        counters.push(counter(&system, device).await);
    }
    for (counter, label) in counters.iter().zip(&labels) {
        assert_eq!(*counter.info().device, **label);
        assert_eq!(add(counter, 7).await, 7);
        assert_eq!(counter.ask(&AddAndGet { amount: 1 }, PATIENCE).unwrap(), 8);
    }
    let running: Vec<_> = system.devices().iter().map(|device| (device.running(), device.snapshot().messages)).collect();
    assert_eq!((running, system.running()), (vec![(1, 2); 8], 8));
    until("each says what it has handled", || system.devices().iter().all(|device| device.snapshot().handled > 2)).await;
    let sum = call!(system.control(), DeviceMsg::Metrics).unwrap();
    assert!(sum.messages == 16 && sum.handled >= 3 * 8, "{sum:?}");
    let report = soon("the stop", system.stop()).await;
    assert_eq!((report.drained, report.killed, report.dead_letters, report.devices.len()), (8, 0, 0, 8));
    assert!(report.device.is_ok() && report.devices.iter().zip(&labels).all(|((of, stopped), label)| **of == **label && stopped.is_ok()));
}

/// SD-2: a device that stands for itself has the shards that it says.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_has_its_own_shards() {
    let cpu = |shards| DeviceOptions { shards: Some(shards), ..DeviceOptions::cpu() };
    let devices = vec![cpu(1), DeviceOptions::cpu(), cpu(3)];
    let system = System::start(Config { devices, shards: Some(2), ..Config::default() }).await.unwrap();
    assert_eq!(system.devices().iter().map(|device| device.info().shards).collect::<Vec<_>>(), [1, 2, 3]);
    // By actors for each shard: in the end all are as full.
    for _ in 0..12 {
        Counter::spawn(None, Counter::default(), &system).await.unwrap();
    }
    assert_eq!(system.devices().iter().map(|device| device.running()).collect::<Vec<_>>(), [2, 4, 6]);
    system.stop().await;
}

/// SD-3
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_device_costs_its_own_actors_alone() {
    for (lost, left) in [(0, 1), (1, 0)] {
        let system = frail().await;
        let (supervisor, mut heard) = supervisor().await;
        let (over, mut control) = resident_tests::supervisor().await;
        system.control().link(over);
        let (there, here) = (system.placing(Placement::On(lost)), system.placing(Placement::On(left)));
        let (doomed, end) = Counter::spawn_linked(None, Counter::default(), &there, supervisor).await.unwrap();
        let handle = Handle::spawn(None, Counter::default(), &there).await.unwrap();
        let (group, group_end) = Counter::spawn_many(None, (0..10u64).map(|key| (key, Counter::default())), &there).await.unwrap();
        let bystander = counter(&here, left).await;
        let (crowd, _) = Counter::spawn_many(None, (0..10u64).map(|key| (key, Counter::default())), &here).await.unwrap();

        let going_on = async {
            for n in 1..=2000 {
                assert_eq!(add(&bystander, 1).await, n, "it is not disturbed");
            }
        };
        tokio::join!(going_on, lose(&system, lost));
        let (who, fault) = heard.fault().await;
        assert_eq!((who, fault.class, &*fault.device), (doomed.get_id(), FaultClass::DeviceLost, &*labels(&system)[lost]));
        assert_eq!(soon("its end", handle.ended()).await.unwrap().class, FaultClass::DeviceLost);
        soon("the ends", async { (end.await.unwrap(), group_end.await.unwrap()) }).await;
        assert!(group.tell(&1, CounterMsg::Tick).is_err());

        // The system runs, and whoever is not told where to start starts on what is left.
        assert_eq!(call!(system.control(), DeviceMsg::Health).unwrap(), Health::Running);
        assert_eq!(system.devices()[left].health(), Health::Running);
        for _ in 0..4 {
            let next = Counter::spawn(None, Counter::default(), &system).await.unwrap().0;
            assert_eq!((&*next.info().device, add(&next, 3).await), (&*labels(&system)[left], 3));
            Counter::spawn(None, Counter::default(), &system.placing(Placement::Spread)).await.unwrap();
        }
        assert!(matches!(Counter::spawn(None, Counter::default(), &there).await, Err(SpawnError::Lost(_))));
        let sum = soon("a fold", crowd.fold(&AddAndGet { amount: 2 }, 0, |sum, _, count| sum + count)).await.unwrap();
        assert_eq!((sum.value, sum.failed), (20, 0));
        assert!(!control.has_more());

        // With the last device the system is lost.
        lose(&system, left).await;
        match control.end().await {
            Event::Failed(_, error) => assert_eq!(error.downcast_ref::<DeviceFault>().map(|fault| fault.class), Some(Class::Worker)),
            other => panic!("{other:?}"),
        }
        assert!(matches!(Counter::spawn(None, Counter::default(), &system).await, Err(SpawnError::Lost(_))));
        let report = soon("the stop", system.stop()).await;
        assert!(report.devices.iter().all(|(_, stopped)| matches!(stopped, Err(StopError::Failed(_)))), "{report:?}");
    }
}

/// SD-3: a worker that another takes over from is nobody else's matter.
#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_is_of_one_device() {
    let config = Config { shards: Some(2), isolation: Isolation::Process, ..Config::default() };
    let system = several(2, config).await;
    let (one, other) = (counter(&system, 0).await, counter(&system, 1).await);
    let worker = system.devices()[0].worker();
    kill(system.devices()[1].worker().expect("a process"));
    until("the takeover", || matches!(system.devices()[1].losses(), (1, Some(last)) if last.resumed.is_some())).await;
    assert_eq!((add(&one, 1).await, add(&other, 2).await), (1, 2));
    assert_eq!((system.devices()[0].losses().0, system.devices()[0].worker()), (0, worker));
    soon("the stop", system.stop()).await.device.unwrap();
}

/// SD-4
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_drains_both_devices() {
    let system = two(Config::default()).await;
    let mut counters = Vec::new();
    for n in 0..200 {
        counters.push(counter(&system, n % 2).await);
    }
    let stopping = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..2)
        .map(|half| {
            let (counters, stopping) = (counters.clone(), stopping.clone());
            tokio::spawn(async move {
                let mut sent = 0u64;
                while !stopping.load(Ordering::Relaxed) {
                    for counter in counters.iter().skip(half).step_by(2) {
                        sent += u64::from(counter.send(CounterMsg::Tick).await.is_ok());
                    }
                    tokio::task::yield_now().await;
                }
                sent
            })
        })
        .collect();
    until("there is load on both", || system.devices().iter().all(|device| device.snapshot().messages > 1000)).await;
    let report = soon("the stop", system.stop()).await;
    stopping.store(true, Ordering::Relaxed);
    for sender in senders {
        assert!(soon("the sender", sender).await.unwrap() > 0);
    }
    assert_eq!((report.drained, report.killed, report.dead_letters), (200, 0, 0), "what was accepted is handled");
    assert!(report.devices.len() == 2 && report.device.is_ok(), "{report:?}");
    assert_eq!(system.running(), 0);
}

/// SD-4: while the newest are held up, an older one takes messages, though nothing is in the way of its own device.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_is_drained_first_whichever_its_device() {
    // As many as drain at a time.
    const WINDOW: usize = 64;
    let system = two(Config { isolation: Isolation::Process, ..Config::default() }).await;
    let old = counter(&system, 0).await;
    for _ in 0..WINDOW {
        // There, before nothing more comes to be.
        counter(&system, 1).await.address().await;
    }
    let worker = system.devices()[1].worker().expect("a process");
    freeze(worker);
    until("it stands still", || is_frozen(worker)).await;
    let stopping = tokio::spawn({
        let system = system.clone();
        async move { system.stop().await }
    });
    let is_stopping = async || matches!(Counter::spawn(None, Counter::default(), &system).await, Err(SpawnError::Stopped));
    family::eventually("the stop has begun", is_stopping).await;
    for n in 1..=100 {
        assert_eq!(add(&old, 1).await, n);
    }
    thaw(worker);
    let report = soon("the stop", stopping).await.unwrap();
    // Those that came between are among them.
    assert!(report.drained > WINDOW && report.killed == 0 && report.device.is_ok(), "{report:?}");
}

/// SD-6
#[tokio::test(flavor = "multi_thread")]
async fn names_and_routes_are_the_systems() {
    let system = two(Config::default()).await;
    let on = |device| system.placing(Placement::On(device));
    let name = unique("tower");
    let first = Handle::spawn(Some(name.clone()), Counter::default(), &on(0)).await.unwrap();
    assert!(matches!(Handle::spawn(Some(name.clone()), Counter::default(), &on(1)).await, Err(SpawnError::Name(_))));
    first.stop();
    first.ended().await;
    let second = Handle::spawn(Some(name), Counter::default(), &on(1)).await.unwrap();
    assert_eq!(*second.info().device, *labels(&system)[1]);

    let name = unique("radar");
    Counter::spawn(Some(name.clone()), Counter::default(), &on(1)).await.unwrap();
    assert!(matches!(Counter::spawn(Some(name.clone()), Counter::default(), &on(0)).await, Err(SpawnError::Name(_))));
    let found = GpuRef::<Counter>::where_is(&name, &system).unwrap();
    assert_eq!(add(&found, 5).await, 5);

    let parcels = Arc::new(AtomicU64::new(0));
    let taken = parcels.clone();
    let routed: Result<(), RouteError> = system.route_to(move |_: Parcel| taken.fetch_add(1, Ordering::Relaxed) < u64::MAX);
    routed.unwrap();
    for device in 0..2 {
        let (emitter, _) = Emitter::spawn(None, Emitter::default(), &on(device)).await.unwrap();
        call!(emitter, EmitterMsg::EmitParcel).unwrap();
    }
    until("one of each device", || parcels.load(Ordering::Relaxed) == 2).await;

    // A handler looks on its own device.
    let name = unique("kin");
    let (kin, _) = Kin::spawn(Some(name.clone()), Kin::default(), &on(1)).await.unwrap();
    let (near, _) = Kin::spawn(None, Kin::default(), &on(1)).await.unwrap();
    let (far, _) = Kin::spawn(None, Kin::default(), &on(0)).await.unwrap();
    kin.address().await;
    let find = async |by: &GpuRef<Kin>| call!(by, KinMsg::Find, Find::kin(&name)).unwrap().address;
    assert_eq!((find(&near).await, find(&far).await), (kin.info().address, Address::NOBODY));
    system.stop().await;
}

/// SD-7
#[tokio::test(flavor = "multi_thread")]
async fn actors_start_where_they_are_placed() {
    let system = two(Config::default()).await;
    let labels = labels(&system);
    let at = |actor: &GpuRef<Counter>| labels.iter().position(|label| **label == *actor.info().device).unwrap();
    let spawn = async |placement| at(&Counter::spawn(None, Counter::default(), &system.placing(placement)).await.unwrap().0);
    for round in 0..4 {
        assert_eq!(spawn(Placement::Spread).await, round % 2);
    }
    for _ in 0..3 {
        assert_eq!(spawn(Placement::On(1)).await, 1);
    }
    // Two are on the first, five on the second.
    for _ in 0..3 {
        assert_eq!(spawn(Placement::LeastLoaded).await, 0);
    }
    // Those that start at the same time see each other's places.
    let before = system.devices().iter().map(|device| device.running()).collect::<Vec<_>>();
    let spawns = (0..200).map(|_| {
        let system = system.clone();
        async move { Counter::spawn(None, Counter::default(), &system).await.unwrap() }
    });
    for spawned in spawns.map(tokio::spawn).collect::<Vec<_>>() {
        soon("a spawn", spawned).await.unwrap();
    }
    let more: Vec<_> = system.devices().iter().zip(before).map(|(device, before)| device.running() - before).collect();
    assert!(more.iter().sum::<usize>() == 200 && more[0].abs_diff(more[1]) < 20, "{more:?}");

    let handle = Handle::spawn(None, Counter::default(), &system.placing(Placement::On(1))).await.unwrap();
    assert_eq!(spawn(Placement::Near(handle.key())).await, 1);
    let on_first = system.placing(Placement::On(0));
    let (group, _) = Counter::spawn_many(None, (0..6u64).map(|key| (key, Counter::default())), &on_first).await.unwrap();
    let member = group.member(&3).await.unwrap();
    assert_eq!((at(&member), spawn(Placement::Near(member.key())).await), (0, 0));
    let sup = Supervisor::builder(unique("sup"));
    let sup = sup.child(ChildSpec::gpu("there", Counter::default).placement(Placement::On(1)).on(&system));
    let sup = sup.child(ChildSpec::gpu("here", Counter::default).on(&on_first)).start().await.unwrap();
    let child = async |id: &str| at(&sup.child::<Counter>(id).await.unwrap());
    assert_eq!((child("there").await, child("here").await), (1, 0));
    sup.stop().await.unwrap();

    let refused = async |placement| match Counter::spawn(None, Counter::default(), &system.placing(placement)).await {
        Err(SpawnError::Placement(error)) => error,
        other => panic!("{other:?}"),
    };
    let error = refused(Placement::On(2)).await;
    assert!(matches!(error, PlacementError::NoDevice { device: 2, .. }), "{error:?}");
    assert!(labels.iter().all(|label| error.to_string().contains(label)), "it says what there is: {error}");
    handle.kill();
    handle.ended().await;
    assert!(matches!(refused(Placement::Near(handle.key())).await, PlacementError::NoActor { .. }));
    system.stop().await;
}

/// SD-7: where a device has no room the next one takes the actor, unless the device is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_device_is_passed_over() {
    let system = several(2, Config { shards: Some(1), rows: 4, ..Config::default() }).await;
    let on = |device| system.placing(Placement::On(device));
    for _ in 0..4 {
        counter(&system, 0).await;
    }
    assert!(matches!(Counter::spawn(None, Counter::default(), &on(0)).await, Err(SpawnError::Rows { shards: 1, rows: 4 })));
    // A group of three has room on the second alone.
    let (group, _) =
        Counter::spawn_many(None, (0..3u64).map(|key| (key, Counter::default())), &system.placing(Placement::Spread)).await.unwrap();
    assert_eq!((group.len(), system.devices()[1].running()), (3, 3));
    let (last, join) = Counter::spawn(None, Counter::default(), &system.placing(Placement::Spread)).await.unwrap();
    match Counter::spawn(None, Counter::default(), &system).await {
        Err(error @ SpawnError::Rows { shards: 2, rows: 4 }) => assert!(error.to_string().contains("more `rows`")),
        other => panic!("{other:?}"),
    }
    let wide = Counter::spawn_many(None, (0..2u64).map(|key| (key, Counter::default())), &system).await;
    assert!(matches!(wide, Err(SpawnError::Members { wanted: 2, free: 0 })), "{:?}", wide.err());
    last.stop(None);
    soon("its end", join).await.unwrap();
    counter(&system, 1).await;
    system.stop().await;
}

/// SD-8
#[tokio::test(flavor = "multi_thread")]
async fn a_child_of_a_lost_device_starts_on_another() {
    let devices = vec![DeviceOptions::cpu(); 2];
    let config = Config { devices, shards: Some(2), intensity: (0, LONG), journal: 64, ..Config::default() };
    let gpu = DeviceSlot::new("gpu");
    let ledger = ChildSpec::gpu("ledger", Ledger::default).restore(Restore::LatestCheckpoint).in_flight(InFlight::Replay).on(&gpu);
    // One restart it may have.
    let sup = Supervisor::builder(unique("sup")).intensity(1, LONG).child(ChildSpec::device(&gpu, config)).child(ledger);
    let sup = soon("the start", sup.start()).await.unwrap();
    let (system, ledger) = (gpu.system().unwrap(), sup.child::<Ledger>("ledger").await.unwrap());
    for n in 0..5 {
        ledger.send(LedgerMsg::Append(Append { n })).await.unwrap();
    }
    soon("a checkpoint", ledger.checkpoint().into_future()).await.unwrap();
    for n in 5..9 {
        ledger.send(LedgerMsg::Append(Append { n })).await.unwrap();
    }
    assert_eq!(*ledger.info().device, *labels(&system)[0]);
    lose(&system, 0).await;
    runs(&sup, "ledger", 2).await;
    runs(&sup, "gpu", 1).await;
    assert_eq!(*ledger.info().device, *labels(&system)[1]);
    let page = soon("an answer", async { call!(ledger, LedgerMsg::Look) }).await.unwrap();
    let Ledger { entries, digest, balance } = Ledger::of(0..9);
    assert_eq!((page.entries, page.digest, page.balance), (entries, digest, balance), "its last checkpoint, and what its journal has");
    let found = GpuRef::<Ledger>::of(ledger.get_cell(), &system).expect("it is found where it lives");
    assert_eq!(found.info(), ledger.info());
    soon("the end", sup.stop()).await.unwrap();
}

/// SD-8: with the last device, all wait for the next system, which counts as the device's restart.
#[tokio::test(flavor = "multi_thread")]
async fn children_of_a_lost_system_wait_for_the_next() {
    let config = Config { devices: vec![DeviceOptions::cpu(); 2], shards: Some(1), intensity: (0, LONG), ..Config::default() };
    let gpu = DeviceSlot::new("gpu");
    let on = |id: &str, device| ChildSpec::gpu(id.to_owned(), Counter::default).placement(Placement::On(device)).on(&gpu);
    let sup = Supervisor::builder(unique("sup")).strategy(Strategy::RestForOne).intensity(1, LONG);
    let sup = soon("the start", sup.child(ChildSpec::device(&gpu, config)).child(on("a", 0)).child(on("b", 1)).start()).await.unwrap();
    let (a, b) = (sup.child::<Counter>("a").await.unwrap(), sup.child::<Counter>("b").await.unwrap());
    gpu.system().unwrap().control().kill();
    runs(&sup, "b", 2).await;
    assert_eq!((add(&a, 1).await, add(&b, 2).await), (1, 2));
    assert_ne!(a.info().device, b.info().device);
    soon("the end", sup.stop()).await.unwrap();
}

/// SD-8: a child that has to be on the device that is lost cannot start, and its supervisor hears why.
#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_has_to_be_on_a_lost_device_gives_up() {
    let system = frail().await;
    let sup = Supervisor::builder(unique("sup")).intensity(2, LONG);
    let sup = sup.child(ChildSpec::gpu("child", Counter::default).placement(Placement::On(1)).on(&system)).start().await.unwrap();
    lose(&system, 1).await;
    match soon("the end", sup.ended()).await {
        Err(error @ SupervisorError::Ended { end: End::Intensity { .. }, .. }) => {
            assert!(matches!(error.root().downcast_ref(), Some(SpawnError::Lost(_))), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(system.devices()[0].health(), Health::Running);
    system.stop().await;
}

/// SD-9
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_of_one_device_and_says_so() {
    let system = two(Config::default()).await;
    let labels = labels(&system);
    let names = [unique("first"), unique("second")];
    let on = |device| system.placing(Placement::On(device));
    for (device, name) in names.iter().enumerate() {
        let (counter, _) = Counter::spawn(Some(name.clone()), Counter::default(), &on(device)).await.unwrap();
        add(&counter, 10 + device as u64).await;
    }
    for scope in [Scope::Device, Scope::kind::<Counter>()] {
        let error = system.checkpoint(scope).await.unwrap_err();
        assert!(matches!(error, CheckpointError::Devices(2)) && error.to_string().contains("Placement::On"), "{error}");
    }
    assert!(matches!(on(7).checkpoint(Scope::Device).await, Err(CheckpointError::Placement(PlacementError::NoDevice { .. }))));
    let refused = every(Duration::from_millis(1)).start(&system);
    assert!(refused.last_error().unwrap().contains("2 devices") && refused.errors() == 1);
    until("it has ended", || refused.has_ended()).await;

    let mut of_each = Vec::new();
    for (device, name) in names.iter().enumerate() {
        let checkpoint = soon("a checkpoint", on(device).checkpoint(Scope::Device).into_future()).await.unwrap();
        assert_eq!((checkpoint.actors().len(), &*checkpoint.taken().device), (1, &*labels[device]));
        assert_eq!(checkpoint.state_of::<Counter>(name).unwrap().total, 10 + device as u64);
        of_each.push(checkpoint);
    }
    let mut periodic = every(Duration::from_millis(1)).start(&on(1));
    while periodic.taken() < 2 && soon("another", periodic.changed()).await {}
    assert_eq!(periodic.latest().unwrap().actors().len(), 1);
    periodic.stop().await;
    soon("the stop", system.stop()).await.device.unwrap();

    // Restored, each on the device that is named, with what the other has in the same system.
    let system = two(Config::default()).await;
    for (device, checkpoint) in of_each.iter().enumerate() {
        let there = system.placing(Placement::On(1 - device));
        let back = soon("the restore", there.restore::<Counter>(checkpoint, None)).await.unwrap();
        let [actor] = &back.actors[..] else { panic!("{back:?}") };
        assert_eq!(*actor.actor.info().device, *labels[1 - device]);
        assert_eq!(add(&actor.actor, 0).await, 10 + device as u64);
        assert!(GpuRef::<Counter>::where_is(&names[device], &system).is_some());
    }
    system.stop().await;
}

/// SD-9
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_shares_the_actors_out() {
    let first = start(Config { shards: Some(3), capacity: 1024, ..Config::default() }).await;
    let names: Vec<_> = (0..20).map(|n| unique(&format!("ledger-{n}"))).collect();
    for (n, name) in (0..).zip(&names) {
        Ledger::spawn(Some(name.clone()), Ledger::of(0..n), &first).await.unwrap();
    }
    let checkpoint = soon("a checkpoint", first.checkpoint(Scope::Device).into_future()).await.unwrap();
    soon("the stop", first.stop()).await.device.unwrap();

    // Two devices with room for twelve each.
    let system = several(2, Config { shards: Some(2), rows: 6, capacity: 1024, ..Config::default() }).await;
    let running = || system.devices().iter().map(|device| device.running()).collect::<Vec<_>>();
    let restore = async |placement| soon("the restore", system.placing(placement).restore::<Ledger>(&checkpoint, None)).await;
    for (placement, shares) in [(Placement::LeastLoaded, [10, 10]), (Placement::Spread, [10, 10])] {
        let back = restore(placement).await.unwrap();
        assert_eq!((back.actors.len(), running()), (20, shares.to_vec()));
        let keys: Vec<_> = back.actors.iter().map(|actor| actor.key).collect();
        assert_eq!(keys, checkpoint.actors().iter().map(|actor| actor.key).collect::<Vec<_>>(), "in the checkpoint's order");
        for (n, name) in (0..).zip(&names) {
            let ledger = GpuRef::<Ledger>::where_is(name, &system).unwrap();
            let page = soon("a page", async { call!(ledger, LedgerMsg::Look) }).await.unwrap();
            assert_eq!((page.entries, page.digest), (Ledger::of(0..n).entries, Ledger::of(0..n).digest));
        }
        for restored in back.actors {
            restored.actor.stop(None);
            soon("its end", restored.join).await.unwrap();
        }
        assert_eq!(running(), [0, 0]);
    }
    // One device has no room for all, nor have both where five are on them; then nobody is back.
    for _ in 0..2 {
        assert!(matches!(restore(Placement::On(1)).await, Err(RestoreError::Spawn(SpawnError::Rows { .. }))));
        assert_eq!(running(), [0, 0]);
    }
    for _ in 0..5 {
        counter(&system, 0).await;
    }
    assert!(matches!(restore(Placement::LeastLoaded).await, Err(RestoreError::Spawn(SpawnError::Rows { .. }))));
    assert_eq!(running(), [5, 0]);
    system.stop().await;
}

/// SD-11
#[tokio::test(flavor = "multi_thread")]
async fn direct_calls_and_pipelines_go_to_each_device() {
    let system = two(Config::default()).await;
    let counters = [counter(&system, 0).await, counter(&system, 1).await];
    let piping = tokio::task::spawn_blocking({
        let system = system.clone();
        move || {
            let one = AddAndGet { amount: 1 };
            for n in 1..=100 {
                assert_eq!(counters.each_ref().map(|counter| counter.ask(&one, PATIENCE).unwrap()), [n, n]);
            }
            let mut pipeline = Pipeline::<Counter, AddAndGet>::new(&system, 4).unwrap();
            for n in 1..=100u64 {
                for counter in &counters {
                    pipeline.submit(counter, &one).unwrap();
                    pipeline.submit(counter, &one).unwrap();
                    let other = counters.iter().find(|other| other.get_id() != counter.get_id()).unwrap();
                    assert!(matches!(pipeline.submit(other, &one), Err(AskError::OtherDevice)));
                    assert_eq!([pipeline.next().unwrap(), pipeline.next().unwrap()], [100 + 2 * n - 1, 100 + 2 * n]);
                }
            }
        }
    });
    soon("the answers", piping).await.unwrap();
    system.stop().await;
}
