//! The names of a system's actors whose framework keeps no registry: one living actor of the system has each, on whichever of its devices.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::device::shared::Shared;
use crate::error::SpawnError;

/// Names of living actors.
#[derive(Default)]
pub(crate) struct Claims(Mutex<HashSet<String>>);

/// A name that one living actor has. Dropped, it is free again.
pub(crate) struct Claim {
    of: Arc<Shared>,
    name: String,
}

impl Claim {
    /// Takes a name of a system for one of its actors.
    pub(crate) fn take(of: &Arc<Shared>, name: &str) -> Result<Claim, SpawnError> {
        if !of.is_mine() {
            return Err(SpawnError::Forked);
        }
        if !of.claims.0.lock().insert(name.to_owned()) {
            return Err(SpawnError::Name(name.to_owned()));
        }
        Ok(Claim { of: of.clone(), name: name.to_owned() })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.of.is_mine() {
            self.of.claims.0.lock().remove(&self.name);
        }
    }
}
