//! Asks with the worker a process and a thread: what the process costs while nothing is wrong.

use super::Ours;
use super::round_trips::{Counters, WARM_UP};
use crate::rounds::{Contender, Error, Record};
use resident::Isolation;
use resident_test_actors::Counter;

/// Asks of all shards in turn, the worker in one place.
pub struct Asks<'r> {
    ours: Ours<'r>,
    isolation: Isolation,
    samples: u32,
}

impl<'r> Asks<'r> {
    /// So many in each round.
    pub fn new(ours: Ours<'r>, isolation: Isolation, samples: u32) -> Asks<'r> {
        Asks { ours: ours.with(|config| config.isolation = isolation), isolation, samples }
    }

    /// What the table calls them.
    pub fn series(title: &str, isolation: Isolation) -> String {
        let place = match isolation {
            Isolation::Process => "process",
            Isolation::Thread => "thread",
        };
        format!("{title}, ask, worker a {place}")
    }
}

impl Contender for Asks<'_> {
    fn name(&self) -> String {
        Asks::series(&self.ours.title(), self.isolation)
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let samples = self.samples as usize;
        self.ours.system(|system| {
            let mut counters = Counters::new(self.ours.on_every_shard(system, Counter::default)?);
            counters.asks(WARM_UP, |i, shards| i * 7 % shards)?;
            record.times(&self.name(), &counters.asks(samples, |i, shards| i * 7 % shards)?);
            record.checked(&self.name(), samples as u64);
            Ok(())
        })
    }
}
