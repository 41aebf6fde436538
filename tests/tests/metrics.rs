//! What a program tells of itself, as a scraper sees it. Alone in its process, which has one recorder; systems are told apart by their labels.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use ractor::{ActorRef, call, cast};
use resident::Isolation;
use resident::guardian::{InFlight, Restore, Strategy};
use resident::metrics::{InstallError, install};
use resident::prelude::*;
use resident_test_actors::*;
use resident_tests::family::runs;
use resident_tests::served::{Page, get};
use resident_tests::*;
use tokio::sync::OnceCell;

static SERVED: OnceCell<SocketAddr> = OnceCell::const_new();

/// Where this program serves its metrics. The first who asks has a system count something before that.
async fn served() -> SocketAddr {
    let begin = async || {
        let early = named("early").await;
        let (counter, _) = Counter::spawn(None, Counter::default(), &early).await.unwrap();
        cast!(counter, CounterMsg::Tick).unwrap();
        call!(counter, CounterMsg::Get).unwrap();
        let address = install(([127, 0, 0, 1], 0).into()).unwrap();
        until("the system that was there before is served", || {
            let sent = Page::of(address).value("resident_messages_sent_total", &[("system", "early"), ("kind", "Counter")]);
            sent == Some(2.0)
        })
        .await;
        early.stop().await;
        address
    };
    *SERVED.get_or_init(begin).await
}

/// A metric's name, some of its labels, and its value.
type Expected = (&'static str, &'static [(&'static str, &'static str)], f64);

async fn named(name: &str) -> System {
    start(Config { name: Some(name.into()), capacity: 1024, ..Config::default() }).await
}

/// MT-4: whoever installs the recorder late, as the first here does, gets all of it.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_happened() {
    let address = served().await;
    let system = named("what").await;
    let (supervisor, mut heard) = supervisor().await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let (_kept, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let (panicker, _) = Panicker::spawn_linked(None, Panicker::default(), &system, supervisor).await.unwrap();
    let (emitter, _) = Emitter::spawn(None, Emitter::default(), &system).await.unwrap();
    let group = Failer::spawn_many(None, (0..3u64).map(|key| (key, Failer::default())), &system).await.unwrap().0;
    group.tell_all(&FailWith { code: 0 }).await.unwrap();
    group.tell(&1, FailerMsg::Fail).unwrap();
    let plain: ActorRef<CounterMsg> = counter.clone().into();
    for _ in 0..5 {
        cast!(counter, CounterMsg::Tick).unwrap();
        cast!(plain, CounterMsg::Tick).unwrap();
    }
    call!(plain, CounterMsg::Get).unwrap();
    let asking = tokio::task::spawn_blocking({
        let counter = counter.clone();
        move || {
            for _ in 0..128 {
                counter.ask(&Get, Duration::from_secs(60)).unwrap();
            }
        }
    });
    soon("the asking", asking).await.unwrap();
    cast!(panicker, PanickerMsg::Panic(Panic { how: EXPLICIT, value: 1 })).unwrap();
    heard.fault().await;
    cast!(emitter, EmitterMsg::EmitLate(EmitLate { count: 7, minutes: 1 })).unwrap();
    until("the emitted messages were counted", || system.dead_letters() == 7).await;
    counter.stop_and_wait(None, None).await.unwrap();
    until("two actors and the group are left", || system.running() == 5).await;
    let device = format!("{}:{}", system.device().kind.as_str(), system.device().ordinal);
    let all: &[Expected] = &[
        ("resident_actors_running", &[("kind", "Counter")], 1.0),
        ("resident_actors_running", &[("kind", "Panicker")], 0.0),
        ("resident_actors_running", &[("kind", "Failer")], 3.0),
        ("resident_messages_sent_total", &[("kind", "Failer"), ("path", "ring")], 4.0),
        ("resident_messages_sent_total", &[("kind", "Counter"), ("path", "ring")], 5.0),
        ("resident_messages_sent_total", &[("kind", "Counter"), ("path", "mailbox")], 6.0),
        ("resident_messages_sent_total", &[("kind", "Counter"), ("path", "direct")], 128.0),
        ("resident_faults_total", &[("class", "failed")], 1.0),
        ("resident_faults_total", &[("class", "panic")], 1.0),
        ("resident_faults_total", &[], 2.0),
        ("resident_dead_letters_total", &[], 7.0),
        ("resident_device_launches", &[], 1.0),
        ("resident_standby_failures_total", &[], 0.0),
        ("resident_ring_slots_used", &[], 0.0),
        // One mailbox call, and of 128 direct ones two.
        ("resident_call_seconds_count", &[("kind", "Counter")], 3.0),
        ("resident_call_seconds_bucket", &[("kind", "Counter"), ("le", "+Inf")], 3.0),
    ];
    until("the report", || {
        let page = Page::of(address);
        let of = |labels: &[(&'static str, &'static str)]| [&[("system", "what"), ("device", &*device)], labels].concat();
        all.iter().all(|(name, labels, value)| page.value(name, &of(labels)) == Some(*value))
            && page.value("resident_pump_lag_seconds_count", &of(&[])) > Some(0.0)
    })
    .await;

    let checkpoint = system.checkpoint(resident::Scope::Device).await.unwrap();
    assert!(counter.checkpoint().await.is_err(), "it has stopped");
    let value = |name: &str| Page::of(address).value(name, &[("system", "what")]);
    until("the failed checkpoint is served", || value("resident_checkpoint_errors_total") == Some(1.0)).await;
    assert_eq!(value("resident_checkpoint_bytes_sum"), Some(checkpoint.state_bytes() as f64));
    let (took, pause) = (value("resident_checkpoint_seconds_sum").unwrap(), value("resident_checkpoint_pause_seconds_sum").unwrap());
    assert!(pause > 0.0 && pause <= took, "{pause} s of {took} s");
    system.stop().await;
    assert_eq!(value("resident_actors_running"), Some(0.0), "it has ended");
}

