//! A region: the shared memory that application, worker and device talk through, and nothing else of them.
//!
//! ```text
//! header page | control lines | progress lines | ingress rings | egress rings | reply lines | names
//! ```
//!
//! Each part begins on a page. A region is a memfd, sealed in its size, so a worker of another process maps it
//! by its descriptor alone; it holds offsets, no pointer. Who opens one checks its header against the layout
//! that the header's own numbers give, keeps the result, and reads the header's shape never again.
//!
//! ```
//! use resident_gpu::region::{Geometry, Region};
//!
//! let region = Region::create(&Geometry { shards: 2, capacity: 64, rows: 100, reply_lines: 16, arena_bytes: 1 << 20, names: 100, nursery: 0, inbox: 0 }).unwrap();
//! let same = Region::open(region.fd().unwrap().try_clone_to_owned().unwrap()).unwrap();
//! assert_eq!(same.geometry(), region.geometry());
//! ```

mod owner;

use crate::frame::{Ops, Slot};
use crate::names::{self, Names};
use crate::replies::{self, Answers, ReplyLines};
use crate::ring::{self, Consumer, MAX_CAPACITY_LOG2, Mender, Observer, Producer};
use crate::shared::shared;
use crate::words::{ControlWords, HeaderWords, ProgressWords, Shape};
use memmap2::{MmapOptions, MmapRaw};
use resident_host::explain;
use resident_kernels::wire::{self, LINE_STRIDE, MAX_FRAME_SLOTS, NAME_WINDOW, NameEntry, REGION_MAGIC, SLOT_BYTES};
use rustix::fs::SealFlags;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

pub use owner::{FORKED, Owner};

/// Parts of a region begin at multiples of this.
pub const PAGE: u64 = 4096;
/// The most shards of a region.
pub const MAX_SHARDS: u32 = 1 << wire::SHARD_BITS;
/// The smallest ring: the longest frame fits.
pub const MIN_CAPACITY: u32 = (MAX_FRAME_SLOTS as u32).next_power_of_two();
/// The largest ring.
pub const MAX_CAPACITY: u32 = 1 << MAX_CAPACITY_LOG2;
/// The most rows of a shard.
pub const MAX_ROWS: u32 = 1 << 24;
/// The most reply lines of a region.
pub const MAX_REPLY_LINES: u32 = 1 << 20;
/// The most names.
pub const MAX_NAMES: u32 = 1 << 20;
/// The most grants of a nursery: a handler may have to look at each.
pub const MAX_NURSERY: u32 = 4096;
/// The most slots that an inbox is asked for.
pub const MAX_INBOX: u32 = 1 << 26;
/// The largest state arena.
pub const MAX_ARENA_BYTES: u64 = 1 << 40;

const _: () = assert!(size_of::<wire::RegionHeader>() <= PAGE as usize);

/// How large a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Shards, each with two rings.
    pub shards: u32,
    /// Slots of each ring: a power of two from [`MIN_CAPACITY`] to [`MAX_CAPACITY`].
    pub capacity: u32,
    /// Rows of each shard: how many actors it can hold.
    pub rows: u32,
    /// Reply lines for direct calls, shared by all shards.
    pub reply_lines: u32,
    /// Bytes of the state arena in device memory.
    pub arena_bytes: u64,
    /// Names that handlers can look up, at least: as many as the next power of two.
    pub names: u32,
    /// Grants of each shard's nursery; their rows are among `rows`, the room for their states in the arena.
    pub nursery: u32,
    /// Slots of each inbox, at least; it has as many as a ring in any case.
    pub inbox: u32,
}

/// Draws a number for a system, from the operating system's own source: that of its first device, where none of [`wire::DEVICE_BITS`] is set.
/// 0 is nobody's.
pub fn draw_system() -> u32 {
    (RandomState::new().build_hasher().finish() as u32 | 1) << wire::DEVICE_BITS
}

