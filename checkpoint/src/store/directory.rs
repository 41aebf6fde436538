//! A directory on this machine.
//!
//! A file is written beside (`.tmp-NAME`), synced, renamed, and the directory is synced: whenever it stops, by a kill or a loss of
//! power, under the file's name there is all of it or nothing. What a crash leaves beside, the next writer deletes.
//!
//! Files are reached by the directory's descriptor: what was opened and locked is what is read and written. A writer whose directory was
//! moved, or has another in its place, is refused, since nobody would look for its files there.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use resident_host::check_size;

use super::disk::{Disk, Files};
use super::error::StoreError;
use super::lock::{LOCK, Lock};
use super::{Entry, Later, Process, Store, blocking};
use crate::file::Encoded;

/// What unfinished files are called.
const BESIDE: &str = ".tmp-";

/// A directory that keeps files. Any number of processes may read it, and one may write. A relative path is looked up once, as it is opened.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

struct Inner {
    process: Process,
    path: PathBuf,
    disk: Box<dyn Disk>,
    /// None if it was opened to read.
    lock: Option<Lock>,
}

impl Directory {
    /// The directory, to read what is there.
    pub fn reader(path: impl Into<PathBuf>) -> Result<Directory, StoreError> {
        let path = whole(path.into());
        match Files::open(&path) {
            Ok(files) => Ok(Directory::over(path, Box::new(files), None)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Err(StoreError::NoDirectory { path }),
            Err(source) => Err(io(|| format!("open the directory {}", path.display()))(source)),
        }
    }

    /// The directory, to read and write; made if it is not there. Refused while another process, or another handle, writes there.
    pub fn writer(path: impl Into<PathBuf>) -> Result<Directory, StoreError> {
        let path = whole(path.into());
        fs::create_dir_all(&path).map_err(io(|| format!("make the directory {}", path.display())))?;
        let files = Files::open(&path).map_err(io(|| format!("open the directory {}", path.display())))?;
        let lock = Lock::take(&files, &path)?;
        // If the parent can be opened.
        let _ = files.sync_parent();
        let directory = Directory::over(path, Box::new(files), Some(lock));
        directory.inner.clean()?;
        Ok(directory)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// One that only tests have: a disk that fails.
    #[cfg(test)]
    pub(crate) fn on(disk: Box<dyn Disk>) -> Directory {
        let aside = tempfile::tempdir().expect("a place for the lock");
        let lock = Files::open(aside.path()).ok().and_then(|files| Lock::take(&files, aside.path()).ok());
        let directory = Directory::over("simulated".into(), disk, lock);
        directory.inner.clean().expect("what was left beside can be deleted");
        directory
    }

    fn over(path: PathBuf, disk: Box<dyn Disk>, lock: Option<Lock>) -> Directory {
        Directory { inner: Arc::new(Inner { process: Process::this(), path, disk, lock }) }
    }
}

impl Store for Directory {
    fn put<'a>(&'a self, name: &'a str, file: Encoded) -> Later<'a, ()> {
        self.later(name, move |inner, name| inner.put(name, &file))
    }

    fn get<'a>(&'a self, name: &'a str) -> Later<'a, Bytes> {
        self.later(name, |inner, name| inner.read(name, u64::MAX))
    }

    fn start<'a>(&'a self, name: &'a str, bytes: usize) -> Later<'a, Bytes> {
        self.later(name, move |inner, name| inner.read(name, bytes as u64))
    }

    fn list(&self) -> Later<'_, Vec<Entry>> {
        self.later("", |inner, _| inner.list())
    }

    fn delete<'a>(&'a self, name: &'a str) -> Later<'a, ()> {
        self.later(name, |inner, name| inner.delete(name))
    }
}

impl Directory {
    fn later<'a, T: Send + 'static>(
        &'a self,
        name: &'a str,
        work: impl FnOnce(&Inner, &str) -> Result<T, StoreError> + Send + 'static,
    ) -> Later<'a, T> {
        let (inner, name) = (self.inner.clone(), name.to_owned());
        Box::pin(async move {
            inner.process.check()?;
            blocking(move || work(&inner, &name)).await?
        })
    }
}

impl Inner {
    fn put(&self, name: &str, file: &Encoded) -> Result<(), StoreError> {
        self.may_write()?;
        let name = checked(name)?;
        // Nobody else writes here, so this stays true until the rename.
        if self.list()?.iter().any(|entry| entry.name == name) {
            return Err(StoreError::Exists { name: name.to_owned() });
        }
        let beside = format!("{BESIDE}{name}");
        let written = self.write(&beside, file).and_then(|()| self.disk.rename(&beside, name));
        if written.is_err() {
            // It is the first error that counts; if this fails too, the next writer cleans up.
            let _ = self.disk.remove(&beside);
        }
        written.and_then(|()| self.disk.sync()).map_err(io(|| self.what("write", name)))
    }

