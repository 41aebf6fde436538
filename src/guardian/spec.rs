//! What a supervisor knows of a child before it runs.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use resident_supervisor::{Backoff, ChildSpec as Policy, Directive, Restart, Shutdown};

use super::device::{DeviceSlot, On};
use super::error::AnyError;
use super::start::{Gpu, Starter};
use crate::fault::GpuFault;
use crate::system::placement::Placement;

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
    pub(crate) fn new(policy: Policy, start: Starter) -> ChildSpec {
        ChildSpec { policy, name: None, decide: None, slot: None, start }
    }

    /// The name that its framework is to know it by: ractor's registry. actix has none; a resident actor has the name on its system there.
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
    placement: Option<Placement>,
    in_flight: InFlight,
    restore: Restore,
    of: PhantomData<fn() -> A>,
}

/// Makes the state of a start, as bytes.
pub(crate) type Payload = dyn Fn() -> BoxFuture<'static, Result<Vec<u8>, AnyError>> + Send + Sync;

impl<A> GpuChild<A> {
    pub(crate) fn new(id: Arc<str>, payload: Arc<Payload>) -> GpuChild<A> {
        GpuChild { id, payload, placement: None, in_flight: InFlight::default(), restore: Restore::default(), of: PhantomData }
    }

    /// On which device of its system it starts; as the system [says](crate::System::placing) unless told otherwise. A restart stays on its
    /// device, and is placed anew where that is lost.
    pub fn placement(self, placement: Placement) -> GpuChild<A> {
        GpuChild { placement: Some(placement), ..self }
    }

    /// Which state a restart begins with; a fresh one unless told otherwise.
    pub fn restore(self, restore: Restore) -> GpuChild<A> {
        GpuChild { restore, ..self }
    }

    /// What becomes of the message that was being handled when the device failed; it fails with it unless told otherwise.
    pub fn in_flight(self, in_flight: InFlight) -> GpuChild<A> {
        GpuChild { in_flight, ..self }
    }

    /// How it is started, if it lives there, and what its supervisor is to know of it.
    pub(crate) fn at(self, place: On) -> (Policy, Option<DeviceSlot>, Gpu) {
        let slot = match &place {
            On::System(_) => None,
            On::Slot(slot) => Some(slot.clone()),
        };
        let policy = Policy { device: slot.as_ref().map(|slot| slot.name().clone()), ..Policy::worker(self.id) };
        let GpuChild { payload, placement, in_flight, restore, .. } = self;
        (policy, slot, Gpu { payload, place, placement, in_flight, restore })
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
/// Together with [`InFlight::Replay`] and a [`Config::journal`](crate::Config::journal) that holds what comes between two checkpoints,
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
