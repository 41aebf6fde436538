//! How often a worker looks at shards that may ask for a new generation, or trap.

use std::time::{Duration, Instant};

/// Between two looks at shards that work: what ails one of them is not left waiting.
const BRISK: Duration = Duration::from_micros(200);
/// Between two looks at shards that have done nothing for `STILL`: a look costs microseconds, on a GPU a line of memory that the device has
/// written for each shard, and who has nothing to do has nothing to ask for.
const CALM: Duration = Duration::from_millis(2);
const STILL: Duration = Duration::from_millis(10);

/// Whether the shards work.
pub(crate) struct Pace {
    done: u64,
    since: Instant,
}

impl Pace {
    /// Of shards that begin.
    pub(crate) fn new(now: Instant) -> Pace {
        Pace { done: 0, since: now }
    }

    /// How long until the next look, where `done` is what the shards have done in all by now.
    pub(crate) fn rest(&mut self, done: u64, now: Instant) -> Duration {
        if done != self.done {
            *self = Pace { done, since: now };
        }
        if now - self.since < STILL { BRISK } else { CALM }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_that_do_nothing_are_looked_at_less_often_until_they_do_something() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let mut pace = Pace::new(begun);
        assert_eq!(pace.rest(0, at(9)), BRISK, "it has just begun");
        assert_eq!(pace.rest(0, at(10)), CALM);
        assert_eq!(pace.rest(1, at(11)), BRISK);
        assert_eq!(pace.rest(1, at(20)), BRISK);
        assert_eq!(pace.rest(1, at(21)), CALM);
        // A shard's numbers begin anew with another worker.
        assert_eq!(pace.rest(0, at(22)), BRISK);
    }
}
