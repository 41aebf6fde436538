//! What can go wrong with checkpoints: one enum per operation, each text says what to do next.

use std::io;
use std::time::Duration;

use resident_checkpoint::{Invalid, Key};
use resident_gpu::device::DeviceFault;
use resident_gpu::region::FORKED;
use resident_host::explain;
use thiserror::Error;

use crate::error::{PlacementError, SpawnError};
use crate::who::ActorKey;

/// Why a checkpoint was not taken.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The system is stopping or has stopped.
    #[error("the system has stopped: take the last checkpoint before that")]
    Stopped,
    /// The device has failed.
    #[error("the device has failed: {0}; restore an earlier checkpoint on another one")]
    Lost(DeviceFault),
    /// An actor that was asked for is not on the device.
    #[error("actor {0} is not on this device, or has ended or failed meanwhile: ask again without it")]
    NoActor(ActorKey),
    /// The system has several devices, and a checkpoint is of one.
    #[error("the system has {0} devices, and a checkpoint is of one: say which, `system.placing(Placement::On(0))`, and take one of each")]
    Devices(usize),
    /// The device that it is to be of is not there.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// It took too long: a handler runs on, the device was lost again and again, or this process got no core.
    #[error("no checkpoint within {0:?}: a handler runs on, or the machine is overloaded; ask again, or allow more time with `within`")]
    Late(Duration),
    /// The device refused; the text says what to do.
    #[error("{0}")]
    Refused(String),
    /// What the device said makes no checkpoint.
    #[error("the device has answered what makes no checkpoint ({0}); this is an error of resident, please report it")]
    Invalid(#[from] Invalid),
    /// The thread that spoke to the device has panicked.
    #[error("the thread that takes checkpoints has panicked; this is an error of resident, please report it")]
    Runtime,
    /// This process is a child that was forked from the system's.
    #[error("{FORKED}")]
    Forked,
}

/// Why a state in a checkpoint is not one of the type that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StateError {
    /// Nobody has that name.
    #[error("the checkpoint has no actor called `{0}`; `actors()` lists all")]
    Name(String),
    /// The actor is of another kind.
    #[error("actor {key} is of kind `{saved}`, not `{wanted}`: ask for it as what it is")]
    Kind {
        /// Which actor.
        key: Key,
        /// Its kind.
        saved: String,
        /// The kind asked for.
        wanted: &'static str,
    },
    /// The state's layout has changed, and its kind does not say how.
    #[error(
        "the states of kind `{kind}` were saved with the layout {saved:016x} and have {present:016x} now: give the kind a function \
         that makes one of the other, `#[actor(migrate = ..)]`, or restore with the program that saved them"
    )]
    Layout {
        /// The kind.
        kind: &'static str,
        /// The layout in the checkpoint.
        saved: u64,
        /// The layout in this program.
        present: u64,
    },
    /// The kind's `migrate` does not take the state.
    #[error("`migrate` of kind `{kind}` refuses the state of actor {key}, whose layout is {saved:016x}: have it take that layout")]
    Migrate {
        /// The kind.
        kind: &'static str,
        /// Which actor.
        key: Key,
        /// The layout in the checkpoint.
        saved: u64,
    },
}

/// Why actors were not restored. None of them runs then, and nothing of them is left.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The checkpoint was taken by a program without this kind.
    #[error("the checkpoint knows no kind `{kind}`, only {known}: is it of this program? A kind is found by its state's name")]
    Kind {
        /// The kind asked for.
        kind: &'static str,
        /// Those in the checkpoint.
        known: String,
    },
    /// A state can not be taken over.
    #[error(transparent)]
    State(#[from] StateError),
    /// A pending message is none that the kind handles.
    #[error(
        "message {message} of {bytes} bytes, pending for actor {key}, is none of kind `{kind}`: restore with the program that took the \
         checkpoint, or take one while nothing is being sent"
    )]
    Message {
        /// The kind.
        kind: &'static str,
        /// To whom.
        key: Key,
        /// Its index among the kind's messages.
        message: u16,
        /// Its bytes.
        bytes: usize,
    },
    /// No room, a name that is taken, or a system that has stopped.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The device did not take them within this time.
    #[error("the device did not take the actors within {0:?}: it was lost again and again, or the machine is overloaded; try again")]
    Late(Duration),
    /// The device refused; the text says what to do.
    #[error("{0}")]
    Refused(String),
    /// The thread that spoke to the device has panicked.
    #[error("the thread that restores has panicked; this is an error of resident, please report it")]
    Runtime,
}

impl CheckpointError {
    /// The system gives no thread to take one in.
    pub(super) fn thread(cause: &io::Error) -> CheckpointError {
        CheckpointError::Refused(no_thread(cause))
    }
}

impl RestoreError {
    /// The system gives no thread to restore in.
    pub(super) fn thread(cause: &io::Error) -> RestoreError {
        RestoreError::Refused(no_thread(cause))
    }
}

fn no_thread(cause: &io::Error) -> String {
    format!("no thread to speak to the device in: {}", explain(cause, "try again"))
}
