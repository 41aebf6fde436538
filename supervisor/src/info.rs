//! What a supervisor says of its children.

use crate::{Child, Kind, Restart};
use std::sync::Arc;

/// Where a child is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It has no process and none is coming.
    Stopped,
    /// It is being started.
    Starting,
    /// It runs.
    Running,
    /// It will be started: after its backoff, when its device is there, or when its turn comes.
    Restarting,
    /// It is being stopped, or will be when its turn comes.
    Stopping,
    /// It was killed and is still there.
    Zombie,
}

/// A child, as `which_children` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildInfo {
    /// Its id.
    pub id: Arc<str>,
    /// Its present or last incarnation; 0 before its first start.
    pub child: Child,
    /// Where it is in its life.
    pub status: Status,
    /// What it is.
    pub kind: Kind,
    /// When it is started again.
    pub restart: Restart,
}

/// How many children there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Specifications, with a process or without.
    pub specs: usize,
    /// Those that run or are being stopped.
    pub active: usize,
    /// Those that are supervisors, running or not.
    pub supervisors: usize,
    /// All others, running or not.
    pub workers: usize,
}
