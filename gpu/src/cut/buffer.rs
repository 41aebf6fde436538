//! Shared memory that carries a cut from the worker to its application, or actors to be loaded the other way.
//!
//! A buffer is a memfd whose pages take memory once they are used. The application makes it, hands its descriptor to the worker with
//! each order, and has it back when the worker has answered or is gone; in between only the worker writes it. What was cut stays in
//! it, without a copy, as long as anybody holds the bytes: then the buffer is free for the next order.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use memmap2::{MmapOptions, MmapRaw};
use resident_host::explain;
use resident_kernels::wire::{CutPage, CutRow, CutTotals, STATE_PAGE, WORK_WARPS};
use rustix::fs::fstat;

use crate::fault::{Class, WorkerError};
use crate::mailboxes::Mailboxes;
use crate::region::{Geometry, PAGE};
use crate::shared::shared;

/// Where things lie in a buffer, each on a page of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// How much there is, as the device counts it.
    pub totals: u64,
    /// One bit for each row that is asked for.
    pub wanted: u64,
    /// [`CutRow`]s.
    pub rows: u64,
    /// [`CutPage`]s.
    pub pages: u64,
    /// States.
    pub bytes: u64,
    pub end: u64,
}

impl Layout {
    pub(crate) fn of(geometry: &Geometry) -> Layout {
        let rows = rows(geometry);
        let wanted = PAGE;
        let rows_at = wanted + rows.div_ceil(8).next_multiple_of(PAGE);
        let pages_at = rows_at + (most_rows(geometry) * size_of::<CutRow>() as u64).next_multiple_of(PAGE);
        let bytes_at = pages_at + (most_pages(geometry) * size_of::<CutPage>() as u64).next_multiple_of(PAGE);
        Layout { totals: 0, wanted, rows: rows_at, pages: pages_at, bytes: bytes_at, end: bytes_at + room(geometry) }
    }
}

/// Rows of a device, in all.
pub(crate) fn rows(geometry: &Geometry) -> u64 {
    u64::from(geometry.shards) * u64::from(geometry.rows)
}

/// The most rings of mail that a cut lists: an inbox and an outbox of each work warp of each shard.
fn most_mail(geometry: &Geometry) -> u64 {
    2 * u64::from(geometry.shards) * WORK_WARPS as u64
}

/// The most rows that a cut lists: rings of mail are listed as such.
pub(crate) fn most_rows(geometry: &Geometry) -> u64 {
    rows(geometry) + most_mail(geometry)
}

/// The most pages that its states and mailboxes have: each may end with a part of one, and a ring begin with one too.
pub(crate) fn most_pages(geometry: &Geometry) -> u64 {
    most_rows(geometry) + most_mail(geometry) + room(geometry) / STATE_PAGE as u64
}

/// The most bytes that its states and mailboxes have.
pub(crate) fn room(geometry: &Geometry) -> u64 {
    (geometry.arena_bytes + Mailboxes::of(geometry).bytes).next_multiple_of(PAGE)
}

/// What lists in a buffer are of.
///
/// # Safety
///
/// Integers only: any bytes are a value.
pub(crate) unsafe trait Listed: Copy {}
// SAFETY: integers only.
unsafe impl Listed for CutRow {}
// SAFETY: integers only.
unsafe impl Listed for CutPage {}
// SAFETY: integers only.
unsafe impl Listed for CutTotals {}

/// Shared memory, mapped.
///
/// (turns) The application and its worker use a buffer in turns. Of the application, the one thread whose turn it is to cut or load
/// (`Cuts::turn`) writes it; what others hold are bytes of the last section, which then nobody writes.
pub(crate) struct Buffer {
    id: u64,
    fd: OwnedFd,
    map: MmapRaw,
}

