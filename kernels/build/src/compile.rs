//! The inner build: the same crate, for the GPU.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::toolchain::Toolchain;
use crate::{INNER, TARGET, copies, ptx, write_changed};

/// Where cargo puts the inner build, under `OUT_DIR`.
pub const TARGET_DIR: &str = "nvptx";

/// Makes the folder that cargo is told to build in, whose own words for a failure name no cure.
pub fn room(out_dir: &Path) -> Result<(), String> {
    let folder = out_dir.join(TARGET_DIR);
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("room"), ""));
    written.map_err(|e| {
        let folder = folder.display();
        format!("{folder} cannot be written: {e}. Make it writable, or name another folder to build in in CARGO_TARGET_DIR.")
    })
}

/// Compiles the crate in `crate_dir` and returns its PTX.
pub fn compile(toolchain: &Toolchain, crate_dir: &Path, out_dir: &Path) -> Result<PathBuf, String> {
    let assembly = out_dir.join("handlers.s");
    let result = out_dir.join("handlers.ptx");
    // A file of an earlier build is not this one's.
    let fresh = fs::metadata(&assembly).is_ok();
    let mut command = Command::new(&toolchain.cargo[0]);
    clean(&mut command)
        .args(&toolchain.cargo[1..])
        .args(["rustc", "--release", "--lib", "--crate-type", "cdylib", "--target", TARGET])
        .arg("--manifest-path")
        .arg(crate_dir.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(out_dir.join(TARGET_DIR))
        .env(INNER, "1")
        // The least GPU we run on; newer ones compile the same PTX at start.
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-cpu=sm_80\u{1f}-Clinker=true")
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "")
        // One PTX without externals but the engine's, whatever the profile of the user's workspace says.
        .envs(profile());
    if let Some(rustc) = &toolchain.rustc {
        command.env("RUSTC", rustc);
    }
    if toolchain.build_core {
        command.args(["-Z", "build-std=core"]);
    }
    if let Ok(features) = env::var("CARGO_CFG_FEATURE") {
        command.args(["--no-default-features", "--features", &features]);
    }
    let mut emit = OsString::from("--emit=asm=");
    emit.push(&assembly);
    command.arg("--").arg(emit);
    if toolchain.build_core {
        // What needs a nightly's features can be told apart.
        command.args(["--cfg", "resident_nightly"]);
    }
    if env::var("PROFILE").is_ok_and(|p| p == "debug") {
        command.arg("-Coverflow-checks=on");
    }

    let status = command.status().map_err(|e| format!("{} cannot be run: {e}", Path::new(&toolchain.cargo[0]).display()))?;
    if !status.success() {
        return Err("The crate does not compile for the GPU; rustc's errors stand above.".into());
    }
    let text = fs::read_to_string(&assembly).map_err(|e| {
        let again = if fresh { "" } else { " (remove the target directory and build again)" };
        format!("rustc has left no assembly in {}: {e}{again}", assembly.display())
    })?;
    write_changed(&result, &copies::widened(&ptx::checked(&text)?))?;
    Ok(result)
}

fn profile() -> impl Iterator<Item = (String, &'static str)> {
    [
        ("LTO", "fat"),
        ("PANIC", "abort"),
        ("CODEGEN_UNITS", "1"),
        ("OPT_LEVEL", "3"),
        ("DEBUG", "0"),
        ("STRIP", "none"),
        ("INCREMENTAL", "false"),
        ("RPATH", "false"),
    ]
    .into_iter()
    .map(|(key, value)| (format!("CARGO_PROFILE_RELEASE_{key}"), value))
}

/// Clears what the outer build has set for its own compiler and this build script: flags, wrappers (Miri, clippy,
/// caches), targets, the toolchain.
pub fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os() {
        if of_the_outer_build(&name) {
            command.env_remove(&name);
        }
    }
    command
}

fn of_the_outer_build(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    // How cargo reaches its registries, and where it keeps what it has fetched, holds for the inner build too.
    let kept = ["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_TERM_COLOR"].contains(&name)
        || ["CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTRY_", "CARGO_REGISTRIES_", "CARGO_SOURCE_"].iter().any(|p| name.starts_with(p));
    let cleared = ["CARGO", "RUSTC", "RUSTDOC", "MIRI", "__CARGO", "DEP_", "CLIPPY_"].iter().any(|p| name.starts_with(p))
        || ["RUSTFLAGS", "RUSTUP_TOOLCHAIN", "TARGET", "HOST", "PROFILE", "DEBUG", "OPT_LEVEL", "OUT_DIR", "NUM_JOBS", "SYSROOT"]
            .contains(&name);
    cleared && !kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outer_build_stays_outside() {
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
            "MIRI_SYSROOT",
            "MIRIFLAGS",
            "OUT_DIR",
        ] {
            assert!(of_the_outer_build(OsStr::new(name)), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_REGISTRIES_MINE_INDEX", "PATH", "HOME", "RUSTUP_HOME"] {
            assert!(!of_the_outer_build(OsStr::new(name)), "{name}");
        }
    }
}
