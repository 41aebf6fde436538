//! A directed graph, as lists of whom each vertex points to.

/// A graph. Its vertices are numbered from 0 on; each has the name that its source gives it.
pub struct Graph {
    names: Vec<u64>,
    /// Where in `targets` each vertex's edges begin, and the end.
    starts: Vec<usize>,
    targets: Vec<u32>,
}

impl Graph {
    /// Of edges between vertices by name. One that is given twice counts once; `both_ways`, each leads back too.
    pub fn new(mut edges: Vec<(u64, u64)>, both_ways: bool) -> Graph {
        if both_ways {
            edges.extend_from_within(..);
            let half = edges.len() / 2;
            edges[half..].iter_mut().for_each(|(from, to)| std::mem::swap(from, to));
        }
        edges.sort_unstable();
        edges.dedup();
        let mut names: Vec<u64> = edges.iter().flat_map(|(from, to)| [*from, *to]).collect();
        names.sort_unstable();
        names.dedup();
        let mut graph = Graph { starts: vec![0], targets: Vec::with_capacity(edges.len()), names };
        let mut edges = edges.iter().peekable();
        for name in &graph.names {
            while let Some((_, to)) = edges.next_if(|(from, _)| from == name) {
                // Each name is there.
                graph.targets.push(graph.names.partition_point(|name| name < to) as u32);
            }
            graph.starts.push(graph.targets.len());
        }
        graph
    }

    /// Vertices.
    pub fn vertices(&self) -> usize {
        self.names.len()
    }

    /// Edges.
    pub fn edges(&self) -> usize {
        self.targets.len()
    }

    /// What its source calls a vertex.
    pub fn name(&self, vertex: usize) -> u64 {
        self.names[vertex]
    }

    /// Whom a vertex points to.
    pub fn targets(&self, vertex: usize) -> &[u32] {
        &self.targets[self.starts[vertex]..self.starts[vertex + 1]]
    }

    /// The most edges that lead away from one vertex.
    pub fn most_edges(&self) -> usize {
        self.starts.windows(2).map(|ends| ends[1] - ends[0]).max().unwrap_or(0)
    }

    /// How many edges lead to each vertex.
    pub fn in_degrees(&self) -> Vec<u32> {
        let mut degrees = vec![0; self.vertices()];
        self.targets.iter().for_each(|to| degrees[*to as usize] += 1);
        degrees
    }
}
