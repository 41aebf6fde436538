//! What the program says at the end.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use flights_actors::Totals;
use indicatif::HumanCount;
use serde::Serialize;

use crate::alerts::Heard;
use crate::fold::Fold;
use crate::injected::Injected;
use crate::rows::Tail;

/// Aircraft in the table of the most delayed.
const MOST_DELAYED: usize = 10;

/// What the actors have counted, and how long that took.
pub struct Run {
    /// Rows read.
    pub rows: u64,
    /// Those of them without a tail number.
    pub skipped: u64,
    /// What each aircraft has counted.
    pub totals: HashMap<Tail, Totals>,
    /// What the alert actor has heard.
    pub heard: Heard,
    /// Rows that an earlier run had read, if this one went on from there.
    pub resumed: Option<u64>,
    /// Flights that this run has sent.
    pub sent: u64,
    /// From opening the input until every row was sent.
    pub read: Duration,
    /// From opening the input until every aircraft had answered with its totals.
    pub all: Duration,
    /// What broke on the way.
    pub injected: Vec<Injected>,
}

/// The report. As JSON it is the numbers alone.
#[derive(Serialize)]
pub struct Report {
    device: String,
    device_name: String,
    rows: u64,
    skipped: u64,
    flights: u64,
    aircraft: usize,
    alerts: u64,
    arr_delay_total: i64,
    air_time_total: i64,
    distance_total: i64,
    equal: bool,
    /// Rows that an earlier run had read, if this one went on from there.
    resumed: Option<u64>,
    messages_per_second: u64,
    seconds: f64,
    injected: Vec<Injected>,
    #[serde(skip)]
    read_seconds: f64,
    #[serde(skip)]
    latest: Option<(Tail, i32)>,
    #[serde(skip)]
    most_delayed: Vec<(Tail, Totals)>,
    #[serde(skip)]
    differences: Vec<String>,
}

impl Report {
    /// Compares `run` with `fold` and sums it up.
    pub fn new(device: &resident::DeviceInfo, run: Run, fold: &Fold) -> Report {
        let differences = differences(&run, fold);
        let sum = |part: fn(&Totals) -> i64| run.totals.values().map(part).sum();
        let flights = run.totals.values().map(|totals| u64::from(totals.flights)).sum();
        let mut most_delayed: Vec<_> = run.totals.iter().map(|(tail, totals)| (*tail, *totals)).collect();
        most_delayed.sort_unstable_by_key(|(tail, totals)| (-totals.arr_delay, *tail));
        most_delayed.truncate(MOST_DELAYED);
        Report {
            device: device.kind.as_str().into(),
            device_name: device.name.clone(),
            rows: run.rows,
            skipped: run.skipped,
            flights,
            aircraft: run.totals.len(),
            alerts: run.heard.alerts,
            arr_delay_total: sum(|totals| totals.arr_delay),
            air_time_total: sum(|totals| totals.air_time),
            distance_total: sum(|totals| totals.distance),
            equal: differences.is_empty(),
            resumed: run.resumed,
            messages_per_second: (run.sent as f64 / run.all.as_secs_f64()) as u64,
            seconds: run.all.as_secs_f64(),
            injected: run.injected,
            read_seconds: run.read.as_secs_f64(),
            latest: run.heard.latest,
            most_delayed,
            differences,
        }
    }

    /// Whether the actors' totals are those of the fold.
    pub fn is_equal(&self) -> bool {
        self.equal
    }
}

/// Where the actors have counted otherwise than the fold, in words.
fn differences(run: &Run, fold: &Fold) -> Vec<String> {
    let mut all = Vec::new();
    let mut compare = |what: &str, actors: u64, fold: u64| {
        if actors != fold {
            all.push(format!("{what}: {actors} by the actors, {fold} by the fold"));
        }
    };
    compare("rows", run.rows, fold.rows);
    compare("rows without a tail number", run.skipped, fold.skipped);
    compare("aircraft", run.totals.len() as u64, fold.totals.len() as u64);
    compare("alerts", run.heard.alerts, fold.totals.values().map(|totals| u64::from(totals.late)).sum());
    for (tail, fold) in &fold.totals {
        match run.totals.get(tail) {
            Some(actor) if actor == fold => {}
            actor => all.push(format!("{tail}: {actor:?} by its actor, {fold:?} by the fold")),
        }
    }
    all
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = HumanCount;
        writeln!(
            f,
            "{} rows: {} flights of {} aircraft, {} without a tail number skipped",
            count(self.rows),
            count(self.flights),
            count(self.aircraft as u64),
            count(self.skipped)
        )?;
        write!(f, "{} landed more than two hours late", count(self.alerts))?;
        match self.latest {
            Some((tail, minutes)) => writeln!(f, ", the latest {tail}: {} minutes", count(minutes.unsigned_abs().into()))?,
            None => writeln!(f)?,
        }
        if !self.most_delayed.is_empty() {
            writeln!(f, "\nMost delayed, by the sum of all arrival delays in minutes, early arrivals taken off:")?;
            writeln!(f, "{:>4}  {:<12} {:>7} {:>7} {:>7} {:>9}", "", "aircraft", "minutes", "flights", "alerts", "mean")?;
        }
        for (place, (tail, totals)) in self.most_delayed.iter().enumerate() {
            let mean = if totals.arrived == 0 { 0.0 } else { totals.arr_delay as f64 / f64::from(totals.arrived) };
            writeln!(f, "{:>4}  {tail:<12} {:>7} {:>7} {:>7} {mean:>9.1}", place + 1, totals.arr_delay, totals.flights, totals.late)?;
        }
        writeln!(
            f,
            "\n{} messages/s: {:.1} ms from opening the input to every aircraft's totals, {:.1} ms of them to the last row sent",
            count(self.messages_per_second),
            self.seconds * 1e3,
            self.read_seconds * 1e3
        )?;
        if let Some(rows) = self.resumed {
            writeln!(f, "Gone on after {} rows of an earlier run", count(rows))?;
        }
        for injected in &self.injected {
            writeln!(f, "Injected: {injected}")?;
        }
        if self.equal {
            return write!(f, "All totals equal a plain fold over the same input.");
        }
        write!(f, "The totals differ from a plain fold over the same input:")?;
        self.differences.iter().take(MOST_DELAYED).try_for_each(|difference| write!(f, "\n  {difference}"))
    }
}
