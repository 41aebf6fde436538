//! What a checkpoint is of.

use resident_kernels::actor::{Actor, Kind};

use crate::who::ActorKey;

/// Which actors a checkpoint is of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Scope {
    /// All of the device.
    Device,
    /// These, all at the same moment; it is an error if one of them is not there.
    Actors(Vec<ActorKey>),
    /// All of these kinds.
    Kinds(Vec<&'static Kind>),
}

impl Scope {
    /// All `A`s.
    pub fn kind<A: Actor>() -> Scope {
        Scope::Kinds(vec![A::KIND])
    }
}
