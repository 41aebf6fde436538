//! How each kind of child is started. A start runs in a task of its own and says how it went; it may be given up meanwhile.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ractor::{Actor, ActorCell, ActorProcessingErr, SpawnErr};
use resident_kernels::host::{Cross, Resident};
use thiserror::Error;
use tokio::sync::watch as tell;
use tokio::time::timeout;

use super::device::On;
use super::error::{Cause, Ended, Ignore};
use super::front::FrontRef;
use super::handle::SupervisorRef;
use super::spec::{InFlight, Payload, Restore};
use super::supervisor::{Builder, Launched};
use crate::actor::home::{Home, Keeper};
use crate::actor::incarnation::{Beginning, Incarnation};
use crate::actor::recovery::{Otherwise, Recovery};
use crate::config::Config;
use crate::embed::ractor::proxy::{self, Origin};
use crate::embed::ractor::shell::cell;
use crate::embed::ractor::watch::watch;
use crate::error::SpawnError;
use crate::system::System;

/// Starts one child, as often as it is called.
pub(crate) type Starter = Arc<dyn Fn(Context) -> BoxFuture<'static, Result<Started, Failure>> + Send + Sync>;

/// What a start is given.
pub(crate) struct Context {
    /// The name that ractor is to know the child by.
    pub name: Option<String>,
    /// Whom the child is linked to.
    pub front: FrontRef,
    pub give_up: GiveUp,
    /// Hears of a resident actor's faults.
    pub keeper: Keeper,
    /// Where the last incarnation lived, if its proxy is still there.
    pub home: Option<Arc<Home>>,
    /// The state to go on with.
    pub resume: Option<Arc<[u8]>>,
}

/// What a start came to.
pub(crate) enum Started {
    /// An actor that was not there before.
    New(Running),
    /// The actor that was there has another incarnation.
    InPlace,
}

/// An actor that runs.
pub(crate) struct Running {
    pub cell: ActorCell,
    /// Ends when the actor has and everything it held is released.
    pub over: BoxFuture<'static, ()>,
    pub what: What,
}

/// What a running actor is to its supervisor.
pub(crate) enum What {
    Actor,
    Gpu {
        home: Arc<Home>,
        /// Ends when what is in the proxy's mailbox now is in the ring.
        flush: Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
    },
    Supervisor(SupervisorRef),
    Device(System),
}

/// Why nothing was started; nothing of it is left.
pub(crate) enum Failure {
    Failed(Cause),
    /// The device is not there.
    Lost(Cause),
    /// It chose not to run.
    Ignored,
    /// It was asked to end before it had started.
    GivenUp,
}

impl From<ActorProcessingErr> for Failure {
    fn from(error: ActorProcessingErr) -> Failure {
        if error.is::<Ignore>() { Failure::Ignored } else { Failure::Failed(Cause::new(error)) }
    }
}

impl From<SpawnErr> for Failure {
    fn from(error: SpawnErr) -> Failure {
        match error {
            SpawnErr::StartupFailed(error) => error.into(),
            other => Failure::Failed(Cause::new(other)),
        }
    }
}

/// How urgently a start is to be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    GoOn,
    Stop,
    Kill,
}

/// Says when a start is to be given up; where nobody can say so any more, at once.
pub(crate) struct GiveUp(pub tell::Receiver<Urgency>);

impl GiveUp {
    async fn asked(&mut self, urgency: Urgency) {
        let _ = self.0.wait_for(|asked| *asked >= urgency).await;
    }

    /// What `future` comes to, unless it is given up.
    async fn unless<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            done = future => Ok(done),
            () = self.asked(Urgency::Stop) => Err(Failure::GivenUp),
        }
    }
}

/// The device that a child lives on is not there.
#[derive(Debug, Error)]
#[error("device `{0}` does not run")]
struct NoDevice(Arc<str>);

/// Starts an actor of ractor's.
pub(crate) fn actor<A: Actor>(make: impl Fn() -> (A, A::Arguments) + Send + Sync + 'static) -> Starter {
    let make = Arc::new(make);
    Arc::new(move |mut context| {
        let make = make.clone();
        async move {
            let (actor, arguments) = make();
            let spawned = A::spawn_linked(context.name, actor, arguments, context.front.get_cell());
            let (actor, join) = context.give_up.unless(spawned).await??;
            // A task that was cancelled is over, too.
            let over = async move { drop(join.await) }.boxed();
            Ok(Started::New(Running { cell: actor.get_cell(), over, what: What::Actor }))
        }
        .boxed()
    })
}

/// Starts a resident actor, or the next incarnation of one.
pub(crate) fn gpu<A: Resident>(payload: Arc<Payload>, place: On, in_flight: InFlight, restore: Restore) -> Starter
where
    A::Msg: Cross,
{
    Arc::new(move |context| gpu_start::<A>(payload.clone(), place.clone(), in_flight, restore, context).boxed())
}

