//! What a supervisor is told about itself.

use crate::Invalid;
use std::time::Duration;

/// Who is restarted with a child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Nobody.
    #[default]
    OneForOne,
    /// All its siblings.
    OneForAll,
    /// Those started after it.
    RestForOne,
    /// Nobody; children come at run time only, in no order, and are stopped all at once. Ids need not be unique, a
    /// child that ended is forgotten, and `restart_child` and `delete_child` do not exist.
    Dynamic {
        /// How many there may be; any number if `None`.
        max_children: Option<usize>,
    },
}

/// When the end of significant children is the supervisor's. Only an end that the child came to by itself and that
/// no restart follows is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AutoShutdown {
    /// Never; no child may be significant.
    #[default]
    Never,
    /// When any of them ends.
    AnySignificant,
    /// When the last of them ends.
    AllSignificant,
}

/// A supervisor's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flags {
    /// Who is restarted with a child.
    pub strategy: Strategy,
    /// Restarts allowed within `period`; one more and the supervisor gives up.
    pub intensity: u32,
    /// How long a restart counts.
    pub period: Duration,
    /// When the end of significant children is the supervisor's.
    pub auto_shutdown: AutoShutdown,
    /// How long a killed child may take to be gone; then it is a zombie, and the supervisor goes on without it.
    pub kill_bound: Duration,
}

impl Default for Flags {
    /// OTP's: one for one, one restart within five seconds, no automatic shutdown; five seconds to be gone.
    fn default() -> Flags {
        Flags {
            strategy: Strategy::OneForOne,
            intensity: 1,
            period: Duration::from_secs(5),
            auto_shutdown: AutoShutdown::Never,
            kill_bound: Duration::from_secs(5),
        }
    }
}

impl Flags {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        if self.period.is_zero() { Err(Invalid::ZeroPeriod) } else { Ok(()) }
    }

    pub(crate) fn is_dynamic(&self) -> bool {
        matches!(self.strategy, Strategy::Dynamic { .. })
    }

    /// Whether a child's restart can be that of others.
    pub(crate) fn restarts_groups(&self) -> bool {
        matches!(self.strategy, Strategy::OneForAll | Strategy::RestForOne)
    }
}
