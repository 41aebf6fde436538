//! The rows of a file of flights: comma-separated, the first line names the columns, an empty field is no data.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, Read};

use csv::{ByteRecord, ErrorKind};
use flights_actors::{Flight, TAIL_BYTES};
use thiserror::Error;

/// Columns of whole numbers that are not used; what is no number there says that the row is not what it seems.
const CHECKED: [&str; 6] = ["month", "day", "hour", "minute", "flight", "dep_delay"];

/// A tail number, filled up with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tail(pub [u8; TAIL_BYTES]);

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose flight it is, if that is known.
    pub tail: Option<Tail>,
    /// The flight.
    pub flight: Flight,
}

/// Why reading ended early.
#[derive(Debug, Error)]
pub enum RowError {
    /// The file could not be read on.
    #[error("reading failed: {0}")]
    Read(#[from] io::Error),
    /// There is not even a first line.
    #[error("it is empty: the first line must name the columns, among them tailnum, arr_delay, air_time and distance")]
    Empty,
    /// A column that is needed is not there.
    #[error("line 1 names no column `{0}`: needed are tailnum, arr_delay, air_time and distance")]
    Column(&'static str),
    /// A row is not as the first line says.
    #[error("line {line}: {fault}")]
    Malformed {
        /// Its line, as an editor counts.
        line: u64,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with a row.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// More or fewer fields than names.
    #[error("{found} fields where the first line names {expected}")]
    Fields {
        /// Fields of the row.
        found: u64,
        /// Names of the first line.
        expected: u64,
    },
    /// No number, or one that cannot be.
    #[error("{column} is `{text}`, which is no whole number from {least} to {most}", most = i32::MAX)]
    Number {
        /// The column's name.
        column: &'static str,
        /// What stands there.
        text: String,
        /// The least number that can.
        least: i32,
    },
    /// No tail number is as long.
    #[error("tailnum is `{0}`, which is longer than {TAIL_BYTES} bytes")]
    Long(String),
    /// No tail number is written so.
    #[error("tailnum is `{0}`, which has a character other than letters, digits and `-`")]
    Characters(String),
}

/// Reads rows one after the other.
pub struct Rows<R> {
    csv: csv::Reader<Lines<R>>,
    columns: Columns,
    record: ByteRecord,
}

/// Hands out a line at a time and counts them, so that the count is the line of the row just read; csv's own is off where lines
/// are blank or end in CR LF.
struct Lines<R> {
    from: R,
    line: u64,
    /// The line has not been handed out to its end.
    midway: bool,
}

/// Where the columns stand.
struct Columns {
    tail: usize,
    arr_delay: usize,
    air_time: usize,
    distance: usize,
    checked: Vec<(usize, &'static str)>,
}

impl<R: BufRead> Rows<R> {
    /// Reads the first line.
    pub fn new(from: R) -> Result<Rows<R>, RowError> {
        let mut csv = csv::Reader::from_reader(Lines { from, line: 0, midway: false });
        let columns = match csv.byte_headers() {
            Ok(names) => Columns::find(names)?,
            Err(error) => return Err(broken(error, 1)),
        };
        Ok(Rows { csv, columns, record: ByteRecord::new() })
    }

    /// The next row; `None` after the last.
    #[inline]
    pub fn next_row(&mut self) -> Result<Option<Row>, RowError> {
        let read = self.csv.read_byte_record(&mut self.record);
        let line = self.csv.get_ref().line;
        match read {
            Ok(true) => self.columns.row(&self.record).map(Some).map_err(|fault| RowError::Malformed { line, fault }),
            Ok(false) => Ok(None),
            Err(error) => Err(broken(error, line)),
        }
    }
}

impl<R: BufRead> Read for Lines<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let there = self.from.fill_buf()?;
        let line = there.iter().position(|byte| *byte == b'\n').map_or(there.len(), |end| end + 1);
        let bytes = line.min(out.len());
        out[..bytes].copy_from_slice(&there[..bytes]);
        if let Some(last) = out[..bytes].last() {
            self.line += u64::from(!self.midway);
            self.midway = *last != b'\n';
        }
        self.from.consume(bytes);
        Ok(bytes)
    }
}

/// What csv found wrong in `line`.
fn broken(error: csv::Error, line: u64) -> RowError {
    match error.into_kind() {
        ErrorKind::Io(error) => RowError::Read(error),
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            RowError::Malformed { line, fault: Fault::Fields { found: len, expected: expected_len } }
        }
        other => RowError::Read(io::Error::new(io::ErrorKind::InvalidData, format!("line {line}: {other:?}"))),
    }
}

impl Columns {
    fn find(names: &ByteRecord) -> Result<Columns, RowError> {
        if names.is_empty() {
            return Err(RowError::Empty);
        }
        let at = |name: &str| names.iter().position(|column| column == name.as_bytes());
        let needed = |name: &'static str| at(name).ok_or(RowError::Column(name));
        Ok(Columns {
            tail: needed("tailnum")?,
            arr_delay: needed("arr_delay")?,
            air_time: needed("air_time")?,
            distance: needed("distance")?,
            checked: CHECKED.into_iter().filter_map(|name| Some((at(name)?, name))).collect(),
        })
    }

