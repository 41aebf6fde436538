//! Cuts: what the actors of a device are at one moment, taken while it runs; and actors put on a device in one go.
//!
//! All shards leave at a message boundary, what was asked for is copied on the device, and the shards go on; the copy drains to the
//! host beside them, into memory that application and worker share. While the shards stand still the application notes what is in
//! the rings, so a cut is consistent: of all that was sent before one moment, a message is either handled in the states or noted as
//! queued. How a device copies and compares is told in `kernels/cuda/cut.h`, the whole in `docs/checkpoints.md`.

pub(crate) mod buffer;
mod error;
pub(crate) mod mail;
pub(crate) mod rings;

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use resident_kernels::wire::CutRow;

use self::buffer::{Lease, Pool};
pub use self::error::CutError;
pub use self::rings::{Ends, Hold, Queued, Stand};
use crate::fault::{Class, WorkerError};
use crate::region::Region;
use crate::rows::RowId;

/// How long the shards stand still at most while the application notes what is in the rings.
pub(crate) const NOTE_LIMIT: Duration = Duration::from_millis(500);

/// What a device held at one moment, or what of it has changed since another.
#[derive(Debug)]
#[non_exhaustive]
pub struct Cut {
    /// Counts the cuts in a worker's life, from 1: what a later one can be asked to start from. `None` for one of some rows.
    pub number: Option<u64>,
    /// The cut that this one starts from. `None` if it holds everything; that is so, too, if its worker does not know the one asked for.
    pub base: Option<u64>,
    /// Microseconds since the Unix epoch when all shards stood still.
    pub micros: u64,
    /// From the order to leave until every shard ran again.
    pub pause: Duration,
    /// How far each shard had come.
    pub shards: Vec<Stand>,
    /// Live and failed actors, by shard and row. With a base those that are not as it has them, and those of its that are gone
    /// ([`CutRow::gone`]).
    pub rows: Vec<CutRow>,
    /// With a base, the pages of their states that have changed, by row and page.
    pub pages: Vec<Page>,
    /// The states, at [`CutRow::offset`], or the pages.
    pub bytes: Bytes,
    /// Messages sent before and not handled: those of the application in the order of each ring, then those that actors have sent each
    /// other, in the order of each inbox and of each outbox.
    pub queued: Vec<Queued>,
    /// Messages emitted before and not fetched, in the order of each ring.
    pub emitted: Vec<Queued>,
}

/// A page of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its actor's place in [`Cut::rows`].
    pub row: u32,
    /// Which page of the state: `STATE_PAGE` bytes each, the last one what is left.
    pub page: u32,
    /// Its place in [`Cut::bytes`].
    pub bytes: Range<usize>,
}

/// An actor to be put on a device.
#[derive(Clone, Debug)]
pub struct Load {
    /// Its shard.
    pub shard: u32,
    /// The row, claimed for it.
    pub row: RowId,
    /// Its kind's place in [`Device::kinds`](crate::device::Device::kinds).
    pub kind: u32,
    /// Where its state goes in the arena, a cell claimed for it.
    pub at: u64,
    /// Messages that it has handled.
    pub handled: u64,
    /// Its state's place in the bytes that come with it.
    pub state: Range<usize>,
}

/// A device's cuts: one at a time.
pub(crate) struct Cuts {
    pub pool: Pool,
    turn: Mutex<()>,
}

impl Cuts {
    pub(crate) fn new(region: &Region) -> Cuts {
        Cuts { pool: Pool::new(&region.geometry()), turn: Mutex::new(()) }
    }

    /// Waits for the cut that is being taken; no other is taken while the value lives.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the cut that is being taken; there is none any more.
    pub(crate) fn end(&self) {
        let _turn = self.turn();
        self.pool.give_up();
    }

    pub(crate) fn lease(&self) -> Result<Lease, CutError> {
        let ended = || CutError::Ended(WorkerError::new(Class::Worker, "it was stopped").into());
        self.pool.take()?.ok_or_else(ended)
    }
}
