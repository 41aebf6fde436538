//! Children of supervisors that can be made to start, fail and end in every way: actors of ractor's and of actix's, and resident actors.

mod actix;

use std::collections::HashMap;
use std::time::Duration;

use ractor::{ActorCell, ActorProcessingErr, ActorRef, ActorStatus, RpcReplyPort, call};
use resident::guardian::{Builder, ChildSpec, GpuChild, Ignore, Restart, Shutdown, Status, SupervisorError, Target};
use resident::prelude::*;
use resident_test_actors::*;
use tokio::runtime::Builder as Runtime;
use tokio::sync::watch;

pub use self::actix::{Actix, ActixGpu};
use crate::{Event, PATIENCE, one_shard, reports, soon, supervisor};

/// How the starts of a child go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It starts.
    Runs,
    /// Its start fails.
    Fails,
    /// Its start panics.
    Panics,
    /// It is left out.
    Ignored,
    /// Its start goes on until something else is said.
    Hangs,
}

/// Says how starts go, by the child's id; they do unless told otherwise. Counts them, too.
#[derive(Clone)]
pub struct Starts(watch::Sender<HashMap<String, (How, u64)>>);

impl Default for Starts {
    fn default() -> Starts {
        Starts(watch::Sender::new(HashMap::new()))
    }
}

impl Starts {
    /// From now on, starts of `id` go like this.
    pub fn set(&self, id: &str, how: How) {
        self.0.send_modify(|all| all.entry(id.into()).or_insert((How::Runs, 0)).0 = how);
    }

    /// How many starts of `id` were tried.
    pub fn tried(&self, id: &str) -> u64 {
        self.0.borrow().get(id).map_or(0, |(_, tried)| *tried)
    }

    /// Waits until so many starts of `id` were tried. Only waits: a paused clock goes on meanwhile.
    pub async fn reached(&self, id: &str, tries: u64) {
        let mut all = self.0.subscribe();
        let _ = all.wait_for(|all| all.get(id).is_some_and(|(_, tried)| *tried >= tries)).await;
    }

    async fn pass(self, id: String) -> Result<(), ActorProcessingErr> {
        self.0.send_modify(|all| all.entry(id.clone()).or_insert((How::Runs, 0)).1 += 1);
        let mut all = self.0.subscribe();
        let how = all.wait_for(|all| all[&id].0 != How::Hangs).await.map(|all| all[&id].0)?;
        match how {
            How::Runs | How::Hangs => Ok(()),
            How::Fails => Err(format!("{id} was told not to start").into()),
            How::Panics => panic!("{id} was told to panic"),
            How::Ignored => Err(Ignore.into()),
        }
    }
}

/// One kind of children, and the framework that their supervisors run in.
pub trait Family: Clone + Send + Sync + Sized + 'static {
    /// An actor of a child.
    type Actor: Standing;

    /// Runs a test as a program of its framework's runs.
    fn block_on(test: impl Future<Output = ()>) {
        Runtime::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
    }
    /// With what its children need.
    fn new() -> impl Future<Output = Self> + Send;
    /// How starts of its children go.
    fn starts(&self) -> &Starts;
    /// A child.
    fn child(&self, id: &str) -> ChildSpec;
    /// Starts a supervisor.
    fn start(&self, supervisor: Builder) -> impl Future<Output = Result<SupervisorRef, SupervisorError>> + Send {
        supervisor.start()
    }
    /// Starts a supervisor, and what comes of it to whoever it belongs to: why it has ended by itself.
    fn start_linked(&self, supervisor: Builder) -> impl Future<Output = (SupervisorRef, impl Future<Output = SupervisorError>)> {
        start_linked(supervisor)
    }
    /// Counts one, and answers how many this incarnation has counted.
    fn count(&self, sup: &SupervisorRef, child: impl Into<Target> + Send) -> impl Future<Output = Option<u64>> + Send;
    /// Makes the child fail in a handler.
    fn fail(&self, sup: &SupervisorRef, child: impl Into<Target> + Send) -> impl Future<Output = ()> + Send;
    /// The child's actor.
    fn actor(&self, sup: &SupervisorRef, child: impl Into<Target> + Send) -> impl Future<Output = Option<Self::Actor>> + Send;
    /// After all supervisors have ended: that nothing is left of the children.
    fn end(self) -> impl Future<Output = ()> + Send;
}

