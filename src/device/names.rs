//! The names that handlers of a device can look up (`Ctx::lookup`): those that its actors have in their framework's registry, or, where it
//! keeps none, among the system's [claims](super::claims).
//!
//! - **NA-1 (there)** A name is in the table only while its actor takes messages: put in once the device has the actor, taken out when
//!   that fails, is killed or is told to stop, each under the lock here.

use std::collections::HashMap;

use parking_lot::Mutex;
use resident_gpu::names::{self, NameError};
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;
use resident_kernels::wire;

/// The names of a device's actors.
pub(crate) struct Names(Mutex<Table>);

struct Table {
    /// None where another has it, as in a unit test.
    words: Option<names::Names>,
    places: HashMap<String, Place>,
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

impl Table {
    fn remove(&mut self, name: &str) {
        if let (Some(place), Some(words)) = (self.places.remove(name), &mut self.words) {
            words.remove(place.at);
        }
    }
}

impl Names {
    pub(crate) fn new(words: Option<names::Names>) -> Names {
        Names(Mutex::new(Table { words, places: HashMap::new() }))
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
