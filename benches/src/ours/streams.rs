//! Many asks in flight, and many casts.

use super::{Ours, PATIENCE};
use crate::rounds::{Contender, Error, Record};
use resident::{AskError, CastError, GpuRef, Pipeline, System};
use resident_kernels::actor::{Handles, Message};
use resident_kernels::host::Resident;
use resident_test_actors::{Add, AddAndGet, Count, Counter, CounterMsg, Get};
use std::sync::Barrier;
use std::thread::yield_now;
use std::time::{Duration, Instant};

/// Messages to one actor before the next.
pub(super) const BURST: u64 = 64;
/// Casts that are timed together, since one takes less than a look at the clock; half of what a ring holds.
const BATCH: u64 = 128;
/// Batches in each round.
const BATCHES: u64 = 1600;

/// A thread's turn: gives its core away when nothing moved, and gives up when nothing moves at all.
pub(super) struct Idle(Option<Instant>);

impl Idle {
    pub(super) fn new() -> Idle {
        Idle(None)
    }

    pub(super) fn moved(&mut self, moved: bool) -> Result<(), Error> {
        if moved {
            self.0 = None;
        } else if self.0.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
            return Err(format!("nothing came back for {PATIENCE:?}").into());
        } else {
            yield_now();
        }
        Ok(())
    }
}

/// Runs `work` on so many threads at once, each with its share of `actors`; how long it took, and what each returned.
pub(super) fn on_threads<A: Send, T: Send>(
    actors: Vec<A>,
    threads: u32,
    work: impl Fn(Vec<A>) -> Result<T, Error> + Sync,
) -> Result<(Duration, Vec<T>), Error> {
    let mut shares: Vec<Vec<A>> = (0..threads).map(|_| Vec::new()).collect();
    for (i, actor) in actors.into_iter().enumerate() {
        shares[i % threads as usize].push(actor);
    }
    shares.retain(|share| !share.is_empty());
    let start_line = Barrier::new(shares.len() + 1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = shares
            .into_iter()
            .map(|share| {
                scope.spawn(|| {
                    start_line.wait();
                    work(share)
                })
            })
            .collect();
        start_line.wait();
        let start = Instant::now();
        let outcomes: Vec<_> = threads.into_iter().map(|t| t.join()).collect();
        let took = start.elapsed();
        let outcomes = outcomes.into_iter().map(|o| o.map_err(|_| "a thread panicked")?).collect::<Result<_, Error>>()?;
        Ok((took, outcomes))
    })
}

/// Pipelined asks from several threads.
pub struct Asks<'r> {
    ours: Ours<'r>,
    threads: Vec<u32>,
    window: u32,
    total: u64,
}

impl<'r> Asks<'r> {
    /// `total` asks from so many threads, once for each number of `threads`, with `window` in flight for each shard.
    pub fn new(ours: Ours<'r>, threads: &[u32], window: u32, total: u64) -> Asks<'r> {
        let shards = ours.place.shards.unwrap_or(16);
        let ours = ours.with_reply_lines((2 * window * shards).next_power_of_two());
        Asks { ours, threads: threads.to_vec(), window, total }
    }

    /// What the table calls a stream from so many threads.
    pub fn rate_name(title: &str, threads: u32) -> String {
        format!("{title}, pipelined asks, {threads} host threads")
    }
}

impl Contender for Asks<'_> {
    fn name(&self) -> String {
        format!("{}, pipelined asks", self.ours.title())
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        self.ours.system(|system| {
            for &threads in &self.threads {
                let counters = self.ours.on_every_shard(system, Counter::default)?;
                let each = self.total / counters.len() as u64;
                let done = each * counters.len() as u64;
                let (took, _) = on_threads(counters, threads, |share| ask_all(system, &share, each, self.window))?;
                let name = Asks::rate_name(&self.ours.title(), threads);
                record.rate(&name, done as f64 / took.as_secs_f64());
                record.checked(&name, done);
            }
            Ok(())
        })
    }
}

/// `each` asks to each of `counters`, whose totals start at 0: every answer has to be the sum so far, in order.
fn ask_all(system: &System, counters: &[GpuRef<Counter>], each: u64, window: u32) -> Result<(), Error> {
    let actors = counters.len() as u64;
    let total = each * actors;
    let mut pipeline = Pipeline::<Counter, AddAndGet>::new(system, window as usize * counters.len())?;
    let mut sums = vec![0u64; counters.len()];
    let (mut sent, mut received) = (0, 0);
    let actor = |message: u64| (message / BURST % actors) as usize;
    let mut idle = Idle::new();
    while received < total {
        let before = (sent, received);
        if sent < total && !pipeline.is_full() {
            // What is left of this actor's burst, under one lock of its ring.
            let burst = (BURST - sent % BURST).min(total - sent);
            let requests: [AddAndGet; BURST as usize] = std::array::from_fn(|i| AddAndGet { amount: sent + i as u64 });
            match pipeline.submit_many(&counters[actor(sent)], &requests[..burst as usize]) {
                Ok(submitted) => sent += submitted as u64,
                Err(AskError::Full) => {}
                Err(error) => return Err(error.into()),
            }
        }
        while received < before.1 + BURST {
            let Some(answer) = pipeline.try_next() else { break };
            let sum = &mut sums[actor(received)];
            *sum = sum.wrapping_add(received);
            let answer = answer?;
            if answer != *sum {
                return Err(format!("message {received} was answered by {answer} instead of {sum}").into());
            }
            received += 1;
        }
        idle.moved((sent, received) != before)?;
    }
    Ok(())
}

