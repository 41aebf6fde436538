//! A tree over all vertices: a round begins at its root and spreads to them, and that it is over comes back the same way.

use resident_kernels::prelude::*;

use crate::{Damping, Vertex, gift};

/// Vertices that a branch keeps.
pub const LEAVES: usize = 8;
/// Branches below one.
pub const BRANCHES: usize = 4;

/// A branch of the tree. The root is the one with nobody above it.
#[derive(State, Clone, Debug)]
#[repr(C)]
pub struct Branch {
    leaves: [Address<Vertex>; LEAVES],
    below: [Address<Branch>; BRANCHES],
    above: Address<Branch>,
    /// What has come from below for the round, see [`Done`].
    dangling: u64,
    damping: Damping,
    /// Vertices of the whole graph.
    vertices: u32,
    /// Vertices and branches below it.
    children: u32,
    /// Those of them that are not done with the round.
    waits: u32,
    /// Rounds that are over below it.
    rounds: u32,
    /// The root's: how many there are to be.
    until: u32,
}

/// Where a branch is in the tree.
#[derive(Message, Clone, Debug)]
#[repr(C)]
pub struct Grow {
    /// Those below it, the first of them.
    pub below: [Address<Branch>; BRANCHES],
    /// The one above it; nobody for the root.
    pub above: Address<Branch>,
}

/// Tells the root to have so many rounds done.
#[derive(Message, Clone, Copy, Debug)]
#[repr(C)]
pub struct Begin {
    /// The ranks of all vertices from which no edge leads, together.
    pub dangling: u64,
    /// How much of its rank a vertex gives along its edges.
    pub damping: Damping,
    /// Rounds.
    pub rounds: u32,
}

/// Begins a round, from a branch to what is below it.
#[derive(Message, Clone, Copy, Debug)]
#[repr(C)]
pub struct Step {
    /// What every vertex gets in this round beside what comes along its edges.
    pub gift: u64,
    /// How much counts of what comes along its edges.
    pub damping: Damping,
    /// Zero.
    pub pad: u32,
}

/// A round is over, from a vertex or a branch to the one above it.
#[derive(Message, Clone, Copy, Debug)]
#[repr(C)]
pub struct Done {
    /// The ranks of the vertices there from which no edge leads, together: they can not give them to any.
    pub dangling: u64,
}

/// Asks how many rounds are over for a branch or a link of edges. It answers behind all that it was sent before.
#[derive(Message, Clone, Copy, Debug)]
#[reply(u32)]
pub struct Rounds;

impl Branch {
    /// A branch that has still to [`Grow`], of a graph of so many vertices, with at most [`LEAVES`] of them.
    pub fn new(vertices: u32, leaves: &[Address<Vertex>]) -> Branch {
        let mut all = [Address::NOBODY; LEAVES];
        all[..leaves.len()].copy_from_slice(leaves);
        Branch {
            leaves: all,
            below: [Address::NOBODY; BRANCHES],
            above: Address::NOBODY,
            dangling: 0,
            damping: Damping::default(),
            vertices,
            children: leaves.len() as u32,
            waits: 0,
            rounds: 0,
            until: 0,
        }
    }
}

#[actor]
impl Branch {
    fn grow(&mut self, msg: &Grow, _ctx: &mut Ctx) {
        self.below = msg.below;
        self.above = msg.above;
        self.children += msg.below.iter().filter(|branch| !branch.is_nobody()).count() as u32;
    }

    fn begin(&mut self, msg: &Begin, ctx: &mut Ctx) {
        self.until += msg.rounds;
        self.damping = msg.damping;
        if self.rounds < self.until {
            self.next(msg.dangling, ctx);
        }
    }

    fn step(&mut self, msg: &Step, ctx: &mut Ctx) {
        self.pass(msg, ctx);
    }

    fn done(&mut self, msg: &Done, ctx: &mut Ctx) {
        self.dangling += msg.dangling;
        self.waits -= 1;
        if self.waits > 0 {
            return;
        }
        self.rounds += 1;
        let dangling = core::mem::take(&mut self.dangling);
        if !self.above.is_nobody() {
            ctx.send(&self.above, Done { dangling });
        } else if self.rounds < self.until {
            self.next(dangling, ctx);
        }
    }

    fn rounds(&mut self, _: &Rounds, _ctx: &mut Ctx) -> u32 {
        self.rounds
    }
}

impl Branch {
    /// The root's next round.
    fn next(&mut self, dangling: u64, ctx: &mut Ctx) {
        let gift = gift(self.vertices.into(), self.damping, dangling);
        self.pass(&Step { gift, damping: self.damping, pad: 0 }, ctx);
    }

    fn pass(&mut self, step: &Step, ctx: &mut Ctx) {
        self.waits = self.children;
        for branch in self.below.iter().take_while(|branch| !branch.is_nobody()) {
            ctx.send(branch, *step);
        }
        for vertex in self.leaves.iter().take_while(|vertex| !vertex.is_nobody()) {
            ctx.send(vertex, *step);
        }
    }
}