/// MT-3.
#[tokio::test(flavor = "multi_thread")]
async fn systems_of_one_name_are_told_apart() {
    let address = served().await;
    let (first, second) = (named("pair").await, named("pair").await);
    assert_eq!((first.label(), second.label(), second.name()), ("pair", "pair-2", Some("pair")));
    let (_one, _) = Counter::spawn(None, Counter::default(), &first).await.unwrap();
    for _ in 0..2 {
        Counter::spawn(None, Counter::default(), &second).await.unwrap();
    }
    let running = |system: &str| Page::of(address).value("resident_actors_running", &[("system", system), ("kind", "Counter")]);
    until("both are served", || (running("pair"), running("pair-2")) == (Some(1.0), Some(2.0))).await;
    first.stop().await;
    let next = named("pair").await;
    assert_eq!(next.label(), "pair");
    next.stop().await;
    second.stop().await;
}

/// MT-6.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_installed_says_why() {
    let address = served().await;
    let taken = install(address).unwrap_err();
    assert!(matches!(taken, InstallError::InUse(of) if of == address), "{taken}");
    assert!(taken.to_string().contains("in use") && taken.to_string().contains("choose another"), "{taken}");
    // One of the addresses that are for examples, so no machine's.
    let elsewhere = install(([192, 0, 2, 1], 0).into()).unwrap_err();
    assert!(matches!(&elsewhere, InstallError::Address { address, .. } if address.ip().to_string() == "192.0.2.1"), "{elsewhere}");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let again = install(free).unwrap_err();
    assert!(matches!(again, InstallError::Installed), "{again}");
    TcpListener::bind(free).expect("the address is free again");
}

/// MT-6: a scraper that hangs, or asks for something else, keeps nobody from the metrics.
#[tokio::test(flavor = "multi_thread")]
async fn scrapers_that_hang_are_given_up() {
    let address = served().await;
    let hanging: Vec<_> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert!(get(address, "/metrics").unwrap().contains("resident_supervisor_starts_total"));
    drop(hanging);
    assert!(get(address, "/elsewhere").unwrap().starts_with("HTTP/1.1 404 "));
    let scrapes: Vec<_> = (0..200).map(|_| std::thread::spawn(move || get(address, "/metrics").unwrap().len())).collect();
    for scrape in scrapes {
        assert!(scrape.join().unwrap() > 1000);
    }
}

