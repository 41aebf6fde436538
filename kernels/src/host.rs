//! What an application sees of a handler crate: its kinds, found at link time, and how the CPU device runs them.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::lanes::Work;
use crate::wire::{BIRTH_NONE, CtxRaw, MAX_PAYLOAD, RawAddress, RawJob, ReplyTo};

#[cfg(feature = "host")]
mod answer;
#[cfg(feature = "host")]
mod envelope;
#[cfg(feature = "host")]
mod fault;
#[cfg(feature = "host")]
mod key;
#[cfg(feature = "ractor")]
mod message;
#[cfg(feature = "host")]
mod modules;
#[cfg(feature = "host")]
pub(crate) mod panics;

#[cfg(feature = "host")]
pub use answer::{Answer, Caller, End, NoReply};
#[cfg(feature = "host")]
pub use envelope::Envelope;
#[cfg(feature = "host")]
pub use fault::{FaultClass, GpuFault};
#[cfg(feature = "host")]
pub use key::ActorKey;
#[cfg(feature = "ractor")]
pub use message::{Cross, Resident, answer_to, of_bytes, to_bytes};
#[cfg(feature = "host")]
pub use modules::{Gpu, MODULES, Module, locate, modules};

/// What handlers call on the host: the engine's functions, or a test's.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    /// Sends an emitted message: context, [`Emit::TYPE`](crate::actor::Emit::TYPE), payload, its length.
    pub emit: unsafe extern "C" fn(ctx: *mut CtxRaw, ty: u32, payload: *const u8, len: u32),
    /// Sends a message to another actor: context, whom to, index of the message, payload, its length, and who gets the reply, or null.
    pub send:
        unsafe extern "C" fn(ctx: *mut CtxRaw, to: *const RawAddress, message: u32, payload: *const u8, len: u32, reply: *const ReplyTo),
    /// Finds an actor: context, digest of the name, tag of the kind, and where its address goes; 0 if there is none.
    pub lookup: unsafe extern "C" fn(ctx: *mut CtxRaw, hash: u64, kind: u32, found: *mut RawAddress) -> u32,
    /// Spawns an actor: context, fingerprint of the kind, its state and the bytes of that, and where its address goes; 0, or why there is
    /// none, a [`BIRTHS`](crate::wire::BIRTHS).
    pub spawn: unsafe extern "C" fn(ctx: *mut CtxRaw, fingerprint: u64, state: *const u8, bytes: u32, child: *mut RawAddress) -> u32,
    /// Where a job of [`Lanes`](crate::lanes::Lanes) stands: context.
    pub job_room: unsafe extern "C" fn(ctx: *mut CtxRaw) -> *mut u8,
    /// Does the job that stands there: context, how, and what. The bytes of a panic's text behind [`MAX_PAYLOAD`] of the context's room, 0 if
    /// there was none, or [`JOB_OUTSIDE`](crate::wire::JOB_OUTSIDE).
    pub job: unsafe extern "C" fn(ctx: *mut CtxRaw, work: Work, job: *const RawJob) -> u32,
}

impl Calls {
    /// Nothing is sent, nobody is found or spawned, and a handler does its jobs by itself.
    pub const NONE: Calls = {
        unsafe extern "C" fn emit(_: *mut CtxRaw, _: u32, _: *const u8, _: u32) {}
        unsafe extern "C" fn send(_: *mut CtxRaw, _: *const RawAddress, _: u32, _: *const u8, _: u32, _: *const ReplyTo) {}
        unsafe extern "C" fn lookup(_: *mut CtxRaw, _: u64, _: u32, _: *mut RawAddress) -> u32 {
            0
        }
        unsafe extern "C" fn spawn(_: *mut CtxRaw, _: u64, _: *const u8, _: u32, _: *mut RawAddress) -> u32 {
            BIRTH_NONE as u32
        }
        unsafe extern "C" fn job_room(ctx: *mut CtxRaw) -> *mut u8 {
            // SAFETY: `ctx` is the context of the message being handled.
            unsafe { &*ctx }.room_at()
        }
        unsafe extern "C" fn job(ctx: *mut CtxRaw, work: Work, job: *const RawJob) -> u32 {
            // SAFETY: as above, and the job stands there.
            unsafe { work(job_room(ctx), 0, (*job).count, 0, 1, job_room(ctx).add(MAX_PAYLOAD)) }
        }
        Calls { emit, send, lookup, spawn, job_room, job }
    };
}