/// An actor of a child, as any part of the program may have it.
pub trait Standing: Send {
    /// Whether it has ended.
    fn has_ended(&self) -> bool;
    /// Waits for its end.
    fn ended(&self) -> impl Future<Output = ()> + Send;
    /// Has it end as it means to.
    fn stop(&self);
    /// Has it end otherwise: by a kill, where there is one, or by a panic.
    fn crash(&self);
}

/// An actor that anybody can kill.
pub trait Mortal: Standing {
    /// Kills it.
    fn kill(&self);
}

impl Standing for ActorCell {
    fn has_ended(&self) -> bool {
        self.get_status() == ActorStatus::Stopped
    }

    async fn ended(&self) {
        resident::watch(self.clone()).await;
    }

    fn stop(&self) {
        ActorCell::stop(self, None);
    }

    fn crash(&self) {
        ActorCell::kill(self);
    }
}

impl Mortal for ActorCell {
    fn kill(&self) {
        ActorCell::kill(self);
    }
}

/// Starts a supervisor under one of ractor's that hears of its end.
async fn start_linked(builder: Builder) -> (SupervisorRef, impl Future<Output = SupervisorError>) {
    let (root, mut heard) = supervisor().await;
    let sup = builder.start_linked(root).await.unwrap();
    let who = sup.cell().get_id();
    let end = async move {
        match heard.end().await {
            Event::Failed(failed, error) => {
                assert_eq!(failed, who);
                error.downcast_ref::<SupervisorError>().unwrap().clone()
            }
            other => panic!("{other:?}"),
        }
    };
    (sup, end)
}

/// Actors of ractor's.
#[derive(Clone, Default)]
pub struct Cpu {
    starts: Starts,
}

/// Counts, until it panics.
pub struct Worker;

/// What a [`Worker`] takes.
pub enum WorkerMsg {
    /// Counts one and answers the count.
    Count(RpcReplyPort<u64>),
    /// Panics.
    Panic,
    /// Fails with an error.
    Fail(ActorProcessingErr),
    /// Answers, then blocks its thread.
    Block(Duration, RpcReplyPort<()>),
}

resident_kernels::local_message!(WorkerMsg, WorkerMsg::Panic);

#[ractor::actor(message = WorkerMsg, state = u64, arguments = (Starts, String))]
impl Worker {
    async fn pre_start(&self, _: ActorRef<WorkerMsg>, (starts, id): (Starts, String)) -> Result<u64, ActorProcessingErr> {
        starts.pass(id).await.map(|()| 0)
    }

    async fn handle(&self, _: ActorRef<WorkerMsg>, message: WorkerMsg, count: &mut u64) -> Result<(), ActorProcessingErr> {
        match message {
            WorkerMsg::Count(reply) => {
                *count += 1;
                let _ = reply.send(*count);
            }
            WorkerMsg::Panic => panic!("told to panic"),
            WorkerMsg::Fail(error) => return Err(error),
            WorkerMsg::Block(time, begun) => {
                let _ = begun.send(());
                std::thread::sleep(time);
            }
        }
        Ok(())
    }
}

impl Family for Cpu {
    type Actor = ActorCell;

    async fn new() -> Cpu {
        reports::keep();
        Cpu::default()
    }

    fn starts(&self) -> &Starts {
        &self.starts
    }

    fn child(&self, id: &str) -> ChildSpec {
        ChildSpec::actor(id, || Worker, (self.starts.clone(), id.to_owned()))
    }

