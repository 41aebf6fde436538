//! The members of a group: who they are and where they live. A plain value under one lock, some fifty bytes a member.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use ractor::ActorStatus;
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;

use crate::error::CastError;
use crate::fault::GpuFault;
use crate::home::{Home, LifeRef};
use crate::link::Recipient;
use crate::recovery::Recovery;

/// What names a member.
pub(crate) trait Key: Eq + Hash + Clone + Send + Sync + 'static {}

impl<K: Eq + Hash + Clone + Send + Sync + 'static> Key for K {}

/// Where a member lives.
#[derive(Clone, Copy)]
pub(crate) struct Seat {
    /// Where its state begins.
    pub offset: u64,
    pub id: RowId,
    pub shard: u32,
    pub phase: Phase,
}

/// A member that leaves the table while its row is the group's.
pub(crate) struct Leaver {
    pub seat: Seat,
    /// Why it had failed, if it had.
    pub fault: Option<GpuFault>,
}

/// What has become of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// There is none.
    Empty,
    /// It takes messages.
    Live,
    /// It has failed and has its row still.
    Failed,
    /// It has failed and has no row any more.
    Gone,
    /// It takes messages, and is becoming an actor of its own, which has its row.
    Moving,
    /// It is an actor of its own, which has its row.
    Own,
}

/// Whether the group takes messages and members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Open,
    /// It is being stopped.
    Closing,
    /// Its actor has gone.
    Ended,
}

/// The members of a group.
pub(crate) struct Table<K> {
    pub index: HashMap<K, u32>,
    /// By slot, as the seats.
    pub keys: Vec<Option<K>>,
    pub seats: Vec<Seat>,
    /// Slots of nobody.
    pub free: Vec<u32>,
    /// Why those failed that did.
    pub faults: HashMap<u32, GpuFault>,
    /// Those that are actors of their own.
    pub own: HashMap<u32, Arc<Home>>,
    /// Those that have asked for their end while they were becoming actors of their own.
    pub ended: HashSet<u32>,
    pub stage: Stage,
    /// Why all have failed, once their device is lost.
    pub lost: Option<GpuFault>,
}

/// A member that a message goes to.
pub(crate) enum To<'a> {
    Seat(RowId, &'static Kind, u32),
    Actor(LifeRef<'a>),
}

impl<K: Key> Table<K> {
    /// The slot of a member.
    pub(crate) fn find(&self, key: &K) -> Option<u32> {
        self.index.get(key).copied()
    }

    /// The seat of a member; its slot is one that [`find`](Self::find) gave.
    pub(crate) fn seat(&self, slot: u32) -> &Seat {
        &self.seats[slot as usize]
    }

    /// Who gets a message for this slot; `None` if nobody does.
    pub(crate) fn to(&self, slot: u32, kind: &'static Kind, kind_index: u32) -> Option<To<'_>> {
        let seat = self.seat(slot);
        match seat.phase {
            Phase::Live | Phase::Moving => Some(To::Seat(seat.id, kind, kind_index)),
            Phase::Own => {
                let home = self.own.get(&slot).filter(|home| home.actor.get_status() < ActorStatus::Draining)?;
                Some(To::Actor(home.life()))
            }
            Phase::Empty | Phase::Failed | Phase::Gone => None,
        }
    }

    /// Why a member failed, if it has.
    pub(crate) fn fault(&self, slot: u32) -> Option<GpuFault> {
        let own = || self.own.get(&slot).and_then(|home| home.life().fault().cloned());
        self.faults.get(&slot).cloned().or_else(own).or_else(|| self.lost.clone())
    }

    /// Why a member takes no message.
    pub(crate) fn refuse<M>(&self, slot: u32, msg: M) -> CastError<M> {
        match self.fault(slot) {
            Some(fault) => CastError::Failed(msg, Box::new(fault)),
            None => CastError::Stopped(msg),
        }
    }

    /// Why there is no member.
    pub(crate) fn missing<M>(&self, msg: M) -> CastError<M> {
        if self.stage == Stage::Open { CastError::Unknown(msg) } else { CastError::Stopped(msg) }
    }

    /// Adds a member, whose key nobody has: its slot.
    pub(crate) fn add(&mut self, key: K, seat: Seat) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.keys.push(None);
            self.seats.push(seat);
            self.seats.len() as u32 - 1
        });
        self.keys[slot as usize] = Some(key.clone());
        self.seats[slot as usize] = seat;
        self.index.insert(key, slot);
        slot
    }

    /// Takes a member out: where it was, and why it had failed, if it had.
    pub(crate) fn take(&mut self, slot: u32) -> (Seat, Option<GpuFault>, Option<Arc<Home>>) {
        if let Some(key) = self.keys[slot as usize].take() {
            self.index.remove(&key);
        }
        let seat = self.seats[slot as usize];
        self.seats[slot as usize].phase = Phase::Empty;
        self.free.push(slot);
        (seat, self.faults.remove(&slot), self.own.remove(&slot))
    }

    /// Slots of members, in their order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (u32, &Seat)> {
        (0..).zip(&self.seats).filter(|(_, seat)| seat.phase != Phase::Empty)
    }
}

impl Phase {
    /// Whether its row is the group's.
    pub(crate) fn has_row(self) -> bool {
        matches!(self, Phase::Live | Phase::Failed)
    }
}

impl Recipient for To<'_> {
    #[inline]
    fn is_open(&self) -> bool {
        match self {
            // The table is locked from the look at its phase to the end of the push.
            To::Seat(..) => true,
            To::Actor(life) => life.is_open(),
        }
    }

    #[inline]
    fn row(&self) -> RowId {
        match self {
            To::Seat(id, ..) => *id,
            To::Actor(life) => life.row,
        }
    }

    #[inline]
    fn kind(&self) -> &'static Kind {
        match self {
            To::Seat(_, kind, _) => kind,
            To::Actor(life) => life.kind,
        }
    }

    #[inline]
    fn kind_index(&self) -> u32 {
        match self {
            To::Seat(_, _, index) => *index,
            To::Actor(life) => life.kind_index,
        }
    }

    #[inline]
    fn recovery(&self) -> Option<&Recovery> {
        match self {
            To::Seat(..) => None,
            To::Actor(life) => life.recovery(),
        }
    }
}
