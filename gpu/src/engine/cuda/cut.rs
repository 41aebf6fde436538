//! Cuts and loads on a GPU. The steps that need the shards to stand still are put into the resident kernel's stream, in front of its
//! next launch; the rest goes through a stream of its own, beside it.

use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr;

use cudarc::driver::sys::{self, CUevent, CUfunction, CUresult, CUstream};
use resident_kernels::engine::{STEP_KERNELS, Step};
use resident_kernels::wire::{CutPage, CutParams, CutRow, CutTotals, DIGEST_STRIDE, EngineParams, Row};

use super::driver::{Found, check};
use super::function;
use super::memory::{Growing, Pinned};
use crate::cut::buffer::{Buffer, Layout, most_pages, most_rows, room, rows};
use crate::engine::{self, NOTHING, Outcome, step_params};
use crate::fault::WorkerError;
use crate::protocol::Job;
use crate::region::Geometry;

/// Threads of a block, and blocks for each multiprocessor: enough loads under way to fill the memory's bandwidth.
const THREADS: u32 = 256;
const BLOCKS: u32 = 8;

/// What cuts take and remember. Its memory is taken with the first one.
pub(crate) struct Cuts {
    steps: [CUfunction; 4],
    stream: CUstream,
    /// What was put in front of the next launch is done.
    stood: CUevent,
    /// What was put into the stream beside is done.
    done: CUevent,
    blocks: u32,
    geometry: Geometry,
    layout: Layout,
    tables: Growing,
    states: Growing,
    buffers: HashMap<u64, Pinned>,
    params: CutParams,
    base: Option<u64>,
    count: u64,
    now: Option<AtHand>,
}

struct AtHand {
    job: Job,
    buffer: u64,
    stage: Stage,
    totals: CutTotals,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What is to be loaded is pinned, then copied to the device.
    Pinning,
    Sending,
    Ready,
    /// Between the stand and its end.
    Standing,
    /// The buffer is pinned as far as the cut will reach.
    Making,
    Draining,
}

/// Where things lie in `tables`.
struct Tables {
    totals: u64,
    wanted: u64,
    list: u64,
    pages: u64,
    base_rows: u64,
    base_counts: u64,
    digests: u64,
    end: u64,
}

impl Tables {
    fn of(geometry: &Geometry) -> Tables {
        let rows = rows(geometry);
        let mut end = 256;
        let mut next = |bytes: u64| {
            let begin = end;
            end += bytes.next_multiple_of(256);
            begin
        };
        let wanted = next(rows.div_ceil(8));
        let list = next(most_rows(geometry) * size_of::<CutRow>() as u64);
        let pages = next(most_pages(geometry) * size_of::<CutPage>() as u64);
        let base_rows = next(rows * size_of::<Row>() as u64);
        let base_counts = next(rows * size_of::<u64>() as u64);
        let digests = next((geometry.arena_bytes / DIGEST_STRIDE as u64 + 1) * size_of::<u64>() as u64);
        Tables { totals: 0, wanted, list, pages, base_rows, base_counts, digests, end }
    }
}

impl Cuts {
    /// Before the first launch: a kernel that is loaded beside a resident one waits for its end.
    pub(crate) fn new(module: sys::CUmodule, found: &Found, geometry: Geometry, engine: &EngineParams) -> Result<Cuts, WorkerError> {
        let mut steps = [ptr::null_mut(); 4];
        for (step, name) in steps.iter_mut().zip(STEP_KERNELS) {
            *step = function(module, name)?;
            // SAFETY: a function of a loaded module.
            check(unsafe { sys::cuFuncLoad(*step) }, "loading a step of a cut")?;
        }
        let (mut stream, mut stood, mut done) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: valid out-pointers.
        unsafe {
            check(sys::cuStreamCreate(&mut stream, sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32), "cuStreamCreate")?;
            for event in [&mut stood, &mut done] {
                check(sys::cuEventCreate(event, sys::CUevent_flags::CU_EVENT_DISABLE_TIMING as u32), "cuEventCreate")?;
            }
        }
        Ok(Cuts {
            steps,
            stream,
            stood,
            done,
            blocks: BLOCKS * found.sms,
            layout: Layout::of(&geometry),
            tables: Growing::new(found.device, Tables::of(&geometry).end)?,
            states: Growing::new(found.device, room(&geometry))?,
            buffers: HashMap::new(),
            params: step_params(&geometry, engine),
            geometry,
            base: None,
            count: 0,
            now: None,
        })
    }

