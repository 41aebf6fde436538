//! What actix has not that an actor of its needs.

use thiserror::Error;

use crate::error::SpawnError;

/// Why actix has not started an actor, found in [`SpawnError::Framework`]; of a supervisor and its children also why one ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ActixError {
    /// No actix `System` runs on this thread.
    #[error(
        "there is no actix arbiter on this thread: start the actor within an actix system (`#[actix::main]`, `System::block_on`), name an \
         arbiter with `start_in`, or use `start_free`"
    )]
    NoArbiter,
    /// The arbiter takes nothing any more.
    #[error("the arbiter has stopped: name one that runs, or use `start_free`")]
    ArbiterStopped,
    /// To actix, a mailbox of 0 is one without a bound.
    #[error("a mailbox of 0 messages is to actix one without a bound: use 1 or more")]
    NoMailbox,
    /// There is no thread for actors without an arbiter.
    #[error("no thread for actors without an arbiter: {0}; start it again, or name an arbiter with `start_in`")]
    Thread(#[source] std::io::Error),
    /// actix finds no actor by a name.
    #[error("actix knows no names: leave `ChildSpec::name` out, and find the actor by its supervisor (`SupervisorRef::addr`)")]
    Named,
    /// A supervised actor of actix's has panicked, in a handler or while it was made, and said this.
    #[error("it panicked: {0}")]
    Panicked(String),
}

impl From<ActixError> for SpawnError {
    fn from(error: ActixError) -> SpawnError {
        SpawnError::Framework(Box::new(error))
    }
}
