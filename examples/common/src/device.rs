//! `--device`.

use anyhow::bail;
use clap::ValueEnum;
use resident::DeviceOptions;

/// A choice of device.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Device {
    /// The first GPU if it can be used, else the CPU
    Auto,
    /// The CPU
    Cpu,
    /// The first GPU
    Cuda,
}

impl Device {
    /// So many of them, at least one.
    pub fn several(self, count: u32) -> anyhow::Result<Vec<DeviceOptions>> {
        match (self, count) {
            (_, 0 | 1) => Ok(vec![self.into()]),
            (Device::Auto, _) => bail!("several devices are named: give --device cpu or --device cuda"),
            (Device::Cpu, _) => Ok(vec![DeviceOptions::cpu(); count as usize]),
            (Device::Cuda, _) => Ok((0..count).map(DeviceOptions::cuda).collect()),
        }
    }
}

impl From<Device> for DeviceOptions {
    fn from(device: Device) -> DeviceOptions {
        match device {
            Device::Auto => DeviceOptions::auto(),
            Device::Cpu => DeviceOptions::cpu(),
            Device::Cuda => DeviceOptions::cuda(0),
        }
    }
}
