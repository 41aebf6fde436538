//! Why there is no cut.

use std::time::Duration;

use crate::fault::{Class, DeviceFault, WorkerError};

/// Why there is no cut, or why nothing was loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CutError {
    /// The worker was lost meanwhile, or another one is taking over: ask again.
    #[error("the device's worker was lost meanwhile; ask again, another one takes over")]
    Lost,
    /// The device does not run any more.
    #[error("the device does not run: {0}")]
    Ended(DeviceFault),
    /// This process did not note what is in the rings while the shards stood still: it was given no core. Ask again.
    #[error("this process was not given a core for {0:?} while the device stood still; ask again")]
    Late(Duration),
    /// The worker or the driver refused; the text says what to do.
    #[error("{text}")]
    Refused {
        /// What happened.
        class: Class,
        /// What happened, in words.
        text: String,
    },
}

impl From<WorkerError> for CutError {
    fn from(error: WorkerError) -> CutError {
        CutError::Refused { class: error.class, text: error.text }
    }
}