/// Why there is no region.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// The number of shards is out of range.
    #[error("{0} shards: take 1 to {MAX_SHARDS}")]
    Shards(u32),
    /// The ring capacity is out of range or no power of two.
    #[error("a ring capacity of {0} slots: take a power of two from {MIN_CAPACITY} to {MAX_CAPACITY}")]
    Capacity(u32),
    /// The number of rows is out of range.
    #[error("{0} rows in a shard: take 1 to {MAX_ROWS}")]
    Rows(u32),
    /// The number of reply lines is out of range.
    #[error("{0} reply lines: take at most {MAX_REPLY_LINES}")]
    ReplyLines(u32),
    /// There are more grants than rows.
    #[error("a nursery of {nursery} grants in a shard of {rows} rows: take fewer")]
    Nursery {
        /// Grants.
        nursery: u32,
        /// Rows.
        rows: u32,
    },
    /// The inboxes are too large.
    #[error("an inbox of {0} slots: take at most {MAX_INBOX}, by fewer `inboxes` or more shards")]
    Inbox(u32),
    /// The number of names is out of range.
    #[error("{0} names: take at most {MAX_NAMES}")]
    Names(u32),
    /// The arena is too large.
    #[error("a state arena of {0} bytes: take at most {MAX_ARENA_BYTES}")]
    Arena(u64),
    /// The system did not give the memory.
    #[error("the system refused to {step} a region of {bytes} bytes: {}", explain(.cause, "free memory, or take fewer shards or smaller rings"))]
    System {
        /// What was asked for.
        step: &'static str,
        /// Bytes of the region, 0 where they are not known yet.
        bytes: u64,
        /// The system's answer.
        cause: std::io::Error,
    },
    /// The descriptor is of something else.
    #[error("the descriptor is no region ({0}): pass the one that `Region::fd` gave")]
    NotARegion(&'static str),
    /// The other side was built from another version.
    #[error("the region was made with the layouts {theirs:016x}, this side has {ours:016x}: build application and worker from one version")]
    Fingerprint {
        /// The region's.
        theirs: u64,
        /// This side's.
        ours: u64,
    },
    /// The header contradicts itself.
    #[error("the region's header says {what} = {found}, which should be {expected}: it was overwritten; make a new region")]
    Header {
        /// The word.
        what: &'static str,
        /// What it holds.
        found: u64,
        /// What follows from the rest.
        expected: u64,
    },
}

impl Geometry {
    /// Where everything lies, if the numbers are in range. No sum below can overflow in the ranges checked.
    fn layout(&self) -> Result<Shape, RegionError> {
        let Geometry { shards, capacity, rows, reply_lines, arena_bytes, names, nursery, inbox } = *self;
        if !(1..=MAX_SHARDS).contains(&shards) {
            return Err(RegionError::Shards(shards));
        }
        if !capacity.is_power_of_two() || !(MIN_CAPACITY..=MAX_CAPACITY).contains(&capacity) {
            return Err(RegionError::Capacity(capacity));
        }
        if !(1..=MAX_ROWS).contains(&rows) {
            return Err(RegionError::Rows(rows));
        }
        if reply_lines > MAX_REPLY_LINES {
            return Err(RegionError::ReplyLines(reply_lines));
        }
        if arena_bytes > MAX_ARENA_BYTES {
            return Err(RegionError::Arena(arena_bytes));
        }
        if names > MAX_NAMES {
            return Err(RegionError::Names(names));
        }
        if nursery > rows.min(MAX_NURSERY) {
            return Err(RegionError::Nursery { nursery, rows });
        }
        if inbox > MAX_INBOX {
            return Err(RegionError::Inbox(inbox));
        }
        // Three of four entries stay free.
        let names_log2 = (names.max(NAME_WINDOW as u32 / 4) * 4).next_power_of_two().ilog2();
        let ring_stride = capacity as u64 * SLOT_BYTES as u64 + LINE_STRIDE as u64;
        let (lines, rings) = (shards as u64 * LINE_STRIDE as u64, shards as u64 * ring_stride);
        let names = size_of::<NameEntry>() as u64 * (1 << names_log2);
        let parts = [lines, lines, rings, rings, reply_lines as u64 * SLOT_BYTES as u64, names];
        let mut end = PAGE;
        let offsets = parts.map(|part| {
            let begin = end;
            end += part.next_multiple_of(PAGE);
            begin
        });
        Ok(Shape {
            magic: REGION_MAGIC,
            fingerprint: wire::FINGERPRINT,
            bytes: end,
            shards,
            capacity_log2: capacity.ilog2(),
            rows,
            reply_lines,
            arena_bytes,
            offsets,
            ring_stride,
            names_log2,
            nursery,
            inbox,
        })
    }
}

/// Shared memory, mapped, with a shape that was checked.
pub struct Region {
    base: NonNull<u8>,
    shape: Shape,
    memory: Memory,
    /// Which ends of each shard's rings were taken from this mapping; the last element is the reply lines'.
    taken: Box<[AtomicU8]>,
}

