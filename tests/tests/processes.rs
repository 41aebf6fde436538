//! What is left of an application that ends, in whichever way: nothing. And which programs a worker may be.
//!
//! What counts processes and descriptors runs in a process of its own: this program again, with one ignored test by its name.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use ractor::{call, cast};
use resident::guardian::{InFlight, Restore};
use resident::prelude::*;
use resident::{Class, DeviceFault, DeviceKind, DeviceMsg, DeviceStartError, Isolation, Scope, StartError, StopError};
use resident_test_actors::*;
use resident_tests::application::*;
use resident_tests::*;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// More losses than any test makes.
const ANY: (u32, Duration) = (1_000_000, Duration::from_secs(3600));

async fn start_process(config: Config) -> System {
    start(Config { shards: Some(2), isolation: Isolation::Process, ..config }).await
}

async fn ready(system: &System) -> u32 {
    until("a worker stands by", || system.standby().is_some()).await;
    system.standby().expect("it stands by")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "an application that others start and kill"]
async fn waits_to_be_killed() {
    if !is_application() {
        return;
    }
    let system = start_process(Config::default()).await;
    say("running", system.worker().expect("a process"));
    say("ready", ready(&system).await);
    std::future::pending().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "an application that others start and kill"]
async fn kills_its_workers_until_it_is_killed() {
    if !is_application() {
        return;
    }
    let system = start_process(Config { intensity: ANY, ..Config::default() }).await;
    let mut last = None;
    for losses in 0.. {
        until("another worker", || system.worker() != last).await;
        last = system.worker();
        last.into_iter().for_each(kill);
        if losses % 10 == 3 {
            say("lost", losses);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_killed_leaves_no_process() {
    let starting = Application::start("waits_to_be_killed");
    starting.are_at_least(2).await;
    starting.dies().await;

    let mut running = Application::start("waits_to_be_killed");
    let worker = running.says("running").parse().expect("a number");
    assert!(running.processes().contains(&worker));
    running.dies().await;

    let mut ready = Application::start("waits_to_be_killed");
    let standby = ready.says("ready").parse().expect("a number");
    assert!(ready.processes().contains(&standby) && ready.processes().len() == 3);
    ready.dies().await;

    // Frozen, they can not see that their link is closed.
    let mut frozen = Application::start("waits_to_be_killed");
    [frozen.says("running"), frozen.says("ready")].iter().for_each(|process| freeze(process.parse().expect("a number")));
    frozen.dies().await;

    let mut hectic = Application::start("kills_its_workers_until_it_is_killed");
    hectic.says("lost");
    hectic.says("lost");
    hectic.dies().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "an application that others ask to end"]
async fn stops_when_it_is_asked_to() {
    if !is_application() {
        return;
    }
    let mut asked = signal(SignalKind::terminate()).expect("a handler");
    let system = start_process(Config::default()).await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    ready(&system).await;
    say("ready", std::process::id());
    asked.recv().await;
    // What it does before it stops is done.
    assert_eq!(call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 7 }).unwrap(), 7);
    let report = system.stop().await;
    say("stopped", format!("{:?}, {} drained, {} lost", report.device, report.drained, system.losses().0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "limits what its process may open: has to be alone in it"]
async fn is_short_of_descriptors_for_a_while() {
    if !is_application() {
        return;
    }
    let system = start_process(Config::default()).await;
    assert_eq!(system.standby_failures().0, 0);
    let standby = ready(&system).await;
    let before = getrlimit(Resource::Nofile);
    // What is open stays so; nothing can be opened.
    setrlimit(Resource::Nofile, Rlimit { current: Some(3), ..before }).unwrap();
    kill(standby);
    // It was once that all of three attempts had been made.
    until("some attempts", || system.standby_failures().0 >= 5).await;
    assert_eq!(system.standby(), None);
    let (_, last) = system.standby_failures();
    assert!(last.as_ref().is_some_and(|last| last.text.contains("Too many open files")), "{last:?}");
    setrlimit(Resource::Nofile, before).unwrap();
    ready(&system).await;
    assert_eq!(system.losses().0, 0);
    let numbers = call!(system.control(), DeviceMsg::Metrics).unwrap();
    assert_eq!((numbers.standby_failures, numbers.losses), (system.standby_failures().0, 0));
    assert!(soon("the stop", system.stop()).await.device.is_ok());
}

/// HO-4
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_could_not_be_started_is_tried_again() {
    let status = Application::start("is_short_of_descriptors_for_a_while").ends().await;
    assert!(status.success(), "{status}");
}

/// HO-13: as systemd ends a service.
#[tokio::test(flavor = "multi_thread")]
async fn an_application_whose_processes_are_all_asked_to_end_stops_in_order() {
    for _ in 0..turns(5) {
        let mut application = Application::start("stops_when_it_is_asked_to");
        application.says("ready");
        let processes = application.processes();
        assert_eq!(processes.len(), 3, "application, worker, standby");
        processes.into_iter().for_each(terminate);
        assert_eq!(application.says("stopped"), "Ok(()), 1 drained, 0 lost");
        assert!(application.ends().await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_applications_do_not_meet() {
    let system = start_process(Config::default()).await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let mine = (system.worker(), Some(ready(&system).await));
    let mut other = Application::start("waits_to_be_killed");
    let worker: u32 = other.says("running").parse().expect("a number");
    let standby: u32 = other.says("ready").parse().expect("a number");
    // Its worker is lost, and then all of it; and a second one here comes and goes.
    kill(worker);
    until("the other's worker is gone", || !other.processes().contains(&worker)).await;
    until("the other has two again", || other.processes().len() == 3 && other.processes().contains(&standby)).await;
    let beside = start_process(Config::default()).await;
    kill(beside.worker().expect("a process"));
    until("its loss is noticed", || beside.losses().0 == 1).await;
    soon("the stop", beside.stop()).await.device.unwrap();
    let processes = other.processes();
    assert_eq!(call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 7 }).unwrap(), 7);
    // Mine is lost: the other has nothing to do with it.
    kill(mine.0.expect("a process"));
    until("my loss is noticed", || system.losses().0 == 1).await;
    assert_eq!(call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 7 }).unwrap(), 14);
    assert_eq!((system.worker(), other.processes()), (mine.1, processes));
    other.dies().await;
    assert_eq!(call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 7 }).unwrap(), 21);
    assert_eq!((system.worker(), system.losses().0), (mine.1, 1));
    soon("the stop", system.stop()).await.device.unwrap();
}