/// MT-2: what the shards, the device and the host's own tables say.
#[tokio::test(flavor = "multi_thread")]
async fn a_system_tells_how_it_stands() {
    let address = served().await;
    let config = Config { name: Some("stand".into()), shards: Some(2), capacity: 1024, rows: 64, nursery: 0, ..Config::default() };
    let system = start(Config { arena_bytes: 1 << 20, journal: 8, ..config }).await;
    let value = |name: &str| Page::of(address).value(name, &[("system", "stand")]);
    let soon_is = async |name: &str, value_is: f64| until(name, || value(name) == Some(value_is)).await;
    soon_is("resident_device_up", 1.0).await;
    assert_eq!((value("resident_checkpoint_age_seconds"), value("resident_journal_fill_ratio")), (None, None), "there was none");
    assert_eq!((value("resident_rows_used"), value("resident_rows_free")), (Some(0.0), Some(128.0)));

    let (alarm, _) = Alarm::spawn(None, Alarm::default(), &system).await.unwrap();
    let whom = alarm.address().await;
    cast!(alarm, AlarmMsg::Set(Set { whom, times: 3, place: 0, millis: 3_600_000, instead: 0 })).unwrap();
    cast!(alarm, AlarmMsg::Unset(Unset { place: 0 })).unwrap();
    soon_is("resident_timers_waiting", 2.0).await;
    soon_is("resident_rows_used", 1.0).await;
    let page = Page::of(address);
    let of = |name: &str| page.value(name, &[("system", "stand")]).unwrap();
    assert_eq!(of("resident_rows_free"), 127.0);
    let (used, free) = (of("resident_arena_used_bytes"), of("resident_arena_free_bytes"));
    assert!(used >= size_of::<Alarm>() as f64 && used + free == f64::from(1 << 20), "{used} and {free}");
    assert_eq!(value("resident_arena_largest_free_bytes"), Some(65536.0));

    let sup = Supervisor::builder(unique("sup")).intensity(u32::MAX, PATIENCE);
    let child = ChildSpec::gpu("ledger", Ledger::default).restore(Restore::LatestCheckpoint).in_flight(InFlight::Replay).on(&system);
    let sup = soon("the start", sup.child(child).start()).await.unwrap();
    let ledger = sup.child::<Ledger>("ledger").await.unwrap();
    for n in 0..4 {
        cast!(ledger, LedgerMsg::Append(Append { n })).unwrap();
    }
    system.checkpoint(resident::Scope::Device).await.unwrap();
    soon_is("resident_journal_fill_ratio", 0.5).await;
    until("the checkpoint grows old", || value("resident_checkpoint_age_seconds") > Some(0.0)).await;

    // Those behind the first find their actor failed, unless the application has heard of it before it sent them.
    let refusals = async {
        while system.dead_letters() == 0 {
            let (failer, _) = Failer::spawn(None, Failer::default(), &system).await.unwrap();
            (0..8).for_each(|_| drop(cast!(failer, FailerMsg::Fail)));
            failer.ended().await;
        }
    };
    soon("a refusal", refusals).await;
    until("what was refused is served", || value("resident_frames_refused_total") > Some(0.0)).await;
    let page = Page::of(address);
    let of = |name: &str| page.value(name, &[("system", "stand")]).unwrap();
    assert!(of("resident_frames_handled_total") >= 4.0);
    assert_eq!(of("resident_shard_handled_frames_sum"), of("resident_frames_handled_total"));
    assert_eq!(of("resident_shard_handled_frames_count"), of("resident_ring_depth_slots_count"));
    soon("the end", sup.stop()).await.unwrap();
    system.stop().await;
    assert_eq!(value("resident_device_up"), Some(0.0));
    assert_eq!(value("resident_devices_lost_total"), Some(0.0));
}

/// MT-2: a loss that another worker has taken over from, and one that nobody can.
#[tokio::test(flavor = "multi_thread")]
async fn losses_and_takeovers_are_told() {
    let address = served().await;
    let config = Config { name: Some("losses".into()), shards: Some(2), intensity: (2, PATIENCE), ..Config::default() };
    let system = start(Config { isolation: Isolation::Process, ..config }).await;
    let value = |name: &str, labels: &[(&str, &str)]| Page::of(address).value(name, &[&[("system", "losses")], labels].concat());
    for losses in 1..=2 {
        until("a worker stands by", || value("resident_standby_ready", &[]) == Some(1.0)).await;
        kill(system.worker().expect("a process"));
        let told = Some(f64::from(losses));
        until("the takeover is told", || value("resident_takeover_seconds_count", &[]) == told).await;
        until("the loss is told", || value("resident_worker_losses_total", &[("class", "worker")]) == told).await;
        until("the launch is told", || value("resident_device_launches", &[]) == Some(f64::from(losses + 1))).await;
        assert_eq!((value("resident_device_up", &[]), value("resident_devices_lost_total", &[])), (Some(1.0), Some(0.0)));
    }
    kill(system.worker().expect("a process"));
    until("the loss of the device is told", || value("resident_devices_lost_total", &[]) == Some(1.0)).await;
    until("it is down", || value("resident_device_up", &[]) == Some(0.0)).await;
    system.stop().await;
}