    pub(crate) fn begin(&mut self, job: Job, buffer: Buffer) -> Result<(), WorkerError> {
        self.now = None;
        let tables = Tables::of(&self.geometry);
        self.tables.grow(tables.end)?;
        let id = buffer.id();
        let pinned = self.buffers.entry(id).or_insert_with(|| Pinned::new(buffer));
        while !pinned.pin(self.layout.totals, size_of::<CutTotals>() as u64)? {}
        let at = self.tables.address();
        let whole = matches!(job, Job::Cut { some: false, .. });
        let mut totals = NOTHING;
        let stage = match job {
            Job::Cut { some, .. } => {
                if some {
                    let bits = rows(&self.geometry).div_ceil(8);
                    let from = pinned.address(self.layout.wanted) as *const c_void;
                    // SAFETY: so many bytes are in the buffer, and have their place in the tables. Waited for, so that what comes next
                    // in the other stream finds them.
                    unsafe {
                        check(sys::cuMemcpyHtoDAsync_v2(at + tables.wanted, from, bits as usize, self.stream), "sending what to cut")?;
                        check(sys::cuStreamSynchronize(self.stream), "sending what to cut")?;
                    }
                }
                Stage::Ready
            }
            Job::Load { rows, bytes } => {
                self.states.grow(bytes)?;
                totals = CutTotals { rows, bytes, ..NOTHING };
                Stage::Pinning
            }
        };
        // SAFETY: the totals have their place in the tables. Waited for, as above.
        unsafe {
            check(sys::cuMemsetD8Async(at + tables.totals, 0, size_of::<CutTotals>(), self.stream), "beginning a cut")?;
            check(sys::cuStreamSynchronize(self.stream), "beginning a cut")?;
        }
        let base = |place: u64| if whole { at + place } else { 0 };
        self.params = CutParams {
            wanted: if matches!(job, Job::Cut { some: true, .. }) { at + tables.wanted } else { 0 },
            base_rows: base(tables.base_rows),
            base_counts: base(tables.base_counts),
            digests: base(tables.digests),
            from_base: matches!(job, Job::Cut { base: Some(base), .. } if Some(base) == self.base).into(),
            totals: at + tables.totals,
            list: at + tables.list,
            pages: at + tables.pages,
            bytes: self.states.address(),
            room: self.states.bytes(),
            changed: pinned.address(self.layout.pages),
            changed_bytes: pinned.address(self.layout.bytes),
            ..self.params
        };
        self.now = Some(AtHand { job, buffer: id, stage, totals });
        Ok(())
    }

    pub(crate) fn ready(&mut self) -> Result<bool, WorkerError> {
        let Some(now) = &mut self.now else { return Ok(false) };
        let Some(pinned) = self.buffers.get_mut(&now.buffer) else { return Ok(false) };
        match now.stage {
            Stage::Pinning => {
                let list = now.totals.rows * size_of::<CutRow>() as u64;
                if pinned.pin(self.layout.rows, list)? && pinned.pin(self.layout.bytes, now.totals.bytes)? {
                    pinned.buffer().write_list(self.layout.totals, &[now.totals]);
                    send(pinned, self.layout.totals, self.params.totals, size_of::<CutTotals>() as u64, self.stream)?;
                    send(pinned, self.layout.rows, self.params.list, list, self.stream)?;
                    send(pinned, self.layout.bytes, self.params.bytes, now.totals.bytes, self.stream)?;
                    record(self.done, self.stream)?;
                    now.stage = Stage::Sending;
                }
            }
            Stage::Sending if is_done(self.done)? => now.stage = Stage::Ready,
            _ => {}
        }
        Ok(now.stage == Stage::Ready)
    }

    /// Into `stream`, in front of the next launch.
    pub(crate) fn stand(&mut self, stream: CUstream) -> Result<(), WorkerError> {
        let Some(now) = &mut self.now else { return Ok(()) };
        let Some(pinned) = self.buffers.get(&now.buffer) else { return Ok(()) };
        match now.job {
            Job::Cut { .. } => {
                run(&self.steps, Step::Select, &self.params, self.blocks, stream)?;
                run(&self.steps, Step::Copy, &self.params, self.blocks, stream)?;
            }
            Job::Load { .. } => run(&self.steps, Step::Load, &self.params, self.blocks, stream)?,
        }
        record(self.stood, stream)?;
        // The next launch does not wait for this.
        // SAFETY: both live.
        check(unsafe { sys::cuStreamWaitEvent(self.stream, self.stood, 0) }, "cuStreamWaitEvent")?;
        fetch(pinned, self.params.totals, self.layout.totals, size_of::<CutTotals>() as u64, self.stream)?;
        record(self.done, self.stream)?;
        now.stage = Stage::Standing;
        Ok(())
    }

