//! Why a file is refused, and why a checkpoint becomes none.

use thiserror::Error;

use crate::Digest;

/// Why a file was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FileError {
    /// It does not begin as these files do.
    #[error("not a checkpoint: it does not begin like one")]
    NotACheckpoint,
    /// It is of a version that this code does not know.
    #[error("written by a newer resident: format version {version}, and this one reads up to {known}; read it with that one")]
    Newer {
        /// The file's version.
        version: u32,
        /// The newest version known here.
        known: u32,
    },
    /// It is not what was written.
    #[error("damaged at byte {offset}: {what}")]
    Corrupt {
        /// Where, in the file.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// A checkpoint was asked for.
    #[error("a delta for the checkpoint {base}, not a checkpoint: apply it to that one")]
    Delta {
        /// What it can be applied to.
        base: Digest,
    },
    /// A delta was asked for.
    #[error("a checkpoint, not a delta")]
    Full,
}

impl FileError {
    pub(crate) fn corrupt(offset: u64, what: impl Into<String>) -> FileError {
        FileError::Corrupt { offset, what: what.into() }
    }
}

/// What is not a state takes more room than a file has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("everything but the states takes {bytes} bytes, and a file has room for {limit}: save fewer actors or messages together")]
pub struct TooLarge {
    /// Bytes it takes.
    pub bytes: u64,
    /// Bytes there may be.
    pub limit: u64,
}
