//! Finds the message that a device was lost by, and spares those that were merely being handled at the time.
//!
//! A loss ends all shards of a device, wherever they are, so several messages may have been begun. The engine can put an actor's
//! state back and handle its message as if for the first time (engine.h, E-6), so:
//!
//! - the worker was killed: no message did that, all are handled again;
//! - handlers hung: those are blamed, the others handled again;
//! - a trap or an illegal address, and one message was being handled: it is blamed;
//! - the same, and several were: every shard holds still while they are handled again one after another. If the device is lost once
//!   more, it was by the one whose turn it was.
//!
//! What is decided stands in the shards' control words, where the next worker finds it should this one be lost.

use std::collections::VecDeque;

use resident_kernels::wire::{FAULT_ADDRESS, FAULT_HANG, FAULT_TRAP, HANDLING, HOLD, LOSS, RETRY, ShardState};

use super::Loss;
use crate::region::Region;

/// What is still to be found out.
#[derive(Debug, Default)]
pub(crate) struct Inquest {
    /// Shards whose message has yet to be handled again, alone.
    suspects: VecDeque<u32>,
    /// The one whose turn it is.
    current: Option<u32>,
    /// The shards' words still say something of the loss.
    open: bool,
}

impl Inquest {
    /// Decides what the shards are to do, ahead of the launch.
    pub(crate) fn open(region: &Region, states: &[ShardState], loss: &Loss) -> Inquest {
        let before: Vec<u32> = (0..states.len() as u32).map(|shard| region.control(shard).loss()).collect();
        let begun: Vec<bool> = states.iter().map(|state| (state.ingress | state.inbox) & HANDLING != 0).collect();
        let verdicts = judge(&begun, &before, loss);
        for (shard, word) in (0u32..).zip(&verdicts) {
            region.control(shard).set_loss(*word);
        }
        let suspects = (0u32..).zip(&verdicts).filter(|(shard, word)| *word & HOLD != 0 && begun[*shard as usize]);
        Inquest { suspects: suspects.map(|(shard, _)| shard).collect(), current: None, open: true }
    }

    /// The next step, once the one before is done; true when there is none left.
    pub(crate) fn go_on(&mut self, region: &Region) -> bool {
        let launch = region.header().launches() as u32;
        let settled = |shard: u32| region.progress(shard).settled() == launch;
        if !self.open {
            return true;
        }
        if self.current.is_some_and(|shard| !settled(shard)) {
            return false;
        }
        self.current = self.suspects.pop_front();
        let shards = 0..region.geometry().shards;
        if let Some(shard) = self.current {
            let word = region.control(shard);
            word.set_loss(word.loss() & !HOLD);
            return false;
        }
        for shard in shards.clone() {
            let word = region.control(shard);
            word.set_loss(word.loss() & !HOLD);
        }
        if !shards.clone().all(settled) {
            return false;
        }
        for shard in shards {
            region.control(shard).set_loss(0);
        }
        self.open = false;
        true
    }
}

/// Each shard's word: `begun` says that it was handling a message, `before` what its word was in the launch that was lost.
fn judge(begun: &[bool], before: &[u32], loss: &Loss) -> Vec<u32> {
    let held = |shard: usize| before[shard] & HOLD != 0;
    let by_a_message = matches!(loss.fault, FAULT_TRAP | FAULT_ADDRESS);
    let hung = |shard: usize| loss.hung.contains(&(shard as u32));
    // Those that were held had nothing to do with this loss; what they are suspected of is an earlier one.
    let acting = (0..begun.len()).filter(|shard| begun[*shard] && !held(*shard) && !hung(*shard)).count();
    let word = |shard: usize| {
        let fault = LOSS | u32::from(loss.fault);
        match (begun[shard], held(shard)) {
            (true, true) => before[shard],
            (true, false) if hung(shard) => LOSS | u32::from(FAULT_HANG),
            (true, false) if by_a_message && acting == 1 => fault,
            (true, false) if by_a_message => fault | RETRY | HOLD,
            _ => fault | RETRY,
        }
    };
    let mut words: Vec<u32> = (0..begun.len()).map(word).collect();
    if (0..begun.len()).any(|shard| begun[shard] && words[shard] & HOLD != 0) {
        // Nothing else is handled meanwhile.
        for word in &mut words {
            *word |= HOLD;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use resident_kernels::wire::FAULT_WORKER;

    fn loss(fault: u16) -> Loss {
        Loss { fault, hung: Vec::new() }
    }

    /// What is decided of each shard: blamed, handled again, handled again when its turn comes, held meanwhile.
    fn verdicts(words: &[u32]) -> String {
        words
            .iter()
            .map(|word| match (word & RETRY != 0, word & HOLD != 0) {
                (false, false) => 'b',
                (true, false) => 'r',
                (true, true) => 'h',
                (false, true) => 'B',
            })
            .collect()
    }

    #[test]
    fn a_kill_is_nobodys_fault() {
        assert_eq!(verdicts(&judge(&[true, false, true], &[0; 3], &loss(FAULT_WORKER))), "rrr");
    }

    #[test]
    fn who_hangs_is_blamed() {
        let loss = Loss { fault: FAULT_HANG, hung: vec![2] };
        let words = judge(&[true, false, true], &[0; 3], &loss);
        assert_eq!(verdicts(&words), "rrb");
        assert_eq!(words[2] & 0xffff, u32::from(FAULT_HANG));
    }

    #[test]
    fn the_only_one_is_blamed() {
        let words = judge(&[false, true, false], &[0; 3], &loss(FAULT_TRAP));
        assert_eq!(verdicts(&words), "rbr");
        assert_eq!(words[1], LOSS | u32::from(FAULT_TRAP));
    }

    #[test]
    fn of_several_each_has_its_turn_and_the_one_that_does_it_again_is_blamed() {
        let first = judge(&[true, true, true, false], &[0; 4], &loss(FAULT_TRAP));
        assert_eq!(verdicts(&first), "hhhh");
        // The first has come past it, the second had its turn when the device was lost again.
        let mut before = first.clone();
        before[0] &= !HOLD;
        before[1] &= !HOLD;
        let second = judge(&[false, true, true, false], &before, &loss(FAULT_ADDRESS));
        assert_eq!(verdicts(&second), "hBhh", "the others are still held, the third still suspected");
        assert_eq!(second[1] & 0xffff, u32::from(FAULT_ADDRESS));
        assert_eq!(second[2] & 0xffff, u32::from(FAULT_TRAP));
    }

    #[test]
    fn a_kill_in_between_clears_nobody() {
        let first = judge(&[true, true], &[0; 2], &loss(FAULT_TRAP));
        let mut before = first.clone();
        before[0] &= !HOLD;
        assert_eq!(verdicts(&judge(&[true, true], &before, &loss(FAULT_WORKER))), "hh");
    }
}
