//! A crate's PTX: cargo builds the crate, and says what its build script has made.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

/// Why there is no PTX.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PtxError {
    /// No cargo.
    #[error("cargo could not be run: {0}; `inspect-ptx` builds the crate with it, so install Rust (rustup)")]
    NoCargo(#[source] io::Error),
    /// It has failed, and said why.
    #[error("`{0}` does not build, cargo's errors stand above")]
    NotBuilt(String),
    /// There is no build script, or one of another sort.
    #[error("`{0}` is no handler crate: its build.rs is to be `fn main() {{ resident_build::handlers() }}`")]
    NoBuildScript(String),
    /// The build has left it out.
    #[error("{0}")]
    Missing(String),
    /// There are none in it.
    #[error("there is no handler in the PTX of `{0}` that this version of resident knows: build the crate with the same version")]
    NoHandlers(String),
}

/// What cargo says of a build script that was run.
#[derive(Deserialize)]
struct Said {
    reason: String,
    #[serde(default)]
    package_id: String,
    #[serde(default)]
    env: Vec<(String, String)>,
}

/// The file with the PTX of `krate`, a folder or the name of a package.
pub(crate) fn of(krate: &str) -> Result<PathBuf, PtxError> {
    let manifest = Path::new(krate).join("Cargo.toml");
    let mut which = Command::new("cargo");
    which.arg("pkgid");
    let mut build = Command::new("cargo");
    build.args(["build", "--lib", "--message-format=json-render-diagnostics"]);
    for command in [&mut which, &mut build] {
        match manifest.is_file() {
            true => command.arg("--manifest-path").arg(&manifest),
            false => command.args(["--package", krate]),
        };
    }
    let told = answer(&mut build, krate)?;
    // The build has made the lock file that this one reads.
    let id = answer(&mut which, krate)?;
    let said = told.lines().filter_map(|line| serde_json::from_str::<Said>(line).ok());
    let own = said.filter(|said| said.reason == "build-script-executed" && said.package_id == id.trim());
    let env: Vec<(String, String)> = own.flat_map(|said| said.env).collect();
    let value = |name: &str| env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    match (value("RESIDENT_PTX"), value("RESIDENT_PTX_MISSING")) {
        (Some(path), _) => Ok(path.into()),
        (None, Some(why)) => Err(PtxError::Missing(why)),
        (None, None) => Err(PtxError::NoBuildScript(krate.into())),
    }
}

/// What cargo answers on standard output; what it says beside goes to people.
fn answer(command: &mut Command, krate: &str) -> Result<String, PtxError> {
    let ran = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(PtxError::NoCargo)?;
    match ran.status.success() {
        true => Ok(String::from_utf8_lossy(&ran.stdout).into_owned()),
        false => Err(PtxError::NotBuilt(krate.into())),
    }
}
