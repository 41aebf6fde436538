//! What the PTX is made from, so that cargo runs the build script again when it changes, and only then.

use std::fs;
use std::path::{Path, PathBuf};

use crate::TARGET;
use crate::compile::TARGET_DIR;

/// The crate itself.
pub fn watch_crate(crate_dir: &Path) {
    for name in ["Cargo.toml", "build.rs", "src"] {
        let path = crate_dir.join(name);
        if path.exists() {
            watch(&path);
        }
    }
}

/// Crates that it depends on by path, as cargo lists them beside the inner build's result.
pub fn watch_dependencies(out_dir: &Path) {
    let release = out_dir.join(TARGET_DIR).join(TARGET).join("release");
    let Ok(files) = fs::read_dir(release) else { return };
    for file in files.flatten().map(|f| f.path()).filter(|f| f.extension().is_some_and(|e| e == "d")) {
        let Ok(rules) = fs::read_to_string(file) else { continue };
        for path in prerequisites(&rules).filter(|p| !p.starts_with(out_dir) && p.exists()) {
            watch(&path);
        }
    }
}

fn watch(path: &Path) {
    println!("cargo:rerun-if-changed={}", path.display());
}

/// The right side of make rules, `target: a b\ c`.
fn prerequisites(rules: &str) -> impl Iterator<Item = PathBuf> {
    rules.lines().filter_map(|line| line.split_once(": ")).flat_map(|(_, right)| {
        let mut paths = Vec::new();
        let mut path = String::new();
        let mut letters = right.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => path.extend(letters.next()),
                ' ' => paths.push(std::mem::take(&mut path)),
                _ => path.push(letter),
            }
        }
        paths.push(path);
        paths.into_iter().filter(|p| !p.is_empty()).map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_make_are_read() {
        let paths: Vec<_> = prerequisites("/t/lib.d: /a/src/lib.rs /b\\ c/src/x.rs\n\n").collect();
        assert_eq!(paths, [PathBuf::from("/a/src/lib.rs"), PathBuf::from("/b c/src/x.rs")]);
    }
}
