//! What a handler may know and say while it runs.

use core::fmt;
use core::mem::size_of;
use core::ptr;

use crate::actor::{Actor, Emit, Handles, Message};
use crate::address::Address;
use crate::clock;
use crate::text::Text;
use crate::wire::{CtxRaw, FAULT_FAILED, MAX_PAYLOAD, ReplyTo};

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

    /// This actor's address: `ctx.address::<Self>()`. Whom it is sent to may send to this actor.
    #[inline]
    pub fn address<A>(&self) -> Address<A> {
        Address::new(self.raw.system, self.raw.shard, self.raw.row, self.raw.generation)
    }

    /// Sends `msg` to another actor of this device, or to this one: it is handled there some time later, after what this actor has
    /// sent there before. Its reply, if it has one, is dropped.
    ///
    /// Does not wait. Whoever has stopped or failed, or never was there, does not get it: it is a dead letter, which the application
    /// counts. A handler that sends more than its shard's outbox holds, while the receivers' inboxes are full, fails.
    ///
    /// ```
    /// use resident_kernels::prelude::*;
    ///
    /// #[derive(State, Default)]
    /// #[repr(C)]
    /// struct Runner {
    ///     next: Address<Runner>,
    ///     laps: u64,
    /// }
    ///
    /// #[derive(Message)]
    /// #[repr(C)]
    /// struct Baton {
    ///     legs: u64,
    /// }
    ///
    /// #[actor]
    /// impl Runner {
    ///     fn baton(&mut self, msg: &Baton, ctx: &mut Ctx) {
    ///         self.laps += 1;
    ///         if msg.legs > 0 {
    ///             ctx.send(&self.next, Baton { legs: msg.legs - 1 });
    ///         }
    ///     }
    /// }
    /// # resident_kernels::export!(Runner);
    /// # fn main() {}
    /// ```
    #[inline]
    pub fn send<A: Handles<M>, M: Message>(&mut self, to: &Address<A>, msg: M) {
        let payload = (&raw const msg).cast::<u8>();
        // SAFETY: `payload` points to `size_of::<M>()` bytes that live until the call returns, and `raw` is the context that the
        // engine has handed out.
        unsafe { send(self.raw, to.raw(), const { tagged::<A>(A::INDEX) }, payload, size_of::<M>() as u32, ptr::null()) }
    }

    /// Sends `msg` to another actor, whose reply comes as a message to the one at `reply_to`: most often this one,
    /// `&ctx.address::<Self>()`. The reply's type is a message that it handles.
    ///
    /// As [`send`](Self::send). Whoever is not there any more does not answer.
    #[inline]
    pub fn ask<A, M, R>(&mut self, to: &Address<A>, msg: M, reply_to: &Address<R>)
    where
        A: Handles<M>,
        M: Message<Reply: Message>,
        R: Handles<M::Reply>,
    {
        const { assert!(size_of::<M>() + size_of::<ReplyTo>() <= MAX_PAYLOAD, "a message that is asked takes 944 bytes at most") };
        let reply = reply_to.reply_to(const { tagged::<R>(R::INDEX) });
        let payload = (&raw const msg).cast::<u8>();
        // SAFETY: as in `send`; `reply` lives until the call returns.
        unsafe { send(self.raw, to.raw(), const { tagged::<A>(A::INDEX) }, payload, size_of::<M>() as u32, &raw const reply) }
    }

    /// Ends this actor once the handler returns: it handles nothing more, and its proxy stops as if the application had stopped it. What
    /// was sent to it and not handled is lost, as with a stop that overtakes.
    #[inline]
    pub fn stop_self(&mut self) {
        self.raw.ended = 1;
    }

    /// Sends `msg` to the CPU actor that the application has named for its type.
    #[inline]
    pub fn emit<E: Emit>(&mut self, msg: E) {
        let payload = (&raw const msg).cast::<u8>();
        // SAFETY: `payload` points to `size_of::<E>()` bytes that live until the call returns, and `raw` is the
        // context that the engine has handed out.
        unsafe { emit(self.raw, E::TYPE, payload, size_of::<E>() as u32) }
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

/// A message's index and, above it, the tag of the kind that handles it.
const fn tagged<A: Actor>(index: u16) -> u32 {
    index as u32 | (A::KIND.tag() as u32) << 16
}

#[cfg(target_arch = "nvptx64")]
use crate::gpu::{resident_emit as emit, resident_send as send};
#[cfg(not(target_arch = "nvptx64"))]
use crate::host::{emit, send};
