//! How long a restart waits: doubling from restart to restart, scattered, and from the beginning again after a quiet time.

use std::time::Duration;

/// A child's backoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Backoff {
    /// The first delay.
    pub min: Duration,
    /// What no delay exceeds, before jitter.
    pub max: Duration,
    /// Up to so many percent of the delay are added at random, so that many do not come back at once.
    pub jitter_percent: u32,
    /// A child that ran for so long begins at `min` again.
    pub reset_after: Duration,
}

impl Backoff {
    /// From `min`, doubling up to `max`, with 20 % jitter, reset after `max`.
    pub fn new(min: Duration, max: Duration) -> Backoff {
        Backoff { min, max, jitter_percent: 20, reset_after: max }
    }

    /// The delay of the restart after `attempts` others.
    pub(crate) fn delay(&self, attempts: u32, jitter: &mut Jitter) -> Duration {
        let factor = 1u32.checked_shl(attempts).unwrap_or(u32::MAX);
        let delay = self.min.saturating_mul(factor).min(self.max);
        let added = delay.as_nanos().saturating_mul(self.jitter_percent as u128) / 100;
        let drawn = (added * (jitter.next() as u128)) >> 64;
        delay.saturating_add(Duration::from_nanos(drawn.min(u64::MAX as u128) as u64))
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): a seed in, the same sequence out.
#[derive(Debug)]
pub(crate) struct Jitter(pub(crate) u64);

impl Jitter {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn delays_double_up_to_the_greatest() {
        let backoff = Backoff { jitter_percent: 0, ..Backoff::new(SECOND, 10 * SECOND) };
        let delays: Vec<u64> = (0..6).map(|attempts| backoff.delay(attempts, &mut Jitter(1)).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 10, 10]);
        assert_eq!(backoff.delay(u32::MAX, &mut Jitter(1)), 10 * SECOND);
    }

    #[test]
    fn jitter_stays_within_its_share_and_follows_the_seed() {
        let backoff = Backoff::new(SECOND, 10 * SECOND);
        let draw = |seed| {
            let mut jitter = Jitter(seed);
            (0..1000).map(|_| backoff.delay(0, &mut jitter)).collect::<Vec<_>>()
        };
        let delays = draw(7);
        assert!(delays.iter().all(|delay| (SECOND..=SECOND.mul_f64(1.2)).contains(delay)));
        assert!(delays.iter().max().unwrap().as_millis() > 1190 && delays.iter().min().unwrap().as_millis() < 1010);
        assert_eq!(delays, draw(7));
        assert_ne!(delays, draw(8));
    }
}
