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
    /// For people.
    name: String,
    /// Its rustc's word.
    version: String,
}

impl Toolchain {
    /// What to say of it if it is too old.
    fn old(&self) -> Option<Old> {
        let number = |text: &str| {
            let mut parts = text.split('.').map(|part| part.parse::<u32>().ok());
            Some((parts.next()??, parts.next()??))
        };
        let is = number(self.version.strip_prefix("rustc ")?)?;
        let name = self.rustc.is_none().then(|| self.name.clone());
        (is < number(OLDEST)?).then(|| Old { name, version: self.version.clone() })
    }
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
    /// A toolchain is there, and too old.
    Old(Old),
    /// `RESIDENT_NVPTX` is no word we know.
    Wish(String),
}

/// A toolchain that could compile for the GPU, were it not for its age.
#[derive(Debug, PartialEq)]
pub struct Old {
    /// Its name for rustup, if it is not the one in use.
    name: Option<String>,
    /// Its rustc's word.
    version: String,
}

/// The oldest rustc that compiles `resident-kernels`.
const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

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
            Missing::Old(Old { name, version }) => {
                let update = name.as_ref().map_or("rustup update".into(), |name| match name.strip_prefix("nightly-") {
                    Some(_) => "rustup toolchain install nightly --component rust-src".into(),
                    None => format!("rustup update {name}"),
                });
                write!(f, "resident needs rustc {OLDEST}, and {version} is older: run `{update}` and build again")
            }
            Missing::Wish(wish) => write!(f, "RESIDENT_NVPTX is `off`, `stable` or `nightly`, not `{wish}`"),
        }
    }
}

/// The toolchain that `wish`, the value of `RESIDENT_NVPTX`, asks for; the first that can if it is empty.
pub fn find(wish: &str) -> Result<Toolchain, Missing> {
    let nothing = match wish {
        "off" => return Err(Missing::Off),
        "" => Missing::Nothing,
        "stable" => Missing::Target,
        name if is_nightly(name) => Missing::Nightly(name.into()),
        _ => return Err(Missing::Wish(wish.into())),
    };
    let candidates: &[&dyn Fn() -> Option<Toolchain>] = match wish {
        "" => &[&in_use_with_target, &in_use_with_sources, &|| nightly("nightly")],
        "stable" => &[&in_use_with_target],
        "nightly" => &[&in_use_with_sources, &|| nightly("nightly")],
        name => &[&|| nightly(name)],
    };
    let mut too_old = None;
    for toolchain in candidates.iter().filter_map(|candidate| candidate()) {
        match toolchain.old() {
            None => return Ok(toolchain),
            Some(old) => too_old = too_old.or(Some(old)),
        }
    }
    Err(too_old.map_or(nothing, Missing::Old))
}

/// Whether a wish is one for a nightly, also a dated one.
fn is_nightly(wish: &str) -> bool {
    wish == "nightly" || wish.starts_with("nightly-")
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
    let version = version(Command::new(&rustc))?;
    let name = format!("{version}, its target {TARGET}");
    let there = sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir();
    there.then(|| Toolchain { cargo: vec![cargo.into()], rustc: Some(rustc), build_core: false, name, version })
}

fn in_use_with_sources() -> Option<Toolchain> {
    let (cargo, rustc, sysroot) = in_use()?;
    let version = version(Command::new(&rustc))?;
    let can = has_sources(&sysroot) && (version.contains("-nightly") || version.contains("-dev"));
    can.then(|| Toolchain { cargo: vec![cargo.into()], rustc: Some(rustc), build_core: true, name: version.clone(), version })
}

fn nightly(name: &str) -> Option<Toolchain> {
    let sysroot = sysroot(rustc_of(name))?;
    let version = version(rustc_of(name))?;
    let cargo = ["rustup", "run", name, "cargo"].map(OsString::from).to_vec();
    has_sources(&sysroot).then(|| Toolchain { cargo, rustc: None, build_core: true, name: name.into(), version })
}

/// The rustc of one of rustup's toolchains.
fn rustc_of(name: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", name, "rustc"]);
    command
}

fn has_sources(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file()
}

fn sysroot(mut rustc: Command) -> Option<PathBuf> {
    Some(PathBuf::from(answer(rustc.args(["--print", "sysroot"]))?))
}

fn version(mut rustc: Command) -> Option<String> {
    answer(rustc.arg("--version"))
}

fn answer(command: &mut Command) -> Option<String> {
    let output = clean(command).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}

/// What changes when a toolchain, a target or a component that `wish` asks for is installed.
pub fn installation(wish: &str) -> Vec<PathBuf> {
    let rustup = env::var_os("RUSTUP_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".rustup")));
    let name = if is_nightly(wish) { wish } else { "nightly" };
    let sysroots = [in_use().map(|(_, _, sysroot)| sysroot), sysroot(rustc_of(name))];
    // Rustup lists in a file what it has installed; others only lay the folder beside.
    let installed = sysroots.into_iter().flatten().map(|sysroot| {
        let listed = sysroot.join("lib/rustlib/components");
        if listed.exists() { listed } else { sysroot.join("lib/rustlib") }
    });
    // A file for each toolchain. A path that is not there would have cargo run the script each time.
    installed.chain(rustup.map(|rustup| rustup.join("update-hashes"))).filter(|path| path.exists()).collect()
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
