//! What several lanes do together for one handler.

use core::mem::{align_of, size_of, size_of_val};
use core::slice;

use crate::plain::Plain;
use crate::wire::{CtxRaw, JOB_OUTSIDE, MAX_PAYLOAD, RawJob};

/// Does some of a job's items: the job's room, the first and the end of the items, which lane of how many, and room for the text of a panic,
/// whose bytes it returns; 0 for none.
pub type Work = unsafe extern "C" fn(room: *mut u8, begin: u64, end: u64, lane: u32, lanes: u32, text: *mut u8) -> u32;

/// The lanes that work on an actor's state together while it handles a message; [`Ctx::lanes`](crate::ctx::Ctx::lanes).
///
/// A handler is run by one lane. What it has to do for many parts of its state it gives to these: as many as its kind asks for,
/// `#[actor(width = warp)]` for the 32 of a warp, `#[actor(width = block)]` for those of its block that have nothing else to do as well.
/// When a method returns, all is done, and the handler sees what every lane has written.
///
/// The result never depends on how many lanes there are. On the CPU device, and for a kind that asks for none, it may be one.
///
/// - What lanes are given is part of the actor's state, `self`, or of the message; anything else is a panic that says so, since on a GPU they
///   do not see the handler's variables. Small values go with the closure: it is `move`, and what it captures is copied, at most 900 bytes.
/// - A closure runs in several lanes at a time, so it has no `&mut` but to its own item.
/// - A panic in it is the actor's.
///
/// ```
/// use resident_kernels::prelude::*;
///
/// const CELLS: usize = 1024;
///
/// #[derive(State)]
/// #[repr(C)]
/// struct Rod {
///     now: [f32; CELLS],
///     next: [f32; CELLS],
/// }
///
/// #[derive(Message)]
/// #[reply(f32)]
/// #[repr(C)]
/// struct Warm {
///     conductivity: f32,
/// }
///
/// #[actor(width = warp)]
/// impl Rod {
///     fn warm(&mut self, msg: &Warm, ctx: &mut Ctx) -> f32 {
///         let k = msg.conductivity;
///         let mut lanes = ctx.lanes();
///         lanes.each(&mut self.next, &self.now, move |i, cell, now| {
///             let (left, right) = (now[i.saturating_sub(1)], now[(i + 1).min(CELLS - 1)]);
///             *cell = now[i] + k * (left - 2.0 * now[i] + right);
///         });
///         lanes.each(&mut self.now, &self.next, |i, cell, next| *cell = next[i]);
///         lanes.reduce(&self.now, |_, cell| *cell, f32::max).unwrap_or(0.0)
///     }
/// }
/// # resident_kernels::export!(Rod);
/// # fn main() {}
/// ```
pub struct Lanes<'a> {
    raw: &'a mut CtxRaw,
}

/// The most pieces that items are cut into, each of which is folded by one lane.
const PIECES: usize = 64;
/// Items of a piece, at least.
const LEAST: usize = 4;

impl<'a> Lanes<'a> {
    #[inline]
    pub(crate) fn new(raw: &'a mut CtxRaw) -> Self {
        Lanes { raw }
    }

    /// Calls `body` for each of `items`, with its index and what all of them may read, `&()` for nothing. In no order.
    #[track_caller]
    pub fn each<T, S, F>(&mut self, items: &mut [T], shared: &S, body: F)
    where
        T: Plain,
        S: Plain,
        F: Fn(usize, &mut T, &S) + Copy + Send + Sync + 'static,
    {
        let parts = [Part::of(items), Part::of(slice::from_ref(shared))];
        let job = Each { items: items.as_mut_ptr(), shared, body };
        // SAFETY: the borrows last until the job has ended.
        unsafe { self.run(job, items.len(), parts) };
    }

    /// What all of `items` come to: `map` makes something of each, with its index, and `fold` one of two, in the items' order. None if there
    /// are no items.
    ///
    /// `fold` is to be associative. Where it is not quite, as with a sum of floats, the result is the same on every device, but not that of a
    /// loop: up to 64 pieces are folded each by itself, and then these.
    #[track_caller]
    pub fn reduce<T, R, M, F>(&mut self, items: &[T], map: M, fold: F) -> Option<R>
    where
        T: Plain,
        R: Copy + Send + Sync + 'static,
        M: Fn(usize, &T) -> R + Copy + Send + Sync + 'static,
        F: Fn(R, R) -> R + Copy + Send + Sync + 'static,
    {
        // SAFETY: the borrow lasts until the job has ended.
        let partials = unsafe { self.fold(items.as_ptr(), items.len(), map, fold) };
        partials.iter().copied().reduce(fold)
    }

