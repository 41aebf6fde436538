//! Members as their caller names them: keys, and states as bytes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use resident_kernels::host::Resident;

use super::table::Key;
use crate::error::SpawnError;

/// Members that are not there yet.
pub(crate) struct Gathered<K> {
    pub index: HashMap<K, u32>,
    /// By slot.
    pub keys: Vec<Option<K>>,
    /// States one behind another.
    pub states: Vec<u8>,
}

impl<K: Key> Gathered<K> {
    /// Takes all of them, if no two have the same key.
    pub(crate) fn of<A: Resident>(members: impl IntoIterator<Item = (K, A)>) -> Result<Gathered<K>, SpawnError> {
        let members = members.into_iter();
        let (expected, _) = members.size_hint();
        let mut gathered = Gathered {
            index: HashMap::with_capacity(expected),
            keys: Vec::with_capacity(expected),
            states: Vec::with_capacity(expected * size_of::<A>()),
        };
        for (position, (key, state)) in members.enumerate() {
            match gathered.index.entry(key.clone()) {
                Entry::Occupied(_) => return Err(SpawnError::Duplicate { position }),
                Entry::Vacant(free) => free.insert(position as u32),
            };
            gathered.keys.push(Some(key));
            let end = gathered.states.len();
            gathered.states.resize(end + size_of::<A>(), 0);
            state.encode(&mut gathered.states[end..]);
        }
        Ok(gathered)
    }
}
