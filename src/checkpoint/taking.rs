//! Asking for a checkpoint.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use resident_checkpoint::{Checkpoint, Delta};
use resident_host::apart;

use super::cut;
use super::error::CheckpointError;
use super::scope::Scope;
use crate::device::core::Core;
use crate::system::System;

/// How long a checkpoint may take unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// A checkpoint to be taken: await it.
#[must_use = "no checkpoint is taken before this is awaited"]
pub struct Taking {
    /// The device, or why there is none of which it can be.
    core: Result<Arc<Core>, CheckpointError>,
    scope: Scope,
    notes: BTreeMap<String, Vec<u8>>,
    patience: Duration,
}

impl Taking {
    pub(crate) fn new(core: Arc<Core>, scope: Scope) -> Taking {
        Taking::of(Ok(core), scope)
    }

    fn of(core: Result<Arc<Core>, CheckpointError>, scope: Scope) -> Taking {
        Taking { core, scope, notes: BTreeMap::new(), patience: PATIENCE }
    }

    /// Keeps something of the application's in it: how far it has read its input, say.
    pub fn note(mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Taking {
        self.notes.insert(name.into(), bytes.into());
        self
    }

    /// How long it may take: actors go on with what they were sent before, and a lost worker is waited for. A minute unless told
    /// otherwise.
    pub fn within(self, patience: Duration) -> Taking {
        Taking { patience, ..self }
    }

    /// Answers what has changed since `base`, too. Of a whole device only that is copied, if `base` is the last checkpoint that was
    /// taken of it and its worker was not lost since; else all is, and compared here.
    pub fn since(self, base: &Checkpoint) -> Since {
        Since { taking: self, base: base.clone() }
    }
}

/// A checkpoint to be taken, and what has changed since another: await it.
#[must_use = "no checkpoint is taken before this is awaited"]
pub struct Since {
    taking: Taking,
    base: Checkpoint,
}

impl Since {
    /// As [`Taking::note`].
    pub fn note(mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Since {
        self.taking = self.taking.note(name, bytes);
        self
    }
}

impl IntoFuture for Taking {
    type Output = Result<Checkpoint, CheckpointError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Taking { core, scope, notes, patience } = self;
        async move { Ok(cut::take(&core?, scope, notes, None, patience).await?.0) }.boxed()
    }
}

impl IntoFuture for Since {
    type Output = Result<(Checkpoint, Delta), CheckpointError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Since { taking: Taking { core, scope, notes, patience }, base } = self;
        async move {
            let (checkpoint, delta) = cut::take(&core?, scope, notes, Some(&base), patience).await?;
            match delta {
                Some(delta) => Ok((checkpoint, delta)),
                None => {
                    let new = checkpoint.clone();
                    let compared = apart(move || Checkpoint::delta_from(&base, &new)).await;
                    let delta = compared.map_err(|error| CheckpointError::thread(&error))?.ok_or(CheckpointError::Runtime)?;
                    Ok((checkpoint, delta))
                }
            }
        }
        .boxed()
    }
}

impl fmt::Debug for Taking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taking").field("scope", &self.scope).field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl fmt::Debug for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Since").field("taking", &self.taking).field("base", &self.base).finish()
    }
}

impl System {
    /// Takes a checkpoint while the actors go on; the [module](crate::checkpoint) says what is in it.
    ///
    /// It is of one device. A system of several says which with [`placing`](System::placing): `system.placing(Placement::On(1))`. Else it
    /// is refused, [`CheckpointError::Devices`].
    pub fn checkpoint(&self, scope: Scope) -> Taking {
        Taking::of(device(self), scope)
    }
}

/// The device that a checkpoint is of.
pub(super) fn device(system: &System) -> Result<Arc<Core>, CheckpointError> {
    match system.one_device() {
        Some(core) => Ok(core?.clone()),
        None => Err(CheckpointError::Devices(system.fleet().devices().len())),
    }
}
