//! One life of an actor on a device: its row, its state, and how it ends.
//!
//! It takes messages until its stop, kill or fault; its row and state are given back when the device has acknowledged the stop, which is
//! the last frame it is sent. When it is to stop is decided by its actor's [`Life`](super::life::Life), which it tells what the device says.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use resident_gpu::arena::Cell;
use resident_gpu::ring::Frame;
use resident_gpu::rows::RowId;
use resident_kernels::actor::{Actor, Kind};
use resident_kernels::address::Address;
use resident_kernels::host::{Answer, End, Envelope, NoReply};
use resident_kernels::wire::{MAX_PAYLOAD, OP_CAST, OP_READ, OP_SPAWN, OP_STOP};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use crate::actor::home::Home;
use crate::actor::life::Event;
use crate::actor::recovery::Recovery;
use crate::actor::shell::Shell;
use crate::device::core::Core;
use crate::device::names::Named;
use crate::error::{CastError, SpawnError};
use crate::fault::{At, Failure, FaultClass, GpuFault, Returned};
use crate::shard::frames::{self, Spawning};
use crate::shard::link::{Control, Path, Recipient};
use crate::shard::occupant::{Occupant, Residence, Tenant, refused};
use crate::shard::port::Port;
use crate::shard::waiting::holding;
use crate::system::System;
use crate::who::Who;

/// One life of an actor on a device.
pub(crate) struct Incarnation {
    pub row: RowId,
    /// Which of its actor's it is, from 1.
    pub number: u64,
    /// Messages are taken: it has not failed, and its stop is not on the way. Read under the port's lock where order matters, so relaxed.
    open: AtomicBool,
    pub kind_index: u32,
    pub kind: &'static Kind,
    pub port: Arc<Port>,
    pub core: Arc<Core>,
    shell: Arc<dyn Shell>,
    /// Messages that its state held when it began: the device counts from there.
    pub before: u64,
    home: Weak<Home>,
    /// Hears of every message that is sent to it.
    recovery: Option<Arc<Recovery>>,
    state: Cell,
    /// The message that it failed at, as the device has it, until somebody begins anew from there.
    failure: Mutex<Option<Failure>>,
    fault: OnceLock<GpuFault>,
    /// The state as a fault left it, once it was read.
    left: OnceLock<Arc<[u8]>>,
    /// The message that was being handled when the device failed.
    returned: Mutex<Option<Returned>>,
    /// Its first message is one that its predecessor gave back.
    replays: AtomicBool,
    /// Row and state are free again.
    released: AtomicBool,
    /// Tells that `released` is set.
    gone: Notify,
}

/// Where an incarnation is to live: a row and room for its state. Dropped, both are free again.
pub(crate) struct Place {
    core: Arc<Core>,
    pub port: Arc<Port>,
    pub row: RowId,
    kind: &'static Kind,
    pub kind_index: u32,
    state: Cell,
    /// Row and state belong to an incarnation, which frees them.
    taken: bool,
}

/// A place whose actor the device has already. Dropped before anybody has moved in, the device gives it up, and then it is free.
pub(crate) struct Loaded(Option<Place>);

/// What an incarnation begins with.
pub(crate) struct Beginning {
    pub state: Vec<u8>,
    /// Messages that the state holds.
    pub before: u64,
    /// What it gets ahead of every other message.
    pub replay: Vec<Returned>,
}

impl Beginning {
    /// A state that has handled nothing.
    pub(crate) fn fresh(state: Vec<u8>) -> Beginning {
        Beginning { state, before: 0, replay: Vec::new() }
    }
}

/// What an incarnation that ends still waits for.
#[derive(Default)]
pub(crate) struct Ending {
    /// The state of one that failed, in pieces.
    state: Option<Vec<oneshot::Receiver<Vec<u8>>>>,
}

impl Place {
    /// Takes a place for an `A` on the device of `system` that it is to be on.
    pub(crate) fn claim<A: Actor>(system: &System) -> Result<Place, SpawnError> {
        system.with_room(Place::on::<A>)
    }

