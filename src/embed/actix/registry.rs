//! Resident actors as actix's services: which system those of an actix `System` live on.

use std::collections::HashMap;
use std::sync::OnceLock;

use actix::{ArbiterService, SystemService};
use parking_lot::Mutex;
use resident_kernels::actor::Actor;

use crate::embed::actix::error::ActixError;
use crate::embed::actix::gpu::Gpu;
use crate::error::SpawnError;
use crate::shard::frames::encoded;
use crate::system::{System, WeakSystem};

/// By the number of the actix system.
type Served = Mutex<HashMap<usize, WeakSystem>>;

fn served() -> &'static Served {
    static SERVED: OnceLock<Served> = OnceLock::new();
    SERVED.get_or_init(Served::default)
}

impl System {
    /// From here on services of this thread's actix `System` live here: `Gpu::<Aircraft>::from_registry()` starts the one that there is,
    /// under actix's supervisor, with the state that `Aircraft::default()` is. One that is started already stays where it is.
    ///
    /// # Errors
    ///
    /// [`ActixError::NoArbiter`] if no actix `System` is on this thread, within [`SpawnError::Framework`].
    pub fn serve_registry(&self) -> Result<(), SpawnError> {
        let actix = actix::System::try_current().ok_or(ActixError::NoArbiter)?;
        let mut served = served().lock();
        served.retain(|_, system| system.is_there());
        served.insert(actix.id(), self.downgrade());
        Ok(())
    }
}

/// The service on the system that [`serve_registry`](System::serve_registry) has named. Where none was, or there is no place on it, an actor
/// that answers to nobody: a caller hears that it is closed, and the log why.
impl<A: Actor + Default> Default for Gpu<A> {
    fn default() -> Gpu<A> {
        let id = actix::System::try_current().map(|actix| actix.id());
        let system = id.and_then(|id| served().lock().get(&id)?.upgrade());
        let placed = system
            .ok_or("call `System::serve_registry` first".into())
            .and_then(|system: System| Gpu::new(&system, A::default()).map_err(|error| error.to_string()));
        placed.unwrap_or_else(|why| {
            tracing::error!(kind = A::KIND.name, "the service is not there: {why}");
            Gpu::nobody(encoded(&A::default()))
        })
    }
}

impl<A: Actor + Default> SystemService for Gpu<A> {}
impl<A: Actor + Default> ArbiterService for Gpu<A> {}
