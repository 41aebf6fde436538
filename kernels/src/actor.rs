//! Messages, replies, states and kinds.

use core::mem::size_of;

use crate::dispatch::Call;
pub use crate::dispatch::{Dispatch, DispatchOne};
use crate::plain::Plain;
use crate::wire;

/// A message to a resident actor; derived with [`Message`](derive@crate::Message).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "a handler's first argument is a reference to a message",
    note = "put `#[derive(Message)] #[repr(C)]` on it, and `#[reply(T)]` if its handler returns a `T`"
)]
pub trait Message: Plain {
    /// What its handler returns; `()` for nothing.
    type Reply: Reply;
    /// Its name, for people.
    const NAME: &'static str;
}

/// What a handler may return; derived with [`Reply`](derive@crate::Reply), and implemented for `()`, integers,
/// floats and arrays.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reply",
    label = "a handler returns nothing, a number, an array of such or a reply",
    note = "put `#[derive(Reply)] #[repr(C)]` on it"
)]
pub trait Reply: Plain {}

macro_rules! replies {
    ($($ty:ty)*) => { $(impl Reply for $ty {})* };
}
replies!(() u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64);
impl<T: Plain, const N: usize> Reply for [T; N] {}

/// What an actor keeps between messages; derived with [`State`](derive@crate::State).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the state of an actor",
    label = "an `#[actor]` block is for a state",
    note = "put `#[derive(State)] #[repr(C)]` on it"
)]
pub trait State: Plain {
    /// Its name, for people.
    const NAME: &'static str;
}

/// A message that a resident actor sends to a CPU actor; derived with [`Emit`](derive@crate::Emit).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be emitted",
    label = "`ctx.emit` takes a message for a CPU actor",
    note = "put `#[derive(Emit)] #[repr(C)]` on it"
)]
pub trait Emit: Plain {
    /// Its name, for people.
    const NAME: &'static str;
    /// Tells emitted types apart on the wire.
    const TYPE: u32;
}

/// A state with handlers; implemented by [`#[actor]`](macro@crate::actor).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resident actor",
    label = "has no handlers",
    note = "put `#[actor]` on the `impl {Self}` block that holds its handlers"
)]
pub trait Actor: State {
    /// What the host and the engine know of it.
    const KIND: &'static Kind;

    #[doc(hidden)]
    fn dispatch(message: u32, call: Call<'_, Self>) -> u64;
}

/// Actor `Self` has a handler for `M`; implemented by [`#[actor]`](macro@crate::actor).
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle `{M}`",
    label = "no handler for this message",
    note = "add `fn name(&mut self, msg: &{M}, ctx: &mut Ctx)` to its `#[actor]` block"
)]
pub trait Handles<M: Message>: Actor {
    /// The message's index within the kind.
    const INDEX: u16;
}

/// A kind of actor: its state, its messages, its handlers.
#[derive(Debug)]
pub struct Kind {
    /// The state's name.
    pub name: &'static str,
    /// Digest of the crate's module, the state and all messages and replies: equal on host and GPU, or they do not speak.
    pub fingerprint: u64,
    /// Bytes of the state.
    pub state_bytes: u32,
    /// Digest of the state's layout ([`Plain::LAYOUT`]): a state saved with another is not taken for one of this kind.
    pub layout: u64,
    /// Makes a state of one saved with another layout, where `#[actor(migrate = ..)]` says how; none on the GPU.
    pub migrate: Option<Migrate>,
    /// Alignment of the state, at most 16.
    pub state_align: u32,
    /// How many lanes its handlers ask for, a [`WIDTHS`](wire::WIDTHS).
    pub width: u32,
    /// Milliseconds that the handling of one message may take before the device counts as hung.
    pub budget_ms: u32,
    /// The messages it handles, in the order of its handlers.
    pub messages: &'static [MessageInfo],
    /// Handles messages on the host.
    pub dispatch: Dispatch,
    /// Handles one.
    pub dispatch_one: DispatchOne,
}

impl Kind {
    /// Tells kinds apart in messages between actors, where the sender's view of the receiver may be wrong; never 0.
    pub const fn tag(&self) -> u16 {
        let folded = self.fingerprint ^ self.fingerprint >> 32;
        let tag = (folded ^ folded >> 16) as u16;
        if tag == 0 { 1 } else { tag }
    }
}

/// Makes a state of one that was saved with another layout: that layout's digest, its bytes, and where the new one goes, all of
/// `state_bytes`. False if there is no way from there.
pub type Migrate = fn(layout: u64, old: &[u8], new: &mut [u8]) -> bool;

/// A message that a kind handles.
#[derive(Debug)]
pub struct MessageInfo {
    /// Its name.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: u32,
    /// Bytes of its reply; 0 for none.
    pub reply_bytes: u32,
    /// Digest of its layout and its reply's.
    pub layout: u64,
}

impl MessageInfo {
    /// The description of `M`.
    pub const fn of<M: Message>() -> Self {
        MessageInfo {
            name: M::NAME,
            bytes: size_of::<M>() as u32,
            reply_bytes: size_of::<M::Reply>() as u32,
            layout: wire::fold(M::LAYOUT, <M::Reply as Plain>::LAYOUT),
        }
    }
}

/// The handler's return type is the reply of message `M`; implemented by `#[derive(Message)]`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the reply of `{M}`",
    label = "this handler must return what `{M}` names as its reply",
    note = "put `#[reply({Self})]` on `{M}`, or return the type that stands there; without `#[reply(..)]` a handler returns nothing"
)]
pub trait ReplyOf<M> {}

/// Digest of a kind.
#[doc(hidden)]
pub const fn kind_fingerprint<A: State>(module: &str, messages: &[MessageInfo]) -> u64 {
    let mut hash = wire::fold(wire::digest(module.as_bytes()), wire::digest(A::NAME.as_bytes()));
    hash = wire::fold(hash, A::LAYOUT);
    let mut i = 0;
    while i < messages.len() {
        hash = wire::fold(wire::fold(hash, wire::digest(messages[i].name.as_bytes())), messages[i].layout);
        i += 1;
    }
    hash
}
