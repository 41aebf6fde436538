//! What the program says at the end.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use indicatif::HumanCount;
use pagerank_actors::ONE;

use crate::graph::Graph;

/// The report.
pub struct Report<'a> {
    pub graph: &'a Graph,
    pub rounds: u32,
    /// How long the rounds took.
    pub took: Duration,
    /// How long a loop on one core took for the same.
    pub loop_took: Duration,
    /// How many of the first vertices are shown.
    pub top: usize,
    /// By the actors.
    pub ranks: &'a [u64],
    /// By the CPU.
    pub expected: &'a [u64],
}

impl Report<'_> {
    /// The first vertex whose rank is not the CPU's.
    pub fn difference(&self) -> Option<usize> {
        self.ranks.iter().zip(self.expected).position(|(rank, expected)| rank != expected)
    }

    /// The vertices of the highest ranks.
    fn leaders(&self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.ranks.len()).collect();
        all.sort_unstable_by_key(|vertex| (Reverse(self.ranks[*vertex]), *vertex));
        all.truncate(self.top);
        all
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shares = self.graph.edges() as u64 * u64::from(self.rounds);
        let per_second = (shares as f64 / self.took.as_secs_f64()) as u64;
        writeln!(
            f,
            "{} messages along edges in {} rounds, {:.1} ms: {} messages/s",
            HumanCount(shares),
            self.rounds,
            self.took.as_secs_f64() * 1e3,
            HumanCount(per_second)
        )?;
        writeln!(f, "a loop on one core of the CPU: {:.1} ms", self.loop_took.as_secs_f64() * 1e3)?;
        if self.top > 0 {
            writeln!(f, "\n{:>4}  {:>12}  {:>10}  {:>10}", "", "vertex", "rank", "out-degree")?;
        }
        for (place, vertex) in self.leaders().into_iter().enumerate() {
            let rank = self.ranks[vertex] as f64 / ONE as f64;
            let edges = self.graph.targets(vertex).len();
            writeln!(f, "{:>4}  {:>12}  {rank:>10.8}  {edges:>10}", place + 1, self.graph.name(vertex))?;
        }
        match self.difference() {
            None => write!(f, "\nequal to the CPU's, bit for bit"),
            Some(vertex) => write!(
                f,
                "\nnot equal to the CPU's: the first is vertex {}, {} by its actor, {} by the CPU, in units of 2^-62",
                self.graph.name(vertex),
                self.ranks[vertex],
                self.expected[vertex]
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told() {
        let graph = Graph::new(vec![(10, 20), (30, 20), (20, 10)], false);
        let (ranks, expected) = ([5, 7, 3], [5, 8, 4]);
        let report = Report {
            graph: &graph,
            rounds: 1,
            took: Duration::from_secs(1),
            loop_took: Duration::from_secs(1),
            top: 0,
            ranks: &ranks,
            expected: &expected,
        };
        assert_eq!(report.difference(), Some(1));
        let text = report.to_string();
        assert!(text.contains("the first is vertex 20, 7 by its actor, 8 by the CPU"), "{text}");
    }
}
