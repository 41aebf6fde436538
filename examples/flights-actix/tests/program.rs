//! The program as its user runs it, on the CPU device.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

const NAMES: &str = "month,day,hour,minute,carrier,flight,tailnum,origin,dest,dep_delay,arr_delay,air_time,distance";
const GOOD: &str = "1,1,5,15,UA,1545,N14228,EWR,IAH,2,11,227,1400";
const LATE: &str = "1,1,5,15,UA,1545,N14228,EWR,IAH,2,121,227,1400";
const CANCELLED: &str = "1,1,6,0,B6,125,N618JB,JFK,FLL,,,,1069";
const NOBODY: &str = "1,2,8,0,AA,1,,JFK,LAX,,,,2475";

fn flights(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flights-actix")).args(["--device", "cpu", "--json"]).args(args).output().unwrap()
}

/// The object on the last line of a run that must succeed.
fn object(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_str(std::str::from_utf8(&output.stdout).unwrap().lines().last().unwrap()).unwrap()
}

/// A run over a file of these lines.
fn over(name: &str, lines: &[&str]) -> Output {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, lines.join("\n")).unwrap();
    flights(&["--input", path.to_str().unwrap()])
}

/// What a run that must fail says.
fn told(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

/// AX-13: compared with the fold by the program itself, and with what the file is known to hold.
#[test]
fn the_actors_count_what_a_fold_counts() {
    let output = flights(&[]);
    let object = object(&output);
    assert_eq!((object["device"].as_str(), object["equal"].as_bool()), (Some("cpu"), Some(true)));
    for (key, total) in [("rows", 27_004), ("skipped", 155), ("flights", 26_849), ("aircraft", 3148), ("alerts", 612)] {
        assert_eq!(object[key].as_i64(), Some(total), "{key}");
    }
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("   1  N517MQ          1542      31       1"), "{report}");
    assert!(report.contains("612 landed more than two hours late, the latest N384HA: 1,272 minutes"), "{report}");
}

#[test]
fn a_file_of_ones_own_is_summed_up() {
    let object = object(&over("own.csv", &[NAMES, GOOD, LATE, CANCELLED, NOBODY]));
    let of = |key: &str| object[key].as_i64().unwrap();
    assert_eq!((of("rows"), of("skipped"), of("flights"), of("aircraft"), of("alerts")), (4, 1, 3, 2, 1));
    assert_eq!((of("arr_delay_total"), of("air_time_total"), of("distance_total")), (132, 454, 3869));
}

#[test]
fn an_aircraft_that_fails_ends_the_run_by_its_name() {
    let far = GOOD.replace(",1400", ",24902");
    let expected = "error: actor `N14228` (Aircraft) failed while handling `Flight` after 1 messages, on cpu:0: a flight of 24902 miles";
    // Heard of by whoever asks for the totals, and by whoever sends to it.
    let text = told(&over("far.csv", &[NAMES, CANCELLED, GOOD, &far]));
    assert!(text.contains(expected), "{text}");
    let mut lines = vec![NAMES, GOOD, &far];
    lines.resize(50_000, GOOD);
    let text = told(&over("far-first.csv", &lines));
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_malformed_row_ends_the_run() {
    let text = told(&over("fields.csv", &[NAMES, GOOD, CANCELLED, "1,1,5,15,UA"]));
    assert!(text.contains("fields.csv`: line 4: 5 fields where the first line names 13"), "{text}");
}