/// MT-1: what is served is what the page says, by name, type, labels and meaning.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_lists_what_is_served() {
    let address = served().await;
    let config = Config { name: Some("page".into()), journal: 8, isolation: Isolation::Process, ..Config::default() };
    let system = start(config).await;
    let child = ChildSpec::gpu("ledger", Ledger::default).restore(Restore::LatestCheckpoint).in_flight(InFlight::Replay).on(&system);
    let sup = soon("the start", Supervisor::builder(unique("sup")).child(child).start()).await.unwrap();
    system.checkpoint(resident::Scope::Device).await.unwrap();
    let told = || Page::of(address).value("resident_checkpoint_age_seconds", &[("system", "page")]).is_some();
    until("everything is served that a system may tell", told).await;

    let served = Page::of(address);
    let listed = include_str!("../../docs/metrics.md").lines().filter_map(|line| {
        let [_, name, ty, _, labels, meaning, ..] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else { return None };
        let name = name.strip_prefix("`resident_")?.strip_suffix('`')?;
        let labels = labels.split(", ").map(|label| label.trim_matches('`').to_owned()).filter(|label| !label.is_empty()).collect();
        Some((format!("resident_{name}"), (ty.to_owned(), meaning.to_owned(), labels)))
    });
    let listed: BTreeMap<String, (String, String, BTreeSet<String>)> = listed.collect();
    let served = served.metrics.iter().map(|(name, (ty, help))| (name.clone(), (ty.clone(), help.clone(), served.labels(name))));
    assert_eq!(served.collect::<BTreeMap<_, _>>(), listed);
    soon("the end", sup.stop()).await.unwrap();
    system.stop().await;
}

/// MT-7: as many series of a system with one actor, and of one supervisor, as with many.
#[tokio::test(flavor = "multi_thread")]
async fn series_do_not_grow_with_actors_and_supervisors() {
    const ACTORS: u64 = 100_000;
    const SUPERVISORS: u64 = 1000;
    let address = served().await;
    let config = |name: &str| Config { name: Some(name.into()), shards: Some(2), rows: 60_000, ..Config::default() };
    let (few, many) = (start(config("few")).await, start(config("many")).await);
    let supervised = async |system: &System| {
        let one = Supervisor::builder(unique("made-up")).child(ChildSpec::gpu("child", Counter::default).on(system));
        soon("the start", one.start()).await.unwrap()
    };
    let one = supervised(&few).await;
    let series = |system: &str| {
        let page = Page::of(address);
        let of_all = page.series.iter().filter(|(name, ..)| name.starts_with("resident_supervisor_")).count();
        (page.series.iter().filter(|(_, labels, _)| labels.get("system").is_some_and(|of| of == system)).count(), of_all)
    };
    let running = |system: &str| Page::of(address).value("resident_actors_running", &[("system", system), ("kind", "Counter")]);
    until("the one is served", || running("few") == Some(1.0)).await;
    let before = series("few");

    let group = soon("a group", Counter::spawn_many(None, (0..ACTORS).map(|key| (key, Counter::default())), &many)).await.unwrap().0;
    let mut supervisors = Vec::new();
    for _ in 0..SUPERVISORS {
        supervisors.push(supervised(&many).await);
    }
    until("the many are served", || running("many") == Some((ACTORS + SUPERVISORS) as f64)).await;
    let starts = Page::of(address).value("resident_supervisor_starts_total", &[]).unwrap();
    assert!(starts > SUPERVISORS as f64, "{starts}");
    assert_eq!(series("many"), before);
    soon("the end", one.stop()).await.unwrap();
    for supervisor in supervisors {
        soon("the end", supervisor.stop()).await.unwrap();
    }
    drop(group);
    few.stop().await;
    many.stop().await;
}