    pub(crate) fn outcome(&mut self) -> Result<Option<Outcome>, WorkerError> {
        let Some(now) = &mut self.now else { return Ok(None) };
        let Some(pinned) = self.buffers.get_mut(&now.buffer) else { return Ok(None) };
        let layout = &self.layout;
        let from_base = self.params.from_base != 0;
        match now.stage {
            Stage::Standing if !is_done(self.done)? => Ok(None),
            Stage::Standing => {
                if let Job::Load { .. } = now.job {
                    self.now = None;
                    return Ok(Some(Outcome::Done(engine::Found::default())));
                }
                now.totals = pinned.buffer().list(layout.totals, 1)[0];
                if now.totals.bytes > self.params.room {
                    // Some more, since the actors that have handled something become more from cut to cut.
                    self.states.grow(now.totals.bytes + now.totals.bytes / 4)?;
                    self.params.room = self.states.bytes();
                    // SAFETY: as in `begin`; the stand comes behind, in another stream, so it is waited for.
                    unsafe {
                        check(sys::cuMemsetD8Async(self.params.totals, 0, size_of::<CutTotals>(), self.stream), "beginning a cut anew")?;
                        check(sys::cuStreamSynchronize(self.stream), "beginning a cut anew")?;
                    }
                    now.stage = Stage::Ready;
                    return Ok(Some(Outcome::Again));
                }
                now.stage = Stage::Making;
                self.outcome()
            }
            Stage::Making => {
                let list = now.totals.rows * size_of::<CutRow>() as u64;
                let pages = if from_base { now.totals.pages * size_of::<CutPage>() as u64 } else { 0 };
                // Of those pages some have changed, and their bytes lie together.
                if !pinned.pin(layout.rows, list)? || !pinned.pin(layout.pages, pages)? || !pinned.pin(layout.bytes, now.totals.bytes)? {
                    return Ok(None);
                }
                if self.params.base_rows != 0 {
                    // Until the step is done there is no base.
                    self.base = None;
                    run(&self.steps, Step::Changed, &self.params, self.blocks, self.stream)?;
                }
                fetch(pinned, self.params.list, layout.rows, list, self.stream)?;
                fetch(pinned, self.params.totals, layout.totals, size_of::<CutTotals>() as u64, self.stream)?;
                if !from_base {
                    fetch(pinned, self.params.bytes, layout.bytes, now.totals.bytes, self.stream)?;
                }
                record(self.done, self.stream)?;
                now.stage = Stage::Draining;
                Ok(None)
            }
            Stage::Draining if is_done(self.done)? => {
                let totals = pinned.buffer().list(layout.totals, 1)[0];
                let Job::Cut { some, base } = now.job else { return Ok(None) };
                self.now = None;
                if !some {
                    self.count += 1;
                    self.base = Some(self.count);
                }
                let number = self.base.filter(|_| !some);
                Ok(Some(Outcome::Done(engine::Found::of(&totals, base.filter(|_| from_base), number))))
            }
            _ => Ok(None),
        }
    }
}

impl Drop for Cuts {
    fn drop(&mut self) {
        // SAFETY: made in `new`; what was under way is over, or the context is lost.
        unsafe {
            sys::cuStreamSynchronize(self.stream);
            sys::cuStreamDestroy_v2(self.stream);
            sys::cuEventDestroy_v2(self.stood);
            sys::cuEventDestroy_v2(self.done);
        }
    }
}

fn run(steps: &[CUfunction; 4], step: Step, params: &CutParams, blocks: u32, stream: CUstream) -> Result<(), WorkerError> {
    let mut params = *params;
    let mut list = [(&raw mut params).cast::<c_void>()];
    // SAFETY: the kernel's one parameter, which the driver copies before it returns.
    check(
        unsafe { sys::cuLaunchKernel(steps[step as usize], blocks, 1, 1, THREADS, 1, 1, 0, stream, list.as_mut_ptr(), ptr::null_mut()) },
        "launching a step of a cut",
    )
}

/// Copies `bytes` from the device to the section at `to`, which is pinned that far.
fn fetch(pinned: &Pinned, from: u64, to: u64, bytes: u64, stream: CUstream) -> Result<(), WorkerError> {
    for piece in pinned.pieces(to, bytes) {
        let (host, device) = (pinned.address(piece.start) as *mut c_void, from + (piece.start - to));
        // SAFETY: within the buffer, which lives until the engine is dropped, and within the device's memory for such.
        check(unsafe { sys::cuMemcpyDtoHAsync_v2(host, device, (piece.end - piece.start) as usize, stream) }, "draining a cut")?;
    }
    Ok(())
}

/// Copies `bytes` from the section at `from`, which is pinned that far, to the device.
fn send(pinned: &Pinned, from: u64, to: u64, bytes: u64, stream: CUstream) -> Result<(), WorkerError> {
    for piece in pinned.pieces(from, bytes) {
        let (host, device) = (pinned.address(piece.start) as *const c_void, to + (piece.start - from));
        // SAFETY: as in `fetch`.
        check(unsafe { sys::cuMemcpyHtoDAsync_v2(device, host, (piece.end - piece.start) as usize, stream) }, "sending actors")?;
    }
    Ok(())
}

fn record(event: CUevent, stream: CUstream) -> Result<(), WorkerError> {
    // SAFETY: both live.
    check(unsafe { sys::cuEventRecord(event, stream) }, "cuEventRecord")
}

fn is_done(event: CUevent) -> Result<bool, WorkerError> {
    // SAFETY: it lives.
    match unsafe { sys::cuEventQuery(event) } {
        CUresult::CUDA_ERROR_NOT_READY => Ok(false),
        other => check(other, "a step of a cut").map(|()| true),
    }
}
