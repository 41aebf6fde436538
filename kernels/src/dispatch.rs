//! How a message finds its handler, on host and GPU alike.

use core::hint::assert_unchecked;
use core::mem::{MaybeUninit, align_of, size_of};
use core::ptr;

use crate::actor::{Actor, Message, Reply};
use crate::clock;
use crate::ctx::Ctx;
use crate::plain::Plain;
use crate::wire::{self, CtxRaw, DISPATCH_FAILED, DISPATCH_UNKNOWN};

/// Handles a message: index of the message, above 16 bits of it the tag of the kind that its sender means or 0, state, payload and its length, context, room for the reply.
///
/// Returns the reply's bytes, or [`DISPATCH_UNKNOWN`], or [`DISPATCH_FAILED`] with the context's fault set.
///
/// # Safety
///
/// `state` is a live state of this kind. `payload` has `len` bytes, `reply` has room for [`SHORT_REPLY`](wire::SHORT_REPLY), and
/// [`ROOM_BYTES`](wire::ROOM_BYTES) bytes are where the context says. All four and `ctx` are aligned to 16 bytes and belong to the callee
/// until it returns.
pub type Dispatch =
    unsafe extern "C" fn(message: u32, state: *mut u8, payload: *const u8, len: u32, ctx: *mut CtxRaw, reply: *mut u8) -> u32;

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
        let Call { state, payload, len, ctx, reply } = self;
        if len as usize != size_of::<M>() {
            return DISPATCH_UNKNOWN;
        }
        // SAFETY: who made the `Call` vouches for `len` initialised bytes aligned to 16; these are the bytes of
        // an `M`, any of which are a value (`Plain`), and nobody writes them meanwhile.
        let message = unsafe { &*payload.cast::<M>() };
        // SAFETY: who made the `Call` vouches for the context, its room and the reply's.
        unsafe { handle(state, message, ctx, reply, handler) }
    }
}

/// Runs a handler. On a GPU out of line: a message saves as many registers, and has as long a stack, as its own handler needs, not the one of
/// its kind that needs most.
///
/// # Safety
///
/// The context is as [`Ctx::new`] says; `reply` has room for [`SHORT_REPLY`](wire::SHORT_REPLY) bytes, aligned to 16, as state and message are.
#[cfg_attr(target_arch = "nvptx64", inline(never))]
#[cfg_attr(not(target_arch = "nvptx64"), inline(always))]
unsafe fn handle<A: Actor, M: Message, R: Reply>(
    state: &mut A,
    message: &M,
    ctx: &mut CtxRaw,
    reply: *mut u8,
    handler: impl FnOnce(&mut A, &M, &mut Ctx<'_>) -> R,
) -> u32 {
    // SAFETY: the caller's promise, said to the compiler, which then moves 16 bytes at a time.
    unsafe {
        assert_unchecked(ptr::from_ref(state).addr().is_multiple_of(16));
        assert_unchecked(ptr::from_ref(message).addr().is_multiple_of(16));
        assert_unchecked(reply.addr().is_multiple_of(16));
    }
    let short = size_of::<R>() <= wire::SHORT_REPLY;
    let reply = if short { reply } else { ctx.room_at() };
    // SAFETY: the caller's promise.
    let mut ctx = unsafe { Ctx::new(ctx) };
    // SAFETY: there is room for SHORT_REPLY bytes, or in the context's room for MAX_PAYLOAD, aligned to 16, and an `R` needs no more
    // (`fits`).
    let reply = unsafe { &mut *reply.cast::<MaybeUninit<R>>() };
    if short {
        let value = handler(state, message, &mut ctx);
        if ctx.failed() {
            return DISPATCH_FAILED;
        }
        reply.write(value);
    } else {
        write_large(state, message, &mut ctx, reply, handler);
        if ctx.failed() {
            return DISPATCH_FAILED;
        }
    }
    const { fits::<R>() };
    size_of::<R>() as u32
}

/// Runs a handler with a large reply out of line, so that the reply's room on the stack is not every message's.
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
pub unsafe extern "C" fn entry<A: Actor>(
    message: u32,
    state: *mut u8,
    payload: *const u8,
    len: u32,
    ctx: *mut CtxRaw,
    reply: *mut u8,
) -> u32 {
    // An address of another kind than the row's, made of another's bytes.
    let tag = message >> 16;
    if tag != 0 && tag != const { A::KIND.tag() as u32 } {
        return DISPATCH_UNKNOWN;
    }
    let message = message & 0xffff;
    let handle = |ctx: &mut CtxRaw| {
        // SAFETY: the caller vouches for the state, see `Dispatch`.
        let state = unsafe { &mut *state.cast::<A>() };
        A::dispatch(message, Call { state, payload, len, ctx, reply })
    };
    // SAFETY: the caller vouches for the context, see `Dispatch`.
    let ctx = unsafe { &mut *ctx };
    // Here and not in the engine, where it would be a call of its own for every message.
    ctx.hlc = clock::merge(ctx.hlc, ctx.sent, ctx.now);
    #[cfg(all(feature = "host", not(target_arch = "nvptx64")))]
    // SAFETY: the caller vouches for the context's room, see `Dispatch`.
    return unsafe { crate::host::panics::guard(ctx, handle) };
    #[cfg(not(all(feature = "host", not(target_arch = "nvptx64"))))]
    handle(ctx)
}
