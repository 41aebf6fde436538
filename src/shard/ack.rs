//! What waits for the answer to a frame that is no message.

use tokio::sync::oneshot;

/// Hears once what became of a frame. Dropped unheard, as at the device's end, it hears of that.
pub(crate) struct Ack {
    hears: Option<Hears>,
    reads: bool,
}

type Hears = Box<dyn FnOnce(Answer<'_>) + Send>;

/// What became of a frame.
pub(crate) enum Answer<'a> {
    /// It is done; of a read, its bytes.
    Done(&'a [u8]),
    /// The device has refused it, for this reason.
    Refused(u16),
    /// The device no longer runs.
    Lost,
}

impl Ack {
    /// Of a frame that is acknowledged.
    pub(crate) fn new(hears: impl FnOnce(Answer<'_>) + Send + 'static) -> Ack {
        Ack { hears: Some(Box::new(hears)), reads: false }
    }

    /// Of a frame that is answered with bytes.
    pub(crate) fn reading(hears: impl FnOnce(Answer<'_>) + Send + 'static) -> Ack {
        Ack { hears: Some(Box::new(hears)), reads: true }
    }

    /// Of a fence, behind everything sent before it. Where it does not pass, `done` is dropped.
    pub(crate) fn fence(done: oneshot::Sender<()>) -> Ack {
        Ack::new(|answer| {
            if let Answer::Done(_) = answer {
                // Who waited may have given up.
                let _ = done.send(());
            }
        })
    }

    /// Of a frame after which nobody needs `held` any more, whatever became of it.
    pub(crate) fn holding(held: impl Send + 'static) -> Ack {
        Ack::new(|_| drop(held))
    }

    /// Whether bytes belong to the answer.
    pub(crate) fn reads(&self) -> bool {
        self.reads
    }

    pub(crate) fn hear(mut self, answer: Answer<'_>) {
        if let Some(hears) = self.hears.take() {
            hears(answer);
        }
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if let Some(hears) = self.hears.take() {
            hears(Answer::Lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn an_answer_is_heard_once_and_the_end_where_there_is_none() {
        let (tell, heard) = channel();
        let ack = || {
            let tell = tell.clone();
            Ack::new(move |answer| {
                let said = match answer {
                    Answer::Done(bytes) => format!("done {bytes:?}"),
                    Answer::Refused(reason) => format!("refused {reason}"),
                    Answer::Lost => "lost".into(),
                };
                tell.send(said).unwrap();
            })
        };
        ack().hear(Answer::Done(&[7]));
        ack().hear(Answer::Refused(3));
        drop(ack());
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["done [7]", "refused 3", "lost"]);
    }
}
