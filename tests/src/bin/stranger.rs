//! A worker of other kinds than the application's, which has to be told so.

use resident as _;

fn main() {}