/// What a process holds: children, those not waited for included; descriptors; mappings of what it shares with workers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holdings {
    children: usize,
    descriptors: usize,
    mappings: usize,
    threads: usize,
}

impl Holdings {
    fn now() -> Holdings {
        let me = std::process::id().to_string();
        let is_child = |process: &u32| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            // Behind the name, which may hold anything: state and parent.
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.split(' ').nth(1) == Some(&me))
        };
        let maps = fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
        Holdings {
            children: every_process().filter(is_child).count(),
            descriptors: fs::read_dir("/proc/self/fd").expect("/proc is mounted").count(),
            mappings: maps.lines().filter(|line| line.contains("memfd:resident")).count(),
            // Those of the runtime come and go as it likes.
            threads: threads().filter(|name| name.starts_with("resident")).count(),
        }
    }

    /// Waits until this process holds what it held then.
    async fn are_back(&self, after: &str) {
        let begun = Instant::now();
        while Holdings::now() != *self {
            assert!(begun.elapsed() < PATIENCE, "after {after}: {:?} instead of {self:?}; open are {:?}", Holdings::now(), descriptors());
            tokio::task::yield_now().await;
        }
    }
}

/// The names of this process's threads.
fn threads() -> impl Iterator<Item = String> {
    let all = fs::read_dir("/proc/self/task").expect("/proc is mounted");
    all.filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("comm")).ok())
}

/// Bytes of memory that this process has, of this sort.
fn resident(sort: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix(sort)).expect("it is there");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}

/// What this process has open.
fn descriptors() -> Vec<PathBuf> {
    let all = fs::read_dir("/proc/self/fd").expect("/proc is mounted");
    all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect()
}

