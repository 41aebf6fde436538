//! `--device`.

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

impl From<Device> for DeviceOptions {
    fn from(device: Device) -> DeviceOptions {
        match device {
            Device::Auto => DeviceOptions::auto(),
            Device::Cpu => DeviceOptions::cpu(),
            Device::Cuda => DeviceOptions::cuda(0),
        }
    }
}
