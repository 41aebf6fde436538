//! The host's side of a shard's nursery (`kernels/cuda/nursery.h`): it fills the nursery up with grants, and keeps a table of the actors
//! that handlers have spawned, the *children*.
//!
//! - **B-1 (one owner)** A row that was granted belongs to its grant, to the child that was born in it, to the child's own actor once it
//!   was adopted, or to a stop on its way.
//! - **B-2 (told first)** A birth is heard of ahead of everything that its shard says of the child.
//! - **B-3 (due)** The rows and states of the nursery are beyond `Config::rows` and `Config::arena_bytes`: a spawn by the application finds as
//!   many places as if there were no nursery.
//!
//! Locks: the one here is taken ahead of a port's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::{Mutex, MutexGuard};
use resident_gpu::arena::Cell;
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;
use resident_kernels::wire::{Born, OP_GRANT, OP_STOP};

use crate::device::core::Core;
use crate::device::leaving::Leaving;
use crate::fault::{At, FaultClass, GpuFault};
use crate::shard::frames;
use crate::shard::link::Control;
use crate::shard::occupant::{Occupant, OccupantRef, Tenant};
use crate::shard::port::Port;
use crate::shard::waiting::holding;

/// A shard's nursery.
pub(crate) struct Nursery {
    shard: u32,
    kinds: &'static [&'static Kind],
    /// Grants that it is to have.
    grants: u32,
    /// Bytes of room for a state.
    bytes: u32,
    core: OnceLock<Weak<Core>>,
    table: Mutex<Table>,
    /// It has fewer grants than it is to have, for want of rows or room.
    short: AtomicBool,
    /// One adoption after another.
    changes: tokio::sync::Mutex<()>,
    /// What the rows of children know.
    occupant: OnceLock<OccupantRef>,
}

/// The children of a nursery as their rows know them, each by its kind.
pub(crate) struct Children {
    kinds: &'static [&'static Kind],
    nursery: Weak<Nursery>,
}

impl Occupant for Children {
    fn kind(&self, kind: u32) -> &'static Kind {
        // `born` has looked.
        self.kinds[kind as usize]
    }

    fn fault(&self, _: u32, _: RowId) -> Option<GpuFault> {
        // Whoever has failed is none any more.
        None
    }

    fn fail(&self, _: u32, id: RowId, class: FaultClass, _: Option<At>, text: String) {
        if let Some(nursery) = self.nursery.upgrade() {
            nursery.fail(id, class, text);
        }
    }

    fn fail_linked(&self, kind: u32, id: RowId, text: String) -> Option<String> {
        let nursery = self.nursery.upgrade()?;
        nursery.fail(id, FaultClass::Linked, text).then(|| nursery.who(kind, id))
    }

    fn ended(&self, _: u32, id: RowId) {
        if let Some(nursery) = self.nursery.upgrade() {
            nursery.end(id);
        }
    }
}

#[derive(Default)]
struct Table {
    /// Grants on the device or on their way there: where their states go.
    grants: HashMap<RowId, u64>,
    children: HashMap<RowId, Child>,
}

/// An actor that a handler has spawned, and that is no actor of its own.
struct Child {
    offset: u64,
    kind: u32,
    /// What has come of it while it is being adopted.
    moving: Option<News>,
}

/// A child that is looked for.
enum Found<'a> {
    /// It is none any more.
    Gone(Child),
    /// It is being adopted.
    Moving(MutexGuard<'a, Table>),
    Nobody,
}

/// What has come of a child while it was being adopted.
#[derive(Default)]
pub(crate) struct News {
    pub fault: Option<(FaultClass, String)>,
    pub ended: bool,
}

