//! The aircraft that are there, by tail number.

use std::collections::HashMap;

use actix::{Addr, ArbiterHandle, Supervisor};
use flights_actors::Aircraft;
use flights_common::Tail;
use parking_lot::Mutex;
use resident::{Gpu, System};

use crate::refused::Refused;

/// The aircraft of one system. Each worker of the server sends to all of them.
pub struct Fleet {
    system: System,
    /// Where the mailboxes are: an arbiter that outlives the server's workers.
    arbiter: ArbiterHandle,
    aircraft: Mutex<HashMap<Tail, Addr<Gpu<Aircraft>>>>,
}

impl Fleet {
    /// One without aircraft. Those that come live on `system`, their mailboxes on `arbiter`.
    pub fn new(system: System, arbiter: ArbiterHandle) -> Fleet {
        Fleet { system, arbiter, aircraft: Mutex::default() }
    }

    /// The aircraft of this tail number.
    pub fn known(&self, tail: &str) -> Result<Addr<Gpu<Aircraft>>, Refused> {
        let known = Tail::of(tail).and_then(|tail| self.aircraft.lock().get(&tail).cloned());
        known.ok_or_else(|| Refused::Unknown(tail.into()))
    }

    /// The same, which is started if it was not seen before.
    pub fn known_or_new(&self, tail: &str) -> Result<Addr<Gpu<Aircraft>>, Refused> {
        let tail = Tail::of(tail).ok_or_else(|| Refused::Tail(tail.into()))?;
        let mut aircraft = self.aircraft.lock();
        if let Some(known) = aircraft.get(&tail) {
            return Ok(known.clone());
        }
        let new = Gpu::new(&self.system, Aircraft::new(tail.0))?.named(tail.to_string())?;
        let new = Supervisor::start_in_arbiter(&self.arbiter, |_| new);
        Ok(aircraft.entry(tail).insert_entry(new).get().clone())
    }
}
