//! How many restarts there were of late.

use std::collections::VecDeque;
use std::time::Duration;

/// The restarts that still count, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Intensity {
    restarts: VecDeque<Duration>,
}

impl Intensity {
    /// Notes a restart at `now`; false if that is more than `limit` within `period`. One exactly `period` ago counts.
    pub(crate) fn admit(&mut self, limit: u32, period: Duration, now: Duration) -> bool {
        while self.restarts.front().is_some_and(|&restart| now.saturating_sub(restart) > period) {
            self.restarts.pop_front();
        }
        self.restarts.push_back(now);
        self.restarts.len() <= limit as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_allowed_and_one_more() {
        for limit in 0..5 {
            let mut intensity = Intensity::default();
            for _ in 0..limit {
                assert!(intensity.admit(limit, Duration::from_secs(1), Duration::ZERO));
            }
            assert!(!intensity.admit(limit, Duration::from_secs(1), Duration::ZERO));
        }
    }

    #[test]
    fn a_restart_counts_for_exactly_the_period() {
        let (period, instant) = (Duration::from_secs(5), Duration::from_nanos(1));
        let mut intensity = Intensity::default();
        assert!(intensity.admit(1, period, Duration::ZERO));
        assert!(!intensity.admit(1, period, period));
        let mut intensity = Intensity::default();
        assert!(intensity.admit(1, period, Duration::ZERO));
        assert!(intensity.admit(1, period, period + instant));
    }
}
