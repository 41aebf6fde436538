//! The same chain over `object_store`, in memory and in a directory.

use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
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

#[tokio::test]
async fn in_memory() {
    works(Arc::new(InMemory::new()), "").await;
    works(Arc::new(InMemory::new()), "some/prefix").await;
    overwrites_nothing(Arc::new(InMemory::new())).await;
}

#[tokio::test]
async fn in_a_directory() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    works(Arc::new(LocalFileSystem::new_with_prefix(first.path()).unwrap()), "some/prefix").await;
    overwrites_nothing(Arc::new(LocalFileSystem::new_with_prefix(second.path()).unwrap())).await;
}
