//! Checkpoints and deltas as files. What is where, byte by byte: `docs/checkpoint-format.md`.
//!
//! ```text
//! header        256 bytes; where everything else is, and a digest of itself
//! metadata      an rkyv archive: everything but states
//! page digests  16 bytes for each page
//! blocks        compressed files only: length and digest of each block
//! states        the states or changed pages one after another, from a multiple of 4096 on
//! ```
//!
//! A file is a stranger's word. Header, metadata and tables are checked against their digests before anything in them is used, every
//! number is bounded before it counts or allocates, each byte between sections is zero, none comes behind, each page has its digest,
//! and the whole has the digest that the header names. Digests do not keep out who can write the file; the checks behind them do keep
//! such a file from doing more than being wrong.

mod blocks;
mod error;
mod header;
mod metadata;
mod read;
mod write;

use bytes::Bytes;

pub use error::{FileError, TooLarge};
pub use header::{HEADER_BYTES, Header, VERSION, What};
pub use write::Encoded;

use crate::{Checkpoint, Delta};

/// Whether states are compressed in files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// They are not: written and read without a copy.
    #[default]
    None,
    /// Block by block with LZ4.
    Lz4,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub enum Contents {
    /// A whole checkpoint.
    Full(Checkpoint),
    /// What became of another.
    Delta(Delta),
}

impl Contents {
    /// Parses a file, and believes none of it. A checkpoint's states stay in `file` if they are not compressed.
    pub fn decode(file: Bytes) -> Result<Contents, FileError> {
        read::contents(&file)
    }
}

impl Checkpoint {
    /// As a file. States are not copied if they are not compressed and not in small pieces.
    pub fn encode(&self, compression: Compression) -> Result<Encoded, TooLarge> {
        write::full(self, compression)
    }

    /// Parses a file that holds a checkpoint; see [`Contents::decode`].
    pub fn decode(file: Bytes) -> Result<Checkpoint, FileError> {
        match Contents::decode(file)? {
            Contents::Full(checkpoint) => Ok(checkpoint),
            Contents::Delta(delta) => Err(FileError::Delta { base: delta.base() }),
        }
    }
}

impl Delta {
    /// As a file.
    pub fn encode(&self, compression: Compression) -> Result<Encoded, TooLarge> {
        write::delta(self, compression)
    }

    /// Parses a file that holds a delta; see [`Contents::decode`].
    pub fn decode(file: Bytes) -> Result<Delta, FileError> {
        match Contents::decode(file)? {
            Contents::Delta(delta) => Ok(delta),
            Contents::Full(_) => Err(FileError::Full),
        }
    }
}
