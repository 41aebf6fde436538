//! Where files are kept: a [`Directory`], or with the feature `object-store` an [`ObjectStore`].
//!
//! What a store promises its archive: a file is there whole or not at all, whatever happens on the way; what has been put stays, until
//! it is deleted; nothing is overwritten.

mod directory;
mod disk;
mod error;
mod lock;
#[cfg(feature = "object-store")]
mod object;
mod process;

use std::pin::Pin;

use bytes::Bytes;
use resident_host::apart;

pub use directory::Directory;
#[cfg(test)]
pub(crate) use disk::{Disk, Output};
pub use error::StoreError;
#[cfg(feature = "object-store")]
pub use object::ObjectStore;
pub(crate) use process::Process;

use crate::file::Encoded;

/// What a store's methods return.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps files by name. See `store.rs` for what is promised; names are made by the archive and contain letters, digits, `-` and `.`.
pub trait Store: Send + Sync {
    /// Keeps a file: whole, durably, and under a name that no other has.
    fn put<'a>(&'a self, name: &'a str, file: Encoded) -> Later<'a, ()>;
    /// A file.
    fn get<'a>(&'a self, name: &'a str) -> Later<'a, Bytes>;
    /// The first `bytes` bytes of a file, or all if it is shorter.
    fn start<'a>(&'a self, name: &'a str, bytes: usize) -> Later<'a, Bytes>;
    /// Every file that was put and not deleted, in any order.
    fn list(&self) -> Later<'_, Vec<Entry>>;
    /// Deletes a file; one that is not there is deleted already.
    fn delete<'a>(&'a self, name: &'a str) -> Later<'a, ()>;
}

/// A file in a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// Runs what blocks where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    let done = apart(work).await;
    done.map_err(|source| StoreError::Io { what: "start a thread for it".into(), source })?.ok_or(StoreError::Stopped)
}
