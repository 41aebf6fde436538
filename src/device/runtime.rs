//! What a system needs of the runtime that it is started in.

use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::error::StartError;

/// Refuses where there is no runtime, or none in which time passes.
pub(crate) fn check() -> Result<(), StartError> {
    // tokio has no question for timers: it panics where there are none.
    if Handle::try_current().is_err() || catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).is_err() {
        return Err(StartError::Runtime);
    }
    if is_paused() { Err(StartError::Paused) } else { Ok(()) }
}

/// Whether tasks can be started here: of proxies, of supervisors. tokio and ractor panic where they cannot.
pub(crate) fn is_here() -> bool {
    Handle::try_current().is_ok()
}

/// Whether time stands still for tokio, which it does not say. The tokio's span is around the real one: it is shorter only then.
fn is_paused() -> bool {
    let (theirs, real) = (tokio::time::Instant::now(), Instant::now());
    let passed = loop {
        let passed = real.elapsed();
        if passed > Duration::ZERO {
            break passed;
        }
    };
    theirs.elapsed() < passed
}
