//! The program as its user runs it, on the CPU device.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
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
    assert!(text.contains(&format!("can not serve metrics at {address}")) && text.contains("in use"), "{text}");
    drop(taken);
    let mut child = flights(&["--metrics", &address, "--hold", "600"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let mut page = String::new();
    let sent = "gpu_actor_messages_total{kind=\"Aircraft\",device=\"cpu:0\",path=\"ring\"} 29997"; // flights and reports
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
    assert!(page.contains(sent) && page.contains("gpu_actor_running{kind=\"Aircraft\",device=\"cpu:0\"} 3148"), "{page}");
}
