//! What a host does to a process without asking: a system does not mind. SPECIFICATION, "Hosts".

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ractor::call;
use resident::prelude::*;
use resident::{DeviceStartError, Isolation, StartError};
use resident_test_actors::*;
use resident_tests::*;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals to every thread of ours in this process, one after another, as a profiler's timer sends them. This process handles them.
struct Timer {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<u32>>,
    _handled: Signal,
}

impl Timer {
    fn start() -> Timer {
        let _handled = signal(SignalKind::alarm()).expect("a handler");
        let ended = Arc::new(AtomicBool::new(false));
        let has_ended = ended.clone();
        let thread = thread::spawn(move || {
            let mut sent = 0;
            while !has_ended.load(Ordering::Relaxed) {
                for thread in our_threads() {
                    alarm(thread);
                    sent += 1;
                }
                thread::sleep(Duration::from_micros(200));
            }
            sent
        });
        Timer { ended, thread: Some(thread), _handled }
    }

    /// How many it has sent.
    fn stop(mut self) -> u32 {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.take().map_or(0, |thread| thread.join().expect("it only sends"))
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// The threads that resident has in this process.
fn our_threads() -> Vec<u32> {
    let number = |task: PathBuf| {
        let is_ours = fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("resident-"));
        if is_ours { task.file_name()?.to_str()?.parse().ok() } else { None }
    };
    let tasks = fs::read_dir("/proc/self/task").expect("/proc is mounted");
    tasks.filter_map(|task| number(task.ok()?.path())).collect()
}

/// HO-2
#[tokio::test(flavor = "multi_thread")]
async fn signals_change_no_wait() {
    let timer = Timer::start();
    for _ in 0..turns(3) {
        let system = start(Config { shards: Some(2), isolation: Isolation::Process, ..Config::default() }).await;
        let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
        assert_eq!(call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 3 }).unwrap(), 3);
        system.worker().into_iter().for_each(kill);
        // On a GPU the kernel outlives its process for a moment, and would answer and leave before anybody has seen that one end.
        until("another worker takes over", || system.losses().0 > 0).await;
        assert_eq!(call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 4 }).unwrap(), 7);
        soon("the stop", system.stop()).await.device.unwrap();
    }
    // A worker that never answers is waited for as long as was said, whatever else happens meanwhile.
    let start_timeout = Duration::from_millis(300);
    let config = Config { worker: Some("/bin/cat".into()), start_timeout, ..Config::cpu() };
    let begun = Instant::now();
    let refused = soon("the refusal", System::start(config)).await;
    assert!(matches!(refused, Err(StartError::Device(DeviceStartError::Worker(_)))), "{refused:?}");
    assert!(begun.elapsed() >= start_timeout, "given up after {:?}", begun.elapsed());
    assert!(timer.stop() > 0);
}

/// HO-9
#[tokio::test(flavor = "multi_thread")]
async fn workers_keep_nothing_open() {
    // Neither is closed on exec.
    let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap();
    let listens = rustix::io::dup(&listener).unwrap();
    let system = start(Config { shards: Some(1), isolation: Isolation::Process, ..Config::default() }).await;
    until("a worker stands by", || system.standby().is_some()).await;
    drop((writer, listener, listens));
    // Another test's worker may be about to start: it has them until it looks.
    until("the pipe's end", || matches!(rustix::io::read(&reader, &mut [0; 1]), Ok(0))).await;
    until("the port is free", || TcpListener::bind(port).is_ok()).await;
    assert!(soon("the stop", system.stop()).await.device.is_ok());
}

/// What a process is called, and its first argument.
fn names(process: u32) -> (String, String) {
    let read = |what: &str| fs::read_to_string(format!("/proc/{process}/{what}")).unwrap_or_default();
    (read("comm").trim().into(), read("cmdline").split('\0').next().unwrap_or_default().into())
}

/// HO-10
#[tokio::test(flavor = "multi_thread")]
async fn processes_are_told_apart_by_their_names() {
    let mine = names(std::process::id());
    let system = start(Config { shards: Some(1), isolation: Isolation::Process, ..Config::default() }).await;
    until("a worker stands by", || system.standby().is_some()).await;
    let (worker, standby) = (system.worker().expect("a process"), system.standby().expect("it stands by"));
    let device = format!("{}:{}", system.device().kind.as_str(), system.device().ordinal);
    let program = mine.1.rsplit('/').next().unwrap_or_default();
    let title = format!("{program} [resident worker {device}]");
    assert_eq!(names(worker), (format!("worker {device}"), title.clone()));
    assert_eq!(names(standby), (format!("standby {device}"), title.clone()));
    kill(worker);
    let now = (format!("worker {device}"), title);
    until("the standby is called a worker", || system.worker() == Some(standby) && names(standby) == now).await;
    assert_eq!(names(std::process::id()), mine, "the application's are its own");
    assert!(soon("the stop", system.stop()).await.device.is_ok());
}
