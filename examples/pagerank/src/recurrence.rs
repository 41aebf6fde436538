//! The plain computation, with which the actors' ranks are compared.

use pagerank_actors::{Damping, ONE, gift};

use crate::graph::Graph;

/// The rank that each of so many vertices begins with.
pub fn first_rank(vertices: usize) -> u64 {
    ONE / vertices as u64
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
        let gift = gift(vertices as u64, damping, dangling);
        ranks = sums.into_iter().map(|sum| gift + damping.of(sum)).collect();
    }
    ranks
}
