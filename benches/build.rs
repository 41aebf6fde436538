//! Tells the program which commit it is built from, and whether the sources that go into it differ from that commit.

use std::path::Path;
use std::process::Command;

/// What goes into a bench, from the root of the repository.
const SOURCES: [&str; 14] = [
    "Cargo.lock",
    "Cargo.toml",
    "benches/Cargo.toml",
    "benches/benches",
    "benches/build.rs",
    "benches/peers",
    "benches/src",
    "checkpoint/src",
    "examples",
    "gpu/src",
    "kernels",
    "src",
    "supervisor/src",
    "tests/actors",
];

fn main() {
    for source in SOURCES {
        println!("cargo:rerun-if-changed=../{source}");
    }
    // A commit, a checkout and a reset each write a line of the log.
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]).filter(|path| Path::new("..").join(path).exists()) {
            println!("cargo:rerun-if-changed={}", Path::new("..").join(path).display());
        }
    }
    // Without git, or outside a clone, nothing is known of either.
    let status: Vec<_> = ["status", "--porcelain", "--"].into_iter().chain(SOURCES).collect();
    if let (Some(commit), Some(changes)) = (git(&["rev-parse", "HEAD"]), git(&status)) {
        println!("cargo:rustc-env=RESIDENT_COMMIT={commit}");
        println!("cargo:rustc-env=RESIDENT_COMMIT_CHANGED={}", !changes.is_empty());
    }
}

/// What git says in the root of the repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").current_dir("..").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
