//! How members come, go, start afresh and become actors of their own.

use std::sync::Arc;

use futures_util::future::join_all;
use resident_gpu::rows::RowId;
use resident_kernels::address::Address;
use resident_kernels::wire::OP_STOP;

use super::batch::Newcomer;
use super::claim::claim;
use super::members::Group;
use super::table::{Key, Leaver, Phase, Seat, Stage, Table};
use crate::actor::home::Home;
use crate::actor::incarnation::{Loaded, Place};
use crate::actor::shell::Lent;
use crate::error::{MemberError, SpawnError};
use crate::shard::link::Control;
use crate::shard::occupant::Tenant;
use crate::shard::port::Port;

impl<K: Key> Group<K> {
    /// Adds a member.
    pub(crate) async fn insert(&self, key: K, state: Vec<u8>) -> Result<(), MemberError> {
        self.first().check_mine()?;
        let port = {
            let _change = self.changes.lock().await;
            if self.table.read().find(&key).is_some() {
                return Err(MemberError::Taken);
            }
            let (mut table, seat) = loop {
                let seat = self.claim_one()?;
                let table = self.table.write();
                let is_open = table.stage == Stage::Open;
                if is_open && !table.lost.contains_key(&seat.device) {
                    break (table, seat);
                }
                drop(table);
                self.core(seat.device).moved_in(self.kind_index, 1);
                drop(self.leaving(seat.device, self.port(seat.shard), vec![(seat.id, seat.offset)]));
                if !is_open {
                    return Err(MemberError::Stopped);
                }
            };
            let slot = table.add(key, seat);
            self.move_in(slot, seat, state)
        };
        port.caught_up().await;
        Ok(())
    }

    /// Where other actors reach a member, once the device has it.
    pub(crate) async fn address<A>(&self, key: &K) -> Option<Address<A>> {
        let seat = {
            let table = self.table.read();
            *table.find(key).and_then(|slot| table.seat(slot)).filter(|seat| seat.phase.has_row() || seat.phase == Phase::Own)?
        };
        self.port(seat.shard).fence().await.ok()?;
        Some(self.address_of(&seat))
    }

    /// The same of all members.
    pub(crate) async fn addresses<A>(&self) -> Vec<(K, Address<A>)> {
        let seats: Vec<(K, Seat)> = {
            let table = self.table.read();
            let there = table.slots().filter(|(_, member)| matches!(member.seat.phase, Phase::Live | Phase::Moving | Phase::Own));
            there.map(|(_, member)| (member.key.clone(), member.seat)).collect()
        };
        // Nobody is on a device that no longer runs.
        let there = join_all(self.devices().iter().map(|quarter| quarter.core.fence())).await;
        let seats = seats.into_iter().filter(|(_, seat)| there[seat.device as usize]);
        seats.map(|(key, seat)| (key, self.address_of(&seat))).collect()
    }

    fn address_of<A>(&self, seat: &Seat) -> Address<A> {
        Address::new(self.core(seat.device).device.system(), self.port(seat.shard).shard, seat.id.row, seat.id.generation)
    }

    fn claim_one(&self) -> Result<Seat, SpawnError> {
        let mut seat = Seat::NONE;
        claim(&self.quarters, self.kind, std::slice::from_mut(&mut seat))?;
        Ok(seat)
    }

    /// A member moves into a row of its own. The table is locked.
    fn move_in(&self, slot: u32, seat: Seat, state: Vec<u8>) -> &Arc<Port> {
        let port = self.port(seat.shard);
        if let Some(crew) = self.crew_of(seat.device) {
            port.tenants().enter(seat.id, Tenant { who: crew.clone(), slot });
        }
        self.core(seat.device).moved_in(self.kind_index, 1);
        // Who waits for the acknowledgement has gone.
        drop(self.send_states(port, Arc::new(state), vec![Newcomer::of(0, &seat)]));
        port
    }

    /// Puts a fresh state where a member has failed.
    pub(crate) async fn restart(&self, key: &K, state: Vec<u8>) -> Result<(), MemberError> {
        self.first().check_mine()?;
        let port = {
            let _change = self.changes.lock().await;
            self.quarters.check_running()?;
            let mut table = self.table.write();
            let Some(slot) = table.find(key) else { return Err(self.absent(&table)) };
            let Some(seat) = table.seat(slot).copied() else { return Err(self.absent(&table)) };
            let (port, new) = match seat.phase {
                Phase::Failed => {
                    let port = self.port(seat.shard);
                    let id = self.renew(port, &table, slot, seat.id).ok_or(SpawnError::Stopped)?;
                    let new = Seat { id, phase: Phase::Live, ..seat };
                    let RowId { row, generation } = seat.id;
                    // Ahead of the spawn, since the ring keeps their order; nobody waits for its answer.
                    port.control(Control { op: OP_STOP, message: 0, row, generation, payload: Vec::new(), answer: None });
                    drop(self.send_states(port, Arc::new(state), vec![Newcomer::of(0, &new)]));
                    (port, new)
                }
                Phase::Gone => {
                    let new = self.claim_one()?;
                    (self.move_in(slot, new, state), new)
                }
                Phase::Live | Phase::Moving | Phase::Own => return Err(MemberError::Running),
            };
            if let Some(seat) = table.seat_mut(slot) {
                *seat = new;
            }
            table.faults.remove(&slot);
            port
        };
        port.caught_up().await;
        Ok(())
    }

