//! The numbers of a system, or of one of its devices, at one moment.

use crate::device::core::Core;
use crate::system::fleet::Fleet;

/// The numbers of a system, or of one of its [devices](crate::Device), the same that are reported as metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Actors, members of groups, and those that handlers have spawned, that have a row.
    pub running: usize,
    /// Messages sent to them, by whichever path.
    pub messages: u64,
    /// Frames that shards have handled: messages, those from actor to actor too, and what starts, stops and fences actors. A shard that works
    /// says so every millisecond.
    pub handled: u64,
    /// Slots of the rings to the device that are in use.
    pub depth: u64,
    /// Times a ring was full.
    pub full: u64,
    /// Messages that nobody took.
    pub dead_letters: u64,
    /// Launches of the kernel.
    pub incarnation: u64,
    /// Workers lost, each of which another took over from.
    pub losses: u64,
    /// Workers that were to stand by and did not open, or ended.
    pub standby_failures: u64,
}

impl Snapshot {
    /// The sums over all devices.
    pub(crate) fn take(fleet: &Fleet) -> Snapshot {
        fleet.devices().iter().map(|core| Snapshot::of(core)).fold(Snapshot::default(), |sum, one| Snapshot {
            running: sum.running + one.running,
            messages: sum.messages + one.messages,
            handled: sum.handled + one.handled,
            depth: sum.depth + one.depth,
            full: sum.full + one.full,
            dead_letters: sum.dead_letters + one.dead_letters,
            incarnation: sum.incarnation + one.incarnation,
            losses: sum.losses + one.losses,
            standby_failures: sum.standby_failures + one.standby_failures,
        })
    }

    /// Those of one device.
    pub(crate) fn of(core: &Core) -> Snapshot {
        let totals = core.count();
        Snapshot {
            running: core.running(),
            messages: totals.messages,
            handled: core.handled(),
            depth: totals.depth,
            full: totals.full,
            dead_letters: core.dead_letters(),
            incarnation: core.device.launches(),
            losses: core.device.losses().0,
            standby_failures: core.device.standby_failures().0,
        }
    }
}
