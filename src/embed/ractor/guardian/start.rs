//! How children are started that are ractor's. A start runs in a task of its own and says how it went; it may be given up meanwhile.

use std::sync::Arc;

use futures_util::FutureExt;
use ractor::{Actor, ActorCell, SpawnErr};
use resident_kernels::host::{Cross, Resident};
use thiserror::Error;

use crate::actor::incarnation::Place;
use crate::config::Config;
use crate::embed::ractor::proxy::{self, Origin};
use crate::embed::ractor::shell::{cell, shell};
use crate::error::SpawnError;
use crate::guardian::Builder;
use crate::guardian::error::Cause;
use crate::guardian::start::{Context, Failure, Gpu, Running, Started, Starter, What, over, settled};
use crate::system::System;

/// An actor of ractor's has a supervisor that is not.
#[derive(Debug, Error)]
#[error("an actor of ractor's is linked to its supervisor, which is none of ractor's: start that one by `Builder::start`")]
struct NotLinked;

impl From<SpawnErr> for Failure {
    fn from(error: SpawnErr) -> Failure {
        match error {
            SpawnErr::StartupFailed(error) => error.into(),
            other => Failure::Failed(Cause::new(other)),
        }
    }
}

/// Whom the children of a supervisor are linked to, if it runs under ractor.
pub(crate) fn front(context: &Context) -> Option<ActorCell> {
    cell(&*context.front).cloned()
}

/// Starts an actor of ractor's.
pub(crate) fn actor<A: Actor>(make: impl Fn() -> (A, A::Arguments) + Send + Sync + 'static) -> Starter {
    let make = Arc::new(make);
    Arc::new(move |mut context| {
        let make = make.clone();
        async move {
            let front = front(&context).ok_or_else(|| Failure::Failed(Cause::new(NotLinked)))?;
            let (actor, arguments) = make();
            let spawned = A::spawn_linked(context.name, actor, arguments, front);
            let (actor, join) = context.give_up.unless(spawned).await??;
            // A task that was cancelled is over, too.
            let over = join.map(|_| None).boxed();
            Ok(Started::New(Running { shell: shell(actor.get_cell()), over, what: What::Actor }))
        }
        .boxed()
    })
}

/// Starts a resident actor, or the next incarnation of one.
pub(crate) async fn gpu<A: Resident>(gpu: Gpu, front: ActorCell, mut context: Context) -> Result<Started, Failure>
where
    A::Msg: Cross,
{
    let system = gpu.system()?;
    if gpu.in_place::<A>(&system, &mut context).await? {
        return Ok(Started::InPlace);
    }
    let state = context.give_up.unless((gpu.payload)()).await??;
    let recovery = gpu.recovery(&system);
    let place = Place::claim::<A>(&system).map_err(|error| gpu.failed(&system, error))?;
    let start = proxy::Start { origin: Origin::State(state, place), keeper: Some(context.keeper), recovery };
    let spawned = proxy::start::<A>(context.name, start, Some(front));
    let (actor, join) = context.give_up.unless(spawned).await?.map_err(|error| match error {
        error @ SpawnError::Framework(_) => SpawnErr::from(error).into(),
        error => gpu.failed(&system, error),
    })?;
    let home = actor.home().clone();
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
    let over = over(home.clone(), join.map(|_| None)).boxed();
    Ok(Started::New(Running { shell: home.shell.clone(), over, what: What::Gpu { home, flush: Arc::new(flush) } }))
}

/// Starts a supervisor, and waits for its children.
pub(crate) async fn supervisor(supervisor: Builder, front: ActorCell, mut context: Context) -> Result<Started, Failure> {
    let launched = supervisor.launch(context.name.take(), Some(front)).await;
    let launched = launched.map_err(|error| Failure::Failed(Cause::new(error)))?;
    let (supervisor, join) = settled(launched, &mut context.give_up).await?;
    let over = join.map(|_| None).boxed();
    Ok(Started::New(Running { shell: supervisor.shell.clone(), over, what: What::Supervisor(supervisor) }))
}

/// Starts a device.
pub(crate) async fn device(config: Config, front: ActorCell, mut context: Context) -> Result<Started, Failure> {
    let started = context.give_up.unless(System::start(config)).await?;
    let system = started.map_err(|error| Failure::Failed(Cause::new(error)))?;
    let cell = system.control().get_cell();
    cell.link(front);
    let over = {
        let system = system.clone();
        async move {
            system.ended().await;
            None
        }
    };
    Ok(Started::New(Running { shell: shell(cell), over: over.boxed(), what: What::Device(system) }))
}