enum Memory {
    Mapped { fd: Option<OwnedFd>, map: MmapRaw },
    Heap(Layout),
}

/// Bits of `Region::taken`.
const HOST: u8 = 1;
const ENGINE: u8 = 2;
const NAMES: u8 = 4;

// SAFETY: (region) every view of the memory is of atomics, and the mapping lives until the last handle is gone.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Makes a region that other processes can map.
    pub fn create(geometry: &Geometry) -> Result<Arc<Region>, RegionError> {
        let shape = geometry.layout()?;
        let refused = |step, cause| RegionError::System { step, bytes: shape.bytes, cause };
        let fd = shared("resident-region", shape.bytes).map_err(|cause| refused("make", cause))?;
        // Nobody can take the memory away under a reader's feet, and nobody can undo that.
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
            .map_err(|cause| refused("seal", cause.into()))?;
        let (base, map) = map(&fd, shape.bytes)?;
        Ok(Region::new(base, shape, Memory::Mapped { fd: Some(fd), map }, true))
    }

    /// Maps a region by its descriptor, after checking it.
    pub fn open(fd: OwnedFd) -> Result<Arc<Region>, RegionError> {
        let system = |step| move |cause: rustix::io::Errno| RegionError::System { step, bytes: 0, cause: cause.into() };
        let seals = rustix::fs::fcntl_get_seals(&fd).map_err(|_| RegionError::NotARegion("it has no seals"))?;
        if !seals.contains(SealFlags::SHRINK | SealFlags::GROW) {
            return Err(RegionError::NotARegion("its size is not sealed"));
        }
        let bytes = rustix::fs::fstat(&fd).map_err(system("look at"))?.st_size as u64;
        if bytes < PAGE {
            return Err(RegionError::NotARegion("it is shorter than a page"));
        }
        let (base, page) = map(&fd, PAGE)?;
        // SAFETY: (header) a page is mapped at `base` until `page` is dropped, and sealed against shrinking.
        let shape = unsafe { base.cast::<HeaderWords>().as_ref() }.shape();
        drop(page);
        check(&shape, bytes)?;
        let (base, map) = map(&fd, bytes)?;
        Ok(Region::new(base, shape, Memory::Mapped { fd: Some(fd), map }, false))
    }

    /// Maps a region for a second time, with ends of its own to hand out and without a descriptor.
    pub fn again(&self) -> Result<Arc<Region>, RegionError> {
        let Memory::Mapped { fd: Some(fd), .. } = &self.memory else { return Err(RegionError::NotARegion("there is none")) };
        let (base, map) = map(fd, self.shape.bytes)?;
        Ok(Region::new(base, self.shape, Memory::Mapped { fd: None, map }, false))
    }

    /// Makes a region of this process's own memory, without a descriptor.
    pub fn heap(geometry: &Geometry) -> Result<Arc<Region>, RegionError> {
        let shape = geometry.layout()?;
        let refused = || RegionError::System { step: "allocate", bytes: shape.bytes, cause: std::io::ErrorKind::OutOfMemory.into() };
        let layout = Layout::from_size_align(shape.bytes as usize, PAGE as usize).map_err(|_| refused())?;
        // SAFETY: the layout is at least a page.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(refused)?;
        Ok(Region::new(base, shape, Memory::Heap(layout), true))
    }

    fn new(base: NonNull<u8>, shape: Shape, memory: Memory, fresh: bool) -> Arc<Region> {
        let taken = (0..=shape.shards).map(|_| AtomicU8::new(0)).collect();
        let region = Arc::new(Region { base, shape, memory, taken });
        if fresh {
            region.header().set_shape(&shape);
            region.header().set_system(draw_system());
        }
        region
    }

    /// The descriptor by which others map it; none for a region on the heap, or one that was mapped [`again`](Self::again).
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.memory {
            Memory::Mapped { fd, .. } => fd.as_ref().map(AsFd::as_fd),
            Memory::Heap(_) => None,
        }
    }

    /// Gives this mapping's memory back, though handles may be left: whoever still looks through one sees zeros. Memory of the heap stays.
    pub fn release(&self) {
        let Memory::Mapped { map, .. } = &self.memory else { return };
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE);
        // Refused, the memory stays until the last handle is gone.
        // SAFETY: (region) these pages are this mapping's alone, and it stays as long as it is. Every view of them is of atomics, of which
        // zero is a value, and no view relies on what the other side writes.
        let _ = unsafe { mmap_anonymous(map.as_mut_ptr().cast(), map.len(), protection, flags) };
    }

    /// Where it begins in this process.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Its bytes, a multiple of [`PAGE`].
    #[allow(clippy::len_without_is_empty, reason = "a region is never empty")]
    pub fn len(&self) -> usize {
        self.shape.bytes as usize
    }

    /// How large it is, as checked when it was made or opened.
    pub fn geometry(&self) -> Geometry {
        let Shape { shards, capacity_log2, rows, reply_lines, arena_bytes, names_log2, nursery, inbox, .. } = self.shape;
        Geometry { shards, capacity: 1 << capacity_log2, rows, reply_lines, arena_bytes, names: 1 << (names_log2 - 2), nursery, inbox }
    }

    /// The words of its first page.
    pub fn header(&self) -> &HeaderWords {
        // SAFETY: (region) the first page is the header's, and it is words only.
        unsafe { self.base.cast().as_ref() }
    }

    /// A shard's control line.
    ///
    /// # Panics
    ///
    /// If there is no such shard.
    pub fn control(&self, shard: u32) -> &ControlWords {
        // SAFETY: (region) `part` is within the control lines, which are words only.
        unsafe { self.part(0, shard, LINE_STRIDE as u64).cast().as_ref() }
    }

    /// A shard's progress line.
    ///
    /// # Panics
    ///
    /// If there is no such shard.
    pub fn progress(&self, shard: u32) -> &ProgressWords {
        // SAFETY: (region) `part` is within the progress lines, which are words only.
        unsafe { self.part(1, shard, LINE_STRIDE as u64).cast().as_ref() }
    }

    /// Element `shard` of part `part`, whose elements are `bytes` long.
    fn part(&self, part: usize, shard: u32, bytes: u64) -> NonNull<u8> {
        assert!(shard < self.shape.shards, "shard {shard} of a region with {}", self.shape.shards);
        // SAFETY: (region) the layout has `shards` elements of `bytes` bytes there.
        unsafe { self.base.add((self.shape.offsets[part] + shard as u64 * bytes) as usize) }
    }

    /// The host's ends of a shard's rings, at their beginning: into the shard and out of it. Once for each shard
    /// of a mapping, `None` after that or if there is no such shard.
    pub fn host_ports(self: &Arc<Self>, shard: u32) -> Option<(Producer, Consumer)> {
        self.take(shard, HOST)?;
        let ((producer, ..), (_, consumer, _)) = self.rings(shard);
        Some((producer, consumer))
    }

    /// The engine's ends of a shard's rings, for a peer written in Rust, such as a test's: out of the shard and into it.
    pub fn engine_ports(self: &Arc<Self>, shard: u32) -> Option<(Producer, Consumer)> {
        self.take(shard, ENGINE)?;
        let ((_, consumer, _), (producer, ..)) = self.rings(shard);
        Some((producer, consumer))
    }

    /// What mends a shard's egress ring after its engine was lost.
    ///
    /// # Panics
    ///
    /// If there is no such shard.
    pub fn mender(self: &Arc<Self>, shard: u32) -> Mender {
        let (_, (.., mender)) = self.rings(shard);
        mender
    }

    /// What sees a shard's rings, into it and out of it.
    ///
    /// # Panics
    ///
    /// If there is no such shard.
    pub(crate) fn observers(self: &Arc<Self>, shard: u32) -> (Observer, Observer) {
        let ((.., into), (.., out)) = self.rings(shard);
        (into.observer(), out.observer())
    }

    /// The reply lines, once for a mapping.
    pub fn replies(self: &Arc<Self>) -> Option<Arc<ReplyLines>> {
        self.mark(self.shape.shards, HOST)?;
        Some(self.reply_lines().0)
    }

    /// The engine's side of the reply lines, for a peer written in Rust, such as a test's.
    pub fn answers(self: &Arc<Self>) -> Option<Answers> {
        self.mark(self.shape.shards, ENGINE)?;
        Some(self.reply_lines().1)
    }

    fn take(&self, shard: u32, end: u8) -> Option<()> {
        if shard < self.shape.shards { self.mark(shard, end) } else { None }
    }

    fn mark(&self, index: u32, end: u8) -> Option<()> {
        // Relaxed: only one gets the end, and nothing else is handed over by this.
        if self.taken[index as usize].fetch_or(end, Relaxed) & end == 0 { Some(()) } else { None }
    }

    /// Both ends of a shard's ingress and egress ring.
    fn rings(self: &Arc<Self>, shard: u32) -> ((Producer, Consumer, Mender), (Producer, Consumer, Mender)) {
        let log2 = self.shape.capacity_log2;
        let stride = self.shape.ring_stride;
        let ring = |part, head, ops| {
            let slots = self.part(part, shard, stride).cast::<Slot>();
            // SAFETY: (place) the layout has that many slots there, the head is in a line of the shard's, and the
            // region stays mapped for the ends' `Arc`.
            unsafe { ring::at(slots, head, NonNull::from(&self.control(shard).mended), log2, ops, self.clone()) }
        };
        (
            ring(2, NonNull::from(&self.progress(shard).ingress_head), Ops::HOST),
            ring(3, NonNull::from(&self.control(shard).egress_head), Ops::DEVICE),
        )
    }

    /// The table of names, once for a mapping.
    pub fn names(self: &Arc<Self>) -> Option<Names> {
        self.mark(self.shape.shards, NAMES)?;
        // SAFETY: (region) the table lies there.
        let entries = unsafe { self.base.add(self.shape.offsets[5] as usize) }.cast();
        // SAFETY: (names) the layout has that many entries there, the region stays mapped for the `Arc`, and this is the only writer.
        Some(unsafe { names::at(entries, self.shape.names_log2, self.clone()) })
    }

    fn reply_lines(self: &Arc<Self>) -> (Arc<ReplyLines>, Answers) {
        // SAFETY: (region) the reply lines lie there.
        let lines = unsafe { self.base.add(self.shape.offsets[4] as usize) }.cast::<Slot>();
        // SAFETY: (lines) the layout has that many lines there, and the region stays mapped for the `Arc`.
        unsafe { replies::at(lines, self.shape.reply_lines, self.clone()) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Memory::Heap(layout) = self.memory {
            // SAFETY: (region) this is the last handle, and the memory was allocated with this layout.
            unsafe { dealloc(self.base.as_ptr(), layout) }
        }
    }
}

