//! A device of a running system, for whoever looks after it.

use std::fmt;
use std::sync::Arc;

use resident_gpu::device::{DeviceFault, DeviceInfo, Health, Loss};

use crate::device::core::Core;
use crate::system::snapshot::Snapshot;

/// A device of a running system: [`System::devices`](crate::System::devices). Clones are the same device.
///
/// ```
/// use resident::{Config, DeviceOptions, Health, System};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config { devices: vec![DeviceOptions::cpu(), DeviceOptions::cpu()], ..Config::default() };
/// let system = System::start(config).await?;
/// let devices = system.devices();
/// assert_eq!(devices.iter().map(|device| device.label()).collect::<Vec<_>>(), ["cpu:0", "cpu:1"]);
/// assert!(devices.iter().all(|device| device.health() == Health::Running && device.running() == 0));
/// # system.stop().await;
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
/// ```
#[derive(Clone)]
pub struct Device(Arc<Core>);

impl Device {
    pub(super) fn new(core: Arc<Core>) -> Device {
        Device(core)
    }

    /// Its short name, as faults, logs, metrics and [`ActorInfo`](crate::ActorInfo) have it: `cuda:0`.
    pub fn label(&self) -> &str {
        &self.0.name
    }

    /// Which device it is, and why that one.
    pub fn info(&self) -> &DeviceInfo {
        self.0.device.info()
    }

    /// How it is. One that is lost stays so; the others of its system go on.
    pub fn health(&self) -> Health {
        self.0.health()
    }

    /// Its numbers.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.0)
    }

    /// Actors, members of groups, and those that handlers have spawned, that have a row on it.
    pub fn running(&self) -> usize {
        self.0.running()
    }

    /// Messages so far that nobody took, of its actors and to them.
    pub fn dead_letters(&self) -> u64 {
        self.0.dead_letters()
    }

    /// The worker process that runs it now; `None` if it is a thread of this process.
    pub fn worker(&self) -> Option<u32> {
        self.0.device.worker()
    }

    /// The worker process that stands by to take over from one that is lost; `None` while none is ready for it.
    pub fn standby(&self) -> Option<u32> {
        self.0.device.standby()
    }

    /// How many workers were lost so far, each of which another took over from, and the last of them.
    pub fn losses(&self) -> (u64, Option<Loss>) {
        self.0.device.losses()
    }

    /// How many workers that were to stand by did not open, or ended, and why the last one did. Another is tried, after a pause that grows
    /// from 10 ms to 10 s: if it is long that [`standby`](Self::standby) is `None`, this says why.
    pub fn standby_failures(&self) -> (u64, Option<DeviceFault>) {
        self.0.device.standby_failures()
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("info", &self.info().to_string()).field("health", &self.health()).finish()
    }
}
