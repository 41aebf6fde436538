//! The children of a supervisor: each one's record, and for each stage who is in it, in start order. Whatever the
//! supervisor asks of them costs a look into a tree, however many there are.

use crate::{Child, ChildInfo, ChildKey, ChildSpec, Kind, RequestId, Restart, Start, Status};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// Where a child is between two incarnations and within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No process, and none is wanted.
    Idle,
    /// A process is wanted, after the deadline.
    Delayed,
    /// A process is wanted, once the device is there.
    AwaitsDevice,
    /// A process is wanted, when the turn comes.
    Ready,
    Starting,
    Running,
    /// Starting or running, to be stopped when the turn comes.
    Condemned,
    /// Asked to stop; killed at the deadline.
    Stopping,
    /// Killed; a zombie at the deadline.
    Killing,
    Zombie,
}

impl Stage {
    const COUNT: usize = Stage::Zombie as usize + 1;
    /// Those of a child whose stop is not over.
    pub(crate) const LEAVING: [Stage; 3] = [Stage::Condemned, Stage::Stopping, Stage::Killing];

    fn status(self) -> Status {
        match self {
            Stage::Idle => Status::Stopped,
            Stage::Delayed | Stage::AwaitsDevice | Stage::Ready => Status::Restarting,
            Stage::Starting => Status::Starting,
            Stage::Running => Status::Running,
            Stage::Condemned | Stage::Stopping | Stage::Killing => Status::Stopping,
            Stage::Zombie => Status::Zombie,
        }
    }
}

/// What is known of a child.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) spec: ChildSpec,
    pub(crate) incarnation: u64,
    stage: Stage,
    deadline: Option<Duration>,
    /// Whether it is to run once it no longer leaves.
    pub(crate) wanted: bool,
    /// What its next start is.
    pub(crate) start: Start,
    /// When it had started; `None` while it has not.
    pub(crate) since: Option<Duration>,
    /// Restarts since it last ran for long.
    pub(crate) attempts: u32,
    /// How many times its device had been started when it was.
    pub(crate) device_starts: u64,
    /// Who asked for its start.
    pub(crate) starter: Option<RequestId>,
    /// Who asked for its stop.
    pub(crate) stoppers: Vec<RequestId>,
}

impl Record {
    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    pub(crate) fn is_temporary(&self) -> bool {
        self.spec.restart == Restart::Temporary
    }
}

/// The children.
#[derive(Debug)]
pub(crate) struct Children {
    records: BTreeMap<ChildKey, Record>,
    /// Empty where ids need not be unique.
    keys: HashMap<Arc<str>, ChildKey>,
    unique_ids: bool,
    stages: [BTreeSet<ChildKey>; Stage::COUNT],
    deadlines: BTreeSet<(Duration, ChildKey)>,
    next: u64,
}

impl Children {
    pub(crate) fn new(unique_ids: bool) -> Children {
        Children {
            records: BTreeMap::new(),
            keys: HashMap::new(),
            unique_ids,
            stages: Default::default(),
            deadlines: BTreeSet::new(),
            next: 0,
        }
    }

    /// Adds a child after all others, ready to start; its id is not taken.
    pub(crate) fn add(&mut self, spec: ChildSpec, starter: Option<RequestId>) -> ChildKey {
        let key = ChildKey(self.next);
        self.next += 1;
        if self.unique_ids {
            self.keys.insert(spec.id.clone(), key);
        }
        let record = Record {
            spec,
            incarnation: 0,
            stage: Stage::Ready,
            deadline: None,
            wanted: true,
            start: Start::First,
            since: None,
            attempts: 0,
            device_starts: 0,
            starter,
            stoppers: Vec::new(),
        };
        self.stages[record.stage as usize].insert(key);
        self.records.insert(key, record);
        key
    }

    /// Forgets a child that is there.
    pub(crate) fn remove(&mut self, key: ChildKey) {
        self.set(key, Stage::Idle, None);
        self.stages[Stage::Idle as usize].remove(&key);
        if let Some(record) = self.records.remove(&key)
            && self.unique_ids
        {
            self.keys.remove(&record.spec.id);
        }
    }

    /// Moves a child that is there to a stage, until `deadline` if there is one.
    pub(crate) fn set(&mut self, key: ChildKey, stage: Stage, deadline: Option<Duration>) {
        let Some(record) = self.records.get_mut(&key) else { return };
        self.stages[record.stage as usize].remove(&key);
        self.stages[stage as usize].insert(key);
        if let Some(at) = record.deadline {
            self.deadlines.remove(&(at, key));
        }
        if let Some(at) = deadline {
            self.deadlines.insert((at, key));
        }
        (record.stage, record.deadline) = (stage, deadline);
    }

    pub(crate) fn get(&self, key: ChildKey) -> Option<&Record> {
        self.records.get(&key)
    }

    pub(crate) fn get_mut(&mut self, key: ChildKey) -> Option<&mut Record> {
        self.records.get_mut(&key)
    }

    pub(crate) fn find(&self, id: &str) -> Option<ChildKey> {
        self.keys.get(id).copied()
    }

    /// Whether the key is or was a child's.
    pub(crate) fn was_added(&self, key: ChildKey) -> bool {
        key.0 < self.next
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (ChildKey, &Record)> {
        self.records.iter().map(|(&key, record)| (key, record))
    }

    pub(crate) fn keys_from(&self, first: Bound<ChildKey>) -> Vec<ChildKey> {
        self.records.range((first, Bound::Unbounded)).map(|(&key, _)| key).collect()
    }

    /// Who is in a stage, in start order.
    pub(crate) fn at(&self, stage: Stage) -> &BTreeSet<ChildKey> {
        &self.stages[stage as usize]
    }

    /// Whether anybody is in one of the stages.
    pub(crate) fn any_at(&self, stages: &[Stage]) -> bool {
        stages.iter().any(|&stage| !self.at(stage).is_empty())
    }

    /// Whose deadline is next, and when.
    pub(crate) fn next_deadline(&self) -> Option<(Duration, ChildKey)> {
        self.deadlines.first().copied()
    }

    /// The sibling before `key` that is the device `id`.
    pub(crate) fn device_before(&self, key: ChildKey, id: &str) -> Option<ChildKey> {
        self.find(id).filter(|&device| device < key && self.records[&device].spec.kind == Kind::Device)
    }

    pub(crate) fn info(&self, key: ChildKey) -> Option<ChildInfo> {
        self.get(key).map(|record| ChildInfo {
            id: record.spec.id.clone(),
            child: Child { key, incarnation: record.incarnation },
            status: record.stage.status(),
            kind: record.spec.kind,
            restart: record.spec.restart,
        })
    }
}
