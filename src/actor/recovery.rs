//! What an actor that a guardian keeps goes back to after a failure: its part of the last checkpoint, and what it was sent since.

use parking_lot::Mutex;
use resident_checkpoint::{Checkpoint, Key};
use resident_gpu::ring::Frame;
use resident_kernels::wire::OP_CAST;

use crate::actor::incarnation::{Beginning, Incarnation};
use crate::actor::journal::{Journal, Replay};

/// What an actor goes back to.
pub(crate) struct Recovery(Mutex<Kept>);

struct Kept {
    journal: Journal,
    saved: Option<Saved>,
    /// Nobody goes back any more.
    over: bool,
}

/// An actor's part of a checkpoint, which all its actors share.
struct Saved {
    checkpoint: Checkpoint,
    key: Key,
    handled: u64,
}

/// What there is without a checkpoint.
pub(crate) enum Otherwise {
    /// The state that a failed incarnation left. It goes ahead of a checkpoint.
    Left(Vec<u8>),
    /// The child's fresh state, which is not needed where there is a checkpoint.
    Fresh(Option<Vec<u8>>),
}

impl Recovery {
    /// With a journal of `journal` messages.
    pub(crate) fn new(journal: usize) -> Recovery {
        Recovery(Mutex::new(Kept { journal: Journal::new(journal), saved: None, over: false }))
    }

    /// A message was sent. Called under the ring's lock.
    pub(crate) fn sent(&self, frame: &Frame<'_>) {
        let mut kept = self.0.lock();
        if kept.journal.is_kept() {
            kept.journal.push(frame.message, frame.op != OP_CAST, frame.payload);
        }
    }

    /// Whether messages are kept, the one that a loss interrupted among them.
    pub(crate) fn has_journal(&self) -> bool {
        self.0.lock().journal.is_kept()
    }

    /// The actor is in a checkpoint, in which it holds `handled` messages. Says how full its journal was, if it has one.
    pub(crate) fn save(&self, checkpoint: &Checkpoint, key: Key, handled: u64) -> Option<f64> {
        let (before, fill) = {
            let mut kept = self.0.lock();
            if kept.over {
                return None;
            }
            let fill = kept.journal.fill();
            kept.journal.forget(handled);
            (kept.saved.replace(Saved { checkpoint: checkpoint.clone(), key, handled }), fill)
        };
        // Perhaps the last who has it: to give it back takes time, which nobody is to wait for.
        drop(before);
        fill
    }

    /// The actor has ended for good: nothing is kept any more.
    pub(crate) fn end(&self) {
        let before = std::mem::replace(&mut *self.0.lock(), Kept { journal: Journal::new(0), saved: None, over: true });
        // As in `save`.
        drop(before);
    }

    /// Whether there is a checkpoint to go back to; once there is one there is until the actor has ended.
    pub(crate) fn has_checkpoint(&self) -> bool {
        self.0.lock().saved.is_some()
    }

    /// What the incarnation behind `last` begins with. What is lost on the way is counted and told.
    pub(crate) fn begin(&self, last: &Incarnation, otherwise: Otherwise) -> Beginning {
        let failure = last.take_failure();
        let (state, before, replay) = {
            let mut kept = self.0.lock();
            let (state, held) = match (otherwise, &kept.saved) {
                (Otherwise::Left(state), _) => (state, last.fault().map_or(0, |fault| fault.handled)),
                (Otherwise::Fresh(_), Some(Saved { checkpoint, key, handled })) => {
                    let saved = checkpoint.actor(*key).map(|actor| checkpoint.state(actor));
                    (saved.map(Vec::from).unwrap_or_default(), *handled)
                }
                (Otherwise::Fresh(fresh), None) => (fresh.unwrap_or_default(), 0),
            };
            let replay = if kept.journal.is_kept() { kept.journal.resume(held, failure) } else { Replay::default() };
            (state, held, replay)
        };
        let Replay { messages, refused, lost, dead } = replay;
        last.core.sent_again(refused);
        last.core.dead_letters_more(dead + lost);
        if lost > 0 {
            last.core.metrics.journal_lost(lost);
            let who = last.who();
            tracing::error!(
                system = last.core.system(), actor = %who.key, name = who.name.as_deref().unwrap_or_default(), kind = last.kind.name, lost,
                "messages sent since the last checkpoint are lost: the journal was full; take checkpoints more often or raise `Config::journal`"
            );
        }
        Beginning { state, before, replay: messages }
    }
}
