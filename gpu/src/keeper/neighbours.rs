//! Who else uses a GPU: a process whose kernel traps, or that ends, stops the device for all of them.
//!
//! NVML lists the processes on a device. It may take its time while the device stands still, so a thread asks it, ahead of need, and
//! the keeper looks at what is known. What was seen is remembered for a while: who has stopped the device may be gone when that is
//! noticed. Nothing here opens a context on the device.

use std::ffi::OsStr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::{Device, Nvml};

use super::lock;

/// The driver brings this name; the other one is of its development files.
const LIBRARY: &str = "libnvidia-ml.so.1";
/// Between two looks. A process takes longer to open a device and to launch something on it.
const REST: Duration = Duration::from_millis(250);
/// How long what was seen counts.
const MEMORY: Duration = Duration::from_secs(2);

/// The processes of one keeper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ours {
    pub worker: Option<u32>,
    pub standby: Option<u32>,
}

/// The neighbours on one device, as far as they are known.
pub(crate) struct Neighbours {
    known: Arc<Mutex<Known>>,
    /// Has the thread look now, and without it end.
    wake: SyncSender<()>,
}

impl Neighbours {
    /// Begins to look who is on the device at this place of the PCI bus beside these.
    pub(crate) fn of(ours: Ours, bus: String) -> Neighbours {
        let known = Arc::new(Mutex::new(Known { ours, ..Known::default() }));
        let (wake, woken) = sync_channel(1);
        let watching = known.clone();
        // Without a thread nothing is known.
        let _ = thread::Builder::new().name("resident-neighbours".into()).spawn(move || {
            // An error says that NVML can not tell; then nobody is known to be alone.
            let _ = keep_looking(&bus, &watching, &woken);
        });
        Neighbours { known, wake }
    }

    /// These are ours from now on.
    pub(crate) fn set_ours(&self, ours: Ours) {
        lock(&self.known).set_ours(ours, Instant::now());
    }

    /// Has somebody look soon, who does not wait for his turn.
    pub(crate) fn look_now(&self) {
        // A look that was asked for before is as good.
        let _ = self.wake.try_send(());
    }

    /// Whether nobody else is, or was lately, on the device. False where that can not be known.
    pub(crate) fn none(&self) -> bool {
        lock(&self.known).is_alone(Instant::now())
    }
}

/// What is known, and since when.
#[derive(Debug, Default)]
struct Known {
    ours: Ours,
    /// Those that were ours, and until when: a list may still have them.
    former: Vec<(u32, Instant)>,
    /// When the last look began that saw our worker.
    seen: Option<Instant>,
    /// When others were seen last.
    others: Option<Instant>,
}

impl Known {
    fn set_ours(&mut self, ours: Ours, now: Instant) {
        self.former.retain(|(_, until)| now.saturating_duration_since(*until) <= MEMORY);
        let gone = |process: &u32| ![ours.worker, ours.standby].contains(&Some(*process));
        self.former.extend([self.ours.worker, self.ours.standby].into_iter().flatten().filter(gone).map(|process| (process, now)));
        self.ours = ours;
    }

    /// A look that began `at` this time has found these.
    fn note(&mut self, at: Instant, found: &[u32]) {
        let was_ours =
            |process| self.former.iter().any(|(former, until)| *former == process && at.saturating_duration_since(*until) <= MEMORY);
        let is_ours = |process| [self.ours.worker, self.ours.standby].contains(&Some(process)) || was_ours(process);
        if found.iter().any(|process| !is_ours(*process)) {
            self.others = Some(at);
        }
        // A list without our worker is one of another place, with numbers of its own: it says nothing of who is not there.
        if self.ours.worker.is_some_and(|worker| found.contains(&worker)) {
            self.seen = Some(at);
        }
    }

    fn is_alone(&self, now: Instant) -> bool {
        let lately = |then: Instant| now.saturating_duration_since(then) <= MEMORY;
        self.seen.is_some_and(lately) && !self.others.is_some_and(lately)
    }
}

/// NVML, opened once for the process: each time it is closed it keeps a descriptor.
fn nvml() -> Result<&'static Nvml, NvmlError> {
    static NVML: OnceLock<Nvml> = OnceLock::new();
    match NVML.get() {
        Some(nvml) => Ok(nvml),
        None => Nvml::builder().lib_path(OsStr::new(LIBRARY)).init().map(|nvml| NVML.get_or_init(|| nvml)),
    }
}

fn keep_looking(bus: &str, known: &Mutex<Known>, woken: &Receiver<()>) -> Result<(), NvmlError> {
    let device = nvml()?.device_by_pci_bus_id(bus)?;
    loop {
        let at = Instant::now();
        if let Ok(found) = processes(&device) {
            lock(known).note(at, &found);
        }
        if let Err(RecvTimeoutError::Disconnected) = woken.recv_timeout(REST) {
            return Ok(());
        }
    }
}

/// Every process that has something on the device.
fn processes(device: &Device<'_>) -> Result<Vec<u32>, NvmlError> {
    let rare = |listed: Result<Vec<ProcessInfo>, NvmlError>| match listed {
        // A device without such processes.
        Err(NvmlError::NotSupported | NvmlError::FunctionNotFound | NvmlError::FailedToLoadSymbol(_)) => Ok(vec![]),
        listed => listed,
    };
    let mut found = device.running_compute_processes()?;
    found.extend(rare(device.running_graphics_processes())?);
    found.extend(rare(device.mps_running_compute_processes())?);
    Ok(found.iter().map(|process| process.pid).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Ours = Ours { worker: Some(1), standby: Some(2) };

    fn known(looks: &[&[u32]]) -> (Known, Instant) {
        let at = Instant::now();
        let mut known = Known { ours: OURS, ..Known::default() };
        looks.iter().for_each(|found| known.note(at, found));
        (known, at)
    }

    #[test]
    fn alone_is_who_was_seen_alone_lately() {
        let (known, at) = known(&[&[1, 2], &[1]]);
        assert!(known.is_alone(at + MEMORY));
        assert!(!known.is_alone(at + MEMORY + Duration::from_millis(1)), "nobody has looked since");
    }

    #[test]
    fn nothing_is_known_without_our_worker() {
        assert!(!known(&[]).0.is_alone(Instant::now()));
        let (known, at) = known(&[&[], &[2]]);
        assert!(!known.is_alone(at));
    }

    #[test]
    fn who_is_gone_counts_as_there_for_a_while() {
        let (mut known, at) = known(&[&[1, 7], &[1]]);
        assert!(!known.is_alone(at + MEMORY));
        known.note(at + MEMORY, &[1]);
        assert!(!known.is_alone(at + MEMORY));
        assert!(known.is_alone(at + MEMORY + Duration::from_millis(1)));
    }

    /// A worker that is lost is no stranger, for as long as a list may have it. Whoever has its number long after is one.
    #[test]
    fn ours_may_change() {
        let (mut known, at) = known(&[&[1, 2]]);
        known.set_ours(Ours { worker: Some(2), standby: Some(3) }, at);
        known.note(at + MEMORY, &[1, 2, 3]);
        assert!(known.is_alone(at + MEMORY));
        let later = at + 2 * MEMORY;
        known.note(later, &[1, 2, 3]);
        assert!(!known.is_alone(later));
        known.set_ours(Ours::default(), later);
        assert!(known.former.iter().all(|(process, _)| *process != 1), "it is forgotten");
    }
}
