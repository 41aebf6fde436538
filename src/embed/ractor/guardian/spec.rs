//! Children that are ractor's.

use std::sync::Arc;

use futures_util::FutureExt;
use ractor::{Actor, ActorProcessingErr};
use resident_kernels::host::{Cross, Resident};
use resident_supervisor::ChildSpec as Policy;

use super::start;
use crate::config::Config;
use crate::guardian::{Builder, ChildSpec, DeviceSlot, GpuChild, On};
use crate::shard::frames::encoded;

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
}

impl<A: Resident> GpuChild<A>
where
    A::Msg: Cross,
{
    /// The child lives on a [`System`](crate::System), or on the device of a [`DeviceSlot`].
    pub fn on(self, place: impl Into<On>) -> ChildSpec {
        let (policy, slot, gpu) = self.at(place.into());
        ChildSpec { slot, ..ChildSpec::new(policy, start::gpu::<A>(gpu)) }
    }
}
