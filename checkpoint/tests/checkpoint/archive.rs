//! The chain in a directory: saving, restoring, compacting, and what damage does.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use resident_checkpoint::{
    Archive, ArchiveError, Checkpoint, Delta, Directory, Encoded, Entry, FileError, Later, Options, Store, StoreError,
};

use crate::samples::chain;

fn archive(path: &Path, keep: usize) -> Archive {
    Archive::open(Directory::writer(path).unwrap(), Options { keep, ..Options::default() })
}

fn between(chain: &[Checkpoint], to: usize) -> Delta {
    Checkpoint::delta_from(&chain[to - 1], &chain[to])
}

/// Saves the first whole, and the others as deltas.
async fn saved(path: &Path, chain: &[Checkpoint]) -> Archive {
    let archive = archive(path, usize::MAX);
    archive.save_full(&chain[0]).await.unwrap();
    for to in 1..chain.len() {
        archive.save_delta(&between(chain, to)).await.unwrap();
    }
    archive
}

/// Waits for what a task of the archive's brings about.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come true");
        tokio::task::yield_now().await;
    }
}

/// The files by name, without the lock.
fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "LOCK");
    names.sort();
    names
}

/// The file of a number; of two the first.
fn file(path: &Path, number: u64) -> PathBuf {
    path.join(names(path).into_iter().find(|name| name.starts_with(&format!("{number:08}"))).unwrap())
}

fn damage(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(file, bytes).unwrap();
}

/// Which points of how many can be restored.
async fn sound(archive: &Archive) -> Vec<(u64, bool)> {
    archive.verify().await.unwrap().into_iter().map(|(point, result)| (point.number, result.is_ok())).collect()
}

#[tokio::test]
async fn what_is_saved_is_restored() {
    let (directory, chain) = (tempfile::tempdir().unwrap(), chain(5));
    let empty = archive(directory.path(), 2);
    assert!(
        empty.latest().await.unwrap().is_none() && empty.latest_whole().await.unwrap().is_none() && empty.list().await.unwrap().is_empty()
    );
    drop(empty);
    let archive = saved(directory.path(), &chain).await;
    for (number, wanted) in (1..).zip(&chain) {
        assert_eq!(archive.restore(number).await.unwrap().parts(), wanted.parts());
    }
    assert_eq!(archive.latest().await.unwrap().as_ref(), chain.last());
    let digests = |checkpoint: &Checkpoint| checkpoint.digest().short();
    let wanted: Vec<String> = (1..)
        .zip(&chain)
        .map(|(number, checkpoint)| format!("{number:08}-{}-{}.ckpt", if number == 1 { "full" } else { "delta" }, digests(checkpoint)))
        .collect();
    assert_eq!(names(directory.path()), wanted);
    assert!(matches!(archive.restore(9).await.unwrap_err(), ArchiveError::Unknown { number: 9, known } if known == [5, 4, 3, 2, 1]));
}

/// C-2
#[tokio::test]
async fn a_delta_of_another_base_is_not_saved() {
    let (directory, chain) = (tempfile::tempdir().unwrap(), chain(4));
    let archive = archive(directory.path(), 2);
    let error = archive.save_delta(&between(&chain, 1)).await.unwrap_err();
    assert!(matches!(error, ArchiveError::NotNewest { newest: None, .. }), "{error}");
    archive.save_full(&chain[0]).await.unwrap();
    let error = archive.save_delta(&between(&chain, 2)).await.unwrap_err();
    assert!(matches!(error, ArchiveError::NotNewest { base, newest } if base == chain[1].digest() && newest == Some(chain[0].digest())));
    assert!(error.to_string().contains("save the whole checkpoint instead"));
    archive.save_delta(&between(&chain, 1)).await.unwrap();
    assert_eq!(names(directory.path()).len(), 2);
}

/// C-2: a base is missing, two files have each other's place, a file is under another's name.
#[tokio::test]
async fn files_lost_swapped_and_renamed_are_noticed() {
    let (directory, chain) = (tempfile::tempdir().unwrap(), chain(5));
    let path = directory.path();
    let archive = saved(path, &chain).await;
    let (second, third) = (file(path, 2), file(path, 3));
    let aside = path.join("aside");

    fs::rename(&second, &aside).unwrap();
    let error = archive.latest().await.unwrap_err();
    assert!(matches!(&error, ArchiveError::NoBase { base, .. } if *base == chain[1].digest()), "{error}");
    assert_eq!(sound(&archive).await, [(1, true), (3, false), (4, false), (5, false)]);

    fs::rename(&third, &second).unwrap();
    fs::rename(&aside, &third).unwrap();
    let error = archive.latest().await.unwrap_err();
    assert!(error.is_damage() && error.to_string().contains("-delta-"), "{error}");
    let fresh = Archive::open(Directory::reader(path).unwrap(), Options::default());
    assert_eq!(sound(&fresh).await, [(1, true), (2, false), (3, false), (4, false), (5, false)]);
    assert!(matches!(fresh.restore(2).await.unwrap_err(), ArchiveError::Misnamed { digest, .. } if digest == chain[2].digest()));

    fs::rename(&second, &aside).unwrap();
    fs::rename(&third, &second).unwrap();
    fs::rename(&aside, &third).unwrap();
    assert!(sound(&archive).await.iter().all(|(_, sound)| *sound));

    // Deltas in another order, and names that fit: each is applied to its own base all the same, or not at all.
    let renumbered = path.join(third.file_name().unwrap().to_str().unwrap().replace("00000003", "00000009"));
    fs::rename(&third, &renumbered).unwrap();
    assert!(matches!(archive.restore(4).await.unwrap_err(), ArchiveError::NoBase { .. }));
    assert_eq!(archive.restore(9).await.unwrap(), chain[2]);
}

