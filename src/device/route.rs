//! Where emitted messages go: by their type, to whoever was named for it.

use std::any::{TypeId, type_name};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::RwLock;
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
    /// Hands emitted `E`s to `deliver`, in place of where they went before; it says whether somebody took one.
    pub(crate) fn add<E: Emit>(&self, deliver: impl Fn(E) -> bool + Send + Sync + 'static) -> Result<(), RouteError> {
        let mut routes = self.0.write();
        if let Some(old) = routes.get(&E::TYPE).filter(|old| old.of != TypeId::of::<E>()) {
            return Err(RouteError::Collision { old: old.name, new: type_name::<E>() });
        }
        let deliver = move |payload: &[u8]| payload.len() == size_of::<E>() && deliver(E::decode(payload));
        routes.insert(E::TYPE, Route { of: TypeId::of::<E>(), name: type_name::<E>(), deliver: Arc::new(deliver) });
        Ok(())
    }

    /// Delivers an emitted message; false if nobody took it. A conversion that panics delivers nothing.
    pub(crate) fn deliver(&self, ty: u32, payload: &[u8]) -> bool {
        let Some(deliver) = self.0.read().get(&ty).map(|route| route.deliver.clone()) else { return false };
        catch_unwind(AssertUnwindSafe(|| deliver(payload))).unwrap_or(false)
    }
}
