//! Emitted messages for ractor's actors.

use ractor::{ActorRef, Message};
use resident_kernels::actor::Emit;

use crate::error::RouteError;
use crate::system::System;

impl System {
    /// Sends every emitted `E` to the actor called `name`, which takes it as an `M`. The name is looked up at each delivery,
    /// so an actor that was restarted goes on getting them; while there is none, they are counted as dead letters.
    pub fn route<E: Emit, M: Message + From<E>>(&self, name: impl Into<String>) -> Result<(), RouteError> {
        let name = name.into();
        self.route_to(move |emitted: E| {
            let to = ActorRef::<M>::where_is(&name);
            to.is_some_and(|actor| actor.send_message(M::from(emitted)).is_ok())
        })
    }
}