async fn comes_and_goes_once(turn: u32) {
    let system = start_process(Config { standby: !turn.is_multiple_of(7), ..Config::default() }).await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    cast!(counter, CounterMsg::Tick).unwrap();
    if turn % 5 == 1 {
        assert_eq!(call!(counter, CounterMsg::Get).unwrap().total, 1);
        kill(system.worker().expect("a process"));
        until("the loss is noticed", || system.losses().0 == 1).await;
    }
    assert_eq!(call!(counter, CounterMsg::Get).unwrap().total, 1);
    let held = Holdings::now();
    assert!(held.children >= 1 && held.mappings >= 1, "{held:?}: what is counted is there while it is held");
    match turn % 3 {
        0 => drop(system),
        1 => system.control().kill(),
        _ => assert!(soon("the stop", system.stop()).await.device.is_ok()),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "counts what its process holds: has to be alone in it"]
async fn comes_and_goes() {
    if !is_application() {
        return;
    }
    // What a runtime opens once is open after the first turn.
    comes_and_goes_once(2).await;
    until("the first has gone", || Holdings::now().children + Holdings::now().mappings + Holdings::now().threads == 0).await;
    let before = Holdings::now();
    for turn in 0..50 {
        comes_and_goes_once(turn).await;
        before.are_back(&format!("turn {turn}")).await;
    }
    for _ in 0..10 {
        for wrong in wrong_workers() {
            let name = wrong.program.display().to_string();
            wrong.refused().await;
            before.are_back(&name).await;
        }
        assert!(System::start(Config { devices: vec![DeviceOptions::cuda(9999)], ..Config::default() }).await.is_err());
        before.are_back("a device that is not there").await;
        let start_timeout = Duration::ZERO;
        assert!(System::start(Config { start_timeout, ..Config::cpu() }).await.is_err());
        before.are_back("a start that had no time").await;
    }
}

/// Every kind of handle of a system that has ended, by a stop or by the loss of its device.
async fn keeps_its_handles(stop: bool) -> impl Sized {
    let system = start_process(Config { journal: 1000, ..Config::default() }).await;
    let child = ChildSpec::gpu("kept", Counter::default).restore(Restore::LatestCheckpoint).in_flight(InFlight::Replay).on(&system);
    let guardian = Supervisor::builder("guardian").child(child).start().await.unwrap();
    let kept = guardian.child::<Counter>("kept").await.unwrap();
    let (alone, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let many = (0..MANY).map(|key| (key, Big { words: [key; BIG_WORDS] }));
    let (group, _) = Big::spawn_many(None, many, &system).await.unwrap();
    let mut pipeline = Pipeline::<Counter, AddAndGet>::new(&system, 8).unwrap();
    pipeline.submit(&alone, &AddAndGet { amount: 1 }).unwrap();
    assert_eq!(pipeline.next().unwrap(), 1);
    assert_eq!(alone.ask(&AddAndGet { amount: 1 }, PATIENCE).unwrap(), 2, "this thread keeps a reply line");
    let (base, _) = (system.checkpoint(Scope::Device).await.unwrap(), system.checkpoint(Scope::Device).await.unwrap());
    assert!(base.state_bytes() > MANY * size_of::<Big>() as u64);
    drop(system.checkpoint(Scope::Device).since(&base).await.unwrap());
    drop(base);
    assert!(resident("RssShmem:") > MANY * size_of::<Big>() as u64, "what is looked at is there while it is held");

    // One message that the device refuses: it has no actor for it any more.
    let (panicker, end) = Panicker::spawn(None, Panicker::default(), &system).await.unwrap();
    panicker.cast_many(&[Panic { how: EXPLICIT, value: 0 }, Panic { how: EXPLICIT, value: 0 }]).unwrap();
    soon("the end of one that fails", end).await.unwrap();
    assert_eq!(system.dead_letters(), 1);
    let (info, address) = (kept.info(), alone.address().await);
    alone.send(CounterMsg::Tick).await.unwrap();
    if stop {
        guardian.stop().await.unwrap();
        assert!(soon("the stop", system.stop()).await.device.is_ok());
    } else {
        system.control().kill();
        soon("the end of its actors", alone.ended()).await;
        soon("and of who restarts them", guardian.ended()).await.expect_err("it has given up");
    }
    // They still say what they said.
    assert_eq!((kept.info(), alone.info().address.shard()), (info, address.shard()));
    assert!(alone.try_cast(CounterMsg::Tick).is_err() && pipeline.submit(&alone, &AddAndGet { amount: 1 }).is_err());
    assert!(system.checkpoint(Scope::Device).await.is_err());
    until("nobody is there any more", || system.running() == 0).await;
    assert_eq!(system.dead_letters(), 1);
    (system, guardian, kept, alone, group, pipeline)
}

/// Members of the group of `keeps_its_handles`, 64 KiB each.
const MANY: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "counts what its process holds: has to be alone in it"]
async fn keeps_handles() {
    if !is_application() {
        return;
    }
    comes_and_goes_once(2).await;
    until("the first has gone", || Holdings::now().children + Holdings::now().mappings + Holdings::now().threads == 0).await;
    let (before, memory) = (Holdings::now(), resident("RssShmem:"));
    let mut handles = Vec::new();
    for turn in 0..2 {
        handles.push(keeps_its_handles(turn % 2 == 0).await);
        before.are_back(&format!("turn {turn}, with its handles kept")).await;
        until("its memory is given back", || resident("RssShmem:") <= memory).await;
    }
    let all = resident("VmRSS:");
    drop(handles);
    println!("{all} bytes with the handles, {} without", resident("VmRSS:"));
}

/// HO-5
#[tokio::test(flavor = "multi_thread")]
async fn handles_hold_nothing_of_a_system_that_has_ended() {
    let status = Application::start("keeps_handles").ends().await;
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_system_holds_is_given_back() {
    let status = Application::start("comes_and_goes").ends().await;
    assert!(status.success(), "{status}");
}

/// A program that is no worker of this application, and what is said of it.
struct Wrong {
    program: PathBuf,
    start_timeout: Duration,
    class: fn(&DeviceStartError) -> bool,
    text: &'static str,
}

impl Wrong {
    async fn refused(self) {
        let device = if env::var("RESIDENT_TEST_DEVICE").is_ok_and(|device| device == "cuda") {
            DeviceOptions::cuda(0)
        } else {
            DeviceOptions::cpu()
        };
        let config = Config {
            devices: vec![device],
            isolation: Isolation::Process,
            worker: Some(self.program.clone()),
            start_timeout: self.start_timeout,
            ..Config::default()
        };
        match soon("the refusal", System::start(config)).await {
            Err(StartError::Device(error)) if (self.class)(&error) && error.to_string().contains(self.text) => {}
            other => panic!("{}: {other:?}", self.program.display()),
        }
    }
}

fn wrong_workers() -> Vec<Wrong> {
    let wrong = |program: &str, start_timeout, class, text| Wrong { program: program.into(), start_timeout, class, text };
    let stranger = program(env!("CARGO_BIN_EXE_stranger"));
    let is_worker: fn(&DeviceStartError) -> bool = |error| matches!(error, DeviceStartError::Worker(_));
    let is_link: fn(&DeviceStartError) -> bool = |error| matches!(error, DeviceStartError::Link(_));
    // Longer than any test has patience: whoever is refused only then is not refused in time.
    let never = 100 * PATIENCE;
    vec![
        wrong("/bin/true", never, is_worker, "ended before it said a word"),
        wrong("/nowhere/worker", never, is_worker, "could not be started"),
        wrong("/dev/null", never, is_worker, "could not be started"),
        // It takes all that it is told and says nothing.
        wrong("/bin/cat", Duration::from_millis(100), is_worker, "start_timeout"),
        Wrong { program: stranger, start_timeout: never, class: is_link, text: "other kinds of actors" },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_none_is_refused() {
    for wrong in wrong_workers() {
        wrong.refused().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_may_be_a_program_of_its_own() {
    let worker = program(env!("CARGO_BIN_EXE_worker"));
    let system = start_process(Config { worker: Some(worker.clone()), ..Config::default() }).await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    assert_eq!(call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 3 }).unwrap(), 3);
    let runs = |process: u32| fs::read_link(format!("/proc/{process}/exe")).expect("a process");
    assert_eq!(runs(system.worker().expect("a process")), worker.canonicalize().unwrap());
    let standby = ready(&system).await;
    kill(system.worker().expect("a process"));
    // On a GPU the kernel of a killed worker answers for some milliseconds more.
    assert_eq!(call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 4 }).unwrap(), 7);
    until("the standby is the worker", || system.worker() == Some(standby)).await;
    assert_eq!(runs(standby), worker.canonicalize().unwrap());
    assert_eq!(call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 4 }).unwrap(), 11);
    soon("the stop", system.stop()).await.device.unwrap();
}

