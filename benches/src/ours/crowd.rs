//! A crowd: a million actors started at once, and messages from the host to all of them beside as many to a thousand.

use super::streams::Idle;
use super::{Ours, PATIENCE};
use crate::rounds::{Contender, Error, Record};
use resident::{CastError, GpuGroup, Spawn, System};
use resident_test_actors::{Add, Count, Counter, CounterMsg, Get};
use std::collections::HashMap;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

/// Messages that are given to `tell_many` at once.
const BATCH: u64 = 1024;
/// Actors that are a few.
const FEW: u64 = 1000;
/// Coprime to any number of actors: each is sent to as often as any other, and no two in a row are neighbours.
const STRIDE: u64 = (1 << 31) - 1;

/// Many actors and a few.
pub struct Crowd<'r> {
    ours: Ours<'r>,
    actors: u64,
    messages: u64,
    /// The few come first in every other round.
    few_first: bool,
}

/// Host threads that send at the same time.
fn threads() -> u64 {
    thread::available_parallelism().map_or(1, |cores| cores.get().min(8) as u64)
}

/// How the host sends.
#[derive(Clone, Copy, Debug)]
pub enum Sent {
    /// `tell`, one after another from one thread.
    OneByOne,
    /// The same from several threads, each a part of them.
    Threads,
    /// `tell_many`, from one thread.
    Many,
    /// `tell_all`.
    ToAll,
}

impl Sent {
    /// Every way.
    pub const ALL: [Sent; 4] = [Sent::OneByOne, Sent::Threads, Sent::Many, Sent::ToAll];
}

impl<'r> Crowd<'r> {
    /// So many actors, and about so many messages to them each way.
    pub fn new(ours: Ours<'r>, actors: u64, messages: u64) -> Crowd<'r> {
        let shards = u64::from(ours.place.shards.unwrap_or(1));
        let ours = ours.with(|config| {
            config.rows = config.rows.max((actors + FEW).div_ceil(shards) as u32);
            // The arena rounds sizes up, and gives room in larger pieces.
            config.arena_bytes = config.arena_bytes.max((actors + FEW) * size_of::<Counter>() as u64 * 5 / 4);
        });
        Crowd { ours, actors, messages, few_first: false }
    }

    /// What the table calls the start of all.
    pub fn spawn_name(title: &str, actors: u64) -> String {
        format!("{title}, {actors} actors started by one spawn_many")
    }

    /// What it calls messages to so many.
    pub fn rate_name(title: &str, actors: u64, way: Sent) -> String {
        let way = match way {
            Sent::OneByOne => "tell, 1 host thread".to_owned(),
            Sent::Threads => format!("tell, {} host threads", threads()),
            Sent::Many => "tell_many, 1 host thread".to_owned(),
            Sent::ToAll => "tell_all".to_owned(),
        };
        format!("{title}, {actors} actors, {way}")
    }

    /// What it calls the one over the other.
    pub fn ratio_name(title: &str, actors: u64, way: Sent) -> String {
        format!("{}, over {FEW} actors", Crowd::rate_name(title, actors, way))
    }

    /// A group of so many, and how long it took to start.
    fn spawn(&self, actors: u64, system: &System) -> Result<(Group, Duration), Error> {
        let members = (0..actors).map(|key| (key, Counter::default()));
        let begun = Instant::now();
        let (group, _) = self.ours.runtime.block_on(Counter::spawn_many(None, members, system))?;
        let took = begun.elapsed();
        let last = self.ours.runtime.block_on(group.addresses()).into_iter().map(|(key, at)| (at.shard(), key));
        Ok((Group { group, actors, probes: last.collect::<HashMap<_, _>>().into_values().collect(), told: 0 }, took))
    }

    /// Messages to a group until all are handled: how many a second.
    fn stream(&self, to: &mut Group, way: Sent, record: &mut Record) -> Result<f64, Error> {
        let each = (self.messages / to.actors).max(1);
        let messages = each * to.actors;
        let begun = Instant::now();
        match way {
            Sent::OneByOne => to.tell(0..messages)?,
            Sent::Threads => {
                let part = messages.div_ceil(threads());
                let to = &*to;
                thread::scope(|scope| {
                    let parts: Vec<_> = (0..threads()).map(|n| n * part..messages.min((n + 1) * part)).collect();
                    let threads: Vec<_> =
                        parts.into_iter().map(|part| scope.spawn(move || to.tell(part).map_err(|e| e.to_string()))).collect();
                    threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?)
                })?;
            }
            Sent::Many => to.tell_many(messages)?,
            Sent::ToAll => {
                for _ in 0..each {
                    self.ours.runtime.block_on(to.group.tell_all(&Add { amount: 1 }))?;
                }
            }
        }
        to.handled()?;
        let rate = messages as f64 / begun.elapsed().as_secs_f64();
        to.told += each;
        let told = to.told;
        let one = |count: Count| count.added == told && count.total == told;
        let right = self.ours.runtime.block_on(to.group.fold(&Get, 0, |right, _, count| right + u64::from(one(count))))?;
        if right.value != to.actors {
            return Err(format!("{} of {} actors have not counted {told} messages", to.actors - right.value, to.actors).into());
        }
        let name = Crowd::rate_name(&self.ours.title(), to.actors, way);
        record.rate(&name, rate);
        record.checked(&name, messages);
        Ok(rate)
    }
}

