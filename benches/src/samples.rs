//! Measured values, and what is said of them.

use serde::Serialize;

/// The most raw samples of a series that go to a file.
const KEPT: usize = 20_000;

/// Durations of one kind of thing, in nanoseconds, in the order in which they were taken.
#[derive(Clone, Debug)]
pub struct Series {
    /// What was timed.
    pub name: String,
    values: Vec<f64>,
    /// Index of each round's first value.
    rounds: Vec<usize>,
}

/// A series in five numbers, in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Summary {
    /// Values.
    pub n: usize,
    /// The least.
    pub min: f64,
    /// The median.
    pub p50: f64,
    /// One in a hundred is larger.
    pub p99: f64,
    /// One in a thousand is larger.
    pub p99_9: f64,
    /// The largest.
    pub max: f64,
}

impl Series {
    /// An empty series.
    pub fn new(name: impl Into<String>) -> Series {
        Series { name: name.into(), values: Vec::new(), rounds: Vec::new() }
    }

    /// What follows belongs to another round.
    pub fn begin_round(&mut self) {
        self.rounds.push(self.values.len());
    }

    /// Adds a round's values.
    pub fn extend(&mut self, nanos: &[f64]) {
        self.values.extend_from_slice(nanos);
    }

    /// All values; `None` while there are none.
    pub fn summary(&self) -> Option<Summary> {
        summary(&self.values)
    }

    /// The median of each round, which shows a drift.
    pub fn medians(&self) -> Vec<f64> {
        let ends = self.rounds.iter().skip(1).copied().chain([self.values.len()]);
        self.rounds.iter().zip(ends).filter_map(|(&from, to)| summary(&self.values[from..to])).map(|s| s.p50).collect()
    }

    /// Every so-many-th value, and how many that is, so that at most 20,000 are left.
    pub fn thinned(&self) -> (usize, Vec<f64>) {
        let every = self.values.len().div_ceil(KEPT).max(1);
        (every, self.values.iter().copied().step_by(every).collect())
    }
}

/// The five numbers of `values`; `None` when there are none.
pub fn summary(values: &[f64]) -> Option<Summary> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |q: f64| sorted[((sorted.len() as f64 * q) as usize).min(sorted.len() - 1)];
    Some(Summary { n: sorted.len(), min: *sorted.first()?, p50: at(0.5), p99: at(0.99), p99_9: at(0.999), max: *sorted.last()? })
}

/// How many of a thing were done in a second, or a ratio, round by round.
#[derive(Clone, Debug)]
pub struct Rates {
    /// What was done.
    pub name: String,
    /// Each round's.
    pub values: Vec<f64>,
}

impl Rates {
    /// The median round, between two of them if their number is even; `None` while there is none.
    pub fn median(&self) -> Option<f64> {
        let mut sorted = self.values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
        Some((low + high) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_count_from_the_least() {
        let mut series = Series::new("x");
        assert!(series.summary().is_none());
        series.begin_round();
        series.extend(&(0..1000).rev().map(f64::from).collect::<Vec<_>>());
        let s = series.summary().unwrap();
        assert_eq!((s.n, s.min, s.p50, s.p99, s.p99_9, s.max), (1000, 0.0, 500.0, 990.0, 999.0, 999.0));
    }

    #[test]
    fn a_rate_s_median_is_between_the_middle_rounds() {
        let median = |values: &[f64]| Rates { name: "x".into(), values: values.to_vec() }.median();
        assert_eq!((median(&[]), median(&[3.0])), (None, Some(3.0)));
        assert_eq!((median(&[3.0, 1.0]), median(&[9.0, 1.0, 2.0])), (Some(2.0), Some(2.0)));
    }

    #[test]
    fn rounds_are_told_apart() {
        let mut series = Series::new("x");
        for round in 1..=3 {
            series.begin_round();
            series.extend(&[f64::from(round); 5]);
        }
        assert_eq!(series.medians(), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn thinning_keeps_the_order_and_the_limit() {
        let mut series = Series::new("x");
        series.extend(&(0..50_001).map(f64::from).collect::<Vec<_>>());
        let (every, kept) = series.thinned();
        assert_eq!((every, kept.len()), (3, 16_667));
        assert_eq!(&kept[..3], [0.0, 3.0, 6.0]);
    }
}
