//! `resident config`: what holds, and what is wrong.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

fn config(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resident"));
    command.arg("config").args(args);
    // What this test's own environment says is not looked at.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with("RESIDENT_"))) {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied()).output().unwrap()
}

/// FS-5
#[test]
fn what_holds_is_told_with_where_it_is_from() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resident.toml");
    fs::write(&file, "rows = 2048\ncapacity = 512\n[pump]\nwait = \"spin\"\n").unwrap();
    let file = file.to_str().unwrap();
    let variables = [("RESIDENT_ROWS", "4096"), ("RESIDENT_CONFIG", file)];
    let ran = config(&["--json"], &variables);
    assert!(ran.status.success(), "{ran:?}");
    let told: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let of = |key: &str| {
        let setting = told.as_array().unwrap().iter().find(|setting| setting["key"] == key).unwrap();
        ["value", "default", "from"].map(|name| setting[name].as_str().unwrap().to_owned())
    };
    let from_file = format!("from {file}");
    assert_eq!(of("rows"), ["4096", "8192", "from RESIDENT_ROWS"]);
    assert_eq!(of("capacity"), ["512", "256", &from_file]);
    assert_eq!(of("pump.wait"), ["spin", "park", &from_file]);
    assert_eq!(of("names"), ["1024", "1024", "default"]);
    let text = String::from_utf8(config(&["--file", file], &[]).stdout).unwrap();
    let line = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(["\"2048\"", &from_file, "\"8192\"", "actors that a shard can hold"].iter().all(|word| line("rows").contains(word)), "{text}");
    assert!(line("intensity.within").contains("default"), "{text}");
    // What is printed can be written to a file, and is read as the same.
    let all = told.as_array().unwrap().iter().map(|setting| format!("{} = {}\n", setting["key"].as_str().unwrap(), setting["value"]));
    fs::write(file, all.collect::<String>()).unwrap();
    let again: Value = serde_json::from_slice(&config(&["--json", "--file", file], &[]).stdout).unwrap();
    for (before, after) in told.as_array().unwrap().iter().zip(again.as_array().unwrap()) {
        assert_eq!((&before["value"], after["from"].as_str()), (&after["value"], Some(&*from_file)), "{before}");
    }
}

/// FS-5
#[test]
fn what_is_wrong_is_said() {
    let refused = |args: &[&str], variables: &[(&str, &str)], words: &str| {
        let ran = config(args, variables);
        let told = String::from_utf8(ran.stderr).unwrap();
        assert!(ran.status.code() == Some(1) && told.contains(words) && ran.stdout.is_empty(), "{told}");
    };
    refused(&[], &[("RESIDENT_ARENA_BITES", "1")], "is no setting: is `RESIDENT_ARENA_BYTES` meant?");
    refused(&[], &[("RESIDENT_CAPACITY", "100")], "`capacity` is 100: a ring takes a power of two, at least 64; try 128");
    refused(&[], &[("RESIDENT_CONFIG", "/nowhere.toml")], "the settings of /nowhere.toml cannot be read");
    refused(&["--file", "/nowhere.toml"], &[], "the settings of /nowhere.toml cannot be read");
}
