//! A system that is short of something: a start, a call, a takeover, a checkpoint and a stop either go well, or say what is short, its
//! limit as it is, and what to do. SPECIFICATION, "Hosts".
//!
//! What is limited is a process of its own: this program again, with an ignored test by its name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use ractor::call;
use resident::checkpoint::{Archive, Directory, Options};
use resident::guardian::SupervisorError;
use resident::prelude::*;
use resident::{DeviceMsg, Health, Isolation, Scope, SpawnError, StartError, StopError};
use resident_test_actors::*;
use resident_tests::application::*;
use resident_tests::*;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use tokio::runtime::{Builder, Runtime};

/// What went wrong: at which step, and in which words.
type Short = (&'static str, String);

fn config(worker: Option<&str>) -> Config {
    Config { shards: Some(2), isolation: Isolation::Process, worker: worker.map(Into::into), ..Config::cpu() }
}

/// A start, a call, a takeover, a checkpoint and a stop.
async fn use_all(config: Config, place: &Path) -> Result<(), Short> {
    let system = soon("the start", System::start(config)).await.map_err(|error| ("start", error.to_string()))?;
    let used = use_it(&system, place).await;
    let report = soon("the stop", system.stop()).await;
    match (used, report.device) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(short), Ok(()) | Err(StopError::Failed(_))) => Err(short),
        (used, stopped) => panic!("{used:?}, and the stop: {stopped:?}"),
    }
}

async fn use_it(system: &System, place: &Path) -> Result<(), Short> {
    let (counter, _) = Counter::spawn(None, Counter::default(), system).await.expect("there are rows");
    assert_eq!(call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 3 }).unwrap(), 3);
    until("a standby, or why there is none", || system.standby().is_some() || system.standby_failures().0 > 0).await;
    kill(system.worker().expect("a process"));
    if let Ok(total) = call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 4 }) {
        assert_eq!(total, 7);
    } else {
        return match call!(system.control(), DeviceMsg::Health) {
            Ok(Health::Failed(fault)) => Err(("takeover", fault.text)),
            _ => Err(("takeover", system.standby_failures().1.expect("why").text)),
        };
    }
    let checkpoint = system.checkpoint(Scope::Device).await.map_err(|error| ("checkpoint", error.to_string()))?;
    let directory = Directory::writer(place).map_err(|error| ("save", error.to_string()))?;
    Archive::open(directory, Options::default()).save_full(&checkpoint).await.map_err(|error| ("save", error.to_string()))?;
    if let (1.., Some(last)) = system.standby_failures() {
        return Err(("standby", last.text));
    }
    Ok(())
}

/// Raises a limit from what is in use now until all goes well, and tells at which steps it was short on the way, each with its words.
fn raise(of: Resource, in_use: impl Fn() -> u64, words: impl Fn(u64) -> Vec<String>) -> BTreeMap<&'static str, u32> {
    let whole = getrlimit(of);
    let mut short = BTreeMap::new();
    for more in 0..64 {
        let place = tempfile::tempdir().expect("a folder");
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let limit = in_use() + more;
        setrlimit(of, Rlimit { current: Some(limit), ..whole }).expect("it is lowered");
        let used = runtime.block_on(use_all(config(None), place.path()));
        setrlimit(of, whole).expect("it is as it was");
        let Err((step, text)) = used else { return short };
        for words in words(limit) {
            assert!(text.contains(&words), "{step} with a limit of {limit} does not say {words}: {text}");
        }
        *short.entry(step).or_default() += 1;
    }
    panic!("no limit is enough: {short:?}");
}

#[test]
#[ignore = "limits its process: has to be alone in it"]
fn is_short_of_descriptors() {
    if is_application() {
        let open = || fs::read_dir("/proc/self/fd").expect("/proc is mounted").count() as u64 - 1;
        let short = raise(Resource::Nofile, open, |limit| vec![limit.to_string(), "ulimit -n".into(), "Too many open files".into()]);
        assert!(short.contains_key("start") && short.len() > 1, "{short:?}");
        say("short", format!("{short:?}"));
    }
}

