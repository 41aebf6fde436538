//! A vertex: it gives shares of its rank to its edges, and has its next rank once all that point to it have sent theirs.

use resident_kernels::prelude::*;

use crate::{Branch, Damping, Done, Edges, Lend, Step};

/// A vertex. What a message costs grows with the state, and most are shares: so its edges are another's.
#[derive(State, Clone, Debug)]
#[repr(C)]
pub struct Vertex {
    /// The first link of the chain that keeps its edges; nobody's if it has none.
    edges: Address<Edges>,
    branch: Address<Branch>,
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
    /// Who keeps them.
    pub edges: Address<Edges>,
    /// Whom it tells that a round is over.
    pub branch: Address<Branch>,
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
            edges: Address::NOBODY,
            branch: Address::NOBODY,
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
        self.edges = msg.edges;
        self.branch = msg.branch;
    }

    fn step(&mut self, msg: &Step, ctx: &mut Ctx) {
        self.gift = msg.gift;
        self.damping = msg.damping;
        self.begun += 1;
        if let Some(share) = self.rank.checked_div(self.out_degree.into()) {
            ctx.send(&self.edges, Lend { share });
        }
        self.settle(ctx);
    }

    fn share(&mut self, msg: &Share, ctx: &mut Ctx) {
        self.sum += msg.rank;
        self.arrived += 1;
        self.settle(ctx);
    }

    fn look(&mut self, _: &Look, _ctx: &mut Ctx) -> Standing {
        Standing { rank: self.rank, rounds: self.rounds, dangling: u32::from(self.out_degree == 0) }
    }
}

impl Vertex {
    /// Completes the round if everything is there. A share may be there before the step: until this vertex has begun, its rank is still
    /// the one that it has to send.
    fn settle(&mut self, ctx: &mut Ctx) {
        if self.begun > self.rounds && self.arrived == self.in_degree {
            self.rank = self.gift + self.damping.of(self.sum);
            self.sum = 0;
            self.arrived = 0;
            self.rounds += 1;
            ctx.send(&self.branch, Done { dangling: if self.out_degree == 0 { self.rank } else { 0 } });
        }
    }
}
