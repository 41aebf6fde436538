//! A handler that panics on the CPU device fails its actor, with the same text as on the GPU.

use core::cell::{Cell, RefCell};
use std::boxed::Box;
use std::panic::{self, AssertUnwindSafe};
use std::string::String;
use std::sync::Once;
use std::thread_local;

use crate::text::Text;
use crate::wire::{CtxRaw, DISPATCH_FAILED, FAULT_PANIC, MAX_FAULT_TEXT};

/// What the hook has heard of this thread's panic, until `guard` takes it.
struct Heard {
    bytes: [u8; MAX_FAULT_TEXT],
    len: usize,
}

thread_local! {
    static HANDLING: Cell<bool> = const { Cell::new(false) };
    static HEARD: RefCell<Heard> = const { RefCell::new(Heard { bytes: [0; MAX_FAULT_TEXT], len: 0 }) };
}

/// Runs a handler; a panic in it becomes a fault in `ctx`.
#[inline]
pub(crate) fn guard(ctx: &mut CtxRaw, handle: impl FnOnce(&mut CtxRaw) -> u32) -> u32 {
    static HOOK: Once = Once::new();
    HOOK.call_once(listen);
    HANDLING.set(true);
    // The state may be half changed, as after a panic on the GPU: the actor has failed and handles nothing more.
    let result = panic::catch_unwind(AssertUnwindSafe(|| handle(ctx)));
    HANDLING.set(false);
    match result {
        Ok(bytes) => bytes,
        Err(payload) => fault(ctx, &*payload),
    }
}

/// Keeps the text of a handler's panic, which is the supervisor's to report; every other panic goes on as before.
#[cold]
fn listen() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !HANDLING.get() {
            return before(info);
        }
        HEARD.with_borrow_mut(|heard| {
            let mut text = Text::new(&mut heard.bytes);
            text.panic(info.location(), &said(info.payload()));
            heard.len = text.len();
        });
    }));
}

fn said(payload: &(dyn core::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}

#[cold]
fn fault(ctx: &mut CtxRaw, payload: &(dyn core::any::Any + Send)) -> u32 {
    HEARD.with_borrow_mut(|heard| {
        if heard.len == 0 {
            // Somebody has replaced the hook since: the text without the place.
            let mut text = Text::new(&mut heard.bytes);
            text.panic(None, &said(payload));
            heard.len = text.len();
        }
        ctx.fault = u32::from(FAULT_PANIC);
        ctx.text = heard.bytes;
        ctx.text_bytes = heard.len as u32;
        heard.len = 0;
    });
    DISPATCH_FAILED
}
