//! What a handler may know and say while it runs.

use core::fmt;
use core::mem::{offset_of, size_of};
use core::ptr;
use core::time::Duration;

use crate::actor::{Actor, Emit, Handles, Message};
use crate::address::Address;
use crate::clock;
use crate::text::Text;
use crate::wire::{CtxRaw, FAULT_FAILED, LATER, MAX_PAYLOAD, ReplyTo, SendLater};

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
    /// counts. A handler that sends more than its shard's outbox holds, while the receivers' inboxes are full, fails: 2,000 messages of 28 bytes
    /// are fine in answer to one of the application's; what answers one message of an actor's with many has less room the more do so.
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

    /// Sends `msg` to another actor, or to this one, once `after` has passed, to about a millisecond. The application keeps it until then,
    /// so it outlives the worker; what is not due when the system stops is dropped.
    ///
    /// As [`emit`](Self::emit) it waits while the host takes its time, and as [`send`](Self::send) it is a dead letter if its receiver is not
    /// there any more. It comes in no order with what was sent otherwise.
    ///
    /// ```
    /// use core::time::Duration;
    /// use resident_kernels::prelude::*;
    ///
    /// #[derive(State, Default)]
    /// #[repr(C)]
    /// struct Session {
    ///     requests: u64,
    ///     seen: u64,
    /// }
    ///
    /// #[derive(Message)]
    /// struct Request;
    ///
    /// #[derive(Message)]
    /// struct Check;
    ///
    /// #[actor]
    /// impl Session {
    ///     fn request(&mut self, _: &Request, ctx: &mut Ctx) {
    ///         self.requests += 1;
    ///         if self.requests == 1 {
    ///             let me = ctx.address::<Self>();
    ///             ctx.send_after(Duration::from_secs(30), &me, Check);
    ///         }
    ///     }
    ///
    ///     fn check(&mut self, _: &Check, ctx: &mut Ctx) {
    ///         if self.requests == self.seen {
    ///             return ctx.stop_self(); // nothing came for half a minute
    ///         }
    ///         self.seen = self.requests;
    ///         let me = ctx.address::<Self>();
    ///         ctx.send_after(Duration::from_secs(30), &me, Check);
    ///     }
    /// }
    /// # resident_kernels::export!(Session);
    /// # fn main() {}
    /// ```
    #[inline]
    pub fn send_after<A: Handles<M>, M: Message>(&mut self, after: Duration, to: &Address<A>, msg: M) {
        /// As it travels: no bytes between the two.
        #[repr(C, align(16))]
        struct Later<M> {
            head: SendLater,
            msg: M,
        }
        const {
            assert!(size_of::<SendLater>() + size_of::<M>() <= MAX_PAYLOAD, "a message that is sent later takes 928 bytes at most");
            assert!(offset_of!(Later<M>, msg) == size_of::<SendLater>());
        }
        let micros = after.as_secs().saturating_mul(1_000_000).saturating_add(after.subsec_micros().into());
        let later = Later { head: to.later(const { tagged::<A>(A::INDEX) }, micros), msg };
        let payload = (&raw const later).cast::<u8>();
        // SAFETY: as in `emit`; so many bytes are head and message.
        unsafe { emit(self.raw, LATER, payload, (size_of::<SendLater>() + size_of::<M>()) as u32) }
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
        const { assert!(E::TYPE != LATER, "this type's number on the wire is taken: rename it") };
        let payload = (&raw const msg).cast::<u8>();
        // SAFETY: `payload` points to `size_of::<E>()` bytes that live until the call returns, and `raw` is the
        // context that the engine has handed out.
        unsafe { emit(self.raw, E::TYPE, payload, size_of::<E>() as u32) }
    }

    /// Fails this actor once the handler returns; its supervisor and a waiting caller hear `reason`.
    ///
    /// `reason` is a text, or `format_args!(..)`; of several the first counts. The handler's reply is dropped, and what it sends to other
    /// actors from here on.
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
