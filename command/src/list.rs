//! `list` and `compact`: which points there are.

use std::path::Path;

use resident_checkpoint::{Archive, Compression, Header, Point, What};
use serde::Serialize;

use crate::error::Error;
use crate::output::{Output, bytes, table};

/// A point by its file's name and header.
#[derive(Serialize)]
struct Row {
    number: u64,
    name: String,
    file_bytes: u64,
    /// `full`, `delta`, or `damaged`.
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compression: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Row {
    fn of(point: Point) -> Row {
        let Point { number, name, bytes: file_bytes, header } = point;
        let row = Row {
            number,
            name,
            file_bytes,
            what: "damaged".into(),
            digest: None,
            base: None,
            state_bytes: None,
            compression: None,
            error: None,
        };
        match header {
            Err(error) => Row { error: Some(error.to_string()), ..row },
            Ok(Header { what, digest, compression, raw_bytes, .. }) => Row {
                what: what.to_string(),
                digest: Some(digest.to_string()),
                base: match what {
                    What::Full => None,
                    What::Delta { base } => Some(base.to_string()),
                },
                state_bytes: Some(raw_bytes),
                compression: Some(if compression == Compression::None { "none" } else { "lz4" }),
                ..row
            },
        }
    }

    fn cells(&self) -> [String; 5] {
        let states = self.state_bytes.map_or("-".into(), bytes);
        let note = self.error.as_ref().map(|error| format!("  {error}")).unwrap_or_default();
        [self.number.to_string(), self.what.clone(), bytes(self.file_bytes), states, format!("{}{note}", self.name)]
    }
}

/// The points, the newest first.
pub(crate) async fn list(archive: &Archive, dir: &Path) -> Result<Output, Error> {
    let rows = rows(archive, dir).await?;
    Ok(Output::new(table(["point", "what", "file", "states", "name"], rows.iter().map(Row::cells)), &rows))
}

#[derive(Serialize)]
struct Compacted {
    /// The point that was made whole; none if it was.
    compacted: Option<u64>,
    points: Vec<Row>,
}

/// Compacts, and says what is left.
pub(crate) async fn compact(archive: &Archive, dir: &Path) -> Result<Output, Error> {
    rows(archive, dir).await?;
    let compacted = archive.compact().await?;
    let points = rows(archive, dir).await?;
    let done = compacted.map_or("The newest point is whole already.".into(), |number| format!("Point {number} is whole now."));
    Ok(Output::new(format!("{done} Points left: {}\n", points.len()), &Compacted { compacted, points }))
}

async fn rows(archive: &Archive, dir: &Path) -> Result<Vec<Row>, Error> {
    match archive.list().await? {
        none if none.is_empty() => Err(Error::Nothing(dir.to_owned())),
        points => Ok(points.into_iter().map(Row::of).collect()),
    }
}
