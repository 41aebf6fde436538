//! Directories that were opened by a relative path. Alone in its process, whose working directory changes. HO-7.

use std::path::Path;
use std::{env, fs};

use resident_checkpoint::{Archive, ArchiveError, Checkpoint, Directory, Options, Store, StoreError};

/// Files of an archive in a directory.
fn files(path: &Path) -> usize {
    let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".ckpt")).count()
}

#[tokio::test]
async fn what_was_opened_is_what_is_read_and_written() {
    let directory = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| directory.path().join(name));
    [&here, &there].into_iter().for_each(|path| fs::create_dir_all(path.join("saved")).unwrap());
    env::set_current_dir(&here).unwrap();
    let writer = Directory::writer("saved").unwrap();
    let reader = Directory::reader("./saved").unwrap();
    assert_eq!(writer.path(), env::current_dir().unwrap().join("saved"));
    let archive = Archive::open(writer, Options { keep: 9, ..Options::default() });
    let checkpoint = Checkpoint::new(Default::default()).unwrap();
    archive.save_full(&checkpoint).await.unwrap();

    // A process that goes elsewhere, where there is a folder of that name.
    env::set_current_dir(&there).unwrap();
    archive.save_full(&checkpoint).await.unwrap();
    assert_eq!((files(&here.join("saved")), files(&there.join("saved"))), (2, 0));
    assert_eq!((archive.list().await.unwrap().len(), reader.list().await.unwrap().len()), (2, 2));
    assert!(archive.verify().await.unwrap().iter().all(|(_, result)| result.is_ok()));
    assert!(matches!(Directory::writer(here.join("saved")), Err(StoreError::Locked { .. })), "the lock is there");
    drop(Directory::writer("saved").expect("and not here"));

    // The directory is moved, and another takes its place.
    fs::rename(here.join("saved"), here.join("moved")).unwrap();
    let error = archive.save_full(&checkpoint).await.unwrap_err();
    assert!(matches!(error, ArchiveError::Store(StoreError::Moved { .. })), "{error}");
    fs::create_dir(here.join("saved")).unwrap();
    let error = archive.save_full(&checkpoint).await.unwrap_err();
    assert!(matches!(error, ArchiveError::Store(StoreError::Moved { .. })), "{error}");
    assert_eq!((archive.list().await.unwrap().len(), files(&here.join("saved"))), (2, 0), "what was opened is read");
    assert!(archive.latest().await.unwrap().is_some());
    drop(Directory::writer(here.join("saved")).expect("nobody writes to the other"));

    // Put back, it is written.
    fs::remove_dir_all(here.join("saved")).unwrap();
    fs::rename(here.join("moved"), here.join("saved")).unwrap();
    archive.save_full(&checkpoint).await.unwrap();
    assert_eq!(files(&here.join("saved")), 3);
    assert!(matches!(Directory::reader("nowhere"), Err(StoreError::NoDirectory { path }) if path.is_absolute()));
    env::set_current_dir("/").unwrap();
}
