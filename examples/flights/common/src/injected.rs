//! Faults on demand, as the report has them.

use std::fmt;

use serde::Serialize;

/// What breaks.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// An aircraft panics.
    Panic,
    /// An aircraft traps: the device is lost.
    Trap,
    /// An aircraft does not come to its end: the device is lost.
    Hang,
    /// The worker process is killed.
    Kill,
}

/// What was injected and what it came to.
#[derive(Debug, Serialize)]
pub struct Injected {
    /// What broke.
    pub what: What,
    /// After how many flights.
    pub after: u64,
    /// From the loss of the worker being noticed until another had taken over, in milliseconds.
    pub takeover_ms: Option<f64>,
    /// What the supervisor heard of the aircraft.
    pub fault: Option<String>,
}

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} flights: ", self.after)?;
        match &self.fault {
            Some(fault) => write!(f, "{fault}"),
            None => f.write_str("the worker process was killed"),
        }?;
        match self.takeover_ms {
            Some(ms) => write!(f, "; another worker took over within {ms:.1} ms"),
            None => Ok(()),
        }
    }
}
