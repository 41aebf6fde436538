//! The domain as actors: a group of tiles.

use std::thread::available_parallelism;
use std::time::Duration;

use examples_common::{by_key, check};
use resident::Address;
use resident::prelude::*;
use resident::resident_kernels::wire::slots_for;
use wave_tile::{EDGE, FACE, Face, Look, Run, SIDES, Start, Steps, Tile, TileMsg};

use crate::domain::Domain;

/// Between two looks at how far the tiles are. A pause on purpose: each look is a message more for them.
const LOOK: Duration = Duration::from_millis(1);

/// A domain whose tiles are actors.
pub struct Actors {
    domain: Domain,
    system: System,
    tiles: GpuGroup<Tile, u32>,
}

/// `config` with room for every tile of a domain, and for all faces that are on their way at a time.
pub fn room(domain: &Domain, config: Config) -> Config {
    // By default the CPU device has that many shards, and a GPU more.
    let shards = config.shards.unwrap_or_else(|| available_parallelism().map_or(1, |cores| cores.get().min(4) as u32));
    let each = (domain.all_tiles() as u32).div_ceil(shards);
    // A tile that is ahead has sent two faces to a neighbour from which none is on its way: as many as all tiles have sides.
    let faces = domain.all_tiles() * SIDES;
    // The arena rounds sizes up, and gives room in larger pieces.
    let states = (domain.all_tiles() * size_of::<Tile>()) as u64 * 5 / 4;
    Config {
        // Twice, since inboxes are not equally full.
        inboxes: (2 * faces * slots_for(size_of::<Face>()) as usize) as u32,
        rows: each.max(config.rows),
        arena_bytes: states.max(config.arena_bytes),
        ..config
    }
}

impl Actors {
    /// Starts the tiles of a domain, with the wave at its beginning.
    pub async fn start(domain: Domain, system: &System) -> anyhow::Result<Actors> {
        let all = (0..domain.all_tiles() as u32).map(|tile| (tile, Tile::EMPTY));
        let (tiles, _) = Tile::spawn_many(None, all, system).await?;
        let at = by_key(&tiles).await;
        for tile in 0..domain.all_tiles() {
            let place = Domain::place(tile, domain.tiles);
            let beside = |side| domain.beside(place, side, domain.tiles).map_or(Address::NOBODY, |tile| at[tile]);
            let corner = place.map(|at| (at * EDGE) as u32);
            let start = Start { neighbours: std::array::from_fn(beside), corner, pulse: domain.pulse };
            tiles.send(&(tile as u32), TileMsg::Start(start)).await?;
        }
        let actors = Actors { domain, system: system.clone(), tiles };
        actors.reach(0).await?;
        Ok(actors)
    }

    /// Has all tiles take steps until they have taken so many since the start.
    pub async fn run(&self, until: u32) -> anyhow::Result<()> {
        self.tiles.tell_all(&Run { until }).await?;
        self.reach(until).await
    }

    /// Waits until all tiles have taken so many steps.
    async fn reach(&self, steps: u32) -> anyhow::Result<()> {
        loop {
            let there = self.tiles.fold(&Steps, 0, |there, _, taken| there + usize::from(taken == steps)).await?;
            check(&self.system, &self.tiles, &there)?;
            if there.value == self.tiles.len() {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Every cell, x first, then y, then z.
    pub async fn cells(&self) -> anyhow::Result<Vec<f32>> {
        let mut cells = vec![0.0; self.domain.cells()];
        for layer in 0..EDGE {
            self.look(layer, |_, begin, row| cells[begin..begin + EDGE].copy_from_slice(row)).await?;
        }
        Ok(cells)
    }

    /// The cells of a layer along z, x first.
    pub async fn layer(&self, z: usize) -> anyhow::Result<Vec<f32>> {
        let area = self.domain.size().pow(2);
        let mut cells = vec![0.0; area];
        let take = |at, begin, row: &[f32]| {
            if at == z {
                cells[begin - z * area..][..EDGE].copy_from_slice(row);
            }
        };
        self.look(z % EDGE, take).await?;
        Ok(cells)
    }

    /// Gives a layer of every tile to `take`, row by row: its place along z, the number of its first cell, and its cells.
    async fn look(&self, layer: usize, mut take: impl FnMut(usize, usize, &[f32])) -> anyhow::Result<()> {
        let size = self.domain.size();
        let look = Look { layer: layer as u32 };
        let folded = self.tiles.fold(&look, (), |(), tile, cells: [f32; FACE]| {
            let [x, y, z] = Domain::place(*tile as usize, self.domain.tiles).map(|at| at * EDGE);
            for (row, cells) in cells.chunks(EDGE).enumerate() {
                take(z + layer, Domain::number([x, y + row, z + layer], size), cells);
            }
        });
        check(&self.system, &self.tiles, &folded.await?)
    }
}
