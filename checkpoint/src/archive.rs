//! A chain of checkpoints in a store: whole ones, deltas behind them, and what may go.
//!
//! Each file has a number that rises and a name that says it: `00000012-full-5f0c6a1e.ckpt`, `00000013-delta-a30977d2.ckpt`; the
//! digits behind are the beginning of the digest of the checkpoint that it stands for. A delta's base is found by digest, so files
//! that were swapped, renamed or lost are noticed, not applied. A number is a point in time that can be restored; after a
//! compaction a whole checkpoint has the number of the delta that it takes the place of, for it is the same point.
//!
//! Nothing is ever changed in place. A save adds a file, and only when that is durable does it delete others; compaction adds a whole
//! checkpoint, reads it back, and only then deletes what it replaces. So whenever a process stops, each point that was there before
//! can still be restored, or was one that nobody needed.

mod chain;
#[cfg(test)]
mod crashes;
mod error;
mod name;
mod retention;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

pub use chain::Point;
pub use error::ArchiveError;

use crate::digest::Digest;
use crate::file::{Compression, Encoded, FileError, HEADER_BYTES, Header, What};
use crate::store::{Entry, Process, Store, StoreError, blocking};
use crate::{Checkpoint, Contents, Delta};
use chain::{Chain, Listed};

/// How an archive keeps what it is given.
#[derive(Clone, Debug)]
pub struct Options {
    /// So many of the newest points stay restorable, and with them all that they need; older ones are deleted. At least 1.
    pub keep: usize,
    /// With so many deltas in a row, [`Archive::compact`] is due.
    pub compact_after: usize,
    /// Whether states are compressed.
    pub compression: Compression,
}

impl Default for Options {
    /// Keeps 2 points, so that there is one should the newest be damaged; compacts after 16 deltas; compresses nothing.
    fn default() -> Options {
        Options { keep: 2, compact_after: 16, compression: Compression::None }
    }
}

/// The chain in a store. A clone is the same archive. Its methods want to be called on a tokio runtime: files are written and checked
/// on its threads for what blocks.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let directory = tempfile::tempdir()?;
/// # let (path, checkpoint) = (directory.path(), resident_checkpoint::Checkpoint::new(Default::default())?);
/// use resident_checkpoint::{Archive, Directory, Options};
///
/// let archive = Archive::open(Directory::writer(path)?, Options::default());
/// archive.save_full(&checkpoint).await?;
/// assert_eq!(archive.latest().await?, Some(checkpoint));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Archive {
    inner: Arc<Inner>,
}

struct Inner {
    process: Process,
    store: Box<dyn Store>,
    options: Options,
    /// Headers by name, of files whose name says what they hold; files never change.
    headers: Mutex<HashMap<String, Header>>,
    /// One save at a time.
    writing: tokio::sync::Mutex<()>,
    due: Notify,
}

/// What was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The number of the point.
    pub number: u64,
    /// There are as many deltas in a row as [`Options::compact_after`] says.
    pub compact: bool,
}

/// A checkpoint that was found, and what was damaged in front of it.
#[derive(Debug)]
pub struct Whole {
    /// The number of the point.
    pub number: u64,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Newer points that can not be restored, the newest first.
    pub skipped: Vec<(u64, ArchiveError)>,
}

/// Which point to restore.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Newest,
    /// The newest that can be.
    NewestWhole,
    Number(u64),
}

impl Archive {
    /// The chain in `store`. Reads nothing yet.
    pub fn open(store: impl Store + 'static, options: Options) -> Archive {
        let options = Options { keep: options.keep.max(1), ..options };
        let (headers, writing, due) = Default::default();
        Archive { inner: Arc::new(Inner { process: Process::this(), store: Box::new(store), options, headers, writing, due }) }
    }

    /// Saves a whole checkpoint, and deletes what is no longer needed. Goes on if the caller does not wait for it.
    pub async fn save_full(&self, checkpoint: &Checkpoint) -> Result<Saved, ArchiveError> {
        let (inner, checkpoint) = (self.inner.clone(), checkpoint.clone());
        on(self.inner.process, async move { inner.save_full(checkpoint).await }).await
    }

