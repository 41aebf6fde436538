//! The time in UTC, as ISO 8601 writes it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, to the second.
pub fn now() -> String {
    utc(SystemTime::now())
}

/// `time`, as in 2025-01-31T23:59:59Z.
fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs());
    let of_day = seconds % 86_400;
    // Counted from March 1st of year 0, so that the leap day is a year's last.
    let days = (seconds / 86_400) as i64 + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_the_calendar_s() {
        for (days, day) in
            [(0, "1970-01-01"), (11_016, "2000-02-29"), (19_782, "2024-02-29"), (19_783, "2024-03-01"), (20_453, "2025-12-31")]
        {
            let midnight = UNIX_EPOCH + Duration::from_secs(days * 86_400);
            assert_eq!(utc(midnight), format!("{day}T00:00:00Z"));
            assert_eq!(utc(midnight + Duration::from_secs(86_399)), format!("{day}T23:59:59Z"));
        }
    }
}
