//! A message as its type is, for an actor that handles it, with whoever waits for the answer: what handles send, and frameworks that know
//! messages by their types.

use std::marker::PhantomData;

use resident_kernels::actor::{Handles, Message};
use resident_kernels::host::{Answer, Caller, End, Envelope, NoReply};
use resident_kernels::plain::Plain;
use resident_kernels::wire::MAX_PAYLOAD;
use tokio::sync::oneshot::Sender;

/// An `M` on its way to an `A`.
pub(crate) struct Letter<A, M: Message, C = Asker<<M as Message>::Reply>> {
    msg: M,
    /// Who waits; nobody for a cast.
    caller: Option<C>,
    to: PhantomData<fn(A)>,
}

/// Whoever waits here for an `R`, and hears why there is none.
pub(crate) struct Asker<R>(pub Sender<Result<R, NoReply>>);

impl<R: Plain + Send> Caller for Asker<R> {
    fn hear(self: Box<Self>, end: End<'_>) {
        // A caller that has gone is no error.
        let _ = self.0.send(end.map(R::decode));
    }
}

impl<A, M: Message, C> Letter<A, M, C> {
    pub(crate) fn new(msg: M, caller: Option<C>) -> Letter<A, M, C> {
        Letter { msg, caller, to: PhantomData }
    }

    pub(crate) fn into_message(self) -> M {
        self.msg
    }

    /// Who waits for the answer.
    #[cfg(feature = "actix")]
    pub(crate) fn caller(&self) -> Option<&C> {
        self.caller.as_ref()
    }
}

impl<A: Handles<M>, M: Message, C: Caller + 'static> Envelope for Letter<A, M, C> {
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

    fn answer(self) -> Option<Answer> {
        self.caller.map(Answer::new)
    }
}