    /// Takes a place for the next incarnation of an `A`: on its own device, or, where that no longer is one of `system`'s that run, as for
    /// another.
    pub(crate) fn again<A: Actor>(home: &Home, system: &System) -> Result<Place, SpawnError> {
        let core = home.life().core.clone();
        let stays = core.answers() && system.fleet().devices().iter().any(|device| Arc::ptr_eq(device, &core));
        if stays { Place::on::<A>(&core) } else { Place::claim::<A>(system) }
    }

    /// Takes a row and room for the state of an `A`. Nothing is sent yet.
    pub(crate) fn on<A: Actor>(core: &Arc<Core>) -> Result<Place, SpawnError> {
        core.check_running()?;
        let kind_index = core.device.kind_index(A::KIND).ok_or(SpawnError::Kind(A::KIND.name))?;
        let state = core.arena.lock().allocate(A::KIND.state_bytes)?;
        let Some((port, row)) = core.claim_row() else {
            core.arena.lock().free(state);
            return Err(SpawnError::Rows { shards: core.ports.len() as u32, rows: core.rows_of_shard });
        };
        Ok(Place::new(core, port.shard, row, A::KIND, kind_index, state))
    }

    /// The place of a member of a group, which the group gives up.
    pub(crate) fn of_member(core: &Arc<Core>, shard: u32, row: RowId, kind: &'static Kind, kind_index: u32, offset: u64) -> Place {
        let state = Cell { offset, bytes: kind.state_bytes };
        Place::new(core, shard, row, kind, kind_index, state)
    }

    /// The place of somebody who has row and state already.
    pub(crate) fn new(core: &Arc<Core>, shard: u32, row: RowId, kind: &'static Kind, kind_index: u32, state: Cell) -> Place {
        core.reserve();
        Place { core: core.clone(), port: core.ports[shard as usize].clone(), row, kind, kind_index, state, taken: false }
    }

    /// The device.
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Where the state begins in the arena.
    pub(crate) fn offset(&self) -> u64 {
        self.state.offset
    }

