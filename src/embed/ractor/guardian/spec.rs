//! Children that are ractor's.

use std::sync::Arc;

use ractor::Actor;
use resident_supervisor::ChildSpec as Policy;

use super::start;
use crate::guardian::ChildSpec;

impl ChildSpec {
    /// An actor of ractor's, made by `make` and given a clone of `arguments` at every start. Its supervisor runs under ractor.
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
}
