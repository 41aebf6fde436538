//! What is in a store by names and headers: which points there are, and which files each needs.

use super::error::ArchiveError;
use super::name;
use crate::file::{FileError, Header, What};

/// A point that can be restored, and the file that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its number.
    pub number: u64,
    /// The file's name.
    pub name: String,
    /// The file's length.
    pub bytes: u64,
    /// What the file's header says, or why it says nothing.
    pub header: Result<Header, FileError>,
}

impl Point {
    /// Whether the name says what the header does.
    pub(crate) fn fits(&self, header: &Header) -> Result<(), ArchiveError> {
        match name::of(self.number, header.what, header.digest) == self.name {
            true => Ok(()),
            false => Err(ArchiveError::Misnamed { name: self.name.clone(), what: header.what.to_string(), digest: header.digest }),
        }
    }

    fn is_full(&self) -> bool {
        matches!(self.header, Ok(Header { what: What::Full, .. }))
    }
}

/// The files of an archive, the newest first; of one number the whole checkpoint before the delta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    files: Vec<Point>,
}

/// The files that a point is made of.
pub(crate) struct Chain<'a> {
    pub(crate) full: &'a Point,
    /// In the order in which they are applied.
    pub(crate) deltas: Vec<&'a Point>,
}

impl Listed {
    pub(crate) fn new(mut files: Vec<Point>) -> Listed {
        // Damaged ones come last among those of their number: another file may still restore the point.
        let order = |file: &Point| (file.number, file.header.is_ok(), file.is_full());
        files.sort_by(|a, b| order(b).cmp(&order(a)).then_with(|| b.name.cmp(&a.name)));
        Listed { files }
    }

    pub(crate) fn files(&self) -> &[Point] {
        &self.files
    }

    /// One for each number, the newest first.
    pub(crate) fn points(&self) -> Vec<Point> {
        let mut points = self.files.clone();
        points.dedup_by_key(|point| point.number);
        points
    }

    /// The number of the next file.
    pub(crate) fn next(&self) -> u64 {
        self.files.first().map_or(1, |file| file.number + 1)
    }

    /// What `point` is made of, by names and headers.
    pub(crate) fn chain<'a>(&'a self, point: &Point) -> Result<Chain<'a>, ArchiveError> {
        let mut file = self.files.iter().find(|file| file.name == point.name).ok_or_else(|| ArchiveError::Unknown {
            number: point.number,
            known: self.points().iter().map(|point| point.number).collect(),
        })?;
        let mut deltas = Vec::new();
        loop {
            let header = file.header.as_ref().map_err(|source| ArchiveError::file(&file.name, source.clone()))?;
            file.fits(header)?;
            let What::Delta { base } = header.what else {
                deltas.reverse();
                return Ok(Chain { full: file, deltas });
            };
            deltas.push(file);
            // Numbers fall along the chain, so it ends.
            let older = self.files.iter().filter(|other| other.number < file.number);
            let based = older.filter(|other| other.header.as_ref().is_ok_and(|header| header.digest == base && other.fits(header).is_ok()));
            file =
                based.max_by_key(|other| (other.is_full(), other.number)).ok_or(ArchiveError::NoBase { name: file.name.clone(), base })?;
        }
    }
}
