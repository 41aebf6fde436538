//! Spawns and stops of many members: frames that are made as the ring has room for them, and what becomes of rows and states.

use std::sync::Arc;

use resident_gpu::arena::Cell;
use resident_gpu::rows::RowId;
use resident_kernels::wire::{INIT_STATE_BYTES, MAX_PAYLOAD, OP_INIT, OP_SPAWN, OP_STOP, SPAWN_STATE_BYTES, SpawnRow};
use tokio::sync::oneshot;

use super::table::Seat;
use crate::core::Core;
use crate::shard::link::{Bare, Batch, Waiting};
use crate::shard::port::Port;

/// Bytes of a spawn's payload ahead of the state.
const HEAD: usize = size_of::<SpawnRow>();

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
    /// Frames ahead of the spawn itself, for what of a state it does not hold.
    fn ahead(&self) -> usize {
        self.state_bytes.saturating_sub(SPAWN_STATE_BYTES).div_ceil(INIT_STATE_BYTES)
    }
}

impl Batch for Spawns {
    fn frame(&self, buffer: &mut [u8; MAX_PAYLOAD]) -> Option<Bare> {
        let (at, piece) = self.next;
        let new = self.newcomers.get(at)?;
        let state = &self.states[new.number as usize * self.state_bytes..][..self.state_bytes];
        let (op, head, part) = if piece < self.ahead() {
            let begin = SPAWN_STATE_BYTES + piece * INIT_STATE_BYTES;
            buffer[..8].copy_from_slice(&(new.offset + begin as u64).to_le_bytes());
            (OP_INIT, 8, &state[begin..self.state_bytes.min(begin + INIT_STATE_BYTES)])
        } else {
            buffer[..4].copy_from_slice(&self.kind_index.to_le_bytes());
            buffer[4..8].copy_from_slice(&(self.state_bytes as u32).to_le_bytes());
            buffer[8..16].copy_from_slice(&new.offset.to_le_bytes());
            (OP_SPAWN, HEAD, &state[..self.state_bytes.min(SPAWN_STATE_BYTES)])
        };
        buffer[head..head + part.len()].copy_from_slice(part);
        Some(Bare { op, id: new.id, bytes: head + part.len() })
    }

    fn pushed(&mut self) {
        let (at, piece) = self.next;
        self.next = if piece < self.ahead() { (at, piece + 1) } else { (at + 1, 0) };
    }

    fn waiting(self: Box<Self>) -> Waiting {
        Waiting::Fence(self.done)
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

    fn waiting(self: Box<Self>) -> Waiting {
        Waiting::Leave(self.leaving)
    }
}

/// Rows and states of members of one shard that were told to stop. Dropped, they are free again.
pub(crate) struct Leaving {
    pub core: Arc<Core>,
    pub port: Arc<Port>,
    pub kind_index: u32,
    /// Bytes of each state.
    pub state_bytes: u32,
    /// Each row, and where its state begins.
    pub rows: Vec<(RowId, u64)>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        {
            let mut tenants = self.port.tenants();
            self.rows.iter().for_each(|(id, _)| tenants.give_back(*id));
        }
        {
            let mut arena = self.core.arena.lock();
            for (_, offset) in &self.rows {
                arena.free(Cell { offset: *offset, bytes: self.state_bytes });
            }
        }
        self.core.moved_out(self.kind_index, self.rows.len());
    }
}
