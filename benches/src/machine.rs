//! The machine, in one line: a figure means nothing without it.

use serde::Serialize;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the figures were taken on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The GPU's name, or why there is none.
    pub gpu: String,
    /// The kernel driver's version.
    pub driver: String,
    /// The CUDA version that the driver speaks.
    pub cuda: String,
    /// The CPU's name.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The operating system's kernel.
    pub kernel: String,
    /// The day, in UTC.
    pub date: String,
    /// 64-byte stores for the peers' lines.
    pub avx512: bool,
}

impl Machine {
    /// This machine; `gpu` as the driver names it with the CUDA version, or why there is none.
    pub fn here(gpu: Result<(&str, i32), &str>) -> Machine {
        let (gpu, cuda) = match gpu {
            Ok((name, version)) => (name.to_owned(), format!("{}.{}", version / 1000, version % 1000 / 10)),
            Err(why) => (why.to_owned(), "none".into()),
        };
        Machine {
            gpu,
            driver: first_line("/sys/module/nvidia/version"),
            cuda,
            cpu: cpu(),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            kernel: first_line("/proc/sys/kernel/osrelease"),
            date: date(SystemTime::now()),
            avx512: crate::line::has_avx512(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { gpu, driver, cuda, cpu, cores, kernel, date, .. } = self;
        write!(f, "{gpu}; driver {driver}, CUDA {cuda}; {cpu}, {cores} cores; Linux {kernel}; {date}")
    }
}

fn first_line(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().next().map_or("none".into(), |line| line.trim().to_owned())
}

fn cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or(std::env::consts::ARCH.into(), |(_, name)| name.trim().to_owned())
}

/// The day of `time`, as in 2025-01-31.
fn date(time: SystemTime) -> String {
    let days = time.duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs() / 86_400) as i64;
    // Counted from March 1st of year 0, so that the leap day is a year's last.
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
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
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(days * 86_400 + 86_399)), day);
        }
    }
}
