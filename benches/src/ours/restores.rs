//! Checkpoints and restores as a user of a system has them: a ractor actor in front of each state, names, notes.

use super::Ours;
use crate::rounds::{Contender, Error, Record};
use ractor::call;
use resident::checkpoint::{Checkpoint, Scope};
use resident::{Spawn, System};
use resident_test_actors::{Big, BigMsg, Put};
use std::time::Instant;

/// A checkpoint of the whole device, in memory.
pub const TAKE: &str = "resident, System::checkpoint of everything";
/// One that starts from the last, with a page changed of every hundredth actor.
pub const SINCE: &str = "resident, System::checkpoint of changes, 1 % of the actors";
/// All actors of it, in another system.
pub const RESTORE: &str = "resident, System::restore of everything";

/// Large actors whose digests are compared after a restore.
const LOOKS: usize = 64;

/// Checkpoints and restores of large actors.
pub struct Restores<'r> {
    ours: Ours<'r>,
    bigs: usize,
    repeats: u32,
}

impl<'r> Restores<'r> {
    /// Of so many bytes of states, with so many checkpoints in each round.
    pub fn new(ours: Ours<'r>, bytes: usize, repeats: u32) -> Restores<'r> {
        let bigs = bytes / size_of::<Big>();
        let ours = ours.with(|config| {
            config.arena_bytes = ((bigs + 1) * size_of::<Big>()) as u64;
            config.rows = bigs as u32 + 1;
            config.capacity = 4096;
            config.standby = false;
            if let Some(shards) = config.shards {
                config.rows = (bigs as u32).div_ceil(shards) + 1;
            }
        });
        Restores { ours, bigs, repeats }
    }

    fn take(&self, system: &System, record: &mut Record) -> Result<Checkpoint, Error> {
        self.ours.runtime.block_on(async {
            let mut actors = Vec::new();
            for seed in 0..self.bigs as u64 {
                actors.push(Big::spawn(None, Big::new(seed), system).await?);
            }
            let (mut whole, mut since) = (Vec::new(), Vec::new());
            let mut last = system.checkpoint(Scope::Device).await?;
            for turn in 0..self.repeats + 2 {
                let begun = Instant::now();
                last = system.checkpoint(Scope::Device).await?;
                // The first two pin memory.
                if turn > 1 {
                    whole.push(begun.elapsed().as_nanos() as f64);
                }
            }
            for turn in 0..self.repeats + 2 {
                for (actor, _) in actors.iter().step_by(100) {
                    actor.send(BigMsg::Put(Put { at: 700, word: u64::from(turn) })).await?;
                }
                let begun = Instant::now();
                let (next, delta) = system.checkpoint(Scope::Device).since(&last).await?;
                let (took, pages) = (begun.elapsed(), delta.pages().len());
                if next.actors().len() != self.bigs || pages != actors.len().div_ceil(100) {
                    return Err(format!("{} actors, {pages} pages changed", next.actors().len()).into());
                }
                if turn > 1 {
                    since.push(took.as_nanos() as f64);
                }
                last = next;
            }
            record.times(TAKE, &whole);
            record.times(SINCE, &since);
            Ok(last)
        })
    }

    fn restore(&self, system: &System, checkpoint: &Checkpoint, record: &mut Record) -> Result<(), Error> {
        self.ours.runtime.block_on(async {
            let begun = Instant::now();
            let back = system.restore::<Big>(checkpoint, None).await?;
            record.times(RESTORE, &[begun.elapsed().as_nanos() as f64]);
            if back.actors.len() != self.bigs {
                return Err(format!("{} of {} actors are back", back.actors.len(), self.bigs).into());
            }
            for restored in back.actors.iter().step_by((self.bigs / LOOKS).max(1)) {
                let state = checkpoint.actor(restored.key).map(|actor| checkpoint.state(actor));
                let words = state.as_deref().unwrap_or_default().chunks_exact(8);
                let expected =
                    words.fold(0, |mixed, word| resident_test_actors::mix(mixed, u64::from_le_bytes(word.try_into().unwrap_or_default())));
                if call!(restored.actor, BigMsg::Digest)? != expected {
                    return Err("a restored state is not the one in the checkpoint".into());
                }
                record.checked(RESTORE, 1);
            }
            Ok(())
        })
    }
}

impl Contender for Restores<'_> {
    fn name(&self) -> String {
        "resident, checkpoints and restores of a system".into()
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let checkpoint = self.ours.system(|system| self.take(system, record))?;
        self.ours.system(|system| self.restore(system, &checkpoint, record))
    }
}
