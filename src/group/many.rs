//! Messages to many members at once.

use resident_kernels::host::Envelope;

use super::members::Group;
use super::table::{Key, Table};
use crate::error::CastError;

/// Members that are looked up ahead of the first push: of a million few are in a processor's cache, and so many loads go side by side.
const AHEAD: usize = 32;

impl<K: Key> Group<K> {
    /// Pushes messages to members, in their order; what is not pushed is left, and first of it the message that could not be.
    pub(crate) fn push_many<E: Envelope>(&self, messages: &mut Vec<(K, E)>) -> Result<(), CastError<()>> {
        let mut rest = std::mem::take(messages).into_iter();
        while !rest.as_slice().is_empty() {
            let table = self.table.read();
            for slot in look_up(&table, rest.as_slice()) {
                let Some((key, msg)) = rest.next() else { break };
                if let Err(unsent) = self.push_to(&table, slot, msg) {
                    let (msg, why) = unsent.split();
                    *messages = std::iter::once((key, msg)).chain(rest).collect();
                    return Err(why);
                }
            }
        }
        Ok(())
    }
}

/// The slots of the first of these. Their seats are read too, so that they are at hand.
fn look_up<K: Key, M>(table: &Table<K>, messages: &[(K, M)]) -> impl Iterator<Item = Option<u32>> + use<K, M> {
    let mut slots = [None; AHEAD];
    let count = messages.len().min(AHEAD);
    for (slot, (key, _)) in slots.iter_mut().zip(messages) {
        *slot = table.find(key);
    }
    let known = slots.iter().flatten().filter(|slot| table.seat(**slot).is_some_and(|seat| seat.phase.has_row())).count();
    std::hint::black_box(known);
    slots.into_iter().take(count)
}
