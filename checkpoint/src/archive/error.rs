//! Why an archive did not save or restore.

use thiserror::Error;

use crate::file::{FileError, TooLarge};
use crate::store::StoreError;
use crate::{Digest, Refused};

/// Why an archive did not save or restore.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The store did not do what it was asked to.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file is damaged, or not what it should be.
    #[error("{name}: {source}")]
    File {
        /// Which.
        name: String,
        /// What is wrong with it.
        source: FileError,
    },
    /// A file holds something else than its name says.
    #[error("{name}: it holds a {what} for the checkpoint {digest}, which its name does not say: was it renamed, or swapped with another?")]
    Misnamed {
        /// Which.
        name: String,
        /// `full` or `delta`.
        what: String,
        /// The checkpoint that it stands for.
        digest: Digest,
    },
    /// What a delta is for is not there.
    #[error("{name}: it is a delta for the checkpoint {base}, which is not there: restore an older point")]
    NoBase {
        /// Which.
        name: String,
        /// What it is for.
        base: Digest,
    },
    /// A delta does not fit its base.
    #[error("{name}: {source}")]
    Refused {
        /// Which.
        name: String,
        /// Why.
        source: Refused,
    },
    /// A delta was to be saved whose base is not the newest point.
    #[error("the delta is for the checkpoint {base}, and the newest saved is {}: save the whole checkpoint instead", or_none(.newest))]
    NotNewest {
        /// What it is for.
        base: Digest,
        /// What is newest; none if nothing is saved, or the newest is damaged.
        newest: Option<Digest>,
    },
    /// There is no such point.
    #[error("there is no point {number}; there are {}", listed(.known))]
    Unknown {
        /// Asked for.
        number: u64,
        /// What there is, the newest first.
        known: Vec<u64>,
    },
    /// No point can be restored.
    #[error("none of the {} points can be restored; the newest: {}", .skipped.len(), .skipped[0].1)]
    NoneWhole {
        /// Each with its reason, the newest first.
        skipped: Vec<(u64, ArchiveError)>,
    },
    /// Saved, but an older file was not deleted. The next save tries again.
    #[error("saved as point {number}, but what is no longer needed could not be deleted: {source}")]
    Pruning {
        /// The point.
        number: u64,
        /// Why.
        source: Box<ArchiveError>,
    },
    /// The checkpoint does not fit a file.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

impl ArchiveError {
    pub(crate) fn file(name: &str, source: FileError) -> ArchiveError {
        ArchiveError::File { name: name.to_owned(), source }
    }

    /// Whether it says that files are not what they should be, rather than that they could not be read.
    pub fn is_damage(&self) -> bool {
        use ArchiveError::{File, Misnamed, NoBase, NoneWhole, Refused};
        matches!(self, File { .. } | Misnamed { .. } | NoBase { .. } | Refused { .. } | NoneWhole { .. })
    }
}

fn or_none(newest: &Option<Digest>) -> String {
    newest.map_or("none that is whole".into(), |digest| digest.to_string())
}

fn listed(known: &[u64]) -> String {
    match known {
        [] => "none".into(),
        known => known.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
    }
}