    /// The device has the actor now, or may have it.
    pub(crate) fn loaded(self) -> Loaded {
        Loaded(Some(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.core.unreserve();
        if !self.taken {
            self.port.tenants().give_back(self.row);
            self.core.arena.lock().free(self.state);
        }
    }
}

impl Loaded {
    /// The place, for whom moves in.
    pub(crate) fn take(mut self) -> Option<Place> {
        self.0.take()
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        if let Some(place) = self.0.take() {
            let (port, RowId { row, generation }) = (place.port.clone(), place.row);
            // Where the device no longer runs, the place is dropped with the frame.
            port.control(Control { op: OP_STOP, message: 0, row, generation, payload: Vec::new(), answer: Some(holding(place)) });
        }
    }
}

impl Incarnation {
    /// The `number`th incarnation, at `place`; [`enter`](Self::enter) comes next.
    pub(crate) fn new(
        number: u64,
        mut place: Place,
        shell: Arc<dyn Shell>,
        home: Weak<Home>,
        before: u64,
        recovery: Option<Arc<Recovery>>,
    ) -> Incarnation {
        place.taken = true;
        Incarnation {
            row: place.row,
            number,
            open: AtomicBool::new(true),
            kind_index: place.kind_index,
            kind: place.kind,
            port: place.port.clone(),
            core: place.core.clone(),
            shell,
            before,
            home,
            recovery,
            state: place.state,
            failure: Mutex::new(None),
            fault: OnceLock::new(),
            left: OnceLock::new(),
            returned: Mutex::new(None),
            replays: AtomicBool::new(false),
            released: AtomicBool::new(false),
            gone: Notify::new(),
        }
    }

    /// Moves into its row. Nothing is sent yet.
    pub(crate) fn enter(self: &Arc<Self>) {
        self.port.tenants().enter(self.row, Tenant::one(Living(self.clone())));
        self.core.moved_in(self.kind_index, 1);
    }

    /// Sends the state and makes the row live. Does not wait for the device: what is sent to the actor comes behind.
    pub(crate) fn spawn(self: &Arc<Self>, state: &[u8]) {
        let spawning = Spawning { kind_index: self.kind_index, offset: self.state.offset, state };
        let mut buffer = [0; MAX_PAYLOAD];
        for piece in 0..=spawning.ahead() {
            let (op, bytes) = spawning.write(piece, &mut buffer);
            self.control(op, buffer[..bytes].to_vec(), (op == OP_SPAWN).then(|| self.arrival()));
        }
    }

    /// The answer to the spawn.
    fn arrival(self: &Arc<Self>) -> Answer {
        let actor = self.clone();
        Answer::new(move |end: End<'_>| match end {
            Ok(_) => actor.arrive(),
            Err(NoReply::Refused(reason)) => {
                actor.fail(FaultClass::Refused, None, refused(reason));
                actor.stop_proxy();
            }
            // Said by whoever has failed it.
            Err(NoReply::Failed(_) | NoReply::Lost) => {}
        })
    }

    fn control(&self, op: u16, payload: Vec<u8>, answer: Option<Answer>) -> bool {
        self.port.control(Control { op, message: 0, row: self.row.row, generation: self.row.generation, payload, answer })
    }

    /// What stays the same over its restarts.
    pub(crate) fn home(&self) -> Option<Arc<Home>> {
        self.home.upgrade()
    }

    /// Where other actors reach it.
    pub(crate) fn address<A>(&self) -> Address<A> {
        Address::new(self.core.device.system(), self.port.shard, self.row.row, self.row.generation)
    }

    /// Who its actor is.
    pub(crate) fn who(&self) -> &Who {
        self.shell.who()
    }

    fn place(&self) -> (u32, RowId) {
        (self.port.shard, self.row)
    }

    /// Has its actor's life know.
    fn note(&self, event: impl FnOnce(u64) -> Event) {
        if let Some(home) = self.home() {
            home.note(event(self.number));
        }
    }

    /// The device has it.
    pub(crate) fn arrive(&self) {
        self.note(Event::Arrived);
        if let Some(name) = self.name() {
            self.core.names.publish(self.named(name), self.core.system(), || self.is_open());
        }
    }

    /// It takes no messages any more.
    fn retract(&self) {
        if let Some(name) = self.name() {
            self.core.names.retract(self.named(name));
        }
    }

    /// The name that handlers may find it by, if it has one; in a child that was forked nobody has one to put in or to take out.
    fn name(&self) -> Option<&str> {
        self.who().name.as_deref().filter(|_| self.core.is_mine())
    }

    fn named<'a>(&self, name: &'a str) -> Named<'a> {
        Named { name, kind: self.kind, shard: self.port.shard, id: self.row }
    }

    /// Sends a message, waiting for room in the ring.
    pub(crate) async fn send<E: Envelope>(&self, path: Path, msg: E) -> Result<(), CastError<E>> {
        match self.port.send(self, path, msg) {
            Err(CastError::Full(msg)) => {
                let again = |msg| match self.port.send(self, path, msg) {
                    Err(CastError::Full(msg)) => Err(msg),
                    done => Ok(done),
                };
                self.port.with_room(msg, again).await
            }
            done => done,
        }
    }

    /// Where it failed, as far as the device could say; once, for whoever begins anew from there.
    pub(crate) fn take_failure(&self) -> Option<Failure> {
        self.failure.lock().take()
    }

    /// Sends what its predecessor gave back, behind the spawn and ahead of every other message. Answered to nobody: a call has
    /// ended with the fault.
    pub(crate) fn replay(&self, returned: Returned) {
        self.replays.store(true, Ordering::Relaxed);
        let Returned { message, payload } = returned;
        self.port.control(Control { op: OP_CAST, message, row: self.row.row, generation: self.row.generation, payload, answer: None });
    }

    /// Keeps the message that was being handled when the device failed; comes before [`fail`](Self::fail).
    pub(crate) fn give_back(&self, returned: Returned) {
        *self.returned.lock() = Some(returned);
    }

    /// The message to hand to the next incarnation. One that was handed on before and was the first to be handled again is a
    /// dead letter: it would fail the actor once more.
    pub(crate) fn take_returned(&self) -> Option<Returned> {
        let returned = self.returned.lock().take()?;
        if self.replays.load(Ordering::Relaxed) && self.fault().is_some_and(|fault| fault.handled == self.before) {
            self.core.dead_letter();
            return None;
        }
        Some(returned)
    }

    /// Why the actor failed, if it has.
    #[inline]
    pub(crate) fn fault(&self) -> Option<&GpuFault> {
        self.fault.get()
    }

    /// Records why the actor failed, the first time; its supervisor hears it when the proxy stops.
    pub(crate) fn fail(&self, class: FaultClass, at: Option<At>, text: String) {
        let fault = self.core.subject(self.kind, self.who()).fault(class, at, self.before, text);
        let handled = fault.handled;
        if self.fault.set(fault).is_ok() {
            *self.failure.lock() = at.map(|_| Failure { handled, again: class.is_a_loss() });
            self.core.metrics.faults(class, 1);
            if !class.comes_from_elsewhere() {
                self.core.links.failed(self.place(), || self.fault().map_or_else(String::new, GpuFault::to_string));
            }
        }
        self.open.store(false, Ordering::Relaxed);
        self.note(Event::Failed);
        self.retract();
        self.port.credit.notify_waiters();
    }

    /// Tells that the actor has failed: the proxy stops, or a guardian decides.
    pub(crate) fn stop_proxy(self: &Arc<Self>) {
        match self.home.upgrade() {
            Some(home) => home.hear(Event::Told(self.number)),
            None => self.stop_actor(),
        }
    }

    /// Stops the proxy of an actor that has failed.
    pub(crate) fn stop_actor(&self) {
        self.shell.stop(self.fault.get().map(|fault| fault.class.to_string()));
    }

    /// Asks for the state of an actor that has failed, and for its stop, which the device answers once everything accepted before
    /// is handled. Does not wait; [`end`](Self::end) does.
    pub(crate) fn begin_end(self: &Arc<Self>) -> Ending {
        let readable = self.fault.get().is_some_and(|fault| fault.class != FaultClass::DeviceLost);
        let ending = Ending { state: readable.then(|| self.read_state()) };
        self.stop();
        ending
    }

    /// Closes the actor and has the device stop it behind everything that it was sent. Once.
    fn stop(self: &Arc<Self>) {
        let actor = self.clone();
        // Also where the spawn before it was refused, or the device no longer runs: there is nothing to free there.
        let gone = Answer::new(move |_: End<'_>| actor.release());
        self.port.stop(self.row, || self.open.store(false, Ordering::Relaxed), gone);
        self.retract();
    }

    /// Waits until row and state are given back; an error says why the actor failed.
    pub(crate) async fn end(&self, ending: Ending) -> Result<(), GpuFault> {
        let limit = self.core.stop_timeout;
        let over = async {
            self.gone().await;
            // The answers came before that of the stop.
            if let Some(pieces) = ending.state
                && let Some(state) = joined(pieces).await
            {
                let _ = self.left.set(state);
            }
        };
        if timeout(limit, over).await.is_err() {
            self.fail(FaultClass::Hang, None, format!("no answer within {limit:?}: a handler of its shard runs on"));
        }
        match self.fault.get() {
            None => Ok(()),
            Some(fault) => {
                let mut fault = fault.clone();
                fault.state = self.left.get().cloned();
                Err(fault)
            }
        }
    }

    /// Asks for the whole state, in pieces.
    fn read_state(&self) -> Vec<oneshot::Receiver<Vec<u8>>> {
        let total = self.kind.state_bytes;
        let piece = |offset: u32| {
            let bytes = (total - offset).min(MAX_PAYLOAD as u32);
            let (read, piece) = oneshot::channel();
            let answer = Answer::new(|end: End<'_>| {
                if let Ok(bytes) = end {
                    // Who waited may have given up.
                    let _ = read.send(bytes.to_vec());
                }
            });
            self.control(OP_READ, frames::read(offset, bytes), Some(answer));
            piece
        };
        (0..total).step_by(MAX_PAYLOAD).map(piece).collect()
    }

    /// Has the device leave out what it was sent and not handled yet.
    pub(crate) fn kill(&self) {
        self.core.device.kill(self.port.shard, self.row.row, self.row.generation);
        self.core.links.failed(self.place(), || format!("actor {} ({}) was killed", self.who(), self.kind.name));
    }

    /// Takes back one that has not begun for its actor. Does not wait.
    pub(crate) fn revoke(self: &Arc<Self>) {
        self.kill();
        self.stop();
    }

    /// The device has no more to do with it: row and state are free. Once, as the answer to its stop.
    fn release(&self) {
        self.port.tenants().leave(self.row, || self.residence(), self.fault());
        self.core.links.ended(self.place());
        self.core.arena.lock().free(self.state);
        self.core.moved_out(self.kind_index, 1);
        self.note(Event::Released);
        self.released.store(true, Ordering::Release);
        self.gone.notify_waiters();
    }

    /// What a checkpoint says of it.
    fn residence(&self) -> Residence {
        Residence { row: self.row, name: self.who().name.clone(), before: self.before }
    }

    /// Waits until row and state are free again.
    pub(crate) async fn gone(&self) {
        let gone = self.gone.notified();
        tokio::pin!(gone);
        gone.as_mut().enable();
        if !self.released.load(Ordering::Acquire) {
            gone.await;
        }
    }
}

