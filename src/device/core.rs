//! What all parts of a device share: the device, the ways into it, and who lives on it.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use resident_checkpoint::Checkpoint;
use resident_gpu::arena::Arena;
use resident_gpu::device::{Device, DeviceFault, Health, Isolation};
use resident_gpu::region::Owner;
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;
use resident_kernels::wire::{CANCEL, LATER, LINK, ShardProgress};

use crate::config::Config;
use crate::device::directory::Directory;
use crate::device::later::{self, Timers};
use crate::device::links::{self, Links};
use crate::device::names::Names;
use crate::device::nursery::Nursery;
use crate::device::runtime;
use crate::device::shared::Shared;
use crate::error::SpawnError;
use crate::fault::Subject;
use crate::metrics::{Lease, Metrics, Now, Shard, Space, Totals};
use crate::shard::doorbell::Doorbell;
use crate::shard::link::Sent;
use crate::shard::port::Port;
use crate::who::Who;

/// Actors are spawned and handle messages.
const RUNNING: u8 = 0;
/// No actor is spawned any more.
const STOPPING: u8 = 1;
/// The device has stopped.
const STOPPED: u8 = 2;

/// The last checkpoint of a whole device.
pub(crate) struct Last {
    /// What the worker knows it by.
    pub number: u64,
    pub checkpoint: Checkpoint,
}

/// What all parts of a device share.
pub(crate) struct Core {
    /// Whose it is: in a child that was forked nothing is done with it.
    owner: Owner,
    pub device: Arc<Device>,
    /// The device, as faults name it.
    pub name: Arc<str>,
    /// What it shares with the other devices of its system.
    pub shared: Arc<Shared>,
    pub ports: Box<[Arc<Port>]>,
    pub bells: Box<[Arc<Doorbell>]>,
    pub arena: Mutex<Arena>,
    pub timers: Timers,
    pub links: Links,
    /// By shard.
    pub nurseries: Box<[Arc<Nursery>]>,
    /// Rows of a shard that the application may have actors in.
    pub rows_of_shard: u32,
    pub names: Names,
    pub metrics: Metrics,
    /// A worker is to stand by.
    standby: bool,
    pub stop_timeout: Duration,
    /// How long a calling task looks for its reply before it sleeps.
    pub call_yield: Duration,
    /// The last checkpoint of the whole device; locked while one is taken.
    pub last: tokio::sync::Mutex<Option<Last>>,
    pub directory: Directory,
    /// Actors that have a row, members of groups among them.
    rows: AtomicUsize,
    /// Places that are kept for actors, which are not in them yet.
    reserved: AtomicUsize,
    next_shard: AtomicU32,
    phase: AtomicU8,
    lost: OnceLock<DeviceFault>,
    dead_letters: AtomicU64,
    /// Refusals that a caller heard of; the shards count those of casts among theirs.
    answered_refusals: AtomicU64,
}

impl Core {
    pub(crate) fn new(
        device: Arc<Device>,
        ports: Box<[Arc<Port>]>,
        bells: Box<[Arc<Doorbell>]>,
        kept: (Timers, Links),
        series: Lease,
        shared: Arc<Shared>,
        config: &Config,
    ) -> Core {
        let nursery = |port: &Arc<Port>| Nursery::new(port.shard, device.kinds(), config.nursery, config.nursery_bytes);
        let nurseries = ports.iter().map(nursery).collect();
        Core {
            owner: Owner::me(),
            arena: Mutex::new(Arena::new(0, device.arena_bytes())),
            metrics: Metrics::new(series, device.kinds().len(), ports.len()),
            standby: config.standby && config.isolation == Isolation::Process,
            names: Names::new(device.take_names()),
            name: device.info().label().into(),
            shared,
            ports,
            bells,
            device,
            timers: kept.0,
            links: kept.1,
            nurseries,
            rows_of_shard: config.rows,
            stop_timeout: config.stop_timeout,
            call_yield: config.call_yield,
            last: tokio::sync::Mutex::new(None),
            directory: Directory::default(),
            rows: AtomicUsize::new(0),
            reserved: AtomicUsize::new(0),
            next_shard: AtomicU32::new(0),
            phase: AtomicU8::new(RUNNING),
            lost: OnceLock::new(),
            dead_letters: AtomicU64::new(0),
            answered_refusals: AtomicU64::new(0),
        }
    }

    /// Its system's name, if that has one.
    pub(crate) fn system(&self) -> Option<&str> {
        self.shared.system.as_deref()
    }

    /// Whether this is the process that has started the system, and no child that was forked from it.
    #[inline]
    pub(crate) fn is_mine(&self) -> bool {
        self.owner.is_me()
    }

    /// Refuses where no proxy can be started.
    pub(crate) fn check_proxies(&self) -> Result<(), SpawnError> {
        self.check_mine()?;
        if runtime::is_here() { Ok(()) } else { Err(SpawnError::Runtime) }
    }

