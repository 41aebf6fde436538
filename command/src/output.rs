//! What the command prints: the same for people and for programs.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

/// The two ways of saying it.
#[derive(Debug)]
pub(crate) struct Output {
    text: String,
    json: Value,
}

impl Output {
    /// `text` for people; `json` becomes a document.
    pub(crate) fn new(text: String, json: &impl Serialize) -> Output {
        Output { text, json: serde_json::to_value(json).expect("numbers, texts and lists of them are JSON") }
    }

    /// Prints one of them.
    pub(crate) fn print(&self, json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match json {
            true => writeln!(out, "{:#}", self.json),
            false => write!(out, "{}", self.text),
        }
    }
}

/// Lines of cells, each column as wide as it must be; the last is not padded.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// A number of bytes for people: `1.5 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let unit = (bytes.max(1).ilog2() / 10).min(4);
    match unit {
        0 => format!("{bytes} bytes"),
        unit => format!(
            "{:.1} {}",
            bytes as f64 / f64::from(1 << (10 * unit.min(3))) / if unit == 4 { 1024.0 } else { 1.0 },
            units[unit as usize]
        ),
    }
}

/// Microseconds since 1970 as a date in UTC.
pub(crate) fn date(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // From days to a date of the Gregorian calendar, counted from March so that a leap day comes last.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{:03}", of_day / 3600, of_day / 60 % 60, of_day % 60, micros / 1000 % 1000)
}

/// Two digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_people() {
        assert_eq!(
            [0, 1023, 1024, 1536, 1 << 30, 3 << 40].map(bytes),
            ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 KiB", "1.0 GiB", "3.0 TiB"]
        );
        assert_eq!(date(0), "1970-01-01 00:00:00.000");
        assert_eq!(date(1_700_000_000_123_456), "2023-11-14 22:13:20.123");
        assert_eq!(date(951_782_399_000_000), "2000-02-28 23:59:59.000");
        assert_eq!(date(951_782_400_000_000), "2000-02-29 00:00:00.000");
        assert_eq!(date(4_107_542_400_000_000), "2100-03-01 00:00:00.000");
        assert_eq!(table(["a", "bc"], [["long".into(), "x".into()]]), "a     bc\nlong  x\n");
    }
}
