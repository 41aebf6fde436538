//! The recurrence that actors and the plain computation share, and the plain computation: what the actors' ranks are compared with.

use pagerank_actors::{Damping, ONE};

use crate::graph::Graph;

/// The rank that each of so many vertices begins with.
pub fn first_rank(vertices: usize) -> u64 {
    ONE / vertices as u64
}

/// What every one of so many vertices gets in a round beside what comes along its edges: its part of what is not given along edges, and
/// of what is given by `dangling`, the ranks of all vertices that have none.
pub fn gift(vertices: usize, damping: Damping, dangling: u64) -> u64 {
    (ONE - damping.of(ONE) + damping.of(dangling)) / vertices as u64
}

/// The ranks after so many rounds, one vertex after another.
pub fn ranks(graph: &Graph, rounds: u32, damping: Damping) -> Vec<u64> {
    let vertices = graph.vertices();
    let mut ranks = vec![first_rank(vertices); vertices];
    for _ in 0..rounds {
        let mut sums = vec![0; vertices];
        let mut dangling = 0;
        for (from, rank) in ranks.iter().enumerate() {
            let targets = graph.targets(from);
            match rank.checked_div(targets.len() as u64) {
                Some(share) => targets.iter().for_each(|to| sums[*to as usize] += share),
                None => dangling += rank,
            }
        }
        let gift = gift(vertices, damping, dangling);
        ranks = sums.into_iter().map(|sum| gift + damping.of(sum)).collect();
    }
    ranks
}
