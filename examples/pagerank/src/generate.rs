//! Scale-free graphs: each new vertex prefers those that have many edges already (Barabasi and Albert 1999), so a few become hubs.

/// Edges that each new vertex comes with.
const EACH: usize = 4;
/// The smallest graph: the first vertices are all connected to each other.
pub const FEWEST: u64 = EACH as u64 + 1;
/// The same graph every time.
const SEED: u64 = 1999;

/// The edges of a graph of so many vertices, each edge one way.
pub fn edges(vertices: u64) -> Vec<(u64, u64)> {
    let mut random = Random(SEED);
    let mut edges: Vec<(u64, u64)> = (0..FEWEST).flat_map(|to| (0..to).map(move |from| (from, to))).collect();
    for new in FEWEST..vertices {
        // The end of an edge that is drawn from all is a vertex in proportion to its edges.
        let before = edges.len() as u64;
        let mut chosen = Vec::with_capacity(EACH);
        while chosen.len() < EACH {
            let end = random.below(2 * before);
            let (one, other) = edges[(end / 2) as usize];
            let to = if end.is_multiple_of(2) { one } else { other };
            if !chosen.contains(&to) {
                chosen.push(to);
            }
        }
        edges.extend(chosen.into_iter().map(|to| (new, to)));
    }
    edges
}

/// Numbers that a seed decides (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
