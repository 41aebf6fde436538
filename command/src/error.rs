//! Why the command did not do what it was asked to.

use std::io;
use std::path::PathBuf;

use resident_checkpoint::{ArchiveError, StoreError};

use crate::inspect::{AssemblerError, PtxError};
use crate::new::NewError;
use crate::output::Output;

/// Why the command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Restoring, or saving, did not work.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The directory could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The project could not be made.
    #[error(transparent)]
    New(#[from] NewError),
    /// The settings make no configuration.
    #[error(transparent)]
    Config(#[from] resident::ConfigError),
    /// There is no PTX to be looked at.
    #[error(transparent)]
    Ptx(#[from] PtxError),
    /// It was not assembled.
    #[error(transparent)]
    Assembler(#[from] AssemblerError),
    /// There is nothing in the directory.
    #[error("there are no checkpoints in {}: files of one are called like 00000001-full-5f0c6a1e.ckpt", .0.display())]
    Nothing(PathBuf),
    /// There is no actor of that name.
    #[error("point {number} has no actor `{name}`; {}", names(.known))]
    NoActor {
        /// The point.
        number: u64,
        /// Asked for.
        name: String,
        /// Some of those there are.
        known: Vec<String>,
    },
    /// Something is damaged, as the output says.
    #[error("damaged")]
    Damaged(Output),
    /// Something would stop a program, as the output says.
    #[error("unfit")]
    Unfit(Output),
    /// There is no runtime to be had.
    #[error("could not start: {0}")]
    Runtime(#[source] io::Error),
}

fn names(known: &[String]) -> String {
    match known {
        [] => "none of its actors has a name".into(),
        known => format!("it has, among others, {}", known.join(", ")),
    }
}
