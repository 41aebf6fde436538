//! Edges of a vertex that has more than it keeps itself.

use resident_kernels::prelude::*;

use crate::{Share, Vertex};

/// Edges that one actor keeps: its state takes 1 KiB then, and what it sends at a time is far below what a shard's outbox holds.
pub const FAR: usize = 62;

/// Some of the edges of a vertex, and a link of the chain of all of these.
#[derive(State, Clone, Debug)]
#[repr(C)]
pub struct Edges {
    to: [Address<Vertex>; FAR],
    /// The next link; nobody's in the last one.
    next: Address<Edges>,
    /// What goes along each edge in this round.
    share: u64,
    count: u32,
    /// Rounds whose share it has had.
    rounds: u32,
}

/// Which link is behind this one.
#[derive(Message, Clone, Copy, Debug)]
#[repr(C)]
pub struct Chain {
    /// It.
    pub next: Address<Edges>,
}

/// Leaves the share of a round with each link of a chain. It goes on to one actor alone, so that these messages never become more.
#[derive(Message, Clone, Copy, Debug)]
#[repr(C)]
pub struct Lend {
    /// What is to go along each edge.
    pub share: u64,
}

/// Sends the share along the edges. Only the application tells this, and a shard whose outbox fills up takes nothing from there.
#[derive(Message, Clone, Copy, Debug)]
pub struct Spread;

/// Asks for how many rounds it has had the share.
#[derive(Message, Clone, Copy, Debug)]
#[reply(u32)]
pub struct Lent;

impl Edges {
    /// Edges to at most [`FAR`] vertices.
    pub fn new(to: &[Address<Vertex>]) -> Edges {
        let mut edges = Edges { to: [Address::NOBODY; FAR], next: Address::NOBODY, share: 0, count: to.len() as u32, rounds: 0 };
        edges.to[..to.len()].copy_from_slice(to);
        edges
    }
}

#[actor]
impl Edges {
    fn chain(&mut self, msg: &Chain, _ctx: &mut Ctx) {
        self.next = msg.next;
    }

    fn lend(&mut self, msg: &Lend, ctx: &mut Ctx) {
        self.share = msg.share;
        self.rounds += 1;
        if !self.next.is_nobody() {
            ctx.send(&self.next, *msg);
        }
    }

    fn spread(&mut self, _: &Spread, ctx: &mut Ctx) {
        for to in self.to.iter().take(self.count as usize) {
            ctx.send(to, Share { rank: self.share });
        }
    }

    fn lent(&mut self, _: &Lent, _ctx: &mut Ctx) -> u32 {
        self.rounds
    }
}
