//! What a handler crate's GPU code says of itself, for the host to compare at start.

use crate::actor::Actor;
use crate::wire;

/// What a handler crate's GPU code says of itself, under the symbol `RESIDENT_MODULE`.
#[repr(C)]
#[derive(Debug)]
pub struct ModuleTable<const N: usize> {
    /// [`wire::REGION_MAGIC`].
    pub magic: u64,
    /// [`wire::FINGERPRINT`] of the side that made it.
    pub wire: u64,
    /// Kinds that follow.
    pub count: u32,
    /// Zero.
    pub pad: u32,
    /// The kinds, in the order of `export!`.
    pub kinds: [KindEntry; N],
}

/// One kind in a [`ModuleTable`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct KindEntry {
    /// [`Kind::fingerprint`](crate::actor::Kind::fingerprint).
    pub fingerprint: u64,
    /// Bytes of its state.
    pub state_bytes: u32,
    /// Messages it handles.
    pub messages: u32,
}

/// The table of these kinds.
#[doc(hidden)]
pub const fn table<const N: usize>(kinds: [KindEntry; N]) -> ModuleTable<N> {
    ModuleTable { magic: wire::REGION_MAGIC, wire: wire::FINGERPRINT, count: N as u32, pad: 0, kinds }
}

/// The entry of `A`.
#[doc(hidden)]
pub const fn kind_entry<A: Actor>() -> KindEntry {
    KindEntry { fingerprint: A::KIND.fingerprint, state_bytes: A::KIND.state_bytes, messages: A::KIND.messages.len() as u32 }
}
