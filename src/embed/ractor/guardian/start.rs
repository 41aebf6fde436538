//! How children are started that are ractor's. A start runs in a task of its own and says how it went; it may be given up meanwhile.

use std::sync::Arc;

use futures_util::FutureExt;
use ractor::{Actor, ActorCell, SpawnErr};
use resident_kernels::host::{Cross, Resident};

use crate::actor::incarnation::Place;
use crate::config::Config;
use crate::embed::ractor::proxy::{self, Origin};
use crate::embed::ractor::shell::{cell, shell};
use crate::embed::ractor::watch::watch;
use crate::error::SpawnError;
use crate::guardian::Builder;
use crate::guardian::error::{Cause, Ended};
use crate::guardian::start::{Context, Failure, Gpu, Running, Started, Starter, Urgency, What, over};
use crate::guardian::supervisor::Launched;
use crate::system::System;

/// Whom a child is linked to.
fn front(context: &Context) -> ActorCell {
    cell(&*context.front).expect("a supervisor that was started under ractor is ractor's").clone()
}

impl From<SpawnErr> for Failure {
    fn from(error: SpawnErr) -> Failure {
        match error {
            SpawnErr::StartupFailed(error) => error.into(),
            other => Failure::Failed(Cause::new(other)),
        }
    }
}

/// Starts an actor of ractor's.
pub(crate) fn actor<A: Actor>(make: impl Fn() -> (A, A::Arguments) + Send + Sync + 'static) -> Starter {
    let make = Arc::new(make);
    Arc::new(move |mut context| {
        let make = make.clone();
        async move {
            let (actor, arguments) = make();
            let front = front(&context);
            let spawned = A::spawn_linked(context.name, actor, arguments, front);
            let (actor, join) = context.give_up.unless(spawned).await??;
            // A task that was cancelled is over, too.
            let over = async move { drop(join.await) }.boxed();
            Ok(Started::New(Running { shell: shell(actor.get_cell()), over, what: What::Actor }))
        }
        .boxed()
    })
}

/// Starts a resident actor, or the next incarnation of one.
pub(crate) fn gpu<A: Resident>(gpu: Gpu) -> Starter
where
    A::Msg: Cross,
{
    Arc::new(move |context| gpu_start::<A>(gpu.clone(), context).boxed())
}

async fn gpu_start<A: Resident>(gpu: Gpu, mut context: Context) -> Result<Started, Failure>
where
    A::Msg: Cross,
{
    let system = gpu.system()?;
    if gpu.in_place::<A>(&system, &mut context).await? {
        return Ok(Started::InPlace);
    }
    let state = context.give_up.unless((gpu.payload)()).await??;
    let (front, recovery) = (front(&context), gpu.recovery(&system));
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
    let over = over(home.clone(), join).boxed();
    Ok(Started::New(Running { shell: home.shell.clone(), over, what: What::Gpu { home, flush: Arc::new(flush) } }))
}

/// Starts a supervisor, and waits for its children.
pub(crate) fn supervisor(supervisor: Builder) -> Starter {
    Arc::new(move |mut context| {
        let supervisor = supervisor.clone();
        async move {
            let launched = supervisor.launch(context.name.take(), Some(front(&context))).await;
            let Launched { supervisor, join, mut ready } = launched.map_err(|error| Failure::Failed(Cause::new(error)))?;
            let cell = supervisor.cell().clone();
            let failure = tokio::select! {
                biased;
                ready = &mut ready => match ready {
                    Ok(Ok(())) => {
                        let over = async move { drop(join.await) }.boxed();
                        return Ok(Started::New(Running { shell: supervisor.shell.clone(), over, what: What::Supervisor(supervisor) }));
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
            cell.link(front(&context));
            let over = {
                let system = system.clone();
                async move { system.ended().await }
            };
            Ok(Started::New(Running { shell: shell(cell), over: over.boxed(), what: What::Device(system) }))
        }
        .boxed()
    })
}
