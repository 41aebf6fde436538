//! Cuts and loads on the CPU device: the GPU's steps, carried out by one thread.

use resident_kernels::engine::{Step, host_step};
use resident_kernels::wire::{CutPage, CutParams, CutRow, CutTotals, DIGEST_STRIDE, EngineParams, ROW_FREE, Row};

use crate::cut::buffer::{Buffer, Layout, most_pages, most_rows, rows};
use crate::engine::{Found, NOTHING, Outcome, step_params};
use crate::fault::{Class, WorkerError};
use crate::protocol::Job;
use crate::region::Geometry;

/// What cuts take and remember; made for the first one.
pub(crate) struct Cuts {
    layout: Layout,
    list: Vec<CutRow>,
    pages: Vec<CutPage>,
    bytes: Vec<Chunk>,
    base_rows: Vec<Row>,
    base_counts: Vec<u64>,
    digests: Vec<u64>,
    base: Option<u64>,
    count: u64,
    params: CutParams,
    totals: Box<CutTotals>,
    now: Option<(Job, Buffer)>,
}

/// Aligned as states are.
#[derive(Clone, Copy, Default)]
#[repr(align(16))]
struct Chunk(#[allow(dead_code, reason = "the engine's to read and write")] [u8; 16]);

const FREE: Row = Row { kind: 0, generation: 0, state_offset: 0, state_bytes: 0, status: ROW_FREE as u32, killed: 0 };
impl Cuts {
    pub(crate) fn new(geometry: &Geometry, engine: &EngineParams) -> Cuts {
        let rows = rows(geometry);
        Cuts {
            layout: Layout::of(geometry),
            list: Vec::with_capacity(most_rows(geometry) as usize),
            pages: Vec::with_capacity(most_pages(geometry) as usize),
            bytes: Vec::new(),
            base_rows: vec![FREE; rows as usize],
            base_counts: vec![0; rows as usize],
            digests: vec![0; geometry.arena_bytes as usize / DIGEST_STRIDE + 1],
            base: None,
            count: 0,
            params: step_params(geometry, engine),
            totals: Box::new(NOTHING),
            now: None,
        }
    }

    pub(crate) fn begin(&mut self, job: Job, buffer: Buffer) {
        let at = |section: u64| buffer.base() as u64 + section;
        let whole = matches!(job, Job::Cut { some: false, .. });
        *self.totals = NOTHING;
        self.params = CutParams {
            wanted: if matches!(job, Job::Cut { some: true, .. }) { at(self.layout.wanted) } else { 0 },
            base_rows: if whole { self.base_rows.as_mut_ptr() as u64 } else { 0 },
            base_counts: if whole { self.base_counts.as_mut_ptr() as u64 } else { 0 },
            digests: if whole { self.digests.as_mut_ptr() as u64 } else { 0 },
            from_base: matches!(job, Job::Cut { base: Some(base), .. } if Some(base) == self.base).into(),
            totals: &raw mut *self.totals as u64,
            list: self.list.as_mut_ptr() as u64,
            pages: self.pages.as_mut_ptr() as u64,
            changed: at(self.layout.pages),
            changed_bytes: at(self.layout.bytes),
            ..self.params
        };
        if let Job::Load { rows, bytes } = job {
            self.totals.rows = rows;
            self.totals.bytes = bytes;
            self.params.list = at(self.layout.rows);
            self.params.bytes = at(self.layout.bytes);
        }
        self.now = Some((job, buffer));
    }

    pub(crate) fn stand(&mut self) {
        match self.now {
            Some((Job::Cut { .. }, _)) => {
                self.step(Step::Select);
                let chunks = self.totals.bytes as usize / size_of::<Chunk>();
                if self.bytes.capacity() < chunks {
                    self.bytes = Vec::with_capacity(chunks + chunks / 4);
                }
                self.params.bytes = self.bytes.as_mut_ptr() as u64;
                self.params.room = (self.bytes.capacity() * size_of::<Chunk>()) as u64;
                self.step(Step::Copy);
            }
            Some((Job::Load { .. }, _)) => self.step(Step::Load),
            None => {}
        }
    }

    pub(crate) fn outcome(&mut self) -> Result<Option<Outcome>, WorkerError> {
        let Some((job, buffer)) = self.now.take() else {
            return Err(WorkerError::new(Class::Protocol, "no job was begun"));
        };
        let Job::Cut { some, base } = job else { return Ok(Some(Outcome::Done(Found::default()))) };
        let from_base = self.params.from_base != 0;
        if !some {
            self.step(Step::Changed);
            self.count += 1;
            self.base = Some(self.count);
        }
        let totals = *self.totals;
        // SAFETY: `select` has written so many, within the capacity; states are copied as bytes, which any are.
        let (list, bytes) = unsafe {
            let list = std::slice::from_raw_parts(self.list.as_ptr(), totals.rows as usize);
            (list, std::slice::from_raw_parts(self.bytes.as_ptr().cast::<u8>(), totals.bytes as usize))
        };
        buffer.write_list(self.layout.rows, list);
        if !from_base {
            buffer.write(self.layout.bytes, bytes);
        }
        Ok(Some(Outcome::Done(Found::of(&totals, base.filter(|_| from_base), self.base.filter(|_| !some)))))
    }

    fn step(&mut self, step: Step) {
        // SAFETY: the engine's tables and arena live as long as the engine that owns this, and every room here has the capacity that
        // the parameters name; `Cpu` calls `stand` while no shard runs.
        unsafe { host_step(step, &self.params) }
    }
}
