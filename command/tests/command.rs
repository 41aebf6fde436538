//! The command as its users run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use resident_checkpoint::{Actor, Archive, Checkpoint, Directory, Emitted, Key, Kind, Options, Parts, Pending, Status, Taken};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

fn run(args: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_resident")).arg("checkpoint").args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn checkpoint(step: u8) -> Checkpoint {
    let key = |row| Key { shard: 0, row, generation: 1 };
    let actor = |row, kind, offset, bytes| Actor { key: key(row), name: None, kind, status: Status::Live, handled: 3, offset, bytes };
    let mut actors = vec![
        Actor { name: Some("book".into()), handled: u64::from(step) * 10, ..actor(0, 1, 4, 5000) },
        Actor { name: Some("one".into()), ..actor(1, 0, 0, 4) },
    ];
    if step == 2 {
        actors.push(Actor { status: Status::Failed, ..actor(2, 0, 0, 4) });
    }
    let mut states = vec![0; 5004];
    states[..4].copy_from_slice(&[0xab, 0xcd, 0, 1]);
    states[4999] = step;
    let kind = |name: &str, state_bytes| Kind { name: name.into(), layout: 0x77, state_bytes };
    Checkpoint::new(Parts {
        taken: Taken { wall_micros: 1_700_000_000_000_000, hlc: step.into(), device: "cpu".into() },
        kinds: vec![kind("Counter", 4), kind("Book", 5000)],
        actors,
        pending: vec![Pending { key: key(0), message: 5, hlc: 1, payload: vec![1, 2] }],
        emitted: vec![Emitted { key: key(1), ty: 6, hlc: 1, payload: vec![] }; step.into()],
        notes: [("source".to_owned(), format!("row {step}").into_bytes())].into(),
        states: states.into(),
        ..Parts::default()
    })
    .unwrap()
}

/// A full and two deltas.
fn saved() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let archive = Archive::open(Directory::writer(directory.path()).unwrap(), Options { keep: 9, ..Options::default() });
        archive.save_full(&checkpoint(0)).await.unwrap();
        archive.save_delta(&Checkpoint::delta_from(&checkpoint(0), &checkpoint(1))).await.unwrap();
        archive.save_delta(&Checkpoint::delta_from(&checkpoint(1), &checkpoint(2))).await.unwrap();
    });
    directory
}

fn path(directory: &TempDir) -> &str {
    directory.path().to_str().unwrap()
}

fn file(directory: &Path, number: u64) -> PathBuf {
    let starts = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{number:08}"));
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).find(starts).unwrap()
}

#[test]
fn list() {
    let directory = saved();
    let ran = run(&["list", path(&directory), "--json"]);
    let rows = ran.json();
    let whats: Vec<_> = rows.as_array().unwrap().iter().map(|row| (row["number"].clone(), row["what"].clone())).collect();
    assert_eq!(whats, [(json!(3), json!("delta")), (json!(2), json!("delta")), (json!(1), json!("full"))]);
    assert_eq!((&rows[2]["digest"], &rows[1]["base"]), (&json!(checkpoint(0).digest().to_string()), &rows[2]["digest"]));
    assert_eq!((&rows[2]["state_bytes"], &rows[2]["compression"], ran.code), (&json!(5004), &json!("none"), 0));
    let text = run(&["list", path(&directory)]).out;
    assert!(text.starts_with("point  what   file") && text.lines().count() == 4, "{text}");
}