    /// Saves a delta, whose base must be the newest point, and deletes what is no longer needed. Goes on if the caller does not wait
    /// for it.
    pub async fn save_delta(&self, delta: &Delta) -> Result<Saved, ArchiveError> {
        let (inner, delta) = (self.inner.clone(), delta.clone());
        on(self.inner.process, async move { inner.save_delta(delta).await }).await
    }

    /// The newest checkpoint; none if nothing was saved. If it is damaged that is an error: to take an older one is for
    /// the caller to decide ([`latest_whole`](Archive::latest_whole)).
    pub async fn latest(&self) -> Result<Option<Checkpoint>, ArchiveError> {
        Ok(self.inner.find(Wanted::Newest).await?.map(|whole| whole.checkpoint))
    }

    /// The newest checkpoint that is whole, and what had to be skipped for it; none if nothing was saved.
    pub async fn latest_whole(&self) -> Result<Option<Whole>, ArchiveError> {
        self.inner.find(Wanted::NewestWhole).await
    }

    /// The checkpoint at a point.
    pub async fn restore(&self, number: u64) -> Result<Checkpoint, ArchiveError> {
        match self.inner.find(Wanted::Number(number)).await? {
            Some(whole) => Ok(whole.checkpoint),
            None => Err(ArchiveError::Unknown { number, known: Vec::new() }),
        }
    }

    /// The points, the newest first, as their names and headers say: nothing else is read.
    pub async fn list(&self) -> Result<Vec<Point>, ArchiveError> {
        Ok(self.inner.listed().await?.points())
    }

    /// Reads everything, and restores each point, the oldest first: what each came to. Points that are deleted meanwhile are left out.
    pub async fn verify(&self) -> Result<Vec<(Point, Result<(), ArchiveError>)>, ArchiveError> {
        let mut listed = self.inner.listed().await?;
        let mut verified = Vec::new();
        for number in listed.points().iter().rev().map(|point| point.number).collect::<Vec<_>>() {
            verified.extend(self.inner.verify(&mut listed, number).await?);
        }
        Ok(verified)
    }

    /// Makes the newest point a whole checkpoint if it is a delta, and deletes what is no longer needed. Says which point, or none if
    /// there was nothing to do. Saves may go on meanwhile; goes on if the caller does not wait for it.
    pub async fn compact(&self) -> Result<Option<u64>, ArchiveError> {
        let inner = self.inner.clone();
        on(self.inner.process, async move { inner.compact().await }).await
    }

    /// Compacts whenever it is due, for as long as that succeeds: a task for the background.
    pub async fn compact_when_due(&self) -> ArchiveError {
        loop {
            if let Err(error) = self.inner.process.check() {
                return error.into();
            }
            self.inner.due.notified().await;
            if let Err(error) = self.compact().await {
                return error;
            }
        }
    }
}

/// Runs to the end even if the caller stops waiting, so that no save is left halfway with its lock given back.
async fn on<T: Send + 'static>(
    process: Process,
    work: impl Future<Output = Result<T, ArchiveError>> + Send + 'static,
) -> Result<T, ArchiveError> {
    process.check()?;
    tokio::spawn(work).await.map_err(|_| StoreError::Stopped)?
}

impl Inner {
    async fn save_full(&self, checkpoint: Checkpoint) -> Result<Saved, ArchiveError> {
        let compression = self.options.compression;
        let (digest, file) = blocking(move || (checkpoint.digest(), checkpoint.encode(compression))).await?;
        let _writing = self.writing.lock().await;
        let number = self.listed().await?.next();
        self.save(number, What::Full, digest, file?).await
    }

    async fn save_delta(&self, delta: Delta) -> Result<Saved, ArchiveError> {
        let compression = self.options.compression;
        let (base, digest, file) = blocking(move || (delta.base(), delta.result(), delta.encode(compression))).await?;
        let _writing = self.writing.lock().await;
        let listed = self.listed().await?;
        let newest = listed.points().first().and_then(|point| Some(point.header.as_ref().ok()?.digest));
        if newest != Some(base) {
            return Err(ArchiveError::NotNewest { base, newest });
        }
        self.save(listed.next(), What::Delta { base }, digest, file?).await
    }

