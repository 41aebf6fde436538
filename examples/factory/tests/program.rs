//! The program as its user runs it, on the CPU device.

use std::process::{Command, Output};

fn factory(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_factory")).args(["--device", "cpu"]).args(args).output().unwrap()
}

/// What a run that must succeed says.
fn said(args: &[&str]) -> String {
    let output = factory(args);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_job_is_done_once_and_one_that_fails_fails_alone() {
    for (workers, ranges) in [("1", "20"), ("4", "100"), ("9", "3")] {
        let text = said(&["--workers", workers, "--ranges", ranges]);
        assert!(text.contains("a range from 1 to 0"), "{text}");
        assert!(text.contains(&format!("{ranges} ranges done by {workers} actors, 1 restarted in place")), "{text}");
        assert_eq!(text.lines().last(), Some("equal"), "{text}");
    }
}

#[test]
fn what_it_can_not_do_it_says() {
    let output = factory(&["--workers", "0"]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("--workers"), "{output:?}");
}
