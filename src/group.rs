//! Groups: a million actors with one shell.
//!
//! A member is a row and a state on the device, and on the host a seat in a table and an entry in the map of keys: no task, no actor of a
//! framework, no allocation of its own. What an actor's shell does for one, the group's does for all of them.

mod asked;
mod batch;
mod changes;
mod claim;
mod crew;
mod ending;
mod everyone;
pub(crate) mod gather;
mod index;
mod many;
pub(crate) mod members;
mod quarters;
pub(crate) mod table;

/// What became of a fold over the members of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Folded<T> {
    /// The replies, folded.
    pub value: T,
    /// How many replies there were.
    pub replies: usize,
    /// Members that gave none: they had failed, failed meanwhile, or left.
    pub failed: usize,
}
