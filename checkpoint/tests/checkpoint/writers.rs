//! Who may write to a directory. C-6.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use resident_checkpoint::{Archive, Directory, Options, Store, StoreError};

use crate::samples::checkpoint;

/// Set for the process that holds a directory.
const HOLD: &str = "RESIDENT_CHECKPOINT_TEST_HOLD";

fn locked_by(path: &Path) -> Option<u32> {
    match Directory::writer(path) {
        Err(StoreError::Locked { pid, .. }) => pid,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two writers"),
    }
}

/// No test by itself: what the other process runs. It holds the directory until it is told to stop, or is killed.
#[test]
fn hold() {
    let Some(path) = std::env::var_os(HOLD) else { return };
    let directory = Directory::writer(path).unwrap();
    fs::write(directory.path().join(".tmp-00000009-full-00000000.ckpt"), "unfinished").unwrap();
    println!("holding");
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// C-6
#[test]
fn a_second_handle_is_told_who_writes() {
    let directory = tempfile::tempdir().unwrap();
    let first = Directory::writer(directory.path()).unwrap();
    assert_eq!(locked_by(directory.path()), Some(std::process::id()));
    let clone = first.clone();
    drop(first);
    assert_eq!(locked_by(directory.path()), Some(std::process::id()), "a clone is the same handle");
    drop(clone);
    Directory::writer(directory.path()).unwrap();
}

/// C-6, and what a killed writer leaves is cleaned up by the next.
#[test]
fn another_process_is_told_who_writes() {
    let directory = tempfile::tempdir().unwrap();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writers::hold", "--nocapture"])
        .env(HOLD, directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("holding")));
    assert_eq!(locked_by(directory.path()), Some(other.id()));
    let error = Directory::writer(directory.path()).err().unwrap().to_string();
    assert!(error.contains(&format!("is written by process {}", other.id())), "{error}");
    let unfinished = directory.path().join(".tmp-00000009-full-00000000.ckpt");
    assert!(unfinished.exists());
    let reader = Directory::reader(directory.path()).unwrap();

    other.kill().unwrap();
    other.wait().unwrap();
    assert!(unfinished.exists(), "readers change nothing");
    Directory::writer(directory.path()).unwrap();
    assert!(!unfinished.exists());
    drop(reader);
}

/// HO-6
#[test]
fn a_process_that_starts_others_is_not_refused_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                Command::new("/bin/true").status().unwrap();
            }
        });
        let refused = (0..200).filter_map(|_| Directory::writer(directory.path()).err()).collect::<Vec<_>>();
        done.store(true, Ordering::Relaxed);
        assert!(refused.is_empty(), "{} of 200: {}", refused.len(), refused[0]);
    });
}

#[tokio::test]
async fn readers_read_and_do_not_write() {
    let directory = tempfile::tempdir().unwrap();
    let writer = Archive::open(Directory::writer(directory.path()).unwrap(), Options::default());
    writer.save_full(&checkpoint()).await.unwrap();
    let store = Directory::reader(directory.path()).unwrap();
    assert!(matches!(store.put("a", Default::default()).await.unwrap_err(), StoreError::ReadOnly { .. }));
    assert!(matches!(store.delete("a").await.unwrap_err(), StoreError::ReadOnly { .. }));
    let reader = Archive::open(store, Options::default());
    assert_eq!(reader.latest().await.unwrap(), Some(checkpoint()));
    assert!(matches!(Directory::reader(directory.path().join("none")).err().unwrap(), StoreError::NoDirectory { .. }));
}

#[tokio::test]
async fn futures_can_be_sent_to_another_thread() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::open(Directory::writer(directory.path()).unwrap(), Options::default());
    sent(archive.save_full(&checkpoint())).await.unwrap();
    sent(archive.latest()).await.unwrap();
    sent(archive.latest_whole()).await.unwrap();
    sent(archive.restore(1)).await.unwrap();
    sent(archive.verify()).await.unwrap();
    sent(archive.compact()).await.unwrap();
    drop(sent(archive.compact_when_due()));
}
