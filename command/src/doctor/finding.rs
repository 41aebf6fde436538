//! What a check has found.

use serde::Serialize;

/// What it means for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// It is as it should be.
    #[serde(rename = "ok")]
    Good,
    /// A program runs, but without something.
    Note,
    /// It would stop a program.
    Stops,
}

impl Level {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Level::Good => "ok",
            Level::Note => "note",
            Level::Stops => "STOPS",
        }
    }
}

/// What was found, and what to do about it if that is not as it should be.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub level: Level,
    pub found: String,
    pub advice: Option<&'static str>,
}

impl Finding {
    pub(crate) fn good(found: String) -> Finding {
        Finding { level: Level::Good, found, advice: None }
    }

    pub(crate) fn note(found: String, advice: &'static str) -> Finding {
        Finding { level: Level::Note, found, advice: Some(advice) }
    }

    pub(crate) fn stops(found: String, advice: &'static str) -> Finding {
        Finding { level: Level::Stops, found, advice: Some(advice) }
    }
}
