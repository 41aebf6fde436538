//! What a checkpoint is made of: plain values with public fields, believed by nobody until [`Checkpoint::new`] has checked them.
//!
//! [`Checkpoint::new`]: crate::Checkpoint::new

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use bytes::Bytes;

/// States are compared, digested and carried in pages of so many bytes, counted from each state's own start. The last page of a
/// state may be shorter.
pub const PAGE_BYTES: usize = 4096;

/// Everything that [`Checkpoint::new`](crate::Checkpoint::new) wants to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// When, and of which device.
    pub taken: Taken,
    /// The kinds of its actors; [`Actor::kind`] counts in here.
    pub kinds: Vec<Kind>,
    /// The actors, in any order.
    pub actors: Vec<Actor>,
    /// How far each shard was.
    pub shards: Vec<Shard>,
    /// Messages sent before the cut and not handled.
    pub pending: Vec<Pending>,
    /// Messages emitted before the cut and not delivered.
    pub emitted: Vec<Emitted>,
    /// The application's own, by name: a source's position, say.
    pub notes: BTreeMap<String, Vec<u8>>,
    /// The actors' states lie in here, each at its [`Actor::offset`]. The checkpoint keeps these very bytes; it copies none.
    pub states: Bytes,
}

/// When a checkpoint was taken, and of what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Microseconds since 1970 by the clock on the wall.
    pub wall_micros: u64,
    /// The hybrid logical clock's stamp of the cut.
    pub hlc: u64,
    /// The device, as it calls itself.
    pub device: String,
}

/// A kind of actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name. What else must be equal for a state to fit is the caller's to say.
    pub name: String,
    /// Fingerprint of the layout of its state.
    pub layout: u64,
    /// Bytes of each of its states.
    pub state_bytes: u32,
}

/// Which actor, within one system's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its shard.
    pub shard: u32,
    /// Its row there.
    pub row: u32,
    /// Which of the actors that had this row one after another.
    pub generation: u32,
}

impl Display for Key {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "{}/{}.{}", self.shard, self.row, self.generation)
    }
}

/// An actor, all but its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Which.
    pub key: Key,
    /// Its name, if it has one; no two have the same.
    pub name: Option<String>,
    /// Its kind's place among the kinds.
    pub kind: u32,
    /// Whether it lives.
    pub status: Status,
    /// Messages it had handled.
    pub handled: u64,
    /// Where its state begins in [`Parts::states`]. Only [`Checkpoint::new`](crate::Checkpoint::new) looks at it; a checkpoint's own
    /// actors have 0 here, for states move when deltas are applied: ask [`Checkpoint::state`](crate::Checkpoint::state).
    pub offset: u64,
    /// Bytes of its state.
    pub bytes: u32,
}

/// Whether an actor lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It does.
    Live,
    /// It has failed; the state is as it was left.
    Failed,
}

/// How far a shard was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shard {
    /// Slots of its request ring that were consumed.
    pub consumed: u64,
    /// Slots of its reply ring that were produced.
    pub produced: u64,
    /// Messages it had handled.
    pub handled: u64,
    /// Its clock.
    pub hlc: u64,
}

/// A message sent before the cut and not handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// To whom.
    pub key: Key,
    /// Which of its kind's messages.
    pub message: u16,
    /// When it was sent.
    pub hlc: u64,
    /// The message.
    pub payload: Vec<u8>,
}

/// A message emitted before the cut and not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// By whom.
    pub key: Key,
    /// Its type's number.
    pub ty: u32,
    /// When it was emitted.
    pub hlc: u64,
    /// The message.
    pub payload: Vec<u8>,
}

/// What is small and is carried whole, in a checkpoint and in each delta.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) taken: Taken,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) shards: Vec<Shard>,
    pub(crate) pending: Vec<Pending>,
    pub(crate) emitted: Vec<Emitted>,
    pub(crate) notes: BTreeMap<String, Vec<u8>>,
}
