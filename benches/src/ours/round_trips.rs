//! Asks, calls, spawns and faults, one at a time.

use super::{Ours, PATIENCE};
use crate::rounds::{Contender, Error, Record};
use ractor::call;
use resident::{AskError, FaultClass, GpuRef, Spawn, System};
use resident_test_actors::{AddAndGet, Ask, Counter, CounterMsg, EXPLICIT, Echo, PanicInCall, Panicker, words};
use std::time::Instant;

/// Messages ahead of those that count.
pub(super) const WARM_UP: usize = 1000;

/// What ours does that can be timed one by one.
pub struct RoundTrips<'r> {
    ours: Ours<'r>,
    samples: u32,
    panics: u32,
}

/// The names of its series.
#[derive(Clone, Debug)]
pub struct Names {
    /// A blocking ask of a message that fits in one 64-byte slot, to all shards in turn.
    pub ask: String,
    /// The same to one shard.
    pub ask_one: String,
    /// The same with 56 bytes each way, two slots.
    pub ask_two_slots: String,
    /// `call!` from a tokio task.
    pub call: String,
    /// A spawn with its proxy.
    pub spawn: String,
    /// From a panic to the fault in its caller's hands.
    pub panic: String,
    /// An ask of another actor on that shard, right after.
    pub after_panic: String,
}

impl Names {
    /// The names under `title`.
    pub fn new(title: &str) -> Names {
        let name = |what: &str| format!("{title}, {what}");
        Names {
            ask: name("ask in turn"),
            ask_one: name("ask of one"),
            ask_two_slots: name("ask of 56 bytes in turn"),
            call: name("call! from a task"),
            spawn: name("spawn"),
            panic: name("panic to typed fault"),
            after_panic: name("next ask on that shard"),
        }
    }
}

impl<'r> RoundTrips<'r> {
    /// So many messages, and panics, in each round; a tenth as many spawns as messages.
    pub fn new(ours: Ours<'r>, samples: u32, panics: u32) -> RoundTrips<'r> {
        RoundTrips { ours, samples, panics }
    }

    /// The names of its series.
    pub fn names(&self) -> Names {
        Names::new(&self.ours.title())
    }
}

impl Contender for RoundTrips<'_> {
    fn name(&self) -> String {
        self.ours.title()
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let (names, samples) = (self.names(), self.samples as usize);
        self.ours.system(|system| {
            let mut counters = Counters::new(self.ours.on_every_shard(system, Counter::default)?);
            counters.asks(WARM_UP, |i, shards| i * 7 % shards)?;
            record.times(&names.ask, &counters.asks(samples, |i, shards| i * 7 % shards)?);
            record.times(&names.ask_one, &counters.asks(samples, |_, _| 0)?);
            record.times(&names.ask_two_slots, &self.two_slots(system, samples)?);

            let (calls, back) = self.ours.runtime.block_on(self.ours.runtime.spawn(counters.calls(samples)))??;
            counters = back;
            record.times(&names.call, &calls);

            let handle = system.clone();
            let spawns = self.ours.runtime.block_on(self.ours.runtime.spawn(spawns(handle, samples.div_ceil(10))))??;
            record.times(&names.spawn, &spawns);

            let (panics, next) = self.panics(system, &mut counters)?;
            record.times(&names.panic, &panics);
            record.times(&names.after_panic, &next);
            record.checked(&self.name(), 4 * samples as u64 + 2 * u64::from(self.panics));
            Ok(())
        })
    }
}

