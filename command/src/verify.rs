//! `verify`: reads everything, and restores each point.

use std::path::Path;

use resident_checkpoint::{Archive, ArchiveError, FileError};
use serde::Serialize;

use crate::error::Error;
use crate::output::{Output, table};

#[derive(Serialize)]
struct Verified {
    whole: bool,
    points: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    number: u64,
    name: String,
    whole: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Which file is at fault; another's than this point's if that is what it is based on.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// At which byte of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
}

/// Each point and whether it can be restored. An error if one can not.
pub(crate) async fn verify(archive: &Archive, dir: &Path) -> Result<Output, Error> {
    let verified = archive.verify().await?;
    if verified.is_empty() {
        return Err(Error::Nothing(dir.to_owned()));
    }
    let row = |(point, result): (resident_checkpoint::Point, Result<(), ArchiveError>)| {
        let error = result.err();
        let (file, offset) = error.as_ref().map(place).unwrap_or_default();
        Row { number: point.number, name: point.name, whole: error.is_none(), error: error.map(|error| error.to_string()), file, offset }
    };
    let points: Vec<Row> = verified.into_iter().map(row).collect();
    let cells = |row: &Row| [row.number.to_string(), row.name.clone(), row.error.clone().unwrap_or("whole".into())];
    let text = table(["point", "name", "result"], points.iter().map(cells));
    let whole = points.iter().all(|row| row.whole);
    let output = Output::new(text, &Verified { whole, points });
    if whole { Ok(output) } else { Err(Error::Damaged(output)) }
}

/// The file that an error is about, and the byte if there is one.
fn place(error: &ArchiveError) -> (Option<String>, Option<u64>) {
    match error {
        ArchiveError::File { name, source: FileError::Corrupt { offset, .. } } => (Some(name.clone()), Some(*offset)),
        ArchiveError::File { name, .. }
        | ArchiveError::Misnamed { name, .. }
        | ArchiveError::NoBase { name, .. }
        | ArchiveError::Refused { name, .. } => (Some(name.clone()), None),
        _ => (None, None),
    }
}
