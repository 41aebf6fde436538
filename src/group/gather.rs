//! Members as their caller names them: keys, and states as bytes.

use resident_kernels::actor::Actor;

use super::index::Index;
use super::table::{Key, Member, Seat};
use crate::error::SpawnError;

/// Members that are not there yet.
pub(crate) struct Gathered<K> {
    pub index: Index,
    /// By slot.
    pub members: Vec<Member<K>>,
    /// States one behind another.
    pub states: Vec<u8>,
}

impl<K: Key> Gathered<K> {
    /// Takes all of them, if no two have the same key.
    pub(crate) fn of<A: Actor>(members: impl IntoIterator<Item = (K, A)>) -> Result<Gathered<K>, SpawnError> {
        let members = members.into_iter();
        let (expected, _) = members.size_hint();
        let mut states = Vec::with_capacity(expected * size_of::<A>());
        let mut take = |(key, state): (K, A)| {
            let end = states.len();
            states.resize(end + size_of::<A>(), 0);
            state.encode(&mut states[end..]);
            Member { key, seat: Seat::NONE }
        };
        let mut all = Vec::with_capacity(expected);
        all.extend(members.map(&mut take));
        let index = Index::of(all.len() as u32, |slot| &all[slot as usize].key);
        let index = index.map_err(|position| SpawnError::Duplicate { position: position as usize })?;
        Ok(Gathered { index, members: all, states })
    }
}
