//! A message as its type is, for an actor that handles it, with whoever waits for the answer: what handles send, and frameworks that know
//! messages by their types.
//!
//! - **LE-1 (once)** A caller hears once: the reply, or why the incarnation failed that was to have the message; its port closes if that one
//!   has ended.

use std::marker::PhantomData;
use std::sync::Arc;

use resident_kernels::actor::{Handles, Message};
use resident_kernels::host::{Completion, Envelope};
use resident_kernels::plain::Plain;
use resident_kernels::wire::MAX_PAYLOAD;
use tokio::sync::oneshot::Sender;

use crate::actor::incarnation::Incarnation;
use crate::fault::GpuFault;

/// Where the answer to an `M` goes.
pub(crate) type Answered<M> = Sender<Result<<M as Message>::Reply, GpuFault>>;

/// An `M` on its way to an `A`.
pub(crate) struct Letter<A, M: Message> {
    msg: M,
    /// Who waits; nobody for a cast.
    caller: Option<Caller<M>>,
    to: PhantomData<fn(A)>,
}

/// Who waits for the answer to an `M`.
struct Caller<M: Message> {
    /// Taken by whoever answers first.
    port: Option<Answered<M>>,
    /// Which incarnation is to have the message.
    life: Option<Arc<Incarnation>>,
}

impl<A, M: Message> Letter<A, M> {
    pub(crate) fn new(msg: M, port: Option<Answered<M>>) -> Letter<A, M> {
        Letter { msg, caller: port.map(|port| Caller { port: Some(port), life: None }), to: PhantomData }
    }

    pub(crate) fn into_message(self) -> M {
        self.msg
    }
}

/// What a framework asks whose messages come by a mailbox of its own.
#[cfg(feature = "actix")]
impl<A, M: Message> Letter<A, M> {
    /// From here on a caller hears why `life` failed, if it does before it answers.
    pub(crate) fn bind(&mut self, life: &Arc<Incarnation>) {
        if let Some(caller) = &mut self.caller {
            caller.life = Some(life.clone());
        }
    }

    /// Whether its caller has gone.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.port.as_ref().is_none_or(Sender::is_closed))
    }

    pub(crate) fn is_cast(&self) -> bool {
        self.caller.is_none()
    }
}

impl<A: Handles<M>, M: Message> Envelope for Letter<A, M> {
    fn index(&self) -> u16 {
        A::INDEX
    }

    #[inline]
    fn encode(&self, out: &mut [u8; MAX_PAYLOAD]) -> usize {
        self.msg.encode(out);
        size_of::<M>()
    }

    #[inline]
    fn wants_reply(&self) -> bool {
        self.caller.is_some()
    }

    fn completion(self) -> Option<Completion> {
        let mut caller = self.caller?;
        Some(Box::new(move |bytes| {
            if bytes.len() == size_of::<M::Reply>() {
                caller.answer(Ok(M::Reply::decode(bytes)));
            }
        }))
    }
}

impl<M: Message> Caller<M> {
    fn answer(&mut self, answer: Result<M::Reply, GpuFault>) {
        if let Some(port) = self.port.take() {
            // A caller that has gone is no error.
            let _ = port.send(answer);
        }
    }
}

impl<M: Message> Drop for Caller<M> {
    /// LE-1: there is no reply. A fault is recorded before a call that failed ends.
    fn drop(&mut self) {
        if let Some(fault) = self.life.take().and_then(|life| life.fault().cloned()) {
            self.answer(Err(fault));
        }
    }
}
