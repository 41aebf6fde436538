//! The graph as actors: a group of vertices, and a group of the chains of edges of those that have many.

use anyhow::bail;
use examples_common::{by_key, check};
use pagerank_actors::{Chain, Damping, Edges, EdgesMsg, FAR, Join, Lent, Look, NEAR, Spread, Standing, Step, Vertex, VertexMsg};
use resident::Address;
use resident::prelude::*;

use crate::graph::Graph;
use crate::recurrence::{first_rank, gift};

/// The vertices as they stand between two rounds.
struct Ranks {
    ranks: Vec<u64>,
    /// The ranks of those from which no edge leads, together.
    dangling: u64,
}

/// A graph whose vertices are actors.
pub struct Actors {
    system: System,
    vertices: GpuGroup<Vertex, u32>,
    /// By chain, the first link of each first.
    edges: GpuGroup<Edges, u32>,
}

/// Actors that a graph takes: vertices, and links of chains.
pub fn needed(graph: &Graph) -> (usize, usize) {
    (graph.vertices(), (0..graph.vertices()).map(|vertex| links(graph, vertex).count()).sum())
}

/// The edges of a vertex that its chain keeps, by link.
fn links(graph: &Graph, vertex: usize) -> impl Iterator<Item = &[u32]> {
    graph.targets(vertex).get(NEAR..).unwrap_or_default().chunks(FAR)
}

impl Actors {
    /// Starts the actors of a graph.
    pub async fn start(graph: &Graph, system: &System) -> anyhow::Result<Actors> {
        let rank = first_rank(graph.vertices());
        let vertex = |(at, in_degree)| (at as u32, Vertex::new(rank, graph.targets(at).len() as u32, in_degree));
        let (vertices, _) = Vertex::spawn_many(None, graph.in_degrees().into_iter().enumerate().map(vertex), system).await?;
        let at = by_key(&vertices).await;

        let all = (0..graph.vertices()).flat_map(|vertex| links(graph, vertex));
        let link = |(key, to): (u32, &[u32])| (key, Edges::new(&to.iter().map(|to| at[*to as usize]).collect::<Vec<_>>()));
        let (edges, _) = Edges::spawn_many(None, (0..).zip(all).map(link), system).await?;
        let links_at = by_key(&edges).await;

        let mut key = 0;
        for vertex in 0..graph.vertices() {
            let mut near = [Address::NOBODY; NEAR];
            near.iter_mut().zip(graph.targets(vertex)).for_each(|(near, to)| *near = at[*to as usize]);
            let count = links(graph, vertex).count();
            let chain = &links_at[key..key + count];
            let far = chain.first().copied().unwrap_or_default();
            vertices.send(&(vertex as u32), VertexMsg::Join(Join { near, far })).await?;
            for (link, next) in (key as u32..).zip(chain.iter().skip(1)) {
                edges.send(&link, EdgesMsg::Chain(Chain { next: *next })).await?;
            }
            key += count;
        }
        Ok(Actors { system: system.clone(), vertices, edges })
    }

    /// The ranks after so many rounds.
    pub async fn ranks(&self, rounds: u32, damping: Damping) -> anyhow::Result<Vec<u64>> {
        // Behind what they were told before: from here on each knows its edges.
        self.lent(0).await?;
        let mut ranks = self.complete(0).await?;
        for round in 1..=rounds {
            let gift = gift(self.vertices.len(), damping, ranks.dangling);
            self.vertices.tell_all(&Step { gift, damping }).await?;
            if !self.edges.is_empty() {
                self.lent(round).await?;
                self.edges.tell_all(&Spread).await?;
            }
            ranks = self.complete(round).await?;
        }
        Ok(ranks.ranks)
    }

    /// Waits until every link of every chain has had the share of `round`.
    async fn lent(&self, round: u32) -> anyhow::Result<()> {
        loop {
            let lent = self.edges.fold(&Lent, 0, |lent, _, rounds| lent + usize::from(rounds == round)).await?;
            check(&self.system, &self.edges, &lent)?;
            if lent.value == self.edges.len() {
                return Ok(());
            }
        }
    }

    /// Waits until every vertex has completed `round`.
    async fn complete(&self, round: u32) -> anyhow::Result<Ranks> {
        let vertices = self.vertices.len();
        loop {
            let begin = (0, Ranks { ranks: vec![0; vertices], dangling: 0 });
            let take = |(complete, mut all): (usize, Ranks), vertex: &u32, standing: Standing| {
                all.ranks[*vertex as usize] = standing.rank;
                all.dangling += standing.rank * u64::from(standing.dangling);
                (complete + usize::from(standing.rounds == round), all)
            };
            let folded = self.vertices.fold(&Look, begin, take).await?;
            // A link that has failed is why its messages reach nobody.
            if let Some((_, fault)) = self.edges.failed().into_iter().next() {
                bail!(fault);
            }
            check(&self.system, &self.vertices, &folded)?;
            let (complete, all) = folded.value;
            if complete == vertices {
                return Ok(all);
            }
        }
    }
}
