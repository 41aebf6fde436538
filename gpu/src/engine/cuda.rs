//! The engine on an NVIDIA GPU: one resident kernel, a block per shard.

mod cut;
mod driver;
mod link;
mod memory;

use std::ffi::{CString, c_void};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cudarc::driver::sys::{self, CUdeviceptr, CUfunction, CUresult, CUstream};
use resident_kernels::engine::{BLOCK_THREADS, CLOCK_KERNEL, KERNEL, MEND_KERNEL, PTX, kinds, shared_bytes};
use resident_kernels::host::{Gpu, Module};
use resident_kernels::wire::{BatchState, EngineParams, FINGERPRINT, REGION_MAGIC, ShardState, WORK_WARPS};

use self::cut::Cuts;
use self::driver::check;
pub(crate) use self::driver::{Found, find};
use self::memory::{Exported, Registered};
use super::{Engine, Left, Outcome};
use crate::clock::now_micros;
use crate::cut::buffer::Buffer;
use crate::fault::{Class, WorkerError};
use crate::options::Options;
use crate::protocol::Job;
use crate::region::Region;
use crate::tables::Tables;
use crate::words::HeaderWords;

/// Threads of the block that mends mailboxes.
const MEND_THREADS: u32 = 128;
/// How long the two clocks are compared before a launch.
const CALIBRATIONS: u64 = 64;
/// How long that may take: another process may stop the device meanwhile, more than once.
const CALIBRATION_LIMIT: Duration = Duration::from_secs(5);

/// The PTX of the program's handlers, or what is missing.
pub(crate) fn handlers(modules: &[Module]) -> Result<&'static str, WorkerError> {
    match modules {
        [] => Err(WorkerError::new(
            Class::NoHandlers,
            "this program links no handler crate; add one and `export!` its actors, or choose the CPU device",
        )),
        [Module { ptx: Gpu::Ptx(ptx), .. }] => Ok(ptx),
        [Module { ptx: Gpu::Missing(why), krate, .. }] => {
            Err(WorkerError::new(Class::NoHandlers, format!("the handlers of `{krate}` were not compiled for the GPU: {why}")))
        }
        several => {
            let names: Vec<_> = several.iter().map(|m| m.krate).collect();
            Err(WorkerError::new(
                Class::NoHandlers,
                format!(
                    "several handler crates ({}): a GPU runs one module, so `export!` all actors from one crate that depends on the others",
                    names.join(", ")
                ),
            ))
        }
    }
}

/// A context, the linked module, memory and a stream. Everything is made before the first launch, since loading or allocating
/// beside a resident kernel may block until it ends.
pub(crate) struct Cuda {
    region: Arc<Region>,
    engine: CUfunction,
    mend: CUfunction,
    /// The engine before was lost: the mailboxes are to be mended before the first launch.
    broken: bool,
    stream: CUstream,
    params: EngineParams,
    cuts: Cuts,
    /// Dropped in this order, after the stream is idle.
    memory: Exported,
    _registered: Registered,
    context: Context,
    claim: Claim,
}

struct Context(sys::CUdevice);

/// A device of this process: one engine at a time, since what a second one has to load waits until the first one's kernel ends.
struct Claim(u32);

static CLAIMED: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static GIVEN_BACK: Condvar = Condvar::new();
/// How long a start waits for an engine that is being stopped.
const CLAIM_LIMIT: Duration = Duration::from_secs(5);

impl Claim {
    fn new(ordinal: u32) -> Result<Claim, WorkerError> {
        let claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = |claimed: &mut Vec<u32>| claimed.contains(&ordinal);
        let (mut claimed, wait) = GIVEN_BACK.wait_timeout_while(claimed, CLAIM_LIMIT, taken).unwrap_or_else(PoisonError::into_inner);
        if wait.timed_out() {
            let text =
                format!("device {ordinal} runs a system of this process already: share that one, stop it first, or choose another device");
            return Err(WorkerError::new(Class::Busy, text));
        }
        claimed.push(ordinal);
        Ok(Claim(ordinal))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMED.lock().unwrap_or_else(PoisonError::into_inner).retain(|ordinal| *ordinal != self.0);
        GIVEN_BACK.notify_all();
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: retained in `Cuda::open`, released once.
        unsafe { sys::cuDevicePrimaryCtxRelease_v2(self.0) };
    }
}

