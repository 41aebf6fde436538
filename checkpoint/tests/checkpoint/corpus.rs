//! C-4: what fuzzing has found worth keeping, again on every run.

use std::fs;
use std::path::PathBuf;

use resident_checkpoint::{Checkpoint, Compression, Contents, Parts};

use crate::samples::{chain, checkpoint, later};
use crate::{exercise, forge};

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

fn run(target: &str, exercise: fn(&[u8])) {
    let mut files: Vec<_> = fs::read_dir(corpus(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 4, "the corpus of {target} is gone");
    for file in files {
        let input = fs::read(&file).unwrap();
        let caught = std::panic::catch_unwind(|| exercise(&input));
        assert!(caught.is_ok(), "{}", file.display());
    }
}

#[test]
fn full() {
    run("full", exercise::full);
}

#[test]
fn delta() {
    run("delta", exercise::delta);
}

#[test]
fn apply() {
    run("apply", exercise::apply);
}

/// Files of which fuzzing begins.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let nothing = Checkpoint::new(Parts::default()).unwrap();
    let chain = chain(2);
    let mut seeds = Vec::new();
    for compression in [Compression::None, Compression::Lz4] {
        let name = |what| format!("{what}-{compression:?}").to_lowercase();
        for (what, checkpoint) in [("nothing", &nothing), ("some", &checkpoint()), ("later", &later())] {
            seeds.push((name(what), checkpoint.encode(compression).unwrap()));
        }
        for (what, base, new) in [("delta", &checkpoint(), &later()), ("page", &chain[0], &chain[1]), ("gone", &later(), &nothing)] {
            seeds.push((name(what), Checkpoint::delta_from(base, new).encode(compression).unwrap()));
        }
    }
    seeds.into_iter().map(|(name, file)| (name, file.to_bytes().to_vec())).collect()
}

/// The forge puts together what it took apart.
#[test]
fn seeds_are_what_they_should_be() {
    for (name, file) in seeds() {
        let mut built = forge::build(&forge::pieces(&file));
        // Digests of contents and base are the fuzz targets' to set.
        built[32..96].copy_from_slice(&file[32..96]);
        forge::seal(&mut built);
        assert_eq!(built, file, "{name}");
        Contents::decode(built.into()).unwrap();
    }
}

/// The corpus begins with the seeds. With `RESIDENT_SEEDS=write` they are written anew, as when the format changes.
#[test]
fn the_corpus_has_the_seeds() {
    let write = std::env::var("RESIDENT_SEEDS").is_ok_and(|how| how == "write");
    for (name, file) in seeds() {
        let targets: &[&str] = if file[12] == 1 { &["full"] } else { &["delta", "apply"] };
        for target in targets {
            let path = corpus(target).join(&name);
            if write {
                fs::write(&path, forge::pieces(&file)).unwrap();
            }
            assert!(fs::read(&path).is_ok_and(|kept| kept == forge::pieces(&file)), "{}: RESIDENT_SEEDS=write", path.display());
        }
    }
}