/// Casts from one thread.
pub struct Casts<'r> {
    ours: Ours<'r>,
    total: u64,
}

impl<'r> Casts<'r> {
    /// `total` casts in each round.
    pub fn new(ours: Ours<'r>, total: u64) -> Casts<'r> {
        Casts { ours, total }
    }

    /// What the table calls the cost of one to its sender.
    pub fn enqueue_name(title: &str) -> String {
        format!("{title}, enqueue of a cast")
    }

    /// What the table calls a stream of them, sent one by one or many at once.
    pub fn rate_name(title: &str, many: bool) -> String {
        format!("{title}, casts handled, {}1 host thread", if many { "many at once, " } else { "" })
    }

    /// A stream of casts to `counters`, until all are handled.
    fn stream(&self, counters: &[GpuRef<Counter>], many: bool) -> Result<Duration, Error> {
        let mut counts = vec![(0u64, 0u64); counters.len()];
        let start = Instant::now();
        let mut idle = Idle::new();
        let mut sent = 0;
        while sent < self.total {
            let before = sent;
            for (counter, (total, added)) in counters.iter().zip(&mut counts) {
                let burst = BURST.min(self.total - sent);
                let casts: [Add; BURST as usize] = std::array::from_fn(|i| Add { amount: sent + i as u64 });
                let taken =
                    if many { counter.cast_many(&casts[..burst as usize])? as u64 } else { one_by_one(counter, &casts[..burst as usize])? };
                *total += (sent..sent + taken).sum::<u64>();
                *added += taken;
                sent += taken;
            }
            idle.moved(sent != before)?;
        }
        for (counter, &(total, added)) in counters.iter().zip(&counts) {
            expect(counter, total, added)?;
        }
        Ok(start.elapsed())
    }

    /// Casts in batches that have room, each awaited before the next: what one costs while nothing is full.
    fn enqueues(&self, counter: &GpuRef<Counter>) -> Result<Vec<f64>, Error> {
        let mut nanos = Vec::with_capacity(BATCHES as usize);
        for batch in 1..=BATCHES {
            let start = Instant::now();
            for amount in 0..BATCH {
                counter.cast(CounterMsg::Add(Add { amount }))?;
            }
            nanos.push(start.elapsed().as_nanos() as f64 / BATCH as f64);
            expect(counter, batch * BATCH * (BATCH - 1) / 2, batch * BATCH)?;
        }
        Ok(nanos)
    }
}

/// Casts until the ring is full: how many.
fn one_by_one(counter: &GpuRef<Counter>, casts: &[Add]) -> Result<u64, Error> {
    for (sent, cast) in (0..).zip(casts) {
        match counter.try_cast(CounterMsg::Add(cast.clone())) {
            Ok(()) => {}
            Err(CastError::Full(_)) => return Ok(sent),
            Err(error) => return Err(error.to_string().into()),
        }
    }
    Ok(casts.len() as u64)
}

/// Asks, as soon as the ring has room.
pub(super) fn ask_for_room<A: Resident + Handles<M>, M: Message>(actor: &GpuRef<A>, request: &M) -> Result<M::Reply, Error> {
    let mut idle = Idle::new();
    loop {
        match actor.ask(request, PATIENCE) {
            Err(AskError::Full) => idle.moved(false)?,
            outcome => return Ok(outcome?),
        }
    }
}

/// What `counter` has counted, which has to be this.
fn expect(counter: &GpuRef<Counter>, total: u64, added: u64) -> Result<(), Error> {
    // Behind the casts in the same ring, so it is answered once they are handled.
    let Count { total: has, added: times, .. } = ask_for_room(counter, &Get)?;
    if (has, times) == (total, added) {
        Ok(())
    } else {
        Err(format!("{times} casts that add up to {has} were handled, of {added} that add up to {total}").into())
    }
}

impl Contender for Casts<'_> {
    fn name(&self) -> String {
        format!("{}, casts", self.ours.title())
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let title = self.ours.title();
        self.ours.system(|system| {
            let counters = self.ours.on_every_shard(system, Counter::default)?;
            record.times(&Casts::enqueue_name(&title), &self.enqueues(&counters[0])?);
            record.checked(&Casts::enqueue_name(&title), BATCH * BATCHES);

            for many in [false, true] {
                let counters = self.ours.on_every_shard(system, Counter::default)?;
                let took = self.stream(&counters, many)?;
                let name = Casts::rate_name(&title, many);
                record.rate(&name, self.total as f64 / took.as_secs_f64());
                record.checked(&name, self.total);
            }
            Ok(())
        })
    }
}