impl Cuda {
    pub(crate) fn open(
        region: &Arc<Region>,
        before: Option<OwnedFd>,
        options: &Options,
        found: &Found,
        handlers: &str,
    ) -> Result<Cuda, WorkerError> {
        let claim = Claim::new(found.ordinal)?;
        let fresh = before.is_none();
        let shards = region.geometry().shards;
        // SAFETY: plain driver calls with valid out-pointers; the context stays current on this thread, the only one that uses it.
        let context = unsafe {
            let mut context = ptr::null_mut();
            check(sys::cuDevicePrimaryCtxRetain(&mut context, found.device), "opening the device")?;
            let held = Context(found.device);
            check(sys::cuCtxSetCurrent(context), "cuCtxSetCurrent")?;
            check(sys::cuCtxSetLimit(sys::CUlimit::CU_LIMIT_STACK_SIZE, options.stack_bytes as usize), "setting the stack size")?;
            held
        };
        let module = link::load(found, PTX, handlers, options.cache.as_deref())?;
        let engine = function(module, KERNEL)?;
        let clock = function(module, CLOCK_KERNEL)?;
        let mend = function(module, MEND_KERNEL)?;
        // SAFETY: a valid function.
        let given = unsafe {
            let most = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            sys::cuFuncSetAttribute(engine, most, shared_bytes() as i32)
        };
        check(given, "setting the shared memory of a shard")?;
        check_room(engine, shards, found.sms)?;
        let mut stream = ptr::null_mut();
        // SAFETY: valid out-pointer.
        check(unsafe { sys::cuStreamCreate(&mut stream, sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32) }, "cuStreamCreate")?;
        check_table(module, stream)?;
        let tables = Tables::of(&region.geometry());
        let memory = Exported::new(found.device, tables.bytes, before)?;
        let registered = Registered::new(region)?;
        let params = tables.params(registered.address(), memory.address(), WORK_WARPS);
        let cuts = Cuts::new(module, found, region.geometry(), &params)?;
        let broken = !fresh;
        let cuda =
            Cuda { region: region.clone(), engine, mend, broken, stream, params, cuts, memory, _registered: registered, context, claim };
        if fresh {
            // SAFETY: the range lies within the memory just taken, which nothing uses yet.
            check(unsafe { sys::cuMemsetD8Async(params.rows, 0, tables.arena as usize, stream) }, "clearing rows")?;
            cuda.wait("clearing rows")?;
            region.header().set_clock_offset(cuda.calibrate(clock)?);
        }
        Ok(cuda)
    }

    /// Copies `count` values from the device.
    ///
    /// # Safety
    ///
    /// They are there, and any bytes are one.
    unsafe fn read<T>(&self, from: CUdeviceptr, count: usize) -> Result<Vec<T>, WorkerError> {
        let mut values = Vec::<T>::with_capacity(count);
        // SAFETY: the vector has room for them, and the copy is waited for.
        unsafe {
            let copied = sys::cuMemcpyDtoHAsync_v2(values.as_mut_ptr().cast(), from, count * size_of::<T>(), self.stream);
            check(copied, "reading what the shards left")?;
            self.wait("reading what the shards left")?;
            values.set_len(count);
        }
        Ok(values)
    }

    fn wait(&self, what: &str) -> Result<(), WorkerError> {
        // SAFETY: the stream lives as long as `self`.
        check(unsafe { sys::cuStreamSynchronize(self.stream) }, what)
    }

    fn mend(&self) -> Result<(), WorkerError> {
        let mut params = self.params;
        self.run(self.mend, 1, MEND_THREADS, 0, &mut [(&raw mut params).cast()])
    }