/// Checks what a header says against itself and against the size of the memory it is in.
fn check(shape: &Shape, bytes: u64) -> Result<(), RegionError> {
    if shape.magic != REGION_MAGIC {
        return Err(RegionError::NotARegion("its first word is another"));
    }
    if shape.fingerprint != wire::FINGERPRINT {
        return Err(RegionError::Fingerprint { theirs: shape.fingerprint, ours: wire::FINGERPRINT });
    }
    let capacity = 1u32.checked_shl(shape.capacity_log2).unwrap_or(u32::MAX);
    let names = shape.names_log2.checked_sub(2).and_then(|log2| 1u32.checked_shl(log2)).unwrap_or(u32::MAX);
    let Shape { shards, rows, reply_lines, arena_bytes, nursery, inbox, .. } = *shape;
    let expected = Geometry { shards, capacity, rows, reply_lines, arena_bytes, names, nursery, inbox }.layout()?;
    let words = [
        ("control", shape.offsets[0], expected.offsets[0]),
        ("progress", shape.offsets[1], expected.offsets[1]),
        ("ingress", shape.offsets[2], expected.offsets[2]),
        ("egress", shape.offsets[3], expected.offsets[3]),
        ("replies", shape.offsets[4], expected.offsets[4]),
        ("names", shape.offsets[5], expected.offsets[5]),
        ("names_log2", shape.names_log2.into(), expected.names_log2.into()),
        ("ring_stride", shape.ring_stride, expected.ring_stride),
        ("bytes", shape.bytes, expected.bytes),
        ("bytes", shape.bytes, bytes),
    ];
    match words.into_iter().find(|(_, found, expected)| found != expected) {
        Some((what, found, expected)) => Err(RegionError::Header { what, found, expected }),
        None => Ok(()),
    }
}

/// Where it is mapped, as long as the mapping is kept.
fn map(fd: &OwnedFd, bytes: u64) -> Result<(NonNull<u8>, MmapRaw), RegionError> {
    // Its pages are there from the beginning: a ring written for the first time would stop at each of them.
    let map = MmapOptions::new().len(bytes as usize).populate().map_raw(fd);
    let map = map.map_err(|cause| RegionError::System { step: "map", bytes, cause })?;
    let base = NonNull::new(map.as_mut_ptr()).ok_or(RegionError::NotARegion("the system mapped it at 0"))?;
    Ok((base, map))
}