    fn write(&self, beside: &str, file: &Encoded) -> std::io::Result<()> {
        check_size(file.bytes())?;
        let mut output = self.disk.create(beside)?;
        file.pieces().iter().try_for_each(|piece| output.write(piece))?;
        output.sync()
    }

    fn read(&self, name: &str, most: u64) -> Result<Bytes, StoreError> {
        self.disk.read(checked(name)?, most).map_err(|source| match source.kind() {
            ErrorKind::NotFound => StoreError::Missing { name: name.to_owned() },
            _ => StoreError::Io { what: self.what("read", name), source },
        })
    }

    /// A file that comes or goes while a directory is read is seen or not (POSIX, readdir), so that of a file and the one that takes its place
    /// neither may be: what is read twice is of one moment.
    fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let mut seen = self.look()?;
        loop {
            let now = self.look()?;
            if now == seen {
                return Ok(now);
            }
            seen = now;
        }
    }

    fn look(&self) -> Result<Vec<Entry>, StoreError> {
        let mut entries = self.disk.list().map_err(io(|| format!("list {}", self.path.display())))?;
        entries.retain(|entry| !entry.name.starts_with('.') && entry.name != LOCK);
        entries.sort();
        Ok(entries)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.may_write()?;
        match self.disk.remove(checked(name)?) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| self.disk.sync()).map_err(io(|| self.what("delete", name))),
        }
    }

    /// Deletes what a writer left unfinished.
    fn clean(&self) -> Result<(), StoreError> {
        let entries = self.disk.list().map_err(io(|| format!("list {}", self.path.display())))?;
        let mut unfinished = entries.iter().filter(|entry| entry.name.starts_with(BESIDE));
        unfinished.try_for_each(|entry| self.disk.remove(&entry.name).map_err(io(|| self.what("delete", &entry.name))))
    }

    fn may_write(&self) -> Result<(), StoreError> {
        let path = || self.path.clone();
        if self.lock.is_none() {
            return Err(StoreError::ReadOnly { path: path() });
        }
        match self.disk.is_in_place().map_err(io(|| format!("look at {}", self.path.display())))? {
            true => Ok(()),
            false => Err(StoreError::Moved { path: path() }),
        }
    }

    fn what(&self, what: &str, name: &str) -> String {
        format!("{what} {}", self.path.join(name).display())
    }
}

/// The name, if it is one: it can not lead out of the directory, nor be taken for an unfinished file or the lock.
pub(super) fn checked(name: &str) -> Result<&str, StoreError> {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    match letters && !name.is_empty() && !name.starts_with('.') && name != LOCK {
        true => Ok(name),
        false => Err(StoreError::Name { name: name.to_owned() }),
    }
}

/// The path, whatever becomes of the process's working directory.
fn whole(path: PathBuf) -> PathBuf {
    // An empty one, or one from a directory that is no more: it leads nowhere, which is told next.
    std::path::absolute(&path).unwrap_or(path)
}

fn io(what: impl FnOnce() -> String) -> impl FnOnce(std::io::Error) -> StoreError {
    |source| StoreError::Io { what: what(), source }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;
    use crate::store::Output;

    /// A directory that is read while a file takes another one's place: what each look at it finds, the last first.
    struct Changing(Mutex<Vec<Vec<&'static str>>>);

    impl Disk for Changing {
        fn is_in_place(&self) -> io::Result<bool> {
            Ok(true)
        }

        fn list(&self) -> io::Result<Vec<Entry>> {
            let names = self.0.lock().unwrap().pop().expect("no more looks are needed");
            Ok(names.into_iter().map(|name| Entry { name: name.into(), bytes: 1 }).collect())
        }

        fn read(&self, _: &str, _: u64) -> io::Result<Bytes> {
            unreachable!("nothing is read")
        }

        fn create(&self, _: &str) -> io::Result<Box<dyn Output>> {
            unreachable!("nothing is written")
        }

        fn rename(&self, _: &str, _: &str) -> io::Result<()> {
            unreachable!("nothing is renamed")
        }

        fn remove(&self, _: &str) -> io::Result<()> {
            unreachable!("nothing is removed")
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_directory_that_changes_is_read_until_two_looks_are_alike() {
        let disk = Changing(Mutex::new(vec![vec!["a", "b", ".c"], vec!["b", "a"], vec!["a"], Vec::new()]));
        let directory = Directory::over("changing".into(), Box::new(disk), None);
        let found: Vec<_> = directory.inner.list().unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(found, ["a", "b"]);
    }
}