#[test]
fn a_worker_started_by_hand_says_so() {
    let worker = program(env!("CARGO_BIN_EXE_worker"));
    let by_hand = Command::new(&worker).env("RESIDENT_WORKER", "1").stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&by_hand.stderr).into_owned();
    assert!(!by_hand.status.success() && text.contains("unset it"), "{text}");
    assert!(Command::new(&worker).stdout(Stdio::null()).status().unwrap().success(), "and else it is a program");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "ends with a handler that runs on in a thread of its process"]
async fn hangs_in_a_thread() {
    if !is_application() {
        return;
    }
    let config = Config { isolation: Isolation::Thread, shards: Some(1), stop_timeout: Duration::from_millis(300), ..Config::default() };
    let system = start(config).await;
    assert_eq!((system.worker(), system.standby()), (None, None));
    let (supervisor, mut heard) = supervisor().await;
    let (breaker, end) = Breaker::spawn_linked(None, Breaker::default(), &system, supervisor).await.unwrap();
    assert_eq!(call!(breaker, BreakerMsg::Deposit, Deposit { n: 5 }).unwrap(), 5);
    cast!(breaker, BreakerMsg::Break(Break { how: SPIN })).unwrap();
    breaker.stop(None);
    soon("the actor's end", end).await.unwrap();
    let (who, fault) = heard.fault().await;
    assert_eq!((who, fault.class), (breaker.get_id(), FaultClass::Hang));
    match soon("the stop", system.stop()).await.device {
        Err(StopError::Running { shards, .. }) => assert_eq!(shards, [0]),
        other => panic!("{other:?}"),
    }
    assert_eq!(system.losses().0, 0);
    say("ended", "in order");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "ends its process on the CPU device"]
