//! How the devices of a system are opened, and how each is brought up: its ports, its pumps and its tasks.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use futures_util::future::join_all;
use resident_gpu::device::{Device, DeviceKind, Options, StartError as DeviceStartError};
use resident_gpu::region::draw_system;
use resident_host::apart;
use tokio::task::AbortHandle;
use tracing::{Instrument, field, info_span};

use crate::config::{Config, Wanted};
use crate::device::core::Core;
use crate::device::later::{self, Timers};
use crate::device::links::{self, Links};
use crate::device::pump::Pump;
use crate::device::shared::Shared;
use crate::error::StartError;
use crate::metrics::Lease;
use crate::shard::doorbell::Doorbell;
use crate::shard::port::Port;
use crate::shard::trace::Tracer;

/// Opens the devices that `config` asks for, side by side: all of them, or none.
pub(super) async fn devices(config: &Config) -> Result<Vec<Arc<Device>>, StartError> {
    let wanted = config.wanted()?;
    let system = draw_system();
    let opened = join_all((system..).zip(&wanted).map(|(number, wanted)| open(config, wanted, number))).await;
    let mut devices = opened.into_iter().collect::<Result<Vec<_>, StartError>>()?;
    if let ([wanted], [first]) = (&*wanted, &*devices)
        && first.info().kind == DeviceKind::Cuda
    {
        devices.extend(others(config, wanted, system + 1).await);
    }
    Ok(devices)
}

/// Opens one, whose number in the system is `number`.
async fn open(config: &Config, wanted: &Wanted, number: u32) -> Result<Arc<Device>, StartError> {
    let system = config.name.as_deref();
    let span = info_span!("open", system, device = field::Empty, shards = field::Empty);
    let options = Options { system: Some(number), ..config.options(wanted) };
    async {
        let begun = Instant::now();
        let started = apart(move || Device::start(options)).await.map_err(StartError::Thread)?;
        let started = started.unwrap_or_else(|| Err(DeviceStartError::Worker("the start has panicked, please report it".into())));
        let device = started?;
        let info = device.info();
        span.record("device", info.label()).record("shards", info.shards);
        tracing::info!(device = info.label(), shards = info.shards, took = ?begun.elapsed(), "a device is open");
        Ok(device)
    }
    .instrument(span.clone())
    .await
}

/// The GPUs beside the first that can be used, if they are asked for, numbered from `number` on: up to the first ordinal that the driver does
/// not know.
async fn others(config: &Config, first: &Wanted, mut number: u32) -> Vec<Arc<Device>> {
    let mut others = Vec::new();
    for ordinal in 1.. {
        let Some(wanted) = first.other(ordinal) else { break };
        match open(config, &wanted, number).await {
            Ok(device) => {
                others.push(device);
                number += 1;
            }
            Err(StartError::Device(DeviceStartError::NoDevice(_))) => break,
            Err(error) => tracing::warn!(system = config.name.as_deref(), "cuda:{ordinal} is left out: {error}"),
        }
    }
    others
}

/// A device that is up.
pub(super) struct Running {
    pub core: Arc<Core>,
    pub pumps: Vec<JoinHandle<()>>,
    /// They keep timers and links.
    pub tasks: [AbortHandle; 2],
}

impl Running {
    /// Brings a device up.
    pub(super) fn new(device: Arc<Device>, series: Lease, shared: Arc<Shared>, config: &Config) -> Result<Running, StartError> {
        let pumps = config.pump.threads.min(device.info().shards) as usize;
        let bells: Box<[_]> = (0..pumps).map(|_| Arc::new(Doorbell::default())).collect();
        let mut lanes: Vec<Vec<_>> = (0..pumps).map(|_| Vec::new()).collect();
        let mut ports = Vec::new();
        let tracer = Tracer::new(config.trace, shared.system.clone(), device.info().label().into());
        for shard in 0..device.info().shards {
            let pump = shard as usize % pumps;
            // A device that was started just now has all its ports.
            let Some((producer, consumer)) = device.take_ports(shard) else { continue };
            let (rows, kinds) = (device.rows(), device.kinds().len());
            let port = Arc::new(Port::new(shard, producer, rows, config.nursery, kinds, bells[pump].clone(), tracer.clone()));
            lanes[pump].push((port.clone(), consumer));
            ports.push(port);
        }
        let (timers, later) = Timers::new();
        let (links, events) = Links::new();
        let core = Arc::new(Core::new(device, ports.into(), bells, (timers, links), series, shared, config));
        let tasks = [tokio::spawn(later::keep(later, Arc::downgrade(&core))), tokio::spawn(links::keep(events, Arc::downgrade(&core)))];
        let mut running = Running { core: core.clone(), pumps: Vec::new(), tasks: tasks.map(|task| task.abort_handle()) };
        for (index, lanes) in lanes.into_iter().enumerate() {
            match Pump::start(core.clone(), index, lanes, config.pump) {
                Ok(thread) => running.pumps.push(thread),
                Err(error) => {
                    core.end();
                    return Err(StartError::Thread(error));
                }
            }
        }
        core.nurseries.iter().for_each(|nursery| nursery.open(&core));
        Ok(running)
    }
}
