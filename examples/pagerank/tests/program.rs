//! The program as its user runs it, on the CPU device.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

const EQUAL: &str = "equal to the CPU's, bit for bit";
const KARATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/karate.txt");

fn pagerank(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pagerank")).args(["--device", "cpu"]).args(args).output().unwrap()
}

/// What a run that must succeed says.
fn said(args: &[&str]) -> String {
    let output = pagerank(args);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().any(|line| line == EQUAL), "{text}");
    text
}

/// What a run that must fail says.
fn told(args: &[&str], code: i32) -> String {
    let output = pagerank(args);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

fn file(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().into()
}

/// The table of the leaders: vertices and their ranks.
fn leaders(text: &str) -> Vec<(u64, f64)> {
    let table = text.lines().skip_while(|line| !line.ends_with("out-degree")).skip(1).take_while(|line| !line.is_empty());
    let row = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        (fields[1].parse().unwrap(), fields[2].parse().unwrap())
    };
    table.map(row).collect()
}

/// The edges of a text, each of them once.
fn edges(text: &str, both_ways: bool) -> Vec<(u64, u64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut edges: Vec<(u64, u64)> = lines
        .map(|line| {
            let (from, to) = line.split_once(char::is_whitespace).unwrap();
            (from.parse().unwrap(), to.parse().unwrap())
        })
        .collect();
    if both_ways {
        edges.extend(edges.clone().iter().map(|(from, to)| (*to, *from)));
    }
    edges.sort();
    edges.dedup();
    edges
}

/// Page and Brin's ranks in floating point, without anything of the program.
fn plain_ranks(edges: &[(u64, u64)], rounds: u32, damping: f64) -> BTreeMap<u64, f64> {
    let mut out = BTreeMap::new();
    for (from, to) in edges {
        *out.entry(*from).or_insert(0.0) += 1.0;
        out.entry(*to).or_insert(0.0);
    }
    let vertices = out.len() as f64;
    let mut ranks: BTreeMap<u64, f64> = out.keys().map(|vertex| (*vertex, 1.0 / vertices)).collect();
    for _ in 0..rounds {
        let dangling: f64 = ranks.iter().filter(|(vertex, _)| out[vertex] == 0.0).map(|(_, rank)| rank).sum();
        let mut next: BTreeMap<u64, f64> = out.keys().map(|vertex| (*vertex, (1.0 - damping + damping * dangling) / vertices)).collect();
        for (from, to) in edges {
            *next.get_mut(to).unwrap() += damping * ranks[from] / out[from];
        }
        ranks = next;
    }
    ranks
}

fn assert_near(leaders: &[(u64, f64)], plain: &BTreeMap<u64, f64>) {
    assert_eq!(leaders.len(), plain.len());
    for (vertex, rank) in leaders {
        // Eight digits are shown.
        assert!((rank - plain[vertex]).abs() < 2e-8, "vertex {vertex}: {rank}, by floating point {}", plain[vertex]);
    }
}

#[test]
fn the_karate_club_has_its_leaders() {
    let edges = edges(&fs::read_to_string(KARATE).unwrap(), true);
    let plain = plain_ranks(&edges, 50, 0.85);
    for shards in ["1", "2", "3"] {
        for args in [&["--top", "34", "--shards", shards][..], &["--top", "34", "--shards", shards, "--graph", KARATE, "--undirected"]] {
            let text = said(args);
            assert!(text.contains("34 vertices, 156 edges, up to 17 from one\n7,800 messages along edges in 50 rounds"), "{text}");
            let leaders = leaders(&text);
            assert_eq!(leaders[..3].iter().map(|(vertex, _)| *vertex).collect::<Vec<_>>(), [34, 1, 33]);
            assert_near(&leaders, &plain);
        }
    }
}

/// Hubs whose edges take a chain of several links.
#[test]
fn a_generated_graph_has_hubs() {
    let text = said(&["--generate", "20000", "--rounds", "10"]);
    assert!(text.contains("20,000 vertices, 159,980 edges, up to 430 from one"), "{text}");
    assert_eq!(leaders(&text).len(), 10);
}

/// A link's last place, and one more; a star that gives to none; loops, and edges that are given twice.
#[test]
fn edges_of_every_kind_count() {
    let star = |edges: u64| (1..=edges).map(|to| format!("0\t{to}\n")).collect::<String>();
    let texts = [
        "# a comment\n1 2\n1 3\n2\t3\n4 3\n1 2\n7 7\n7 1\n18446744073709551615 7\n".into(),
        "5 5\n".into(),
        star(12),
        star(13) + "3 0\n",
        star(74),
        star(75) + "75 0\n",
        star(1000),
    ];
    for (n, text) in texts.iter().enumerate() {
        let path = file(&format!("kinds-{n}.txt"), text);
        for both_ways in [false, true] {
            let args = ["--graph", &path, "--top", "2000", "--rounds", "20", "--damping", "0.7", "--undirected"];
            let said = said(&args[..if both_ways { 9 } else { 8 }]);
            assert_near(&leaders(&said), &plain_ranks(&edges(text, both_ways), 20, 0.7));
        }
    }
    assert!(said(&["--rounds", "0"]).contains("0 messages along edges in 0 rounds"));
}

#[test]
fn a_bad_file_is_told() {
    let of = |name: &str, bytes: &[u8]| told(&["--graph", &file(name, bytes)], 1);
    for (name, line) in [("word.txt", "1 x"), ("one.txt", "12"), ("three.txt", "1 2 3"), ("negative.txt", "-1 2")] {
        let text = of(name, format!("# comment\n1\t2\n\n{line}\n5 6\n").as_bytes());
        let expected = format!("{name}`: line 4: `{line}` is no edge; write the numbers of two vertices, as `1 2`");
        assert!(text.contains(&expected), "{text}");
    }
    let text = of("packed.txt.gz", b"1 2\n\x1f\x8b\x08\xff\xfe\n");
    assert!(text.contains("packed.txt.gz`: line 2 is no text; if the file is compressed, unpack it first"), "{text}");
    let text = of("empty.txt", b"# nothing\n");
    assert!(text.contains("empty.txt` has no edge; write one on a line"), "{text}");
    let text = told(&["--graph", "no/such/file.txt"], 1);
    assert!(text.contains("can not read `no/such/file.txt`: No such file") && text.contains("--graph"), "{text}");
}

#[test]
fn options_that_make_no_sense_are_told() {
    for damping in ["1", "-0.1", "NaN", "much"] {
        let text = told(&[&format!("--damping={damping}")], 2);
        assert!(text.contains("give a number from 0 on and below 1, as 0.85"), "{text}");
    }
    assert!(told(&["--generate", "4"], 2).contains("is not in 5.."));
    told(&["--generate", "10", "--graph", KARATE], 2);
    told(&["--undirected"], 2);
}
