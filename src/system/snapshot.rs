//! A system's numbers at one moment.

use crate::device::core::Core;

/// A system's numbers, the same that it reports as metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Actors, members of groups, and those that handlers have spawned, that have a row on the device.
    pub running: usize,
    /// Messages sent to them, by whichever path.
    pub messages: u64,
    /// Slots of the rings to the device that are in use.
    pub depth: u64,
    /// Times a ring was full.
    pub full: u64,
    /// Messages that nobody took.
    pub dead_letters: u64,
    /// Launches of the device's kernel.
    pub incarnation: u64,
    /// Workers lost, each of which another took over from.
    pub losses: u64,
    /// Workers that were to stand by and did not open, or ended.
    pub standby_failures: u64,
}

impl Snapshot {
    /// Reports the metrics, and says what they are.
    pub(crate) fn take(core: &Core) -> Snapshot {
        let totals = core.count();
        Snapshot {
            running: core.running(),
            messages: totals.messages,
            depth: totals.depth,
            full: totals.full,
            dead_letters: core.dead_letters(),
            incarnation: core.device.launches(),
            losses: core.device.losses().0,
            standby_failures: core.device.standby_failures().0,
        }
    }
}
