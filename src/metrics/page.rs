//! The page for people, `docs/metrics.md`, made of the table.

use std::fmt::Write;

use super::rows;
use super::table::{Row, Type, Unit};

const HEAD: &str = "\
# Metrics

What a program tells of itself through the [`metrics`](https://docs.rs/metrics) facade, whichever recorder it has installed. This page is made
of the table in `src/metrics/table.rs`; a test compares the two, and compares both with what a running program serves.

";

/// `docs/metrics.md`.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    page += include_str!("page.md");
    page += "\n| name | type | unit | labels | meaning | what to do |\n| --- | --- | --- | --- | --- | --- |\n";
    for (own, row) in rows() {
        line(&mut page, own, row).expect("a text takes what it is told");
    }
    page
}

fn line(page: &mut String, own: &[&str], row: &Row) -> std::fmt::Result {
    let ty = match row.ty {
        Type::Counter => "counter",
        Type::Gauge => "gauge",
        Type::Histogram => "histogram",
    };
    let unit = match row.unit {
        Unit::Count => "",
        Unit::Seconds => "seconds",
        Unit::Bytes => "bytes",
        Unit::Ratio => "ratio",
    };
    let labels: Vec<_> = own.iter().copied().chain(row.axes.iter().map(|axis| axis.name())).map(|label| format!("`{label}`")).collect();
    writeln!(page, "| `{}` | {ty} | {unit} | {} | {} | {} |", row.name, labels.join(", "), row.meaning, row.advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");

    /// MT-1. `RESIDENT_WRITE_DOCS=1 cargo test -p resident --lib metrics` writes the page.
    #[test]
    fn the_page_is_that_of_the_table() {
        if std::env::var_os("RESIDENT_WRITE_DOCS").is_some() {
            std::fs::write(FILE, page()).unwrap();
        }
        let said = std::fs::read_to_string(FILE).unwrap_or_default();
        assert!(said == page(), "docs/metrics.md is not of the table; run RESIDENT_WRITE_DOCS=1 cargo test -p resident --lib metrics");
    }

    #[test]
    fn names_say_what_they_count() {
        for (_, row) in rows() {
            let Row { name, ty, unit, meaning, .. } = row;
            assert_eq!(name.ends_with("_total"), *ty == Type::Counter, "{name}");
            assert_eq!(name.contains("_seconds"), *unit == Unit::Seconds, "{name}");
            assert_eq!(name.contains("_bytes"), *unit == Unit::Bytes, "{name}");
            assert_eq!(name.ends_with("_ratio"), *unit == Unit::Ratio, "{name}");
            assert!(!meaning.contains('|') && !row.advice.contains('|') && !meaning.ends_with('.'), "{name}");
        }
    }
}
