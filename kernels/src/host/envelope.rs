//! A message on its way to an actor, as whoever pushes it sees it.

use super::Answer;
use crate::wire::MAX_PAYLOAD;

/// A message with its reply port, if it has one: what a framework's message type is to the ring. The enum of an
/// [`#[actor]`](macro@crate::actor) implements it.
pub trait Envelope: Sized {
    /// The message's index within the kind; `u16::MAX` for one that can not be delivered.
    fn index(&self) -> u16;

    /// Writes the message's payload and returns its bytes.
    fn encode(&self, out: &mut [u8; MAX_PAYLOAD]) -> usize;

    /// Whether somebody waits for its answer.
    fn wants_reply(&self) -> bool;

    /// Takes out the answer that somebody waits for.
    fn answer(self) -> Option<Answer>;
}
