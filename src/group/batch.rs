//! Spawns and stops of many members: frames that are made as the ring has room for them, and what becomes of rows and states.

use std::sync::Arc;

use resident_gpu::rows::RowId;
use resident_kernels::host::Answer;
use resident_kernels::wire::{MAX_PAYLOAD, OP_STOP};
use tokio::sync::oneshot;

use super::table::Seat;
use crate::device::leaving::Leaving;
use crate::shard::frames::Spawning;
use crate::shard::link::{Bare, Batch};
use crate::shard::waiting::{fence, holding};

/// A member that is to be spawned.
pub(crate) struct Newcomer {
    /// Where its state goes.
    pub offset: u64,
    pub id: RowId,
    /// Which of the states is its.
    pub number: u32,
}

impl Newcomer {
    pub(crate) fn of(number: u32, seat: &Seat) -> Newcomer {
        Newcomer { offset: seat.offset, id: seat.id, number }
    }
}

/// Spawns of members of one shard.
pub(crate) struct Spawns {
    pub kind_index: u32,
    /// Bytes of each state.
    pub state_bytes: usize,
    /// States one behind another.
    pub states: Arc<Vec<u8>>,
    pub newcomers: Vec<Newcomer>,
    /// Whose turn it is, and the piece of its state.
    pub next: (usize, usize),
    /// Hears that all are there.
    pub done: oneshot::Sender<()>,
}

impl Spawns {
    /// The member whose turn it is, and its state.
    fn next(&self) -> Option<(&Newcomer, Spawning<'_>)> {
        let new = self.newcomers.get(self.next.0)?;
        let state = &self.states[new.number as usize * self.state_bytes..][..self.state_bytes];
        Some((new, Spawning { kind_index: self.kind_index, offset: new.offset, state }))
    }
}

impl Batch for Spawns {
    fn frame(&self, buffer: &mut [u8; MAX_PAYLOAD]) -> Option<Bare> {
        let (new, spawning) = self.next()?;
        let (op, bytes) = spawning.write(self.next.1, buffer);
        Some(Bare { op, id: new.id, bytes })
    }

    fn pushed(&mut self) {
        let (at, piece) = self.next;
        let ahead = self.next().map_or(0, |(_, spawning)| spawning.ahead());
        self.next = if piece < ahead { (at, piece + 1) } else { (at + 1, 0) };
    }

    fn answer(self: Box<Self>) -> Answer {
        fence(self.done)
    }
}

/// Stops of members of one shard. Dropped, it is as if the device had acknowledged them.
pub(crate) struct Stops {
    pub leaving: Leaving,
    /// Whose turn it is.
    pub next: usize,
}

impl Batch for Stops {
    fn frame(&self, _: &mut [u8; MAX_PAYLOAD]) -> Option<Bare> {
        self.leaving.rows.get(self.next).map(|(id, _)| Bare { op: OP_STOP, id: *id, bytes: 0 })
    }

    fn pushed(&mut self) {
        self.next += 1;
    }

    fn answer(self: Box<Self>) -> Answer {
        holding(self.leaving)
    }
}
