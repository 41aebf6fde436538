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
    self, CtxRaw, DISPATCH_DONE, DISPATCH_FAILED, DISPATCH_KILL, DISPATCH_STOP, DISPATCH_UNKNOWN, Given, LANE_BYTES, LANE_GIVEN,
    LANE_REPLY, Pulse,
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

/// Messages on their way into a handler of `A`: one, or one after another as long as they are of one type.
#[doc(hidden)]
pub struct Call<'a, A> {
    state: &'a mut A,
    given: &'a mut Given,
    ctx: &'a mut CtxRaw,
    alone: bool,
}

impl<A: Actor> Call<'_, A> {
    /// Runs `handler` on them and leaves each reply where the engine wants it.
    #[inline(always)]
    pub fn handle<M: Message, R: Reply>(self, handler: impl Fn(&mut A, &M, &mut Ctx<'_>) -> R) -> u64 {
        let Call { state, given, ctx, alone } = self;
        // SAFETY: who made the `Call` vouches for all of it. Which of the two it is, is known where this is compiled.
        unsafe { if alone { handle_one(state, given, ctx, handler) } else { handle_run(state, given, ctx, handler) } }
    }
}

/// Handles one message.
///
/// # Safety
///
/// As [`DispatchOne`].
#[cfg_attr(target_arch = "nvptx64", inline(never))]
#[cfg_attr(not(target_arch = "nvptx64"), inline(always))]
unsafe fn handle_one<A: Actor, M: Message, R: Reply>(
    state: &mut A,
    given: &mut Given,
    raw: &mut CtxRaw,
    handler: impl Fn(&mut A, &M, &mut Ctx<'_>) -> R,
) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { ended(DISPATCH_STOP, run(state, given, &mut Ctx::new(raw), &handler)) }
}

