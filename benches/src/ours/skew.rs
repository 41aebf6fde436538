//! Skewed load: one actor in a hundred gets 99 of a hundred messages, beside all getting as many.

use super::Ours;
use super::messages::until;
use crate::rounds::{Contender, Error, Record};
use resident::{Address, GpuGroup, Spawn, System};
use resident_test_actors::{Ball, Meet, Player, PlayerMsg, Show};
use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// Players of a shard, on average.
const EACH: usize = 100;
/// One player in so many is hot.
const HOT: usize = 100;
/// Balls of a hot player, and all balls of so many players: 99 of a hundred are the hot ones'.
const HOT_BALLS: usize = 198;
const ALL_BALLS: usize = 200;

/// Balls between players, evenly and not.
pub struct Skew<'r> {
    ours: Ours<'r>,
    messages: u64,
    loads: [Load; 3],
}

/// Who gets how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Load {
    /// All as much.
    Uniform,
    /// One in a hundred almost everything, as many on each shard.
    Spread,
    /// The same, all on as few shards as hold them.
    Crowded,
}

impl Load {
    /// What goes over few actors is that much less, since it takes that much longer.
    fn longer(self) -> u64 {
        match self {
            Load::Uniform => 1,
            Load::Spread => 10,
            Load::Crowded => 500,
        }
    }
}

impl<'r> Skew<'r> {
    /// About so many messages each way.
    pub fn new(ours: Ours<'r>, messages: u64) -> Skew<'r> {
        Skew { ours, messages, loads: [Load::Crowded, Load::Spread, Load::Uniform] }
    }

    /// What the table calls a load.
    pub fn name(title: &str, load: Load) -> String {
        let load = match load {
            Load::Uniform => "as many balls to each actor",
            Load::Spread => "99 % of the balls among 1 % of the actors, as many on each shard",
            Load::Crowded => "99 % of the balls among 1 % of the actors, on as few shards as hold them",
        };
        format!("{title}, {load}")
    }

    fn run(&self, load: Load, system: &System, record: &mut Record) -> Result<f64, Error> {
        let runtime = self.ours.runtime;
        let count = system.device().shards as usize * EACH;
        let hot = count / HOT;
        let (group, _) = runtime.block_on(Player::spawn_many(None, (0..count as u32).map(|key| (key, Player::default())), system))?;
        let mut players = runtime.block_on(group.addresses());
        match load {
            // Who is next is anywhere.
            Load::Uniform | Load::Spread => players.sort_by_key(|(key, _)| key.wrapping_mul(0x9e37_79b1)),
            Load::Crowded => players.sort_by_key(|(_, at)| (at.shard(), at.row())),
        }
        let (few, many) = players.split_at(if load == Load::Uniform { 0 } else { hot });
        runtime.block_on(async {
            ring(&group, few).await?;
            ring(&group, many).await
        })?;

        let balls = hot * ALL_BALLS;
        let hops = self.messages / balls as u64 / load.longer();
        let begun = Instant::now();
        runtime.block_on(async {
            // Those that fall to the few, then the others', as many of each in turn.
            let to_few = few.len() * HOT_BALLS;
            for (key, _) in few.iter().cycle().take(to_few).chain(many.iter().cycle().take(balls - to_few)) {
                group.send(key, PlayerMsg::Ball(Ball { hops })).await?;
            }
            Ok::<_, Error>(())
        })?;
        until(balls as u64, || Ok(scores(self, &group, few)?.kept))?;
        let took = begun.elapsed();

        let scores = scores(self, &group, few)?;
        let expected = [balls, few.len() * HOT_BALLS].map(|balls| balls as u64 * (hops + 1));
        if [scores.balls, scores.hot] != expected {
            return Err(format!("{} balls were handled, {} by the few, and not {expected:?}", scores.balls, scores.hot).into());
        }
        let name = Skew::name(&self.ours.title(), load);
        let rate = scores.balls as f64 / took.as_secs_f64();
        record.rate(&name, rate);
        record.checked(&name, scores.balls);
        Ok(rate)
    }
}

/// Each sends to the next.
async fn ring(group: &GpuGroup<Player, u32>, players: &[(u32, Address<Player>)]) -> Result<(), Error> {
    for ((key, _), (_, next)) in players.iter().zip(players.iter().cycle().skip(1)) {
        group.send(key, PlayerMsg::Meet(Meet { next: *next })).await?;
    }
    // They know before they hear from others.
    group.fold(&Show, (), |(), _, _| ()).await?;
    Ok(())
}

#[derive(Default)]
struct Scores {
    kept: u64,
    balls: u64,
    /// Balls of the few.
    hot: u64,
}

fn scores(skew: &Skew, group: &GpuGroup<Player, u32>, few: &[(u32, Address<Player>)]) -> Result<Scores, Error> {
    let few: HashSet<u32> = few.iter().map(|(key, _)| *key).collect();
    let folded = skew.ours.runtime.block_on(group.fold(&Show, Scores::default(), |mut sum, key, score| {
        sum.kept += score.kept;
        sum.balls += score.balls;
        sum.hot += if few.contains(key) { score.balls } else { 0 };
        sum
    }))?;
    if folded.failed == 0 { Ok(folded.value) } else { Err(format!("{} players have failed", folded.failed).into()) }
}

impl Contender for Skew<'_> {
    fn name(&self) -> String {
        format!("{}, skewed load", self.ours.title())
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let title = self.ours.title();
        // There, and back again in the next round.
        self.loads.reverse();
        self.ours.system(|system| {
            let mut rates = HashMap::new();
            for load in self.loads {
                rates.insert(load, self.run(load, system, record)?);
            }
            for load in [Load::Spread, Load::Crowded] {
                record.ratio(&format!("{}, over as many to each", Skew::name(&title, load)), rates[&load] / rates[&Load::Uniform]);
            }
            match system.dead_letters() {
                0 => Ok(()),
                lost => Err(format!("{lost} messages are dead letters").into()),
            }
        })
    }
}
