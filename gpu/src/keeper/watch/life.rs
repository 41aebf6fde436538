//! What the signs of life of a device tell: since when it gives none, and how much time its shards have had.
//!
//! Other processes stop a GPU, in their turns for some milliseconds and by a trap of theirs for most of a second. That time is no
//! handler's, so it is not counted.

use std::time::Duration;

use super::{At, STALL};

/// Two signs of a device that lives lie no further apart, as they are seen; what lies further apart counts as this much.
pub(super) const GAP: Duration = Duration::from_millis(10);

/// One device's life, as it is seen.
#[derive(Debug)]
pub(super) struct Life {
    /// The sum of the shards' signs of life, and how many run.
    known: (u64, usize),
    /// Since when it is that.
    since: Duration,
    seen: Duration,
    had: Duration,
}

impl Life {
    pub(super) fn new(now: Duration) -> Life {
        Life { known: (0, 0), since: now, seen: now, had: Duration::ZERO }
    }

    /// Notes what was seen. Shards that were told to leave give no more signs, so their silence counts as time once no stall takes
    /// that long.
    pub(super) fn see(&mut self, shards: &[At], leaving: bool, now: Duration) {
        let known = (shards.iter().fold(0, |sum: u64, at| sum.wrapping_add(at.beat)), shards.iter().filter(|at| at.running).count());
        let before = self.quiet();
        self.seen = now;
        if known != self.known || known.1 == 0 {
            self.had += now.saturating_sub(self.since).min(GAP);
            (self.known, self.since) = (known, now);
        } else if leaving {
            self.had += self.quiet().saturating_sub(STALL) - before.saturating_sub(STALL);
        }
    }

    /// How long no sign has come, though a shard runs.
    pub(super) fn quiet(&self) -> Duration {
        self.seen.saturating_sub(self.since)
    }

    /// The time that the shards have had.
    pub(super) fn had(&self) -> Duration {
        self.had
    }
}
