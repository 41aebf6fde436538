//! Contenders in turn: there, and back again.

use crate::samples::{Rates, Series};

/// Any error; a contender's own says what to do.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// One way to do the work. It is resident only inside [`Contender::round`]: the others run on a machine of their own.
pub trait Contender {
    /// What the table calls it.
    fn name(&self) -> String;
    /// Measures once and hands the values to `record`. An error ends this contender, and says so in the report.
    fn round(&mut self, record: &mut Record) -> Result<(), Error>;
}

/// What was measured, in the order in which it first came.
#[derive(Default)]
pub struct Record {
    round: u32,
    series: Vec<(u32, Series)>,
    rates: Vec<Rates>,
    ratios: Vec<Rates>,
    counts: Vec<(String, u64)>,
    checked: Vec<(String, u64)>,
    absent: Vec<(String, String)>,
    failed: Vec<(String, String)>,
}

impl Record {
    /// Adds durations in nanoseconds to series `name`.
    pub fn times(&mut self, name: &str, nanos: &[f64]) {
        let at = self.series.iter().position(|(_, s)| s.name == name).unwrap_or_else(|| {
            self.series.push((0, Series::new(name)));
            self.series.len() - 1
        });
        let (last, series) = &mut self.series[at];
        if *last != self.round {
            *last = self.round;
            series.begin_round();
        }
        series.extend(nanos);
    }

    /// Adds a round's rate, per second.
    pub fn rate(&mut self, name: &str, per_second: f64) {
        push(&mut self.rates, name, per_second);
    }

    /// Adds a round's ratio.
    pub fn ratio(&mut self, name: &str, ratio: f64) {
        push(&mut self.ratios, name, ratio);
    }

    /// Adds to a number that is neither a duration nor a rate.
    pub fn count(&mut self, name: &str, more: u64) {
        add(&mut self.counts, name, more);
    }

    /// Counts answers that were compared with what they had to be.
    pub fn checked(&mut self, name: &str, answers: u64) {
        add(&mut self.checked, name, answers);
    }

    /// Says that `name` was not run, and why.
    pub fn absent(&mut self, name: &str, why: &str) {
        self.absent.push((name.into(), why.into()));
    }

    /// Every series.
    pub fn series(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().map(|(_, s)| s)
    }

    /// One series.
    pub fn find(&self, name: &str) -> Option<&Series> {
        self.series().find(|s| s.name == name)
    }

    /// Every rate.
    pub fn rates(&self) -> &[Rates] {
        &self.rates
    }

    /// The median of one rate, per second.
    pub fn median_rate(&self, name: &str) -> Option<f64> {
        self.rates.iter().find(|r| r.name == name)?.median()
    }

    /// Every ratio.
    pub fn ratios(&self) -> &[Rates] {
        &self.ratios
    }

    /// The median of one ratio.
    pub fn median_ratio(&self, name: &str) -> Option<f64> {
        self.ratios.iter().find(|r| r.name == name)?.median()
    }

    /// Every number.
    pub fn counts(&self) -> &[(String, u64)] {
        &self.counts
    }

    /// One number.
    pub fn counted(&self, name: &str) -> Option<u64> {
        self.counts.iter().find(|(n, _)| n == name).map(|(_, count)| *count)
    }

    /// Answers compared, by contender.
    pub fn all_checked(&self) -> &[(String, u64)] {
        &self.checked
    }

    /// What was not run, and why.
    pub fn all_absent(&self) -> &[(String, String)] {
        &self.absent
    }

    /// What failed, and how.
    pub fn failed(&self) -> &[(String, String)] {
        &self.failed
    }
}

fn push(to: &mut Vec<Rates>, name: &str, value: f64) {
    match to.iter_mut().find(|r| r.name == name) {
        Some(rates) => rates.values.push(value),
        None => to.push(Rates { name: name.into(), values: vec![value] }),
    }
}

fn add(to: &mut Vec<(String, u64)>, name: &str, more: u64) {
    match to.iter_mut().find(|(n, _)| n == name) {
        Some((_, count)) => *count += more,
        None => to.push((name.into(), more)),
    }
}

/// Runs every contender `rounds` times, in order in the first round, in reverse in the second, and so on.
pub fn run(mut contenders: Vec<Box<dyn Contender + '_>>, rounds: u32, only: Option<&str>, record: &mut Record) {
    contenders.retain(|c| only.is_none_or(|text| c.name().contains(text)));
    for round in 1..=rounds {
        record.round = round;
        let mut left = Vec::with_capacity(contenders.len());
        for mut contender in contenders {
            eprintln!("round {round} of {rounds}: {}", contender.name());
            match contender.round(record) {
                Ok(()) => left.push(contender),
                Err(error) => record.failed.push((contender.name(), error.to_string())),
            }
        }
        left.reverse();
        contenders = left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::RefCell, rc::Rc};

    struct Named(&'static str, Rc<RefCell<String>>);

    impl Contender for Named {
        fn name(&self) -> String {
            self.0.into()
        }
        fn round(&mut self, record: &mut Record) -> Result<(), Error> {
            self.1.borrow_mut().push_str(self.0);
            record.times(self.0, &[1.0]);
            record.checked(self.0, 2);
            if self.0 == "c" { Err("broken".into()) } else { Ok(()) }
        }
    }

    #[test]
    fn rounds_go_there_and_back() {
        let order = Rc::new(RefCell::new(String::new()));
        let contenders = ["a", "b", "c"].map(|n| Box::new(Named(n, order.clone())) as Box<dyn Contender>);
        let mut record = Record::default();
        run(contenders.into(), 3, None, &mut record);
        assert_eq!(*order.borrow(), "abcbaab", "and a contender that failed is out");
        assert_eq!(record.failed(), [("c".into(), "broken".into())]);
        assert_eq!(record.find("a").unwrap().medians().len(), 3);
        assert_eq!(record.all_checked()[0], ("a".into(), 6));
    }
}
