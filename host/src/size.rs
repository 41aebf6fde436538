//! How large a file of this process may be.

use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// Refuses a file of so many bytes, a memory file included, if this process may have none. The system would do more than refuse: it sends
/// a signal that ends the process.
pub fn check_size(bytes: u64) -> io::Result<()> {
    match getrlimit(Resource::Fsize).current {
        Some(most) if bytes > most => Err(Errno::FBIG.into()),
        _ => Ok(()),
    }
}
