//! Why settings do not make a configuration.

use std::io;
use std::path::PathBuf;

use crate::config::settings::Origin;

/// Why settings do not make a configuration. Each says where it was found, and what to write instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A name that no setting has.
    #[error("`{key}` ({origin}) is no setting{}", meant(.nearest.as_deref()))]
    Unknown {
        /// The name.
        key: String,
        /// The one that is most like it.
        nearest: Option<String>,
        /// Where it stands.
        origin: Origin,
    },
    /// A value that its setting does not take.
    #[error("{why} ({origin})")]
    Value {
        /// Which, and what to write.
        why: String,
        /// Where it stands.
        origin: Origin,
    },
    /// A file that cannot be read.
    #[error("the settings of {} cannot be read: {why}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's word.
        why: io::Error,
    },
    /// A file that is no TOML.
    #[error("the settings of {} are no TOML: {why}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        why: String,
    },
    /// A program that was built without the feature `toml` was given a file.
    #[error("the settings of {} cannot be read: build the program with the feature `toml` of `resident`", .0.display())]
    NoToml(PathBuf),
}

fn meant(nearest: Option<&str>) -> String {
    match nearest {
        Some(name) => format!(": is `{name}` meant?"),
        None => "; `resident config` lists them".into(),
    }
}
