//! Pipelines to resident actors that are ractor's.

use resident_kernels::actor::{Handles, Message};
use resident_kernels::host::Resident;

use crate::actor::pipeline::Pipeline;
use crate::embed::ractor::handle::GpuRef;
use crate::error::AskError;

impl<A: Handles<M> + Resident, M: Message> Pipeline<A, M> {
    /// Sends `request` to `to`. After an error nothing was sent.
    #[inline]
    pub fn submit(&mut self, to: &GpuRef<A>, request: &M) -> Result<(), AskError> {
        self.submit_many(to, std::slice::from_ref(request)).map(drop)
    }

    /// Sends `requests` to `to` in their order, as many as window and ring take: how many, at least one. Cheaper than one by one:
    /// the ring is locked once. After an error nothing was sent.
    #[inline]
    pub fn submit_many(&mut self, to: &GpuRef<A>, requests: &[M]) -> Result<usize, AskError> {
        self.submit_to(to.home(), to.is_taking(), requests)
    }
}
