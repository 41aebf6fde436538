//! A child that is forked and runs no other program. It has a copy of everything, and only the thread that has forked.
//!
//! What forks is a process of its own: this program again, with an ignored test by its name.

use std::fmt::Debug;
use std::fs::File;
use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use fork::{Fork, fork};
use ractor::{RactorErr, call, cast};
use resident::checkpoint::{Archive, ArchiveError, Directory, Options, Periodic, Store as _, StoreError, every};
use resident::guardian::{AdminError, SupervisorError};
use resident::prelude::*;
use resident::{
    Address, AdoptError, CallError, Checkpoint, CheckpointError, FenceError, Gpu, Isolation, MemberError, RestoreError, RouteError, Scope,
    SpawnError, StopError,
};
use resident_test_actors::*;
use resident_tests::application::*;
use resident_tests::*;
use rustix::pipe::pipe;
use rustix::process::{Signal, getpid, kill_process};
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

/// Longer than any test has patience: nothing here waits.
const LONG: Duration = Duration::from_secs(600);

/// What `Late` is routed as.
#[derive(Debug)]
struct Note;
resident_kernels::local_message!(Note, Note);

impl From<Late> for Note {
    fn from(_: Late) -> Note {
        Note
    }
}

/// What a child comes by.
struct Inherited {
    system: System,
    counter: GpuRef<Counter>,
    address: Address<Counter>,
    unframed: Handle<Counter>,
    group: GpuGroup<Counter>,
    pipeline: Pipeline<Counter, Get>,
    checkpoint: Checkpoint,
    archive: Archive,
    directory: Directory,
    periodic: Periodic,
    supervisor: SupervisorRef,
}

impl Inherited {
    async fn new(place: &std::path::Path) -> Inherited {
        let system = start(Config { shards: Some(2), isolation: Isolation::Process, ..Config::default() }).await;
        let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
        let unframed = Handle::spawn(Some(unique("unframed")), Counter::default(), &system).await.unwrap();
        let (group, _) = Counter::spawn_many(None, (0..3).map(|key| (key, Counter::default())), &system).await.unwrap();
        let mut pipeline = Pipeline::new(&system, 4).unwrap();
        pipeline.submit(&counter, &Get).unwrap();
        // This thread has a reply line from here on.
        assert_eq!(counter.ask(&Get, LONG).unwrap().total, 0);
        let checkpoint = system.checkpoint(Scope::Device).await.unwrap();
        let address = counter.address().await;
        let directory = Directory::writer(place).unwrap();
        let archive = Archive::open(directory.clone(), Options::default());
        archive.save_full(&checkpoint).await.unwrap();
        let periodic = every(LONG).start(&system);
        let child = ChildSpec::gpu("counter", Counter::default).on(&system);
        let supervisor = Supervisor::builder(unique("sup")).child(child).start().await.unwrap();
        Inherited { system, counter, address, unframed, group, pipeline, checkpoint, archive, directory, periodic, supervisor }
    }
}

/// What was not as it should be.
#[derive(Default)]
struct Findings(String);

impl Findings {
    fn hold<T: Debug, E: Debug>(&mut self, what: &str, found: Result<T, E>, is_right: fn(&E) -> bool) {
        if !found.as_ref().is_err_and(is_right) {
            self.0 += &format!("{what}: {found:?}\n");
        }
    }