/// Workers that may have fewer descriptors open than their application.
#[test]
#[ignore = "limits its process: has to be alone in it"]
fn has_workers_that_are_short_of_descriptors() {
    if !is_application() {
        return;
    }
    let runtime = Runtime::new().expect("a runtime");
    let mut steps = BTreeSet::new();
    for limit in 4..64 {
        let place = tempfile::tempdir().expect("a folder");
        let limited = place.path().join("worker");
        let worker = program(env!("CARGO_BIN_EXE_worker"));
        fs::write(&limited, format!("#!/bin/sh\nulimit -n {limit}\nexec {}\n", worker.display())).expect("a program");
        fs::set_permissions(&limited, Permissions::from_mode(0o700)).expect("it is ours");
        let Err((step, text)) = runtime.block_on(use_all(config(limited.to_str()), &place.path().join("saved"))) else {
            assert!(steps.contains("start") && steps.contains("checkpoint"), "{steps:?}");
            return say("short", format!("below {limit}, at {steps:?}"));
        };
        assert!(text.contains(&limit.to_string()) && text.contains("ulimit -n"), "{step} with a limit of {limit}: {text}");
        steps.insert(step);
    }
    panic!("no limit is enough");
}

#[test]
#[ignore = "limits its process: has to be alone in it"]
fn is_short_of_threads() {
    if is_application() {
        let threads = || fs::read_dir("/proc/self/task").expect("/proc is mounted").count() as u64;
        let short = raise(Resource::Nproc, threads, |limit| vec![limit.to_string(), "ulimit -u".into(), "pids.max".into()]);
        assert!(short.contains_key("start"), "{short:?}");
        say("short", format!("{short:?}"));
    }
}

/// The region, rows and state, and what a checkpoint is taken in are memory files; where it is saved is a file.
#[test]
#[ignore = "limits its process: has to be alone in it"]
fn is_short_of_file_size() {
    if !is_application() {
        return;
    }
    let whole = getrlimit(Resource::Fsize);
    let runtime = Runtime::new().expect("a runtime");
    let limited = |limit| setrlimit(Resource::Fsize, Rlimit { current: Some(limit), ..whole }).expect("it is lowered");
    let is_said = |text: &str, limit: u64| text.contains(&limit.to_string()) && text.contains("ulimit -f");
    let enough: u64 = 1 << 40;
    // What is needed is found by halves; each try goes well or says what is short.
    let (mut least, mut most) = (0u64, enough);
    while most - least > 1 {
        let limit = least.midpoint(most);
        let place = tempfile::tempdir().expect("a folder");
        limited(limit);
        let used = runtime.block_on(use_all(Config { arena_bytes: 1 << 20, ..config(None) }, place.path()));
        setrlimit(Resource::Fsize, whole).expect("it is as it was");
        match used {
            Ok(()) => most = limit,
            Err((step, text)) => {
                assert!(is_said(&text, limit), "{step} with a limit of {limit}: {text}");
                least = limit;
            }
        }
    }
    assert!(most < enough);
    // What a start needs is enough for the rest, so the rest is limited behind it.
    runtime.block_on(async {
        let system = System::start(config(None)).await.expect("nothing is limited");
        limited(4096);
        let refused = system.checkpoint(Scope::Device).await.expect_err("there is no room").to_string();
        assert!(is_said(&refused, 4096), "{refused}");
        setrlimit(Resource::Fsize, whole).expect("it is as it was");
        let checkpoint = system.checkpoint(Scope::Device).await.expect("there is room");
        let place = tempfile::tempdir().expect("a folder");
        limited(16);
        let refused = Directory::writer(place.path()).err().expect("there is no room").to_string();
        assert!(is_said(&refused, 16), "{refused}");
        limited(64);
        let archive = Archive::open(Directory::writer(place.path()).expect("there is room"), Options::default());
        let refused = archive.save_full(&checkpoint).await.expect_err("there is no room").to_string();
        assert!(is_said(&refused, 64), "{refused}");
        setrlimit(Resource::Fsize, whole).expect("it is as it was");
        archive.save_full(&checkpoint).await.expect("there is room");
        assert!(system.stop().await.device.is_ok());
    });
    say("short", format!("below {most}"));
}

