//! Who an actor is to its program.

use std::fmt;

/// An actor's number, which the framework that runs it has given it: one that has started later in this process has a greater one. Of an
/// actor of ractor's it is that of its `ActorId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActorKey(u64);

impl ActorKey {
    pub(crate) fn new(number: u64) -> ActorKey {
        ActorKey(number)
    }

    /// The number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ActorKey {
    /// With the node ahead, which is this one, as ractor's ids are written: in a log one is found by the other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0.{}", self.0)
    }
}

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