    /// Uses all that was inherited.
    async fn of(own: &mut Inherited) -> Findings {
        let mut all = Findings::default();
        let Inherited { system, counter, address, unframed, group, pipeline, checkpoint, archive, directory, periodic, supervisor } = own;

        all.hold("cast!", cast!(counter, CounterMsg::Tick), |_| true);
        all.hold("try_cast", counter.try_cast(CounterMsg::Tick), |error| {
            matches!(error, CastError::Forked(CounterMsg::Tick)) && error.to_string().contains("start a system after the fork")
        });
        all.hold("cast_many", counter.cast_many(&[Tick, Tick]), |error| matches!(error, CastError::Forked(())));
        all.hold("send", counter.send(CounterMsg::Tick).await, |error| matches!(error, CastError::Forked(_)));
        all.hold("call!", call!(counter, CounterMsg::Get), |error| matches!(error, RactorErr::Messaging(_)));
        let called = counter.call(CounterMsg::Get, Some(LONG)).await.map(drop);
        all.hold("call", called, |error| matches!(error, CallError::Unsent(CastError::Forked(_))));
        all.hold("ask", counter.ask(&Get, LONG), |error| matches!(error, AskError::Forked));
        all.hold("sender", counter.sender().await, |error| *error == FenceError::Forked);
        all.hold("an actor's checkpoint", counter.checkpoint().await, |error| matches!(error, CheckpointError::Forked));
        // Which has no error.
        counter.ended().await;

        all.hold("a handle's try_cast", unframed.try_cast(Tick), |error| matches!(error, CastError::Forked(Tick)));
        all.hold("a handle's cast_many", unframed.cast_many(&[Tick, Tick]), |error| matches!(error, CastError::Forked(())));
        all.hold("a handle's send", unframed.send(Tick).await, |error| matches!(error, CastError::Forked(Tick)));
        all.hold("a handle's call", unframed.call(Get).await, |error| matches!(error, CallError::Unsent(CastError::Forked(Get))));
        all.hold("a handle's ask", unframed.ask(&Get, LONG), |error| matches!(error, AskError::Forked));
        all.hold("submit to a handle", pipeline.submit(unframed, &Get), |error| matches!(error, AskError::Forked));
        // Which have no error.
        unframed.ended().await;
        unframed.stop();
        unframed.kill();

        all.hold("tell", group.tell(&0, CounterMsg::Tick), |error| matches!(error, CastError::Forked(_)));
        let mut messages = vec![(1, CounterMsg::Tick)];
        all.hold("tell_many", group.tell_many(&mut messages), |error| matches!(error, CastError::Forked(())));
        all.hold("a member's send", group.send(&0, CounterMsg::Tick).await, |error| matches!(error, CastError::Forked(_)));
        let called = group.call(&0, CounterMsg::Get, None).await.map(drop);
        all.hold("a member's call", called, |error| matches!(error, CallError::Unsent(CastError::Forked(_))));
        all.hold("a member's ask", group.ask(&0, &Get, LONG), |error| matches!(error, AskError::Forked));
        all.hold("tell_all", group.tell_all(&Tick).await, |error| matches!(error, CastError::Forked(())));
        let folded = group.fold(&Get, 0, |sum, _, count| sum + count.total).await;
        all.hold("fold", folded, |error| matches!(error, CastError::Forked(())));
        let is_spawn: fn(&MemberError) -> bool = |error| matches!(error, MemberError::Spawn(SpawnError::Forked));
        all.hold("insert", group.insert(7, Counter::default()).await, is_spawn);
        all.hold("restart", group.restart(&0, Counter::default()).await, is_spawn);
        all.hold("member", group.member(&0).await, is_spawn);
        assert!(!group.remove(&0).await && group.address(&0).await.is_none() && group.addresses().await.is_empty());

        let is_ask: fn(&AskError) -> bool = |error| matches!(error, AskError::Forked);
        all.hold("submit", pipeline.submit(counter, &Get), is_ask);
        all.hold("submit_many", pipeline.submit_many(counter, &[Get, Get]), is_ask);
        all.hold("next", pipeline.next(), is_ask);
        all.hold("try_next", pipeline.try_next().unwrap(), is_ask);
        all.hold("a new pipeline", Pipeline::<Counter, Get>::new(system, 1).map(drop), is_ask);

        let is_spawn: fn(&SpawnError) -> bool = |error| matches!(error, SpawnError::Forked);
        all.hold("spawn", Counter::spawn(None, Counter::default(), system).await, is_spawn);
        all.hold("a handle's spawn", Handle::spawn(None, Counter::default(), system).await, is_spawn);
        all.hold("an actix actor", Gpu::new(system, Counter::default()), is_spawn);
        all.hold("spawn_many", Counter::spawn_many(None, [(0, Counter::default())], system).await, is_spawn);
        all.hold("adopt", system.adopt(*address).await, |error| matches!(error, AdoptError::Spawn(SpawnError::Forked)));
        all.hold("checkpoint", system.checkpoint(Scope::Device).await, |error| matches!(error, CheckpointError::Forked));
        let since = system.checkpoint(Scope::Device).since(checkpoint).await;
        all.hold("since", since, |error| matches!(error, CheckpointError::Forked));
        let restored = system.restore::<Counter>(checkpoint, None).await;
        all.hold("restore", restored, |error| matches!(error, RestoreError::Spawn(SpawnError::Forked)));
        all.hold("route", system.route::<Late, Note>("somebody"), |error| *error == RouteError::Forked);
        all.hold("route_to", system.route_to(|_: Late| true), |error| *error == RouteError::Forked);
        all.hold("stop", system.stop().await.device, |error| *error == StopError::Forked);

        let is_admin: fn(&AdminError) -> bool =
            |error| matches!(error, AdminError::Forked) && error.to_string().contains("start another one here");
        all.hold("terminate_child", supervisor.terminate_child("counter").await, is_admin);
        let another = ChildSpec::gpu("another", Counter::default).on(&*system);
        all.hold("start_child", supervisor.start_child(another).await, is_admin);
        assert!(supervisor.which_children().await.is_empty() && supervisor.child::<Counter>("counter").await.is_none());
        let is_supervisor: fn(&SupervisorError) -> bool = |error| matches!(error, SupervisorError::Forked(_));
        all.hold("a supervisor's stop", supervisor.stop().await, is_supervisor);
        all.hold("a supervisor's end", supervisor.ended().await, is_supervisor);

        let is_store: fn(&ArchiveError) -> bool = |error| matches!(error, ArchiveError::Store(StoreError::Forked));
        all.hold("save_full", archive.save_full(checkpoint).await, is_store);
        // Which have no error either.
        assert!(periodic.has_ended() && !periodic.changed().await);
        all.hold("compact", archive.compact().await, is_store);
        all.hold("compact_when_due", Err::<(), _>(archive.compact_when_due().await), is_store);
        all.hold("latest", archive.latest().await, is_store);
        all.hold("list", archive.list().await, is_store);
        all.hold("verify", archive.verify().await, is_store);
        all.hold("put", directory.put("a", Default::default()).await, |error| matches!(error, StoreError::Forked));

        // ractor's own, of the copies.
        counter.kill();
        group.actor().kill();
        supervisor.cell().kill();
        system.control().stop(None);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        all
    }
}

