//! Reads edges, one on a line, as the files of SNAP (<https://snap.stanford.edu/data>) have them.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use thiserror::Error;

/// Zachary's karate club.
const KARATE: &str = include_str!("../data/karate.txt");

/// Why there are no edges.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file can not be opened or read.
    #[error("can not read `{name}`: {cause}; give the path of a file of edges to --graph")]
    File { name: String, cause: io::Error },
    /// It is no text.
    #[error("`{name}`: line {line} is no text; if the file is compressed, unpack it first, as with `gunzip`")]
    Text { name: String, line: usize },
    /// A line is none of an edge list.
    #[error("`{name}`: line {line}: `{text}` is no edge; write the numbers of two vertices, as `1 2`, or begin a comment with `#`")]
    Edge { name: String, line: usize, text: String },
    /// There is no edge.
    #[error("`{name}` has no edge; write one on a line, as `1 2`")]
    Empty { name: String },
}

/// The edges of the karate club.
pub fn karate() -> Result<Vec<(u64, u64)>, ReadError> {
    edges("karate.txt", KARATE.as_bytes())
}

/// The edges of a file.
pub fn file(path: &Path) -> Result<Vec<(u64, u64)>, ReadError> {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => edges(&name, BufReader::new(file)),
        Err(cause) => Err(ReadError::File { name, cause }),
    }
}

fn edges(name: &str, lines: impl BufRead) -> Result<Vec<(u64, u64)>, ReadError> {
    let name = || name.to_owned();
    let mut edges = Vec::new();
    for (line, text) in (1..).zip(lines.lines()) {
        let text = text.map_err(|cause| match cause.kind() {
            io::ErrorKind::InvalidData => ReadError::Text { name: name(), line },
            _ => ReadError::File { name: name(), cause },
        })?;
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        edges.push(edge(text).ok_or_else(|| ReadError::Edge { name: name(), line, text: text.into() })?);
    }
    if edges.is_empty() { Err(ReadError::Empty { name: name() }) } else { Ok(edges) }
}

fn edge(text: &str) -> Option<(u64, u64)> {
    let mut words = text.split_whitespace();
    let edge = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    words.next().is_none().then_some(edge)
}
