//! What the tests share: a system on the CPU device, a supervisor that keeps what it hears, and waiting for a condition.

pub mod application;
pub mod family;
pub mod reports;
pub mod served;

use std::time::{Duration, Instant};

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use resident::Isolation;
use resident::prelude::*;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc;

/// How long a condition may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A system on the tests' device, whose rings hold what a test sends without waiting.
pub async fn system() -> System {
    start(Config { capacity: 1024, ..Config::default() }).await
}

/// The same with one shard: what its actors are sent is handled in one order.
pub async fn one_shard() -> System {
    start(Config { shards: Some(1), capacity: 1024, ..Config::default() }).await
}

/// `config`, on the tests' device: the CPU device, or with `RESIDENT_TEST_DEVICE=cuda` the first GPU. With
/// `RESIDENT_TEST_ISOLATION=thread` its worker is a thread, as tools want it that look into one process.
pub async fn start(config: Config) -> System {
    several(1, config).await
}

/// The same on so many devices: the tests' device, and CPU devices beside it.
pub async fn several(devices: usize, config: Config) -> System {
    reports::keep();
    let first = match std::env::var("RESIDENT_TEST_DEVICE").as_deref() {
        Ok("cuda") => DeviceOptions::cuda(0),
        _ => DeviceOptions::cpu(),
    };
    let devices = std::iter::once(first).chain(std::iter::repeat_n(DeviceOptions::cpu(), devices - 1)).collect();
    let isolation = match std::env::var("RESIDENT_TEST_ISOLATION").as_deref() {
        Ok("thread") => Isolation::Thread,
        _ => config.isolation,
    };
    System::start(Config { devices, isolation, ..config }).await.unwrap_or_else(|error| panic!("{error}"))
}

/// How often a test does the same that takes no time on the CPU device: on a GPU, which many tests share, a start takes seconds, and so
/// does a takeover without a standby.
pub fn turns(on_the_cpu: usize) -> usize {
    if std::env::var("RESIDENT_TEST_DEVICE").as_deref() == Ok("cuda") { on_the_cpu.min(2) } else { on_the_cpu }
}

/// Yields until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come true within {PATIENCE:?}");
        tokio::task::yield_now().await;
    }
}

/// Awaits `future`, within the test's patience.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within {PATIENCE:?}"),
    }
}

/// What a supervisor heard of a child.
#[derive(Debug)]
pub enum Event {
    /// The child runs.
    Started(ActorId),
    /// The child ended, with a state or not, for a reason or none.
    Terminated(ActorId, bool, Option<String>),
    /// The child failed.
    Failed(ActorId, ActorProcessingErr),
}

/// A supervisor that hands on what it hears.
struct Listener(mpsc::UnboundedSender<Event>);

#[ractor::actor(message = (), state = (), arguments = ())]
impl Listener {
    async fn pre_start(&self, _: ActorRef<()>, _: ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(&self, _: ActorRef<()>, event: SupervisionEvent, _: &mut ()) -> Result<(), ActorProcessingErr> {
        let event = match event {
            SupervisionEvent::ActorStarted(who) => Event::Started(who.get_id()),
            SupervisionEvent::ActorTerminated(who, state, reason) => Event::Terminated(who.get_id(), state.is_some(), reason),
            SupervisionEvent::ActorFailed(who, error) => Event::Failed(who.get_id(), error),
            _ => return Ok(()),
        };
        let _ = self.0.send(event);
        Ok(())
    }
}

/// What a supervisor hears.
pub struct Heard(mpsc::UnboundedReceiver<Event>);

impl Heard {
    /// The next event but for starts.
    pub async fn end(&mut self) -> Event {
        loop {
            match soon("an event of supervision", self.0.recv()).await {
                Some(Event::Started(_)) => continue,
                Some(event) => return event,
                None => panic!("the supervisor has gone"),
            }
        }
    }

    /// Whether another end has been heard of.
    pub fn has_more(&mut self) -> bool {
        std::iter::from_fn(|| self.0.try_recv().ok()).any(|event| !matches!(event, Event::Started(_)))
    }

    /// The next end is a failure of a resident actor.
    pub async fn fault(&mut self) -> (ActorId, GpuFault) {
        match self.end().await {
            Event::Failed(who, error) => (who, error.downcast_ref::<GpuFault>().expect("a resident actor's failure is a GpuFault").clone()),
            other => panic!("expected a failure, heard {other:?}"),
        }
    }
}

/// Starts a supervisor that hands on what it hears.
pub async fn supervisor() -> (ActorCell, Heard) {
    let (send, heard) = mpsc::unbounded_channel();
    let (supervisor, _) = Listener::spawn(None, Listener(send), ()).await.expect("an actor without a name starts");
    (supervisor.get_cell(), Heard(heard))
}

/// An actor on each shard, in the shards' order.
pub async fn on_every_shard<A: Spawn>(system: &System, make: impl Fn() -> A) -> Vec<GpuRef<A>> {
    let shards = system.device().shards as usize;
    let mut actors: Vec<Option<GpuRef<A>>> = vec![None; shards];
    while let Some(missing) = actors.iter().position(Option::is_none) {
        let (actor, join) = A::spawn(None, make(), system).await.unwrap_or_else(|error| panic!("{error}"));
        match &mut actors[actor.info().address.shard() as usize] {
            free @ None => *free = Some(actor),
            Some(_) => {
                // Another spawn came between.
                actor.stop(None);
                soon(&format!("the end of one too many on the way to shard {missing}"), join).await.expect("it only stops");
            }
        }
    }
    actors.into_iter().flatten().collect()
}

/// Kills a process as `kill -9` does. One that has ended meanwhile is as good.
pub fn kill(process: u32) {
    send(process, Signal::KILL);
}

/// Stops a process where it is: it lives and does nothing, until it is killed.
pub fn freeze(process: u32) {
    send(process, Signal::STOP);
}

/// Whether each thread of a process is stopped, which a signal brings about one after another.
pub fn is_frozen(process: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let mut stats = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    // Behind the name, which is in parentheses, stands the state.
    stats.all(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
}

/// Lets a process that was stopped go on.
pub fn thaw(process: u32) {
    send(process, Signal::CONT);
}

/// Asks a process to end.
pub fn terminate(process: u32) {
    send(process, Signal::TERM);
}

/// Sends a signal that a process does not survive unless it handles it; to the thread of that number, if it is one.
pub fn alarm(process: u32) {
    send(process, Signal::ALARM);
}

fn send(process: u32, signal: Signal) {
    let pid = Pid::from_raw(process as i32).expect("the number of a process");
    let _ = kill_process(pid, signal);
}

/// A name that no other test uses.
pub fn unique(name: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
