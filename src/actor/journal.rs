//! What an actor was sent since its last checkpoint: a plain value, bounded, that can be sent again.
//!
//! - **JR-1 (numbers)** A message's number is its place in the order in which the actor handles messages, from 1 over all its
//!   incarnations. A state that holds `n` messages holds those numbered 1 to `n`.
//! - **JR-2 (told)** What was lost because the journal was full is counted when it is missed.

use std::collections::VecDeque;

use crate::fault::{Failure, Returned};

/// What an actor was sent.
pub(crate) struct Journal {
    limit: usize,
    /// Number of the oldest message kept.
    first: u64,
    kept: VecDeque<Sent>,
}

struct Sent {
    message: u16,
    /// Somebody waits for its reply.
    call: bool,
    /// It was handed on once, after it had failed its actor.
    again: bool,
    payload: Box<[u8]>,
}

/// What is to be sent again.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Replay {
    pub messages: Vec<Returned>,
    /// Those of them that the device had refused, since they were behind the failure.
    pub refused: u64,
    /// Messages that the state does not hold and that are not here any more.
    pub lost: u64,
    /// A message that failed its actor for the second time, or none.
    pub dead: u64,
}

impl Journal {
    /// Keeps the last `limit` messages.
    pub(crate) fn new(limit: usize) -> Journal {
        Journal { limit, first: 1, kept: VecDeque::new() }
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.limit > 0
    }

    /// How full it is, 1 for full; `None` where nothing is kept.
    pub(crate) fn fill(&self) -> Option<f64> {
        self.is_kept().then(|| self.kept.len() as f64 / self.limit as f64)
    }

    /// The next message.
    pub(crate) fn push(&mut self, message: u16, call: bool, payload: &[u8]) {
        if self.kept.len() == self.limit {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back(Sent { message, call, again: false, payload: payload.into() });
    }

    /// Messages up to this one are held elsewhere.
    pub(crate) fn forget(&mut self, number: u64) {
        let gone = number.saturating_sub(self.first - 1).min(self.kept.len() as u64);
        self.kept.drain(..gone as usize);
        self.first += gone;
    }

    /// What an actor whose state holds `held` messages is to be sent before all others, after `failure` if that is known: the message
    /// that it failed at is left out, unless it is tried again; calls behind it have ended. The numbers are those of the
    /// next incarnation from here on.
    pub(crate) fn resume(&mut self, held: u64, failure: Option<Failure>) -> Replay {
        let mut replay = Replay::default();
        if let Some(failure) = failure {
            let mut number = self.first;
            self.kept.retain_mut(|sent| {
                let at = number.cmp(&(failure.handled + 1));
                number += 1;
                let again = at.is_eq() && failure.again && !sent.again;
                replay.dead += u64::from(at.is_eq() && failure.again && sent.again);
                replay.refused += u64::from(at.is_gt() && !sent.call);
                sent.again |= again;
                at.is_lt() || again || at.is_gt() && !sent.call
            });
        }
        // Who waited for a reply has got one, or the fault: what comes again is answered to nobody.
        self.kept.iter_mut().for_each(|sent| sent.call = false);
        let next = held + 1;
        if self.first > next {
            replay.lost = self.first - next;
            self.first = next;
        }
        let held = ((next - self.first) as usize).min(self.kept.len());
        let again = |sent: &Sent| Returned { message: sent.message, payload: sent.payload.to_vec() };
        replay.messages = self.kept.iter().skip(held).map(again).collect();
        replay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A journal of so many messages, each its number; every third is a call.
    fn journal(limit: usize, messages: u16) -> Journal {
        let mut journal = Journal::new(limit);
        (1..=messages).for_each(|n| journal.push(n, n % 3 == 0, &[n as u8]));
        journal
    }

    fn numbers(replay: &Replay) -> Vec<u16> {
        replay.messages.iter().map(|returned| returned.message).collect()
    }

    #[test]
    fn without_a_failure_everything_behind_the_state_comes_again() {
        let mut journal = journal(10, 5);
        assert_eq!(numbers(&journal.resume(2, None)), [3, 4, 5]);
        assert_eq!(numbers(&journal.resume(0, None)), [1, 2, 3, 4, 5], "an older state needs more");
        assert!(journal.resume(5, None).messages.is_empty());
    }

    #[test]
    fn what_failed_is_left_out_and_the_numbers_close_up() {
        let mut journal = journal(10, 8);
        let failure = Failure { handled: 3, again: false };
        let replay = journal.resume(1, Some(failure));
        assert_eq!((numbers(&replay), replay.refused, replay.dead), (vec![2, 3, 5, 7, 8], 3, 0), "4 failed, 6 was a call");
        // 5 is now the fourth, and fails too.
        let replay = journal.resume(1, Some(failure));
        assert_eq!(numbers(&replay), [2, 3, 7, 8]);
        journal.push(9, false, &[9]);
        journal.forget(4);
        assert_eq!(numbers(&journal.resume(4, None)), [8, 9], "1, 2, 3 and 7 are held elsewhere");
    }

    #[test]
    fn what_a_loss_interrupted_is_tried_once_more() {
        let mut journal = journal(10, 4);
        let failure = Some(Failure { handled: 2, again: true });
        let replay = journal.resume(0, failure);
        assert_eq!((numbers(&replay), replay.dead), (vec![1, 2, 3, 4], 0), "also if it was a call");
        let replay = journal.resume(0, failure);
        assert_eq!((numbers(&replay), replay.dead), (vec![1, 2, 4], 1));
    }

    #[test]
    fn what_a_full_journal_has_lost_is_counted() {
        let mut journal = journal(3, 8);
        let replay = journal.resume(2, None);
        assert_eq!((numbers(&replay), replay.lost), (vec![6, 7, 8], 3), "3, 4 and 5");
        let replay = journal.resume(2, None);
        assert_eq!((numbers(&replay), replay.lost), (vec![6, 7, 8], 0), "once");
        journal.forget(4);
        assert_eq!(numbers(&journal.resume(4, None)), [8], "the state of 4 holds 1, 2, 6 and 7");
    }

    #[test]
    fn a_state_ahead_of_the_journal_needs_nothing() {
        let mut journal = journal(3, 8);
        journal.forget(100);
        assert_eq!(journal.resume(8, None), Replay::default());
        journal.push(9, false, &[]);
        assert_eq!(numbers(&journal.resume(8, None)), [9]);
    }
}
