//! The number by which a program knows an actor.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

/// Set in the numbers that are counted here, so that none is a framework's too.
const OWN: u64 = 1 << 63;

/// An actor's number in this process: of an actor of ractor's that of its `ActorId`, of every other one a number that no `ActorId` has.
///
/// Of two actors of one framework, the one that has started later has the greater key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActorKey(u64);

impl ActorKey {
    /// The key of an actor whose framework numbers its actors.
    #[doc(hidden)]
    pub const fn new(number: u64) -> ActorKey {
        ActorKey(number)
    }

    /// The next key, for an actor whose framework has no numbers.
    #[doc(hidden)]
    pub fn next() -> ActorKey {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: a number is all that is told.
        ActorKey(OWN | NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ActorKey {
    /// With the node ahead, which is this one, as ractor's ids are written: in a log one is found by the other. A number that was counted
    /// here is written without its mark: `own.7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 & OWN {
            0 => write!(f, "0.{}", self.0),
            _ => write!(f, "own.{}", self.0 & !OWN),
        }
    }
}

#[cfg(feature = "ractor")]
impl From<ActorKey> for ractor::ActorId {
    fn from(key: ActorKey) -> ractor::ActorId {
        ractor::ActorId::Local(key.number())
    }
}

#[cfg(feature = "ractor")]
impl PartialEq<ractor::ActorId> for ActorKey {
    fn eq(&self, id: &ractor::ActorId) -> bool {
        matches!(id, ractor::ActorId::Local(number) if *number == self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn own_keys_rise_and_are_nobody_elses() {
        let (first, second) = (ActorKey::next(), ActorKey::next());
        assert!(first < second && ActorKey::new(u64::MAX >> 1) < first);
        assert_eq!(first.to_string(), std::format!("own.{}", first.number() & !OWN));
        assert_eq!(ActorKey::new(7).to_string(), "0.7");
    }
}
