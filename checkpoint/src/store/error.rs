//! Why a store did not do what it was asked to.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use resident_host::explain;
use thiserror::Error;

/// Why a store did not do what it was asked to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process, or another handle of this one, writes there.
    #[error("{path} is written by {}: only one may; stop that one, or choose another directory", holder(.pid))]
    Locked {
        /// Where.
        path: PathBuf,
        /// By which process, if it could be found out.
        pid: Option<u32>,
    },
    /// The directory was opened to read only.
    #[error("{path} was opened for reading: open it with `Directory::writer` to write")]
    ReadOnly {
        /// Where.
        path: PathBuf,
    },
    /// The path that the directory was opened by leads elsewhere now.
    #[error("{path} is not the directory any more that was opened: it was moved or replaced; put it back, or open what is there now")]
    Moved {
        /// Where it was.
        path: PathBuf,
    },
    /// There is no such directory.
    #[error("there is no directory {path}: name one that checkpoints were saved to")]
    NoDirectory {
        /// Where.
        path: PathBuf,
    },
    /// There is a file of that name already.
    #[error("there is a file `{name}` already, and none is ever overwritten: another process may be saving to the same place")]
    Exists {
        /// The name.
        name: String,
    },
    /// There is no file of that name.
    #[error("there is no file `{name}`; it may have been deleted as no longer needed")]
    Missing {
        /// The name.
        name: String,
    },
    /// A name that is not one.
    #[error("`{name}` is no name for a file in a store: letters, digits, `-` and `.` make one, and no `.` at its start")]
    Name {
        /// The name.
        name: String,
    },
    /// A prefix that is none.
    #[error(
        "`{prefix}` is no prefix of objects: between its slashes there must be something, neither `.` nor `..`, without control characters"
    )]
    Prefix {
        /// The prefix.
        prefix: String,
    },
    /// The operating system refused.
    #[error("could not {what}: {}", explain(source, "see that the place is there and that this user may write it"))]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// The object store refused.
    #[error("could not {what}: {source}")]
    Object {
        /// What was tried.
        what: String,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// This process is a child that was forked from the one that has opened the place.
    #[error("this process was forked from the one that has opened the place for checkpoints: open it here, once the parent has closed it")]
    Forked,
    /// The work was not done.
    #[error("the work was not finished: its thread has panicked; this is an error of resident, please report it")]
    Stopped,
}

fn holder(pid: &Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".into(),
    }
}
