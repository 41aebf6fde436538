//! Who lives in a row, as its shard sees it: whoever wants to live there implements [`Occupant`], and no shard knows who that is.

use std::any::Any;
use std::sync::Arc;

use resident_gpu::ring::Frame;
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;

use crate::fault::{At, FaultClass, GpuFault, Returned};

/// Who lives in rows: in one, or in many, each of which it knows by a `slot` of its own. `id` is the row that a word is about.
///
/// No message passes here but those that actors send later: a handle knows its [`Recipient`](super::link::Recipient).
pub(crate) trait Occupant: Any + Send + Sync {
    fn kind(&self, slot: u32) -> &'static Kind;

    /// Whether it is an actor of its own, which is told by itself that its device is lost.
    fn is_alone(&self) -> bool {
        false
    }

    /// Whether messages are taken. Asked under the ring's lock, ahead of which a group's is taken; the device refuses what is for one
    /// that has gone.
    fn is_open(&self) -> bool {
        true
    }

    /// Why it failed, if it has.
    fn fault(&self, slot: u32, id: RowId) -> Option<GpuFault>;

    /// Records why it failed, the first time.
    fn fail(&self, slot: u32, id: RowId, class: FaultClass, at: Option<At>, text: String);

    /// The same, for one that takes messages and is linked to one that has failed: who it is.
    fn fail_linked(&self, slot: u32, id: RowId, text: String) -> Option<String>;

    /// Its device is lost. Members of a group hear of that at once, by another way.
    fn lost(&self, _: &str) {}

    /// It has failed, and the call that failed has ended: tells whoever is to hear of it.
    fn failed(&self) {}

    /// It has asked for its end.
    fn ended(&self, slot: u32, id: RowId);

    /// Keeps the message that was being handled when the device failed; comes before [`fail`](Self::fail).
    fn give_back(&self, _: Returned) {}

    /// A message was pushed for it. Called under the ring's lock.
    fn sent(&self, _: &Frame<'_>) {}

    /// What a checkpoint says of it and its device does not, if that is anything.
    fn residence(&self) -> Option<Residence> {
        None
    }
}

/// A thin pointer, since each row has one.
pub(crate) type OccupantRef = Arc<Box<dyn Occupant>>;

/// Who lives in a row.
#[derive(Clone)]
pub(crate) struct Tenant {
    pub who: OccupantRef,
    pub slot: u32,
}

/// What a checkpoint says of an actor and its device does not.
#[derive(Clone)]
pub(crate) struct Residence {
    pub row: RowId,
    pub name: Option<String>,
    /// Messages that its state held before the device's count began.
    pub before: u64,
}

impl Tenant {
    /// Somebody who lives in one row alone.
    pub(crate) fn one(who: impl Occupant) -> Tenant {
        Tenant { who: Arc::new(Box::new(who)), slot: 0 }
    }

    /// Who it is, if that is an `O`.
    pub(crate) fn of<O: Occupant>(&self) -> Option<&O> {
        let who: &dyn Any = &**self.who;
        who.downcast_ref()
    }

    pub(crate) fn kind(&self) -> &'static Kind {
        self.who.kind(self.slot)
    }

    /// See [`Occupant::fault`].
    pub(crate) fn fault(&self, id: RowId) -> Option<GpuFault> {
        self.who.fault(self.slot, id)
    }

    /// See [`Occupant::fail`].
    pub(crate) fn fail(&self, id: RowId, class: FaultClass, at: Option<At>, text: String) {
        self.who.fail(self.slot, id, class, at, text);
    }

    /// See [`Occupant::fail_linked`].
    pub(crate) fn fail_linked(&self, id: RowId, text: String) -> Option<String> {
        self.who.fail_linked(self.slot, id, text)
    }

    /// See [`Occupant::ended`].
    pub(crate) fn ended(&self, id: RowId) {
        self.who.ended(self.slot, id);
    }
}

/// Why the device has not taken an actor.
pub(crate) fn refused(reason: u16) -> String {
    format!("the row was not free or the kind not known (reason {reason})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_takes_two_words() {
        assert_eq!(size_of::<Option<Tenant>>(), 2 * size_of::<usize>());
    }
}