    pub(crate) fn check_mine(&self) -> Result<(), SpawnError> {
        if self.is_mine() { Ok(()) } else { Err(SpawnError::Forked) }
    }

    pub(crate) fn check_running(&self) -> Result<(), SpawnError> {
        self.check_mine()?;
        match (self.lost.get(), self.phase.load(Ordering::Acquire)) {
            (Some(fault), _) => Err(SpawnError::Lost(fault.clone())),
            (None, RUNNING) => Ok(()),
            (None, _) => Err(SpawnError::Stopped),
        }
    }

    /// Waits until each shard has handled everything that it was sent before; false if the device no longer runs.
    pub(crate) async fn fence(&self) -> bool {
        let passed: Vec<_> = self.ports.iter().map(|port| port.fence()).collect();
        for passed in passed {
            if passed.await.is_err() {
                return false;
            }
        }
        true
    }

    /// Who has failed here, for its fault.
    pub(crate) fn subject<'a>(&'a self, kind: &'static Kind, who: &'a Who) -> Subject<'a> {
        Subject { kind, who, device: &self.name, launches: self.device.launches() }
    }

    /// Counts what was sent: sums since the start.
    pub(crate) fn count(&self) -> Totals {
        self.metrics.count(|sent: &mut [Sent]| {
            self.ports.iter().map(|port| port.tally(sent)).fold((0, 0), |(full, depth), (more, slots)| (full + more, depth + slots))
        })
    }

    /// Reports the metrics.
    pub(crate) fn report(&self) {
        self.metrics.report(self.now());
    }

    /// Reports them for the last time.
    pub(crate) fn report_the_end(&self) {
        self.metrics.end(self.now());
    }

    /// Frames that shards have handled, as far as they have said.
    pub(crate) fn handled(&self) -> u64 {
        (0..self.ports.len() as u32).map(|shard| self.device.progress(shard).handled).sum()
    }

    /// Looks whether a worker was lost, and whether another has taken over.
    pub(crate) fn look_for_losses(&self) {
        if let (losses, Some(last)) = self.device.losses() {
            self.metrics.losses(losses, last.fault.class, last.resumed.map(|resumed| resumed - last.noticed));
        }
    }

    fn now(&self) -> Now {
        self.count();
        self.look_for_losses();
        let shard = |port: &Arc<Port>| {
            let ShardProgress { handled, refused, busy, .. } = self.device.progress(port.shard);
            Shard { depth: port.depth(), handled, refused, busy, rows: port.tenants().taken_and_free() }
        };
        // Whoever spawns a million has it for a while, which the pump does not wait for.
        let arena = self.arena.try_lock();
        Now {
            shards: self.ports.iter().map(shard).collect(),
            arena: arena.map(|arena| Space { used: arena.used(), free: arena.capacity() - arena.used(), largest: arena.largest_free() }),
            timers: self.timers.waiting(),
            dead_letters: self.dead_letters(),
            up: self.answers(),
            launches: self.device.launches(),
            standby: self.standby.then(|| self.device.standby().is_some()),
            standby_failures: self.device.standby_failures().0,
        }
    }

    /// A free row of the next shard that has one.
    pub(crate) fn claim_row(&self) -> Option<(&Arc<Port>, RowId)> {
        let shards = self.ports.len();
        let first = self.turn();
        (0..shards).map(|i| &self.ports[(first + i) % shards]).find_map(|port| Some((port, port.tenants().claim()?)))
    }

    /// Whose turn it is to be the first shard.
    pub(crate) fn turn(&self) -> usize {
        self.next_shard.fetch_add(1, Ordering::Relaxed) as usize
    }

    /// So many actors of this kind have a row.
    pub(crate) fn moved_in(&self, kind: u32, actors: usize) {
        self.rows.fetch_add(actors, Ordering::Relaxed);
        self.metrics.running(kind, actors as i64);
    }

    /// Their rows are free again.
    pub(crate) fn moved_out(&self, kind: u32, actors: usize) {
        self.rows.fetch_sub(actors, Ordering::Relaxed);
        self.metrics.running(kind, -(actors as i64));
    }

    /// A place is kept for an actor.
    pub(crate) fn reserve(&self) {
        self.reserved.fetch_add(1, Ordering::Relaxed);
    }

    /// It is taken, or given back.
    pub(crate) fn unreserve(&self) {
        self.reserved.fetch_sub(1, Ordering::Relaxed);
    }

    /// Actors that have a row or will have.
    pub(crate) fn load(&self) -> usize {
        self.running() + self.reserved.load(Ordering::Relaxed)
    }

    pub(crate) fn running(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    /// Hands on what an actor has emitted; false if nobody takes it.
    pub(crate) fn emitted(&self, ty: u32, payload: &[u8]) -> bool {
        match ty {
            LATER => self.timers.add(self.device.system(), payload),
            CANCEL => later::cancel(&self.shared, payload),
            LINK => self.links.add(self, payload),
            _ => self.shared.routes.deliver(ty, payload),
        }
    }

    /// Whether somebody of the kind with this tag lives there and has not failed.
    pub(crate) fn lives(&self, (shard, id): links::Place, tag: u16) -> bool {
        let tenant = self.ports.get(shard as usize).and_then(|port| port.tenant(id));
        tenant.is_some_and(|tenant| tenant.kind().tag() == tag && tenant.fault(id).is_none())
    }

    /// Fails whoever lives there since somebody that it is linked to has: who it is. `None` if nobody is there who takes messages.
    pub(crate) fn fail_linked(&self, (shard, id): links::Place, text: String) -> Option<String> {
        let tenant = self.ports.get(shard as usize)?.tenant(id)?;
        let who = tenant.fail_linked(id, text)?;
        if !self.device.kill(shard, id.row, id.generation) {
            // A member's row may have no stop behind it that would say the same.
            let device = self.device.clone();
            tokio::spawn(async move {
                while !device.kill_rest(shard) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
        tenant.who.failed();
        Some(who)
    }

    /// A message that no one takes.
    pub(crate) fn dead_letter(&self) {
        self.dead_letters.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages that no one took: emitted without a living receiver, undeliverable, or refused by the device.
    pub(crate) fn dead_letters(&self) -> u64 {
        let refused: u64 = (0..self.ports.len() as u32).map(|shard| self.device.progress(shard).refused).sum();
        self.dead_letters.load(Ordering::Relaxed) + refused.saturating_sub(self.answered_refusals.load(Ordering::Relaxed))
    }

    /// So many messages that the device has refused are sent once more, so they are no dead letters.
    pub(crate) fn sent_again(&self, messages: u64) {
        self.answered_refusals.fetch_add(messages, Ordering::Relaxed);
    }

    /// Messages that no one takes.
    pub(crate) fn dead_letters_more(&self, messages: u64) {
        self.dead_letters.fetch_add(messages, Ordering::Relaxed);
    }

    /// A caller heard that its frame was refused, so it is no dead letter.
    pub(crate) fn answered_refusal(&self) {
        self.answered_refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// No actor is spawned from now on; false if that was said before.
    pub(crate) fn begin_stop(&self) -> bool {
        self.phase.compare_exchange(RUNNING, STOPPING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The device has stopped: the pumps fetch the rest and end.
    pub(crate) fn end(&self) {
        self.phase.store(STOPPED, Ordering::Release);
        for bell in &self.bells {
            bell.ring();
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.phase.load(Ordering::Acquire) == STOPPED
    }

    /// Why the device is lost, if it is.
    pub(crate) fn lost(&self) -> Option<&DeviceFault> {
        self.lost.get()
    }

    /// Whether the device is lost and its system goes on without it.
    pub(crate) fn is_lost_alone(&self) -> bool {
        self.lost.get().is_some() && self.phase.load(Ordering::Acquire) == RUNNING && self.shared.has_devices()
    }

    /// Whether the device still answers: neither lost nor stopped.
    pub(crate) fn answers(&self) -> bool {
        self.lost.get().is_none() && !self.has_ended()
    }

    /// How the device is; a protocol violation that only the host has seen counts.
    pub(crate) fn health(&self) -> Health {
        match self.lost.get() {
            Some(fault) => Health::Failed(fault.clone()),
            None => self.device.health(),
        }
    }

    /// The device is lost: its actors fail, and everything that waits ends.
    pub(crate) fn lose(&self, fault: DeviceFault) {
        if self.lost.set(fault.clone()).is_err() {
            return;
        }
        // Ahead of whoever hears that an actor has failed with it, and asks whether its system goes on.
        let is_last = self.shared.one_is_lost();
        self.metrics.device_lost(fault.class);
        tracing::error!(system = self.system(), device = %self.name, class = ?fault.class, "device lost: {fault}");
        let mut actors = Vec::new();
        for port in &self.ports {
            actors.append(&mut port.lose());
        }
        // A caller whose call ends finds the reason there already.
        for actor in &actors {
            actor.who.lost(&fault.text);
        }
        let lodgers = self.directory.all();
        for lodger in &lodgers {
            lodger.lose(&fault.text);
        }
        self.abandon();
        for actor in &actors {
            actor.who.failed();
        }
        for lodger in &lodgers {
            lodger.lost();
        }
        if let (true, Some(tell)) = (is_last, self.shared.on_lost.get()) {
            tell(fault);
        }
    }

    /// The device has stopped and everything it said was heard: what still waits ends.
    pub(crate) fn close(&self) {
        for port in &self.ports {
            port.lose();
        }
        self.abandon();
    }

    /// The pumps have ended: what only a system that runs needs is given back, however many handles are left. Blocks while a cut ends.
    pub(crate) fn release(&self) {
        self.ports.iter().for_each(|port| port.release());
        *self.arena.lock() = Arena::new(0, 0);
        self.device.release();
    }

    fn abandon(&self) {
        self.dead_letters_more(self.ports.iter().map(|port| port.abandon()).sum());
        self.nurseries.iter().for_each(|nursery| nursery.abandon());
    }
}
