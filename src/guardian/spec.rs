//! What a supervisor knows of a child before it runs.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ractor::{Actor, ActorProcessingErr};
use resident_kernels::host::{Cross, Resident};
use resident_supervisor::{Backoff, ChildSpec as Policy, Directive, Restart, Shutdown};

use super::device::{DeviceSlot, On};
use super::start::{self, Starter};
use super::supervisor::Builder;
use crate::config::Config;
use crate::fault::GpuFault;
use crate::shard::frames::encoded;

/// A child's specification: how it is started, when it is started again, how it is stopped.
///
/// Every child is permanent and has five seconds to stop, a supervisor all the time it needs, unless told otherwise.
#[derive(Clone)]
pub struct ChildSpec {
    pub(crate) policy: Policy,
    pub(crate) name: Option<String>,
    pub(crate) decide: Option<Arc<Decide>>,
    /// The place that it lives in, or fills.
    pub(crate) slot: Option<DeviceSlot>,
    pub(crate) start: Starter,
}

/// Says what follows a failure.
pub(crate) type Decide = dyn Fn(&(dyn Error + Send + Sync + 'static)) -> Directive + Send + Sync;

impl ChildSpec {
    /// An actor of ractor's, made by `make` and given a clone of `arguments` at every start.
    pub fn actor<A>(id: impl Into<Arc<str>>, make: impl Fn() -> A + Send + Sync + 'static, arguments: A::Arguments) -> ChildSpec
    where
        A: Actor,
        A::Arguments: Clone + Sync,
    {
        ChildSpec::actor_with(id, move || (make(), arguments.clone()))
    }

    /// The same, where `make` makes the arguments as well.
    pub fn actor_with<A: Actor>(id: impl Into<Arc<str>>, make: impl Fn() -> (A, A::Arguments) + Send + Sync + 'static) -> ChildSpec {
        ChildSpec::new(Policy::worker(id), start::actor(make))
    }

    /// A resident actor, whose state at every start is what `state` returns. [`GpuChild::on`] says where it lives.
    pub fn gpu<A: Resident>(id: impl Into<Arc<str>>, state: impl Fn() -> A + Send + Sync + 'static) -> GpuChild<A>
    where
        A::Msg: Cross,
    {
        // Not through a future of its own: a large state would not fit on the stack.
        let payload = move || std::future::ready(Ok(encoded(&state()))).boxed();
        GpuChild::new(id.into(), Arc::new(payload))
    }

    /// The same, where the state takes its time, or can not be had: then the start has failed.
    pub fn gpu_with<A: Resident, F>(id: impl Into<Arc<str>>, state: impl Fn() -> F + Send + Sync + 'static) -> GpuChild<A>
    where
        A::Msg: Cross,
        F: Future<Output = Result<A, ActorProcessingErr>> + Send + 'static,
    {
        let payload = move || {
            let state = state();
            async move { Ok(encoded(&state.await?)) }.boxed()
        };
        GpuChild::new(id.into(), Arc::new(payload))
    }

    /// A supervisor with children of its own, whose id is its name.
    pub fn supervisor(supervisor: Builder) -> ChildSpec {
        ChildSpec::new(Policy::supervisor(supervisor.name.clone()), start::supervisor(supervisor))
    }

    /// A device, started with `config` and put in `slot`, whose name is the child's id. Those that live on it come after it.
    pub fn device(slot: &DeviceSlot, config: Config) -> ChildSpec {
        let spec = ChildSpec::new(Policy::device(slot.name().clone()), start::device(config));
        ChildSpec { slot: Some(slot.clone()), ..spec }
    }

    fn new(policy: Policy, start: Starter) -> ChildSpec {
        ChildSpec { policy, name: None, decide: None, slot: None, start }
    }

    /// The name that ractor's registry is to know it by.
    pub fn name(self, name: impl Into<String>) -> ChildSpec {
        ChildSpec { name: Some(name.into()), ..self }
    }

    /// When it is started again; always unless told otherwise.
    pub fn restart(mut self, restart: Restart) -> ChildSpec {
        self.policy.restart = restart;
        self
    }

    /// How it is made to end.
    pub fn shutdown(mut self, shutdown: Shutdown) -> ChildSpec {
        self.policy.shutdown = shutdown;
        self
    }

    /// Whether its end can be its supervisor's; see [`AutoShutdown`](super::AutoShutdown).
    pub fn significant(mut self, significant: bool) -> ChildSpec {
        self.policy.significant = significant;
        self
    }

    /// How long its restarts wait; not at all unless told otherwise.
    pub fn backoff(mut self, backoff: Backoff) -> ChildSpec {
        self.policy.backoff = Some(backoff);
        self
    }

    /// Decides what follows a failure that is a [`GpuFault`], by its class. A lost device is waited for where `decide` says
    /// `Restart`, and where it is not asked.
    pub fn on_fault(self, decide: impl Fn(&GpuFault) -> Directive + Send + Sync + 'static) -> ChildSpec {
        self.on_error(move |error| error.downcast_ref().map_or(Directive::default(), &decide))
    }

    /// Decides what follows a failure, whatever its type. `Resume` means `Restart` where there is no state to go on with: for any
    /// child but a resident actor.
    pub fn on_error(self, decide: impl Fn(&(dyn Error + Send + Sync + 'static)) -> Directive + Send + Sync + 'static) -> ChildSpec {
        ChildSpec { decide: Some(Arc::new(decide)), ..self }
    }
}

impl ChildSpec {
    /// What follows `error`. A decider that panics decides nothing.
    pub(crate) fn directive(&self, error: &(dyn Error + Send + Sync + 'static)) -> Directive {
        let decide = self.decide.as_ref().map(|decide| catch_unwind(AssertUnwindSafe(|| decide(error))));
        decide.and_then(Result::ok).unwrap_or_default()
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec").field("policy", &self.policy).field("name", &self.name).finish_non_exhaustive()
    }
}

/// A resident actor's specification, before it is known where it lives.
pub struct GpuChild<A> {
    id: Arc<str>,
    payload: Arc<Payload>,
    in_flight: InFlight,
    restore: Restore,
    of: PhantomData<fn() -> A>,
}

/// Makes the state of a start, as bytes.
pub(crate) type Payload = dyn Fn() -> BoxFuture<'static, Result<Vec<u8>, ActorProcessingErr>> + Send + Sync;

impl<A: Resident> GpuChild<A>
where
    A::Msg: Cross,
{
    fn new(id: Arc<str>, payload: Arc<Payload>) -> GpuChild<A> {
        GpuChild { id, payload, in_flight: InFlight::default(), restore: Restore::default(), of: PhantomData }
    }

    /// Which state a restart begins with; a fresh one unless told otherwise.
    pub fn restore(self, restore: Restore) -> GpuChild<A> {
        GpuChild { restore, ..self }
    }

    /// What becomes of the message that was being handled when the device failed; it fails with it unless told otherwise.
    pub fn in_flight(self, in_flight: InFlight) -> GpuChild<A> {
        GpuChild { in_flight, ..self }
    }

    /// The child lives on a [`System`](crate::System), or on the device of a [`DeviceSlot`].
    pub fn on(self, place: impl Into<On>) -> ChildSpec {
        let place = place.into();
        let slot = match &place {
            On::System(_) => None,
            On::Slot(slot) => Some(slot.clone()),
        };
        let policy = Policy { device: slot.as_ref().map(|slot| slot.name().clone()), ..Policy::worker(self.id) };
        ChildSpec { slot, ..ChildSpec::new(policy, start::gpu::<A>(self.payload, place, self.in_flight, self.restore)) }
    }
}

impl<A> fmt::Debug for GpuChild<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GpuChild")
            .field("id", &self.id)
            .field("in_flight", &self.in_flight)
            .field("restore", &self.restore)
            .finish_non_exhaustive()
    }
}

/// Which state a restarted actor begins with, where its supervisor does not have it go on with the one it had.
///
/// Together with [`InFlight::Replay`] and a [`Config::journal`] that holds what comes between two checkpoints,
/// [`LatestCheckpoint`](Restore::LatestCheckpoint) means exactly once: the restarted actor is sent what it had handled since the
/// checkpoint and what it had accepted, in that order, ahead of everything else, and its state is then as if it had not failed. The
/// message that it failed at is left out; one that was being handled when a worker was lost is tried once more.
/// Nobody hears a second answer, but what is emitted on the way is emitted again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Restore {
    /// What the child's specification makes.
    #[default]
    Fresh,
    /// That of the last checkpoint that the actor is in, of whichever scope; a fresh one while there is none. An actor that
    /// was stopped for good and started again is another one.
    LatestCheckpoint,
}

/// What becomes of the message that an actor was handling when its device failed. A call has ended with the fault either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InFlight {
    /// It is lost with the fault: a message is handled at most once.
    #[default]
    Fail,
    /// The restarted actor gets it once more, before any other. One that fails its actor again is a dead letter.
    Replay,
}
