//! Actors that a handler spawns.

use super::streams::Idle;
use super::{Ours, PATIENCE};
use crate::rounds::{Contender, Error, Record};
use resident::{AskError, GpuRef, Spawn};
use resident_test_actors::{Family, Kids, Kin, KinMsg, Sow};
use std::thread::yield_now;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Actors that one message spawns.
const COUNT: u64 = 200;
/// Messages that spawn nobody, ahead of each that does: what a message costs.
const AHEAD: u64 = 20;
/// Messages of a round.
const TURNS: u64 = 50;

/// One actor that spawns others on its shard, each of which is sent a message, answers and ends.
pub struct Births<'r> {
    ours: Ours<'r>,
}

impl<'r> Births<'r> {
    /// On systems with room for all of a message's at once.
    pub fn new(ours: Ours<'r>) -> Births<'r> {
        Births { ours: ours.with(|config| config.nursery = config.nursery.max(2 * COUNT as u32)) }
    }

    /// What the table calls a spawn and the message to who was spawned.
    pub fn each_name(title: &str) -> String {
        format!("{title}, spawn from a handler, and a message to it")
    }
}

impl Contender for Births<'_> {
    fn name(&self) -> String {
        format!("{}, births", self.ours.title())
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let runtime = self.ours.runtime;
        self.ours.system(|system| {
            let (parent, _) = runtime.block_on(Kin::spawn(None, Kin::default(), system))?;
            let mut each = Vec::new();
            for turn in 0..TURNS {
                // What fills the nursery again comes ahead of the first ones.
                let nobody = (0..AHEAD).map(|_| Ok(sow(runtime, &parent, 0)?.0)).collect::<Result<Vec<_>, Error>>()?;
                let nobody = nobody.into_iter().min().unwrap_or_default();
                let (all, kids) = sow(runtime, &parent, COUNT)?;
                // Else it has waited for the application, which had not filled the nursery yet.
                if kids.born == (turn + 1) * COUNT {
                    each.push(all.saturating_sub(nobody).as_nanos() as f64 / COUNT as f64);
                }
                told(&parent, (turn + 1) * COUNT)?;
            }
            let name = Births::each_name(&self.ours.title());
            record.times(&name, &each);
            record.checked(&name, TURNS * COUNT);
            Ok(())
        })
    }
}

/// Asks for the family. What the application sends to fill the nursery goes through the same ring.
fn family(parent: &GpuRef<Kin>) -> Result<Kids, Error> {
    let mut idle = Idle::new();
    loop {
        match parent.ask(&Family, PATIENCE) {
            Err(AskError::Full) => idle.moved(false)?,
            answer => return Ok(answer?),
        }
    }
}

/// How long it takes to spawn so many, and the family then.
fn sow(runtime: &Runtime, parent: &GpuRef<Kin>, more: u64) -> Result<(Duration, Kids), Error> {
    let begun = Instant::now();
    runtime.block_on(parent.send(KinMsg::Sow(Sow { more, end: 1 })))?;
    let kids = family(parent)?;
    Ok((begun.elapsed(), kids))
}

/// Waits until so many have said a word: they were there, and are about to end.
fn told(parent: &GpuRef<Kin>, count: u64) -> Result<(), Error> {
    let begun = Instant::now();
    loop {
        let kids = family(parent)?;
        if kids.told == count && kids.born == count {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("of {count} actors {} were born and {} have said so", kids.born, kids.told).into());
        }
        yield_now();
    }
}
