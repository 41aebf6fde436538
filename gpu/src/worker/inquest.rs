//! Finds the message that a device was lost by, and spares those that were merely being handled at the time.
//!
//! A loss ends all shards of a device, wherever they are, so several messages may have been begun. The engine can put an actor's
//! state back and handle its message as if for the first time (engine.h, E-6), so:
//!
//! - the worker was killed: no message did that, all are handled again;
//! - a handler panicked where panics abort: it is blamed, all others are handled again;
//! - the handlers of a shard hung: if it was at one message that is blamed, otherwise all are handled again, one after another;
//! - a trap or an illegal address, and one message was being handled: it is blamed;
//! - the same, and several were: every shard holds still while they are handled again one after another.
//!
//! A shard handles what it had begun once more one after another, and keeps which one it is at. If the device is lost then by what a
//! message does, or that one hangs, it is blamed.
//!
//! What is decided stands in the shards' control words, where the next worker finds it should this one be lost.

use std::collections::VecDeque;

use resident_kernels::wire::{
    BEGUN_MESSAGES, BatchState, FAULT_ADDRESS, FAULT_HANG, FAULT_PANIC, FAULT_TRAP, FAULT_WORKER, HOLD, LOSS, RETRY, ShardState, WORK_WARPS,
};

use crate::engine::Left;
use crate::protocol::Loss;
use crate::region::Region;

/// What is still to be found out.
#[derive(Debug, Default)]
pub(crate) struct Inquest {
    /// Shards whose messages have yet to be handled again, while no other shard does anything.
    suspects: VecDeque<u32>,
    /// The one whose turn it is.
    current: Option<u32>,
    /// The shards' words still say something of the loss.
    open: bool,
}