/// SD-5
#[tokio::test(flavor = "multi_thread")]
async fn a_systems_devices_are_told_apart() {
    let address = served().await;
    let config = || Config {
        name: Some("wide".into()),
        shards: Some(2),
        isolation: Isolation::Process,
        intensity: (0, PATIENCE),
        ..Config::default()
    };
    let system = several(2, config()).await;
    // Its first device would have the label, its second has not.
    let other = several(2, config()).await;
    assert_eq!((system.label(), other.label()), ("wide", "wide-2"));
    let devices = system.devices();
    for (device, actors) in [(0, 1), (1, 3)] {
        for _ in 0..actors {
            let (counter, _) = Counter::spawn(None, Counter::default(), &system.placing(Placement::On(device))).await.unwrap();
            call!(counter, CounterMsg::Get).unwrap();
        }
    }
    let of_each = |name: &str, system: &str| {
        let page = Page::of(address);
        devices.iter().map(|device| page.value(name, &[("system", system), ("device", device.label())])).collect::<Vec<_>>()
    };
    until("both are served", || of_each("resident_actors_running", "wide") == [Some(1.0), Some(3.0)]).await;
    until("both are served", || of_each("resident_messages_sent_total", "wide") == [Some(1.0), Some(3.0)]).await;
    kill(devices[1].worker().expect("a process"));
    until("one is lost", || of_each("resident_device_up", "wide") == [Some(1.0), Some(0.0)]).await;
    assert_eq!(of_each("resident_devices_lost_total", "wide"), [Some(0.0), Some(1.0)]);
    assert_eq!(of_each("resident_device_up", "wide-2"), [Some(1.0), Some(1.0)]);
    soon("the stop", system.stop()).await;
    soon("the stop", other.stop()).await;
}

/// SD-10: what goes to another device is counted where it is from. What is sent later is kept there, and taken back by whoever has its timer,
/// on whichever device.
#[tokio::test(flavor = "multi_thread")]
async fn what_goes_between_devices_is_told() {
    let address = served().await;
    let system = several(2, Config { name: Some("between".into()), shards: Some(1), ..Config::default() }).await;
    let alarm = async |device| Alarm::spawn(None, Alarm::default(), &system.placing(Placement::On(device))).await.unwrap().0;
    let (near, far) = (alarm(0).await, alarm(1).await);
    let whom = far.address().await;
    let set = Set { whom, times: 1, place: 0, millis: 3_600_000, instead: 0 };
    near.send(AlarmMsg::Set(set.clone())).await.unwrap();
    // One of the other device's, whose shard has the same number.
    far.send(AlarmMsg::Set(set)).await.unwrap();
    let devices = system.devices();
    let of_each = |name: &str| {
        let page = Page::of(address);
        devices.iter().map(|device| page.value(name, &[("system", "between"), ("device", device.label())])).collect::<Vec<_>>()
    };
    until("each keeps one", || of_each("resident_timers_waiting") == [Some(1.0), Some(1.0)]).await;
    near.send(AlarmMsg::HandOn(HandOn { whom, place: 0 })).await.unwrap();
    until("one is taken back", || of_each("resident_timers_waiting") == [Some(0.0), Some(1.0)]).await;
    until("it was sent there", || of_each("resident_messages_relayed_total") == [Some(1.0), Some(0.0)]).await;
    system.stop().await;
}

/// MT-2: restarts are told by their supervisor's strategy and by their reason.
#[tokio::test(flavor = "multi_thread")]
async fn restarts_have_a_strategy_and_a_reason() {
    let address = served().await;
    let system = named("restarts").await;
    let child = |id: &str| ChildSpec::gpu(id.to_owned(), Panicker::default).on(&system);
    let sup = Supervisor::builder(unique("sup")).strategy(Strategy::OneForAll).intensity(u32::MAX, PATIENCE);
    let sup = soon("the start", sup.child(child("a")).child(child("b")).start()).await.unwrap();
    let a = sup.child::<Panicker>("a").await.unwrap();
    // No other supervisor of this program has this strategy.
    let restarts = |reason: &str| {
        let labels = [("strategy", "one_for_all"), ("reason", reason)];
        Page::of(address).value("resident_supervisor_restarts_total", &labels).unwrap()
    };
    cast!(a, PanickerMsg::Panic(Panic { how: EXPLICIT, value: 1 })).unwrap();
    until("both are started again", || (restarts("failed"), restarts("stopped")) == (1.0, 1.0)).await;
    runs(&sup, "b", 2).await;
    sup.terminate_child("b").await.unwrap();
    sup.restart_child("b").await.unwrap();
    runs(&sup, "a", 2).await;
    a.get_cell().kill();
    until("it is started again", || restarts("killed") == 1.0).await;
    assert_eq!((restarts("finished"), restarts("lost"), restarts("start")), (0.0, 0.0, 0.0));
    soon("the end", sup.stop()).await.unwrap();
    system.stop().await;
}
