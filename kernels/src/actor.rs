//! Messages, replies, states, kinds, and how a message finds its handler.

use core::hint::assert_unchecked;
use core::mem::{MaybeUninit, align_of, size_of};

use crate::ctx::Ctx;
use crate::plain::Plain;
use crate::wire::{self, CtxRaw, DISPATCH_FAILED, DISPATCH_UNKNOWN};

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
    message = "`{Self}` can not be emitted",
    label = "`ctx.emit` takes a message for a CPU actor",
    note = "put `#[derive(Emit)] #[repr(C)]` on it"
)]
pub trait Emit: Plain {
    /// Its name, for people.
    const NAME: &'static str;
    /// Tells emitted types apart on the wire.
    const TYPE: u32;
}

/// A state with handlers; implemented by [`#[actor]`](crate::actor!).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resident actor",
    label = "has no handlers",
    note = "put `#[actor]` on the `impl {Self}` block that holds its handlers"
)]
pub trait Actor: State {
    /// What the host and the engine know of it.
    const KIND: &'static Kind;

    #[doc(hidden)]
    fn dispatch(message: u32, call: Call<'_, Self>) -> u32;
}

/// Actor `Self` has a handler for `M`; implemented by [`#[actor]`](crate::actor!).
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
    /// Alignment of the state, at most 16.
    pub state_align: u32,
    /// The messages it handles, in the order of its handlers.
    pub messages: &'static [MessageInfo],
    /// Handles a message on the host.
    pub dispatch: Dispatch,
}

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

/// Handles a message: index of the message, state, payload and its length, context, room for the reply.
///
/// Returns the reply's bytes, or [`DISPATCH_UNKNOWN`], or [`DISPATCH_FAILED`] with the context's fault set.
///
/// # Safety
///
/// `state` is a live state of this kind. `payload` has `len` bytes, `reply` has room for
/// [`MAX_PAYLOAD`](wire::MAX_PAYLOAD). All three and `ctx` are aligned to 16 bytes and belong to the callee
/// until it returns.
pub type Dispatch = unsafe extern "C" fn(
    message: u32,
    state: *mut u8,
    payload: *const u8,
    len: u32,
    ctx: *mut CtxRaw,
    reply: *mut u8,
) -> u32;

/// One message on its way into a handler of `A`.
#[doc(hidden)]
pub struct Call<'a, A> {
    state: &'a mut A,
    payload: *const u8,
    len: u32,
    ctx: &'a mut CtxRaw,
    reply: *mut u8,
}

impl<A: Actor> Call<'_, A> {
    /// Runs `handler` on the message and leaves its reply where the engine wants it.
    #[inline(always)]
    pub fn handle<M: Message, R: Reply>(self, handler: impl FnOnce(&mut A, &M, &mut Ctx<'_>) -> R) -> u32 {
        if self.len as usize != size_of::<M>() {
            return DISPATCH_UNKNOWN;
        }
        let mut ctx = Ctx::new(self.ctx);
        // SAFETY: who made the `Call` vouches for `len` initialised bytes aligned to 16; these are the bytes of
        // an `M`, any of which are a value (`Plain`), and nobody writes them meanwhile.
        let message = unsafe { &*self.payload.cast::<M>() };
        // SAFETY: the reply has room for MAX_PAYLOAD bytes aligned to 16, and an `R` needs no more (`fits`).
        let reply = unsafe { &mut *self.reply.cast::<MaybeUninit<R>>() };
        if size_of::<R>() <= IN_REGISTERS {
            let value = handler(self.state, message, &mut ctx);
            if ctx.failed() {
                return DISPATCH_FAILED;
            }
            reply.write(value);
        } else {
            write_large(self.state, message, &mut ctx, reply, handler);
            if ctx.failed() {
                return DISPATCH_FAILED;
            }
        }
        const { fits::<R>() };
        size_of::<R>() as u32
    }
}

/// The largest reply that a handler returns in registers once it is inlined.
const IN_REGISTERS: usize = 64;

/// Runs a handler with a large reply out of line, so that the reply's room on the stack is not every message's:
/// a handler that panics keeps its stack until the shard's next generation.
#[inline(never)]
fn write_large<A, M, R>(
    state: &mut A,
    message: &M,
    ctx: &mut Ctx<'_>,
    reply: &mut MaybeUninit<R>,
    handler: impl FnOnce(&mut A, &M, &mut Ctx<'_>) -> R,
) {
    reply.write(handler(state, message, ctx));
}

/// Refuses, at compile time, a reply that no frame carries; the derives say the same at the type.
const fn fits<R: Plain>() {
    assert!(size_of::<R>() <= wire::MAX_PAYLOAD && align_of::<R>() <= 16, "this reply is larger than a frame carries (960 bytes)");
}

/// The `dispatch` of `A`'s kind.
///
/// # Safety
///
/// See [`Dispatch`]: the state is an `A`.
#[doc(hidden)]
#[inline(always)]
pub unsafe extern "C" fn entry<A: Actor>(
    message: u32,
    state: *mut u8,
    payload: *const u8,
    len: u32,
    ctx: *mut CtxRaw,
    reply: *mut u8,
) -> u32 {
    // SAFETY: the caller vouches for the alignment, see `Dispatch`; said once more to the compiler, which then moves
    // 16 bytes at a time.
    unsafe {
        assert_unchecked(state.addr().is_multiple_of(16));
        assert_unchecked(payload.addr().is_multiple_of(16));
        assert_unchecked(reply.addr().is_multiple_of(16));
    }
    let handle = |ctx: &mut CtxRaw| {
        // SAFETY: the caller vouches for the state, see `Dispatch`.
        let state = unsafe { &mut *state.cast::<A>() };
        A::dispatch(message, Call { state, payload, len, ctx, reply })
    };
    // SAFETY: the caller vouches for the context, see `Dispatch`.
    let ctx = unsafe { &mut *ctx };
    #[cfg(all(feature = "host", not(target_arch = "nvptx64")))]
    return crate::host::panics::guard(ctx, handle);
    #[cfg(not(all(feature = "host", not(target_arch = "nvptx64"))))]
    handle(ctx)
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
    /// [`Kind::fingerprint`].
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
    KindEntry {
        fingerprint: A::KIND.fingerprint,
        state_bytes: A::KIND.state_bytes,
        messages: A::KIND.messages.len() as u32,
    }
}