impl Inquest {
    /// Decides what the shards are to do, ahead of the launch.
    pub(crate) fn open(region: &Region, left: &Left, loss: &Loss) -> Inquest {
        let shards: Vec<Suspect> = (0u32..).zip(Begun::of(left)).map(|(shard, begun)| (begun, region.control(shard).loss())).collect();
        let verdicts = judge(&shards, loss);
        for (shard, word) in (0u32..).zip(&verdicts) {
            region.control(shard).set_loss(*word);
        }
        let suspects = (0u32..).zip(&verdicts).filter(|(shard, word)| *word & HOLD != 0 && shards[*shard as usize].0.messages > 0);
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

/// What a shard was at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Begun {
    /// Messages that were being handled.
    messages: usize,
    /// One of them was handled once more, after an earlier loss, and nothing beside it.
    alone: bool,
}

impl Begun {
    fn of(left: &Left) -> impl Iterator<Item = Begun> {
        left.shards.iter().zip(left.batches.chunks(WORK_WARPS)).map(|(shard, batches)| {
            let messages = |warp: usize| begun(shard, batches, warp);
            let tried = (shard.trying as usize).checked_sub(1);
            Begun {
                messages: (0..batches.len()).map(messages).sum(),
                alone: tried.is_some_and(|warp| warp < batches.len() && messages(warp) == 1),
            }
        })
    }
}

/// Messages of the batch that a warp has begun and not committed.
fn begun(shard: &ShardState, batches: &[BatchState], warp: usize) -> usize {
    let BatchState { batch, begun, .. } = batches[warp];
    let committed = shard.cursors[2 * warp] + shard.cursors[2 * warp + 1];
    if batch > committed { (begun & BEGUN_MESSAGES) as usize } else { 0 }
}

/// What a shard was at, and what its word was in the launch that was lost.
type Suspect = (Begun, u32);

/// Each shard's word. One without `RETRY` blames the message that was handled alone, or the only one.
fn judge(shards: &[Suspect], loss: &Loss) -> Vec<u32> {
    let held = |shard: usize| shards[shard].1 & HOLD != 0;
    let begun = |shard: usize| shards[shard].0;
    let by_a_message = matches!(loss.fault, FAULT_TRAP | FAULT_ADDRESS);
    let hung = |shard: usize| loss.hung.contains(&(shard as u32));
    // Those that were held had nothing to do with this loss; what they are suspected of is an earlier one.
    let acting: Vec<usize> = (0..shards.len()).filter(|shard| begun(*shard).messages > 0 && !held(*shard) && !hung(*shard)).collect();
    let is_known = |shard: usize| begun(shard).messages == 1 || begun(shard).alone;
    // A handler that has panicked does not come to its end either, and what it did is no other's fault.
    let (of_the_hung, of_others) = if loss.fault == FAULT_PANIC { (FAULT_PANIC, FAULT_WORKER) } else { (FAULT_HANG, loss.fault) };
    let word = |shard: usize| {
        let fault = LOSS | u32::from(of_others);
        match (begun(shard).messages > 0, held(shard)) {
            (true, true) => shards[shard].1,
            (true, false) if hung(shard) => LOSS | u32::from(of_the_hung) | if is_known(shard) { 0 } else { RETRY },
            (true, false) if by_a_message && acting == [shard] && is_known(shard) => fault,
            (true, false) if by_a_message => fault | RETRY | HOLD,
            _ => fault | RETRY,
        }
    };
    let mut words: Vec<u32> = (0..shards.len()).map(word).collect();
    if (0..shards.len()).any(|shard| begun(shard).messages > 0 && words[shard] & HOLD != 0) {
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

    fn loss(fault: u16) -> Loss {
        Loss { fault, hung: Vec::new() }
    }

    const NONE: Begun = Begun { messages: 0, alone: false };
    const ONE: Begun = Begun { messages: 1, alone: false };
    const SEVERAL: Begun = Begun { messages: 5, alone: false };
    const ALONE: Begun = Begun { messages: 5, alone: true };

    /// Of shards at these messages, whose words were 0 or what is given.
    fn words(begun: &[Begun], before: &[u32], loss: &Loss) -> Vec<u32> {
        let before = before.iter().copied().chain(std::iter::repeat(0));
        judge(&begun.iter().copied().zip(before).collect::<Vec<_>>(), loss)
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
        assert_eq!(verdicts(&words(&[ONE, NONE, SEVERAL], &[], &loss(FAULT_WORKER))), "rrr");
    }

    #[test]
    fn who_hangs_is_blamed() {
        let loss = Loss { fault: FAULT_HANG, hung: vec![2] };
        let words = words(&[ONE, NONE, ONE], &[], &loss);
        assert_eq!(verdicts(&words), "rrb");
        assert_eq!(words[2] & 0xffff, u32::from(FAULT_HANG));
    }

    #[test]
    fn of_several_in_a_shard_that_hangs_the_one_that_does_it_again_is_blamed() {
        let loss = Loss { fault: FAULT_HANG, hung: vec![1] };
        assert_eq!(verdicts(&words(&[ONE, SEVERAL], &[], &loss)), "rr");
        assert_eq!(verdicts(&words(&[ONE, ALONE], &[], &loss)), "rb");
    }

    #[test]
    fn a_panic_is_its_handlers_and_nobody_elses() {
        let loss = Loss { fault: FAULT_PANIC, hung: vec![2] };
        let words = words(&[ONE, NONE, ONE], &[], &loss);
        assert_eq!(verdicts(&words), "rrb");
        assert_eq!((words[0] & 0xffff, words[2] & 0xffff), (u32::from(FAULT_WORKER), u32::from(FAULT_PANIC)));
    }

    #[test]
    fn the_only_one_is_blamed() {
        let words = words(&[NONE, ONE, NONE], &[], &loss(FAULT_TRAP));
        assert_eq!(verdicts(&words), "rbr");
        assert_eq!(words[1], LOSS | u32::from(FAULT_TRAP));
    }

    #[test]
    fn of_several_each_has_its_turn_and_the_one_that_does_it_again_is_blamed() {
        let first = words(&[ONE, ONE, ONE, NONE], &[], &loss(FAULT_TRAP));
        assert_eq!(verdicts(&first), "hhhh");
        // The first has come past it, the second had its turn when the device was lost again.
        let mut before = first.clone();
        before[0] &= !HOLD;
        before[1] &= !HOLD;
        let second = words(&[NONE, ONE, ONE, NONE], &before, &loss(FAULT_ADDRESS));
        assert_eq!(verdicts(&second), "hBhh", "the others are still held, the third still suspected");
        assert_eq!(second[1] & 0xffff, u32::from(FAULT_ADDRESS));
        assert_eq!(second[2] & 0xffff, u32::from(FAULT_TRAP));
    }

    #[test]
    fn so_has_each_of_several_in_a_shard() {
        let first = words(&[SEVERAL, NONE], &[], &loss(FAULT_TRAP));
        assert_eq!(verdicts(&first), "hh");
        let mut before = first.clone();
        before[0] &= !HOLD;
        assert_eq!(verdicts(&words(&[ALONE, NONE], &before, &loss(FAULT_TRAP))), "br");
        // Somebody else was at something too: it is not known who.
        assert_eq!(verdicts(&words(&[ALONE, ONE], &[], &loss(FAULT_TRAP))), "hh");
    }

    #[test]
    fn a_kill_in_between_clears_nobody() {
        let first = words(&[ONE, ONE], &[], &loss(FAULT_TRAP));
        let mut before = first.clone();
        before[0] &= !HOLD;
        assert_eq!(verdicts(&words(&[ONE, ONE], &before, &loss(FAULT_WORKER))), "hh");
    }
}