    fn run(&self, function: CUfunction, blocks: u32, threads: u32, shared: u32, params: &mut [*mut c_void]) -> Result<(), WorkerError> {
        // SAFETY: `params` point to the kernel's parameters, which the driver copies before it returns.
        check(
            unsafe {
                sys::cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, shared, self.stream, params.as_mut_ptr(), ptr::null_mut())
            },
            "launching",
        )
    }

    /// Microseconds to add to the device's clock for the host's: from the exchange with the shortest round trip, whose middle is
    /// when the device looked.
    fn calibrate(&self, clock: CUfunction) -> Result<i64, WorkerError> {
        let words = self.region.header();
        let mut ask = self.params.region + HeaderWords::CLOCK_ASK;
        let mut answer = ask + 8;
        words.ask_clock(0);
        self.run(clock, 1, 1, 0, &mut [(&raw mut ask).cast(), (&raw mut answer).cast()])?;
        let started = Instant::now();
        let mut best = (Duration::MAX, 0i64);
        'turns: for turn in 1..=CALIBRATIONS {
            let before = Instant::now();
            words.ask_clock(turn);
            let nanos = loop {
                if let Some(nanos) = words.clock_answer(turn) {
                    break nanos;
                }
                if started.elapsed() > CALIBRATION_LIMIT {
                    break 'turns;
                }
            };
            let trip = before.elapsed();
            if trip < best.0 {
                best = (trip, now_micros() as i64 - (trip / 2).as_micros() as i64 - (nanos / 1000) as i64);
            }
        }
        words.ask_clock(u64::MAX);
        if best.0 == Duration::MAX {
            let text =
                format!("the device's clock did not answer within {CALIBRATION_LIMIT:?}; is another process keeping the device busy?");
            return Err(WorkerError::new(Class::Driver, text));
        }
        self.wait("the clock kernel")?;
        Ok(best.1)
    }
}

impl Engine for Cuda {
    fn memory(&self) -> BorrowedFd<'_> {
        self.memory.descriptor()
    }

    fn left(&mut self) -> Result<Left, WorkerError> {
        let shards = self.region.geometry().shards as usize;
        // SAFETY: so many of each are there, and both are plain words.
        unsafe {
            let batches = self.read::<BatchState>(self.params.batches, shards * WORK_WARPS)?;
            Ok(Left { shards: self.read::<ShardState>(self.params.shards, shards)?, batches })
        }
    }

    fn launch(&mut self) -> Result<(), WorkerError> {
        if std::mem::take(&mut self.broken) {
            self.mend()?;
        }
        let mut params = self.params;
        let shards = self.region.geometry().shards;
        self.run(self.engine, shards, BLOCK_THREADS, shared_bytes(), &mut [(&raw mut params).cast()])
    }

    fn ended(&mut self) -> Result<bool, WorkerError> {
        // SAFETY: the stream lives as long as `self`.
        match unsafe { sys::cuStreamQuery(self.stream) } {
            CUresult::CUDA_ERROR_NOT_READY => Ok(false),
            other => check(other, "the resident kernel").map(|()| true),
        }
    }

    fn begin(&mut self, job: Job, buffer: Buffer) -> Result<(), WorkerError> {
        self.cuts.begin(job, buffer)
    }

    fn ready(&mut self) -> Result<bool, WorkerError> {
        self.cuts.ready()
    }

    fn stand(&mut self) -> Result<(), WorkerError> {
        // What is late goes where it can, so that inboxes have it in its order.
        self.mend()?;
        self.cuts.stand(self.stream)
    }

    fn outcome(&mut self) -> Result<Option<Outcome>, WorkerError> {
        self.cuts.outcome()
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        // SAFETY: made in `open`; the worker drops an engine only when its shards have left or the context is lost.
        unsafe { sys::cuStreamDestroy_v2(self.stream) };
        let _ = (&self.context, &self.claim);
    }
}

fn function(module: sys::CUmodule, name: &str) -> Result<CUfunction, WorkerError> {
    let name = CString::new(name).expect("a kernel's name holds no zero byte");
    let mut function = ptr::null_mut();
    // SAFETY: valid out-pointer and module.
    check(unsafe { sys::cuModuleGetFunction(&mut function, module, name.as_ptr()) }, "finding the engine's kernel")?;
    Ok(function)
}

