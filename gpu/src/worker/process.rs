//! Where a worker lives: in a process of its own, which is this executable started again, or in a thread.
//!
//! A worker process is recognised before `main` by a variable of its environment, so the program needs no line for it: its kinds are
//! found through `linkme`, its orders come by the socket that is its standard input. It ends with its application, whichever way
//! that ends: by the closed socket, and by the signal that the system sends when the thread that started it has gone.
//!
//! It keeps nothing else of its application's. What the program has open without close-on-exec comes along into a process that is
//! started from it; such a worker marks all of that and starts itself once more. To mark it in the child before it is this program would
//! take a `fork`, and that copies the page tables of an application of any size.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio, exit};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{env, fs, io};

use resident_host::explain;
use resident_kernels::actor::Kind;
use resident_kernels::engine::{kinds, on_abort};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Signal, set_parent_process_death_signal};

use super::link::{Descriptors, Link};
use super::{name, serve};
use crate::fault::{Class, WorkerError};
use crate::options::{Isolation, Options};
use crate::protocol::{Order, Word};

/// Set for a worker process, to the [`digest`] of its application's kinds.
const WORKER: &str = "RESIDENT_WORKER";
/// Set for a worker process that has started itself once more.
const ALONE: &str = "RESIDENT_WORKER_ALONE";
/// This executable, also when its file was replaced since it was started.
const MYSELF: &str = "/proc/self/exe";

/// A worker, as its application holds it.
pub(crate) struct Hand {
    link: Option<Link>,
    life: Option<Life>,
}

enum Life {
    Process(Child),
    Thread(JoinHandle<()>),
}

impl Hand {
    /// Starts a worker. A process ends with the thread that calls this.
    pub(crate) fn start(options: &Options) -> Result<Hand, WorkerError> {
        let (link, theirs) = Link::pair().map_err(|error| not_started(&error))?;
        let life = match &options.isolation {
            Isolation::Process => process(options, theirs).map(Life::Process),
            Isolation::Thread => {
                let work = thread::Builder::new().name("resident-worker".into());
                work.spawn(move || serve(&theirs, || ())).map(Life::Thread)
            }
        };
        let life = life.map_err(|error| not_started(&error))?;
        Ok(Hand { link: Some(link), life: Some(life) })
    }

    /// The process, if it is one.
    pub(crate) fn process(&self) -> Option<u32> {
        match &self.life {
            Some(Life::Process(child)) => Some(child.id()),
            _ => None,
        }
    }

    /// Whether it is a process that the system takes apart, which may take longer than it takes to be killed.
    pub(crate) fn is_dying(&self) -> bool {
        self.process().is_some_and(|process| fs::read_to_string(format!("/proc/{process}/stat")).map_or(true, |stat| is_dying(&stat)))
    }

    /// `None` once it was ended.
    pub(crate) fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    pub(crate) fn order(&self, order: &Order, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.link().ok_or(io::ErrorKind::NotConnected)?.send(order, descriptors)
    }

    /// Its next word, if one comes within `timeout`; `None` in it if it has ended instead.
    pub(crate) fn hear(&self, timeout: Duration) -> Option<Option<(Word, Descriptors)>> {
        let link = self.link().filter(|link| link.wait(timeout))?;
        Some(link.receive().unwrap_or_else(|error| {
            let text = format!("no word could be taken from the worker: {}", explain(&error, "start the system again"));
            Some((Word::Failed(WorkerError::new(Class::Worker, text)), Ok(vec![])))
        }))
    }

    /// Ends the worker, waits until the system has taken back what it held, and tells the signal that ended it. A process is killed,
    /// unless it has ended; a thread is left to see that its link is closed.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let ended = match self.life.take()? {
            Life::Process(mut child) => {
                let before = child.try_wait().ok().flatten();
                let status = before.or_else(|| {
                    let _ = child.kill();
                    child.wait().ok()
                });
                status.and_then(|status| status.signal())
            }
            Life::Thread(thread) => {
                self.link = None;
                let _ = thread.join();
                None
            }
        };
        self.link = None;
        ended
    }

    /// Waits for a worker that has said its last word.
    pub(crate) fn join(&mut self) {
        match self.life.take() {
            Some(Life::Process(mut child)) => drop(child.wait()),
            Some(Life::Thread(thread)) => drop(thread.join()),
            None => {}
        }
        self.link = None;
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.end();
    }
}

fn not_started(cause: &io::Error) -> WorkerError {
    let cause = explain(cause, "see that there is such a program and that this user may run it; `Config::worker` names another");
    WorkerError::new(Class::Worker, format!("the worker could not be started: {cause}"))
}