    /// The row of a failed member at its next generation.
    fn renew(&self, port: &Port, table: &Table<K>, slot: u32, old: RowId) -> Option<RowId> {
        let mut tenants = port.tenants();
        let new = tenants.renew(old)?;
        if let Some(fault) = table.faults.get(&slot) {
            tenants.remember(old, fault.clone());
        }
        Some(new)
    }

    fn absent(&self, table: &Table<K>) -> MemberError {
        if table.stage == Stage::Open { MemberError::Unknown } else { MemberError::Stopped }
    }

    /// Takes a member out, after what it was sent; false if there is none, as in a child that was forked.
    pub(crate) async fn remove(&self, key: &K) -> bool {
        if !self.first().is_mine() {
            return false;
        }
        let (seat, own) = {
            let _change = self.changes.lock().await;
            let mut table = self.table.write();
            let Some((seat, fault, own)) = table.find(key).and_then(|slot| table.take(slot)) else { return false };
            drop(table);
            if seat.phase.has_row() {
                self.send_off(vec![Leaver { seat, fault }]);
            }
            (seat, own)
        };
        if let Some(home) = own {
            home.shell.stopped(self.first().stop_timeout).await;
        } else if seat.phase.has_row() {
            // Behind the stop; where the device no longer runs, the row is free already.
            let _ = self.port(seat.shard).fence().await;
        }
        true
    }

    /// Makes a member an actor of its own, for which `lend` has its framework start one, or finds the one it is.
    pub(crate) async fn detach<F>(self: Arc<Self>, key: K, lend: impl FnOnce(Loaded) -> F) -> Result<Arc<Home>, MemberError>
    where
        F: Future<Output = Lent>,
    {
        let _change = self.changes.lock().await;
        let (slot, device, place) = {
            let mut table = self.table.write();
            let Some(slot) = table.find(&key) else { return Err(self.absent(&table)) };
            if let Some(home) = table.own.get(&slot) {
                return Ok(home.clone());
            }
            if let Some(fault) = table.fault(slot) {
                return Err(MemberError::Failed(Box::new(fault)));
            }
            if table.stage != Stage::Open {
                return Err(MemberError::Stopped);
            }
            let Some(seat) = table.seat_mut(slot) else { return Err(MemberError::Unknown) };
            seat.phase = Phase::Moving;
            let (core, shard) = (self.core(seat.device), self.port(seat.shard).shard);
            (slot, seat.device, Place::of_member(core, shard, seat.id, self.kind, self.kind_index, seat.offset))
        };
        // It is counted again as it moves into its own place.
        self.core(device).moved_out(self.kind_index, 1);
        let started = lend(place.loaded()).await;
        let mut table = self.table.write();
        if table.stage == Stage::Ended {
            // Killed meanwhile: nobody is in the table any more.
            if let Ok((home, _)) = started {
                home.shell.kill();
            }
            return Err(MemberError::Stopped);
        }
        // It may have failed before it had a place of its own that could be told so.
        let fault = table.faults.remove(&slot);
        let (home, join) = match started {
            Ok(started) => started,
            Err(error) => {
                table.take(slot);
                return Err(error.into());
            }
        };
        if let Some(seat) = table.seat_mut(slot) {
            seat.phase = Phase::Own;
        }
        table.own.insert(slot, home.clone());
        if table.ended.remove(&slot) {
            home.shell.stop(None);
        }
        drop(table);
        let (group, own) = (self.clone(), home.clone());
        tokio::spawn(async move {
            let _ = join.await;
            group.left(slot, &own);
        });
        match fault {
            None => Ok(home),
            Some(fault) => {
                let life = home.life();
                life.fail(fault.class, None, fault.text.clone());
                life.stop_proxy();
                Err(MemberError::Failed(Box::new(fault)))
            }
        }
    }

    /// A member's own actor has ended: the member has failed, or is one no more.
    fn left(&self, slot: u32, home: &Arc<Home>) {
        let mut table = self.table.write();
        if !table.own.get(&slot).is_some_and(|own| Arc::ptr_eq(own, home)) {
            return;
        }
        match home.life().fault() {
            Some(fault) => {
                table.own.remove(&slot);
                table.faults.insert(slot, fault.clone());
                if let Some(seat) = table.seat_mut(slot) {
                    seat.phase = Phase::Gone;
                }
            }
            None => drop(table.take(slot)),
        }
    }
}