/// Actors that are sent to.
struct Group {
    group: GpuGroup<Counter, u64>,
    actors: u64,
    /// One on each shard.
    probes: Vec<u64>,
    /// Messages that each was sent.
    told: u64,
}

impl Group {
    /// Whom message `i` is for.
    fn key(&self, i: u64) -> u64 {
        i * STRIDE % self.actors
    }

    fn tell_many(&self, messages: u64) -> Result<(), Error> {
        let mut idle = Idle::new();
        let mut due = Vec::new();
        let mut next = 0;
        while next < messages || !due.is_empty() {
            let end = messages.min(next + BATCH.saturating_sub(due.len() as u64));
            due.extend((next..end).map(|i| (self.key(i), CounterMsg::Add(Add { amount: 1 }))));
            next = end;
            let before = due.len();
            match self.group.tell_many(&mut due) {
                Ok(()) | Err(CastError::Full(())) => idle.moved(due.len() < before)?,
                Err(error) => return Err(error.to_string().into()),
            }
        }
        Ok(())
    }

    fn tell(&self, messages: Range<u64>) -> Result<(), Error> {
        let mut idle = Idle::new();
        for i in messages {
            let key = self.key(i);
            loop {
                match self.group.tell(&key, CounterMsg::Add(Add { amount: 1 })) {
                    Ok(()) => break idle.moved(true)?,
                    Err(CastError::Full(_)) => idle.moved(false)?,
                    Err(error) => return Err(error.to_string().into()),
                }
            }
        }
        Ok(())
    }

    /// Waits until everything that was sent is handled: what a shard is asked comes behind it in its ring.
    fn handled(&self) -> Result<(), Error> {
        for key in &self.probes {
            let mut idle = Idle::new();
            while let Err(error) = self.group.ask(key, &Get, PATIENCE) {
                match error {
                    resident::AskError::Full => idle.moved(false)?,
                    error => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

impl Contender for Crowd<'_> {
    fn name(&self) -> String {
        format!("{}, crowd of {}", self.ours.title(), self.actors)
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let (title, few_first) = (self.ours.title(), self.few_first);
        self.few_first = !few_first;
        self.ours.system(|system| {
            let (mut many, took) = self.spawn(self.actors, system)?;
            let name = Crowd::spawn_name(&title, self.actors);
            record.times(&name, &[took.as_nanos() as f64]);
            record.checked(&name, self.actors);
            let (mut few, _) = self.spawn(FEW, system)?;
            for way in Sent::ALL {
                let mut rates = [0.0; 2];
                for which in if few_first { [1, 0] } else { [0, 1] } {
                    let group = [&mut many, &mut few].into_iter().nth(which).ok_or("there are two")?;
                    rates[which] = self.stream(group, way, record)?;
                }
                record.ratio(&Crowd::ratio_name(&title, self.actors, way), rates[0] / rates[1]);
            }
            Ok(())
        })
    }
}
