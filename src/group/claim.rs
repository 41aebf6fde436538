//! Places for many members at once: all of them or none, thousands at each look at the shards.

use resident_gpu::arena::Cell;
use resident_kernels::actor::Kind;

use super::quarters::{Quarter, Quarters};
use super::table::Seat;
use crate::device::core::Core;
use crate::error::SpawnError;

/// Members whose rows or states are taken or given back under one lock, so that nobody waits for long.
pub(crate) const CHUNK: usize = 4096;

/// Places for these members on the devices of a group; those that come one after another are on one device.
pub(crate) fn claim(quarters: &Quarters, kind: &'static Kind, seats: &mut [impl AsMut<Seat>]) -> Result<(), SpawnError> {
    let devices = quarters.devices();
    if let [only] = devices {
        return claim_on(only, kind.state_bytes, seats);
    }
    let wanted = seats.len();
    let mut refused = vec![false; devices.len()];
    let mut claimed = Vec::new();
    let mut begin = 0;
    // A device where others were faster, or that is lost meanwhile, leaves its share to the other devices.
    while begin < wanted {
        let shares = match quarters.shares(kind.state_bytes, wanted - begin, &refused) {
            Ok(shares) => shares,
            Err(error) => {
                claimed.into_iter().for_each(|(quarter, range)| give_back(quarter, kind.state_bytes, &mut seats[range]));
                return Err(of_all(error, wanted, begin));
            }
        };
        for (device, share) in shares.into_iter().enumerate() {
            let range = begin..begin + share;
            match claim_on(&devices[device], kind.state_bytes, &mut seats[range.clone()]) {
                Ok(()) => {
                    begin = range.end;
                    claimed.push((&devices[device], range));
                }
                Err(_) => refused[device] = true,
            }
        }
    }
    Ok(())
}

/// Why there is no place for `wanted` members, where there was one for the first of them.
fn of_all(error: SpawnError, wanted: usize, first: usize) -> SpawnError {
    match error {
        SpawnError::Members { free, .. } => SpawnError::Members { wanted, free: first + free },
        error => error,
    }
}

/// Places on one device, spread evenly as far as its shards have rows; one after another is on another shard.
fn claim_on(quarter: &Quarter, bytes: u32, seats: &mut [impl AsMut<Seat>]) -> Result<(), SpawnError> {
    quarter.core.check_running()?;
    let wanted = seats.len();
    for begin in (0..wanted).step_by(CHUNK) {
        let (before, rest) = seats.split_at_mut(begin);
        let chunk = CHUNK.min(rest.len());
        if let Err(error) = claim_some(quarter, bytes, &mut rest[..chunk]) {
            give_back(quarter, bytes, before);
            return Err(of_all(error, wanted, begin));
        }
    }
    Ok(())
}

/// The same for at most [`CHUNK`].
fn claim_some(quarter: &Quarter, bytes: u32, seats: &mut [impl AsMut<Seat>]) -> Result<(), SpawnError> {
    let offsets = quarter.core.arena.lock().allocate_many(bytes, seats.len())?;
    let rows = rows(&quarter.core, seats.len()).inspect_err(|_| {
        let mut arena = quarter.core.arena.lock();
        for offset in &offsets {
            arena.free(Cell { offset: *offset, bytes });
        }
    })?;
    for (seat, (row, offset)) in seats.iter_mut().zip(rows.into_iter().zip(offsets)) {
        *seat.as_mut() = Seat { offset, shard: quarter.first + row.shard, device: quarter.place, ..row };
    }
    Ok(())
}

fn give_back(quarter: &Quarter, bytes: u32, seats: &mut [impl AsMut<Seat>]) {
    for seats in seats.chunks_mut(CHUNK) {
        for seat in &mut *seats {
            let seat = seat.as_mut();
            quarter.port(seat.shard).tenants().give_back(seat.id);
        }
        let mut arena = quarter.core.arena.lock();
        for seat in seats {
            arena.free(Cell { offset: seat.as_mut().offset, bytes });
        }
    }
}

/// Rows, whose states have no place yet. Shards are the device's own.
fn rows(core: &Core, count: usize) -> Result<Vec<Seat>, SpawnError> {
    let mut claimed: Vec<Vec<Seat>> = core.ports.iter().map(|_| Vec::new()).collect();
    let mut missing = count;
    // Somebody else may take rows between the look and the claim; then what is missing is looked for once more.
    while missing > 0 {
        let room: Vec<usize> = core.ports.iter().map(|port| port.tenants().free() as usize).collect();
        let free: usize = room.iter().sum();
        if free < missing {
            for (port, seats) in core.ports.iter().zip(&claimed) {
                let mut tenants = port.tenants();
                seats.iter().for_each(|seat| tenants.give_back(seat.id));
            }
            return Err(SpawnError::Members { wanted: count, free: free + count - missing });
        }
        for (port, (seats, share)) in core.ports.iter().zip(claimed.iter_mut().zip(shares(&room, missing, core.turn()))) {
            let mut tenants = port.tenants();
            let ids = (0..share).map_while(|_| tenants.claim());
            let before = seats.len();
            seats.extend(ids.map(|id| Seat { id, shard: port.shard, ..Seat::NONE }));
            missing -= seats.len() - before;
        }
    }
    Ok(in_turn(claimed, count))
}

/// How many of `count` each has, so that the fewest have more than others; there is room for them. Of those with as much room it is
/// another's turn to have one more each time.
fn shares(room: &[usize], count: usize, turn: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..room.len()).map(|i| (i + turn) % room.len()).collect();
    order.sort_by_key(|&i| room[i]);
    let mut shares = vec![0; room.len()];
    let mut left = count;
    for (done, i) in order.into_iter().enumerate() {
        shares[i] = room[i].min(left / (room.len() - done));
        left -= shares[i];
    }
    shares
}

/// All of them, each time one of each.
fn in_turn(claimed: Vec<Vec<Seat>>, count: usize) -> Vec<Seat> {
    let mut claimed: Vec<_> = claimed.into_iter().map(Vec::into_iter).collect();
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        all.extend(claimed.iter_mut().filter_map(Iterator::next));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn shares_are_even_as_far_as_there_is_room() {
        assert_eq!(shares(&[9, 9, 9], 9, 0), [3, 3, 3]);
        assert_eq!(shares(&[9, 1, 9], 9, 0), [4, 1, 4]);
        assert_eq!(shares(&[0, 2, 9], 11, 1), [0, 2, 9]);
        assert_eq!(shares(&[5, 5], 0, 0), [0, 0]);
        let (one, other) = (shares(&[5, 5], 1, 0), shares(&[5, 5], 1, 1));
        assert_eq!((one.iter().sum::<usize>(), other.iter().sum::<usize>()), (1, 1));
        assert_ne!(one, other);
    }
}
