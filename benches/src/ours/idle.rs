//! A device that has nothing to do: what it takes of the host's processors, and of the bus.

use super::{Ours, PATIENCE};
use crate::rounds::{Contender, Error, Record};
use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::PcieUtilCounter;
use nvml_wrapper::error::NvmlError;
use resident::Choice;
use resident_test_actors::{Counter, Get};
use std::ffi::OsStr;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A system that waits.
pub struct Idle<'r> {
    ours: Ours<'r>,
    settle: Duration,
    window: Duration,
}

impl<'r> Idle<'r> {
    /// From `settle` after the last message on, for `window`, and on a GPU for another one: these are pauses on purpose.
    pub fn new(ours: Ours<'r>, settle: Duration, window: Duration) -> Idle<'r> {
        Idle { ours, settle, window }
    }

    /// What the table calls the part of a core that a process takes.
    pub fn share_name(title: &str, whose: &str) -> String {
        format!("{title}, idle, part of a core: {whose}")
    }

    /// What it calls the bytes that go over the bus, both ways.
    pub fn bus_name(title: &str) -> String {
        format!("{title}, idle, bytes over the bus")
    }
}

impl Contender for Idle<'_> {
    fn name(&self) -> String {
        format!("{}, idle", self.ours.title())
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let title = self.ours.title();
        self.ours.system(|system| {
            let counters = self.ours.on_every_shard(system, Counter::default)?;
            let ask_all = || counters.iter().try_for_each(|counter| counter.ask(&Get, PATIENCE).map(drop));
            ask_all()?;
            sleep(self.settle);
            let processes =
                [("this process", Some(std::process::id())), ("the worker", system.worker()), ("the standby", system.standby())];
            let processes: Vec<_> = processes.into_iter().filter_map(|(whose, process)| Some((whose, process?))).collect();
            let spent = || processes.iter().map(|(_, process)| processor_time(*process)).collect::<Result<Vec<_>, Error>>();
            let (begun, before) = (Instant::now(), spent()?);
            sleep(self.window);
            let (took, after) = (begun.elapsed(), spent()?);
            for (((whose, _), before), after) in processes.iter().zip(before).zip(after) {
                record.ratio(&Idle::share_name(&title, whose), after.saturating_sub(before).as_secs_f64() / took.as_secs_f64());
            }
            if let Choice::Cuda(gpu) = self.ours.place.choice {
                let name = Idle::bus_name(&title);
                match bus(gpu, self.window) {
                    Ok(rate) => record.rate(&name, rate),
                    Err(error) => record.absent(&name, &format!("NVML says: {error}")),
                }
            }
            // It was there all the time.
            ask_all()?;
            record.checked(&self.name(), counters.len() as u64);
            Ok(())
        })
    }
}

/// Bytes a second over a GPU's bus, as the driver counts them, some 20 ms at a time.
fn bus(gpu: u32, window: Duration) -> Result<f64, NvmlError> {
    // The driver brings this name; the other one is of its development files.
    let nvml = Nvml::builder().lib_path(OsStr::new("libnvidia-ml.so.1")).init()?;
    let device = nvml.device_by_index(gpu)?;
    let (begun, mut kilobytes, mut looks) = (Instant::now(), 0.0, 0.0);
    while looks == 0.0 || begun.elapsed() < window {
        kilobytes +=
            f64::from(device.pcie_throughput(PcieUtilCounter::Send)?) + f64::from(device.pcie_throughput(PcieUtilCounter::Receive)?);
        looks += 1.0;
    }
    Ok(kilobytes / looks * 1e3)
}

/// What the threads of a process have had of the processors; those that have ended are not in it.
fn processor_time(process: u32) -> Result<Duration, Error> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // One may end meanwhile.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        nanos += text.split_whitespace().next().ok_or("schedstat is empty")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_is_seen() {
        let before = processor_time(std::process::id()).unwrap();
        let begun = Instant::now();
        while processor_time(std::process::id()).unwrap() <= before {
            assert!(begun.elapsed() < PATIENCE);
        }
    }
}
