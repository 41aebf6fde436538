//! What lanes bring an actor with much to do for one message: the same items by its handler alone, by its warp and by its block.

use super::{Ours, PATIENCE};
use crate::rounds::{Contender, Error, Record};
use resident::{Spawn, System};
use resident_kernels::actor::Handles;
use resident_test_actors::{BlockTeam, BlockTeamMsg, Fill, Grind, GrindAlone, TEAM, Total, Totals, WarpTeam, WarpTeamMsg};
use std::time::Instant;

/// Messages of a measurement.
const TURNS: u64 = 8;
/// How often each item is mixed with itself for one.
const ROUNDS: u64 = 32;

/// An actor's items, worked on in three ways.
pub struct Lanes<'r> {
    ours: Ours<'r>,
}

/// Who works on them.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// The handler's own lane, in a loop.
    Handler,
    /// Those of its warp.
    Warp,
    /// Those of its block.
    Block,
}

impl<'r> Lanes<'r> {
    /// On a system of `ours`.
    pub fn new(ours: Ours<'r>) -> Lanes<'r> {
        Lanes { ours }
    }

    /// What the table calls it: items a second.
    pub fn rate_name(title: &str, who: Who) -> String {
        let who = match who {
            Who::Handler => "its handler",
            Who::Warp => "the lanes of its warp",
            Who::Block => "the lanes of its block",
        };
        format!("{title}, an actor's items by {who}")
    }

    /// What it calls this over the handler alone.
    pub fn ratio_name(title: &str, who: Who) -> String {
        format!("{}, over its handler", Lanes::rate_name(title, who))
    }

    /// The same work by one actor: how many items a second, and what becomes of them.
    fn work<A>(
        &self,
        system: &System,
        who: Who,
        fill: A::Msg,
        grind: impl Fn() -> A::Msg,
        record: &mut Record,
    ) -> Result<(f64, Totals), Error>
    where
        A: Spawn + Default + Handles<Total>,
    {
        let (actor, _) = self.ours.runtime.block_on(A::spawn(None, A::default(), system))?;
        self.ours.runtime.block_on(actor.send(fill)).map_err(|error| error.to_string())?;
        actor.ask(&Total, PATIENCE)?;
        let begun = Instant::now();
        for _ in 0..TURNS {
            self.ours.runtime.block_on(actor.send(grind())).map_err(|error| error.to_string())?;
        }
        let totals = actor.ask(&Total, PATIENCE)?;
        let items = TURNS * TEAM as u64;
        let rate = items as f64 / begun.elapsed().as_secs_f64();
        let name = Lanes::rate_name(&self.ours.title(), who);
        record.rate(&name, rate);
        record.checked(&name, items);
        Ok((rate, totals))
    }
}

impl Contender for Lanes<'_> {
    fn name(&self) -> String {
        format!("{}, lanes", self.ours.title())
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        self.ours.system(|system| {
            let alone = || WarpTeamMsg::GrindAlone(GrindAlone { rounds: ROUNDS });
            let of_warp = || WarpTeamMsg::Grind(Grind { rounds: ROUNDS });
            let of_block = || BlockTeamMsg::Grind(Grind { rounds: ROUNDS });
            let (warps, blocks) = (|| WarpTeamMsg::Fill(Fill { seed: 7 }), || BlockTeamMsg::Fill(Fill { seed: 7 }));
            let (alone, expected) = self.work::<WarpTeam>(system, Who::Handler, warps(), alone, record)?;
            let together = [
                (Who::Warp, self.work::<WarpTeam>(system, Who::Warp, warps(), of_warp, record)?),
                (Who::Block, self.work::<BlockTeam>(system, Who::Block, blocks(), of_block, record)?),
            ];
            for (who, (rate, totals)) in together {
                if totals != expected {
                    return Err(format!("{who:?} made {totals:?} of the items, the handler alone {expected:?}").into());
                }
                record.ratio(&Lanes::ratio_name(&self.ours.title(), who), rate / alone);
            }
            Ok(())
        })
    }
}
