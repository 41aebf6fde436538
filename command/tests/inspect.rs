//! `resident inspect-ptx` where something is missing. What it says of handlers is held against NVIDIA's assembler by ci/kernels.sh.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn inspect(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_resident")).arg("inspect-ptx").args(args).output().unwrap()
}

/// Refused with these words and this code.
fn refused(args: &[&str], code: i32, words: &[&str]) {
    let ran = inspect(args);
    let told = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(code), "{args:?}: {told}");
    assert!(words.iter().all(|words| told.contains(words)) && ran.stdout.is_empty(), "{args:?}: {told}");
}

/// FS-4
#[test]
fn what_is_missing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let probe = Path::new(env!("CARGO_MANIFEST_DIR")).join("probe");
    let probe = probe.to_str().unwrap();
    refused(&[probe, "--ptxas", "/nowhere/ptxas"], 1, &["/nowhere/ptxas is no file", "pip install nvidia-cuda-nvcc", "--ptxas"]);
    refused(&[probe, "--arch", "sm_75"], 2, &["an architecture is sm_80 or newer"]);
    refused(&[], 2, &["<CRATE>"]);
    // Any file is an assembler until it is run.
    let file = write("ptxas", "");
    refused(&["no-such-crate", "--ptxas", &file], 1, &["no-such-crate", "does not build, cargo's errors stand above"]);
    write("plain/src/lib.rs", "");
    let manifest = write("plain/Cargo.toml", "[package]\nname = \"plain\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n");
    let plain = Path::new(&manifest).parent().unwrap().to_str().unwrap();
    refused(&[plain, "--ptxas", &file], 1, &["is no handler crate", "resident_build::handlers()"]);
    write("plain/src/lib.rs", "fn");
    refused(&[plain, "--ptxas", &file], 1, &["error: expected identifier", "does not build, cargo's errors stand above"]);
}
