//! Checkpoints of actors' states: values, deltas between them, files, and the stores that keep them. Nothing here knows a device or an
//! actor framework.
//!
//! A [`Checkpoint`] is made of [`Parts`], checked once and never changed. A [`Delta`] is what became of one since another; applying
//! it costs what changed. Both are [files](Contents), an [`Archive`] keeps a chain of them in a [`Store`], and gives back the newest.
//!
//! ```
//! use resident_checkpoint::{Actor, Archive, Checkpoint, Directory, Key, Kind, Options, Parts, Status};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let counter = |handled: u64| Parts {
//!     kinds: vec![Kind { name: "Counter".into(), layout: 7, state_bytes: 8 }],
//!     actors: vec![Actor {
//!         key: Key { shard: 0, row: 0, generation: 1 }, name: None, kind: 0, status: Status::Live, handled, offset: 0, bytes: 8,
//!     }],
//!     states: handled.to_le_bytes().to_vec().into(),
//!     ..Parts::default()
//! };
//! let (monday, tuesday) = (Checkpoint::new(counter(1))?, Checkpoint::new(counter(2))?);
//! let delta = Checkpoint::delta_from(&monday, &tuesday);
//! assert_eq!(Checkpoint::apply(&monday, &delta)?, tuesday);
//!
//! let archive = Archive::open(Directory::writer(path)?, Options::default());
//! archive.save_full(&monday).await?;
//! archive.save_delta(&delta).await?;
//! assert_eq!(archive.latest().await?, Some(tuesday));
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Promises
//!
//! C-1 to C-11 of `SPECIFICATION.md`: what is equal has equal digests, and a delta is applied to its base alone. Damage is found and placed,
//! whatever a file says is read without harm, and a writer that stops anywhere leaves every point that was saved and is kept.
//!
//! Digests find damage and mix-ups. They are no signature: who can write where checkpoints are kept can write ones that fit.

#![forbid(unsafe_code)]

mod apply;
mod archive;
mod checkpoint;
mod delta;
mod digest;
mod error;
mod file;
mod pages;
mod parts;
mod store;

pub use archive::{Archive, ArchiveError, Options, Point, Saved, Whole};
pub use checkpoint::Checkpoint;
pub use delta::{ChangedPage, Delta, DeltaParts};
pub use digest::Digest;
pub use error::{Invalid, Refused};
pub use file::{Compression, Contents, Encoded, FileError, HEADER_BYTES, Header, TooLarge, VERSION, What};
/// What the objects of an [`ObjectStore`] are kept by.
#[cfg(feature = "object-store")]
pub use object_store;
pub use parts::{Actor, Emitted, Key, Kind, PAGE_BYTES, Parts, Pending, Shard, Status, Taken};
#[cfg(feature = "object-store")]
pub use store::ObjectStore;
pub use store::{Directory, Entry, Later, Store, StoreError};
