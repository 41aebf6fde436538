//! The engine's two forms: PTX for the driver to link with a handler crate's, and the same source compiled for the host.

use std::sync::OnceLock;
use std::vec::Vec;

use crate::actor::{Dispatch, DispatchOne, Kind};
use crate::clock;
use crate::host::{Calls, modules, panics, set_calls};
use crate::lanes::Work;
use crate::wire::{self, CtxRaw, CutParams, EngineParams, LANE_BYTES, RawAddress, RawJob, ReplyTo, WIDTH_LANE, WORK_LANES};

/// The engine as PTX, for compute capability 8.0 and up; it calls `resident_kind` and the clock in a handler crate's PTX.
pub const PTX: &str = include_str!("../cuda/engine.ptx");
/// Name of the resident kernel in [`PTX`]: one block of [`BLOCK_THREADS`] threads per shard, parameter [`EngineParams`].
pub const KERNEL: &str = "resident_engine";
/// Name of the clock kernel in [`PTX`], by which a worker calibrates: parameters `ask` and `answer`.
pub const CLOCK_KERNEL: &str = "resident_clock";
/// Threads of a block of [`KERNEL`]: one warp polls, one delivers what is late, the others handle messages.
pub const BLOCK_THREADS: u32 = wire::BLOCK_THREADS as u32;

/// Bytes of shared memory that a block of [`KERNEL`] is given at the launch, for its lanes.
pub const fn shared_bytes() -> u32 {
    (WORK_LANES * LANE_BYTES) as u32
}

/// Name of the kernel in [`PTX`] that mends the mailboxes, after a loss and ahead of a cut: one block of any size,
/// parameter [`EngineParams`].
pub const MEND_KERNEL: &str = "resident_mend";
/// Names of the kernels that take cuts and load actors, in the order of [`Step`]: any number of blocks of whole warps, at most 256
/// threads, parameter [`CutParams`].
pub const STEP_KERNELS: [&str; 4] = ["resident_cut_select", "resident_cut_copy", "resident_cut_changed", "resident_load"];

/// A step of a cut, or a load (`cuda/cut.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Lists rows and pages, while no shard runs.
    Select,
    /// Copies the states listed, while no shard runs.
    Copy,
    /// Finds the pages that have changed among what was copied.
    Changed,
    /// Puts the actors listed where they belong, while no shard runs.
    Load,
}

/// Whether a panic ends the process instead of unwinding: the program is built with `panic = "abort"`.
pub const PANICS_ABORT: bool = panics::ABORTS;

/// Names who is told of a handler's panic, its shard and its text, where panics abort. The handler's thread stands still from then on, so
/// whoever is told has to end the process. Without it the process ends at once.
pub fn on_abort(tell: impl Fn(u32, &str) + Send + Sync + 'static) {
    panics::on_abort(tell);
}

/// Every kind of this program: the handler crates' kinds one after another. The engine knows a kind by its place here, which
/// for a program with one handler crate is its place in `export!`.
pub fn kinds() -> &'static [&'static Kind] {
    static KINDS: OnceLock<Vec<&'static Kind>> = OnceLock::new();
    KINDS.get_or_init(|| modules().iter().flat_map(|module| module.kinds).copied().collect())
}

mod native {
    use super::{CtxRaw, CutParams, EngineParams, RawAddress, RawJob, ReplyTo, Work};

    unsafe extern "C" {
        pub fn resident_host_shard(params: *const EngineParams, shard: u32, threads: u32);
        pub fn resident_host_cut_select(params: *const CutParams);
        pub fn resident_host_cut_copy(params: *const CutParams);
        pub fn resident_host_cut_changed(params: *const CutParams);
        pub fn resident_host_load(params: *const CutParams);
        pub fn resident_host_mend(params: *const EngineParams);
        pub fn resident_emit(ctx: *mut CtxRaw, ty: u32, payload: *const u8, len: u32);
        pub fn resident_send(ctx: *mut CtxRaw, to: *const RawAddress, message: u32, payload: *const u8, len: u32, reply: *const ReplyTo);
        pub fn resident_spawn(ctx: *mut CtxRaw, fingerprint: u64, state: *const u8, bytes: u32, child: *mut RawAddress) -> u32;
        pub fn resident_job_room(ctx: *mut CtxRaw) -> *mut u8;
        pub fn resident_job(ctx: *mut CtxRaw, work: Work, job: *const RawJob) -> u32;
        pub fn resident_lookup(ctx: *mut CtxRaw, hash: u64, kind: u32, found: *mut RawAddress) -> u32;
    }
}

/// Runs shard `shard` of a CPU device on this thread until the host's control line tells it to stop. With `threads` its
/// poller is a thread of its own, as on the GPU.
///
/// # Safety
///
/// Every address in `params` is valid for what the engine does with it (`cuda/engine.h`, `enter`) until this returns, the
/// region's header is consistent, and no other thread runs the same shard.
pub unsafe fn run_host_shard(params: &EngineParams, shard: u32, threads: bool) {
    static CALLS: Calls = Calls {
        emit: native::resident_emit,
        send: native::resident_send,
        lookup: native::resident_lookup,
        spawn: native::resident_spawn,
        job_room: native::resident_job_room,
        job: native::resident_job,
    };
    set_calls(&CALLS);
    // SAFETY: the caller's promise.
    unsafe { native::resident_host_shard(params, shard, u32::from(threads)) }
}

/// Mends the mailboxes of a CPU device after a loss, ahead of the launch that goes on.
///
/// # Safety
///
/// As [`run_host_shard`], and no shard runs.
pub unsafe fn mend_host(params: &EngineParams) {
    // SAFETY: the caller's promise.
    unsafe { native::resident_host_mend(params) }
}

/// Carries out a step on the CPU device.
///
/// # Safety
///
/// Every address in `params` is valid for what the step does with it (`cuda/cut.h`), and but for [`Step::Changed`] no shard runs.
pub unsafe fn host_step(step: Step, params: &CutParams) {
    // SAFETY: the caller's promise.
    unsafe {
        match step {
            Step::Select => native::resident_host_cut_select(params),
            Step::Copy => native::resident_host_cut_copy(params),
            Step::Changed => native::resident_host_cut_changed(params),
            Step::Load => native::resident_host_load(params),
        }
    }
}

/// How the host-built engine finds the handlers of a kind.
#[unsafe(no_mangle)]
extern "C" fn resident_kind(kind: u32) -> Option<Dispatch> {
    kinds().get(kind as usize).map(|kind| kind.dispatch)
}

/// And how it handles one message alone.
#[unsafe(no_mangle)]
extern "C" fn resident_kind_one(kind: u32) -> Option<DispatchOne> {
    kinds().get(kind as usize).map(|kind| kind.dispatch_one)
}

/// The place of the kind with this fingerprint; `u32::MAX` if there is none.
#[unsafe(no_mangle)]
extern "C" fn resident_kind_of(fingerprint: u64) -> u32 {
    kinds().iter().position(|kind| kind.fingerprint == fingerprint).map_or(u32::MAX, |kind| kind as u32)
}

/// The width that a kind asks for.
#[unsafe(no_mangle)]
extern "C" fn resident_kind_width(kind: u32) -> u32 {
    kinds().get(kind as usize).map_or(u32::from(WIDTH_LANE), |kind| kind.width)
}

#[unsafe(no_mangle)]
extern "C" fn resident_hlc_merge(last: u64, remote: u64, now: u64) -> u64 {
    clock::merge(last, remote, now)
}