#[tokio::test]
async fn the_newest_whole_one_is_found_and_the_damaged_are_told() {
    let (directory, chain) = (tempfile::tempdir().unwrap(), chain(5));
    let path = directory.path();
    let archive = saved(path, &chain).await;
    damage(&file(path, 4));
    let error = archive.latest().await.unwrap_err();
    assert!(matches!(&error, ArchiveError::File { name, source: FileError::Corrupt { .. } } if name.starts_with("00000004")), "{error}");
    let whole = archive.latest_whole().await.unwrap().unwrap();
    assert_eq!((whole.number, &whole.checkpoint), (3, &chain[2]));
    assert_eq!(whole.skipped.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [5, 4]);
    damage(&file(path, 1));
    assert!(matches!(archive.latest_whole().await.unwrap_err(), ArchiveError::NoneWhole { skipped } if skipped.len() == 5));
}

/// C-7
#[tokio::test]
async fn what_the_newest_points_need_is_kept() {
    let (directory, chain) = (tempfile::tempdir().unwrap(), chain(8));
    let path = directory.path();
    let archive = archive(path, 2);
    let numbers = || names(path).iter().map(|name| name[..10].to_owned()).collect::<Vec<_>>();
    archive.save_full(&chain[0]).await.unwrap();
    for to in 1..4 {
        archive.save_delta(&between(&chain, to)).await.unwrap();
    }
    assert_eq!(numbers(), ["00000001-f", "00000002-d", "00000003-d", "00000004-d"], "the third needs all before it");
    archive.save_full(&chain[4]).await.unwrap();
    assert_eq!(numbers().len(), 5, "the fourth is kept, and needs all before it");
    archive.save_delta(&between(&chain, 5)).await.unwrap();
    assert_eq!(numbers(), ["00000005-f", "00000006-d"]);
    assert_eq!(archive.compact().await.unwrap(), Some(6));
    assert_eq!(numbers(), ["00000005-f", "00000006-f"], "a delta whose place was taken is not needed");
    assert_eq!(archive.compact().await.unwrap(), None);
    archive.save_delta(&between(&chain, 6)).await.unwrap();
    assert_eq!(numbers(), ["00000006-f", "00000007-d"]);
    for number in [6, 7] {
        assert_eq!(archive.restore(number).await.unwrap(), chain[number as usize - 1]);
    }
}

/// C-7: a point that can not be restored does not count as one that is kept.
#[tokio::test]
async fn damaged_points_are_not_counted() {
    let (directory, chain) = (tempfile::tempdir().unwrap(), chain(4));
    let path = directory.path();
    let archive = archive(path, 2);
    archive.save_full(&chain[0]).await.unwrap();
    archive.save_full(&chain[1]).await.unwrap();
    let second = file(path, 2);
    fs::write(&second, &fs::read(&second).unwrap()[..100]).unwrap();
    let fresh = {
        drop(archive);
        self::archive(path, 2)
    };
    fresh.save_full(&chain[2]).await.unwrap();
    assert_eq!(fresh.restore(1).await.unwrap(), chain[0], "the first is the second newest that is whole");
    assert!(second.exists(), "and the damaged one stays for inspection");
    fresh.save_full(&chain[3]).await.unwrap();
    assert_eq!(names(path).len(), 2, "until it is older than all that is needed");
    assert!(!second.exists());
}

#[tokio::test]
async fn compaction_in_the_background() {
    let (directory, chain) = (tempfile::tempdir().unwrap(), chain(10));
    let options = Options { keep: 1, compact_after: 3, ..Options::default() };
    let archive = Archive::open(Directory::writer(directory.path()).unwrap(), options);
    let background = tokio::spawn({
        let archive = archive.clone();
        async move { archive.compact_when_due().await }
    });
    archive.save_full(&chain[0]).await.unwrap();
    for to in 1..4 {
        let saved = archive.save_delta(&between(&chain, to)).await.unwrap();
        assert_eq!((saved.number, saved.compact), (to as u64 + 1, to == 3));
    }
    until("it is compacted", async || names(directory.path()).len() == 1).await;
    for to in 4..10 {
        archive.save_delta(&between(&chain, to)).await.unwrap();
        assert_eq!(archive.latest().await.unwrap().as_ref(), Some(&chain[to]));
    }
    assert!(!background.is_finished(), "it has met no error");
    background.abort();
    assert!(sound(&archive).await.iter().all(|(_, sound)| *sound));
}

