//! Answers, as whoever owes one and whoever waits for one see them.
//!
//! - **AN-1 (once)** Who waits hears once: the reply, or why there is none. An [`Answer`] is used up where it is given, and says so itself
//!   where it is dropped.

use std::boxed::Box;

use super::GpuFault;

/// Why there is no reply.
#[derive(Clone, Debug)]
pub enum NoReply {
    /// The actor failed.
    Failed(Box<GpuFault>),
    /// The device has refused what it was sent, for one of these [`REFUSALS`](crate::wire::REFUSALS).
    Refused(u16),
    /// Nobody answers any more: the device has ended, or whoever had the answer has dropped it.
    Lost,
}

/// How a wait ends: with the reply's bytes, or why there are none. A message that names no reply has none, and was handled.
pub type End<'a> = Result<&'a [u8], NoReply>;

/// Whoever waits for an answer.
pub trait Caller: Send {
    /// Hears how the wait has ended. Called by whoever ends it, on that one's thread, which goes on at once.
    fn hear(self: Box<Self>, end: End<'_>);
}

impl<F: FnOnce(End<'_>) + Send> Caller for F {
    fn hear(self: Box<Self>, end: End<'_>) {
        self(end);
    }
}

/// An answer that somebody waits for, AN-1.
pub struct Answer(Option<Box<dyn Caller>>);

impl Answer {
    /// The answer to `caller`.
    pub fn new(caller: impl Caller + 'static) -> Answer {
        Answer(Some(Box::new(caller)))
    }

    /// Gives it.
    pub fn end(mut self, end: End<'_>) {
        if let Some(caller) = self.0.take() {
            caller.hear(end);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(caller) = self.0.take() {
            caller.hear(Err(NoReply::Lost));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::wire::REFUSED_STALE;

    /// AN-1.
    #[test]
    fn an_answer_is_heard_once_and_its_loss_where_there_is_none() {
        let (tell, heard) = channel();
        let answer = || {
            let tell = tell.clone();
            Answer::new(move |end: End<'_>| {
                let said = match end {
                    Ok(bytes) => std::format!("{bytes:?}"),
                    Err(why) => std::format!("{why:?}"),
                };
                tell.send(said).unwrap();
            })
        };
        answer().end(Ok(&[7]));
        answer().end(Ok(&[]));
        answer().end(Err(NoReply::Refused(REFUSED_STALE)));
        drop(answer());
        assert_eq!(heard.try_iter().collect::<std::vec::Vec<_>>(), ["[7]", "[]", "Refused(1)", "Lost"]);
    }
}