async fn gpu_start<A: Resident>(
    payload: Arc<Payload>,
    place: On,
    in_flight: InFlight,
    restore: Restore,
    mut context: Context,
) -> Result<Started, Failure>
where
    A::Msg: Cross,
{
    let core = match &place {
        On::System(system) => system.core().clone(),
        On::Slot(slot) => {
            let system = slot.system().ok_or_else(|| Failure::Lost(Cause::new(NoDevice(slot.name().clone()))))?;
            system.core().clone()
        }
    };
    let failed = |error: SpawnError| match (error, &place) {
        // Another device is on its way to the slot.
        (error @ (SpawnError::Lost(_) | SpawnError::Stopped), On::Slot(_)) => Failure::Lost(Cause::new(error)),
        (error @ SpawnError::Framework(_), _) => SpawnErr::from(error).into(),
        (error, _) => Failure::Failed(Cause::new(error)),
    };
    if let Some(home) = &context.home {
        if !home.has_ended() {
            let otherwise = match &context.resume {
                Some(state) => Otherwise::Left(state.to_vec()),
                None if home.recovery().is_some_and(|recovery| recovery.has_checkpoint()) => Otherwise::Fresh(None),
                None => Otherwise::Fresh(Some(context.give_up.unless(payload()).await??)),
            };
            match home.restart::<A>(&core, |last| beginning(home, last, otherwise, in_flight)) {
                Ok(()) => return Ok(Started::InPlace),
                Err(SpawnError::Stopped) if home.has_ended() => {}
                Err(error) => return Err(failed(error)),
            }
        }
        // Its name is free only then.
        if let Some(proxy) = cell(&*home.shell) {
            watch(proxy.clone()).await;
        }
    }
    let state = context.give_up.unless(payload()).await??;
    let journal = if in_flight == InFlight::Replay { core.journal } else { 0 };
    let recovery = (restore == Restore::LatestCheckpoint).then(|| Recovery::new(journal));
    let start = proxy::Start { origin: Origin::State(state), core, keeper: Some(context.keeper), recovery };
    let spawned = proxy::start::<A>(context.name, start, Some(context.front.get_cell()));
    let (actor, join) = context.give_up.unless(spawned).await?.map_err(failed)?;
    let home = actor.home().clone();
    let over = {
        let home = home.clone();
        async move {
            let _ = join.await;
            let life = home.life().clone();
            // A device that says nothing must not keep the supervisor from going on.
            let _ = timeout(life.core.stop_timeout, life.gone()).await;
        }
    };
    let flush = {
        let actor = actor.clone();
        move || {
            let passed = actor.home().fence();
            let sent = actor.send_message(A::Msg::of_bytes(Vec::new())).is_ok();
            async move {
                if sent {
                    let _ = passed.await;
                }
            }
            .boxed()
        }
    };
    let what = What::Gpu { home, flush: Arc::new(flush) };
    Ok(Started::New(Running { cell: actor.get_cell(), over: over.boxed(), what }))
}

/// What the incarnation behind `last` begins with.
fn beginning(home: &Home, last: &Incarnation, otherwise: Otherwise, in_flight: InFlight) -> Beginning {
    let mut beginning = match (home.recovery(), otherwise) {
        (Some(recovery), otherwise) => recovery.begin(last, otherwise),
        (None, Otherwise::Left(payload)) => Beginning::fresh(payload),
        (None, Otherwise::Fresh(payload)) => Beginning::fresh(payload.unwrap_or_default()),
    };
    let journaled = home.recovery().is_some_and(|recovery| recovery.has_journal());
    if in_flight == InFlight::Replay && !journaled {
        beginning.replay.extend(last.take_returned());
    }
    beginning
}

/// Starts a supervisor, and waits for its children.
pub(crate) fn supervisor(supervisor: Builder) -> Starter {
    Arc::new(move |mut context| {
        let supervisor = supervisor.clone();
        async move {
            let launched = supervisor.launch(context.name, Some(context.front.get_cell())).await;
            let Launched { supervisor, join, mut ready } = launched.map_err(|error| Failure::Failed(Cause::new(error)))?;
            let cell = supervisor.cell().clone();
            let failure = tokio::select! {
                biased;
                ready = &mut ready => match ready {
                    Ok(Ok(())) => {
                        let over = async move { drop(join.await) }.boxed();
                        return Ok(Started::New(Running { cell, over, what: What::Supervisor(supervisor) }));
                    }
                    Ok(Err(error)) => Failure::Failed(Cause::new(error)),
                    Err(_) => Failure::Failed(Cause::new(Ended::Killed)),
                },
                () = context.give_up.asked(Urgency::Stop) => {
                    cell.stop(None);
                    tokio::select! {
                        () = watch(cell.clone()) => {}
                        () = context.give_up.asked(Urgency::Kill) => cell.kill(),
                    }
                    Failure::GivenUp
                }
            };
            let _ = join.await;
            Err(failure)
        }
        .boxed()
    })
}

/// Starts a device.
pub(crate) fn device(config: Config) -> Starter {
    Arc::new(move |mut context| {
        let config = config.clone();
        async move {
            let started = context.give_up.unless(System::start(config)).await?;
            let system = started.map_err(|error| Failure::Failed(Cause::new(error)))?;
            let cell = system.control().get_cell();
            cell.link(context.front.get_cell());
            let over = {
                let system = system.clone();
                async move { system.ended().await }
            };
            Ok(Started::New(Running { cell, over: over.boxed(), what: What::Device(system) }))
        }
        .boxed()
    })
}