impl Buffer {
    fn make(layout: &Layout) -> Result<Buffer, WorkerError> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let fd = shared("resident-cut", layout.end).map_err(|cause| none(layout.end, cause))?;
        Buffer::map(IDS.fetch_add(1, Relaxed), fd, layout)
    }

    /// The buffer `id`, by its descriptor.
    pub(crate) fn map(id: u64, fd: OwnedFd, layout: &Layout) -> Result<Buffer, WorkerError> {
        if fstat(&fd).map_err(|cause| none(layout.end, cause.into()))?.st_size != layout.end as i64 {
            return Err(WorkerError::new(Class::Protocol, "the buffer of a cut has another size"));
        }
        let map = MmapOptions::new().len(layout.end as usize).no_reserve_swap().map_raw(&fd).map_err(|cause| none(layout.end, cause))?;
        Ok(Buffer { id, fd, map })
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Where it begins in this process.
    pub(crate) fn base(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }

    /// `count` of a list that begins at `at`.
    ///
    /// # Panics
    ///
    /// If they are not within the buffer.
    pub(crate) fn list<T: Listed>(&self, at: u64, count: u64) -> &[T] {
        let bytes = self.slice(at..at + count * size_of::<T>() as u64);
        assert!(bytes.as_ptr().cast::<T>().is_aligned());
        // SAFETY: so many bytes, aligned, and any bytes are a `T` (`Listed`).
        unsafe { slice::from_raw_parts(bytes.as_ptr().cast(), count as usize) }
    }

    /// Writes a list at `at`.
    ///
    /// # Panics
    ///
    /// If it does not fit.
    pub(crate) fn write_list<T: Listed>(&self, at: u64, list: &[T]) {
        // SAFETY: as many bytes as the list has; what stands between its fields is copied and never looked at.
        self.write(at, unsafe { slice::from_raw_parts(list.as_ptr().cast(), size_of_val(list)) });
    }

    /// Bytes of it.
    ///
    /// # Panics
    ///
    /// If the range is not within the buffer.
    pub(crate) fn slice(&self, range: Range<u64>) -> &[u8] {
        let range = range.start as usize..range.end as usize;
        assert!(range.start <= range.end && range.end <= self.map.len(), "{range:?} of a buffer of {} bytes", self.map.len());
        // SAFETY: within the mapping, which lives as long as `self`; (turns) nobody writes while it is this side's to read.
        unsafe { slice::from_raw_parts(self.base().add(range.start), range.len()) }
    }

    /// Has bytes of it written by `fill`.
    ///
    /// # Panics
    ///
    /// If the range is not within the buffer.
    pub(crate) fn fill(&self, range: Range<u64>, fill: impl FnOnce(&mut [u8])) {
        let range = range.start as usize..range.end as usize;
        assert!(range.start <= range.end && range.end <= self.map.len(), "{range:?} of a buffer of {} bytes", self.map.len());
        // SAFETY: within the mapping; (turns) it is this side's to write, and nobody holds bytes of it yet.
        fill(unsafe { slice::from_raw_parts_mut(self.base().add(range.start), range.len()) });
    }

    /// Writes `bytes` at `at`.
    ///
    /// # Panics
    ///
    /// If they do not fit.
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) {
        let room = self.map.len();
        assert!(at as usize + bytes.len() <= room, "{} bytes at {at} of a buffer of {room} bytes", bytes.len());
        // SAFETY: within the mapping; (turns) it is this side's to write, and what somebody holds is of another section.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.base().add(at as usize), bytes.len()) }
    }
}

fn none(bytes: u64, cause: io::Error) -> WorkerError {
    let cause = explain(&cause, "lower `arena_bytes`");
    WorkerError::new(Class::Memory, format!("the system gives no {bytes} bytes of addresses for a cut: {cause}"))
}

/// The buffers that an application has made.
pub(crate) struct Pool {
    layout: Layout,
    made: Mutex<Vec<Arc<Buffer>>>,
    free: Free,
}

/// The buffers that nobody holds; none once the pool was given up.
type Free = Arc<Mutex<Option<Vec<Arc<Buffer>>>>>;

impl Pool {
    pub(crate) fn new(geometry: &Geometry) -> Pool {
        Pool { layout: Layout::of(geometry), made: Mutex::default(), free: Arc::new(Mutex::new(Some(Vec::new()))) }
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A free buffer, or a new one; `None` once the pool was given up.
    pub(crate) fn take(&self) -> Result<Option<Lease>, WorkerError> {
        let Some(free) = lock(&self.free).as_mut().map(Vec::pop) else { return Ok(None) };
        let buffer = match free {
            Some(buffer) => buffer,
            None => {
                let buffer = Arc::new(Buffer::make(&self.layout)?);
                lock(&self.made).push(buffer.clone());
                buffer
            }
        };
        Ok(Some(Lease { buffer, free: self.free.clone() }))
    }

    /// Gives all buffers back but those whose bytes somebody holds, which go with the bytes.
    pub(crate) fn give_up(&self) {
        *lock(&self.free) = None;
        lock(&self.made).clear();
    }

    /// The buffer that `bytes` lie in, and where in its last section they begin.
    pub(crate) fn holding(&self, bytes: &Bytes) -> Option<(Arc<Buffer>, u64)> {
        let made = lock(&self.made);
        let offset = |buffer: &Buffer| {
            let begin = buffer.base() as usize + self.layout.bytes as usize;
            let offset = (bytes.as_ptr() as usize).checked_sub(begin)?;
            (offset + bytes.len() <= (self.layout.end - self.layout.bytes) as usize).then_some(offset as u64)
        };
        made.iter().find_map(|buffer| Some((buffer.clone(), offset(buffer)?)))
    }
}

/// A buffer, until it is given back.
pub(crate) struct Lease {
    buffer: Arc<Buffer>,
    free: Free,
}

impl Lease {
    pub(crate) fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// Its bytes, which hold it.
    pub(crate) fn into_bytes(self, range: Range<u64>) -> Bytes {
        Bytes::from_owner(Held { lease: self, range })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(free) = &mut *lock(&self.free) {
            free.push(self.buffer.clone());
        }
    }
}

struct Held {
    lease: Lease,
    range: Range<u64>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.lease.buffer().slice(self.range.clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