/// What reads while another compacts and deletes looks again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_do_not_mind_a_writer() {
    let (directory, chain) = (tempfile::tempdir().unwrap(), chain(40));
    let writer = archive(directory.path(), 1);
    writer.save_full(&chain[0]).await.unwrap();
    let reader = Archive::open(Directory::reader(directory.path()).unwrap(), Options::default());
    let reading = tokio::spawn(async move {
        let mut last = 0;
        while last < 42 + 39 {
            let now = reader.latest().await.unwrap().unwrap().taken().hlc;
            assert!(now >= last, "time went back");
            last = now;
            assert!(sound(&reader).await.iter().all(|(_, sound)| *sound));
        }
    });
    for to in 1..chain.len() {
        writer.save_delta(&between(&chain, to)).await.unwrap();
        writer.compact().await.unwrap();
    }
    reading.await.unwrap();
}

/// A store whose first list is an old one.
struct Late {
    store: Directory,
    old: Mutex<Option<Vec<Entry>>>,
}

impl Store for Late {
    fn put<'a>(&'a self, name: &'a str, file: Encoded) -> Later<'a, ()> {
        self.store.put(name, file)
    }

    fn get<'a>(&'a self, name: &'a str) -> Later<'a, Bytes> {
        self.store.get(name)
    }

    fn start<'a>(&'a self, name: &'a str, bytes: usize) -> Later<'a, Bytes> {
        self.store.start(name, bytes)
    }

    fn list(&self) -> Later<'_, Vec<Entry>> {
        match self.old.lock().unwrap().take() {
            Some(old) => Box::pin(async { Ok(old) }),
            None => self.store.list(),
        }
    }

    fn delete<'a>(&'a self, name: &'a str) -> Later<'a, ()> {
        self.store.delete(name)
    }
}

/// The same where all that was listed has gone by the look at it.
#[tokio::test]
async fn what_has_gone_since_it_was_listed_is_looked_for_again() {
    let (directory, chain) = (tempfile::tempdir().unwrap(), chain(2));
    let writer = archive(directory.path(), 1);
    writer.save_full(&chain[0]).await.unwrap();
    let store = Directory::reader(directory.path()).unwrap();
    let old = Mutex::new(Some(store.list().await.unwrap()));
    writer.save_full(&chain[1]).await.unwrap();
    assert_eq!(names(directory.path()).len(), 1, "the old one is deleted");
    let reader = Archive::open(Late { store, old }, Options::default());
    assert_eq!(reader.latest().await.unwrap().as_ref(), Some(&chain[1]));
}

#[tokio::test]
async fn a_save_goes_on_without_its_caller() {
    let (directory, chain) = (tempfile::tempdir().unwrap(), chain(1));
    let archive = archive(directory.path(), 2);
    {
        // Begun, and given up at once.
        let mut save = std::pin::pin!(archive.save_full(&chain[0]));
        let begun = std::future::poll_fn(|context| std::task::Poll::Ready(save.as_mut().poll(context).is_pending())).await;
        assert!(begun);
    }
    until("it is saved", async || archive.latest().await.unwrap().is_some()).await;
    assert_eq!(archive.latest().await.unwrap(), Some(chain[0].clone()));
}

/// C-9
#[tokio::test]
async fn a_directory_overwrites_nothing_and_keeps_to_itself() {
    let directory = tempfile::tempdir().unwrap();
    let store = Directory::writer(directory.path()).unwrap();
    store.put("a.ckpt", bytes::Bytes::from_static(b"first").into()).await.unwrap();
    let error = store.put("a.ckpt", bytes::Bytes::from_static(b"second").into()).await.unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }), "{error}");
    assert_eq!(store.get("a.ckpt").await.unwrap()[..], *b"first");
    assert_eq!(store.start("a.ckpt", 2).await.unwrap()[..], *b"fi");
    for name in ["../a", "a/b", "", ".tmp-a", "LOCK", "a\0b", "."] {
        assert!(matches!(store.put(name, Default::default()).await.unwrap_err(), StoreError::Name { .. }), "{name}");
        assert!(matches!(store.get(name).await.unwrap_err(), StoreError::Name { .. }), "{name}");
        assert!(matches!(store.delete(name).await.unwrap_err(), StoreError::Name { .. }), "{name}");
    }
    store.delete("a.ckpt").await.unwrap();
    store.delete("a.ckpt").await.unwrap();
    assert!(matches!(store.get("a.ckpt").await.unwrap_err(), StoreError::Missing { .. }));
}
