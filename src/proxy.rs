//! The ractor actor that stands for an actor on the device: it owns name, groups, links and mailbox, and holds one incarnation.
//!
//! It does no work of its own. What comes by the mailbox goes into the ring; what its `GpuRef`s send does not pass here.

use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use ractor::{ActorProcessingErr, ActorRef};
use resident_kernels::host::Resident;

use crate::core::Core;
use crate::error::CastError;
use crate::incarnation::Incarnation;
use crate::link::Path;

/// The proxy of an `A`.
pub(crate) struct Proxy<A> {
    /// Filled in by `pre_start`; who spawns reads it too. ractor drops this value when the actor has ended, however that came.
    pub life: Arc<OnceLock<Arc<Incarnation>>>,
    pub kind: PhantomData<fn() -> A>,
}

impl<A> Drop for Proxy<A> {
    /// Where `post_stop` was not run, after a kill or a panic, the device still has the actor.
    fn drop(&mut self) {
        if let Some(life) = self.life.get() {
            life.revoke();
            life.end_fences();
        }
    }
}

#[ractor::actor(message = A::Msg, state = Arc<Incarnation>, arguments = (Vec<u8>, Arc<Core>))]
impl<A: Resident> Proxy<A> {
    async fn pre_start(
        &self,
        myself: ActorRef<A::Msg>,
        (payload, core): (Vec<u8>, Arc<Core>),
    ) -> Result<Arc<Incarnation>, ActorProcessingErr> {
        let life = Incarnation::claim::<A>(&core, myself.get_cell())?;
        let _ = self.life.set(life.clone());
        life.spawn(payload);
        life.port.caught_up().await;
        Ok(life)
    }

    async fn handle(&self, _myself: ActorRef<A::Msg>, message: A::Msg, life: &mut Arc<Incarnation>) -> Result<(), ActorProcessingErr> {
        if A::index(&message) == u16::MAX {
            // A marker of `GpuRef::sender`, or something that another node sent.
            if !life.fence_passed() {
                life.core.dead_letter();
            }
            return Ok(());
        }
        match life.send::<A>(Path::Mailbox, message).await {
            Ok(()) => {}
            // Failed or lost: the stop that follows is on its way. A call's port closes with the message.
            Err(CastError::Stopped(_) | CastError::Lost(_) | CastError::Full(_)) => life.core.dead_letter(),
        }
        Ok(())
    }

    async fn post_stop(&self, _myself: ActorRef<A::Msg>, life: &mut Arc<Incarnation>) -> Result<(), ActorProcessingErr> {
        Ok(life.finish().await?)
    }
}
