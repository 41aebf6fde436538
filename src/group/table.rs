//! The members of a group: who they are and where they live. A plain value under one lock, some forty bytes a member.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::mem;
use std::ops::Range;
use std::sync::Arc;

use resident_gpu::ring::Frame;
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;

use super::index::Index;
use crate::actor::home::{Home, LifeRef};
use crate::error::CastError;
use crate::fault::GpuFault;
use crate::shard::link::Recipient;

/// What names a member.
pub(crate) trait Key: Eq + Hash + Clone + Send + Sync + 'static {}

impl<K: Eq + Hash + Clone + Send + Sync + 'static> Key for K {}

/// Where a member lives.
#[derive(Clone, Copy)]
pub(crate) struct Seat {
    /// Where its state begins.
    pub offset: u64,
    pub id: RowId,
    /// Counted over all shards of the group's devices.
    pub shard: u32,
    /// The place of its device among those of the group.
    pub device: u8,
    pub phase: Phase,
}

impl Seat {
    /// Of somebody who has no place yet.
    pub(crate) const NONE: Seat = Seat { offset: 0, id: RowId { row: 0, generation: 0 }, shard: 0, device: 0, phase: Phase::Live };
}

impl AsMut<Seat> for Seat {
    fn as_mut(&mut self) -> &mut Seat {
        self
    }
}

/// A member, in its slot.
pub(crate) struct Member<K> {
    pub key: K,
    pub seat: Seat,
}

impl<K> AsMut<Seat> for Member<K> {
    fn as_mut(&mut self) -> &mut Seat {
        &mut self.seat
    }
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
    index: Index,
    /// By slot.
    members: Vec<Option<Member<K>>>,
    /// Slots of nobody.
    free: Vec<u32>,
    /// Why those failed that did.
    pub faults: HashMap<u32, GpuFault>,
    /// Those that are actors of their own.
    pub own: HashMap<u32, Arc<Home>>,
    /// Those that have asked for their end while they were becoming actors of their own.
    pub ended: HashSet<u32>,
    pub stage: Stage,
    /// Why all of a device have failed, by the place of each that is lost.
    pub lost: BTreeMap<u8, GpuFault>,
}

/// A member that a message goes to.
pub(crate) enum To<'a> {
    Seat(RowId, &'static Kind, u32),
    Actor(LifeRef<'a>),
}

impl<K: Key> Table<K> {
    /// Of these members, of which `index` knows the slots.
    pub(crate) fn new(index: Index, members: Vec<Member<K>>) -> Table<K> {
        Table {
            index,
            members: members.into_iter().map(Some).collect(),
            free: Vec::new(),
            faults: HashMap::new(),
            own: HashMap::new(),
            ended: HashSet::new(),
            stage: Stage::Open,
            lost: BTreeMap::new(),
        }
    }

    /// The slot of a member.
    pub(crate) fn find(&self, key: &K) -> Option<u32> {
        self.index.find(key, |slot| self.key(slot) == Some(key))
    }

    fn member(&self, slot: u32) -> Option<&Member<K>> {
        self.members.get(slot as usize)?.as_ref()
    }

    /// The key of the member in a slot, if there is one.
    pub(crate) fn key(&self, slot: u32) -> Option<&K> {
        self.member(slot).map(|member| &member.key)
    }

    /// Its seat.
    pub(crate) fn seat(&self, slot: u32) -> Option<&Seat> {
        self.member(slot).map(|member| &member.seat)
    }

    /// The same, to change it.
    pub(crate) fn seat_mut(&mut self, slot: u32) -> Option<&mut Seat> {
        Some(&mut self.members.get_mut(slot as usize)?.as_mut()?.seat)
    }

    /// Who gets a message for this slot; `None` if nobody does.
    pub(crate) fn to(&self, slot: u32, kind: &'static Kind, kind_index: u32) -> Option<To<'_>> {
        let seat = self.seat(slot)?;
        match seat.phase {
            Phase::Live | Phase::Moving => Some(To::Seat(seat.id, kind, kind_index)),
            Phase::Own => {
                let home = self.own.get(&slot).filter(|home| home.shell.takes_messages())?;
                Some(To::Actor(home.life()))
            }
            Phase::Failed | Phase::Gone => None,
        }
    }

    /// Why a member failed, if it has.
    pub(crate) fn fault(&self, slot: u32) -> Option<GpuFault> {
        let own = || self.own.get(&slot).and_then(|home| home.life().fault().cloned());
        let lost = || self.lost.get(&self.seat(slot)?.device).cloned();
        self.faults.get(&slot).cloned().or_else(own).or_else(lost)
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
            self.members.push(None);
            self.members.len() as u32 - 1
        });
        self.members[slot as usize] = Some(Member { key, seat });
        let members = &self.members;
        self.index.insert(slot, |slot| &members[slot as usize].as_ref().expect("a slot in the index is a member's").key);
        slot
    }

    /// Takes a member out, if there is one: where it was, why it had failed, if it had, and the actor that it is, if it is one.
    pub(crate) fn take(&mut self, slot: u32) -> Option<(Seat, Option<GpuFault>, Option<Arc<Home>>)> {
        let Member { key, seat } = self.members.get_mut(slot as usize)?.take()?;
        self.index.remove(&key, slot);
        self.free.push(slot);
        Some((seat, self.faults.remove(&slot), self.own.remove(&slot)))
    }

    /// A device is lost: whoever had a row on it has none any more, and stays a member that has failed. Those that had one, and how many of them
    /// had not failed before.
    pub(crate) fn lose(&mut self, device: u8, fault: GpuFault) -> (Vec<Leaver>, usize) {
        self.lost.insert(device, fault);
        let (mut leavers, mut live) = (Vec::new(), 0);
        let there = self.members.iter_mut().flatten().map(|member| &mut member.seat);
        for seat in there.filter(|seat| seat.device == device && seat.phase.has_row()) {
            live += usize::from(seat.phase == Phase::Live);
            leavers.push(Leaver { seat: *seat, fault: None });
            seat.phase = Phase::Gone;
        }
        (leavers, live)
    }

    /// Takes everyone out: those that have a row of the group's, with their faults, and those that are actors of their own.
    pub(crate) fn clear(&mut self) -> (Vec<Leaver>, Vec<Arc<Home>>) {
        self.index = Index::new();
        self.free = Vec::new();
        let mut faults = mem::take(&mut self.faults);
        let all = (0..).zip(mem::take(&mut self.members)).filter_map(|(slot, member)| Some((slot, member?.seat)));
        let all = all.filter(|(_, seat)| seat.phase.has_row()).map(|(slot, seat)| Leaver { seat, fault: faults.remove(&slot) });
        (all.collect(), self.own.drain().map(|(_, home)| home).collect())
    }

    /// Slots of members, in their order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (u32, &Member<K>)> {
        self.slots_in(0..self.members.len())
    }

    /// Those of some slots.
    pub(crate) fn slots_in(&self, slots: Range<usize>) -> impl Iterator<Item = (u32, &Member<K>)> {
        (slots.start as u32..).zip(&self.members[slots]).filter_map(|(slot, member)| Some((slot, member.as_ref()?)))
    }
}

impl<K> Table<K> {
    /// How many members there are.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
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
    fn sent(&self, frame: &Frame<'_>) {
        if let To::Actor(life) = self {
            life.sent(frame);
        }
    }
}
