//! What can go wrong with a device, in the words that cross from its worker: a class and a text.

/// Why a worker could not start or had to end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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

macro_rules! classes {
    ($($(#[$meta:meta])* $name:ident = $code:literal,)*) => {
        /// The classes of device errors; the number travels in the region's status word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Class { $($(#[$meta])* $name = $code,)* }

        impl Class {
            /// Reads a number that another process may have written.
            pub(crate) fn from_code(code: u32) -> Class {
                match code { $($code => Class::$name,)* _ => Class::Worker }
            }
        }
    };
}

classes! {
    /// The worker itself failed; the text says how.
    Worker = 0,
    /// No CUDA driver on this machine.
    NoDriver = 1,
    /// The CUDA driver is older than 12.4.
    OldDriver = 2,
    /// The driver shows no such device.
    NoDevice = 3,
    /// The device is older than compute capability 8.0.
    OldDevice = 4,
    /// The handlers were not compiled for the GPU.
    NoHandlers = 5,
    /// Engine and handlers do not agree on their layouts, or did not link.
    Link = 6,
    /// More shards than the device holds at once.
    TooManyShards = 7,
    /// Not enough memory.
    Memory = 8,
    /// The driver refused a call.
    Driver = 9,
    /// A kernel trapped.
    Trap = 10,
    /// A kernel accessed an illegal address.
    IllegalAddress = 11,
    /// The device was lost: power, bus, or reset.
    DeviceLost = 12,
    /// A word or slot in shared memory violates the protocol.
    Protocol = 13,
    /// Another system of this process runs on the device.
    Busy = 14,
}

/// What a caught panic said.
pub(crate) fn described(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}