    #[inline]
    fn row(&self, record: &ByteRecord) -> Result<Row, Fault> {
        for &(at, column) in &self.checked {
            number(&record[at], column, i32::MIN)?;
        }
        Ok(Row {
            tail: tail(&record[self.tail])?,
            flight: Flight {
                arr_delay: number(&record[self.arr_delay], "arr_delay", i32::MIN)?.into(),
                air_time: number(&record[self.air_time], "air_time", 0)?.into(),
                distance: number(&record[self.distance], "distance", 0)?.into(),
            },
        })
    }
}

#[inline]
fn number(field: &[u8], column: &'static str, least: i32) -> Result<Option<i32>, Fault> {
    if field.is_empty() {
        return Ok(None);
    }
    let value = std::str::from_utf8(field).ok().and_then(|text| text.parse().ok()).filter(|value| *value >= least);
    value.map(Some).ok_or_else(|| Fault::Number { column, text: shown(field), least })
}

#[inline]
fn tail(field: &[u8]) -> Result<Option<Tail>, Fault> {
    if field.is_empty() {
        return Ok(None);
    }
    let mut tail = Tail([0; TAIL_BYTES]);
    tail.0.get_mut(..field.len()).ok_or_else(|| Fault::Long(shown(field)))?.copy_from_slice(field);
    match field.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
        true => Ok(Some(tail)),
        false => Err(Fault::Characters(shown(field))),
    }
}

/// The field as an error's text has it.
fn shown(field: &[u8]) -> String {
    const MOST: usize = 40;
    let text = String::from_utf8_lossy(&field[..field.len().min(MOST)]);
    let more = if field.len() > MOST { ".." } else { "" };
    format!("{}{more}", text.escape_debug())
}

impl Tail {
    /// The tail number that is written so, if one can be.
    pub fn of(text: &str) -> Option<Tail> {
        tail(text.as_bytes()).ok().flatten()
    }

    /// The tail number.
    pub fn as_str(&self) -> Cow<'_, str> {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(TAIL_BYTES);
        String::from_utf8_lossy(&self.0[..end])
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &str = "month,day,hour,minute,carrier,flight,tailnum,origin,dest,dep_delay,arr_delay,air_time,distance\n";

    fn all(text: &str) -> Result<Vec<Row>, RowError> {
        let mut rows = Rows::new(text.as_bytes())?;
        std::iter::from_fn(|| rows.next_row().transpose()).collect()
    }

    fn rows(lines: &str) -> Result<Vec<Row>, RowError> {
        all(&format!("{NAMES}{lines}"))
    }

    fn told(lines: &str) -> String {
        rows(lines).unwrap_err().to_string()
    }

    fn row(tail: &str, arr_delay: Option<i32>, air_time: Option<i32>, distance: Option<i32>) -> Row {
        let tail = super::tail(tail.as_bytes()).unwrap();
        Row { tail, flight: Flight { arr_delay: arr_delay.into(), air_time: air_time.into(), distance: distance.into() } }
    }

    #[test]
    fn rows_are_read() {
        let lines = "1,1,5,15,UA,1545,N14228,EWR,IAH,2,11,227,1400\r\n1,1,5,45,B6,725,N804JB,JFK,BQN,-1,-18,183,1576";
        let expected = [row("N14228", Some(11), Some(227), Some(1400)), row("N804JB", Some(-18), Some(183), Some(1576))];
        assert_eq!(rows(lines).unwrap(), expected);
        assert_eq!(expected[0].tail.unwrap().to_string(), "N14228");
    }

