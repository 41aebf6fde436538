//! Which rustc can compile for the GPU.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::TARGET;
use crate::compile::clean;

/// A toolchain that can compile for the GPU.
pub struct Toolchain {
    /// The command line that runs its cargo.
    pub cargo: Vec<OsString>,
    /// Its rustc, where cargo would not find it by itself.
    pub rustc: Option<OsString>,
    /// `core` is to be built from its sources.
    pub build_core: bool,
    name: String,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, if self.build_core { " and -Z build-std=core" } else { "" })
    }
}

/// Why no toolchain can compile for the GPU, and what to do.
#[derive(Debug, PartialEq)]
pub enum Missing {
    /// `RESIDENT_NVPTX=off`.
    Off,
    /// No toolchain has the target or the sources.
    Nothing,
    /// `RESIDENT_NVPTX=stable`, and the toolchain in use lacks the target.
    Target,
    /// `RESIDENT_NVPTX=nightly..`, and that toolchain is not there, or without sources.
    Nightly(String),
    /// `RESIDENT_NVPTX` is no word we know.
    Wish(String),
}

impl Missing {
    /// Whether the user did not ask for it.
    pub fn warn(&self) -> bool {
        *self != Missing::Off
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Off => write!(f, "RESIDENT_NVPTX=off was set when they were built; unset it and build again"),
            Missing::Nothing => {
                write!(f, "run `rustup target add {TARGET}`, or `rustup toolchain install nightly --component rust-src`, and build again")
            }
            Missing::Target => write!(f, "run `rustup target add {TARGET}` and build again (RESIDENT_NVPTX=stable is set)"),
            Missing::Nightly(name) => {
                write!(f, "run `rustup toolchain install {name} --component rust-src` and build again (RESIDENT_NVPTX={name} is set)")
            }
            Missing::Wish(wish) => write!(f, "RESIDENT_NVPTX is `off`, `stable` or `nightly`, not `{wish}`"),
        }
    }
}

/// The toolchain that `wish`, the value of `RESIDENT_NVPTX`, asks for; the first that can if it is empty.
pub fn find(wish: &str) -> Result<Toolchain, Missing> {
    match wish {
        "off" => Err(Missing::Off),
        "" => in_use_with_target().or_else(in_use_with_sources).or_else(|| nightly("nightly")).ok_or(Missing::Nothing),
        "stable" => in_use_with_target().ok_or(Missing::Target),
        "nightly" => in_use_with_sources().or_else(|| nightly(wish)).ok_or_else(|| Missing::Nightly(wish.into())),
        name if name.starts_with("nightly-") => nightly(name).ok_or_else(|| Missing::Nightly(wish.into())),
        _ => Err(Missing::Wish(wish.into())),
    }
}

/// The cargo that runs this build script, and the rustc it came with.
fn in_use() -> Option<(PathBuf, OsString, PathBuf)> {
    let cargo = PathBuf::from(env::var_os("CARGO")?);
    // `RUSTC` may be a wrapper (Miri); beside cargo stands the compiler itself.
    let beside = cargo.with_file_name(format!("rustc{}", env::consts::EXE_SUFFIX));
    let rustc = if beside.is_file() { beside.into_os_string() } else { env::var_os("RUSTC")? };
    let sysroot = sysroot(Command::new(&rustc))?;
    Some((cargo, rustc, sysroot))
}

fn in_use_with_target() -> Option<Toolchain> {
    let (cargo, rustc, sysroot) = in_use()?;
    let name = format!("{}, its target {TARGET}", version(&rustc)?);
    let there = sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir();
    there.then(|| Toolchain { cargo: vec![cargo.into()], rustc: Some(rustc), build_core: false, name })
}

fn in_use_with_sources() -> Option<Toolchain> {
    let (cargo, rustc, sysroot) = in_use()?;
    let name = version(&rustc)?;
    let can = has_sources(&sysroot) && (name.contains("-nightly") || name.contains("-dev"));
    can.then(|| Toolchain { cargo: vec![cargo.into()], rustc: Some(rustc), build_core: true, name })
}

fn nightly(name: &str) -> Option<Toolchain> {
    let run = |program: &str| {
        let mut command = Command::new("rustup");
        command.args(["run", name, program]);
        command
    };
    let sysroot = sysroot(run("rustc"))?;
    let cargo = ["rustup", "run", name, "cargo"].map(OsString::from).to_vec();
    has_sources(&sysroot).then(|| Toolchain { cargo, rustc: None, build_core: true, name: name.into() })
}

fn has_sources(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file()
}

fn sysroot(mut rustc: Command) -> Option<PathBuf> {
    Some(PathBuf::from(answer(rustc.args(["--print", "sysroot"]))?))
}

fn version(rustc: &OsString) -> Option<String> {
    answer(Command::new(rustc).arg("--version"))
}

fn answer(command: &mut Command) -> Option<String> {
    let output = clean(command).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}

/// Files that change when a toolchain, a target or a component is installed.
pub fn installation() -> Vec<PathBuf> {
    let rustup = env::var_os("RUSTUP_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".rustup")));
    let active = in_use().map(|(_, _, sysroot)| sysroot.join("lib/rustlib/components"));
    let nightly = sysroot({
        let mut command = Command::new("rustup");
        command.args(["run", "nightly", "rustc"]);
        command
    });
    [active, nightly.map(|n| n.join("lib/rustlib/components")), rustup.map(|r| r.join("update-hashes"))]
        .into_iter()
        .flatten()
        .filter(|file| file.exists())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_and_unknown_words_find_nothing() {
        assert_eq!(find("off").err(), Some(Missing::Off));
        assert_eq!(find("gcc").err(), Some(Missing::Wish("gcc".into())));
        assert_eq!(find("nightly-1999-01-01").err(), Some(Missing::Nightly("nightly-1999-01-01".into())));
    }

    #[test]
    fn what_is_missing_says_what_to_do() {
        for missing in [Missing::Nothing, Missing::Target, Missing::Nightly("nightly".into())] {
            assert!(missing.to_string().contains("run `rustup "), "{missing}");
            assert!(missing.warn());
        }
        assert!(Missing::Off.to_string().contains("unset it"));
        assert!(!Missing::Off.warn());
    }
}
