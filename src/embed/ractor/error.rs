//! Errors as ractor's, and ractor's as errors.

use ractor::{ActorErr, MessagingErr, RactorErr, SpawnErr};

use crate::error::{CallError, CastError, SpawnError};

impl From<SpawnErr> for SpawnError {
    fn from(error: SpawnErr) -> SpawnError {
        match error {
            SpawnErr::ActorAlreadyRegistered(name) => SpawnError::Name(name),
            SpawnErr::StartupFailed(cause) => match cause.downcast::<SpawnError>() {
                Ok(own) => *own,
                Err(cause) => SpawnError::Framework(SpawnErr::StartupFailed(cause).into()),
            },
            other => SpawnError::Framework(other.into()),
        }
    }
}

impl From<SpawnError> for SpawnErr {
    fn from(error: SpawnError) -> SpawnErr {
        match error {
            SpawnError::Name(name) => SpawnErr::ActorAlreadyRegistered(name),
            SpawnError::Framework(error) => match error.downcast() {
                Ok(refused) => *refused,
                Err(other) => SpawnErr::StartupFailed(other),
            },
            own => SpawnErr::StartupFailed(Box::new(own)),
        }
    }
}

impl<M> From<CastError<M>> for MessagingErr<M> {
    fn from(error: CastError<M>) -> MessagingErr<M> {
        MessagingErr::SendErr(error.into_message())
    }
}

impl<M> From<CastError<M>> for RactorErr<M> {
    fn from(error: CastError<M>) -> RactorErr<M> {
        RactorErr::Messaging(error.into())
    }
}

impl<M> From<CallError<M>> for RactorErr<M> {
    fn from(error: CallError<M>) -> RactorErr<M> {
        match error {
            CallError::Unsent(error) => error.into(),
            CallError::Failed(fault) => RactorErr::Actor(ActorErr::Failed(fault)),
            CallError::Stopped | CallError::Refused(_) | CallError::Lost => RactorErr::Messaging(MessagingErr::ChannelClosed),
        }
    }
}
