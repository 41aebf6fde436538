//! The few things that a directory asks of a file system: small steps, so that a test can stop between any two of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use bytes::Bytes;

use super::Entry;

/// A directory of a file system. Names have no separators.
pub(crate) trait Disk: Send + Sync {
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

/// A real directory.
pub(crate) struct Files {
    pub(crate) path: PathBuf,
}

impl Disk for Files {
    fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            // A file may be deleted between the two looks at it.
            if let (Ok(name), true, Ok(about)) = (entry.file_name().into_string(), kind.is_file(), entry.metadata()) {
                entries.push(Entry { name, bytes: about.len() });
            }
        }
        Ok(entries)
    }

    fn read(&self, name: &str, most: u64) -> io::Result<Bytes> {
        let file = File::open(self.path.join(name))?;
        let len = file.metadata()?.len().min(most);
        let mut bytes = Vec::with_capacity(len as usize);
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Output>> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(self.path.join(name))?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
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