    /// Makes of each of `items` what all up to it come to by `fold`, in the items' order: an inclusive scan.
    ///
    /// `fold` is to be associative, as with [`reduce`](Self::reduce).
    #[track_caller]
    pub fn scan<T, F>(&mut self, items: &mut [T], fold: F)
    where
        T: Plain + Copy,
        F: Fn(T, T) -> T + Copy + Send + Sync + 'static,
    {
        let (count, part, items) = (items.len(), Part::of(items), items.as_mut_ptr());
        // SAFETY: the borrow lasts until both jobs have ended.
        let partials = unsafe { self.fold(items, count, |_, item: &T| *item, fold) };
        // Each piece's becomes what is ahead of the next one.
        for piece in 1..partials.len() {
            partials[piece] = fold(partials[piece - 1], partials[piece]);
        }
        let pieces = Pieces { count, pieces: partials.len() };
        let job = Scan { items, pieces, ahead: partials.as_ptr(), fold };
        // Behind the job before this one, whose map captured nothing, stands what this one reads.
        const { assert!(size_of::<Scan<T, F>>() <= size_of::<Fold<T, T, (), F>>()) };
        // SAFETY: as above.
        unsafe { self.run(job, pieces.pieces, [part, Part::NONE]) };
    }

    /// Folds each piece of the items by itself: the results, in the items' order.
    ///
    /// # Safety
    ///
    /// There are `count` items, which nobody changes meanwhile.
    #[track_caller]
    unsafe fn fold<T, R, M, F>(&mut self, items: *const T, count: usize, map: M, fold: F) -> &mut [R]
    where
        T: Plain,
        R: Copy + Send + Sync + 'static,
        M: Fn(usize, &T) -> R + Copy + Send + Sync + 'static,
        F: Fn(R, R) -> R + Copy + Send + Sync + 'static,
    {
        const {
            assert!(
                size_of::<Fold<T, R, M, F>>() + size_of::<R>() <= MAX_PAYLOAD && align_of::<R>() <= 16,
                "closures and a partial result have 960 bytes together"
            );
        }
        let most = (MAX_PAYLOAD - size_of::<Fold<T, R, M, F>>()).checked_div(size_of::<R>()).unwrap_or(PIECES);
        let pieces = Pieces { count, pieces: count.div_ceil(LEAST).min(PIECES).min(most) };
        // SAFETY: the room has so many bytes, of which the job takes the first.
        let partials = unsafe { self.room().add(size_of::<Fold<T, R, M, F>>()).cast::<R>() };
        let job = Fold { items, pieces, partials, map, fold };
        let part = Part { at: items.cast(), bytes: count * size_of::<T>() };
        // SAFETY: the caller's promise.
        unsafe { self.run(job, pieces.pieces, [part, Part::NONE]) };
        // SAFETY: the job has written them all, and nobody else has the room until the next one.
        unsafe { slice::from_raw_parts_mut(partials, pieces.pieces) }
    }

    /// Where a job stands, aligned to 16: [`MAX_PAYLOAD`] bytes that all lanes see.
    fn room(&mut self) -> *mut u8 {
        // SAFETY: `raw` is the context that the engine has handed out.
        unsafe { job_room(self.raw) }
    }

    /// Does a job of so many items.
    ///
    /// # Safety
    ///
    /// What the job points to lasts until this returns, and is nobody else's; of what lanes are given by reference, it is in `parts`.
    #[track_caller]
    unsafe fn run<J: Job>(&mut self, job: J, count: usize, parts: [Part; 2]) {
        const { assert!(size_of::<J>() <= MAX_PAYLOAD && align_of::<J>() <= 16, "a closure for lanes has 960 bytes at most") };
        let [items, shared] = parts;
        let raw = RawJob {
            count: count as u64,
            items: items.at as u64,
            item_bytes: items.bytes as u64,
            shared: shared.at as u64,
            shared_bytes: shared.bytes as u64,
        };
        // SAFETY: the room is large enough and aligned, and no job is going on.
        unsafe { self.room().cast::<J>().write(job) };
        // SAFETY: `raw` is the context that the engine has handed out, and the job stands in its room.
        match unsafe { run_job(self.raw, work::<J>, &raw) } {
            0 => {}
            JOB_OUTSIDE => panic!("lanes are given parts of the actor's state, `self`, or of the message; on a GPU they see nothing else"),
            // SAFETY: the text stands there.
            bytes => unsafe { raise(slice::from_raw_parts(self.raw.room_at().add(MAX_PAYLOAD), bytes as usize)) },
        }
    }
}