static CALLS: AtomicPtr<Calls> = AtomicPtr::new(ptr::null_mut());

/// Names the functions that carry what handlers do on the host; the CPU device does so before its engine runs.
pub fn set_calls(calls: &'static Calls) {
    // SYNC calls: pairs with the load in `calls`; the functions themselves need no publication, the order is for those who read what
    // their engine set up before.
    CALLS.store(ptr::from_ref(calls).cast_mut(), Ordering::Release);
}

fn calls() -> &'static Calls {
    // SYNC calls: pairs with the store in `set_calls`.
    let calls = CALLS.load(Ordering::Acquire);
    assert!(!calls.is_null(), "a handler that does this needs an engine: start a device, or see `resident_kernels::host::set_calls`");
    // SAFETY: only `set_calls` writes it, and it writes a reference that lives for ever.
    unsafe { &*calls }
}

/// What `Ctx::send` and `Ctx::ask` call on the host.
///
/// # Safety
///
/// `payload` has `len` bytes, `ctx` is the context of the message being handled, `reply` is valid or null.
pub(crate) unsafe fn send(ctx: *mut CtxRaw, to: *const RawAddress, message: u32, payload: *const u8, len: u32, reply: *const ReplyTo) {
    // SAFETY: as the caller vouches.
    unsafe { (calls().send)(ctx, to, message, payload, len, reply) }
}

/// What `Ctx::emit` calls on the host.
///
/// # Safety
///
/// `payload` has `len` bytes, `ctx` is the context of the message being handled.
pub(crate) unsafe fn emit(ctx: *mut CtxRaw, ty: u32, payload: *const u8, len: u32) {
    // SAFETY: as the caller vouches.
    unsafe { (calls().emit)(ctx, ty, payload, len) }
}

/// What `Ctx::lookup` calls on the host.
///
/// # Safety
///
/// `ctx` is the context of the message being handled, `found` is valid.
pub(crate) unsafe fn lookup(ctx: *mut CtxRaw, hash: u64, kind: u32, found: *mut RawAddress) -> u32 {
    // SAFETY: as the caller vouches.
    unsafe { (calls().lookup)(ctx, hash, kind, found) }
}

/// What `Ctx::spawn` calls on the host.
///
/// # Safety
///
/// `ctx` is the context of the message being handled, `state` has `bytes` bytes, `child` is valid.
pub(crate) unsafe fn spawn(ctx: *mut CtxRaw, fingerprint: u64, state: *const u8, bytes: u32, child: *mut RawAddress) -> u32 {
    // SAFETY: as the caller vouches.
    unsafe { (calls().spawn)(ctx, fingerprint, state, bytes, child) }
}

/// Where the job of a handler stands.
///
/// # Safety
///
/// `ctx` is the context of the message being handled.
pub(crate) unsafe fn job_room(ctx: *mut CtxRaw) -> *mut u8 {
    // SAFETY: as the caller vouches.
    unsafe { (calls().job_room)(ctx) }
}

/// Does the job of a handler.
///
/// # Safety
///
/// `ctx` is the context of the message being handled, a job that `work` knows stands in its `job_room`, and `job` is valid.
pub(crate) unsafe fn run_job(ctx: *mut CtxRaw, work: Work, job: *const RawJob) -> u32 {
    // SAFETY: as the caller vouches.
    unsafe { (calls().job)(ctx, work, job) }
}

/// Panics with the text of a lane's panic.
#[cold]
pub(crate) fn raise(text: &[u8]) -> ! {
    #[cfg(feature = "host")]
    panics::raise(text);
    #[cfg(not(feature = "host"))]
    panic!("{}", core::str::from_utf8(text).unwrap_or_default())
}