#[test]
fn show() {
    let directory = saved();
    let shown = run(&["show", path(&directory), "--json"]).json();
    assert_eq!((&shown["number"], &shown["digest"]), (&json!(3), &json!(checkpoint(2).digest().to_string())));
    assert_eq!(
        shown["kinds"][0],
        json!({"name": "Counter", "layout": "0x0000000000000077", "state_bytes": 4, "actors": 2, "failed": 1, "handled": 6})
    );
    let book = json!({"key": "0/0.1", "name": "book", "kind": "Book", "status": "live", "handled": 20, "state_bytes": 5000});
    assert_eq!(shown["actors"][0], book);
    assert_eq!(shown["actors"][2]["status"], "failed");
    assert_eq!(shown["pending"], json!([{"actor": "0/0.1", "message": 5, "hlc": 1, "bytes": 2}]));
    assert_eq!((&shown["notes"]["source"], shown["emitted"].as_array().unwrap().len()), (&json!("726f772032"), 2));
    assert_eq!(run(&["show", path(&directory), "1", "--json"]).json()["emitted"], json!([]));
    let text = run(&["show", path(&directory)]).out;
    for part in ["point 3: ", "taken 2023-11-14 22:13:20.000 UTC of cpu", "3 actors in 0 shards, 4.9 KiB of states", "\"row 2\"", "failed"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn show_one_actor() {
    let directory = saved();
    let shown = run(&["show", path(&directory), "--actor", "one", "--json"]).json();
    assert_eq!((&shown["state"], &shown["key"]), (&json!("abcd0001"), &json!("0/1.1")));
    assert_eq!(run(&["show", path(&directory), "--actor", "one"]).out.lines().last(), Some("000000  abcd0001"));
    let ran = run(&["show", path(&directory), "--actor", "none"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, "resident: point 3 has no actor `none`; it has, among others, book, one\n"));
}

#[test]
fn verify() {
    let directory = saved();
    let ran = run(&["verify", path(&directory), "--json"]);
    assert_eq!((ran.code, &ran.json()["whole"]), (0, &json!(true)));
    let damaged = file(directory.path(), 2);
    let mut bytes = fs::read(&damaged).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let ran = run(&["verify", path(&directory), "--json"]);
    let verified = ran.json();
    assert_eq!((ran.code, &verified["whole"]), (1, &json!(false)));
    let wholes: Vec<_> = verified["points"].as_array().unwrap().iter().map(|row| row["whole"].as_bool().unwrap()).collect();
    assert_eq!(wholes, [true, false, false]);
    let name = damaged.file_name().unwrap().to_str().unwrap();
    for row in [1, 2] {
        assert_eq!((&verified["points"][row]["file"], &verified["points"][row]["offset"]), (&json!(name), &json!(4096)));
    }
    let ran = run(&["verify", path(&directory)]);
    let reason = "damaged at byte 4096: page 1 of actor 0/0.1 (`book`) does not fit its digest";
    assert!(ran.code == 1 && ran.out.contains(reason), "{}", ran.out);
    // Nothing but that is refused.
    let ran = run(&["show", path(&directory)]);
    assert!(ran.code == 1 && ran.err.contains(reason), "{}", ran.err);
    assert_eq!(run(&["show", path(&directory), "1"]).code, 0);
}

#[test]
fn diff() {
    let directory = saved();
    let diff = run(&["diff", path(&directory), "1", "3", "--json"]).json();
    assert_eq!((&diff["equal"], &diff["changed_pages"], &diff["changed_bytes"]), (&json!(false), &json!(2), &json!(904 + 4)));
    let book = json!({"key": "0/0.1", "name": "book", "what": "changed", "changed_pages": 1, "handled": 20, "failed": false});
    let new = json!({"key": "0/2.1", "name": null, "what": "new", "changed_pages": 1, "handled": 3, "failed": true});
    assert_eq!(diff["actors"], json!([book, new]));
    assert_eq!((&diff["notes"], &diff["emitted"]), (&json!([{"name": "source", "what": "changed"}]), &json!([0, 2])));
    assert_eq!(run(&["diff", path(&directory), "3", "1", "--json"]).json()["actors"][0]["what"], "gone");
    let text = run(&["diff", path(&directory), "1", "3"]).out;
    assert!(text.starts_with("from point 1 to 3: 1 actors changed, 1 new, 0 gone; 2 pages, 908 bytes\n"), "{text}");
    assert_eq!(run(&["diff", path(&directory), "2", "2"]).out, "points 2 and 2 are equal\n");
}

#[test]
fn compact() {
    let directory = saved();
    let ran = run(&["compact", path(&directory), "--keep", "1", "--json"]);
    let compacted = ran.json();
    assert_eq!((ran.code, &compacted["compacted"]), (0, &json!(3)));
    assert_eq!(compacted["points"].as_array().unwrap().len(), 1);
    assert_eq!(run(&["show", path(&directory), "--json"]).json()["digest"], json!(checkpoint(2).digest().to_string()));
    assert_eq!(run(&["compact", path(&directory)]).out, "The newest point is whole already. Points left: 1\n");

    let _writer = Directory::writer(directory.path()).unwrap();
    let ran = run(&["compact", path(&directory)]);
    assert!(ran.code == 1 && ran.err.contains(&format!("is written by process {}", std::process::id())), "{}", ran.err);
    assert_eq!(run(&["list", path(&directory)]).code, 0, "readers need no lock");
}

#[test]
fn what_is_not_there() {
    let directory = saved();
    let ran = run(&["show", path(&directory), "9"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, "resident: there is no point 9; there are 3, 2, 1\n"));
    let nowhere = directory.path().join("nowhere");
    let empty = tempfile::tempdir().unwrap();
    for act in ["list", "show", "verify", "compact"] {
        let ran = run(&[act, nowhere.to_str().unwrap()]);
        assert!(ran.code == 1 && ran.err.starts_with("resident: there is no directory "), "{act}: {}", ran.err);
        let ran = run(&[act, path(&empty)]);
        assert!(ran.code == 1 && ran.err.starts_with("resident: there are no checkpoints in "), "{act}: {}", ran.err);
    }
    assert!(!nowhere.exists());
    assert_eq!(run(&["mend", path(&directory)]).code, 2);
}