/// What lanes are given: on a GPU they do not see each other's stacks.
#[derive(Clone, Copy)]
struct Part {
    at: *const u8,
    bytes: usize,
}

impl Part {
    const NONE: Part = Part { at: core::ptr::null(), bytes: 0 };

    fn of<T>(items: &[T]) -> Part {
        Part { at: items.as_ptr().cast(), bytes: size_of_val(items) }
    }
}

/// A number of items cut into pieces. Where depends on nothing but their number and the size of a result, so the order of what is folded is the
/// same on every device.
#[derive(Clone, Copy)]
struct Pieces {
    count: usize,
    pieces: usize,
}

impl Pieces {
    /// First item and end of a piece.
    fn bounds(self, piece: usize) -> (usize, usize) {
        (piece * self.count / self.pieces, (piece + 1) * self.count / self.pieces)
    }
}

trait Job {
    /// Does one item.
    ///
    /// # Safety
    ///
    /// It is one of the job's, and no other lane's.
    unsafe fn item(&self, at: usize);
}

#[repr(C, align(16))]
struct Each<T, S, F> {
    items: *mut T,
    shared: *const S,
    body: F,
}

impl<T, S, F: Fn(usize, &mut T, &S)> Job for Each<T, S, F> {
    #[inline]
    unsafe fn item(&self, at: usize) {
        // SAFETY: each item is one lane's, so this is the only reference to it; `shared` is read by all.
        unsafe { (self.body)(at, &mut *self.items.add(at), &*self.shared) }
    }
}

#[repr(C, align(16))]
struct Fold<T, R, M, F> {
    items: *const T,
    pieces: Pieces,
    partials: *mut R,
    map: M,
    fold: F,
}

impl<T, R, M: Fn(usize, &T) -> R, F: Fn(R, R) -> R> Job for Fold<T, R, M, F> {
    #[inline]
    unsafe fn item(&self, at: usize) {
        let (begin, end) = self.pieces.bounds(at);
        // SAFETY: every item is in one piece, and nobody writes it.
        let map = |at: usize| unsafe { (self.map)(at, &*self.items.add(at)) };
        let mut all = map(begin);
        for at in begin + 1..end {
            all = (self.fold)(all, map(at));
        }
        // SAFETY: each piece has its own.
        unsafe { self.partials.add(at).write(all) };
    }
}

#[repr(C, align(16))]
struct Scan<T, F> {
    items: *mut T,
    pieces: Pieces,
    ahead: *const T,
    fold: F,
}

impl<T: Copy, F: Fn(T, T) -> T> Job for Scan<T, F> {
    #[inline]
    unsafe fn item(&self, at: usize) {
        let (begin, end) = self.pieces.bounds(at);
        // SAFETY: every item is in one piece.
        let items = unsafe { slice::from_raw_parts_mut(self.items.add(begin), end - begin) };
        // SAFETY: there is one for each piece, which nobody writes.
        let mut all = (at > 0).then(|| unsafe { *self.ahead.add(at - 1) });
        for item in items {
            *item = all.map_or(*item, |all| (self.fold)(all, *item));
            all = Some(*item);
        }
    }
}

/// The [`Work`] of a job.
///
/// # Safety
///
/// A `J` stands in `room`, items are from 0 to its count, and no other lane does the same ones. `text` is as the engine says.
unsafe extern "C" fn work<J: Job>(room: *mut u8, begin: u64, end: u64, lane: u32, lanes: u32, text: *mut u8) -> u32 {
    // SAFETY: the caller's promise.
    let job = unsafe { &*room.cast::<J>() };
    let run = || {
        let mut at = begin as usize + lane as usize;
        while at < end as usize {
            // SAFETY: the caller's promise; of the lanes each has every `lanes`th.
            unsafe { job.item(at) };
            at += lanes as usize;
        }
    };
    #[cfg(all(feature = "host", not(target_arch = "nvptx64")))]
    // SAFETY: the caller's promise.
    return unsafe { crate::host::panics::guard_lane(text, run) };
    #[cfg(not(all(feature = "host", not(target_arch = "nvptx64"))))]
    {
        let _ = text;
        run();
        0
    }
}

#[cfg(target_arch = "nvptx64")]
use crate::gpu::{raise, resident_job as run_job, resident_job_room as job_room};
#[cfg(not(target_arch = "nvptx64"))]
use crate::host::{job_room, raise, run_job};