    async fn save(&self, number: u64, what: What, digest: Digest, file: Encoded) -> Result<Saved, ArchiveError> {
        self.store.put(&name::of(number, what, digest), file).await?;
        // It is saved: what goes wrong from here on is not its failure.
        let pruned = async {
            let listed = self.listed().await?;
            self.prune(&listed).await?;
            Ok::<_, ArchiveError>(listed)
        };
        let listed = pruned.await.map_err(|source| ArchiveError::Pruning { number, source: Box::new(source) })?;
        let deltas = listed.points().first().and_then(|point| listed.chain(point).ok()).map_or(0, |chain| chain.deltas.len());
        let compact = deltas >= self.options.compact_after;
        if compact {
            self.due.notify_one();
        }
        Ok(Saved { number, compact })
    }

    async fn compact(&self) -> Result<Option<u64>, ArchiveError> {
        let listed = self.listed().await?;
        let Some(point) = listed.points().into_iter().next() else { return Ok(None) };
        if matches!(point.header, Ok(Header { what: What::Full, .. })) {
            let _writing = self.writing.lock().await;
            self.prune(&self.listed().await?).await?;
            return Ok(None);
        }
        let Some(Whole { number, checkpoint, .. }) = self.find(Wanted::Newest).await? else { return Ok(None) };
        let (digest, compression) = (checkpoint.digest(), self.options.compression);
        let file = blocking(move || checkpoint.encode(compression)).await??;
        let name = name::of(number, What::Full, digest);
        let _writing = self.writing.lock().await;
        match self.store.put(&name, file).await {
            // A compaction that was cut short before it deleted anything.
            Ok(()) | Err(StoreError::Exists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        // What it replaces goes only once it is known to be readable.
        let listed = self.listed().await?;
        if let Some(file) = listed.files().iter().find(|file| file.name == name) {
            self.read(file).await?;
        }
        self.prune(&listed).await?;
        Ok(Some(number))
    }

    /// Deletes what nobody needs, dependents first: what is left never lacks its base.
    async fn prune(&self, listed: &Listed) -> Result<(), ArchiveError> {
        for name in retention::superfluous(listed, self.options.keep) {
            self.store.delete(&name).await?;
        }
        Ok(())
    }

    /// What is in the store now.
    async fn listed(&self) -> Result<Listed, ArchiveError> {
        self.process.check()?;
        let mut entries = self.entries().await?;
        loop {
            let (files, whole) = self.look_at(&entries).await?;
            if whole {
                return Ok(self.keep(files));
            }
            // What takes the place of a file that has gone since was not listed yet.
            let now = self.entries().await?;
            if now == entries {
                return Ok(self.keep(files));
            }
            entries = now;
        }
    }

    async fn entries(&self) -> Result<Vec<Entry>, ArchiveError> {
        let mut entries = self.store.list().await?;
        entries.sort();
        Ok(entries)
    }

    /// Those that are checkpoints and deltas, and whether all of them are still there.
    async fn look_at(&self, entries: &[Entry]) -> Result<(Vec<Point>, bool), ArchiveError> {
        let (mut files, mut whole) = (Vec::new(), true);
        for Entry { name, bytes } in entries.iter().cloned() {
            let Some(number) = name::number(&name) else { continue };
            let known = self.headers().get(&name).cloned();
            let header = match known {
                Some(header) => Ok(header),
                None => match self.store.start(&name, HEADER_BYTES).await {
                    Ok(start) => Header::decode(&start),
                    // Deleted since it was listed.
                    Err(StoreError::Missing { .. }) => {
                        whole = false;
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                },
            };
            files.push(Point { number, name, bytes, header });
        }
        Ok((files, whole))
    }

    /// What is known of these is not read again.
    fn keep(&self, files: Vec<Point>) -> Listed {
        // What is damaged or misplaced is looked at again each time: somebody may have mended it.
        let fits = |file: &Point| file.header.clone().ok().filter(|header| file.fits(header).is_ok());
        *self.headers() = files.iter().filter_map(|file| Some((file.name.clone(), fits(file)?))).collect();
        Listed::new(files)
    }

    /// Restores a point; none if nothing was saved. Looks again if a file was deleted between the look at the list and the look at
    /// the file, as another process may do when it saves or compacts.
    async fn find(&self, wanted: Wanted) -> Result<Option<Whole>, ArchiveError> {
        let mut seen = None;
        loop {
            let listed = self.listed().await?;
            let found = self.find_in(&listed, wanted).await;
            let missing = matches!(found, Err(ArchiveError::Store(StoreError::Missing { .. })));
            if !missing || seen.as_ref() == Some(&listed) {
                return found;
            }
            seen = Some(listed);
        }
    }

    async fn find_in(&self, listed: &Listed, wanted: Wanted) -> Result<Option<Whole>, ArchiveError> {
        let mut points = listed.points();
        match wanted {
            Wanted::Newest => points.truncate(1),
            Wanted::NewestWhole => {}
            Wanted::Number(number) => {
                let known = points.iter().map(|point| point.number).collect();
                points.retain(|point| point.number == number);
                if points.is_empty() {
                    return Err(ArchiveError::Unknown { number, known });
                }
            }
        }
        let mut skipped = Vec::new();
        for point in points {
            match self.restore(listed, &point).await {
                Ok(checkpoint) => return Ok(Some(Whole { number: point.number, checkpoint, skipped })),
                // A store that does not answer says nothing about the checkpoint.
                Err(error) if wanted == Wanted::NewestWhole && error.is_damage() => skipped.push((point.number, error)),
                Err(error) => return Err(error),
            }
        }
        match skipped.is_empty() {
            true => Ok(None),
            false => Err(ArchiveError::NoneWhole { skipped }),
        }
    }

    /// What the point of this number comes to; none if it is no longer there. `listed` is looked up again if a file has gone.
    async fn verify(&self, listed: &mut Listed, number: u64) -> Result<Option<(Point, Result<(), ArchiveError>)>, ArchiveError> {
        loop {
            let Some(point) = listed.points().into_iter().find(|point| point.number == number) else { return Ok(None) };
            let mut result = self.restore(listed, &point).await.map(drop);
            // Its number may have another file too, a delta that a whole checkpoint has taken the place of.
            for file in listed.files().iter().filter(|file| file.number == number && file.name != point.name) {
                result = result.and(self.read(file).await.map(drop));
            }
            match result {
                Err(error @ ArchiveError::Store(StoreError::Missing { .. })) => {
                    let now = self.listed().await?;
                    if now == *listed {
                        return Err(error);
                    }
                    *listed = now;
                }
                Err(error) if !error.is_damage() => return Err(error),
                result => return Ok(Some((point, result))),
            }
        }
    }

    async fn restore(&self, listed: &Listed, point: &Point) -> Result<Checkpoint, ArchiveError> {
        let Chain { full, deltas } = listed.chain(point)?;
        let mut checkpoint = match self.read(full).await? {
            Contents::Full(checkpoint) => checkpoint,
            Contents::Delta(delta) => return Err(ArchiveError::file(&full.name, FileError::Delta { base: delta.base() })),
        };
        for file in deltas {
            let Contents::Delta(delta) = self.read(file).await? else {
                return Err(ArchiveError::file(&file.name, FileError::Full));
            };
            let base = checkpoint;
            let applied = blocking(move || Checkpoint::apply(&base, &delta)).await?;
            checkpoint = applied.map_err(|source| ArchiveError::Refused { name: file.name.clone(), source })?;
        }
        Ok(checkpoint)
    }

    /// A file, wholly checked.
    async fn read(&self, file: &Point) -> Result<Contents, ArchiveError> {
        let bytes = self.store.get(&file.name).await?;
        let header = Header::decode(&bytes).map_err(|source| ArchiveError::file(&file.name, source))?;
        file.fits(&header)?;
        let contents = blocking(move || Contents::decode(bytes)).await?;
        contents.map_err(|source| ArchiveError::file(&file.name, source))
    }

    fn headers(&self) -> std::sync::MutexGuard<'_, HashMap<String, Header>> {
        self.headers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
