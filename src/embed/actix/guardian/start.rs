//! How the children of supervisors are started that are actix's. A start runs in a task of its own and says how it went; it may be given up
//! meanwhile.

use std::any::Any;
use std::sync::Arc;

use actix::{Actor, Arbiter, ArbiterHandle};
use futures_util::FutureExt;
use resident_kernels::actor;
use resident_supervisor::Exit;
use tokio::sync::{mpsc, oneshot};

use super::front::FrontActor;
use super::kept::{Beginning, Kept, killed, run, shut_down};
use crate::actor::incarnation::Place;
use crate::actor::shell::Shell;
use crate::config::Config;
use crate::embed::actix::addr::ResidentAddr as _;
use crate::embed::actix::error::ActixError;
use crate::embed::actix::gpu::{Care, Gpu as Bridged};
use crate::embed::actix::shell::Bridge;
use crate::guardian::error::{AnyError, Cause};
use crate::guardian::event::Heard;
use crate::guardian::start::{Context, Failure, Gpu, Running, Started, Starter, What, over, settled};
use crate::guardian::{Builder, SupervisorError};
use crate::system::System;

impl From<ActixError> for Failure {
    fn from(error: ActixError) -> Failure {
        Failure::Failed(Cause::new(error))
    }
}

/// The arbiter that a supervisor lives on, if it runs under actix.
pub(crate) fn arbiter(context: &Context) -> Option<ArbiterHandle> {
    let front: &dyn Any = &*context.front;
    Some(front.downcast_ref::<Kept<FrontActor>>()?.arbiter().clone())
}

/// AG-2: kills an actor whose supervisor's engine has gone.
struct Leash(Option<Arc<dyn Shell>>);

impl Leash {
    fn of(shell: &Arc<dyn Shell>) -> Leash {
        Leash(Some(shell.clone()))
    }

    /// Waits for the actor's end, and how that came.
    async fn end(mut self, end: impl Future<Output = Heard>) -> Option<Heard> {
        let heard = end.await;
        self.0 = None;
        Some(heard)
    }
}

/// How an actor has ended, as it said; nobody says so where it went with its arbiter.
async fn heard(end: oneshot::Receiver<Heard>) -> Heard {
    end.await.unwrap_or_else(|_| killed())
}

impl Drop for Leash {
    fn drop(&mut self) {
        if let Some(actor) = &self.0 {
            actor.kill();
        }
    }
}

/// Starts an actor of actix's: on `place`, or else where its supervisor is.
pub(super) fn actor<A, F>(place: Option<ArbiterHandle>, make: impl Fn() -> F + Send + Sync + 'static) -> Starter
where
    A: Actor<Context = actix::Context<A>>,
    F: Future<Output = Result<A, AnyError>> + 'static,
{
    let make = Arc::new(make);
    Arc::new(move |mut context| {
        let (place, make) = (place.clone(), make.clone());
        async move {
            if context.name.is_some() {
                return Err(ActixError::Named.into());
            }
            // Under another framework it is the thread's, if that has one.
            let place = place.or_else(|| arbiter(&context)).or_else(Arbiter::try_current).ok_or(ActixError::NoArbiter)?;
            let Beginning { kept, begun, end } = Kept::start(&place, move || make())?;
            let shell: Arc<dyn Shell> = kept;
            let over = Leash::of(&shell).end(heard(end)).boxed();
            context.give_up.unless(begun).await?.map_err(|_| ActixError::ArbiterStopped)??;
            Ok(Started::New(Running { shell, over, what: What::Actor }))
        }
        .boxed()
    })
}

/// Starts a resident actor whose address is actix's, or the next incarnation of one.
pub(crate) async fn gpu<A: actor::Actor>(gpu: Gpu, arbiter: ArbiterHandle, mut context: Context) -> Result<Started, Failure> {
    let system = gpu.system()?;
    if gpu.in_place::<A>(&system, &mut context).await? {
        return Ok(Started::InPlace);
    }
    let state = context.give_up.unless((gpu.payload)()).await??;
    let care = Care { keeper: context.keeper, recovery: gpu.recovery(&system) };
    let place = Place::claim::<A>(&system).map_err(|error| gpu.failed(&system, error))?;
    let mut actor = Bridged::<A>::guarded(place, state, care);
    if let Some(name) = context.name {
        actor = actor.named(name).map_err(|error| gpu.failed(&system, error))?;
    }
    let (tell, end) = oneshot::channel();
    // It is told by its bridge.
    let (_, orders) = mpsc::unbounded_channel();
    let (addr, mailbox) = actor.enter();
    let home = actor.home().cloned().expect("it has just moved in");
    let lives = move || {
        let context = actix::Context::with_receiver(mailbox).into_future(actor);
        drop(actix::spawn(async move { tell.send(run(context, orders).await) }));
    };
    let shell = home.shell.clone();
    let ended = {
        let bridge = shell.clone();
        async move {
            let heard = heard(end).await;
            // What the bridge has left to do.
            bridge.ended().await;
            let bridge: &dyn Any = &*bridge;
            if bridge.downcast_ref().is_some_and(Bridge::<A>::was_killed) { killed() } else { heard }
        }
    };
    let over = over(home.clone(), Leash::of(&shell).end(ended)).boxed();
    if !arbiter.spawn_fn(lives) {
        return Err(ActixError::ArbiterStopped.into());
    }
    context.give_up.unless(home.life().clone().port.caught_up()).await?;
    let flush = move || {
        let addr = addr.clone();
        async move { drop(addr.handle().await) }.boxed()
    };
    Ok(Started::New(Running { shell, over, what: What::Gpu { home, flush: Arc::new(flush) } }))
}

/// Starts a supervisor on the arbiter of its own supervisor, and waits for its children.
pub(crate) async fn supervisor(supervisor: Builder, arbiter: ArbiterHandle, mut context: Context) -> Result<Started, Failure> {
    if context.name.is_some() {
        return Err(ActixError::Named.into());
    }
    let launched = supervisor.launch_on(&arbiter).await.map_err(|error| Failure::Failed(Cause::new(error)))?;
    let (supervisor, _) = settled(launched, &mut context.give_up).await?;
    let ended = {
        let supervisor = supervisor.clone();
        async move {
            match supervisor.ended().await {
                Ok(()) => shut_down(),
                Err(error @ SupervisorError::Killed(_)) => Heard::Ended { exit: Exit::Killed, cause: Cause::new(error), state: None },
                Err(error) => Heard::Failed(Box::new(error)),
            }
        }
    };
    let over = Leash::of(&supervisor.shell).end(ended).boxed();
    Ok(Started::New(Running { shell: supervisor.shell.clone(), over, what: What::Supervisor(supervisor) }))
}

/// Starts a device.
pub(crate) async fn device(config: Config, mut context: Context) -> Result<Started, Failure> {
    if context.name.is_some() {
        return Err(ActixError::Named.into());
    }
    let started = context.give_up.unless(System::start(config)).await?;
    let system = started.map_err(|error| Failure::Failed(Cause::new(error)))?;
    let attendant = system.attendant().map_err(|error| Failure::Failed(Cause::new(error)))?;
    let shell: Arc<dyn Shell> = attendant.clone();
    let ended = async move {
        attendant.device_ended().await;
        shut_down()
    };
    let over = Leash::of(&shell).end(ended).boxed();
    Ok(Started::New(Running { shell, over, what: What::Device(system) }))
}
