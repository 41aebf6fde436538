//! `resident doctor` and `resident devices`, as they are run on whatever machine this is.

use std::process::{Command, Output};

use serde_json::Value;

fn run(args: &[&str], compiler: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resident"));
    command.args(args);
    if let Some(compiler) = compiler {
        command.env("CXX", compiler);
    }
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The lines about systems that were started.
fn systems(lines: &Value) -> Vec<&Value> {
    lines.as_array().unwrap().iter().filter(|line| line["what"].as_str().unwrap().starts_with("a system")).collect()
}

/// HO-18: each line for people is one for programs, and a machine that builds this can run it.
#[test]
fn a_machine_that_runs_this_is_fit() {
    let ran = run(&["doctor"], None);
    let told = text(&ran);
    assert!(ran.status.success(), "{told}");
    assert!(told.contains("Programs run here"), "{told}");
    let ran = run(&["doctor", "--json"], None);
    assert!(ran.status.success(), "{}", text(&ran));
    let lines: Value = serde_json::from_slice(&ran.stdout).unwrap();
    for line in lines.as_array().unwrap() {
        let [what, level] = ["what", "level"].map(|key| line[key].as_str().unwrap());
        assert!(told.contains(what) && level != "stops" && !line["found"].as_str().unwrap().is_empty(), "{line}");
        assert_eq!(line["advice"].is_string(), level == "note", "{line}");
    }
    let tried = systems(&lines);
    assert!(!tried.is_empty());
    for line in tried {
        let found = line["found"].as_str().unwrap();
        assert!(found.contains("1000 calls took") && found.contains("a worker that was killed cost"), "{found}");
    }
}

/// HO-18: what would stop a program is said, with what to do, and all else is looked at nevertheless.
#[test]
fn a_machine_without_a_compiler_is_told_what_to_install() {
    let ran = run(&["doctor"], Some("/nowhere/c++"));
    let told = text(&ran);
    assert_eq!(ran.status.code(), Some(1), "{told}");
    assert!(told.contains("STOPS  C++ compiler") && told.contains("apt-get install g++") && told.contains("1000 calls took"), "{told}");
    assert!(told.contains("1 of these would stop a program"), "{told}");
    let ran = run(&["doctor", "--json"], Some("/nowhere/c++"));
    assert_eq!(ran.status.code(), Some(1));
    let lines: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let stops: Vec<_> = lines.as_array().unwrap().iter().filter(|line| line["level"] == "stops").collect();
    assert!(matches!(stops.as_slice(), [line] if line["what"] == "C++ compiler"), "{stops:?}");
}

/// The CPU device is always there; GPUs are, or why none is.
#[test]
fn devices_are_listed() {
    let ran = run(&["devices"], None);
    let told = text(&ran);
    assert!(ran.status.success() && told.starts_with("DEVICE") && told.contains("\ncpu "), "{told}");
    let listed: Value = serde_json::from_slice(&run(&["devices", "--json"], None).stdout).unwrap();
    match listed["gpus"].as_array().unwrap().len() {
        0 => assert!(listed["why_none"].is_string() && told.contains("resident doctor"), "{listed}{told}"),
        gpus => assert!(told.contains(&format!("cuda:{}", gpus - 1)), "{told}"),
    }
}