/// What a system shares is mapped by the application and by its workers, which have the same limit. It is large here, and the limit leaves
/// room for all else: a program that can allocate no more single objects, or stacks, is ended by Rust.
#[test]
#[ignore = "limits its process: has to be alone in it"]
fn is_short_of_memory() {
    if !is_application() {
        return;
    }
    let whole = getrlimit(Resource::As);
    let limit = |more: u64| {
        let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.strip_suffix("kB")).expect("the size of what is mapped");
        let limit = (size.trim().parse::<u64>().expect("a number") << 10) + more;
        setrlimit(Resource::As, Rlimit { current: Some(limit), ..whole }).expect("it is lowered");
        limit
    };
    let is_said = |step: &str, text: &str, limit: u64| {
        assert!(text.contains(&limit.to_string()) && text.contains("ulimit -v"), "{step} with a limit of {limit}: {text}");
    };
    let large = || Config { arena_bytes: 4 << 30, ..config(None) };
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let place = tempfile::tempdir().expect("a folder");

    let short = limit(2 << 30);
    let (step, text) = runtime.block_on(use_all(large(), place.path())).expect_err("it is too large");
    assert_eq!(step, "start");
    is_said(step, &text, short);

    // What runs goes on, and its worker is taken over from; the next one to stand by has no room.
    setrlimit(Resource::As, whole).expect("it is as it was");
    runtime.block_on(async {
        let system = System::start(large()).await.expect("nothing is limited");
        until("a standby", || system.standby().is_some()).await;
        let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.expect("there are rows");
        let short = limit(2 << 30);
        kill(system.worker().expect("a process"));
        assert_eq!(call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 4 }).unwrap(), 4);
        until("what is short", || system.standby_failures().0 > 0).await;
        is_said("standby", &system.standby_failures().1.expect("why").text, short);
        let refused = system.checkpoint(Scope::Device).await.expect_err("there is no room").to_string();
        is_said("checkpoint", &refused, short);
        assert!(system.stop().await.device.is_ok());
    });

    limit(16 << 30);
    assert_eq!(runtime.block_on(use_all(large(), &place.path().join("saved"))), Ok(()));
    say("short", text);
}

#[test]
#[ignore = "limits its process: has to be alone in it"]
fn may_make_no_shared_memory() {
    if !is_application() {
        return;
    }
    let arch = env::consts::ARCH.try_into().expect("an architecture that is known");
    let number = if cfg!(target_arch = "x86_64") { 319 } else { 279 };
    let rules = [(number, vec![])].into_iter().collect();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(1), arch).expect("a filter");
    let program: BpfProgram = filter.try_into().expect("a program");
    apply_filter(&program).expect("a thread may limit itself");
    let place = tempfile::tempdir().expect("a folder");
    let (step, text) = Runtime::new().expect("a runtime").block_on(use_all(config(None), place.path())).expect_err("it is refused");
    assert!(step == "start" && text.contains("memfd_create") && text.contains("allow it"), "{step}: {text}");
    say("short", text);
}

#[test]
#[ignore = "is started where /proc is not mounted"]
fn has_no_proc() {
    if !is_application() {
        return;
    }
    assert!(!Path::new("/proc/self").exists());
    let runtime = Runtime::new().expect("a runtime");
    let place = tempfile::tempdir().expect("a folder");
    let (step, text) = runtime.block_on(use_all(config(None), place.path())).expect_err("there is nothing to start");
    assert!(step == "start" && text.contains("mount `/proc`") && text.contains("Config::worker"), "{step}: {text}");
    // What it says helps.
    let worker = program(env!("CARGO_BIN_EXE_worker"));
    assert_eq!(runtime.block_on(use_all(config(worker.to_str()), place.path())), Ok(()));
    say("short", text);
}

