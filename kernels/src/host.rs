//! What an application sees of a handler crate: its kinds, found at link time, and how the CPU device runs them.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::wire::{CtxRaw, RawAddress, ReplyTo};

#[cfg(feature = "ractor")]
mod message;
#[cfg(feature = "host")]
mod modules;
#[cfg(feature = "host")]
pub(crate) mod panics;

#[cfg(feature = "ractor")]
pub use message::{Completion, Cross, Resident, complete, of_bytes, to_bytes};
#[cfg(feature = "host")]
pub use modules::{Gpu, MODULES, Module, locate, modules};

/// Sends an emitted message: context, [`Emit::TYPE`](crate::actor::Emit::TYPE), payload, its length.
pub type EmitFn = unsafe extern "C" fn(ctx: *mut CtxRaw, ty: u32, payload: *const u8, len: u32);

/// Sends a message to another actor: context, whom to, index of the message, payload, its length, and who gets the reply, or null.
pub type SendFn =
    unsafe extern "C" fn(ctx: *mut CtxRaw, to: *const RawAddress, message: u32, payload: *const u8, len: u32, reply: *const ReplyTo);

static EMIT: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
static SEND: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Names the functions that carry `Ctx::emit`, and `Ctx::send` and `Ctx::ask`, on the host; the CPU device does so before its engine
/// runs.
pub fn set_calls(emit: EmitFn, send: SendFn) {
    // SYNC emit: pairs with the loads in `emit` and `send`; the functions themselves need no publication, the order is for those
    // who read what their engine set up before.
    EMIT.store(emit as *mut (), Ordering::Release);
    SEND.store(send as *mut (), Ordering::Release);
}

/// What `Ctx::send` and `Ctx::ask` call on the host.
///
/// # Safety
///
/// `payload` has `len` bytes, `ctx` is the context of the message being handled, `reply` is valid or null.
pub(crate) unsafe fn send(ctx: *mut CtxRaw, to: *const RawAddress, message: u32, payload: *const u8, len: u32, reply: *const ReplyTo) {
    // SYNC emit: pairs with the store in `set_calls`.
    let send = SEND.load(Ordering::Acquire);
    assert!(!send.is_null(), "`ctx.send` needs an engine: start a device, or name a function with `resident_kernels::host::set_calls`");
    // SAFETY: only `set_calls` writes `SEND`, and it writes a `SendFn`.
    let send = unsafe { core::mem::transmute::<*mut (), SendFn>(send) };
    // SAFETY: as the caller vouches.
    unsafe { send(ctx, to, message, payload, len, reply) }
}

/// What `Ctx::emit` calls on the host.
///
/// # Safety
///
/// `payload` has `len` bytes, `ctx` is the context of the message being handled.
pub(crate) unsafe fn emit(ctx: *mut CtxRaw, ty: u32, payload: *const u8, len: u32) {
    // SYNC emit: pairs with the store in `set_calls`.
    let emit = EMIT.load(Ordering::Acquire);
    assert!(!emit.is_null(), "`ctx.emit` needs an engine: start a device, or name a function with `resident_kernels::host::set_calls`");
    // SAFETY: only `set_calls` writes `EMIT`, and it writes an `EmitFn`.
    let emit = unsafe { core::mem::transmute::<*mut (), EmitFn>(emit) };
    // SAFETY: as the caller vouches.
    unsafe { emit(ctx, ty, payload, len) }
}
