//! Labels of metrics, each with every value that it can have. They are known before the first message, so the number of series depends on
//! nothing that a program does: not on its actors, not on its supervisors.

use std::sync::LazyLock;

use resident_gpu::Class;
use resident_kernels::engine::kinds;
use resident_supervisor::Strategy;

use crate::fault::FaultClass;
use crate::shard::link::PATHS;

/// A label.
#[derive(Clone, Copy)]
pub(crate) enum Axis {
    /// Of an actor.
    Kind,
    /// How a message came to its ring.
    Path,
    /// Of an actor's fault.
    Fault,
    /// Of a device's fault.
    Loss,
    /// A supervisor's.
    Strategy,
    /// Why a child was started again.
    Reason,
}

/// Why a child was started again, in the order of [`Axis::Reason`]'s values.
#[derive(Clone, Copy)]
pub(crate) enum Reason {
    /// It had finished.
    Finished,
    /// It failed.
    Failed,
    /// It was killed.
    Killed,
    /// Its device was lost.
    Lost,
    /// Its supervisor had stopped it, with a sibling or since somebody asked for that.
    Stopped,
    /// The start before did not succeed.
    Start,
}

impl Reason {
    const ALL: [Reason; 6] = [Self::Finished, Self::Failed, Self::Killed, Self::Lost, Self::Stopped, Self::Start];

    /// It as a label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::Lost => "lost",
            Self::Stopped => "stopped",
            Self::Start => "start",
        }
    }
}

/// The kinds' names, each once, and by kind the place of its own among them.
struct Kinds {
    names: Vec<&'static str>,
    places: Vec<usize>,
}

static KINDS: LazyLock<Kinds> = LazyLock::new(|| {
    let (mut names, mut places) = (Vec::new(), Vec::new());
    for kind in kinds() {
        places.push(names.iter().position(|name| *name == kind.name).unwrap_or(names.len()));
        if !names.contains(&kind.name) {
            names.push(kind.name);
        }
    }
    Kinds { names, places }
});

impl Axis {
    /// What the label is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Axis::Kind => "kind",
            Axis::Path => "path",
            Axis::Fault | Axis::Loss => "class",
            Axis::Strategy => "strategy",
            Axis::Reason => "reason",
        }
    }

    /// Its values.
    pub(crate) fn values(self) -> Vec<&'static str> {
        match self {
            Axis::Kind => KINDS.names.clone(),
            Axis::Path => PATHS.to_vec(),
            Axis::Fault => FaultClass::ALL.map(FaultClass::label).into(),
            Axis::Loss => Class::ALL.map(Class::label).into(),
            Axis::Strategy => vec!["one_for_one", "one_for_all", "rest_for_one", "dynamic"],
            Axis::Reason => Reason::ALL.map(Reason::label).into(),
        }
    }
}

/// The place of a kind among the values of [`Axis::Kind`]; kinds of one name share it.
pub(crate) fn of_kind(index: u32) -> usize {
    KINDS.places.get(index as usize).copied().unwrap_or(usize::MAX)
}

/// The place of an actor's fault among the values of [`Axis::Fault`].
pub(crate) fn of_fault(class: FaultClass) -> usize {
    FaultClass::ALL.iter().position(|of| *of == class).unwrap_or(usize::MAX)
}

/// The place of a device's fault among the values of [`Axis::Loss`].
pub(crate) fn of_loss(class: Class) -> usize {
    Class::ALL.iter().position(|of| *of == class).unwrap_or(usize::MAX)
}

/// The place of a strategy among the values of [`Axis::Strategy`].
pub(crate) fn of_strategy(strategy: Strategy) -> usize {
    match strategy {
        Strategy::OneForOne => 0,
        Strategy::OneForAll => 1,
        Strategy::RestForOne => 2,
        Strategy::Dynamic { .. } => 3,
    }
}
