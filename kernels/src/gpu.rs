//! The GPU's side of the engine's interface: what the engine calls beside the handlers, and what it offers.

use core::panic::PanicInfo;

use crate::clock;
use crate::lanes::Work;
use crate::text::Text;
use crate::wire::{CtxRaw, MAX_FAULT_TEXT, RawAddress, RawJob, ReplyTo};

unsafe extern "C" {
    /// The engine's: sends an emitted message.
    pub(crate) fn resident_emit(ctx: *mut CtxRaw, ty: u32, payload: *const u8, len: u32);
    /// The engine's: sends a message to another actor; `reply`, which may be null, names who gets its reply.
    pub(crate) fn resident_send(ctx: *mut CtxRaw, to: *const RawAddress, message: u32, payload: *const u8, len: u32, reply: *const ReplyTo);
    /// The engine's: finds the actor of a name's hash and a kind's tag; 0 if there is none.
    pub(crate) fn resident_lookup(ctx: *mut CtxRaw, hash: u64, kind: u32, found: *mut RawAddress) -> u32;
    /// The engine's: makes an actor of the kind with this fingerprint, with a state of so many bytes; 0, or why not, a `wire::BIRTH_*`.
    pub(crate) fn resident_spawn(ctx: *mut CtxRaw, fingerprint: u64, state: *const u8, bytes: u32, child: *mut RawAddress) -> u32;
    /// The engine's: where a job stands, [`MAX_PAYLOAD`](crate::wire::MAX_PAYLOAD) bytes.
    pub(crate) fn resident_job_room(ctx: *mut CtxRaw) -> *mut u8;
    /// The engine's: does the job that stands there. The bytes of a panic's text, behind the payload in [`CtxRaw::room`]; 0 if there was none,
    /// or `wire::JOB_OUTSIDE`.
    pub(crate) fn resident_job(ctx: *mut CtxRaw, work: Work, job: *const RawJob) -> u32;
    /// The engine's: fails the actor being handled and goes on with the next message.
    fn resident_panic(text: *const u8, len: u32) -> !;
}

/// [`clock::merge`], for the engine.
#[unsafe(no_mangle)]
extern "C" fn resident_hlc_merge(last: u64, remote: u64, now: u64) -> u64 {
    clock::merge(last, remote, now)
}

/// Compares bytes: what the compiler calls for `==` of larger values. On the GPU there is no libc to bring it.
///
/// # Safety
///
/// `a` and `b` have `n` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    for i in 0..n {
        // SAFETY: `i < n`.
        let (a, b) = unsafe { (*a.add(i), *b.add(i)) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

/// As [`memcmp`]; the compiler calls it where only equality counts.
///
/// # Safety
///
/// `a` and `b` have `n` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    // SAFETY: as the caller vouches.
    unsafe { memcmp(a, b, n) }
}

/// Panics with the text of a lane's panic.
pub(crate) fn raise(text: &[u8]) -> ! {
    // SAFETY: the text lives on, since the engine does not return here.
    unsafe { resident_panic(text.as_ptr(), text.len() as u32) }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut bytes = [0; MAX_FAULT_TEXT];
    let mut text = Text::new(&mut bytes);
    text.panic(info.location(), &info.message());
    let len = text.len() as u32;
    // SAFETY: `bytes` holds `len` bytes and lives on, since the engine does not return here.
    unsafe { resident_panic(bytes.as_ptr(), len) }
}
