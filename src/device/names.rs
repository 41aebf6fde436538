//! The names that handlers can look up (`Ctx::lookup`): those that actors of this system have in their framework's registry, or, where it
//! keeps none, here.
//!
//! - **NA-1 (there)** A name is in the table only while its actor takes messages: put in once the device has the actor, taken out when
//!   that fails, is killed or is told to stop, each under the lock here.
//! - **NA-2 (one)** Of the actors whose framework keeps no registry, one living actor of a system has a name.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use resident_gpu::names::{self, NameError};
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;
use resident_kernels::wire;

use crate::device::core::Core;
use crate::error::SpawnError;

/// The names of a system.
pub(crate) struct Names(Mutex<Table>);

struct Table {
    /// None where another has it, as in a unit test.
    words: Option<names::Names>,
    places: HashMap<String, Place>,
    /// Names of living actors whose framework keeps no registry of its own.
    claimed: HashSet<String>,
}

struct Place {
    /// Its place in the words.
    at: u32,
    shard: u32,
    id: RowId,
}

/// An actor with a name.
pub(crate) struct Named<'a> {
    pub name: &'a str,
    pub kind: &'static Kind,
    pub shard: u32,
    pub id: RowId,
}

/// A name that one living actor has. Dropped, it is free again.
pub(crate) struct Claim {
    core: Arc<Core>,
    name: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.core.is_mine() {
            self.core.names.0.lock().claimed.remove(&self.name);
        }
    }
}

impl Table {
    fn remove(&mut self, name: &str) {
        if let (Some(place), Some(words)) = (self.places.remove(name), &mut self.words) {
            words.remove(place.at);
        }
    }
}

impl Names {
    pub(crate) fn new(words: Option<names::Names>) -> Names {
        Names(Mutex::new(Table { words, places: HashMap::new(), claimed: HashSet::new() }))
    }

    /// Takes a name of `core`, whose names these are, for an actor whose framework keeps no registry: one living actor has it.
    pub(crate) fn claim_for(&self, core: &Arc<Core>, name: Option<&str>) -> Result<Option<Claim>, SpawnError> {
        let Some(name) = name else { return Ok(None) };
        core.check_mine()?;
        if !self.0.lock().claimed.insert(name.to_owned()) {
            return Err(SpawnError::Name(name.to_owned()));
        }
        Ok(Some(Claim { core: core.clone(), name: name.to_owned() }))
    }

    /// The device has this actor, which others find by its name from here on. One that they can not find is told; `is_open` says whether
    /// it takes messages.
    pub(crate) fn publish(&self, actor: Named<'_>, system: Option<&str>, is_open: impl FnOnce() -> bool) {
        let Named { name, kind, shard, id } = actor;
        let mut table = self.0.lock();
        // Told to stop, or failed: whoever has said so takes the name out behind this, or has done so before.
        if !is_open() {
            return;
        }
        // One before it that has gone and did not come to say so.
        table.remove(name);
        let Some(words) = &mut table.words else { return };
        match words.insert(wire::digest(name.as_bytes()), kind.tag(), shard, id) {
            Ok(at) => drop(table.places.insert(name.to_owned(), Place { at, shard, id })),
            Err(error @ NameError::Taken) => {
                tracing::error!(system, name, kind = kind.name, "handlers do not find this actor: {error}")
            }
            Err(error @ NameError::Full) => {
                tracing::warn!(system, name, kind = kind.name, "handlers do not find this actor: {error}")
            }
        }
    }

    /// It takes no messages any more.
    pub(crate) fn retract(&self, actor: Named<'_>) {
        let mut table = self.0.lock();
        if table.places.get(actor.name).is_some_and(|place| (place.shard, place.id) == (actor.shard, actor.id)) {
            table.remove(actor.name);
        }
    }
}
