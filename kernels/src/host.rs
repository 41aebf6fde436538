//! What an application sees of a handler crate: its kinds, found at link time, and how the CPU device runs them.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::wire::CtxRaw;

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

static EMIT: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Names the function that carries `Ctx::emit` on the host; the CPU device does so before its engine runs.
pub fn set_emit(emit: EmitFn) {
    // SYNC emit: pairs with the load in `emit`; the function itself needs no publication, the order is for those
    // who read what its engine set up before.
    EMIT.store(emit as *mut (), Ordering::Release);
}

/// What `Ctx::emit` calls on the host.
///
/// # Safety
///
/// `payload` has `len` bytes, `ctx` is the context of the message being handled.
pub(crate) unsafe fn emit(ctx: *mut CtxRaw, ty: u32, payload: *const u8, len: u32) {
    // SYNC emit: pairs with the store in `set_emit`.
    let emit = EMIT.load(Ordering::Acquire);
    assert!(!emit.is_null(), "`ctx.emit` needs an engine: start a device, or name a function with `resident_kernels::host::set_emit`");
    // SAFETY: only `set_emit` writes `EMIT`, and it writes an `EmitFn`.
    let emit = unsafe { core::mem::transmute::<*mut (), EmitFn>(emit) };
    // SAFETY: as the caller vouches.
    unsafe { emit(ctx, ty, payload, len) }
}