/// A child that has been forked, which does not outlive a test that fails.
struct Child(Fork);

impl Drop for Child {
    fn drop(&mut self) {
        if let Fork::Parent(child) = self.0 {
            kill(child as u32);
        }
    }
}

/// A child may have a system of its own, in a runtime of one thread. tokio's other threads wait by `parking_lot` where actix is built too, which
/// keeps who waits in a table that a child inherits with threads that it does not have: there one of its own may be missed.
async fn starts_its_own() {
    let system = start(Config { shards: Some(1), isolation: Isolation::Process, ..Config::default() }).await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    assert_eq!(call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 5 }).unwrap(), 5);
    let asked = thread::spawn(move || counter.ask(&Get, LONG).unwrap().total);
    assert_eq!(asked.join().unwrap(), 5);
    assert!(system.stop().await.device.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "forks: has to be alone in its process"]
async fn forks() {
    if is_application() {
        forks_and_goes_on().await;
    }
}

/// The child goes on with the runtime, and so with copies of proxies.
#[tokio::test]
#[ignore = "forks: has to be alone in its process"]
async fn forks_with_its_runtime() {
    if is_application() {
        forks_and_goes_on().await;
    }
}

async fn forks_and_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let mut own = Inherited::new(place.path()).await;
    let (findings, told) = pipe().unwrap();
    let forked = fork().unwrap();
    if let Fork::Child = forked {
        let found = Findings::of(&mut own).await;
        // What is dropped here is the parent's, too.
        drop(own);
        let its_own = thread::spawn(|| Builder::new_current_thread().enable_all().build().unwrap().block_on(starts_its_own())).join();
        let _ = writeln!(File::from(told), "{}its own: {}", found.0, its_own.is_ok());
        // Nothing of the parent's is torn down on the way out.
        let _ = kill_process(getpid(), Signal::KILL);
        return;
    }
    drop(told);
    let _child = Child(forked);
    let Inherited { system, counter, unframed, group, mut pipeline, checkpoint, archive, periodic, supervisor, .. } = own;
    let reading = spawn_blocking(move || {
        let mut text = String::new();
        File::from(findings).read_to_string(&mut text).map(|_| text)
    });
    // The parent goes on meanwhile, and after.
    let mut sent = 0;
    let begun = Instant::now();
    while !reading.is_finished() || sent < 100 {
        assert!(begun.elapsed() < PATIENCE, "the child hangs");
        sent += 1;
        assert_eq!(call!(counter, CounterMsg::AddAndGet, AddAndGet { amount: 1 }).unwrap(), sent);
        tokio::task::yield_now().await;
    }
    assert_eq!(reading.await.unwrap().unwrap(), "its own: true\n");
    assert_eq!(pipeline.next().unwrap().total, 0);
    assert_eq!(group.tell_all(&Tick).await.unwrap(), 3);
    assert_eq!(group.fold(&Get, 0, |sum, _, count| sum + count.total).await.unwrap().value, 3);
    assert_eq!(counter.ask(&Get, LONG).unwrap().total, sent);
    assert_eq!(unframed.call(Get).await.unwrap().total, 0);
    archive.save_full(&checkpoint).await.unwrap();
    assert!(!periodic.has_ended());
    assert!(matches!(Directory::writer(place.path()), Err(StoreError::Locked { .. })), "the child has not given back the lock");
    assert_eq!(supervisor.count_children().await.active, 1);
    assert_eq!((system.dead_letters(), system.losses().0, system.running()), (0, 0, 6));
    supervisor.stop().await.unwrap();
    let report = system.stop().await;
    assert!(report.device.is_ok() && report.drained == 5, "{report:?}");
    say("ended", "in order");
}

/// HO-1
#[tokio::test(flavor = "multi_thread")]
async fn a_child_is_told_and_its_parent_does_not_notice() {
    for name in ["forks", "forks_with_its_runtime"] {
        let mut application = Application::start(name);
        application.says("ended");
        assert!(application.ends().await.success());
    }
}
