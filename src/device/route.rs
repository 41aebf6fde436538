//! Where emitted messages go: to the CPU actor of a name, looked up at each delivery.

use std::any::{TypeId, type_name};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::RwLock;
use ractor::{ActorRef, Message};
use resident_kernels::actor::Emit;

use crate::error::RouteError;

/// The routes of a system, by the emitted type's number on the wire.
#[derive(Default)]
pub(crate) struct Routes(RwLock<HashMap<u32, Route>>);

struct Route {
    of: TypeId,
    name: &'static str,
    deliver: Arc<Deliver>,
}

/// Takes the payload; false if it could not be delivered.
type Deliver = dyn Fn(&[u8]) -> bool + Send + Sync;

impl Routes {
    /// Sends emitted `E`s to the actor called `to`, in place of where they went before.
    pub(crate) fn add<E: Emit, M: Message + From<E>>(&self, to: String) -> Result<(), RouteError> {
        let mut routes = self.0.write();
        if let Some(old) = routes.get(&E::TYPE).filter(|old| old.of != TypeId::of::<E>()) {
            return Err(RouteError::Collision { old: old.name, new: type_name::<E>() });
        }
        let deliver = move |payload: &[u8]| {
            payload.len() == size_of::<E>()
                && ActorRef::<M>::where_is(&to).is_some_and(|actor| actor.send_message(M::from(E::decode(payload))).is_ok())
        };
        routes.insert(E::TYPE, Route { of: TypeId::of::<E>(), name: type_name::<E>(), deliver: Arc::new(deliver) });
        Ok(())
    }

    /// Delivers an emitted message; false if nobody took it. A conversion that panics delivers nothing.
    pub(crate) fn deliver(&self, ty: u32, payload: &[u8]) -> bool {
        let Some(deliver) = self.0.read().get(&ty).map(|route| route.deliver.clone()) else { return false };
        catch_unwind(AssertUnwindSafe(|| deliver(payload))).unwrap_or(false)
    }
}
