//! What the flights examples share, whichever framework runs their CPU actors: the rows, what is heard of late flights, the plain fold that
//! the actors are compared with, and the report.

mod alerts;
mod bar;
mod fold;
mod injected;
mod input;
mod report;
mod rows;

pub use alerts::Heard;
pub use bar::{TURN, progress_bar, show};
pub use fold::{Fold, fold};
pub use injected::{Injected, What};
pub use input::{Input, OpenError, ReadError, unpacked};
pub use report::{Report, Run};
pub use rows::{Fault, Row, RowError, Rows, Tail};
