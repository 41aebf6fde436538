//! All to all: balls that each actor sends on to one of three others, drawn anew for each.

use super::Ours;
use super::messages::until;
use crate::rounds::{Contender, Error, Record};
use resident::{GpuGroup, Spawn, System};
use resident_test_actors::{Mix, Mixer, MixerMsg, OTHERS, Tally, Toss};
use std::time::Instant;

/// Actors of a shard, on average, with few and with many.
const EACH: [usize; 2] = [100, 2048];
/// Balls of a shard: 48 for each of its warps.
const BALLS: usize = 192;

/// Balls between all.
pub struct Mixing<'r> {
    ours: Ours<'r>,
    messages: u64,
}

impl<'r> Mixing<'r> {
    /// About so many messages.
    pub fn new(ours: Ours<'r>, messages: u64) -> Mixing<'r> {
        Mixing { ours, messages }
    }

    /// What the table calls it with the most actors.
    pub fn name(title: &str) -> String {
        name(title, EACH[1])
    }

    fn run(&self, each: usize, system: &System, record: &mut Record) -> Result<(), Error> {
        let runtime = self.ours.runtime;
        let shards = system.device().shards as usize;
        let count = shards * each;
        let (group, _) = runtime.block_on(Mixer::spawn_many(None, (0..count as u32).map(|key| (key, Mixer::default())), system))?;
        let at = runtime.block_on(group.addresses());
        // Strides that share no divisor with the number of actors lead everywhere.
        let others = |k: usize| std::array::from_fn::<_, OTHERS, _>(|i| at[(k * [1, 7919, 104_729][i] + 1 + i * count / OTHERS) % count].1);
        runtime.block_on(async {
            for (k, (key, _)) in at.iter().enumerate() {
                group.send(key, MixerMsg::Mix(Mix { others: others(k) })).await?;
            }
            // They know before they hear from others.
            tally(&group).await
        })?;

        let balls = (shards * BALLS) as u64;
        let hops = self.messages / balls;
        let expected = balls * (hops + 1);
        let handled = || system.devices().iter().map(|device| device.snapshot().handled).sum::<u64>();
        let before = handled();
        let begun = Instant::now();
        runtime.block_on(async {
            for (key, _) in at.iter().cycle().take(balls as usize) {
                group.send(key, MixerMsg::Toss(Toss { hops })).await?;
            }
            Ok::<_, Error>(())
        })?;
        // To ask the actors would take the time of many of these messages.
        until(expected, || Ok((handled() - before).min(expected)))?;
        let took = begun.elapsed();

        let (all, kept) = runtime.block_on(tally(&group))?;
        if (all, kept) != (expected, balls) {
            return Err(format!("{all} balls were handled, {kept} of them kept, and not {expected} and {balls}").into());
        }
        let name = name(&self.ours.title(), each);
        record.rate(&name, all as f64 / took.as_secs_f64());
        record.checked(&name, all);
        Ok(())
    }
}

fn name(title: &str, each: usize) -> String {
    format!("{title}, all to all, {each} actors a shard")
}

/// Balls that were handled, and those that were kept.
async fn tally(group: &GpuGroup<Mixer, u32>) -> Result<(u64, u64), Error> {
    let folded = group.fold(&Tally, (0, 0), |(balls, kept), _, sums| (balls + sums.balls, kept + sums.kept)).await?;
    if folded.failed == 0 { Ok(folded.value) } else { Err(format!("{} actors have failed", folded.failed).into()) }
}

impl Contender for Mixing<'_> {
    fn name(&self) -> String {
        format!("{}, all to all", self.ours.title())
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        self.ours.system(|system| {
            for each in EACH {
                self.run(each, system, record)?;
            }
            match system.dead_letters() {
                0 => Ok(()),
                lost => Err(format!("{lost} messages are dead letters").into()),
            }
        })
    }
}
