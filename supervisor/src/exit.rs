//! How a child ended, and what its restart type makes of it.

use crate::Restart;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It had finished.
    Normal,
    /// It was asked to stop.
    Shutdown,
    /// It was killed; for a transient child a failure.
    Killed,
    /// It failed, and the carrier's decider says what follows.
    Failed(Directive),
    /// The device under it was lost for good. If its specification names that device, the restart waits for the
    /// device and counts against nobody; otherwise it is a failure.
    Lost,
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Directive {
    /// What the restart type and the strategy say.
    #[default]
    Restart,
    /// It goes on with the state it had, alone, whatever its restart type; that is no restart and does not count.
    Resume,
    /// It stays ended, whatever its restart type.
    Stop,
    /// The supervisor gives up.
    Escalate,
}

/// What follows an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Restart,
    Resume,
    End,
    Escalate,
}

impl Exit {
    pub(crate) fn verdict(self, restart: Restart) -> Verdict {
        match (self, restart) {
            (Exit::Failed(Directive::Resume), _) => Verdict::Resume,
            (Exit::Failed(Directive::Stop), _) => Verdict::End,
            (Exit::Failed(Directive::Escalate), _) => Verdict::Escalate,
            (_, Restart::Permanent) => Verdict::Restart,
            (_, Restart::Temporary) | (Exit::Normal | Exit::Shutdown, Restart::Transient) => Verdict::End,
            (Exit::Killed | Exit::Lost | Exit::Failed(Directive::Restart), Restart::Transient) => Verdict::Restart,
        }
    }
}
