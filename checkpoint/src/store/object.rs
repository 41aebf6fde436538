//! A bucket, or whatever `object_store` makes look like one.
//!
//! There is no lock: a put is refused if there is an object of that name, so two writers never overwrite each other, and the archive's
//! check of each delta's base finds the other one at the next save.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStoreExt, PutMode, PutPayload};

use super::directory::checked;
use super::error::StoreError;
use super::{Entry, Later, Store};
use crate::file::Encoded;

/// Objects below a prefix of any [`object_store::ObjectStore`].
#[derive(Clone)]
pub struct ObjectStore {
    objects: Arc<dyn object_store::ObjectStore>,
    prefix: Path,
}

impl ObjectStore {
    /// Keeps files as objects below `prefix`, which may be empty.
    pub fn new(objects: Arc<dyn object_store::ObjectStore>, prefix: &str) -> ObjectStore {
        ObjectStore { objects, prefix: Path::from(prefix) }
    }

    fn path(&self, name: &str) -> Result<Path, StoreError> {
        Ok(self.prefix.clone().join(checked(name)?))
    }

    async fn read(&self, name: &str, options: GetOptions) -> Result<Bytes, StoreError> {
        let found = self.objects.get_opts(&self.path(name)?, options).await.map_err(|error| failed("read", name, error))?;
        found.bytes().await.map_err(|error| failed("read", name, error))
    }
}

impl Store for ObjectStore {
    fn put<'a>(&'a self, name: &'a str, file: Encoded) -> Later<'a, ()> {
        Box::pin(async move {
            let payload: PutPayload = file.pieces().iter().cloned().collect();
            let put = self.objects.put_opts(&self.path(name)?, payload, PutMode::Create.into()).await;
            put.map(|_| ()).map_err(|error| failed("write", name, error))
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> Later<'a, Bytes> {
        Box::pin(self.read(name, GetOptions::default()))
    }

    fn start<'a>(&'a self, name: &'a str, bytes: usize) -> Later<'a, Bytes> {
        let range = Some(object_store::GetRange::Bounded(0..bytes as u64));
        Box::pin(self.read(name, GetOptions { range, ..GetOptions::default() }))
    }

    fn list(&self) -> Later<'_, Vec<Entry>> {
        Box::pin(async {
            let found: Vec<_> = self.objects.list(Some(&self.prefix)).try_collect().await.map_err(|error| failed("list", "", error))?;
            let entry = |object: &object_store::ObjectMeta| {
                let mut parts = object.location.prefix_match(&self.prefix)?;
                let name = parts.next()?.as_ref().to_owned();
                // Objects deeper down are somebody else's.
                parts.next().is_none().then_some(Entry { name, bytes: object.size })
            };
            Ok(found.iter().filter_map(entry).collect())
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> Later<'a, ()> {
        Box::pin(async move {
            match self.objects.delete(&self.path(name)?).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(failed("delete", name, error)),
            }
        })
    }
}

fn failed(what: &str, name: &str, error: object_store::Error) -> StoreError {
    match error {
        object_store::Error::AlreadyExists { .. } => StoreError::Exists { name: name.to_owned() },
        object_store::Error::NotFound { .. } => StoreError::Missing { name: name.to_owned() },
        error => StoreError::Object { what: format!("{what} {name}"), source: Box::<dyn Error + Send + Sync>::from(error) },
    }
}
