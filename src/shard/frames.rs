//! What control frames carry: payloads that the host makes, laid out by `resident_kernels::wire`.

use resident_kernels::actor::Actor;
use resident_kernels::wire::{GrantRow, INIT_STATE_BYTES, MAX_PAYLOAD, OP_INIT, OP_SPAWN, ReadState, SPAWN_STATE_BYTES, SpawnRow};

/// Returns a state as bytes.
pub(crate) fn encoded<A: Actor>(state: &A) -> Vec<u8> {
    let mut bytes = vec![0; size_of::<A>()];
    state.encode(&mut bytes);
    bytes
}

/// A state on its way to the device: what the spawn itself does not hold goes ahead in frames of its own.
pub(crate) struct Spawning<'a> {
    pub kind_index: u32,
    /// Where the state goes in the arena.
    pub offset: u64,
    pub state: &'a [u8],
}

impl Spawning<'_> {
    /// Frames ahead of the spawn.
    pub(crate) fn ahead(&self) -> usize {
        self.state.len().saturating_sub(SPAWN_STATE_BYTES).div_ceil(INIT_STATE_BYTES)
    }

    /// Writes the payload of one of them, or behind them that of the spawn: its operation, and how many bytes.
    pub(crate) fn write(&self, piece: usize, buffer: &mut [u8; MAX_PAYLOAD]) -> (u16, usize) {
        if piece < self.ahead() {
            let begin = SPAWN_STATE_BYTES + piece * INIT_STATE_BYTES;
            let part = &self.state[begin..self.state.len().min(begin + INIT_STATE_BYTES)];
            (OP_INIT, join(buffer, &(self.offset + begin as u64).to_le_bytes(), part))
        } else {
            let row = SpawnRow { kind: self.kind_index, state_bytes: self.state.len() as u32, state_offset: self.offset };
            (OP_SPAWN, join(buffer, &row.to_bytes(), &self.state[..self.state.len().min(SPAWN_STATE_BYTES)]))
        }
    }
}

fn join(buffer: &mut [u8; MAX_PAYLOAD], head: &[u8], part: &[u8]) -> usize {
    buffer[..head.len()].copy_from_slice(head);
    buffer[head.len()..][..part.len()].copy_from_slice(part);
    head.len() + part.len()
}

/// Returns the payload that asks for so many bytes of a state.
pub(crate) fn read(offset: u32, bytes: u32) -> Vec<u8> {
    ReadState { offset, bytes }.to_bytes().into()
}

/// Returns the payload of a grant with so many bytes of room for a state.
pub(crate) fn grant(state_offset: u64, bytes: u32) -> Vec<u8> {
    GrantRow { state_offset, bytes, pad: 0 }.to_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_put_together_are_the_state() {
        let state: Vec<u8> = (0..2500u32).map(|n| n as u8).collect();
        let spawning = Spawning { kind_index: 7, offset: 1 << 33, state: &state };
        let mut buffer = [0; MAX_PAYLOAD];
        let mut there = vec![0; state.len()];
        for piece in 0..spawning.ahead() {
            let (op, bytes) = spawning.write(piece, &mut buffer);
            let (at, part) = buffer[..bytes].split_first_chunk().unwrap();
            let at = (u64::from_le_bytes(*at) - (1 << 33)) as usize;
            there[at..][..part.len()].copy_from_slice(part);
            assert_eq!(op, OP_INIT);
        }
        let (op, bytes) = spawning.write(spawning.ahead(), &mut buffer);
        let (row, part) = buffer[..bytes].split_first_chunk().unwrap();
        let row = SpawnRow::from_bytes(row);
        there[..part.len()].copy_from_slice(part);
        assert_eq!((op, row.kind, row.state_bytes, row.state_offset), (OP_SPAWN, 7, 2500, 1 << 33));
        assert_eq!((spawning.ahead(), there), (2, state));
        assert_eq!(Spawning { kind_index: 0, offset: 0, state: &[0; SPAWN_STATE_BYTES] }.ahead(), 0);
    }
}
