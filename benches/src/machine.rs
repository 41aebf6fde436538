//! The machine, in one line: a figure means nothing without it.

use serde::Serialize;
use std::fmt;

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
            avx512: crate::line::has_avx512(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { gpu, driver, cuda, cpu, cores, kernel, .. } = self;
        write!(f, "{gpu}; driver {driver}, CUDA {cuda}; {cpu}, {cores} cores; Linux {kernel}")
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
