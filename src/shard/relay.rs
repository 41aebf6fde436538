//! Messages from actors of other devices that wait for room in a shard's ring.
//!
//! - **BD-1 (order)** They enter the ring in the order in which they were offered. Control frames go ahead of them, messages of the
//!   application wait until there are none: so what is on its way between devices is not made more by those.
//! - **BD-2 (bounded)** So many slots may wait. With one frame more its bringer waits itself, and its device in the end with it.
//! - **BD-3 (no circle)** Rings whose bringers wait for each other would stand still for good. So where a shard takes nothing for [`STILL`], twice as
//!   much may wait, until nothing does; that is how bounded channels of a network of processes are run (Parks, *Bounded Scheduling of
//!   Process Networks*, 1995). With [`MOST`] waiting for a shard that goes on standing still for [`GIVE_UP`], more is refused until it moves.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use resident_gpu::ring::Frame;
use resident_kernels::wire::slots_for;

/// Slots that may wait at first: as many as the smallest inbox of a device has.
const LEAST: u64 = 1 << 12;
/// Slots that may ever wait, 64 MiB of them.
const MOST: u64 = 1 << 20;
/// How long a shard takes nothing before more may wait for it: as long as a handler waits for room in its outbox.
const STILL: Duration = Duration::from_millis(100);
/// How long one for which as much waits as ever may is waited for: longer than a takeover.
const GIVE_UP: Duration = Duration::from_secs(10);

/// What came of a message that was brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relay {
    /// It is in the ring, or waits for room there.
    Taken,
    /// It is to be brought again.
    Wait,
    /// Its shard does not take it any more.
    Refused,
}

/// A frame that has left the ring it came by.
pub(crate) struct Relayed {
    op: u16,
    message: u16,
    row: u32,
    generation: u32,
    correlation: u32,
    payload: Box<[u8]>,
}

impl Relayed {
    pub(crate) fn of(frame: &Frame<'_>) -> Relayed {
        let Frame { op, message, row, generation, correlation, payload, .. } = *frame;
        Relayed { op, message, row, generation, correlation, payload: payload.into() }
    }

    /// The frame, without a stamp.
    pub(crate) fn frame(&self) -> Frame<'_> {
        let Relayed { op, message, row, generation, correlation, ref payload } = *self;
        Frame { op, message, row, generation, correlation, payload, ..Frame::default() }
    }

    fn slots(&self) -> u64 {
        slots_for(self.payload.len()) as u64
    }
}

/// What waits for one shard.
pub(crate) struct Relays {
    waiting: VecDeque<Relayed>,
    bound: Bound,
}

impl Relays {
    pub(crate) fn new() -> Relays {
        Relays { waiting: VecDeque::new(), bound: Bound::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The next one that is to enter the ring.
    pub(crate) fn next(&self) -> Option<&Relayed> {
        self.waiting.front()
    }

    /// It is in the ring.
    pub(crate) fn pushed(&mut self) {
        if let Some(relayed) = self.waiting.pop_front() {
            self.bound.leaves(relayed.slots());
        }
    }

    /// Has a frame wait, if it may. The shard has taken `head` slots of its ring by `now`.
    pub(crate) fn offer(&mut self, frame: &Frame<'_>, head: u64, now: Instant) -> Relay {
        let relay = self.bound.asks(slots_for(frame.payload.len()) as u64, head, now);
        if relay == Relay::Taken {
            self.waiting.push_back(Relayed::of(frame));
        }
        relay
    }
}

/// How much may wait.
struct Bound {
    slots: u64,
    most: u64,
    /// How far the shard was when somebody had to wait, and when it was seen to come there.
    stands: Option<(u64, Instant)>,
}

impl Bound {
    fn new() -> Bound {
        Bound { slots: 0, most: LEAST, stands: None }
    }

    fn asks(&mut self, slots: u64, head: u64, now: Instant) -> Relay {
        if self.slots + slots > self.most {
            let since = self.stands.filter(|(at, _)| *at == head).map_or(now, |(_, since)| since);
            self.stands = Some((head, since));
            match now - since {
                still if still < STILL => return Relay::Wait,
                still if self.most == MOST => return if still < GIVE_UP { Relay::Wait } else { Relay::Refused },
                _ => {}
            }
            self.most *= 2;
            self.stands = Some((head, now));
        }
        self.slots += slots;
        Relay::Taken
    }

    fn leaves(&mut self, slots: u64) {
        self.slots -= slots;
        if self.slots == 0 {
            *self = Bound::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BD-2: as much as may wait does, and it is forgotten that more did once nothing does.
    #[test]
    fn so_much_may_wait() {
        let (mut bound, begun) = (Bound::new(), Instant::now());
        assert!((0..LEAST).all(|_| bound.asks(1, 7, begun) == Relay::Taken));
        for (head, after) in [(7, 0), (7, 99), (8, 150), (8, 249), (9, 1000), (10, 2000)] {
            assert_eq!(bound.asks(1, head, begun + Duration::from_millis(after)), Relay::Wait, "{head} at {after} ms: it goes on");
        }
        bound.leaves(2);
        assert_eq!([bound.asks(2, 10, begun), bound.asks(1, 11, begun)], [Relay::Taken, Relay::Wait]);
        bound.leaves(LEAST);
        assert_eq!([bound.asks(LEAST, 11, begun + STILL * 100), bound.asks(1, 11, begun + STILL * 100)], [Relay::Taken, Relay::Wait]);
    }

    /// BD-3: for a shard that stands still twice as much may wait, and twice that, and in the end nothing more.
    #[test]
    fn more_may_wait_for_one_that_stands_still() {
        let (mut bound, mut now) = (Bound::new(), Instant::now());
        let mut waiting = 0;
        for most in (12..=20).map(|log2| 1 << log2) {
            while bound.asks(1, 3, now) == Relay::Taken {
                waiting += 1;
            }
            assert_eq!(waiting, most);
            now += STILL;
        }
        assert_eq!([bound.asks(1, 3, now), bound.asks(1, 3, now + GIVE_UP - 2 * STILL)], [Relay::Wait; 2]);
        now += GIVE_UP - STILL;
        assert_eq!([bound.asks(1, 3, now), bound.asks(21, 3, now)], [Relay::Refused; 2]);
        assert_eq!(bound.asks(1, 4, now), Relay::Wait, "it has gone on");
        bound.leaves(waiting);
        assert_eq!([bound.asks(LEAST, 4, now), bound.asks(1, 4, now)], [Relay::Taken, Relay::Wait]);
    }
}
