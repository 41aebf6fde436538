//! What application, keeper and worker say to each other.
//!
//! A worker shares with its application a region, the device's memory, and a [`Link`](crate::worker::link::Link) over which the two speak:
//!
//! | the application | the worker |
//! | --- | --- |
//! | `Open`, with the descriptors of region and memory if a worker has made them before | `Opened`, with those descriptors if it has made them: everything but the launch is done |
//! | `Launch`, after which loss if it follows one | `Running`, once every shard runs |
//! | `Job`, with the descriptor of a buffer: a cut or a load | `Done`, or `Refused` |
//! | `Stop` | `Stopped`, once every shard has left; it ends |
//! | closes the link | ends |
//! | | `Failed`, at any time: the device is of no more use to it |
//! | | `Panicked`, from a handler's thread: it stands still, and the worker is to be ended |
//!
//! The application itself speaks to its keeper alone, by [`Wish`]es.

use std::io;
use std::time::Duration;

use resident_host::explain;
use serde::{Deserialize, Serialize};

use crate::fault::{Class, WorkerError};
use crate::options::{DeviceInfo, Options};

/// What the application asks for.
#[derive(Serialize, Deserialize)]
pub(crate) enum Wish {
    Stop,
    GiveUp,
    Job(Job, u64),
}

/// What a keeper says to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    Open(Box<Options>),
    Launch(Option<Loss>),
    /// What is to be done, over the buffer with this number.
    Job(Job, u64),
    Stop,
}

/// What an engine does besides running shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Job {
    /// Copy actors out: those whose bit is set in the buffer if `some`, else all; then only what has changed since the cut `base`.
    Cut { some: bool, base: Option<u64> },
    /// Put the actors listed in the buffer on the device; their states have so many bytes.
    Load { rows: u64, bytes: u64 },
}

/// A job done.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub rows: u64,
    pub pages: u64,
    pub bytes: u64,
    pub base: Option<u64>,
    pub number: Option<u64>,
    /// When all shards stood still.
    pub micros: u64,
    /// From the order to leave until all ran again.
    pub pause: Duration,
    /// The application has noted what was in the rings meanwhile.
    pub noted: bool,
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    Opened(DeviceInfo),
    Running,
    Done(Done),
    /// The job is not done; the device runs on.
    Refused(WorkerError),
    Stopped,
    /// A handler of this shard has panicked, with this text, and the process has to be ended: the program's panics abort.
    Panicked(u32, String),
    Failed(WorkerError),
}

/// How a worker was lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Loss {
    /// What a message is blamed with, a `FAULT_*`.
    pub fault: u16,
    /// The shards whose handler did not come to its end, a panic that aborts included.
    pub hung: Vec<u32>,
}

/// Shared memory that was handed over, and could not be taken.
pub(crate) fn not_taken(cause: io::Error) -> WorkerError {
    WorkerError::new(Class::Memory, format!("no descriptor for memory that was handed over: {}", explain(&cause, "start the system again")))
}
