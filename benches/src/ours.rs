//! Ours: what the bare peers are the floor of.
//!
//! - [`addresses`]: calls and casts by an actix address
//! - [`births`]: actors that a handler spawns
//! - [`crowd`]: a million actors started at once, and messages to all of them
//! - [`cuts`]: states cut while their actors work, and loaded
//! - [`flights`]: the example of that name
//! - [`idle`]: a device that has nothing to do
//! - [`isolation`]: asks with the worker a process and a thread
//! - [`lanes`]: an actor's items by its handler and by lanes together
//! - [`messages`]: messages from actor to actor
//! - [`round_trips`]: asks, calls, spawns and faults, one at a time
//! - [`streams`]: many asks in flight, many casts
//! - [`mix`]: messages between all actors
//! - [`restores`]: the same as a user of a system has it, with ractor actors in front
//! - [`rows`]: rows without a ractor actor in front
//! - [`skew`]: messages between actors of which a few get almost all
//! - [`takeover`]: faults and kills, one at a time, and who is answered when
//! - [`tiles`]: a stencil
//! - [`untouched`]: faults while messages flow, and every state compared
//! - [`verify`]: as many messages as one likes, every one of them checked
//!
//! Each round starts a system of its own and stops it, so that the peers have the device to themselves meanwhile.

pub mod addresses;
pub mod births;
pub mod crowd;
pub mod cuts;
pub mod flights;
pub mod idle;
pub mod isolation;
pub mod lanes;
pub mod messages;
pub mod mix;
pub mod restores;
pub mod round_trips;
pub mod rows;
pub mod skew;
pub mod streams;
pub mod takeover;
pub mod tiles;
pub mod untouched;
pub mod verify;

use crate::args::Device;
use crate::rounds::Error;
use resident::{Choice, Config, GpuRef, Spawn, System};
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long a host thread waits for one answer of ours.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where ours runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The device.
    pub choice: Choice,
    /// Shards on a GPU; the CPU device has as many as suit it.
    pub shards: Option<u32>,
}

impl Place {
    /// The CPU device.
    pub const CPU: Place = Place { choice: Choice::Cpu, shards: None };

    /// Where the command line wants it.
    pub fn of(device: Device, has_gpu: bool, shards: u32) -> Place {
        let gpu = Place { choice: Choice::Cuda(0), shards: Some(shards) };
        match device {
            Device::Cpu => Place::CPU,
            Device::Cuda => gpu,
            Device::Auto if has_gpu => gpu,
            Device::Auto => Place::CPU,
        }
    }

    /// What the table calls ours there.
    pub fn title(&self) -> String {
        match self.shards {
            Some(shards) => format!("resident, {shards} shards"),
            None => "resident, CPU device".into(),
        }
    }
}

/// Starts systems in one place.
#[derive(Clone)]
pub struct Ours<'r> {
    runtime: &'r Runtime,
    place: Place,
    config: Config,
}

impl<'r> Ours<'r> {
    /// Systems at `place` whose proxies `runtime` runs.
    pub fn new(runtime: &'r Runtime, place: Place) -> Ours<'r> {
        let config = Config { devices: vec![place.choice.into()], shards: place.shards, ..Config::default() };
        Ours { runtime, place, config }
    }

    /// The same with room for so many asks in flight.
    pub fn with_reply_lines(mut self, lines: u32) -> Ours<'r> {
        self.config.reply_lines = lines;
        self
    }

    /// The same with another configuration.
    fn with(mut self, change: impl FnOnce(&mut Config)) -> Ours<'r> {
        change(&mut self.config);
        self
    }

    /// What the table calls it.
    pub fn title(&self) -> String {
        self.place.title()
    }

    /// Runs `work` with a system that is started for it and stopped after it.
    fn system<T>(&self, work: impl FnOnce(&System) -> Result<T, Error>) -> Result<T, Error> {
        let system = self.runtime.block_on(System::start(self.config.clone()))?;
        let result = work(&system);
        let report = self.runtime.block_on(system.stop());
        report.device?;
        let result = result?;
        if report.killed != 0 {
            return Err(format!("{} actors did not stop by themselves", report.killed).into());
        }
        Ok(result)
    }

    /// An actor on each shard, in the shards' order.
    fn on_every_shard<A: Spawn>(&self, system: &System, make: impl Fn() -> A) -> Result<Vec<GpuRef<A>>, Error> {
        let shards = system.device().shards as usize;
        let mut actors: Vec<Option<GpuRef<A>>> = vec![None; shards];
        // Spawns go round the shards.
        for _ in 0..shards {
            let (actor, _) = self.runtime.block_on(A::spawn(None, make(), system))?;
            let shard = actor.info().address.shard() as usize;
            if actors[shard].replace(actor).is_some() {
                return Err(format!("of {shards} actors spawned in a row two are on shard {shard}").into());
            }
        }
        Ok(actors.into_iter().flatten().collect())
    }
}
