//! Checkpoints of actors by their handles.

use resident_kernels::host::Resident;

use crate::checkpoint::{Scope, Taking};
use crate::embed::ractor::handle::GpuRef;

impl Scope {
    /// These actors.
    pub fn actors<'a, A: Resident>(actors: impl IntoIterator<Item = &'a GpuRef<A>>) -> Scope {
        Scope::Actors(actors.into_iter().map(GpuRef::key).collect())
    }
}

impl<A: Resident> GpuRef<A> {
    /// Takes a checkpoint of this actor alone.
    pub fn checkpoint(&self) -> Taking {
        Taking::new(self.home().life().core.clone(), Scope::Actors(vec![self.key()]))
    }
}
