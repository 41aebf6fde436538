//! Compiles a crate of resident actors for the GPU, from its own build script.
//!
//! Its `build.rs` is
//!
//! ```text
//! fn main() {
//!     resident_build::handlers();
//! }
//! ```
//!
//! The crate that the build script belongs to is compiled once more, for `nvptx64-nvidia-cuda`, with an
//! unmodified rustc, into one PTX that `resident_kernels::export!` puts into the host's build. That takes one of
//!
//! - the target `nvptx64-nvidia-cuda` on the toolchain in use: `rustup target add nvptx64-nvidia-cuda`
//! - a nightly with the sources of `core`: `rustup toolchain install nightly --component rust-src`
//!
//! and no CUDA toolkit. Where neither is there, a warning says so, the host's build goes on, and the crate's
//! actors run on the CPU device only. A crate that does not compile for the GPU fails the build with rustc's errors.
//!
//! The environment variable `RESIDENT_NVPTX` decides instead: `off`, `stable` (the toolchain in use) or `nightly`
//! (also a dated one, `nightly-2026-01-01`). The PTX is of `sm_80` and runs on every GPU from there on. Arithmetic
//! overflow panics on the GPU where it does on the host: in a build with the profile `dev`, or as
//! `[profile.release] overflow-checks` says. Loops of single bytes, which LLVM makes of longer copies, are widened.
#![forbid(unsafe_code)]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::exit;

mod compile;
mod copies;
mod ptx;
mod sources;
mod toolchain;

pub(crate) const TARGET: &str = "nvptx64-nvidia-cuda";

/// Set for the inner build, whose build script this is too.
pub(crate) const INNER: &str = "RESIDENT_BUILD_INNER";

/// Compiles the crate of this build script for the GPU; the one line of a handler crate's `build.rs`.
///
/// Ends the build script with status 1, after the reason on standard error, if the crate does not compile for
/// the GPU.
pub fn handlers() {
    println!("cargo:rerun-if-env-changed=RESIDENT_NVPTX");
    println!("cargo:rustc-check-cfg=cfg(resident_nightly)");
    if env::var_os(INNER).is_some() || env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "nvptx64") {
        println!("cargo:rerun-if-changed=build.rs");
        return;
    }
    let crate_dir = path("CARGO_MANIFEST_DIR");
    let out_dir = path("OUT_DIR");
    sources::watch_crate(&crate_dir);

    let wish = env::var("RESIDENT_NVPTX").unwrap_or_default();
    let toolchain = match toolchain::find(&wish) {
        Ok(toolchain) => toolchain,
        Err(missing) => return set_missing(&missing, &wish),
    };
    let compiled = compile::room(&out_dir).and_then(|()| compile::compile(&toolchain, &crate_dir, &out_dir));
    match compiled {
        Ok(ptx) => println!("cargo:rustc-env=RESIDENT_PTX={}", ptx.display()),
        Err(reason) => {
            eprintln!("{reason}");
            eprintln!("The handlers were compiled for the GPU with {toolchain}. RESIDENT_NVPTX=off builds for the CPU device only.");
            exit(1);
        }
    }
    sources::watch_dependencies(&out_dir);
}

fn set_missing(missing: &toolchain::Missing, wish: &str) {
    let name = env::var("CARGO_PKG_NAME").unwrap_or_default();
    let text = format!("the handlers of `{name}` are not compiled for the GPU: {missing}");
    if missing.warn() {
        println!("cargo:warning={text}");
    }
    println!("cargo:rustc-env=RESIDENT_PTX_MISSING={text}");
    for file in toolchain::installation(wish) {
        println!("cargo:rerun-if-changed={}", file.display());
    }
}

fn path(variable: &str) -> PathBuf {
    match env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => {
            eprintln!("{variable} is not set: call `resident_build::handlers()` from a build script that cargo runs");
            exit(1);
        }
    }
}

/// Writes `text` to `file` unless it is there already, so that an unchanged PTX recompiles nothing.
pub(crate) fn write_changed(file: &Path, text: &str) -> Result<(), String> {
    if fs::read_to_string(file).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(file, text).map_err(|e| format!("{} cannot be written: {e}", file.display()))
}
