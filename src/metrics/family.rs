//! A metric in all its series: a cell for each combination of its labels' values.
//!
//! Cells belong to this process and outlive every recorder. Each report takes the recorder's handles anew and tells it all of them, counters as
//! sums. So a recorder that comes late hears everything that was counted before, and one that has dropped a quiet series gets it back.

use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use metrics::{Key, Label, Level, Metadata, Recorder};

use super::table::Row;

static METADATA: Metadata<'static> = Metadata::new("resident", Level::INFO, Some("resident"));

/// The series of a metric with `N` labels of its own.
pub(crate) struct Family<C, const N: usize> {
    /// How many values each label has.
    sizes: [usize; N],
    /// The last label's values vary first.
    series: Box<[(Key, C)]>,
}

/// Adds up.
pub(crate) type Counter<const N: usize> = Family<Sum, N>;
/// Says how things are.
pub(crate) type Gauge<const N: usize> = Family<State, N>;
/// Counts values by their size.
pub(crate) type Histogram<const N: usize> = Family<Values, N>;

/// A metric in all its series.
pub(crate) trait Metric {
    /// Tells the recorder how they stand.
    fn publish(&self, recorder: &dyn Recorder);

    /// There is nothing any more that they could be about.
    fn rest(&self);
}

/// What is known of one series.
pub(crate) trait Cell: Default {
    fn publish(&self, key: &Key, recorder: &dyn Recorder);

    fn rest(&self) {}
}

/// A sum since the process has begun.
#[derive(Default)]
pub(crate) struct Sum(AtomicU64);

/// A number's bits; NaN until there is one.
pub(crate) struct State(AtomicU64);

/// Where values go.
pub(crate) struct Values(ArcSwap<metrics::Histogram>);

impl<C: Cell, const N: usize> Family<C, N> {
    /// The series of a row of the table, all with the labels `own`.
    pub(crate) fn new(row: &Row, own: &[Label]) -> Family<C, N> {
        let mut labels = vec![own.to_vec()];
        for axis in row.axes {
            let with = |value: &&'static str| Label::from_static_parts(axis.name(), value);
            labels =
                labels.iter().flat_map(|own| axis.values().iter().map(|v| [own, &[with(v)][..]].concat()).collect::<Vec<_>>()).collect();
        }
        let series = labels.into_iter().map(|labels| (Key::from_parts(row.name, labels), C::default()));
        Family { sizes: std::array::from_fn(|n| row.axes[n].values().len()), series: series.collect() }
    }

    fn cell(&self, at: [usize; N]) -> Option<&C> {
        let mut places = at.iter().zip(&self.sizes);
        let index = places.try_fold(0, |index, (at, size)| (at < size).then(|| index * size + at))?;
        Some(&self.series[index].1)
    }
}

impl<C: Cell, const N: usize> Metric for Family<C, N> {
    fn publish(&self, recorder: &dyn Recorder) {
        self.series.iter().for_each(|(key, cell)| cell.publish(key, recorder));
    }

    fn rest(&self) {
        self.series.iter().for_each(|(_, cell)| cell.rest());
    }
}

impl<const N: usize> Counter<N> {
    /// So many more at these places of the labels' values.
    pub(crate) fn add(&self, at: [usize; N], more: u64) {
        if let Some(cell) = self.cell(at) {
            cell.0.fetch_add(more, Ordering::Relaxed);
        }
    }
}

impl<const N: usize> Gauge<N> {
    pub(crate) fn set(&self, at: [usize; N], value: f64) {
        if let Some(cell) = self.cell(at) {
            cell.0.store(value.to_bits(), Ordering::Relaxed);
        }
    }
}

impl<const N: usize> Histogram<N> {
    pub(crate) fn record(&self, at: [usize; N], value: f64) {
        if let Some(cell) = self.cell(at) {
            cell.0.load().record(value);
        }
    }
}

impl Cell for Sum {
    fn publish(&self, key: &Key, recorder: &dyn Recorder) {
        recorder.register_counter(key, &METADATA).absolute(self.0.load(Ordering::Relaxed));
    }
}

impl Default for State {
    fn default() -> State {
        State(AtomicU64::new(f64::NAN.to_bits()))
    }
}

impl Cell for State {
    fn publish(&self, key: &Key, recorder: &dyn Recorder) {
        let value = f64::from_bits(self.0.load(Ordering::Relaxed));
        if !value.is_nan() {
            recorder.register_gauge(key, &METADATA).set(value);
        }
    }

    fn rest(&self) {
        if !f64::from_bits(self.0.load(Ordering::Relaxed)).is_nan() {
            self.0.store(0.0f64.to_bits(), Ordering::Relaxed);
        }
    }
}

impl Default for Values {
    fn default() -> Values {
        Values(ArcSwap::from_pointee(metrics::Histogram::noop()))
    }
}

impl Cell for Values {
    fn publish(&self, key: &Key, recorder: &dyn Recorder) {
        self.0.store(recorder.register_histogram(key, &METADATA).into());
    }
}
