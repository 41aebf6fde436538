//! A resident actor's ractor message enum, and what the mailbox path does with it.

use core::mem::size_of;
use std::vec::Vec;

use ractor::RpcReplyPort;

use super::{Answer, End, Envelope};
use crate::actor::{Actor, Reply};
use crate::wire::MAX_PAYLOAD;

/// A resident actor with a ractor message enum; implemented by [`#[actor]`](macro@crate::actor).
pub trait Resident: Actor + Send {
    /// The enum: a variant for each message. A message without a reply is `Landed(Landed)`, one with a reply
    /// `Query(Query, RpcReplyPort<Answer>)`; a message without fields is left out of its variant, so that
    /// `call!(actor, AircraftMsg::Report)` reads as with any ractor actor.
    type Msg: ractor::Message + Envelope;
}

/// The answer to `port`. It takes a reply and nothing else: without one it closes, and its caller looks at the actor for the reason.
#[doc(hidden)]
pub fn answer_to<R: Reply>(port: RpcReplyPort<R>) -> Answer {
    Answer::new(move |end: End<'_>| {
        if let Ok(bytes) = end
            && bytes.len() >= size_of::<R>()
        {
            // A caller that has gone is no error.
            let _ = port.send(<R as crate::plain::Plain>::decode(bytes));
        }
    })
}

/// How a message enum crosses to another node, where ractor's feature `cluster` asks for it.
#[doc(hidden)]
pub trait Cross: Sized {
    /// The message as bytes.
    fn to_bytes(self) -> Vec<u8>;
    /// The message of these bytes.
    fn of_bytes(bytes: Vec<u8>) -> Self;
}

/// A message as bytes, for another node: its index and its payload.
///
/// A call does not cross: its port closes here, and its caller sees that.
#[doc(hidden)]
pub fn to_bytes(msg: impl Envelope) -> Vec<u8> {
    let index = if msg.wants_reply() { u16::MAX } else { msg.index() };
    let mut bytes = Vec::from(index.to_le_bytes());
    if index != u16::MAX {
        let mut out = [0; MAX_PAYLOAD];
        let len = msg.encode(&mut out);
        bytes.extend_from_slice(&out[..len]);
    }
    bytes
}

/// The parts of a message from another node: its index and its payload.
#[doc(hidden)]
pub fn of_bytes(bytes: &[u8]) -> (u16, &[u8]) {
    match bytes {
        [low, high, payload @ ..] => (u16::from_le_bytes([*low, *high]), payload),
        _ => (u16::MAX, &[]),
    }
}

/// Makes a type that stays on this node a message of ractor's, whichever of ractor's features are on.
///
/// Without its feature `cluster`, every type is one. With it, a message must know how to become bytes; this
/// one then does not: a copy sent to another node ends there as `$undeliverable`.
///
/// ```
/// enum Order {
///     Flush,
///     Lost,
/// }
/// resident_kernels::local_message!(Order, Order::Lost);
///
/// fn is_message<M: resident_kernels::__private::ractor::Message>() {}
/// is_message::<Order>();
/// ```
#[macro_export]
macro_rules! local_message {
    ($ty:ty, $undeliverable:expr) => {
        impl $crate::host::Cross for $ty {
            fn to_bytes(self) -> $crate::__private::std::vec::Vec<u8> {
                $crate::__private::std::vec::Vec::new()
            }
            fn of_bytes(_: $crate::__private::std::vec::Vec<u8>) -> Self {
                $undeliverable
            }
        }
        $crate::__cross!($ty);
    };
}

/// Implements `ractor::BytesConvertable` where ractor has it (its feature `cluster`), and a local trait of that
/// name that nobody uses where it has not: a name from a glob import hides one from an outer block.
#[doc(hidden)]
#[macro_export]
macro_rules! __cross {
    ($ty:ty) => {
        const _: () = {
            type Own = $ty;
            type Bytes = $crate::__private::std::vec::Vec<u8>;
            #[allow(dead_code)]
            trait BytesConvertable {
                fn into_bytes(self) -> Bytes;
                fn from_bytes(bytes: Bytes) -> Self;
            }
            {
                #[allow(unused_imports)]
                use $crate::__private::ractor::*;
                impl BytesConvertable for Own {
                    fn into_bytes(self) -> Bytes {
                        $crate::host::Cross::to_bytes(self)
                    }
                    fn from_bytes(bytes: Bytes) -> Self {
                        $crate::host::Cross::of_bytes(bytes)
                    }
                }
            }
        };
    };
}
