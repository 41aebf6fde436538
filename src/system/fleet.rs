//! The devices of a system, in their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use resident_gpu::device::{DeviceFault, Health};

use crate::device::core::Core;
use crate::device::directory::{Lodger, newest_first};
use crate::device::shared::Shared;
use crate::error::{PlacementError, SpawnError};
use crate::system::placement::{Load, Placement, in_turn, least_loaded};
use crate::who::ActorKey;

/// The devices of a system.
pub(crate) struct Fleet {
    pub shared: Arc<Shared>,
    devices: Box<[Arc<Core>]>,
    /// Whose turn it is to be the first device.
    turn: AtomicUsize,
}

impl Fleet {
    /// Devices that run, one at least.
    pub(crate) fn new(shared: Arc<Shared>, devices: Box<[Arc<Core>]>) -> Fleet {
        Fleet { shared, devices, turn: AtomicUsize::new(0) }
    }

    pub(crate) fn devices(&self) -> &[Arc<Core>] {
        &self.devices
    }

    /// The first of them.
    pub(crate) fn first(&self) -> &Arc<Core> {
        &self.devices[0]
    }

    /// The device, where there is only one.
    pub(crate) fn only(&self) -> Option<&Arc<Core>> {
        if let [only] = &*self.devices { Some(only) } else { None }
    }

    /// Whether this is the process that has started the system, and no child that was forked from it.
    pub(crate) fn is_mine(&self) -> bool {
        self.shared.is_mine()
    }

    /// Whether one of them takes actors.
    pub(crate) fn runs(&self) -> bool {
        self.devices.iter().any(|core| core.check_running().is_ok())
    }

    /// Refuses where no proxy can be started.
    pub(crate) fn check_proxies(&self) -> Result<(), SpawnError> {
        self.first().check_proxies()
    }

    pub(crate) fn running(&self) -> usize {
        self.devices.iter().map(|core| core.running()).sum()
    }

    pub(crate) fn dead_letters(&self) -> u64 {
        self.devices.iter().map(|core| core.dead_letters()).sum()
    }

    /// Why the system is lost, if each of its devices is.
    pub(crate) fn lost(&self) -> Option<&DeviceFault> {
        let mut faults = self.devices.iter().map(|core| core.lost());
        faults.try_fold(None, |_, fault| Some(Some(fault?))).flatten()
    }

    /// How the system is: it runs while one of its devices does.
    pub(crate) fn health(&self) -> Health {
        let all: Vec<_> = self.devices.iter().map(|core| core.health()).collect();
        let of = |is: fn(&Health) -> bool| all.iter().find(|health| is(health));
        let runs = of(|health| *health == Health::Running);
        runs.or_else(|| of(|health| matches!(health, Health::Failed(_)))).unwrap_or(&Health::Stopped).clone()
    }

    /// Everyone who does not rest, the last one started first, whichever the device.
    pub(crate) fn newest_first(&self) -> Vec<Arc<dyn Lodger>> {
        newest_first(self.devices.iter().flat_map(|core| core.directory.live()).collect())
    }

    /// The `L` with this key, if it is on one of them.
    pub(crate) fn find<L: Lodger>(&self, key: ActorKey) -> Option<Arc<L>> {
        self.devices.iter().find_map(|core| core.directory.find(key))
    }

    /// What `claim` gets on the first device, in the order of `placement`, that has room for it.
    pub(crate) fn with_room<T>(
        &self,
        placement: Placement,
        mut claim: impl FnMut(&Arc<Core>) -> Result<T, SpawnError>,
    ) -> Result<T, SpawnError> {
        if let (Some(only), Placement::LeastLoaded | Placement::Spread) = (self.only(), placement) {
            return claim(only);
        }
        let mut refused: Option<SpawnError> = None;
        for core in self.in_order(placement)? {
            match claim(core) {
                Err(error) if error.is_of_one_device() => refused = Some(error.behind(refused)),
                done => return done,
            }
        }
        Err(refused.unwrap_or(SpawnError::Stopped))
    }

    /// The one device that `placement` names, if it names one; `None` where any will do.
    pub(crate) fn named(&self, placement: Placement) -> Option<Result<&Arc<Core>, PlacementError>> {
        match placement {
            Placement::LeastLoaded | Placement::Spread => None,
            Placement::On(device) => Some(self.devices.get(device).ok_or_else(|| PlacementError::NoDevice { device, there: self.there() })),
            Placement::Near(actor) => {
                let core = self.devices.iter().find(|core| core.directory.has(actor));
                Some(core.ok_or_else(|| PlacementError::NoActor { actor, there: self.there() }))
            }
        }
    }

    /// The devices where `placement` may bring somebody: the one that it names, else those that run.
    pub(crate) fn open_to(&self, placement: Placement) -> Result<Vec<&Arc<Core>>, SpawnError> {
        if let Some(core) = self.named(placement) {
            return Ok(vec![core?]);
        }
        let running: Vec<_> = self.devices.iter().filter(|core| core.check_running().is_ok()).collect();
        match running.is_empty() {
            true => Err(self.devices.iter().find_map(|core| core.check_running().err()).unwrap_or(SpawnError::Stopped)),
            false => Ok(running),
        }
    }

    /// The same, the one that is to be tried first ahead.
    fn in_order(&self, placement: Placement) -> Result<Vec<&Arc<Core>>, SpawnError> {
        let open = self.open_to(placement)?;
        let order = match placement {
            Placement::Spread => in_turn(open.len(), self.next_turn()),
            _ => least_loaded(&open.iter().map(|core| Load::of(core)).collect::<Vec<_>>()),
        };
        Ok(order.into_iter().map(|place| open[place]).collect())
    }

    /// Whose turn it is to be the first device.
    pub(crate) fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// The devices, for people.
    fn there(&self) -> String {
        let all: Vec<_> = self.devices.iter().enumerate().map(|(place, core)| format!("{place} ({})", core.name)).collect();
        all.join(", ")
    }
}