    async fn count(&self, sup: &SupervisorRef, child: impl Into<Target> + Send) -> Option<u64> {
        let worker = sup.actor::<WorkerMsg>(child).await?;
        call!(worker, WorkerMsg::Count).ok()
    }

    async fn fail(&self, sup: &SupervisorRef, child: impl Into<Target> + Send) {
        sup.actor::<WorkerMsg>(child).await.expect("it runs").cast(WorkerMsg::Panic).unwrap();
    }

    async fn actor(&self, sup: &SupervisorRef, child: impl Into<Target> + Send) -> Option<ActorCell> {
        Some(sup.actor::<WorkerMsg>(child).await?.get_cell())
    }

    async fn end(self) {}
}

/// Resident actors.
#[derive(Clone)]
pub struct Gpu {
    starts: Starts,
    /// Where they live.
    pub system: System,
}

impl Family for Gpu {
    type Actor = ActorCell;

    async fn new() -> Gpu {
        Gpu { starts: Starts::default(), system: one_shard().await }
    }

    fn starts(&self) -> &Starts {
        &self.starts
    }

    fn child(&self, id: &str) -> ChildSpec {
        panicker(&self.starts, id).on(&self.system)
    }

    async fn count(&self, sup: &SupervisorRef, child: impl Into<Target> + Send) -> Option<u64> {
        let actor = sup.child::<Panicker>(child).await?;
        call!(actor, PanickerMsg::CountUp).ok()
    }

    async fn fail(&self, sup: &SupervisorRef, child: impl Into<Target> + Send) {
        let actor = sup.child::<Panicker>(child).await.expect("it is there");
        actor.send(PanickerMsg::Panic(Panic { how: EXPLICIT, value: 1 })).await.unwrap();
    }

    async fn actor(&self, sup: &SupervisorRef, child: impl Into<Target> + Send) -> Option<ActorCell> {
        Some(sup.child::<Panicker>(child).await?.get_cell())
    }

    async fn end(self) {
        assert_eq!(self.system.running(), 0, "rows are left");
        self.system.stop().await;
    }
}

/// A resident actor whose starts go as `starts` says.
fn panicker(starts: &Starts, id: &str) -> GpuChild<Panicker> {
    let (starts, name) = (starts.clone(), id.to_owned());
    let state = move || {
        let passed = starts.clone().pass(name.clone());
        async move { passed.await.map(|()| Panicker::default()) }
    };
    ChildSpec::gpu_with(id, state)
}

/// Waits until the child's `incarnation` runs.
pub async fn runs(sup: &SupervisorRef, id: &str, incarnation: u64) {
    eventually(&format!("incarnation {incarnation} of {id}"), async || {
        info(sup, id).await.is_some_and(|(status, number)| status == Status::Running && number == incarnation)
    })
    .await;
}

/// Waits until the child has this status.
pub async fn is(sup: &SupervisorRef, id: &str, status: Status) {
    eventually(&format!("{id} being {status:?}"), async || info(sup, id).await.is_some_and(|(now, _)| now == status)).await;
}

/// The child's status and its incarnation.
pub async fn info(sup: &SupervisorRef, id: &str) -> Option<(Status, u64)> {
    let children = soon("an answer", sup.which_children()).await;
    children.into_iter().find(|child| &*child.id == id).map(|child| (child.status, child.child.incarnation))
}

/// Asks again until the answer is yes.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    if tokio::time::timeout(PATIENCE, asking).await.is_err() {
        panic!("{what} did not come true within {PATIENCE:?}");
    }
}

/// A time that no test waits for.
pub const LONG: Duration = Duration::from_secs(3600);

/// The child, started again as `restart` says.
pub fn with(restart: Restart) -> impl Fn(ChildSpec) -> ChildSpec {
    move |spec| spec.restart(restart).shutdown(Shutdown::Timeout(LONG))
}
