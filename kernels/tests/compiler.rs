//! What the build script says where no C++ compiler makes the engine of the CPU device.
#![cfg(feature = "host")]

use std::env;
use std::process::Command;

#[path = "../build.rs"]
mod script;

/// The build script, which the test runs in a process of its own.
#[test]
#[ignore = "run by the other"]
fn build_script() {
    script::main();
}

/// FS-2
#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_machine_without_a_compiler_is_told_to_install_one() {
    let out = env::temp_dir();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["build_script", "--exact", "--ignored", "--nocapture"]).env_clear().envs(env::var_os("PATH").map(|path| ("PATH", path)));
    command.env("OUT_DIR", out).env("CXX", "/nowhere/c++").env("OPT_LEVEL", "0");
    for name in ["TARGET", "HOST"] {
        command.env(name, format!("{}-unknown-linux-gnu", env::consts::ARCH));
    }
    let ran = command.output().unwrap();
    let told = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{told}");
    assert!(told.contains("The engine of the CPU device does not compile") && told.contains("/nowhere/c++"), "{told}");
    assert!(
        told.contains("install a compiler (`apt-get install g++`, `dnf install gcc-c++`), or name one in CXX, and build again"),
        "{told}"
    );
}