impl Nursery {
    /// Of so many grants with room for states of `bytes` bytes.
    pub(crate) fn new(shard: u32, kinds: &'static [&'static Kind], grants: u32, bytes: u32) -> Arc<Nursery> {
        Arc::new(Nursery {
            shard,
            kinds,
            grants,
            bytes,
            core: OnceLock::new(),
            table: Mutex::default(),
            short: AtomicBool::new(false),
            changes: tokio::sync::Mutex::new(()),
            occupant: OnceLock::new(),
        })
    }

    /// From here on it is part of `core`.
    pub(crate) fn open(&self, core: &Arc<Core>) {
        let _ = self.core.set(Arc::downgrade(core));
        self.top_up();
    }

    fn occupant(self: &Arc<Self>) -> OccupantRef {
        let make = || -> OccupantRef { Arc::new(Box::new(Children { kinds: self.kinds, nursery: Arc::downgrade(self) })) };
        self.occupant.get_or_init(make).clone()
    }

    /// Its system, and its shard's port.
    fn home(&self) -> Option<(Arc<Core>, Arc<Port>)> {
        let core = self.core.get()?.upgrade()?;
        let port = core.ports.get(self.shard as usize)?.clone();
        Some((core, port))
    }

    /// Sends as many grants as are missing.
    pub(crate) fn top_up(&self) {
        let Some((core, port)) = self.home() else { return };
        loop {
            // In a statement of its own: no lock is held any further.
            let claimed = port.tenants().grant(self.grants);
            let id = match claimed {
                Ok(Some(id)) => id,
                Ok(None) => return self.short.store(false, Ordering::Relaxed),
                Err(()) => break,
            };
            let Ok(state) = core.arena.lock().allocate(self.bytes) else {
                port.tenants().take_grant_back(id);
                break;
            };
            self.table.lock().grants.insert(id, state.offset);
            let payload = frames::grant(state.offset, self.bytes);
            let RowId { row, generation } = id;
            if !port.control(Control { op: OP_GRANT, message: 0, row, generation, payload, answer: None }) {
                self.refused(id);
                return;
            }
        }
        self.short.store(true, Ordering::Relaxed);
    }

    /// The same, where some were missing before.
    pub(crate) fn top_up_if_short(&self) {
        if self.short.load(Ordering::Relaxed) {
            self.top_up();
        }
    }

    /// The device did not take this grant; false if it is none.
    pub(crate) fn refused(&self, id: RowId) -> bool {
        let Some(offset) = self.table.lock().grants.remove(&id) else { return false };
        if let Some((core, port)) = self.home() {
            port.tenants().take_grant_back(id);
            core.arena.lock().free(Cell { offset, bytes: self.bytes });
        }
        true
    }

    /// A handler has spawned an actor; an error says what the device can not have meant.
    pub(crate) fn born(self: &Arc<Self>, payload: &[u8]) -> Result<(), String> {
        let born = payload.try_into().map_err(|_| format!("a birth of {} bytes", payload.len()))?;
        let Born { row, generation, kind, bytes, .. } = Born::from_bytes(born);
        let id = RowId { row, generation };
        if self.kinds.get(kind as usize).is_none_or(|kind| kind.state_bytes != bytes) {
            return Err(format!("a birth of kind {kind} with a state of {bytes} bytes"));
        }
        let Some((core, port)) = self.home() else { return Ok(()) };
        {
            let mut table = self.table.lock();
            let offset = table.grants.remove(&id).ok_or_else(|| format!("a birth in row {}, which was not granted", id.row))?;
            table.children.insert(id, Child { offset, kind, moving: None });
            port.tenants().born(id, Tenant { who: self.occupant(), slot: kind });
        }
        core.moved_in(kind, 1);
        self.top_up();
        Ok(())
    }

    fn kind(&self, kind: u32) -> &'static Kind {
        // `born` has looked.
        self.kinds[kind as usize]
    }

    /// Rows of children of these kinds.
    pub(crate) fn rows(&self, is_wanted: impl Fn(&'static Kind) -> bool) -> Vec<(u32, RowId)> {
        let table = self.table.lock();
        table.children.iter().filter(|(_, child)| is_wanted(self.kind(child.kind))).map(|(id, _)| (self.shard, *id)).collect()
    }

    /// A child has failed: it is counted and told, and its row is free once the device has come there. False if it takes no messages any
    /// more.
    fn fail(&self, id: RowId, class: FaultClass, text: String) -> bool {
        let Some((core, port)) = self.home() else { return false };
        match self.take(id) {
            Found::Gone(child) => {
                // Ahead of what is said to its links: who links itself to it from here on finds nobody.
                port.tenants().vacate(id);
                let who = self.who(child.kind, id);
                tracing::warn!(system = core.system(), device = %core.name, kind = self.kind(child.kind).name, shard = self.shard, row = id.row, "{who} {class}: {text}");
                core.metrics.faults(class, 1);
                if !class.comes_from_elsewhere() {
                    core.links.failed((self.shard, id), || format!("{who} {class}: {text}"));
                }
                self.send_off(&core, &port, id, child);
                true
            }
            Found::Moving(mut table) => {
                let news = table.children.get_mut(&id).and_then(|child| child.moving.as_mut());
                news.is_some_and(|news| {
                    let first = news.fault.is_none() && !news.ended;
                    news.fault.get_or_insert((class, text));
                    first
                })
            }
            Found::Nobody => {
                // It was adopted meanwhile.
                if let Some(tenant) = port.tenant(id).filter(|tenant| tenant.who.is_alone()) {
                    tenant.fail(id, class, None, text);
                    tenant.who.failed();
                }
                false
            }
        }
    }

    /// A child has asked for its end.
    fn end(&self, id: RowId) {
        let Some((core, port)) = self.home() else { return };
        match self.take(id) {
            Found::Gone(child) => self.send_off(&core, &port, id, child),
            Found::Moving(mut table) => {
                if let Some(news) = table.children.get_mut(&id).and_then(|child| child.moving.as_mut()) {
                    news.ended = true;
                }
            }
            Found::Nobody => {
                if let Some(tenant) = port.tenant(id).filter(|tenant| tenant.who.is_alone()) {
                    tenant.ended(id);
                }
            }
        }
    }

    /// Takes a child out, unless it is being adopted: nobody begins to adopt it from then on.
    fn take(&self, id: RowId) -> Found<'_> {
        let mut table = self.table.lock();
        match table.children.get(&id) {
            Some(Child { moving: Some(_), .. }) => Found::Moving(table),
            _ => table.children.remove(&id).map_or(Found::Nobody, Found::Gone),
        }
    }

    /// What a child is called.
    fn who(&self, kind: u32, id: RowId) -> String {
        format!("a `{}` that was spawned on the device at shard {}, row {}", self.kind(kind).name, self.shard, id.row)
    }

    /// Has the device stop a child that was taken out: then row and room are free.
    fn send_off(&self, core: &Arc<Core>, port: &Arc<Port>, id: RowId, Child { offset, kind, .. }: Child) {
        port.tenants().vacate(id);
        core.links.ended((self.shard, id));
        let leaving = self.leaving(core, port, kind, id, offset);
        let RowId { row, generation } = id;
        // Where the device no longer runs both are free at once.
        port.control(Control { op: OP_STOP, message: 0, row, generation, payload: Vec::new(), answer: Some(holding(leaving)) });
        // It may have been what was missing.
        self.short.store(true, Ordering::Relaxed);
    }

    fn leaving(&self, core: &Arc<Core>, port: &Arc<Port>, kind: u32, id: RowId, offset: u64) -> Leaving {
        Leaving { core: core.clone(), port: port.clone(), kind_index: kind, state_bytes: self.bytes, rows: vec![(id, offset)] }
    }

    /// The device no longer runs: nobody lives here any more.
    pub(crate) fn abandon(&self) {
        let Some((core, port)) = self.home() else { return };
        let Table { grants, children } = std::mem::take(&mut *self.table.lock());
        for (id, offset) in grants {
            port.tenants().take_grant_back(id);
            core.arena.lock().free(Cell { offset, bytes: self.bytes });
        }
        for (id, Child { offset, kind, moving }) in children {
            // Of one that is being adopted its own actor takes care.
            if moving.is_none() {
                port.tenants().vacate(id);
                drop(self.leaving(&core, &port, kind, id, offset));
            }
        }
    }

    /// One adoption after another: the others wait while the value lives.
    pub(crate) async fn change(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changes.lock().await
    }

    /// A child is being adopted: room for its state. From here on what comes of it is kept until it was [adopted](Self::adopted).
    pub(crate) fn begin_adoption(&self, id: RowId) -> Option<Cell> {
        let mut table = self.table.lock();
        let child = table.children.get_mut(&id)?;
        child.moving = Some(News::default());
        Some(Cell { offset: child.offset, bytes: self.bytes })
    }

    /// It is a child no more: what has come of it meanwhile.
    pub(crate) fn adopted(&self, id: RowId) -> News {
        self.table.lock().children.remove(&id).and_then(|child| child.moving).unwrap_or_default()
    }
}
