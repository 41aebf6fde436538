//! The progress bar.

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::input::Input;

/// Rows between two looks up from the work: others have a turn, and the progress bar moves.
pub const TURN: u64 = 1024;

/// A bar over the bytes of `input`; hidden where standard error is no terminal.
pub fn progress_bar(input: &Input) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:20} {percent:>3}%  {prefix}  {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(input.bytes()).with_style(style)
}

/// Shows how far the reader has come.
pub fn show(bar: &ProgressBar, rows: u64, aircraft: usize) {
    if !bar.is_hidden() {
        bar.set_prefix(format!("{} rows, {} aircraft", HumanCount(rows), HumanCount(aircraft as u64)));
    }
}