async fn traps_in_a_thread() {
    if !is_application() {
        return;
    }
    let system = start(Config { isolation: Isolation::Thread, shards: Some(1), ..Config::default() }).await;
    let (supervisor, mut heard) = supervisor().await;
    let (breaker, _) = Breaker::spawn_linked(None, Breaker::default(), &system, supervisor).await.unwrap();
    say("breaking", system.device().kind.as_str());
    cast!(breaker, BreakerMsg::Break(Break { how: TRAP })).unwrap();
    let (who, fault) = heard.fault().await;
    assert_eq!((who, fault.class, system.device().kind), (breaker.get_id(), FaultClass::DeviceLost, DeviceKind::Cuda));
    let report = soon("the stop", system.stop()).await;
    assert!(matches!(report.device, Err(StopError::Failed(DeviceFault { class: Class::Trap, .. }))), "{report:?}");
    say("ended", "in order");
}

/// A worker that is a thread is not taken over from: its device ends, and on the CPU device a trap ends the process.
#[tokio::test(flavor = "multi_thread")]
async fn a_thread_has_a_clear_end() {
    use std::os::unix::process::ExitStatusExt;
    let mut hangs = Application::start("hangs_in_a_thread");
    hangs.says("ended");
    hangs.dies().await;
    let mut traps = Application::start("traps_in_a_thread");
    if traps.says("breaking") == "cpu" {
        let status = traps.ends().await;
        assert_eq!(status.signal(), Some(rustix::process::Signal::ABORT.as_raw()), "{status}");
    } else {
        traps.says("ended");
        traps.dies().await;
    }
}
