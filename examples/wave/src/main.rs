//! The wave equation in a cube: one resident actor per tile of 8 x 8 x 8 cells, on the GPU if there is one, and faces as messages.
//!
//! ```text
//!   host --- Start, Run --> Tile --- Face --> Tile (up to six neighbours, every step)
//!   host <--- Look -------- Tile
//! ```

mod picture;
mod report;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use examples_common::{Device, exit_code};
use indicatif::HumanCount;
use resident::prelude::*;
use wave::{Actors, Domain, Plain, Walls, room};
use wave_actors::{EDGE, Pulse};

use crate::report::Report;

/// Computes a wave in a cube with one resident actor per tile.
#[derive(Parser)]
struct Args {
    /// Cells along an edge of the cube, a multiple of 8 up to 256
    #[arg(long = "size", value_name = "N", default_value = "64", value_parser = tiles)]
    tiles: usize,
    /// Steps
    #[arg(long, value_name = "N", default_value_t = 100)]
    steps: u32,
    /// What is beyond the cube
    #[arg(long, value_enum, default_value = "fixed")]
    walls: Beyond,
    /// What the wave begins with
    #[arg(long, value_enum, default_value = "gaussian")]
    source: Source,
    /// Write pictures of the layer in the middle to this folder
    #[arg(long, value_name = "DIR")]
    picture: Option<PathBuf>,
    /// Steps from a picture to the next
    #[arg(long, value_name = "N", default_value_t = 10, requires = "picture", value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// Where the tiles live
    #[arg(long, value_enum, default_value = "auto")]
    device: Device,
    /// Blocks of a GPU or threads of the CPU device [default: as many as suit the device]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    shards: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Beyond {
    /// Zeros, from which the wave comes back
    Fixed,
    /// The cube once more: what leaves it comes in on the other side
    Periodic,
}

#[derive(Clone, Copy, ValueEnum)]
enum Source {
    /// A bell, an eighth of the cube wide
    Gaussian,
    /// One cell
    Point,
}

/// Tiles along an edge.
fn tiles(cells: &str) -> Result<usize, String> {
    let size = cells.parse().ok().filter(|size: &usize| size.is_multiple_of(EDGE) && (EDGE..=256).contains(size));
    size.map(|size| size / EDGE).ok_or_else(|| "give a multiple of 8 from 8 to 256, as 64".into())
}

impl Args {
    fn domain(&self) -> Domain {
        let size = (self.tiles * EDGE) as u32;
        // Another place along each axis, so that no two of them can be taken for each other.
        let centre = [size / 3, size * 2 / 5, size / 2];
        Domain {
            tiles: self.tiles,
            walls: match self.walls {
                Beyond::Fixed => Walls::Fixed,
                Beyond::Periodic => Walls::Periodic,
            },
            pulse: match self.source {
                Source::Gaussian => Pulse::gaussian(centre, size as f32 / 16.0),
                Source::Point => Pulse::point(centre),
            },
        }
    }
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

/// Whether the actors' values are the CPU's.
#[tokio::main(flavor = "current_thread")]
async fn run(args: &Args) -> anyhow::Result<bool> {
    if let Some(folder) = &args.picture {
        fs::create_dir_all(folder).with_context(|| format!("can not make `{}`; give another folder to --picture", folder.display()))?;
    }
    let domain = args.domain();
    let config = Config { devices: vec![args.device.into()], shards: args.shards, ..Config::default() };
    let system = System::start(room(&domain, config)).await?;
    println!("{}", system.device());
    println!("{} cells in {} tiles", HumanCount(domain.cells() as u64), HumanCount(domain.all_tiles() as u64));
    let computed = compute(args, domain, &system).await;
    system.stop().await;
    computed
}

async fn compute(args: &Args, domain: Domain, system: &System) -> anyhow::Result<bool> {
    let actors = Actors::start(domain, system).await?;
    let took = match &args.picture {
        None => timed(&actors, args.steps).await?,
        Some(folder) => {
            let mut took = Duration::ZERO;
            for step in (0..=args.steps).step_by(args.every as usize) {
                took += timed(&actors, step).await?;
                let layer = actors.layer(domain.size() / 2).await?;
                picture::write(&folder.join(format!("wave-{step:06}.png")), &layer, domain.size())?;
            }
            took + timed(&actors, args.steps).await?
        }
    };
    let cells = actors.cells().await?;
    let mut plain = Plain::new(domain);
    plain.run(args.steps);
    let report = Report { domain: &domain, steps: args.steps, took, cells: &cells, expected: plain.cells() };
    println!("{report}");
    Ok(report.difference().is_none())
}

async fn timed(actors: &Actors, until: u32) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    actors.run(until).await?;
    Ok(begun.elapsed())
}
