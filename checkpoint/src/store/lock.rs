//! One writer to a directory, by the lock of a file in it: the system gives it back however its holder ends.
//!
//! The lock is the open file's, of which a child has a copy until it runs another program. So it is given back by name and not by closing:
//! whoever starts a process meanwhile does not keep it. A child that runs no other program gives nothing back: it is its parent's.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use resident_host::check_size;
use rustix::fs::OFlags;

use super::disk::Files;
use super::error::StoreError;
use super::process::Process;

/// The most bytes that the holder writes in it.
const SIGNATURE: u64 = 32;
/// The file that is locked. It stays when the lock is given back: who deleted it could delete the next one's.
pub(crate) const LOCK: &str = "LOCK";

/// The lock, held until this is dropped.
pub(crate) struct Lock {
    file: File,
    /// The process that took it.
    process: Process,
}

impl Lock {
    /// Takes the lock on a directory, which `path` leads to, or says who has it.
    pub(crate) fn take(directory: &Files, path: &Path) -> Result<Lock, StoreError> {
        let failed = |source| StoreError::Io { what: format!("lock {}", path.join(LOCK).display()), source };
        let mut file = directory.file(LOCK, OFlags::RDWR | OFlags::CREATE).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { path: path.to_owned(), pid: pid(&mut file) }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        sign(&mut file).map_err(failed)?;
        Ok(Lock { file, process: Process::this() })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.process.is_this() {
            // If the system refuses, closing the file is left.
            let _ = self.file.unlock();
        }
    }
}

/// Who holds it, if that has been written yet.
fn pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(SIGNATURE).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// For people, and for the error of the next who tries.
fn sign(file: &mut File) -> io::Result<()> {
    check_size(SIGNATURE)?;
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_open_file_keeps_no_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::open(folder.path()).expect("it is there");
        let take = || Lock::take(&files, folder.path());
        let lock = take().expect("nobody has it");
        // As a child has it from its start to its next program.
        let copy = lock.file.try_clone().expect("a descriptor");
        assert!(matches!(take(), Err(StoreError::Locked { .. })), "a copy shares the lock");
        drop(lock);
        let again = take().expect("it was given back");
        drop(copy);
        assert!(matches!(take(), Err(StoreError::Locked { .. })), "the copy's end does not give back another's");
        drop(again);
    }
}
