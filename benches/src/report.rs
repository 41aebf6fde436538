//! The table on the terminal, and the file behind it.

use crate::date;
use crate::machine::Machine;
use crate::origin::Origin;
use crate::rounds::Record;
use crate::samples::{Rates, Summary};
use serde::Serialize;
use std::path::Path;

/// One sentence of what must be reached, and what was.
#[derive(Clone, Debug, Serialize)]
pub struct Claim {
    /// The sentence.
    pub what: String,
    /// What was measured.
    pub measured: f64,
    /// What it is held against.
    pub limit: f64,
    /// `measured` may be no larger than the limit, not no smaller.
    pub at_most: bool,
    /// Whether it holds.
    pub met: bool,
}

impl Claim {
    /// Holds when `measured` is `limit` or less.
    pub fn at_most(what: impl Into<String>, measured: f64, limit: f64) -> Claim {
        Claim { what: what.into(), measured, limit, at_most: true, met: measured <= limit }
    }

    /// Holds when `measured` is `limit` or more.
    pub fn at_least(what: impl Into<String>, measured: f64, limit: f64) -> Claim {
        Claim { what: what.into(), measured, limit, at_most: false, met: measured >= limit }
    }
}

/// A bench's result.
pub struct Report<'a> {
    /// The bench.
    pub bench: &'a str,
    /// Its command line, as it was understood.
    pub arguments: String,
    /// Where it ran.
    pub machine: Machine,
    /// What it measured.
    pub record: &'a Record,
    /// What was to be reached.
    pub claims: Vec<Claim>,
}

#[derive(Serialize)]
struct File<'a> {
    bench: &'a str,
    #[serde(flatten)]
    origin: Origin,
    /// When it was written, in UTC.
    date: String,
    arguments: &'a str,
    machine: &'a Machine,
    series: Vec<SeriesFile<'a>>,
    rates: Vec<RatesFile<'a>>,
    ratios: Vec<RatesFile<'a>>,
    counts: &'a [(String, u64)],
    claims: &'a [Claim],
    checked: &'a [(String, u64)],
    not_run: &'a [(String, String)],
    failed: &'a [(String, String)],
}

#[derive(Serialize)]
struct SeriesFile<'a> {
    name: &'a str,
    unit: &'static str,
    summary: Option<Summary>,
    /// The median of each round.
    rounds: Vec<f64>,
    /// `samples` has every so-many-th value.
    every: usize,
    samples: Vec<f64>,
}

#[derive(Serialize)]
struct RatesFile<'a> {
    name: &'a str,
    unit: &'static str,
    median: Option<f64>,
    rounds: &'a [f64],
}

impl RatesFile<'_> {
    fn of<'a>(rates: &'a Rates, unit: &'static str) -> RatesFile<'a> {
        RatesFile { name: &rates.name, unit, median: rates.median(), rounds: &rates.values }
    }
}

/// A table of what has a value in each round.
fn print_by_round(unit: &str, all: &[Rates], scale: f64, width: usize) {
    if !all.is_empty() {
        println!("\n{unit:width$} {:>10}   rounds", "median");
    }
    for rates in all {
        let rounds: Vec<_> = rates.values.iter().map(|v| format!("{:.4}", v / scale)).collect();
        println!("{:width$} {:>10.4}   {}", rates.name, rates.median().unwrap_or(0.0) / scale, rounds.join(" "));
    }
}

impl Report<'_> {
    /// Prints the tables.
    pub fn print(&self) {
        let record = self.record;
        println!("\n{}: engine {}; {}; {}", self.bench, Origin::here().engine, self.machine, date::now());
        let by_round = record.rates().iter().chain(record.ratios());
        let width = record.series().map(|s| s.name.len()).chain(by_round.map(|r| r.name.len())).max().unwrap_or(0);
        if record.series().next().is_some() {
            println!("\n{:width$} {:>9} {:>10} {:>10} {:>10} {:>10} {:>10}", "microseconds", "n", "min", "p50", "p99", "p99.9", "max");
        }
        for series in record.series() {
            if let Some(s) = series.summary() {
                let us = |v: f64| v / 1000.0;
                println!(
                    "{:width$} {:>9} {:>10.3} {:>10.3} {:>10.3} {:>10.3} {:>10.3}",
                    series.name,
                    s.n,
                    us(s.min),
                    us(s.p50),
                    us(s.p99),
                    us(s.p99_9),
                    us(s.max)
                );
            }
        }
        print_by_round("millions a second", record.rates(), 1e6, width);
        print_by_round("ratio", record.ratios(), 1.0, width);
        if !record.counts().is_empty() {
            println!();
        }
        for (name, count) in record.counts() {
            println!("{count:>10}  {name}");
        }
        if !self.claims.is_empty() {
            println!("\nto reach");
        }
        for claim in &self.claims {
            let (sign, word) = (if claim.at_most { "<=" } else { ">=" }, if claim.met { "met" } else { "MISSED" });
            println!("{word:>8}  {}: {:.3} ({sign} {:.3})", claim.what, claim.measured, claim.limit);
        }
        let answers: u64 = record.all_checked().iter().map(|(_, n)| n).sum();
        println!("\n{answers} answers compared with what they had to be");
        for (name, why) in record.all_absent() {
            println!("not run: {name}: {why}");
        }
        for (name, how) in record.failed() {
            println!("FAILED: {name}: {how}");
        }
    }

    /// Writes everything to `path` as JSON, the raw samples thinned.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let record = self.record;
        let file = File {
            bench: self.bench,
            origin: Origin::here(),
            date: date::now(),
            arguments: &self.arguments,
            machine: &self.machine,
            series: record
                .series()
                .map(|s| {
                    let (every, samples) = s.thinned();
                    SeriesFile { name: &s.name, unit: "ns", summary: s.summary(), rounds: s.medians(), every, samples }
                })
                .collect(),
            rates: record.rates().iter().map(|r| RatesFile::of(r, "1/s")).collect(),
            ratios: record.ratios().iter().map(|r| RatesFile::of(r, "1")).collect(),
            counts: record.counts(),
            claims: &self.claims,
            checked: record.all_checked(),
            not_run: record.all_absent(),
            failed: record.failed(),
        };
        std::fs::write(path, serde_json::to_string(&file)? + "\n")
    }

    /// Prints, writes if a file is given, and says how the process should end.
    pub fn finish(&self, json: Option<&Path>) -> std::process::ExitCode {
        self.print();
        if let Some(path) = json
            && let Err(error) = self.write(path)
        {
            eprintln!("can not write {}: {error}", path.display());
            return std::process::ExitCode::FAILURE;
        }
        if self.record.failed().is_empty() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
    }
}
