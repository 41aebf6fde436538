//! Handles, of whichever framework, as what sends to any of them sees them.

use resident_kernels::actor::Actor;

use crate::actor::home::Home;

/// A handle of a resident actor of kind `A`: a [`Handle`](crate::Handle), or that of a framework.
///
/// It is what a [`Pipeline`](crate::Pipeline) sends to. Only handles of this crate implement it.
#[allow(private_bounds)] // sealed
pub trait Destination<A: Actor>: Sealed {}

pub(crate) trait Sealed {
    /// Where its actor lives.
    fn home(&self) -> &Home;

    /// Whether its framework has the actor take messages.
    fn is_taking(&self) -> bool;
}