    #[test]
    fn an_empty_field_is_no_data_and_not_zero() {
        let lines = "1,1,6,0,B6,125,N618JB,JFK,FLL,,,,1069\n1,1,6,0,B6,125,N618JB,JFK,FLL,0,0,0,0\n,,,,,,N1,,,,,,\n";
        let expected = [row("N618JB", None, None, Some(1069)), row("N618JB", Some(0), Some(0), Some(0)), row("N1", None, None, None)];
        assert_eq!(rows(lines).unwrap(), expected);
        assert_ne!(expected[0].flight.air_time, expected[1].flight.air_time);
        assert_eq!((expected[0].flight.air_time.get(), expected[1].flight.air_time.get()), (None, Some(0)));
    }

    #[test]
    fn a_row_may_have_no_tail_number() {
        assert_eq!(rows("1,2,8,0,AA,1,,JFK,LAX,,,,2475\n").unwrap(), [row("", None, None, Some(2475))]);
    }

    #[test]
    fn columns_are_found_by_their_names() {
        let expected = [row("N1", Some(1), Some(2), Some(3))];
        assert_eq!(all("distance,air_time,arr_delay,x,tailnum\n3,2,1,?,N1\n").unwrap(), expected);
        assert_eq!(all("\u{feff}tailnum,arr_delay,air_time,distance\nN1,1,2,3\n").unwrap(), expected);
    }

    #[test]
    fn a_malformed_row_is_told_with_its_line() {
        let good = "1,1,5,15,UA,1545,N14228,EWR,IAH,2,11,227,1400\n";
        assert_eq!(told(&format!("{good}1,1,5,15,UA,1545\n")), "line 3: 6 fields where the first line names 13");
        let told_of = |bad: &str| told(&format!("{good}{good}{bad}\n{good}"));
        let number = told_of("1,1,5,15,UA,1545,N14228,EWR,IAH,2,eleven,227,1400");
        assert_eq!(number, "line 4: arr_delay is `eleven`, which is no whole number from -2147483648 to 2147483647");
        let negative = told_of("1,1,5,15,UA,1545,N14228,EWR,IAH,2,11,-227,1400");
        assert_eq!(negative, "line 4: air_time is `-227`, which is no whole number from 0 to 2147483647");
        assert!(told_of("1,1,5,15,UA,1545,N14228,EWR,IAH,2,11,227,1400.5").starts_with("line 4: distance is `1400.5`"));
        assert!(told_of("1,1,5,15,UA,1545,N14228,EWR,IAH,2,11,227,4000000000").starts_with("line 4: distance is `4000000000`"));
        assert!(told_of("1,1,5,15,UA,1545,N14228,EWR,IAH,soon,11,227,1400").starts_with("line 4: dep_delay is `soon`"));
        assert!(told_of("1,1,5,15,UA,1545,N14228-N14229,EWR,IAH,2,11,227,1400").contains("longer than 12 bytes"));
        assert!(told_of("1,1,5,15,UA,1545,N1 4,EWR,IAH,2,11,227,1400").starts_with("line 4: tailnum is `N1 4`"));
        // A row without a tail number is skipped, not excused.
        assert!(told_of("1,1,5,15,UA,1545,,EWR,IAH,2,late,227,1400").starts_with("line 4: arr_delay is `late`"));
    }

    #[test]
    fn lines_are_counted_as_an_editor_does() {
        let good = "1,1,5,15,UA,1545,N14228,EWR,IAH,2,11,227,1400";
        let bad = "1,1,5,15,UA,1545,N14228,EWR,IAH,2,x,227,1400";
        assert!(told(&format!("{good}\r\n\r\n\r\n{bad}\r\n")).starts_with("line 5:"));
        assert!(told(&format!("{good}\n\n{bad}")).starts_with("line 4:"));
        assert!(told(&format!("{good}\n\n1,2\n")).starts_with("line 4:"));
    }

    #[test]
    fn what_is_no_file_of_flights_is_told() {
        assert!(matches!(all(""), Err(RowError::Empty)));
        assert!(matches!(all("tailnum,arr_delay,distance\n"), Err(RowError::Column("air_time"))));
        assert!(matches!(all("\0\u{1}junk"), Err(RowError::Column("tailnum"))));
        assert_eq!(rows("").unwrap(), []);
    }
}
