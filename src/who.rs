//! Who an actor is to its program.

use std::fmt;

pub use resident_kernels::host::ActorKey;

/// An actor as faults and logs call it.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub key: ActorKey,
    pub name: Option<String>,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "`{name}`"),
            None => self.key.fmt(f),
        }
    }
}
