//! The same chain over `object_store`, in memory and in a directory.

use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use resident_checkpoint::{Archive, ArchiveError, Checkpoint, ObjectStore, Options, Store, StoreError};

use crate::samples::chain;

async fn works(objects: Arc<dyn object_store::ObjectStore>, prefix: &str) {
    let chain = chain(6);
    let archive = Archive::open(ObjectStore::new(objects.clone(), prefix), Options { keep: 2, ..Options::default() });
    assert!(archive.latest().await.unwrap().is_none());
    archive.save_full(&chain[0]).await.unwrap();
    for to in 1..5 {
        archive.save_delta(&Checkpoint::delta_from(&chain[to - 1], &chain[to])).await.unwrap();
        assert_eq!(archive.latest().await.unwrap().as_ref(), Some(&chain[to]));
    }
    assert_eq!(archive.compact().await.unwrap(), Some(5));
    // The fourth is one of the two kept, and needs what is before it.
    assert_eq!(archive.list().await.unwrap().iter().map(|point| point.number).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
    assert!(archive.verify().await.unwrap().iter().all(|(_, result)| result.is_ok()));

    // Another writer, unknown to the first.
    let other = Archive::open(ObjectStore::new(objects.clone(), prefix), Options::default());
    other.save_full(&chain[0]).await.unwrap();
    let error = archive.save_delta(&Checkpoint::delta_from(&chain[4], &chain[5])).await.unwrap_err();
    assert!(matches!(error, ArchiveError::NotNewest { newest, .. } if newest == Some(chain[0].digest())), "{error}");

    // Another prefix is another place.
    let elsewhere = Archive::open(ObjectStore::new(objects, "else/where"), Options::default());
    assert!(elsewhere.latest().await.unwrap().is_none());
}

/// C-9
async fn overwrites_nothing(objects: Arc<dyn object_store::ObjectStore>) {
    let store = ObjectStore::new(objects, "");
    store.put("a", bytes::Bytes::from_static(b"first").into()).await.unwrap();
    let error = store.put("a", bytes::Bytes::from_static(b"second").into()).await.unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }), "{error}");
    assert_eq!(store.get("a").await.unwrap()[..], *b"first");
    assert_eq!((&store.start("a", 2).await.unwrap()[..], &store.start("a", 99).await.unwrap()[..]), (&b"fi"[..], &b"first"[..]));
    assert!(matches!(store.get("b").await.unwrap_err(), StoreError::Missing { .. }));
    store.delete("b").await.unwrap();
    assert!(matches!(store.get("../a").await.unwrap_err(), StoreError::Name { .. }));
}

/// HO-8
async fn are_where_they_were_asked_to(objects: Arc<dyn object_store::ObjectStore>) {
    let chain = chain(2);
    let point = async |prefix: &str, step: usize| {
        let archive = Archive::open(ObjectStore::new(objects.clone(), prefix), Options::default());
        archive.save_full(&chain[step]).await.unwrap();
        assert_eq!(archive.latest().await.unwrap().as_ref(), Some(&chain[step]), "{prefix}");
    };
    let keys = async |place: &str| {
        let all: Vec<_> = objects.list(None).try_collect().await.unwrap();
        let keys = all.iter().filter_map(|object| object.location.as_ref().rsplit_once('/'));
        keys.filter(|(folder, _)| *folder == place).count()
    };
    for prefix in ["100%", "[prod]", "naïve", "a b/{c}", "%41", "~back`tick^", "plain/deep"] {
        point(prefix, 0).await;
        assert_eq!(keys(prefix).await, 1, "{prefix}");
        // An earlier version has encoded it; what lies there is another's once something lies where it was asked to.
        let encoded = Path::from(prefix).to_string();
        assert_eq!(keys(&encoded).await, usize::from(encoded == prefix), "{prefix}");
    }
    point("/50%/", 0).await;
    assert_eq!(keys("50%").await, 1, "a slash at its ends says nothing");

    // What an earlier version has written is gone on with where it is.
    point(Path::from("old [one]").as_ref(), 0).await;
    point("old [one]", 1).await;
    assert_eq!((keys("old [one]").await, keys(Path::from("old [one]").as_ref()).await), (0, 2));

    for prefix in ["a//b", "..", "a/./b", "a/../b", "bell\u{7}"] {
        let archive = Archive::open(ObjectStore::new(objects.clone(), prefix), Options::default());
        let error = archive.save_full(&chain[0]).await.unwrap_err();
        assert!(
            matches!(&error, ArchiveError::Store(StoreError::Prefix { .. })) && error.to_string().contains(prefix),
            "{prefix}: {error}"
        );
        assert!(archive.latest().await.is_err(), "{prefix}");
    }
}

#[tokio::test]
async fn in_memory() {
    works(Arc::new(InMemory::new()), "").await;
    works(Arc::new(InMemory::new()), "some/prefix").await;
    are_where_they_were_asked_to(Arc::new(InMemory::new())).await;
    overwrites_nothing(Arc::new(InMemory::new())).await;
}

#[tokio::test]
async fn in_a_directory() {
    let [first, second, third] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    works(Arc::new(LocalFileSystem::new_with_prefix(first.path()).unwrap()), "some/prefix").await;
    overwrites_nothing(Arc::new(LocalFileSystem::new_with_prefix(second.path()).unwrap())).await;
    are_where_they_were_asked_to(Arc::new(LocalFileSystem::new_with_prefix(third.path()).unwrap())).await;
    assert!(third.path().join("naïve").is_dir() && third.path().join("100%").is_dir());
}
