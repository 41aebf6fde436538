//! A ractor actor on the CPU: what a resident one is an alternative to. It counts, as the resident `Counter` does.

use crate::rounds::{Contender, Error, Record};
use ractor::{Actor as _, ActorProcessingErr, ActorRef, RpcReplyPort, call};
use std::time::Instant;
use tokio::runtime::Runtime;

/// Messages ahead of those that count.
const WARM_UP: u64 = 500;
/// Casts that are timed together, since one takes less than a look at the clock.
const CASTS: u64 = 1000;

struct Counter;

enum Message {
    Add(u64),
    AddAndGet(u64, RpcReplyPort<u64>),
    Get(RpcReplyPort<Count>),
    /// Came from another node, where none is sent from.
    Undeliverable,
}

resident_kernels::local_message!(Message, Message::Undeliverable);

/// What a [`Counter`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    total: u64,
    added: u64,
}

impl Count {
    fn add(&mut self, amount: u64) {
        self.total = self.total.wrapping_add(amount);
        self.added += 1;
    }
}

#[ractor::actor(message = Message, state = Count, arguments = ())]
impl Counter {
    async fn pre_start(&self, _myself: ActorRef<Message>, _: ()) -> Result<Count, ActorProcessingErr> {
        Ok(Count::default())
    }

    async fn handle(&self, _myself: ActorRef<Message>, message: Message, count: &mut Count) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Add(amount) => count.add(amount),
            Message::AddAndGet(amount, reply) => {
                count.add(amount);
                reply.send(count.total)?;
            }
            Message::Get(reply) => reply.send(*count)?,
            Message::Undeliverable => {}
        }
        Ok(())
    }
}

/// `call!` from a task, one at a time.
pub const CALL: &str = "ractor CPU actor, call! from a task";
/// `spawn` and its end, one at a time.
pub const SPAWN: &str = "ractor CPU actor, spawn";
/// What one cast costs its sender.
pub const ENQUEUE: &str = "ractor CPU actor, enqueue of a cast";
/// Casts handled in a second.
pub const CAST: &str = "ractor CPU actor, casts handled";

/// Calls and spawns.
pub struct RoundTrips<'r> {
    /// Runs the actors.
    pub runtime: &'r Runtime,
    /// Calls in each round; a tenth as many spawns.
    pub samples: u32,
}

impl Contender for RoundTrips<'_> {
    fn name(&self) -> String {
        "ractor CPU actor".into()
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let samples = self.samples;
        // A task of its own: `block_on` would run it outside the counters.
        let (calls, spawns) = self.runtime.block_on(self.runtime.spawn(async move {
            let (counter, join) = Counter::spawn(None, Counter, ()).await?;
            let mut calls = Vec::with_capacity(samples as usize);
            let mut total = 0u64;
            for amount in 0..u64::from(samples) + WARM_UP {
                let start = Instant::now();
                let answer = call!(counter, Message::AddAndGet, amount)?;
                let took = start.elapsed().as_nanos() as f64;
                total += amount;
                if answer != total {
                    return Err(format!("{answer} instead of {total} after {amount}").into());
                }
                if amount >= WARM_UP {
                    calls.push(took);
                }
            }
            counter.stop(None);
            join.await?;

            let mut spawns = Vec::new();
            for _ in 0..samples.div_ceil(10) {
                let start = Instant::now();
                let (counter, join) = Counter::spawn(None, Counter, ()).await?;
                spawns.push(start.elapsed().as_nanos() as f64);
                counter.stop(None);
                join.await?;
            }
            Ok::<_, Error>((calls, spawns))
        }))??;
        record.times(CALL, &calls);
        record.times(SPAWN, &spawns);
        record.checked(CALL, u64::from(samples) + WARM_UP);
        Ok(())
    }
}

/// One thread that casts into a mailbox.
pub struct Casts<'r> {
    /// Runs the actor.
    pub runtime: &'r Runtime,
    /// Casts in each round.
    pub messages: u64,
}

impl Contender for Casts<'_> {
    fn name(&self) -> String {
        CAST.into()
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let messages = self.messages.next_multiple_of(CASTS);
        let (counter, join) = self.runtime.block_on(Counter::spawn(None, Counter, ()))?;
        let mut enqueues = Vec::with_capacity((messages / CASTS) as usize);
        let start = Instant::now();
        let mut batch = start;
        for amount in 0..messages {
            counter.cast(Message::Add(amount))?;
            if amount % CASTS == CASTS - 1 {
                let now = Instant::now();
                enqueues.push((now - batch).as_nanos() as f64 / CASTS as f64);
                batch = now;
            }
        }
        let count = self.runtime.block_on(async { call!(counter, Message::Get) })?;
        let took = start.elapsed();
        counter.stop(None);
        self.runtime.block_on(join)?;
        if count != (Count { total: messages * (messages - 1) / 2, added: messages }) {
            return Err(format!("{messages} casts are counted as {count:?}").into());
        }
        record.times(ENQUEUE, &enqueues);
        record.rate(CAST, messages as f64 / took.as_secs_f64());
        record.checked(CAST, messages);
        Ok(())
    }
}

/// What the table calls so many spawns.
pub fn crowd_name(actors: u64) -> String {
    format!("ractor CPU actor, {actors} spawned")
}

/// Many spawns, one right after another.
pub struct Crowd<'r> {
    /// Runs the actors.
    pub runtime: &'r Runtime,
    /// Actors in each round.
    pub actors: u64,
}

impl Contender for Crowd<'_> {
    fn name(&self) -> String {
        crowd_name(self.actors)
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let actors = self.actors;
        let took = self.runtime.block_on(self.runtime.spawn(async move {
            let mut crowd = Vec::with_capacity(actors as usize);
            let begun = Instant::now();
            for _ in 0..actors {
                crowd.push(Counter::spawn(None, Counter, ()).await?);
            }
            let took = begun.elapsed();
            for (counter, join) in crowd {
                counter.stop(None);
                join.await?;
            }
            Ok::<_, Error>(took)
        }))??;
        record.times(&crowd_name(actors), &[took.as_nanos() as f64]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rounds;

    #[test]
    fn the_cpu_actor_answers_and_adds() {
        let runtime = Runtime::new().unwrap();
        let mut record = Record::default();
        let contenders: Vec<Box<dyn Contender>> = vec![
            Box::new(RoundTrips { runtime: &runtime, samples: 50 }),
            Box::new(Casts { runtime: &runtime, messages: 2500 }),
            Box::new(Crowd { runtime: &runtime, actors: 20 }),
        ];
        rounds::run(contenders, 2, None, &mut record);
        assert_eq!(record.failed(), []);
        assert_eq!(record.find(CALL).unwrap().summary().unwrap().n, 100);
        assert_eq!(record.find(ENQUEUE).unwrap().summary().unwrap().n, 6, "batches of a thousand");
        assert_eq!(record.find(&crowd_name(20)).unwrap().summary().unwrap().n, 2);
        assert_eq!(record.all_checked()[1], (CAST.into(), 6000));
    }
}
