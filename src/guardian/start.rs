//! How each kind of child is started. A start runs in a task of its own and says how it went; it may be given up meanwhile.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use resident_kernels::actor::Actor;
use thiserror::Error;
use tokio::sync::watch as tell;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::device::On;
use super::error::{AnyError, Cause, Ended, Ignore};
use super::event::Heard;
use super::handle::SupervisorRef;
use super::spec::{InFlight, Payload, Restore};
use super::supervisor::Launched;
use crate::actor::home::{Home, Keeper};
use crate::actor::incarnation::{Beginning, Incarnation, Place};
use crate::actor::recovery::{Otherwise, Recovery};
use crate::actor::shell::Shell;
use crate::error::SpawnError;
use crate::system::System;
use crate::system::placement::Placement;

/// Starts one child, as often as it is called.
pub(crate) type Starter = Arc<dyn Fn(Context) -> BoxFuture<'static, Result<Started, Failure>> + Send + Sync>;

/// What a start is given.
pub(crate) struct Context {
    /// The name that its framework is to know the child by.
    pub name: Option<String>,
    /// Whom the child is linked to.
    pub front: Arc<dyn Shell>,
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
    pub shell: Arc<dyn Shell>,
    /// Ends when the actor has and everything it held is released, and says how it ended, unless the supervisor's own actor hears of that.
    pub over: BoxFuture<'static, Option<Heard>>,
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

impl From<AnyError> for Failure {
    fn from(error: AnyError) -> Failure {
        if error.is::<Ignore>() { Failure::Ignored } else { Failure::Failed(Cause::new(error)) }
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
    pub(crate) async fn asked(&mut self, urgency: Urgency) {
        let _ = self.0.wait_for(|asked| *asked >= urgency).await;
    }

    /// What `future` comes to, unless it is given up.
    pub(crate) async fn unless<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Failure> {
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

/// How a resident actor is started.
#[derive(Clone)]
pub(crate) struct Gpu {
    pub payload: Arc<Payload>,
    pub place: On,
    /// Where on its system, if not as that says.
    pub placement: Option<Placement>,
    pub in_flight: InFlight,
    pub restore: Restore,
}

impl Gpu {
    /// The system that it is to live on, which places it.
    pub(crate) fn system(&self) -> Result<System, Failure> {
        let system = match &self.place {
            On::System(system) => system.clone(),
            On::Slot(slot) => slot.system().ok_or_else(|| Failure::Lost(Cause::new(NoDevice(slot.name().clone()))))?,
        };
        Ok(self.placement.map_or(system.clone(), |placement| system.placing(placement)))
    }

    /// What it means that it was not spawned on `system`.
    pub(crate) fn failed(&self, system: &System, error: SpawnError) -> Failure {
        let may_return = matches!(self.place, On::Slot(_));
        match error {
            // Another system is on its way to the slot.
            error @ SpawnError::Stopped if may_return => Failure::Lost(Cause::new(error)),
            error @ SpawnError::Lost(_) if may_return && !system.fleet().runs() => Failure::Lost(Cause::new(error)),
            error => Failure::Failed(Cause::new(error)),
        }
    }

    /// Starts the next incarnation of the actor that is there; false if there is none any more.
    pub(crate) async fn in_place<A: Actor>(&self, system: &System, context: &mut Context) -> Result<bool, Failure> {
        let Some(home) = &context.home else { return Ok(false) };
        if !home.has_ended() {
            let otherwise = match &context.resume {
                Some(state) => Otherwise::Left(state.to_vec()),
                None if home.recovery().is_some_and(|recovery| recovery.has_checkpoint()) => Otherwise::Fresh(None),
                None => Otherwise::Fresh(Some(context.give_up.unless((self.payload)()).await??)),
            };
            let place = Place::again::<A>(home, system);
            match place.and_then(|place| home.restart(place, |last| beginning(home, last, otherwise, self.in_flight))) {
                Ok(()) => return Ok(true),
                Err(SpawnError::Stopped) if home.has_ended() => {}
                Err(error) => return Err(self.failed(system, error)),
            }
        }
        // Its name is free only then.
        home.shell.ended().await;
        Ok(false)
    }

    /// What it goes back to, where its specification says so.
    pub(crate) fn recovery(&self, system: &System) -> Option<Recovery> {
        let journal = if self.in_flight == InFlight::Replay { system.fleet().shared.journal } else { 0 };
        (self.restore == Restore::LatestCheckpoint).then(|| Recovery::new(journal))
    }
}

/// Ends when a resident actor has, of which `ended` tells, and its row is free.
pub(crate) async fn over<T>(home: Arc<Home>, ended: impl Future<Output = T>) -> T {
    let end = ended.await;
    let life = home.life().clone();
    // A device that says nothing must not keep the supervisor from going on.
    let _ = timeout(life.core.stop_timeout, life.gone()).await;
    end
}

/// Waits for the children of a supervisor that is a child itself; what runs then, and what ends with it.
pub(crate) async fn settled(launched: Launched, give_up: &mut GiveUp) -> Result<(SupervisorRef, JoinHandle<()>), Failure> {
    let Launched { supervisor, join, mut ready } = launched;
    let failure = tokio::select! {
        biased;
        ready = &mut ready => match ready {
            Ok(Ok(())) => return Ok((supervisor, join)),
            Ok(Err(error)) => Failure::Failed(Cause::new(error)),
            Err(_) => Failure::Failed(Cause::new(Ended::Killed)),
        },
        () = give_up.asked(Urgency::Stop) => {
            supervisor.shell.stop(None);
            tokio::select! {
                () = supervisor.shell.ended() => {}
                () = give_up.asked(Urgency::Kill) => supervisor.shell.kill(),
            }
            Failure::GivenUp
        }
    };
    let _ = join.await;
    Err(failure)
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
