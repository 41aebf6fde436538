//! Messages from actor to actor.

use super::{Ours, PATIENCE};
use crate::rounds::{Contender, Error, Record};
use resident::{GpuRef, System};
use resident_test_actors::{Ball, Meet, Player, PlayerMsg, Score, Serve, Show};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Between two looks at how far the actors are. A pause on purpose: each look is a message more for those that are measured.
const LOOK: Duration = Duration::from_millis(2);
/// Numbers that a handler sends at once, well below what an outbox holds.
const SERVE: u64 = 1000;

/// One ball between two actors, then numbers from all to one.
pub struct Messages<'r> {
    ours: Ours<'r>,
    hops: u64,
    total: u64,
}

impl<'r> Messages<'r> {
    /// `hops` of one ball between two actors; `total` messages, of which some go to one.
    pub fn new(ours: Ours<'r>, hops: u64, total: u64) -> Messages<'r> {
        Messages { ours, hops, total }
    }

    /// What the table calls a message between two actors, of one shard or of two, one way.
    pub fn pass_name(title: &str, same: bool) -> String {
        format!("{title}, one way between two actors of {}", if same { "a shard" } else { "two shards" })
    }

    /// What it calls messages of all to one.
    pub fn one_name(title: &str) -> String {
        format!("{title}, all to one")
    }

    fn meet(&self, player: &GpuRef<Player>, next: &GpuRef<Player>) -> Result<(), Error> {
        let next = self.ours.runtime.block_on(next.address());
        self.ours.runtime.block_on(player.send(PlayerMsg::Meet(Meet { next })))?;
        // It knows before it hears from another.
        player.ask(&Show, PATIENCE)?;
        Ok(())
    }

    /// One ball between two.
    fn pass(&self, one: &GpuRef<Player>, other: &GpuRef<Player>, same: bool, record: &mut Record) -> Result<(), Error> {
        self.meet(one, other)?;
        self.meet(other, one)?;
        let both = [one.clone(), other.clone()];
        let before = sum(&both, |score| score.kept)?;
        let begun = Instant::now();
        one.cast(PlayerMsg::Ball(Ball { hops: self.hops }))?;
        until(before + 1, || sum(&both, |score| score.kept))?;
        let name = Messages::pass_name(&self.ours.title(), same);
        record.times(&name, &[begun.elapsed().as_nanos() as f64 / self.hops as f64]);
        record.checked(&name, self.hops);
        Ok(())
    }

    /// Numbers from a player of each other shard to one.
    fn one(&self, system: &System, record: &mut Record) -> Result<(), Error> {
        let mut players = self.ours.on_every_shard(system, Player::default)?;
        let receiver = players.remove(0);
        if players.is_empty() {
            return Ok(());
        }
        for player in &players {
            self.meet(player, &receiver)?;
        }
        let turns = (self.total / 8 / SERVE / players.len() as u64).max(1);
        let begun = Instant::now();
        for _ in 0..turns {
            for player in &players {
                let serve = Serve { sender: 0, count: SERVE as u32, heavy: 0, panic: 0 };
                self.ours.runtime.block_on(player.send(PlayerMsg::Serve(serve)))?;
            }
        }
        let sent = turns * SERVE * players.len() as u64;
        until(sent, || sum(std::slice::from_ref(&receiver), |score| score.numbers))?;
        let name = Messages::one_name(&self.ours.title());
        record.rate(&name, sent as f64 / begun.elapsed().as_secs_f64());
        record.checked(&name, sent);
        Ok(())
    }
}

impl Contender for Messages<'_> {
    fn name(&self) -> String {
        format!("{}, actor to actor", self.ours.title())
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        self.ours.system(|system| {
            let there = self.ours.on_every_shard(system, Player::default)?;
            let more = self.ours.on_every_shard(system, Player::default)?;
            self.pass(&there[0], &more[0], true, record)?;
            if let Some(other) = there.get(there.len() / 2).filter(|_| there.len() > 1) {
                self.pass(&there[0], other, false, record)?;
            }
            self.one(system, record)?;
            match system.dead_letters() {
                0 => Ok(()),
                lost => Err(format!("{lost} messages are dead letters").into()),
            }
        })
    }
}

fn sum(players: &[GpuRef<Player>], of: impl Fn(&Score) -> u64) -> Result<u64, Error> {
    let mut sum = 0;
    for player in players {
        sum += of(&player.ask(&Show, PATIENCE)?);
    }
    Ok(sum)
}

/// Until so much has come.
pub(super) fn until(expected: u64, mut come: impl FnMut() -> Result<u64, Error>) -> Result<(), Error> {
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        sleep(LOOK);
        let sum = come()?;
        if sum == expected {
            return Ok(());
        }
        if sum != last {
            (last, moved) = (sum, Instant::now());
        }
        if sum > expected || moved.elapsed() > 4 * PATIENCE {
            return Err(format!("{sum} came where {expected} were sent").into());
        }
    }
}