/// How this program is started again.
type Way = fn() -> Command;

/// This program as it is.
fn as_it_is() -> Command {
    Command::new(env::current_exe().expect("this program"))
}

/// This program as another user, whose threads are counted apart.
fn as_another() -> Command {
    let mut command = as_it_is();
    command.uid(0x5000_0000 + std::process::id()).gid(0x5000_0000).current_dir("/");
    command
}

/// This program where an empty folder is in the place of /proc.
fn without_proc() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs none /proc && exec \"$0\" \"$@\""]);
    command.arg(env::current_exe().expect("this program"));
    command
}

/// HO-14
#[tokio::test(flavor = "multi_thread")]
async fn what_is_short_is_said() {
    let cases: [(&str, Way); 7] = [
        ("is_short_of_descriptors", as_it_is),
        ("has_workers_that_are_short_of_descriptors", as_it_is),
        ("is_short_of_file_size", as_it_is),
        ("is_short_of_memory", as_it_is),
        ("may_make_no_shared_memory", as_it_is),
        ("is_short_of_threads", as_another),
        ("has_no_proc", without_proc),
    ];
    for (name, command) in cases {
        // Not every host lets a test make another user, or a place of its own for /proc.
        if !command().arg("--list").output().is_ok_and(|listed| listed.status.success()) {
            eprintln!("not run: {name}, for which this host would have to let a test change its user or its mounts");
            continue;
        }
        let mut application = Application::start_by(name, command());
        println!("{name}: {}", application.says("short"));
        assert!(application.ends().await.success());
    }
}

/// HO-14
#[test]
fn a_start_outside_of_a_runtime_is_refused() {
    let start = || System::start(config(None));
    let nowhere = futures_now(start());
    assert!(matches!(&nowhere, Err(error @ StartError::Runtime) if error.to_string().contains("block_on")), "{nowhere:?}");
    let without_timers = Builder::new_current_thread().build().expect("a runtime").block_on(start());
    assert!(matches!(&without_timers, Err(error @ StartError::Runtime) if error.to_string().contains("enable_all")), "{without_timers:?}");
}

/// HO-14
#[tokio::test(flavor = "multi_thread")]
async fn a_spawn_outside_of_a_runtime_is_refused() {
    let system = System::start(config(None)).await.expect("nothing is short");
    let used = system.clone();
    let outside = move || {
        let spawned = futures_now(Counter::spawn(None, Counter::default(), &used)).expect_err("there is no runtime");
        assert!(matches!(spawned, SpawnError::Runtime) && spawned.to_string().contains("Handle::enter"), "{spawned}");
        let group = futures_now(Counter::spawn_many(None, [(0, Counter::default())], &used)).expect_err("there is no runtime");
        assert!(matches!(group, SpawnError::Runtime), "{group}");
        let supervisor = futures_now(Supervisor::builder(unique("sup")).start()).expect_err("there is no runtime");
        assert!(matches!(supervisor, SupervisorError::Runtime(_)), "{supervisor}");
    };
    std::thread::spawn(outside).join().expect("it does not panic");
    assert_eq!(system.running(), 0);
    assert!(system.stop().await.device.is_ok());
}

/// The future's result, which comes without a wait.
fn futures_now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

/// HO-14
#[tokio::test(start_paused = true)]
async fn a_start_in_time_that_stands_still_is_refused() {
    let refused = System::start(config(None)).await;
    assert!(matches!(&refused, Err(error @ StartError::Paused) if error.to_string().contains("resume")), "{refused:?}");
    tokio::time::resume();
    let system = System::start(config(None)).await.expect("time goes on");
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.expect("there are rows");
    let called = counter.call(CounterMsg::Get, Some(Duration::from_secs(60))).await;
    assert!(called.is_ok(), "{called:?}");
    assert!(system.stop().await.device.is_ok());
}