/// All shards must be on the device at once: one that waits for another to end would wait for ever.
fn check_room(engine: CUfunction, shards: u32, sms: u32) -> Result<(), WorkerError> {
    let mut per_sm = 0;
    // SAFETY: valid out-pointer and function.
    let asked =
        unsafe { sys::cuOccupancyMaxActiveBlocksPerMultiprocessor(&mut per_sm, engine, BLOCK_THREADS as i32, shared_bytes() as usize) };
    check(asked, "asking for occupancy")?;
    let fits = per_sm.max(0) as u32 * sms;
    if shards > fits {
        return Err(WorkerError::new(
            Class::TooManyShards,
            format!(
                "{shards} shards were asked for and the device holds {fits} at once ({sms} multiprocessors, {per_sm} each); ask for at most {fits}"
            ),
        ));
    }
    Ok(())
}

/// Compares the table in the GPU's module with what this program was compiled with.
fn check_table(module: sys::CUmodule, stream: CUstream) -> Result<(), WorkerError> {
    let mut bytes = 0;
    let mut address: CUdeviceptr = 0;
    // SAFETY: valid out-pointers and module.
    let found = unsafe { sys::cuModuleGetGlobal_v2(&mut address, &mut bytes, module, c"RESIDENT_MODULE".as_ptr()) };
    check(found, "finding the module's table of kinds")?;
    let mut table = vec![0u8; bytes];
    // SAFETY: `table` has room for the `bytes` bytes of the global and outlives the copy, which is waited for.
    unsafe {
        check(sys::cuMemcpyDtoHAsync_v2(table.as_mut_ptr().cast(), address, bytes, stream), "reading the module's table of kinds")?;
        check(sys::cuStreamSynchronize(stream), "reading the module's table of kinds")?;
    }
    compare_table(&table)
}

fn compare_table(table: &[u8]) -> Result<(), WorkerError> {
    let word = |at: usize| table.get(at..at + 8).map(|b| u64::from_le_bytes(b.try_into().expect("eight bytes")));
    let differ = |what: String| {
        Err(WorkerError::new(
            Class::Link,
            format!(
                "the handlers' GPU module does not fit this program: {what}; rebuild the handler crate (cargo clean -p it), and check that it uses the same version of resident-kernels"
            ),
        ))
    };
    if word(0) != Some(REGION_MAGIC) || word(8) != Some(FINGERPRINT) {
        return differ("its wire layouts have another fingerprint".into());
    }
    let count = word(16).unwrap_or(0) as u32 as usize;
    if count != kinds().len() {
        return differ(format!("it has {count} kinds and the program {}", kinds().len()));
    }
    for (i, kind) in kinds().iter().enumerate() {
        let (fingerprint, sizes) = (word(24 + 16 * i), word(32 + 16 * i));
        if fingerprint != Some(kind.fingerprint) || sizes.map(|s| s as u32) != Some(kind.state_bytes) {
            return differ(format!("kind `{}` has another layout there", kind.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(modules: &[Module]) -> String {
        let error = handlers(modules).expect_err("no PTX to run");
        assert_eq!(error.class, Class::NoHandlers);
        error.text
    }

    #[test]
    fn one_module_with_ptx_and_no_other() {
        let module = |krate, ptx| Module { krate, kinds: &[], ptx };
        assert_eq!(handlers(&[module("planes", Gpu::Ptx("text"))]), Ok("text"));
        assert!(refused(&[]).contains("links no handler crate"));
        let missing = refused(&[module("planes", Gpu::Missing("run `rustup target add nvptx64-nvidia-cuda`"))]);
        assert!(missing.contains("`planes`") && missing.contains("rustup target add"), "{missing}");
        let several = refused(&[module("planes", Gpu::Ptx("text")), module("trains", Gpu::Ptx("text"))]);
        assert!(several.contains("planes, trains") && several.contains("from one crate"), "{several}");
    }

    #[test]
    fn a_table_of_other_layouts_is_refused() {
        let table = |magic: u64, wire: u64, count: u64| [magic, wire, count].map(u64::to_le_bytes).concat();
        assert_eq!(compare_table(&table(REGION_MAGIC, FINGERPRINT, 0)), Ok(()), "this program has no kinds");
        for wrong in
            [table(0, FINGERPRINT, 0), table(REGION_MAGIC, !FINGERPRINT, 0), table(REGION_MAGIC, FINGERPRINT, 2), vec![0; 5], vec![]]
        {
            let error = compare_table(&wrong).expect_err("another table");
            assert!(error.class == Class::Link && error.text.contains("rebuild the handler crate"), "{error}");
        }
    }
}