impl Recipient for Incarnation {
    #[inline]
    fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    #[inline]
    fn row(&self) -> RowId {
        self.row
    }

    #[inline]
    fn kind(&self) -> &'static Kind {
        self.kind
    }

    #[inline]
    fn kind_index(&self) -> u32 {
        self.kind_index
    }

    #[inline]
    fn sent(&self, frame: &Frame<'_>) {
        if let Some(recovery) = &self.recovery {
            recovery.sent(frame);
        }
    }
}

/// An actor, as its row knows it.
pub(crate) struct Living(pub Arc<Incarnation>);

impl Occupant for Living {
    fn kind(&self, _: u32) -> &'static Kind {
        self.0.kind
    }

    fn is_alone(&self) -> bool {
        true
    }

    fn is_open(&self) -> bool {
        self.0.is_open()
    }

    fn fault(&self, _: u32, _: RowId) -> Option<GpuFault> {
        self.0.fault().cloned()
    }

    fn fail(&self, _: u32, _: RowId, class: FaultClass, at: Option<At>, text: String) {
        self.0.fail(class, at, text);
    }

    fn fail_linked(&self, _: u32, _: RowId, text: String) -> Option<String> {
        let actor = &self.0;
        if !actor.is_open() {
            return None;
        }
        actor.fail(FaultClass::Linked, None, text);
        Some(format!("actor {} ({})", actor.who(), actor.kind.name))
    }

    fn lost(&self, text: &str) {
        self.0.fail(FaultClass::DeviceLost, None, text.to_owned());
    }

    fn failed(&self) {
        self.0.stop_proxy();
    }

    fn ended(&self, _: u32, _: RowId) {
        self.0.stop_actor();
    }

    fn give_back(&self, returned: Returned) {
        self.0.give_back(returned);
    }

    fn sent(&self, frame: &Frame<'_>) {
        self.0.sent(frame);
    }

    fn residence(&self) -> Option<Residence> {
        Some(self.0.residence())
    }
}

/// The state that these pieces are, if all came.
async fn joined(pieces: Vec<oneshot::Receiver<Vec<u8>>>) -> Option<Arc<[u8]>> {
    let mut state = Vec::new();
    for piece in pieces {
        state.extend_from_slice(&piece.await.ok()?);
    }
    Some(state.into())
}
