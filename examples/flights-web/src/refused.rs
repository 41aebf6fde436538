//! Why a request is not answered with what it asks for, and with which status.

use actix::MailboxError;
use actix_web::ResponseError;
use actix_web::http::StatusCode;
use resident::{GpuFault, SpawnError};
use thiserror::Error;

/// Why a request is refused; the text is the response's body.
#[derive(Debug, Error)]
pub enum Refused {
    /// Nobody has flown under this tail number.
    #[error("no aircraft `{0}` has flown: POST a flight of it first")]
    Unknown(String),
    /// No tail number is written so.
    #[error("`{0}` is no tail number: 12 letters, digits and `-` at most")]
    Tail(String),
    /// The aircraft failed. The next incarnation takes what comes.
    #[error(transparent)]
    Fault(Box<GpuFault>),
    /// There is no place for another aircraft.
    #[error(transparent)]
    NoPlace(#[from] SpawnError),
    /// The aircraft takes no messages any more, because its system stops.
    #[error("the aircraft takes no messages: its system stops")]
    Closed(#[from] MailboxError),
}

impl From<GpuFault> for Refused {
    fn from(fault: GpuFault) -> Refused {
        Refused::Fault(Box::new(fault))
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        match self {
            Refused::Unknown(_) => StatusCode::NOT_FOUND,
            Refused::Tail(_) => StatusCode::BAD_REQUEST,
            Refused::Fault(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Refused::NoPlace(_) | Refused::Closed(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
