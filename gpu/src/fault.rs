//! What can go wrong with a device, in the words that cross from its worker: a class and a text.

use serde::{Deserialize, Serialize};

/// Why a worker could not start or had to end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{text}")]
pub(crate) struct WorkerError {
    /// Which of the errors it is.
    pub class: Class,
    /// What happened and what to do.
    pub text: String,
}

impl WorkerError {
    pub(crate) fn new(class: Class, text: impl Into<String>) -> WorkerError {
        WorkerError { class, text: text.into() }
    }
}

/// A device that failed while it ran.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct DeviceFault {
    /// What happened.
    pub class: Class,
    /// What happened, in words, and what to do.
    pub text: String,
}

impl From<WorkerError> for DeviceFault {
    fn from(error: WorkerError) -> DeviceFault {
        DeviceFault { class: error.class, text: error.text }
    }
}

/// The classes of device errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Class {
    /// The worker itself failed or was killed; the text says how.
    Worker,
    /// No CUDA driver on this machine.
    NoDriver,
    /// The CUDA driver is older than 12.4.
    OldDriver,
    /// The driver shows no such device.
    NoDevice,
    /// The device is older than compute capability 8.0.
    OldDevice,
    /// The handlers were not compiled for the GPU.
    NoHandlers,
    /// Engine and handlers do not agree on their layouts, or did not link.
    Link,
    /// More shards than the device holds at once.
    TooManyShards,
    /// Not enough memory.
    Memory,
    /// The driver refused a call.
    Driver,
    /// A kernel trapped.
    Trap,
    /// A kernel accessed an illegal address.
    IllegalAddress,
    /// The device was lost: power, bus, or reset.
    DeviceLost,
    /// A word or slot in shared memory violates the protocol.
    Protocol,
    /// A handler did not come to an end within its kind's budget.
    Hang,
    /// Another system of this process runs on the device.
    Busy,
    /// A handler panicked on the CPU device, in a program whose panics abort.
    Panic,
}

impl Class {
    /// Every class.
    pub const ALL: [Class; 17] = [
        Self::Worker,
        Self::NoDriver,
        Self::OldDriver,
        Self::NoDevice,
        Self::OldDevice,
        Self::NoHandlers,
        Self::Link,
        Self::TooManyShards,
        Self::Memory,
        Self::Driver,
        Self::Trap,
        Self::IllegalAddress,
        Self::DeviceLost,
        Self::Protocol,
        Self::Hang,
        Self::Busy,
        Self::Panic,
    ];

    /// The class as a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::NoDriver => "no_driver",
            Self::OldDriver => "old_driver",
            Self::NoDevice => "no_device",
            Self::OldDevice => "old_device",
            Self::NoHandlers => "no_handlers",
            Self::Link => "link",
            Self::TooManyShards => "too_many_shards",
            Self::Memory => "memory",
            Self::Driver => "driver",
            Self::Trap => "trap",
            Self::IllegalAddress => "illegal_address",
            Self::DeviceLost => "device_lost",
            Self::Protocol => "protocol",
            Self::Hang => "hang",
            Self::Busy => "busy",
            Self::Panic => "panic",
        }
    }
}

/// What a caught panic said.
pub(crate) fn described(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}
