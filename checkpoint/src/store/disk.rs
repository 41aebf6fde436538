//! The few things that a directory asks of a file system: small steps, so that a test can stop between any two of them.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::retry_on_intr;

use super::Entry;

/// A directory of a file system. Names have no separators.
pub(crate) trait Disk: Send + Sync {
    /// Whether the path that it was opened by still leads to it.
    fn is_in_place(&self) -> io::Result<bool>;
    /// Every file, whoever made it.
    fn list(&self) -> io::Result<Vec<Entry>>;
    /// The first `most` bytes of a file.
    fn read(&self, name: &str, most: u64) -> io::Result<Bytes>;
    /// A new file, empty; one of that name is emptied.
    fn create(&self, name: &str) -> io::Result<Box<dyn Output>>;
    /// The file gets another name, at once.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// The file is gone.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// What was renamed and removed outlasts a loss of power.
    fn sync(&self) -> io::Result<()>;
}

/// A file that is written.
pub(crate) trait Output {
    /// Appends.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// What was written outlasts a loss of power.
    fn sync(&mut self) -> io::Result<()>;
}

/// A real directory, by its descriptor: files are there, whatever becomes of the path or of the process's working directory.
pub(crate) struct Files {
    path: PathBuf,
    directory: File,
}

impl Files {
    /// The directory at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Files> {
        let directory = File::open(path)?;
        if !directory.metadata()?.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok(Files { path: path.to_owned(), directory })
    }

    /// A file in it, opened in this way; it is made if that is asked for.
    pub(crate) fn file(&self, name: &str, how: OFlags) -> io::Result<File> {
        let opened = retry_on_intr(|| openat(&self.directory, name, how | OFlags::CLOEXEC, Mode::from_raw_mode(0o666)));
        Ok(opened?.into())
    }

    /// That it is there at all outlasts a loss of power.
    pub(crate) fn sync_parent(&self) -> io::Result<()> {
        self.file("..", OFlags::RDONLY)?.sync_all()
    }
}

impl Disk for Files {
    fn is_in_place(&self) -> io::Result<bool> {
        let (here, there) = (
            self.directory.metadata()?,
            match fs::metadata(&self.path) {
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(false),
                there => there?,
            },
        );
        Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.directory)? {
            let entry = entry?;
            let about = statat(&self.directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
            // A file may be deleted between the two looks at it.
            if let (Ok(name), Ok(about)) = (entry.file_name().to_str(), about)
                && FileType::from_raw_mode(about.st_mode).is_file()
            {
                entries.push(Entry { name: name.to_owned(), bytes: about.st_size as u64 });
            }
        }
        Ok(entries)
    }

    fn read(&self, name: &str, most: u64) -> io::Result<Bytes> {
        let file = self.file(name, OFlags::RDONLY)?;
        let len = file.metadata()?.len().min(most);
        let mut bytes = Vec::with_capacity(len as usize);
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Output>> {
        Ok(Box::new(self.file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat(&self.directory, from, &self.directory, to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.directory, name, AtFlags::empty())?)
    }

    fn sync(&self) -> io::Result<()> {
        self.directory.sync_all()
    }
}

impl Output for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}
