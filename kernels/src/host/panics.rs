//! A handler that panics on the CPU device fails its actor, with the same text as on the GPU.
//!
//! In a program that is built with `panic = "abort"` nothing can catch it, and the process is to end. Whoever keeps the device is told then
//! (`on_abort`), and the thread stands still instead: the process is ended once the other shards have come to a message boundary.

use core::cell::{Cell, RefCell};
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::boxed::Box;
use std::panic::{self, AssertUnwindSafe};
use std::string::String;
use std::sync::{Once, OnceLock};
use std::{thread, thread_local};

use crate::text::Text;
use crate::wire::{CtxRaw, FAULT_PANIC, MAX_FAULT_TEXT};

/// What the hook has heard of this thread's panic, until `guard` takes it.
struct Heard {
    bytes: [u8; MAX_FAULT_TEXT],
    len: usize,
}

impl Heard {
    const NOTHING: Heard = Heard { bytes: [0; MAX_FAULT_TEXT], len: 0 };

    fn text(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

static HOOK: Once = Once::new();

/// What `catch_unwind` has of a panic.
type Payload = Box<dyn core::any::Any + Send>;

/// Hears of a handler's panic: its shard and its text.
type Tell = Box<dyn Fn(u32, &str) + Send + Sync>;

static TELL: OnceLock<Tell> = OnceLock::new();

/// Ends the lane that has panicked, as on a GPU; only where a warp has more than one (`cuda/fibers.h`).
const END_LANE: Option<fn(&[u8]) -> !> = {
    #[cfg(fibers)]
    {
        unsafe extern "C" {
            fn resident_panic(text: *const u8, len: u32) -> !;
        }
        // SAFETY: the text lives on, since the engine does not return here.
        Some(|text| unsafe { resident_panic(text.as_ptr(), text.len() as u32) })
    }
    #[cfg(not(fibers))]
    None
};

/// Whether a panic ends the process: so is this program built.
pub(crate) const ABORTS: bool = cfg!(panic = "abort");

/// Names who is told of a handler's panic where panics abort, once for the process. Without it such a panic ends the process.
pub(crate) fn on_abort(tell: impl Fn(u32, &str) + Send + Sync + 'static) {
    // Whoever came first stays: a process has one worker at most.
    let _ = TELL.set(Box::new(tell));
}

thread_local! {
    /// An atomic because ThreadSanitizer takes lanes that share a thread for threads.
    static HANDLING: AtomicBool = const { AtomicBool::new(false) };
    /// The shard whose handlers this thread runs, where panics abort.
    static SHARD: Cell<Option<u32>> = const { Cell::new(None) };
    static HEARD: RefCell<Heard> = const { RefCell::new(Heard::NOTHING) };
}

/// Runs a handler; a panic in it becomes a fault in `ctx`.
///
/// # Safety
///
/// (room) The context's room is this call's, as for [`Ctx::new`](crate::ctx::Ctx::new).
#[inline]
pub(crate) unsafe fn guard<T>(ctx: &mut CtxRaw, handle: impl FnOnce(&mut CtxRaw) -> T, failed: T) -> T {
    HOOK.call_once(listen);
    if ABORTS {
        SHARD.set(Some(ctx.shard));
    }
    HANDLING.with(|handling| handling.store(true, Relaxed));
    // The state may be half changed, as after a panic on the GPU: the actor has failed and handles nothing more.
    let result = panic::catch_unwind(AssertUnwindSafe(|| handle(ctx)));
    HANDLING.with(|handling| handling.store(false, Relaxed));
    match result {
        Ok(said) => said,
        Err(payload) => {
            // SAFETY: (room) the caller's promise.
            unsafe { fault(ctx, payload) };
            failed
        }
    }
}

/// Runs a lane's part of a job; the bytes of a panic's text, which goes to `text`, or 0.
///
/// # Safety
///
/// `text` has room for [`MAX_FAULT_TEXT`] bytes.
pub(crate) unsafe fn guard_lane(text: *mut u8, run: impl FnOnce()) -> u32 {
    HOOK.call_once(listen);
    // A lane that helps another is in no handler of its own.
    let handles = HANDLING.with(|handling| handling.swap(true, Relaxed));
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    HANDLING.with(|handling| handling.store(handles, Relaxed));
    let Err(payload) = result else { return 0 };
    heard(payload, |said| {
        // SAFETY: the caller's promise; a text that was heard is no longer.
        unsafe { ptr::copy_nonoverlapping(said.as_ptr(), text, said.len()) };
        said.len() as u32
    })
}

/// Panics with a text that was heard, in a handler.
pub(crate) fn raise(text: &[u8]) -> ! {
    HEARD.with_borrow_mut(|heard| {
        heard.bytes[..text.len()].copy_from_slice(text);
        heard.len = text.len();
    });
    panic::resume_unwind(Box::new("a lane panicked"))
}

/// Keeps the text of a handler's panic, which is the supervisor's to report; every other panic goes on as before.
#[cold]
fn listen() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !HANDLING.with(|handling| handling.load(Relaxed)) {
            return before(info);
        }
        let told = SHARD.get().zip(TELL.get());
        if ABORTS && told.is_none() {
            // The process ends, and this is its last word.
            return before(info);
        }
        HEARD.with_borrow_mut(|heard| {
            let mut text = Text::new(&mut heard.bytes);
            text.panic(info.location(), &said(info.payload()));
            heard.len = text.len();
        });
        let Some((shard, tell)) = told else { return };
        HEARD.with_borrow(|heard| tell(shard, str::from_utf8(heard.text()).unwrap_or_default()));
        loop {
            thread::park();
        }
    }));
}

fn said(payload: &(dyn core::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}

/// # Safety
///
/// (room) As `guard`.
#[cold]
unsafe fn fault(ctx: &mut CtxRaw, payload: Payload) {
    heard(payload, |said| {
        ctx.fault = u32::from(FAULT_PANIC);
        // SAFETY: (room) the caller's context has it.
        unsafe { ctx.fault_text(|text| text.panic(None, &core::str::from_utf8(said).unwrap_or_default())) };
    });
}

/// Gives `take` the text of this thread's panic, or ends its lane with that.
fn heard<R>(payload: Payload, take: impl FnOnce(&[u8]) -> R) -> R {
    let mut heard = HEARD.replace(Heard::NOTHING);
    if heard.len == 0 {
        // Somebody has replaced the hook since: the text without the place.
        let mut text = Text::new(&mut heard.bytes);
        text.panic(None, &said(&*payload));
        heard.len = text.len();
    }
    drop(payload);
    match END_LANE {
        Some(end) => end(heard.text()),
        None => take(heard.text()),
    }
}
