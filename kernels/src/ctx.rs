//! What a handler may know and say while it runs.

use core::fmt;
use core::mem::size_of;

use crate::actor::Emit;
use crate::clock;
use crate::text::Text;
use crate::wire::{CtxRaw, FAULT_FAILED};

/// Where an actor is: the row of a shard, and which of the row's actors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The shard.
    pub shard: u32,
    /// The row within the shard.
    pub row: u32,
    /// Raised by one with every actor that takes the row; never 0.
    pub generation: u32,
}

/// A handler's view of the engine while it handles one message.
pub struct Ctx<'a> {
    raw: &'a mut CtxRaw,
    failed: bool,
}

impl<'a> Ctx<'a> {
    /// A context over what the engine, or a test of a handler, has filled in.
    #[inline]
    pub fn new(raw: &'a mut CtxRaw) -> Self {
        Ctx { raw, failed: false }
    }

    /// Microseconds since the Unix epoch, by the shard's hybrid logical clock: never before the message was sent.
    #[inline]
    pub fn now(&self) -> u64 {
        clock::micros(self.raw.hlc)
    }

    /// The stamp of this message by the shard's hybrid logical clock; see [`clock`].
    #[inline]
    pub fn hlc(&self) -> u64 {
        self.raw.hlc
    }

    /// This actor's address.
    #[inline]
    pub fn actor(&self) -> Address {
        Address { shard: self.raw.shard, row: self.raw.row, generation: self.raw.generation }
    }

    /// Sends `msg` to the CPU actor that the application has named for its type.
    #[inline]
    pub fn emit<E: Emit>(&mut self, msg: E) {
        let payload = (&raw const msg).cast::<u8>();
        // SAFETY: `payload` points to `size_of::<E>()` bytes that live until the call returns, and `raw` is the
        // context that the engine has handed out.
        unsafe { send(self.raw, E::TYPE, payload, size_of::<E>() as u32) }
    }

    /// Fails this actor once the handler returns; its supervisor and a waiting caller hear `reason`.
    ///
    /// `reason` is a text, or `format_args!(..)`; of several the first counts. The handler's reply is dropped.
    #[cold]
    #[inline(never)]
    pub fn fail(&mut self, reason: impl fmt::Display) {
        if !self.failed {
            self.failed = true;
            self.raw.fault = u32::from(FAULT_FAILED);
            let mut text = Text::new(&mut self.raw.text);
            text.panic(None, &reason);
            self.raw.text_bytes = text.len() as u32;
        }
    }

    #[inline]
    pub(crate) fn failed(&self) -> bool {
        self.failed
    }
}

#[cfg(target_arch = "nvptx64")]
use crate::gpu::resident_emit as send;
#[cfg(not(target_arch = "nvptx64"))]
use crate::host::emit as send;
