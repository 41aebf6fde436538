//! Children that are of no framework's by themselves: each is started in the framework that its supervisor runs in.

use std::error::Error;
use std::sync::Arc;

use futures_util::FutureExt;
use resident_supervisor::ChildSpec as Policy;

use crate::config::Config;
#[cfg(feature = "actix")]
use crate::embed::actix::guardian::start as actix;
#[cfg(feature = "ractor")]
use crate::embed::ractor::guardian::start as ractor;
use crate::guardian::start::{Context, Starter};
use crate::guardian::{Builder, ChildSpec, DeviceSlot, GpuChild, On};
use crate::shard::frames::encoded;

/// A resident actor that a supervisor can keep, whichever framework that runs in; implemented for every kind.
#[cfg(feature = "ractor")]
pub trait Keepable: resident_kernels::host::Resident<Msg: resident_kernels::host::Cross> {}
#[cfg(feature = "ractor")]
impl<A: resident_kernels::host::Resident<Msg: resident_kernels::host::Cross>> Keepable for A {}

/// A resident actor that a supervisor can keep; implemented for every kind.
#[cfg(not(feature = "ractor"))]
pub trait Keepable: resident_kernels::actor::Actor {}
#[cfg(not(feature = "ractor"))]
impl<A: resident_kernels::actor::Actor> Keepable for A {}

impl ChildSpec {
    /// A resident actor, whose state at every start is what `state` returns. [`GpuChild::on`] says where it lives.
    pub fn gpu<A: Keepable>(id: impl Into<Arc<str>>, state: impl Fn() -> A + Send + Sync + 'static) -> GpuChild<A> {
        // Not through a future of its own: a large state would not fit on the stack.
        let payload = move || std::future::ready(Ok(encoded(&state()))).boxed();
        GpuChild::new(id.into(), Arc::new(payload))
    }

    /// The same, where the state takes its time, or can not be had: then the start has failed.
    pub fn gpu_with<A: Keepable, F>(id: impl Into<Arc<str>>, state: impl Fn() -> F + Send + Sync + 'static) -> GpuChild<A>
    where
        F: Future<Output = Result<A, Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let payload = move || {
            let state = state();
            async move { Ok(encoded(&state.await?)) }.boxed()
        };
        GpuChild::new(id.into(), Arc::new(payload))
    }

    /// A supervisor with children of its own, whose id is its name.
    pub fn supervisor(supervisor: Builder) -> ChildSpec {
        let policy = Policy::supervisor(supervisor.name.clone());
        let start: Starter = Arc::new(move |context| {
            let supervisor = supervisor.clone();
            match Under::of(&context) {
                #[cfg(feature = "ractor")]
                Under::Ractor(front) => ractor::supervisor(supervisor, front, context).boxed(),
                #[cfg(feature = "actix")]
                Under::Actix(arbiter) => actix::supervisor(supervisor, arbiter, context).boxed(),
            }
        });
        ChildSpec::new(policy, start)
    }

    /// A device, started with `config` and put in `slot`, whose name is the child's id. Those that live on it come after it.
    pub fn device(slot: &DeviceSlot, config: Config) -> ChildSpec {
        let start: Starter = Arc::new(move |context| {
            let config = config.clone();
            match Under::of(&context) {
                #[cfg(feature = "ractor")]
                Under::Ractor(front) => ractor::device(config, front, context).boxed(),
                #[cfg(feature = "actix")]
                Under::Actix(_) => actix::device(config, context).boxed(),
            }
        });
        ChildSpec { slot: Some(slot.clone()), ..ChildSpec::new(Policy::device(slot.name().clone()), start) }
    }
}

impl<A: Keepable> GpuChild<A> {
    /// The child lives on a [`System`](crate::System), or on the device of a [`DeviceSlot`].
    pub fn on(self, place: impl Into<On>) -> ChildSpec {
        let (policy, slot, gpu) = self.at(place.into());
        let start: Starter = Arc::new(move |context| {
            let gpu = gpu.clone();
            match Under::of(&context) {
                #[cfg(feature = "ractor")]
                Under::Ractor(front) => ractor::gpu::<A>(gpu, front, context).boxed(),
                #[cfg(feature = "actix")]
                Under::Actix(arbiter) => actix::gpu::<A>(gpu, arbiter, context).boxed(),
            }
        });
        ChildSpec { slot, ..ChildSpec::new(policy, start) }
    }
}

/// The framework that a supervisor runs in, and what its children are given of it.
enum Under {
    #[cfg(feature = "ractor")]
    Ractor(::ractor::ActorCell),
    #[cfg(feature = "actix")]
    Actix(::actix::ArbiterHandle),
}

impl Under {
    fn of(context: &Context) -> Under {
        #[cfg(feature = "ractor")]
        if let Some(front) = ractor::front(context) {
            return Under::Ractor(front);
        }
        #[cfg(feature = "actix")]
        if let Some(arbiter) = actix::arbiter(context) {
            return Under::Actix(arbiter);
        }
        unreachable!("every supervisor runs in a framework")
    }
}
