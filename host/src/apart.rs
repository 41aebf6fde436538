//! Work that blocks, beside a runtime.
//!
//! tokio's own threads for this are no way where threads are short: tokio panics, or queues the work until one is free, which may be never.
//! A thread here that has done its work waits a moment for more, since to start one takes longer than most of what it does.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use tokio::sync::oneshot;

/// How long a thread waits for more.
const MOMENT: Duration = Duration::from_millis(100);

type Work = Box<dyn FnOnce() + Send>;

/// The threads that wait for more, and the process that they are of: a child that was forked has none of them.
struct Idle {
    process: u32,
    threads: Vec<(ThreadId, Sender<Work>)>,
}

static IDLE: Mutex<Idle> = Mutex::new(Idle { process: 0, threads: Vec::new() });

/// Runs what blocks in a thread of its own; `None` if it panicked. An error says that the system gives no thread.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<Option<T>> {
    let (send, done) = oneshot::channel();
    // Whoever waited may have given up.
    hand_over(Box::new(move || drop(send.send(work()))))?;
    Ok(done.await.ok())
}

fn hand_over(mut work: Work) -> io::Result<()> {
    // Not waited for: in a child that was forked it may have been held at that moment, and stays so.
    if let Ok(mut idle) = IDLE.try_lock() {
        let process = std::process::id();
        if idle.process != process {
            *idle = Idle { process, threads: Vec::new() };
        }
        while let Some((_, thread)) = idle.threads.pop() {
            match thread.send(work) {
                Ok(()) => return Ok(()),
                Err(back) => work = back.0,
            }
        }
    }
    thread::Builder::new().name("resident-apart".into()).spawn(move || work_on(work)).map(drop)
}

fn work_on(mut work: Work) {
    let (send, more) = channel();
    loop {
        work();
        match wait(&send, &more) {
            Some(next) => work = next,
            None => return,
        }
    }
}

/// What this thread is to do next; `None` if nothing comes.
fn wait(send: &Sender<Work>, more: &Receiver<Work>) -> Option<Work> {
    let me = thread::current().id();
    IDLE.try_lock().ok()?.threads.push((me, send.clone()));
    if let Ok(next) = more.recv_timeout(MOMENT) {
        return Some(next);
    }
    {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = idle.threads.iter().position(|(thread, _)| *thread == me) {
            idle.threads.swap_remove(place);
            return None;
        }
    }
    // Somebody has just taken it from the list: the work is on its way.
    more.recv().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn work_comes_back_and_a_panic_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let here = || runtime.block_on(apart(|| thread::current().id())).expect("a thread").expect("no panic");
        let threads: HashSet<_> = (0..1000).map(|_| here()).collect();
        assert!(!threads.contains(&thread::current().id()));
        assert!(threads.len() < 1000, "none was used again");
        let panicked = runtime.block_on(apart(|| -> u32 { panic!("it does") }));
        assert_eq!(panicked.expect("a thread"), None);
        assert_ne!(here(), thread::current().id());
    }

    #[test]
    fn nothing_is_lost_where_a_thread_goes_as_work_comes() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for turn in 0..10 {
            // About as long as a thread waits.
            thread::sleep(MOMENT * (turn % 2));
            let all: Vec<_> = (0..10).map(|number| runtime.spawn(apart(move || number))).collect();
            for (number, done) in all.into_iter().enumerate() {
                assert_eq!(runtime.block_on(done).expect("no panic").expect("a thread"), Some(number));
            }
        }
    }
}