/// Handles messages, one after another, up to one of another type. On a GPU out of line: they save as many registers, and have as long a stack, as
/// their own handler needs, not the one of their kind that needs most. What each of them needs is kept in registers meanwhile.
///
/// # Safety
///
/// As [`Dispatch`].
#[cfg_attr(target_arch = "nvptx64", inline(never))]
#[cfg_attr(not(target_arch = "nvptx64"), inline(always))]
unsafe fn handle_run<A: Actor, M: Message, R: Reply>(
    state: &mut A,
    mut given: &mut Given,
    raw: &mut CtxRaw,
    handler: impl Fn(&mut A, &M, &mut Ctx<'_>) -> R,
) -> u64 {
    let (message, lanes, between) = (given.message, raw.lanes_at(), Between::of(raw));
    let mut messages = raw.messages;
    // SAFETY: the caller's promise, for each of the messages; nobody else has them meanwhile.
    unsafe {
        let mut ctx = Ctx::new(raw);
        loop {
            ctx.raw.hlc = clock::merge(ctx.raw.hlc, ctx.raw.sent, ctx.raw.now);
            let asks = given.asks != 0;
            let said = run(state, given, &mut ctx, &handler);
            if said as usize > wire::MAX_PAYLOAD || ctx.stops() || asks {
                return ended(DISPATCH_STOP, said);
            }
            given.said = said;
            messages &= messages - 1;
            ctx.raw.messages = messages;
            if messages == 0 {
                return ended(DISPATCH_DONE, said);
            }
            given = &mut *given_at(lanes, messages);
            let (sent, room, next) = (given.sent, given.room, given.message);
            let Some(now) = between.begin() else { return ended(DISPATCH_KILL, 0) };
            (ctx.raw.sent, ctx.raw.room, ctx.raw.now) = (sent, room, now);
            if next != message {
                return ended(DISPATCH_OTHER, 0);
            }
        }
    }
}

/// Runs a handler: the bytes of its reply, or a `DISPATCH_*`.
///
/// # Safety
///
/// The context is as [`Ctx::new`] says, and the message as [`Dispatch`].
#[inline(always)]
unsafe fn run<A: Actor, M: Message, R: Reply>(
    state: &mut A,
    given: &mut Given,
    ctx: &mut Ctx<'_>,
    handler: &impl Fn(&mut A, &M, &mut Ctx<'_>) -> R,
) -> u32 {
    if given.bytes as usize != size_of::<M>() {
        return DISPATCH_UNKNOWN;
    }
    // The lane is its engine's: the message is a part of it.
    let lane = (&raw mut *given).expose_provenance();
    let reply = ptr::with_exposed_provenance_mut::<u8>(lane + (LANE_REPLY - LANE_GIVEN));
    // SAFETY: the caller vouches for so many initialised bytes aligned to 16; these are the bytes of an `M`, any of which are a value
    // (`Plain`), and nobody writes them meanwhile.
    let message = unsafe { &*ptr::with_exposed_provenance::<M>(given.payload as usize) };
    // SAFETY: the caller's promise, said to the compiler, which then moves 16 bytes at a time.
    unsafe {
        assert_unchecked(ptr::from_ref(state).addr().is_multiple_of(16));
        assert_unchecked(ptr::from_ref(message).addr().is_multiple_of(16));
        assert_unchecked(reply.addr().is_multiple_of(16));
    }
    let short = size_of::<R>() <= wire::SHORT_REPLY;
    let reply = if short { reply } else { ctx.raw.room_at() };
    // SAFETY: there is room for SHORT_REPLY bytes, or in the context's room for MAX_PAYLOAD, aligned to 16, and an `R` needs no more
    // (`fits`).
    let reply = unsafe { &mut *reply.cast::<MaybeUninit<R>>() };
    if short {
        let value = handler(state, message, ctx);
        if ctx.failed() {
            return DISPATCH_FAILED;
        }
        reply.write(value);
    } else {
        write_large(state, message, ctx, reply, handler);
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
    handler: &impl Fn(&mut A, &M, &mut Ctx<'_>) -> R,
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
        // SAFETY: the caller vouches for what belongs to the messages.
        let how = unsafe { call(state, given, ctx, false) };
        if how != ended(DISPATCH_OTHER, 0) {
            return how;
        }
        // SAFETY: the caller vouches for each message, and nobody else has it meanwhile.
        given = unsafe { &mut *given_at(ctx.lanes_at(), ctx.messages) };
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
    // Here and not in the engine, where it would be a call of its own for every message.
    ctx.hlc = clock::merge(ctx.hlc, ctx.sent, ctx.now);
    // SAFETY: the caller vouches for what belongs to the message.
    unsafe { call(state, given, ctx, true) as u32 }
}

/// A run ends at a message of another type, which is next.
const DISPATCH_OTHER: u32 = 3;

/// A message of no type that the kind handles.
#[doc(hidden)]
pub const UNKNOWN: u64 = ended(DISPATCH_STOP, DISPATCH_UNKNOWN);

const fn ended(how: u32, said: u32) -> u64 {
    (how as u64) << 32 | said as u64
}

/// Handles one message, or several up to one of another type.
///
/// # Safety
///
/// As [`Dispatch`].
#[inline(always)]
unsafe fn call<A: Actor>(state: &mut A, given: &mut Given, ctx: &mut CtxRaw, alone: bool) -> u64 {
    // An address of another kind than the row's, made of another's bytes.
    let tag = given.message >> 16;
    if tag != 0 && tag != const { A::KIND.tag() as u32 } {
        return UNKNOWN;
    }
    let message = given.message & 0xffff;
    #[cfg(all(feature = "host", not(target_arch = "nvptx64")))]
    // SAFETY: the caller vouches for the context's room.
    return unsafe {
        let call = |ctx: &mut CtxRaw| A::dispatch(message, Call { state, given, ctx, alone });
        crate::host::panics::guard(ctx, call, ended(DISPATCH_STOP, DISPATCH_FAILED))
    };
    #[cfg(not(all(feature = "host", not(target_arch = "nvptx64"))))]
    A::dispatch(message, Call { state, given, ctx, alone })
}

/// The first of these messages.
#[inline(always)]
fn given_at(lanes: *mut u8, messages: u32) -> *mut Given {
    lanes.wrapping_add(messages.trailing_zeros() as usize * LANE_BYTES + LANE_GIVEN).cast()
}

/// Where it is said and asked what changes between two messages.
struct Between {
    pulse: *mut Pulse,
    busy: *mut u64,
    kills: u32,
}

impl Between {
    #[inline(always)]
    fn of(ctx: &CtxRaw) -> Self {
        let (pulse, busy) = (ptr::with_exposed_provenance_mut(ctx.pulse as usize), ptr::with_exposed_provenance_mut(ctx.busy as usize));
        Between { pulse, busy, kills: ctx.kills }
    }

    /// Ahead of a message that is not the first: what time it is. Nothing if somebody was killed meanwhile; else the message is begun.
    ///
    /// # Safety
    ///
    /// As [`Dispatch`] says of pulse and busy word.
    #[inline(always)]
    unsafe fn begin(&self) -> Option<u64> {
        // SAFETY: they are there, aligned, and nobody writes them but by atomic accesses (the caller's promise).
        let (now, kill, busy) = unsafe {
            let Between { pulse, busy, .. } = *self;
            (AtomicU64::from_ptr(&raw mut (*pulse).now), AtomicU32::from_ptr(&raw mut (*pulse).kill), AtomicU64::from_ptr(busy))
        };
        let now = now.load(Relaxed);
        // SYNC kill: pairs with the engine's `revoke`; the engine looks at the row itself.
        if kill.load(Relaxed) != self.kills {
            return None;
        }
        busy.store(busy.load(Relaxed) + wire::BUSY_MESSAGE, Relaxed);
        Some(now)
    }
}
