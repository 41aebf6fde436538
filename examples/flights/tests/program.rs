//! The program as its user runs it, on the CPU device.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::Value;

const NAMES: &str = "month,day,hour,minute,carrier,flight,tailnum,origin,dest,dep_delay,arr_delay,air_time,distance";
const GOOD: &str = "1,1,5,15,UA,1545,N14228,EWR,IAH,2,11,227,1400";
const LATE: &str = "1,1,5,15,UA,1545,N14228,EWR,IAH,2,121,227,1400";
const CANCELLED: &str = "1,1,6,0,B6,125,N618JB,JFK,FLL,,,,1069";
const NOBODY: &str = "1,2,8,0,AA,1,,JFK,LAX,,,,2475";

fn flights(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flights"));
    command.args(["--device", "cpu", "--json"]).args(args);
    command
}

/// The object on the last line of a run that must succeed.
fn object(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    let text = std::str::from_utf8(&output.stdout).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// What a run that must fail says.
fn told(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

fn file(name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// A run over a file of these lines.
fn over(name: &str, lines: &[&str]) -> Output {
    let path = file(name, lines.join("\n"));
    flights(&["--input", path.to_str().unwrap()]).output().unwrap()
}

fn data() -> (&'static str, String) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/nyc-flights-2013-01.csv.gz");
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    (path, text)
}

/// The numbers of a file, without anything of the program.
fn plain_fold(text: &str) -> BTreeMap<&'static str, i64> {
    let mut totals = BTreeMap::new();
    let mut add = |key, n: i64| *totals.entry(key).or_insert(0) += n;
    let mut aircraft = HashSet::new();
    for line in text.lines().skip(1) {
        let fields: Vec<_> = line.split(',').collect();
        let [.., tail, _, _, _, arr_delay, air_time, distance] = fields[..] else { panic!("{line}") };
        let number = |field: &str| if field.is_empty() { 0 } else { field.parse().unwrap() };
        add("rows", 1);
        add("skipped", i64::from(tail.is_empty()));
        if !tail.is_empty() {
            aircraft.insert(tail);
            add("flights", 1);
            add("alerts", i64::from(number(arr_delay) > 120));
            add("arr_delay_total", number(arr_delay));
            add("air_time_total", number(air_time));
            add("distance_total", number(distance));
        }
    }
    add("aircraft", aircraft.len() as i64);
    totals
}

#[test]
fn the_actors_count_what_a_fold_counts() {
    let (path, text) = data();
    let expected = plain_fold(&text);
    assert_eq!((expected["rows"], expected["skipped"], expected["aircraft"], expected["alerts"]), (27_004, 155, 3148, 612));
    let plain = file("flights.csv", &text);
    for args in [&[][..], &["--input", path], &["--input", plain.to_str().unwrap()]] {
        let output = flights(args).output().unwrap();
        let object = object(&output);
        assert_eq!(object["device"], "cpu");
        assert_eq!(object["equal"], true);
        assert!(object["messages_per_second"].as_u64().unwrap() > 0);
        for (key, total) in &expected {
            assert_eq!(object[key].as_i64(), Some(*total), "{key} with {args:?}");
        }
        let report = String::from_utf8(output.stdout).unwrap();
        assert!(report.contains("   1  N517MQ          1542      31       1"), "{report}");
    }
}

/// The aircraft are spread over several devices, and count the same.
#[test]
fn several_devices_count_as_one() {
    let expected = plain_fold(&data().1);
    let output = flights(&["--devices", "2"]).output().unwrap();
    let object = object(&output);
    assert_eq!(object["equal"], true);
    for (key, total) in &expected {
        assert_eq!(object[key].as_i64(), Some(*total), "{key}");
    }
    let report = String::from_utf8(output.stdout).unwrap();
    let on = |label: &str| -> i64 {
        let (before, _) = report.split_once(&format!(" aircraft on {label}")).unwrap_or_else(|| panic!("{report}"));
        before.rsplit([' ', '\n']).next().unwrap().parse().unwrap()
    };
    assert!(on("cpu:0") > 0 && on("cpu:1") > 0 && on("cpu:0") + on("cpu:1") == expected["aircraft"], "{report}");
    let unnamed = Command::new(env!("CARGO_BIN_EXE_flights")).args(["--devices", "2"]).output().unwrap();
    assert!(told(&unnamed).contains("--device cpu"));
}

#[test]
fn what_breaks_on_the_way_costs_nothing() {
    let expected = plain_fold(&data().1);
    for faults in
        [&["panic@5000"][..], &["trap@5000"], &["hang@5000"], &["kill@5000"], &["kill@9000", "trap@0", "trap@9000", "panic@26849"]]
    {
        let args: Vec<_> = faults.iter().flat_map(|fault| ["--inject", fault]).collect();
        let object = object(&flights(&args).output().unwrap());
        assert_eq!(object["equal"], true, "{faults:?}");
        for (key, total) in &expected {
            assert_eq!(object[key].as_i64(), Some(*total), "{key} with {faults:?}");
        }
        let injected = object["injected"].as_array().unwrap();
        assert_eq!(injected.len(), faults.len(), "{injected:?}");
        for injected in injected {
            let what = injected["what"].as_str().unwrap();
            assert!(faults.contains(&&*format!("{what}@{}", injected["after"])), "{injected}");
            let fault = match what {
                "panic" => "panicked while handling `Break`",
                "trap" => "trapped while handling `Break`",
                "hang" => "did not come to an end in time while handling `Break`",
                _ => "",
            };
            assert_eq!(injected["fault"].as_str().is_some_and(|text| text.contains(fault)), what != "kill", "{injected}");
            assert_eq!(injected["takeover_ms"].as_f64().is_some(), what != "panic", "{injected}");
        }
    }
    let output = flights(&["--inject", "burn@5"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("as trap@5000"), "{output:?}");
}

/// An empty directory for checkpoints.
fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    path
}

/// Checkpoints in a directory.
fn saved(path: &Path) -> HashSet<String> {
    let names = fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // One that is still being written has a dot in front.
    names.filter(|name| name.ends_with(".ckpt") && !name.starts_with('.')).collect()
}

/// Starts a run, kills it as `kill -9` does once `more` checkpoints were saved, and says whether it was still running.
fn killed(args: &[&str], path: &Path, more: usize) -> bool {
    let mut known = saved(path);
    let before = known.len();
    let mut child = flights(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while known.len() - before < more && child.try_wait().unwrap().is_none() {
        // Older ones are deleted meanwhile.
        known.extend(saved(path));
        assert!(begun.elapsed() < Duration::from_secs(120), "{more} checkpoints were not saved");
    }
    let running = child.try_wait().unwrap().is_none();
    let _ = child.kill();
    child.wait().unwrap();
    running
}

#[test]
fn a_killed_run_goes_on_from_its_last_checkpoint() {
    let expected = plain_fold(&data().1);
    for (run, kills) in [&[1][..], &[2, 1, 3, 2], &[5, 7]].into_iter().enumerate() {
        let path = directory(&format!("killed-{run}"));
        let dir = path.to_str().unwrap();
        let mut last_rows = 0;
        for (n, more) in kills.iter().enumerate() {
            let first = ["--checkpoint", dir, "--checkpoint-every", "700"];
            let again = ["--resume", dir, "--checkpoint-every", "700"];
            assert!(killed(if n == 0 { &first } else { &again }, &path, *more), "it came to its end before {more} checkpoints");
        }
        // The last goes to the end; and once more, from the last checkpoint of that one.
        for _ in 0..2 {
            let output = flights(&["--resume", dir, "--checkpoint-every", "700"]).output().unwrap();
            let object = object(&output);
            assert_eq!(object["equal"], true, "{output:?}");
            for (key, total) in &expected {
                assert_eq!(object[key].as_i64(), Some(*total), "{key} after {kills:?}");
            }
            let resumed = object["resumed"].as_u64().unwrap();
            assert!(resumed > last_rows && resumed.is_multiple_of(700), "gone on after {resumed} rows, before after {last_rows}");
            last_rows = resumed;
            let report = String::from_utf8(output.stdout).unwrap();
            assert!(report.contains("612 landed more than two hours late, the latest N384HA: 1,272 minutes"), "{report}");
            assert!(report.contains(" rows of an earlier run"), "{report}");
        }
    }
}

#[test]
fn what_can_not_be_gone_on_from_is_told() {
    let path = directory("gone-on");
    let dir = path.to_str().unwrap();
    let none = told(&flights(&["--resume", dir]).output().unwrap());
    assert!(none.contains("holds no checkpoint to go on from") && none.contains("--checkpoint"), "{none}");
    // Killed before the first was saved.
    let mut child = flights(&["--checkpoint", dir, "--checkpoint-every", "1000000"]).stdout(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !path.exists() {
        assert!(child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60), "it made no directory");
        thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let none = told(&flights(&["--resume", dir]).output().unwrap());
    assert!(none.contains("holds no checkpoint to go on from"), "{none}");

    let whole = object(&flights(&["--checkpoint", dir, "--checkpoint-every", "9000"]).output().unwrap());
    let told_of = (whole["equal"].as_bool(), whole["resumed"].as_u64(), saved(&path).len());
    assert_eq!(told_of, (Some(true), None, 3), "a whole one, and its deltas");
    let text = told(&flights(&["--checkpoint", dir]).output().unwrap());
    assert!(text.contains("holds checkpoints of an earlier run") && text.contains("--resume"), "{text}");
    let other = file("other.csv", [NAMES, GOOD, LATE].join("\n"));
    let text = told(&flights(&["--resume", dir, "--input", other.to_str().unwrap()]).output().unwrap());
    assert!(text.contains("are of nyc-flights-2013-01.csv.gz of") && text.contains("not of "), "{text}");
    let newest = path.join(saved(&path).into_iter().max().unwrap());
    let mut bytes = fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&newest, bytes).unwrap();
    let output = flights(&["--resume", dir, "--checkpoint-every", "9000"]).output().unwrap();
    let resumed = object(&output);
    assert_eq!((resumed["equal"].as_bool(), resumed["resumed"].as_u64()), (Some(true), Some(18_000)));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is damaged, an older one is taken"), "{output:?}");
}

#[test]
fn standard_input_is_read_too() {
    let mut child = flights(&["--input", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = [NAMES, GOOD, LATE, CANCELLED, NOBODY].join("\r\n");
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let object = object(&child.wait_with_output().unwrap());
    let of = |key: &str| object[key].as_i64().unwrap();
    assert_eq!((of("rows"), of("skipped"), of("flights"), of("aircraft"), of("alerts")), (4, 1, 3, 2, 1));
    assert_eq!((of("arr_delay_total"), of("air_time_total"), of("distance_total")), (132, 454, 3869));
}

#[test]
fn a_malformed_row_ends_the_run() {
    let text = told(&over("fields.csv", &[NAMES, GOOD, CANCELLED, "1,1,5,15,UA"]));
    assert!(text.contains("fields.csv`: line 4: 5 fields where the first line names 13"), "{text}");
    let text = told(&over("number.csv", &[NAMES, GOOD, "1,1,5,15,UA,1545,N14228,EWR,IAH,2,1l,227,1400", GOOD]));
    assert!(text.contains("number.csv`: line 3: arr_delay is `1l`, which is no whole number"), "{text}");
}

#[test]
fn an_aircraft_that_fails_ends_the_run_by_its_name() {
    let far = GOOD.replace(",1400", ",24902");
    let text = told(&over("far.csv", &[NAMES, CANCELLED, GOOD, &far, GOOD]));
    let expected = "error: actor `N14228` (Aircraft) failed while handling `Flight` after 1 messages, on cpu:0: a flight of 24902 miles";
    assert!(text.contains(expected), "{text}");
    // Also where much follows that can not be delivered any more.
    let mut lines = vec![NAMES, &far];
    lines.resize(50_000, GOOD);
    let text = told(&over("far-first.csv", &lines));
    assert!(text.contains("error: actor `N14228` (Aircraft) failed while handling `Flight` after 0 messages"), "{text}");
}

#[test]
fn what_can_not_be_read_is_told() {
    let text = told(&flights(&["--input", "no/such/file.csv"]).output().unwrap());
    assert!(text.contains("can not read `no/such/file.csv`: No such file"), "{text}");
    let text = told(&flights(&["--input", env!("CARGO_TARGET_TMPDIR")]).output().unwrap());
    assert!(text.contains("directory"), "{text}");
    let text = told(&over("empty.csv", &[]));
    assert!(text.contains("empty.csv`: it is empty: the first line must name the columns"), "{text}");
    let text = told(&over("columns.csv", &["tailnum,arr_delay,air_time", "N1,1,2"]));
    assert!(text.contains("columns.csv`: line 1 names no column `distance`"), "{text}");
    let packed = fs::read(data().0).unwrap();
    let cut = file("cut.csv.gz", &packed[..packed.len() / 2]);
    let text = told(&flights(&["--input", cut.to_str().unwrap()]).output().unwrap());
    assert!(text.contains("cut.csv.gz`: reading failed: "), "{text}");
}

#[test]
fn metrics_are_served() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = told(&flights(&["--metrics", &address]).output().unwrap());
    assert!(
        text.contains("--metrics") && text.contains(&format!("metrics cannot be served at {address}: the address is in use")),
        "{text}"
    );
    drop(taken);
    let mut child = flights(&["--metrics", &address, "--hold", "600"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let mut page = String::new();
    let sent = "resident_messages_sent_total{system=\"resident\",device=\"cpu:0\",kind=\"Aircraft\",path=\"ring\"} 29997"; // flights and reports
    while !page.contains(sent) && begun.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(50));
        page.clear();
        if let Ok(mut stream) = TcpStream::connect(&address) {
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: flights\r\nConnection: close\r\n\r\n").unwrap();
            let _ = stream.read_to_string(&mut page);
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        page.contains(sent) && page.contains("resident_actors_running{system=\"resident\",device=\"cpu:0\",kind=\"Aircraft\"} 3148"),
        "{page}"
    );
}
