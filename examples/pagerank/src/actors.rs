//! The graph as actors: a group of vertices, one of the chains of their edges, and one of the tree above them.

use std::time::Duration;

use anyhow::bail;
use examples_common::{by_key, check};
use pagerank_actors::{
    BRANCHES, Begin, Branch, BranchMsg, Chain, Damping, EACH, Edges, EdgesMsg, Grow, Join, LEAVES, Look, Rounds, Standing, Vertex,
    VertexMsg,
};
use resident::Address;
use resident::prelude::*;

use crate::graph::Graph;
use crate::recurrence::first_rank;

/// Between two looks at how far the root is. A pause on purpose: nobody waits for more than that.
const LOOK: Duration = Duration::from_millis(1);
/// How long the root may take to say how far it is.
const PATIENCE: Duration = Duration::from_secs(60);

/// A graph whose vertices are actors.
pub struct Actors {
    system: System,
    vertices: GpuGroup<Vertex, u32>,
    /// By chain, the first link of each first.
    edges: GpuGroup<Edges, u32>,
    /// The root first, and those below each behind one another.
    branches: GpuGroup<Branch, u32>,
    /// The ranks of the vertices from which no edge leads, together, as they begin.
    dangling: u64,
}

/// Actors that a graph takes, of each kind.
pub struct Needed {
    pub vertices: usize,
    /// Links of chains.
    pub links: usize,
    pub branches: usize,
}

impl Needed {
    pub fn of(graph: &Graph) -> Needed {
        let vertices = graph.vertices();
        Needed { vertices, links: (0..vertices).map(|vertex| links(graph, vertex).count()).sum(), branches: vertices.div_ceil(LEAVES) }
    }
}

/// The edges of a vertex, by link of its chain.
fn links(graph: &Graph, vertex: usize) -> impl Iterator<Item = &[u32]> {
    graph.targets(vertex).chunks(EACH)
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

        let branch = |(key, leaves)| (key, Branch::new(at.len() as u32, leaves));
        let (branches, _) = Branch::spawn_many(None, (0..).zip(at.chunks(LEAVES)).map(branch), system).await?;
        let branches_at = by_key(&branches).await;

        for branch in 0..branches_at.len() {
            let above = branch.checked_sub(1).map_or(Address::NOBODY, |before| branches_at[before / BRANCHES]);
            let below = std::array::from_fn(|n| branches_at.get(branch * BRANCHES + 1 + n).copied().unwrap_or_default());
            branches.send(&(branch as u32), BranchMsg::Grow(Grow { below, above })).await?;
        }
        let dangling = rank * (0..at.len()).filter(|vertex| graph.targets(*vertex).is_empty()).count() as u64;
        let mut key = 0;
        for vertex in 0..graph.vertices() {
            let count = links(graph, vertex).count();
            let chain = &links_at[key..key + count];
            let edges_at = chain.first().copied().unwrap_or_default();
            vertices.send(&(vertex as u32), VertexMsg::Join(Join { edges: edges_at, branch: branches_at[vertex / LEAVES] })).await?;
            for (link, next) in (key as u32..).zip(chain.iter().skip(1)) {
                edges.send(&link, EdgesMsg::Chain(Chain { next: *next })).await?;
            }
            key += count;
        }
        let actors = Actors { system: system.clone(), vertices, edges, branches, dangling };
        actors.joined().await?;
        Ok(actors)
    }

    /// Waits until all know what they were told.
    async fn joined(&self) -> anyhow::Result<()> {
        check(&self.system, &self.vertices, &self.vertices.fold(&Look, (), |(), _, _| ()).await?)?;
        check(&self.system, &self.edges, &self.edges.fold(&Rounds, (), |(), _, _| ()).await?)?;
        check(&self.system, &self.branches, &self.branches.fold(&Rounds, (), |(), _, _| ()).await?)
    }

    /// Has so many rounds done, the first that there are.
    pub async fn run(&self, rounds: u32, damping: Damping) -> anyhow::Result<()> {
        self.branches.send(&0, BranchMsg::Begin(Begin { dangling: self.dangling, damping, rounds })).await?;
        while self.branches.ask(&0, &Rounds, PATIENCE)? < rounds {
            // What fails, or reaches nobody, would be waited for for ever.
            let failed = [self.vertices.failed().pop(), self.edges.failed().pop(), self.branches.failed().pop()];
            if let Some((_, fault)) = failed.into_iter().flatten().next() {
                bail!(fault);
            }
            if self.system.dead_letters() > 0 {
                bail!("{} messages reached nobody; run it again", self.system.dead_letters());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The vertices' ranks.
    pub async fn ranks(&self) -> anyhow::Result<Vec<u64>> {
        let take = |mut all: Vec<u64>, vertex: &u32, standing: Standing| {
            all[*vertex as usize] = standing.rank;
            all
        };
        let folded = self.vertices.fold(&Look, vec![0; self.vertices.len()], take).await?;
        check(&self.system, &self.vertices, &folded)?;
        Ok(folded.value)
    }
}
