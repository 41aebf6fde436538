//! A bucket, or whatever `object_store` makes look like one.
//!
//! There is no lock: a put is refused if there is an object of that name, so two writers never overwrite each other, and the archive's
//! check of each delta's base finds the other one at the next save. A file is put by one request, so it can be as long as the store
//! takes in one (S3: 5 GiB).
//!
//! A prefix is taken as it is given. Earlier versions encoded some characters of it (`100%` was `100%25`); where only such a version has
//! written, the archive goes on there.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStoreExt, PutMode, PutPayload};
use tokio::sync::OnceCell;

use super::directory::checked;
use super::error::StoreError;
use super::{Entry, Later, Store};
use crate::file::Encoded;

/// Objects below a prefix of any [`object_store::ObjectStore`].
#[derive(Clone)]
pub struct ObjectStore {
    objects: Arc<dyn object_store::ObjectStore>,
    prefix: Arc<str>,
    /// Where the files are, once that was looked for.
    place: Arc<OnceCell<Path>>,
}

impl ObjectStore {
    /// Keeps files as objects below `prefix`, which may be empty and is taken as given, but for a slash at its ends. One that is none is
    /// refused by every operation, with [`StoreError::Prefix`].
    pub fn new(objects: Arc<dyn object_store::ObjectStore>, prefix: &str) -> ObjectStore {
        ObjectStore { objects, prefix: prefix.into(), place: Arc::default() }
    }

    async fn place(&self) -> Result<&Path, StoreError> {
        self.place.get_or_try_init(|| self.look_for_place()).await
    }

    async fn look_for_place(&self) -> Result<Path, StoreError> {
        let given = Path::parse(&self.prefix).map_err(|_| StoreError::Prefix { prefix: self.prefix.to_string() })?;
        let encoded = Path::from(&*self.prefix);
        let is_old = encoded != given && self.entries(&given).await?.is_empty() && !self.entries(&encoded).await?.is_empty();
        Ok(if is_old { encoded } else { given })
    }

    async fn path(&self, name: &str) -> Result<Path, StoreError> {
        let name = checked(name)?;
        Ok(self.place().await?.clone().join(name))
    }

    async fn entries(&self, place: &Path) -> Result<Vec<Entry>, StoreError> {
        let found: Vec<_> = self.objects.list(Some(place)).try_collect().await.map_err(|error| failed("list", "", error))?;
        let entry = |object: &object_store::ObjectMeta| {
            let mut parts = object.location.prefix_match(place)?;
            let name = parts.next()?.as_ref().to_owned();
            // Objects deeper down are somebody else's.
            parts.next().is_none().then_some(Entry { name, bytes: object.size })
        };
        Ok(found.iter().filter_map(entry).collect())
    }

    async fn read(&self, name: &str, options: GetOptions) -> Result<Bytes, StoreError> {
        let found = self.objects.get_opts(&self.path(name).await?, options).await.map_err(|error| failed("read", name, error))?;
        found.bytes().await.map_err(|error| failed("read", name, error))
    }
}

impl Store for ObjectStore {
    fn put<'a>(&'a self, name: &'a str, file: Encoded) -> Later<'a, ()> {
        Box::pin(async move {
            let payload: PutPayload = file.pieces().iter().cloned().collect();
            let put = self.objects.put_opts(&self.path(name).await?, payload, PutMode::Create.into()).await;
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
        Box::pin(async { self.entries(self.place().await?).await })
    }

    fn delete<'a>(&'a self, name: &'a str) -> Later<'a, ()> {
        Box::pin(async move {
            match self.objects.delete(&self.path(name).await?).await {
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
