//! What this program serves for Prometheus, as a scraper reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::PATIENCE;

/// One answer.
#[derive(Debug, Default)]
pub struct Page {
    /// The type and the help of each metric.
    pub metrics: BTreeMap<String, (String, String)>,
    /// Every series, with its labels in their order, and its value.
    pub series: Vec<(String, BTreeMap<String, String>, f64)>,
}

/// Asks for `path` and returns all that is answered.
pub fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

impl Page {
    /// Asks for the metrics.
    pub fn of(address: SocketAddr) -> Page {
        let answer = get(address, "/metrics").unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let mut page = Page::default();
        for line in body.lines().filter(|line| !line.is_empty()) {
            match line.strip_prefix("# ") {
                Some(said) => page.say(said),
                None => page.series.push(series(line)),
            }
        }
        page
    }

    fn say(&mut self, said: &str) {
        let [what, name, rest] = said.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{said}") };
        let (ty, help) = self.metrics.entry(name.into()).or_default();
        *(if what == "TYPE" { ty } else { help }) = rest.into();
    }

    /// The sum of the series of this name that have these labels; `None` if there is none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |of: &BTreeMap<String, String>| labels.iter().all(|(label, value)| of.get(*label).is_some_and(|of| of == value));
        let found = self.series.iter().filter(|(of, labels, _)| of == name && has(labels)).map(|(.., value)| *value);
        found.reduce(|sum, value| sum + value)
    }

    /// The labels of a metric, without a bucket's bound.
    pub fn labels(&self, metric: &str) -> BTreeSet<String> {
        let of = self.series.iter().filter(|(name, ..)| name.strip_prefix(metric).is_some_and(|rest| ["", "_count"].contains(&rest)));
        of.flat_map(|(_, labels, _)| labels.keys().cloned()).collect()
    }
}

fn series(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
    let pair = |label: &str| label.split_once('=').map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).unwrap();
    (name.to_owned(), labels.map(pair).collect(), value.parse().unwrap())
}
