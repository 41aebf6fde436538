//! `resident new`: what it writes, and what it refuses. That the projects build and answer is ci/new.sh's to show.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn new(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_resident")).arg("new").args(args).current_dir(folder).output().unwrap()
}

/// Refused with these words and this code, and nothing was written.
fn refused(folder: &Path, args: &[&str], code: i32, words: &str) {
    let before = fs::read_dir(folder).unwrap().count();
    let ran = new(folder, args);
    let told = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(code), "{args:?}: {told}");
    assert!(told.contains(words) && ran.stdout.is_empty(), "{args:?}: {told}");
    assert_eq!(fs::read_dir(folder).unwrap().count(), before, "{args:?}");
}

/// FS-1
#[test]
fn a_project_is_written() {
    let folder = tempfile::tempdir().unwrap();
    // An empty folder is one to write to.
    fs::create_dir(folder.path().join("hello")).unwrap();
    let ran = new(folder.path(), &["hello"]);
    assert!(ran.status.success(), "{ran:?}");
    assert!(String::from_utf8(ran.stdout).unwrap().contains("cd hello && cargo run"));
    let read = |path: &str| fs::read_to_string(folder.path().join("hello").join(path)).unwrap();
    assert!(read("Cargo.toml").contains("name = \"hello\"") && read("actors/Cargo.toml").contains("name = \"hello-actors\""));
    assert!(read("src/main.rs").contains("TcpListener") && read("actors/build.rs").contains("resident_build::handlers()"));

    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let ran = new(folder.path(), &["many", "--template", "group", "--path", checkout.to_str().unwrap(), "--json"]);
    assert!(ran.status.success(), "{ran:?}");
    let made: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((made["folder"].as_str(), made["template"].as_str()), (Some("many"), Some("group")));
    for file in made["files"].as_array().unwrap() {
        let text = fs::read_to_string(folder.path().join(file.as_str().unwrap())).unwrap();
        assert!(!text.contains("{{"), "{file}");
    }
    let manifest = fs::read_to_string(folder.path().join("many/Cargo.toml")).unwrap();
    let kernels = checkout.join("kernels");
    assert!(manifest.contains(&format!("resident-kernels = {{ path = \"{}\" }}", kernels.display())), "{manifest}");

    // Which features it has is the template's to say, wherever it is from.
    let ran = new(folder.path(), &["bank", "--template", "actix", "--git", "https://example.com/resident"]);
    assert!(ran.status.success(), "{ran:?}");
    let manifest = fs::read_to_string(folder.path().join("bank/Cargo.toml")).unwrap();
    assert!(
        manifest.contains("resident = { git = \"https://example.com/resident\", default-features = false, features = [\"actix\""),
        "{manifest}"
    );
    assert!(!manifest.contains("ractor"));
}

/// FS-1
#[test]
fn what_makes_no_project_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let full = folder.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("mine"), "").unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let folder = folder.path();
    refused(folder, &["2nd"], 2, "a crate's name begins with a letter");
    refused(folder, &["../up"], 2, "a crate's name begins with a letter");
    refused(folder, &["match"], 2, "a word of Rust's");
    refused(folder, &[], 2, "<NAME>");
    refused(folder, &["x", "--template", "servcie"], 2, "service, group, actix");
    refused(folder, &["x", "--git", "github.com/a/b"], 2, "cargo takes a URL");
    refused(folder, &["x", "--git", "https://a/b", "--path", "."], 2, "cannot be used with");
    refused(folder, &["full"], 1, "full is not empty: choose another name");
    refused(folder, &["file"], 1, "file could not be written");
    refused(folder, &["x", "--path", "."], 1, "is no checkout of resident: it has no Cargo.toml");
    refused(folder, &["x", "--path", "nowhere"], 1, "is no checkout of resident");
    assert_eq!(fs::read_dir(full).unwrap().count(), 1);
}
