//! Memory that processes share: a memfd, by its descriptor.

use std::io;
use std::os::fd::OwnedFd;

use resident_host::check_size;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::Errno;

/// New shared memory, zero, which takes memory once it is used. Its size can be sealed.
pub(crate) fn shared(name: &str, bytes: u64) -> io::Result<OwnedFd> {
    check_size(bytes)?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Some hosts refuse one that could be run as a program, and older ones do not know of the difference.
    let made = memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL).or_else(|error| match error {
        Errno::INVAL => memfd_create(name, flags),
        other => Err(other),
    });
    let fd = made.map_err(|error| match error {
        Errno::PERM | Errno::ACCESS | Errno::NOSYS => io::Error::other(format!(
            "{}: this host forbids `memfd_create`, by a seccomp filter, a container's policy or a kernel without it; allow it",
            io::Error::from(error)
        )),
        other => other.into(),
    })?;
    ftruncate(&fd, bytes)?;
    Ok(fd)
}
