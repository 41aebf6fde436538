//! `--device`.

use clap::ValueEnum;
use resident::Choice;

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

impl From<Device> for Choice {
    fn from(device: Device) -> Choice {
        match device {
            Device::Auto => Choice::Auto,
            Device::Cpu => Choice::Cpu,
            Device::Cuda => Choice::Cuda(0),
        }
    }
}
