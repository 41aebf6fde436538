//! What a program that has ractor finds behind the handle of a supervisor.

use ractor::{ActorCell, ActorRef, Message};
use resident_kernels::host::Resident;
use resident_supervisor::Target;

use crate::embed::ractor::handle::GpuRef;
use crate::embed::ractor::shell::cell;
use crate::guardian::SupervisorRef;

impl SupervisorRef {
    /// Its ractor actor: link it, watch it, stop it. Killed, it leaves its children to ractor, which kills them, too.
    ///
    /// # Panics
    ///
    /// If it was started under another framework.
    pub fn cell(&self) -> &ActorCell {
        cell(&*self.shell).expect("only a supervisor that `Builder::start` has started is an actor of ractor's")
    }

    /// The handle of a resident actor, if the child is an `A` and was started. It stays good over the child's restarts.
    pub async fn child<A: Resident>(&self, child: impl Into<Target>) -> Option<GpuRef<A>> {
        match self.find(child.into()).await?.gpu {
            Some(home) => GpuRef::at(home),
            None => None,
        }
    }

    /// The present incarnation of a child whose messages are `M`, if it runs. After a restart it is another, unless the child is a
    /// resident actor.
    pub async fn actor<M: Message>(&self, child: impl Into<Target>) -> Option<ActorRef<M>> {
        let found = self.find(child.into()).await?;
        let cell = cell(&*found.shell)?.clone();
        // ractor says nothing where it can not tell.
        (cell.is_message_type_of::<M>() != Some(false)).then(|| cell.into())
    }
}

impl From<SupervisorRef> for ActorCell {
    fn from(supervisor: SupervisorRef) -> ActorCell {
        supervisor.cell().clone()
    }
}