fn process(options: &Options, link: Link) -> io::Result<Child> {
    if options.worker.is_none() && !Path::new(MYSELF).exists() {
        let text = format!(
            "{MYSELF} is not there, by which this program is started again; mount `/proc`, or name the program in `Config::worker`"
        );
        return Err(io::Error::other(text));
    }
    let mut command = Command::new(options.worker.as_deref().unwrap_or(Path::new(MYSELF)));
    command.arg0(name::title(options));
    // In a group of its own: what the terminal sends to the application is the application's to answer. The signals that the keeper's
    // thread leaves to others are blocked in it.
    command.env(WORKER, digest()).stdin(Stdio::from(link.into_fd())).stdout(Stdio::null()).process_group(0);
    command.spawn()
}

/// What the system says of a process that is on its way out: it is a zombie, or flagged so (`PF_EXITING`).
fn is_dying(stat: &str) -> bool {
    const EXITING: u64 = 4;
    // Behind the name, which may hold anything: the state, and as the seventh the flags.
    let words: Vec<_> = stat.rsplit_once(") ").map_or(vec![], |(_, rest)| rest.split(' ').collect());
    let flags = words.get(6).and_then(|flags| flags.parse::<u64>().ok()).unwrap_or(0);
    matches!(words.first(), Some(&("Z" | "X"))) || flags & EXITING != 0
}

/// Tells kinds of actors apart, and their order: the shards know a kind by its place.
fn digest() -> String {
    let fold = |digest: u64, kind: &&Kind| (digest ^ kind.fingerprint).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    format!("{:016x}", kinds().iter().fold(kinds().len() as u64, fold))
}

/// Says that this program can not work for its application, and waits until that has heard it.
fn decline(link: &Link) {
    let error = WorkerError::new(
        Class::Link,
        "the program that `worker` names has other kinds of actors than this one, or has them in another order: link the same handler \
         crates, built from the same source",
    );
    if link.send(&Word::Failed(error), &[]).is_ok() {
        while let Ok(Some(_)) = link.receive::<Order>() {}
    }
}

/// Whether this process has come by more than its standard streams: only what is not closed on exec can be open this early, but for
/// what other libraries open before `main`.
fn has_inherited() -> bool {
    let is_inherited = |number: u32| {
        let about = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
        let flags = about.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
        number > 2 && flags.is_some_and(|flags| flags & OFlags::CLOEXEC.bits() == 0)
    };
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).any(is_inherited)
}

/// Starts this process once more without what it has inherited. It is closed by that and not here: it may be a library's of this process.
fn drop_inherited() {
    if env::var_os(ALONE).is_some() || !has_inherited() {
        return;
    }
    close_fds::set_fds_cloexec(3, &[]);
    let mut arguments = env::args_os();
    let mut again = Command::new(MYSELF);
    again.arg0(arguments.next().unwrap_or_default()).args(arguments).env(ALONE, "1");
    // It comes back only if it could not be started. Then this process goes on as it is: a worker that keeps too much is better than none.
    let _ = again.exec();
}

/// Takes over before `main` in a process that was started as a worker.
#[ctor::ctor(unsafe)]
fn work() {
    let Some(kinds) = env::var_os(WORKER) else { return };
    drop_inherited();
    // SAFETY of the order: the signal is asked for before the link is looked at, so an application that has gone meanwhile is seen
    // by the one or the other.
    let followed = set_parent_process_death_signal(Some(Signal::KILL));
    let link = io::stdin().as_fd().try_clone_to_owned();
    match (followed, link) {
        (Ok(()), Ok(link)) if rustix::net::getsockname(&link).is_ok() => {
            // It lasts as long as the process: a handler's thread may be speaking over it at the end.
            let link: &Link = Box::leak(Box::new(Link::of(link)));
            on_abort(|shard, text| drop(link.send(&Word::Panicked(shard, text.into()), &[])));
            if kinds == *digest() { serve(link, || exit(0)) } else { decline(link) }
        }
        (Ok(()), Err(error)) if error.raw_os_error() == Some(Errno::MFILE.raw_os_error()) => {
            eprintln!("a worker could not begin: {}", explain(&error, ""));
            exit(2);
        }
        _ => {
            eprintln!("{WORKER} is set, but no application of resident has started this process: unset it");
            exit(2);
        }
    }
    exit(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_is_dying() {
        let stat = |process: u32| fs::read_to_string(format!("/proc/{process}/stat")).expect("/proc is mounted");
        assert!(!is_dying(&stat(std::process::id())));
        let mut child = Command::new("/bin/true").spawn().expect("a process");
        while !is_dying(&stat(child.id())) {}
        child.wait().expect("it is ours");
        assert!(is_dying("7 (a ) R 1) S 1 7 7 0 -1 4194564 102"), "its flags say so");
        assert!(!is_dying("7 (a ) Z 1) S 1 7 7 0 -1 4194560 102"));
    }
}
