//! How a message finds its handler, on host and GPU alike.

use core::hint::assert_unchecked;
use core::mem::{MaybeUninit, align_of, size_of};
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicU32, AtomicU64};

use crate::actor::{Actor, Message, Reply};
use crate::clock;
use crate::ctx::Ctx;
use crate::plain::Plain;
use crate::wire::{
    self, CtxRaw, DISPATCH_DONE, DISPATCH_FAILED, DISPATCH_KILL, DISPATCH_STOP, DISPATCH_UNKNOWN, Given, LANE_GIVEN, LANE_REPLY, Pulse,
};

/// Handles the messages that the context names, one after another, on a state: [`CtxRaw::messages`] are those that are left, and `given` is the
/// first of them, whose stamp and room the context has already.
///
/// What it returns says in its upper half how that has ended: [`DISPATCH_DONE`], [`DISPATCH_STOP`] or [`DISPATCH_KILL`]. The lower half is of
/// the last message: the bytes of its reply; or, where it has stopped, [`DISPATCH_FAILED`], with the context's fault set, or
/// [`DISPATCH_UNKNOWN`]. It stops as well at a message that was handled, if its reply goes to an actor or its actor has ended.
///
/// # Safety
///
/// `state` is a live state of this kind, aligned to 16 bytes. A [`Given`] stands where the context says for each message: its payload has so many
/// bytes, behind [`LANE_REPLY`] there is room for [`SHORT_REPLY`](wire::SHORT_REPLY), and [`ROOM_BYTES`](wire::ROOM_BYTES) bytes are where its
/// `room` says, all aligned to 16. There is room for an [`Outgoing`](wire::Outgoing) and a payload in each lane that is named for it. With more
/// than one message, a [`Pulse`] and a busy word are where the context says, and others write them by atomic accesses at most. But for these two
/// everything is the callee's until it returns.
pub type Dispatch = unsafe extern "C" fn(ctx: *mut CtxRaw, state: *mut u8, given: *mut Given) -> u64;

/// Handles the first of the messages that the context names, and leaves it among them: the bytes of its reply, or what [`Dispatch`] says of one
/// at which it stops. For who handles one alone, and waits for each instruction.
///
/// # Safety
///
/// As [`Dispatch`], for this message.
pub type DispatchOne = unsafe extern "C" fn(ctx: *mut CtxRaw, state: *mut u8, given: *mut Given) -> u32;

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
pub unsafe extern "C" fn entry<A: Actor>(ctx: *mut CtxRaw, state: *mut u8, given: *mut Given) -> u64 {
    // SAFETY: the caller vouches for the context, the state and the message, see `Dispatch`.
    let (ctx, state, mut given) = unsafe { (&mut *ctx, &mut *state.cast::<A>(), &mut *given) };
    loop {
        // Here and not in the engine, where it would be a call of its own for every message.
        ctx.hlc = clock::merge(ctx.hlc, ctx.sent, ctx.now);
        // SAFETY: the caller vouches for what belongs to the message.
        let said = unsafe { handle_one(ctx, state, given) };
        if said as usize > wire::MAX_PAYLOAD || ctx.fault | ctx.ended | given.asks != 0 {
            return ended(DISPATCH_STOP, said);
        }
        given.said = said;
        ctx.messages &= ctx.messages - 1;
        if ctx.messages == 0 {
            return ended(DISPATCH_DONE, said);
        }
        // SAFETY: the caller vouches for it.
        if unsafe { begin_next(ctx) } {
            return ended(DISPATCH_KILL, 0);
        }
        let next = ctx.lane_at(ctx.messages.trailing_zeros()).wrapping_add(LANE_GIVEN).cast::<Given>();
        // SAFETY: the caller vouches for each message, and nobody else has it meanwhile.
        given = unsafe { &mut *next };
        ctx.sent = given.sent;
        ctx.room = given.room;
    }
}

/// The `dispatch_one` of `A`'s kind.
///
/// # Safety
///
/// See [`DispatchOne`]: the state is an `A`.
#[doc(hidden)]
pub unsafe extern "C" fn entry_one<A: Actor>(ctx: *mut CtxRaw, state: *mut u8, given: *mut Given) -> u32 {
    // SAFETY: the caller vouches for the context, the state and the message, see `Dispatch`.
    let (ctx, state, given) = unsafe { (&mut *ctx, &mut *state.cast::<A>(), &mut *given) };
    ctx.hlc = clock::merge(ctx.hlc, ctx.sent, ctx.now);
    // SAFETY: the caller vouches for what belongs to the message.
    unsafe { handle_one(ctx, state, given) }
}

const fn ended(how: u32, said: u32) -> u64 {
    (how as u64) << 32 | said as u64
}

/// Handles one message.
///
/// # Safety
///
/// As [`Dispatch`] says of each.
#[inline(always)]
unsafe fn handle_one<A: Actor>(ctx: &mut CtxRaw, state: &mut A, given: &mut Given) -> u32 {
    // An address of another kind than the row's, made of another's bytes.
    let tag = given.message >> 16;
    if tag != 0 && tag != const { A::KIND.tag() as u32 } {
        return DISPATCH_UNKNOWN;
    }
    let payload = ptr::with_exposed_provenance(given.payload as usize);
    // The lane is its engine's: the message is a part of it.
    let at = (&raw mut *given).expose_provenance() + (LANE_REPLY - LANE_GIVEN);
    let reply = ptr::with_exposed_provenance_mut(at);
    let call = move |ctx: &mut CtxRaw| {
        let state = state;
        A::dispatch(given.message & 0xffff, Call { state, payload, len: given.bytes, ctx, reply })
    };
    #[cfg(all(feature = "host", not(target_arch = "nvptx64")))]
    // SAFETY: the caller vouches for the context's room.
    return unsafe { crate::host::panics::guard(ctx, call) };
    #[cfg(not(all(feature = "host", not(target_arch = "nvptx64"))))]
    call(ctx)
}

/// Ahead of a message that is not the first: whether somebody was killed meanwhile. If not, it is begun.
///
/// # Safety
///
/// As [`Dispatch`] says of pulse and busy word.
#[inline(always)]
unsafe fn begin_next(ctx: &mut CtxRaw) -> bool {
    let pulse = ptr::with_exposed_provenance_mut::<Pulse>(ctx.pulse as usize);
    let busy = ptr::with_exposed_provenance_mut::<u64>(ctx.busy as usize);
    // SAFETY: they are there, aligned, and nobody writes them but by atomic accesses (the caller's promise).
    let (now, kill, busy) =
        unsafe { (AtomicU64::from_ptr(&raw mut (*pulse).now), AtomicU32::from_ptr(&raw mut (*pulse).kill), AtomicU64::from_ptr(busy)) };
    ctx.now = now.load(Relaxed);
    // SYNC kill: pairs with the engine's `revoke`; the engine looks at the row itself.
    if kill.load(Relaxed) != ctx.kills {
        return true;
    }
    busy.store(busy.load(Relaxed) + wire::BUSY_MESSAGE, Relaxed);
    false
}
