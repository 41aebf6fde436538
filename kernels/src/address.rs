//! Where an actor is, as it travels in messages and states.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;

use crate::plain::Plain;
use crate::wire::{self, CtxRaw, DEVICE_BITS, LinkTo, RawAddress, ReplyTo, SHARD_BITS, SendLater};

/// The bits of a system's number that say which of its devices.
const DEVICES: u32 = (1 << DEVICE_BITS) - 1;

/// Where an actor of kind `A` is: its row on a shard of a system's device, and which of the row's actors.
///
/// It is a value like a number: it goes into messages and states, to other actors and to the application. It names one
/// incarnation; once that has ended, what is sent there is a dead letter, also if another has taken its place. One of another system,
/// or one that was made up, reaches nobody, or an actor of kind `A`; nothing else is ever handed its message.
#[repr(transparent)]
pub struct Address<A = ()> {
    raw: RawAddress,
    kind: PhantomData<fn() -> A>,
}

impl<A> Address<A> {
    /// Nobody's: what is sent there is a dead letter.
    pub const NOBODY: Address<A> = Address { raw: RawAddress { system: 0, row: 0, generation: 0, shard: 0 }, kind: PhantomData };

    /// Whoever makes one vouches for nothing: the engine checks it.
    #[doc(hidden)]
    #[inline]
    pub fn new(system: u32, shard: u32, row: u32, generation: u32) -> Address<A> {
        Address { raw: RawAddress { system, row, generation, shard }, kind: PhantomData }
    }

    /// The shard.
    #[inline]
    pub fn shard(&self) -> u32 {
        self.raw.shard
    }

    /// The row within the shard.
    #[inline]
    pub fn row(&self) -> u32 {
        self.raw.row
    }

    /// Raised by one with every actor that takes the row; 0 for nobody. An actor that is restarted may come to another row that is at the
    /// same generation: what tells its incarnations apart is the whole address.
    #[inline]
    pub fn generation(&self) -> u32 {
        self.raw.generation
    }

    /// Whether it is nobody's.
    #[inline]
    pub fn is_nobody(&self) -> bool {
        self.raw.generation == 0
    }

    #[inline]
    pub(crate) fn raw(&self) -> &RawAddress {
        &self.raw
    }

    /// As an ask of the system with this number says whom its reply goes to: nobody, if that is of another system.
    #[inline]
    pub(crate) fn reply_to(&self, asker: u32, message: u32) -> ReplyTo {
        let RawAddress { system, row, generation, shard } = self.raw;
        let (device, is_there) = (system & DEVICES, (system ^ asker) <= DEVICES && shard >> SHARD_BITS == 0);
        ReplyTo { row, generation: if is_there { generation } else { 0 }, shard: device << SHARD_BITS | shard, message }
    }

    #[inline]
    pub(crate) fn later(&self, message: u32, micros: u64) -> SendLater {
        let RawAddress { system, row, generation, shard } = self.raw;
        SendLater { system, row, generation, shard, micros, message, pad: 0 }
    }

    #[inline]
    pub(crate) fn link(&self, own: &CtxRaw, link: u32) -> LinkTo {
        let RawAddress { system, row, generation, shard } = self.raw;
        LinkTo { system, row, generation, shard, own_row: own.row, own_generation: own.generation, own_shard: own.shard, link }
    }

    fn words(&self) -> [u32; 4] {
        let RawAddress { system, row, generation, shard } = self.raw;
        [system, row, generation, shard]
    }
}

impl<A> Clone for Address<A> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Address<A> {}

impl<A> Default for Address<A> {
    fn default() -> Self {
        Address::NOBODY
    }
}

impl<A> PartialEq for Address<A> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.words() == other.words()
    }
}

impl<A> Eq for Address<A> {}

impl<A> Hash for Address<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.words().hash(state);
    }
}

impl<A> fmt::Debug for Address<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RawAddress { system, row, generation, shard } = self.raw;
        write!(f, "Address({system:08x}: shard {shard}, row {row}, generation {generation})")
    }
}

// SAFETY: four numbers in a struct of C's layout, aligned to 4; the engine checks each of them before it uses it.
unsafe impl<A: 'static> Plain for Address<A> {
    const LAYOUT: u64 = wire::digest(b"Address");

    fn encode(&self, out: &mut [u8]) {
        self.words().encode(out);
    }

    fn decode(bytes: &[u8]) -> Self {
        let [system, row, generation, shard] = Plain::decode(bytes);
        Address::new(system, shard, row, generation)
    }
}