impl RoundTrips<'_> {
    fn two_slots(&self, system: &System, samples: usize) -> Result<Vec<f64>, Error> {
        let mirror = Echo::new(77);
        let echoes = self.ours.on_every_shard(system, || mirror.clone())?;
        let mut mirrors = vec![mirror; echoes.len()];
        let mut nanos = Vec::with_capacity(samples);
        for i in 0..samples {
            let at = i * 7 % echoes.len();
            let request = Ask { nonce: i as u64, words: words(i as u64) };
            let start = Instant::now();
            let answer = echoes[at].ask(&request, PATIENCE)?;
            nanos.push(start.elapsed().as_nanos() as f64);
            if answer != mirrors[at].answer(&request) {
                return Err(format!("wrong answer to message {i}").into());
            }
            mirrors[at].remember(request.nonce);
        }
        Ok(nanos)
    }

    /// Panics, each of a new actor, and after each an ask of the counter on the same shard.
    fn panics(&self, system: &System, counters: &mut Counters) -> Result<(Vec<f64>, Vec<f64>), Error> {
        let (mut panics, mut next) = (Vec::new(), Vec::new());
        for value in 0..self.panics {
            let (panicker, join) = self.ours.runtime.block_on(Panicker::spawn(None, Panicker::default(), system))?;
            let shard = panicker.info().address.shard() as usize;
            let start = Instant::now();
            let outcome = panicker.ask(&PanicInCall { how: EXPLICIT, value }, PATIENCE);
            panics.push(start.elapsed().as_nanos() as f64);
            next.push(counters.ask(shard)?);
            match outcome {
                Err(AskError::Failed(fault))
                    if fault.class == FaultClass::Panic && fault.text.contains(&format!("asked to panic with {value}")) => {}
                other => return Err(format!("panic {value} was answered by {other:?}").into()),
            }
            self.ours.runtime.block_on(join)?;
        }
        Ok((panics, next))
    }
}

async fn spawns(system: System, count: usize) -> Result<Vec<f64>, Error> {
    let mut nanos = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        let (actor, join) = Counter::spawn(None, Counter::default(), &system).await?;
        nanos.push(start.elapsed().as_nanos() as f64);
        actor.stop(None);
        join.await?;
    }
    Ok(nanos)
}

/// A counter on each shard, and what each has to say next.
pub(super) struct Counters {
    actors: Vec<GpuRef<Counter>>,
    totals: Vec<u64>,
    asked: u64,
}

impl Counters {
    pub(super) fn new(actors: Vec<GpuRef<Counter>>) -> Counters {
        let totals = vec![0; actors.len()];
        Counters { actors, totals, asked: 0 }
    }

    /// The next request to `shard`, and its answer.
    fn next(&mut self, shard: usize) -> (AddAndGet, u64) {
        self.asked += 1;
        let amount = self.asked.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.totals[shard] = self.totals[shard].wrapping_add(amount);
        (AddAndGet { amount }, self.totals[shard])
    }

    pub(super) fn ask(&mut self, shard: usize) -> Result<f64, Error> {
        let (request, expected) = self.next(shard);
        let start = Instant::now();
        let total = self.actors[shard].ask(&request, PATIENCE)?;
        let nanos = start.elapsed().as_nanos() as f64;
        if total == expected { Ok(nanos) } else { Err(format!("{total} instead of {expected} from shard {shard}").into()) }
    }

    pub(super) fn asks(&mut self, count: usize, shard: impl Fn(usize, usize) -> usize) -> Result<Vec<f64>, Error> {
        let shards = self.actors.len();
        (0..count).map(|i| self.ask(shard(i, shards))).collect()
    }

    /// Calls to all shards in turn, from the task that runs this.
    async fn calls(mut self, count: usize) -> Result<(Vec<f64>, Counters), Error> {
        let mut nanos = Vec::with_capacity(count);
        for i in 0..count {
            let shard = i * 7 % self.actors.len();
            let (request, expected) = self.next(shard);
            let start = Instant::now();
            let total = call!(self.actors[shard], CounterMsg::AddAndGet, request)?;
            nanos.push(start.elapsed().as_nanos() as f64);
            if total != expected {
                return Err(format!("{total} instead of {expected} from shard {shard}").into());
            }
        }
        Ok((nanos, self))
    }
}
