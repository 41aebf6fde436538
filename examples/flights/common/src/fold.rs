//! The same file once more, without actors: what the aircraft's totals are compared with.

use std::collections::HashMap;

use flights_actors::{LATE_AFTER, Totals};

use crate::input::{Input, ReadError, unpacked};
use crate::rows::{Rows, Tail};

/// What the file comes to.
#[derive(Default)]
pub struct Fold {
    /// Rows.
    pub rows: u64,
    /// Those of them without a tail number.
    pub skipped: u64,
    /// What the flights of each aircraft come to.
    pub totals: HashMap<Tail, Totals>,
}

/// Folds `input`.
pub fn fold(input: &Input) -> Result<Fold, ReadError> {
    let opened = input.open().and_then(unpacked).map_err(|cause| ReadError::new(input, cause))?;
    let mut rows = Rows::new(opened).map_err(|cause| ReadError::new(input, cause))?;
    let mut fold = Fold::default();
    while let Some(row) = rows.next_row().map_err(|cause| ReadError::new(input, cause))? {
        fold.rows += 1;
        let Some(tail) = row.tail else {
            fold.skipped += 1;
            continue;
        };
        let (arr_delay, air_time) = (row.flight.arr_delay.get(), row.flight.air_time.get());
        let totals = fold.totals.entry(tail).or_default();
        totals.flights += 1;
        totals.arrived += u32::from(arr_delay.is_some());
        totals.timed += u32::from(air_time.is_some());
        totals.late += u32::from(arr_delay.is_some_and(|minutes| minutes > LATE_AFTER));
        totals.arr_delay += i64::from(arr_delay.unwrap_or(0));
        totals.air_time += i64::from(air_time.unwrap_or(0));
        totals.distance += i64::from(row.flight.distance.get().unwrap_or(0));
    }
    Ok(fold)
}
