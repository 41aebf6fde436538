//! Where the rows come from: a file, standard input, or the data that the program carries. Each can be read twice.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use thiserror::Error;

use crate::rows::RowError;

/// The default input.
static DATA: &[u8] = include_bytes!("../../data/nyc-flights-2013-01.csv.gz");
const DATA_NAME: &str = "nyc-flights-2013-01.csv.gz";

/// The path that stands for standard input.
const STDIN: &str = "-";
/// What begins a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const BUFFER: usize = 64 * 1024;

/// An input that was there when it was looked for.
#[derive(Clone)]
pub struct Input {
    name: String,
    bytes: u64,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Built,
    File(PathBuf),
    /// What can be read only once: standard input, a pipe.
    Kept(Arc<[u8]>),
}

/// Why an input can not be used.
#[derive(Debug, Error)]
#[error("can not read `{name}`: {cause}")]
pub struct OpenError {
    name: String,
    cause: io::Error,
}

/// Why the input was not read to its end.
#[derive(Debug, Error)]
#[error("`{input}`: {cause}")]
pub struct ReadError {
    input: String,
    cause: RowError,
}

impl ReadError {
    /// Reading `input` ended because of `cause`.
    pub fn new(input: &Input, cause: impl Into<RowError>) -> ReadError {
        ReadError { input: input.to_string(), cause: cause.into() }
    }
}

impl Input {
    /// The file at `path`, standard input if that is `-`, the program's own data if there is none.
    pub fn find(path: Option<&Path>) -> Result<Input, OpenError> {
        let Some(path) = path else {
            return Ok(Input { name: DATA_NAME.into(), bytes: DATA.len() as u64, source: Source::Built });
        };
        let name = if path == Path::new(STDIN) { "standard input".into() } else { path.display().to_string() };
        Input::look(path).map(|(bytes, source)| Input { name: name.clone(), bytes, source }).map_err(|cause| OpenError { name, cause })
    }

    fn look(path: &Path) -> io::Result<(u64, Source)> {
        let mut kept = Vec::new();
        if path == Path::new(STDIN) {
            io::stdin().read_to_end(&mut kept)?;
        } else {
            let mut file = File::open(path)?;
            let about = file.metadata()?;
            if about.is_file() {
                return Ok((about.len(), Source::File(path.into())));
            }
            file.read_to_end(&mut kept)?;
        }
        Ok((kept.len() as u64, Source::Kept(kept.into())))
    }

    /// Its size as it lies there, compressed or not.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads from its first byte on.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match &self.source {
            Source::Built => Box::new(DATA),
            Source::File(path) => Box::new(File::open(path)?),
            Source::Kept(bytes) => Box::new(Cursor::new(bytes.clone())),
        })
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// `raw` itself, or what it holds if it is compressed by gzip.
pub fn unpacked(raw: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut raw = BufReader::with_capacity(BUFFER, raw);
    Ok(match raw.fill_buf()?.starts_with(&GZIP) {
        true => Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(raw))),
        false => Box::new(raw),
    })
}
