//! A gigabyte, copied and looked at by nobody but the driver and bare kernels: the floor of a checkpoint.

use super::gpu::{DeviceMemory, Gpu, Kernel, Mapped, PeerError, Stream};
use crate::rounds::{Contender, Error, Record};
use resident_kernels::wire::{
    CutPage, CutParams, CutRow, CutTotals, DIGEST_STRIDE, MAX_STATE, PAGE_KNOWN, PAGE_OF_SEVERAL, ROW_LIVE, STATE_PAGE,
};
use std::ffi::c_void;
use std::time::Instant;

/// Device to device, one copy.
pub const DEVICE_COPY: &str = "bare copy, device to device";
/// Device to pinned host memory.
pub const TO_HOST: &str = "bare copy, device to pinned memory";
/// Pinned host memory to device.
pub const TO_DEVICE: &str = "bare copy, pinned memory to device";
/// The digest of every page, by a kernel that does nothing else.
pub const DIGEST: &str = "bare digests of pages";
/// The engine's copy of states, on the device.
pub const COPY: &str = "resident, states copied on the device";
/// The engine's comparison with a base, of states that have not changed.
pub const COMPARISON: &str = "resident, digests compared with a base";

/// Where the list of rows begins in the tables, behind the totals.
const LIST: usize = 256;

/// Copies and digests of so many bytes.
pub struct Copies<'g> {
    gpu: &'g Gpu,
    stream: Stream,
    digest: Kernel,
    copy: Kernel,
    changed: Kernel,
    pinned: Mapped,
    from: DeviceMemory,
    to: DeviceMemory,
    digests: DeviceMemory,
    tables: DeviceMemory,
    bytes: usize,
    repeats: u32,
}

impl<'g> Copies<'g> {
    /// Of `bytes` bytes, so often in each round.
    pub fn new(gpu: &'g Gpu, bytes: usize, repeats: u32) -> Result<Copies<'g>, PeerError> {
        let pages = bytes / STATE_PAGE;
        Ok(Copies {
            gpu,
            stream: gpu.stream()?,
            digest: gpu.kernel(c"digest_pages")?,
            copy: gpu.engine_kernel(c"resident_cut_copy")?,
            changed: gpu.engine_kernel(c"resident_cut_changed")?,
            pinned: gpu.mapped(bytes)?,
            from: gpu.memory(bytes)?,
            to: gpu.memory(bytes)?,
            digests: gpu.memory(bytes / DIGEST_STRIDE * 8 + 8)?,
            tables: gpu.memory(LIST + bytes / MAX_STATE * size_of::<CutRow>() + pages * size_of::<CutPage>())?,
            bytes,
            repeats,
        })
    }

    fn time(&self, record: &mut Record, name: &str, mut work: impl FnMut() -> Result<(), PeerError>) -> Result<(), Error> {
        let mut nanos = Vec::new();
        for turn in 0..=self.repeats {
            let begun = Instant::now();
            work()?;
            // The first one warms up.
            if turn > 0 {
                nanos.push(begun.elapsed().as_nanos() as f64);
            }
        }
        record.times(name, &nanos);
        Ok(())
    }

    /// Blocks of bare kernels: the engine takes as many.
    fn blocks(&self) -> u32 {
        132 * 8
    }

    /// The parameters with which the engine's step compares `from` with a base that is equal: states of the largest size.
    fn prepare(&self) -> Result<CutParams, PeerError> {
        let states = self.bytes / MAX_STATE;
        let pages_each = MAX_STATE / STATE_PAGE;
        let row = |at: usize| CutRow {
            shard: 0,
            row: at as u32,
            generation: 1,
            kind: 0,
            status: ROW_LIVE.into(),
            bytes: MAX_STATE as u32,
            known: 1,
            gone: 0,
            handled: 1,
            at: (at * MAX_STATE) as u64,
            offset: (at * MAX_STATE) as u64,
        };
        let page = |i: usize| CutPage {
            row: (i / pages_each) as u32,
            page: (i % pages_each) as u32,
            bytes: STATE_PAGE as u32,
            flags: PAGE_OF_SEVERAL | PAGE_KNOWN,
            from: (i * STATE_PAGE) as u64,
            offset: (i * STATE_PAGE) as u64,
        };
        let totals =
            CutTotals { rows: states as u64, pages: (states * pages_each) as u64, bytes: self.bytes as u64, changed: 0, changed_bytes: 0 };
        let tables = self.tables.address();
        let list = tables + LIST as u64;
        let pages = list + (states * size_of::<CutRow>()) as u64;
        let send = |to: u64, from: *const c_void, bytes: usize| self.stream.copy(to, from as u64, bytes);
        send(tables, (&raw const totals).cast(), size_of::<CutTotals>())?;
        let rows: Vec<CutRow> = (0..states).map(row).collect();
        send(list, rows.as_ptr().cast(), size_of_val(&rows[..]))?;
        let listed: Vec<CutPage> = (0..states * pages_each).map(page).collect();
        send(pages, listed.as_ptr().cast(), size_of_val(&listed[..]))?;
        Ok(CutParams {
            rows: 0,
            counts: 0,
            arena: self.to.address(),
            row_count: states as u64,
            rows_per_shard: states as u64,
            shards: 0,
            shard_count: 0,
            mailboxes: 0,
            mailbox_bytes: 0,
            inbox_log2: 0,
            outbox_log2: 0,
            warps: 0,
            pad: 0,
            wanted: 0,
            base_rows: 0,
            base_counts: 0,
            digests: self.digests.address(),
            from_base: 1,
            totals: tables,
            list,
            pages,
            bytes: self.from.address(),
            room: self.bytes as u64,
            changed: self.to.address(),
            changed_bytes: self.to.address(),
        })
    }

    fn launch<T>(&self, kernel: Kernel, arguments: &mut [*mut T]) -> Result<(), PeerError> {
        let mut list: Vec<*mut c_void> = arguments.iter().map(|argument| argument.cast()).collect();
        // SAFETY: both kernels get what they take (peers.cu, cut.h), in memory of `self`, and are waited for.
        unsafe { self.stream.launch(kernel, self.blocks(), 256, &mut list)? };
        self.stream.wait()
    }
}

impl Contender for Copies<'_> {
    fn name(&self) -> String {
        "bare copies and digests".into()
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        self.gpu.bind()?;
        let (from, to, host, bytes) = (self.from.address(), self.to.address(), self.pinned.device, self.bytes);
        self.time(record, DEVICE_COPY, || self.stream.copy(to, from, bytes))?;
        self.time(record, TO_HOST, || self.stream.copy(host, from, bytes))?;
        self.time(record, TO_DEVICE, || self.stream.copy(from, host, bytes))?;
        let (mut memory, mut pages, mut digests) = (from, (bytes / STATE_PAGE) as u64, to);
        self.time(record, DIGEST, || self.launch(self.digest, &mut [&raw mut memory, &raw mut pages, &raw mut digests]))?;
        let mut params = self.prepare()?;
        self.time(record, COPY, || self.launch(self.copy, &mut [&raw mut params]))?;
        // The warm-up leaves the digests that the others find.
        self.time(record, COMPARISON, || self.launch(self.changed, &mut [&raw mut params]))?;
        let mut totals = [0u64; 5];
        self.stream.copy(totals.as_mut_ptr() as u64, self.tables.address(), size_of_val(&totals))?;
        if totals[3] > pages {
            return Err(format!("{} pages were found to have changed, there are {pages} and the first look sees that", totals[3]).into());
        }
        record.checked(COMPARISON, pages * u64::from(self.repeats));
        Ok(())
    }
}
