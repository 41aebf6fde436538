//! A vertex: it sends shares of its rank along its edges, and has its next rank once all that point to it have sent theirs.

use resident_kernels::prelude::*;

use crate::{Damping, Edges, Lend};

/// Edges that a vertex keeps itself; more are left to [`Edges`].
pub const NEAR: usize = 12;

/// A vertex.
#[derive(State, Clone, Debug)]
#[repr(C)]
pub struct Vertex {
    near: [Address<Vertex>; NEAR],
    /// The first link of the chain that keeps its other edges; nobody's if it has no more.
    far: Address<Edges>,
    rank: u64,
    /// What has come along its edges for the round.
    sum: u64,
    /// See [`Step`].
    gift: u64,
    damping: Damping,
    out_degree: u32,
    in_degree: u32,
    /// Edges along which something has come for the round.
    arrived: u32,
    /// Rounds that it was told to begin.
    begun: u32,
    /// Rounds that are complete.
    rounds: u32,
}

/// Where a vertex's edges lead.
#[derive(Message, Clone, Debug)]
#[repr(C)]
pub struct Join {
    /// The first of them, as many as there are.
    pub near: [Address<Vertex>; NEAR],
    /// Who keeps the others.
    pub far: Address<Edges>,
}

/// Begins a round.
#[derive(Message, Clone, Copy, Debug)]
#[repr(C)]
pub struct Step {
    /// What every vertex gets in this round beside what comes along its edges.
    pub gift: u64,
    /// How much counts of what comes along its edges.
    pub damping: Damping,
}

/// What comes along an edge.
#[derive(Message, Clone, Copy, Debug)]
#[repr(C)]
pub struct Share {
    /// A share of the sender's rank.
    pub rank: u64,
}

/// Asks how far a vertex is.
#[derive(Message, Clone, Copy, Debug)]
#[reply(Standing)]
pub struct Look;

/// How far a vertex is.
#[derive(Reply, Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Standing {
    /// Its rank after that many rounds.
    pub rank: u64,
    /// Rounds that are complete.
    pub rounds: u32,
    /// 1 if no edge leads away from it, so that it can not give its rank to any; else 0.
    pub dangling: u32,
}

impl Vertex {
    /// A vertex that has still to [`Join`].
    pub fn new(rank: u64, out_degree: u32, in_degree: u32) -> Vertex {
        Vertex {
            near: [Address::NOBODY; NEAR],
            far: Address::NOBODY,
            rank,
            sum: 0,
            gift: 0,
            damping: Damping::default(),
            out_degree,
            in_degree,
            arrived: 0,
            begun: 0,
            rounds: 0,
        }
    }
}

#[actor]
impl Vertex {
    fn join(&mut self, msg: &Join, _ctx: &mut Ctx) {
        self.near = msg.near;
        self.far = msg.far;
    }

    fn step(&mut self, msg: &Step, ctx: &mut Ctx) {
        self.gift = msg.gift;
        self.damping = msg.damping;
        self.begun += 1;
        if let Some(rank) = self.rank.checked_div(self.out_degree.into()) {
            for to in self.near.iter().take(self.out_degree as usize) {
                ctx.send(to, Share { rank });
            }
            if !self.far.is_nobody() {
                ctx.send(&self.far, Lend { share: rank });
            }
        }
        self.settle();
    }

    fn share(&mut self, msg: &Share, _ctx: &mut Ctx) {
        self.sum += msg.rank;
        self.arrived += 1;
        self.settle();
    }

    fn look(&mut self, _: &Look, _ctx: &mut Ctx) -> Standing {
        Standing { rank: self.rank, rounds: self.rounds, dangling: u32::from(self.out_degree == 0) }
    }
}

impl Vertex {
    /// Completes the round if everything is there. A share may be there before the step: until this vertex has begun, its rank is still
    /// the one that it has to send.
    fn settle(&mut self) {
        if self.begun > self.rounds && self.arrived == self.in_degree {
            self.rank = self.gift + self.damping.of(self.sum);
            self.sum = 0;
            self.arrived = 0;
            self.rounds += 1;
        }
    }
}
