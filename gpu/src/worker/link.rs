//! What application and worker say to each other: whole messages over a pair of sockets, with descriptors beside them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest message.
const LIMIT: usize = 16 * 1024;
/// The most descriptors beside one message.
const DESCRIPTORS: usize = 2;

/// What came beside a message; an error if there was no room for all of it here, and the system has let go of some.
pub(crate) type Descriptors = io::Result<Vec<OwnedFd>>;

/// One end.
pub(crate) struct Link(OwnedFd);

impl Link {
    /// Both ends.
    pub(crate) fn pair() -> io::Result<(Link, Link)> {
        let (one, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Link(one), Link(other)))
    }

    /// The end that another process was given.
    pub(crate) fn of(fd: OwnedFd) -> Link {
        Link(fd)
    }

    pub(crate) fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// Sends a message, or says that it can not be: the other end is gone.
    pub(crate) fn send<T: Serialize>(&self, message: &T, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(descriptors)) || bytes.len() > LIMIT {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        retry_on_intr(|| sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut beside, SendFlags::NOSIGNAL))?;
        Ok(())
    }

    /// Waits for the next message; `None` once the other end is gone.
    pub(crate) fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Descriptors)>> {
        let mut bytes = vec![0; LIMIT];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let received = retry_on_intr(|| recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut beside, RecvFlags::CMSG_CLOEXEC));
        let (read, flags) = match received.map(|it| (it.bytes, it.flags)) {
            // What the other end has not read when it goes is lost, and that is said so.
            Ok((0, _)) | Err(Errno::CONNRESET) => return Ok(None),
            received => received?,
        };
        let mut descriptors = Vec::new();
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                descriptors.extend(fds);
            }
        }
        let whole = if flags.contains(ReturnFlags::CTRUNC) { Err(Errno::MFILE.into()) } else { Ok(descriptors) };
        Ok(Some((serde_json::from_slice(&bytes[..read])?, whole)))
    }

    /// Whether something can be received, the other end's going included, within `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        any_readable(&[self.as_fd()], timeout)
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until one of the descriptors can be read, or until `timeout`; a signal that is handled meanwhile changes neither.
pub(crate) fn any_readable(of: &[BorrowedFd<'_>], timeout: Duration) -> bool {
    let mut waits: Vec<_> = of.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    let begun = Instant::now();
    loop {
        let rest = timeout.saturating_sub(begun.elapsed());
        let rest = Timespec { tv_sec: rest.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: rest.subsec_nanos().into() };
        match poll(&mut waits, Some(&rest)) {
            Err(Errno::INTR) => {}
            ready => return ready.is_ok_and(|ready| ready > 0),
        }
    }
}
