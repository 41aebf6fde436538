//! One writer to a directory, by the lock of a file in it: the system gives it back however its holder ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::error::StoreError;

/// The file that is locked. It stays when the lock is given back: who deleted it could delete the next one's.
pub(crate) const LOCK: &str = "LOCK";

/// The lock, held until this is dropped.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock on `directory`, or says who has it.
    pub(crate) fn take(directory: &Path) -> Result<Lock, StoreError> {
        let path = directory.join(LOCK);
        let failed = |source| StoreError::Io { what: format!("lock {}", path.display()), source };
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { path: directory.to_owned(), pid: pid(&mut file) }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        sign(&mut file).map_err(failed)?;
        Ok(Lock { _file: file })
    }
}

/// Who holds it, if that has been written yet.
fn pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// For people, and for the error of the next who tries.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
