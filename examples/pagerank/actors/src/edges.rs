//! The edges of a vertex.

use resident_kernels::prelude::*;

use crate::{Rounds, Share, Vertex};

/// Edges that one actor keeps: a state of 256 bytes at most is handled in a copy.
pub const EACH: usize = 14;

/// Some of the edges of a vertex, and a link of the chain of all of these.
#[derive(State, Clone, Debug)]
#[repr(C)]
pub struct Edges {
    to: [Address<Vertex>; EACH],
    /// The next link; nobody's in the last one.
    next: Address<Edges>,
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

/// Leaves the share of a round with each link of a chain, which sends it along its edges.
#[derive(Message, Clone, Copy, Debug)]
#[repr(C)]
pub struct Lend {
    /// What is to go along each edge.
    pub share: u64,
}

impl Edges {
    /// Edges to at most [`EACH`] vertices.
    pub fn new(to: &[Address<Vertex>]) -> Edges {
        let mut edges = Edges { to: [Address::NOBODY; EACH], next: Address::NOBODY, rounds: 0 };
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
        self.rounds += 1;
        if !self.next.is_nobody() {
            ctx.send(&self.next, *msg);
        }
        for to in self.to.iter().take_while(|to| !to.is_nobody()) {
            ctx.send(to, Share { rank: msg.share });
        }
    }

    fn rounds(&mut self, _: &Rounds, _ctx: &mut Ctx) -> u32 {
        self.rounds
    }
}
