//! PageRank of a graph: one resident actor per vertex, on the GPU if there is one, and messages along the edges.
//!
//! ```text
//!   host --- Begin --> Branch --- Step --> Branch ... --- Step --> Vertex --- Lend --> Edges --- Lend --> Edges ... (14 edges each)
//!                        ^                   ^                       |                  |
//!                        +------ Done -------+--------- Done --------+                  +--- Share --> Vertex
//! ```

mod actors;
mod generate;
mod graph;
mod read;
mod recurrence;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use examples_common::{Device, exit_code};
use indicatif::HumanCount;
use pagerank_actors::{Branch, Damping, Edges, Vertex};
use resident::prelude::*;

use crate::actors::{Actors, Needed};
use crate::graph::Graph;
use crate::report::Report;

/// Slots of each ring: the host runs that far ahead of a shard before it waits.
const CAPACITY: u32 = 4096;
/// The largest graph that is generated.
const MOST: u64 = 10_000_000;

/// Ranks the vertices of a graph with one resident actor per vertex.
#[derive(Parser)]
struct Args {
    /// File of edges, one on a line, as SNAP's files have them [default: Zachary's karate club, which the program carries]
    #[arg(long, value_name = "FILE")]
    graph: Option<PathBuf>,
    /// The file's edges lead both ways
    #[arg(long, requires = "graph")]
    undirected: bool,
    /// Make a scale-free graph of so many vertices instead, the same every time
    #[arg(long, value_name = "N", conflicts_with = "graph", value_parser = clap::value_parser!(u64).range(generate::FEWEST..=MOST))]
    generate: Option<u64>,
    /// Where the vertices live
    #[arg(long, value_enum, default_value = "auto")]
    device: Device,
    /// Blocks of a GPU or threads of the CPU device [default: as many as suit the device]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    shards: Option<u32>,
    /// Rounds
    #[arg(long, value_name = "N", default_value_t = 50)]
    rounds: u32,
    /// How much of its rank a vertex gives along its edges, from 0 on and below 1
    #[arg(long, value_name = "FRACTION", default_value = "0.85", value_parser = damping)]
    damping: Damping,
    /// Vertices to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
}

fn damping(text: &str) -> Result<Damping, String> {
    text.parse().ok().and_then(Damping::new).ok_or_else(|| "give a number from 0 on and below 1, as 0.85".into())
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

/// Whether the actors' ranks are the CPU's.
#[tokio::main(flavor = "current_thread")]
async fn run(args: &Args) -> anyhow::Result<bool> {
    let graph = match (&args.graph, args.generate) {
        (Some(path), _) => Graph::new(read::file(path)?, args.undirected),
        (None, Some(vertices)) => Graph::new(generate::edges(vertices), true),
        (None, None) => Graph::new(read::karate()?, true),
    };
    let system = System::start(config(args, &graph)).await?;
    println!("{}", system.device());
    let (vertices, edges, most) = (graph.vertices() as u64, graph.edges() as u64, graph.most_edges() as u64);
    println!("{} vertices, {} edges, up to {} from one", HumanCount(vertices), HumanCount(edges), HumanCount(most));
    let ranked = rank(args, &graph, &system).await;
    system.stop().await;
    ranked
}

async fn rank(args: &Args, graph: &Graph, system: &System) -> anyhow::Result<bool> {
    let actors = Actors::start(graph, system).await?;
    let begun = Instant::now();
    actors.run(args.rounds, args.damping).await?;
    let took = begun.elapsed();
    let ranks = actors.ranks().await?;
    let begun = Instant::now();
    let expected = recurrence::ranks(graph, args.rounds, args.damping);
    let loop_took = begun.elapsed();
    let report = Report { graph, rounds: args.rounds, took, loop_took, top: args.top, ranks: &ranks, expected: &expected };
    println!("{report}");
    Ok(report.difference().is_none())
}

/// With room for every actor, however few shards the device has, and for every message of a round.
fn config(args: &Args, graph: &Graph) -> Config {
    let default = Config::default();
    let Needed { vertices, links, branches } = Needed::of(graph);
    let rows = ((vertices + links + branches) as u32).div_ceil(args.shards.unwrap_or(1));
    // The arena rounds sizes up, and gives room in larger pieces.
    let states = (vertices * size_of::<Vertex>() + links * size_of::<Edges>() + branches * size_of::<Branch>()) as u64 * 5 / 4;
    // Each has at most one from above and one from below on its way, and what goes along edges; inboxes are not equally full.
    let messages = 2 * (graph.edges() + 2 * (vertices + links + branches)) as u64;
    Config {
        devices: vec![args.device.into()],
        shards: args.shards,
        capacity: CAPACITY,
        inboxes: messages.min(u32::MAX.into()) as u32,
        rows: rows.max(default.rows),
        arena_bytes: states.max(default.arena_bytes),
        ..default
    }
}
