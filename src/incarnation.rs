//! One life of an actor on a device: its row, its state, and how it ends.
//!
//! An incarnation is open, then closed by its stop, kill or fault; its row and state are given back when the device has
//! acknowledged the stop, which is the last frame it is sent.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use ractor::ActorCell;
use resident_gpu::arena::Cell;
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;
use resident_kernels::host::Resident;
use resident_kernels::wire::{INIT_STATE_BYTES, MAX_PAYLOAD, OP_INIT, OP_READ, OP_SPAWN, SPAWN_STATE_BYTES, SpawnRow};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::core::Core;
use crate::error::{CastError, SpawnError};
use crate::fault::{FaultClass, GpuFault};
use crate::link::{Control, Path, Waiting};
use crate::port::Port;

/// Messages are taken.
const OPEN: u8 = 0;
/// The actor has failed; its stop is still to come.
const FAILED: u8 = 1;
/// Its stop is on the way or done.
const CLOSED: u8 = 2;

/// One life of an actor on a device.
pub(crate) struct Incarnation {
    pub row: RowId,
    /// One of `OPEN`, `FAILED`, `CLOSED`; only rises. Read under the port's lock where order matters, so relaxed.
    phase: AtomicU8,
    pub kind_index: u32,
    pub kind: &'static Kind,
    pub port: Arc<Port>,
    pub core: Arc<Core>,
    pub actor: ActorCell,
    state: Cell,
    fault: OnceLock<GpuFault>,
    /// Callers that wait for a marker of theirs to pass the proxy's mailbox, the first one first. The k-th marker in the mailbox
    /// releases the k-th of them: among the first k markers is one sent after the k-th had come here, so what that one had sent
    /// before stands ahead of it.
    fences: Mutex<VecDeque<oneshot::Sender<()>>>,
    released: AtomicBool,
}

/// A state as it travels to the device: behind room for the `SpawnRow`. Made before the state would move through the futures of
/// a spawn, which a large one would not fit on a stack.
pub(crate) fn payload<A: Resident>(state: &A) -> Vec<u8> {
    let mut payload = vec![0; size_of::<SpawnRow>() + size_of::<A>()];
    state.encode(&mut payload[size_of::<SpawnRow>()..]);
    payload
}

impl Incarnation {
    /// Takes a row and room for the state. Nothing is sent yet.
    pub(crate) fn claim<A: Resident>(core: &Arc<Core>, actor: ActorCell) -> Result<Arc<Incarnation>, SpawnError> {
        core.check_running()?;
        let kind_index = core.device.kind_index(A::KIND).ok_or(SpawnError::Kind(A::KIND.name))?;
        let state = core.arena.lock().allocate(A::KIND.state_bytes)?;
        let Some((port, row)) = core.claim_row() else {
            core.arena.lock().free(state);
            return Err(SpawnError::Rows { shards: core.ports.len() as u32, rows: core.device.rows() });
        };
        let incarnation = Arc::new(Incarnation {
            row,
            phase: AtomicU8::new(OPEN),
            kind_index,
            kind: A::KIND,
            port: port.clone(),
            core: core.clone(),
            actor,
            state,
            fault: OnceLock::new(),
            fences: Mutex::new(VecDeque::new()),
            released: AtomicBool::new(false),
        });
        port.tenants().enter(&incarnation);
        core.enter(&incarnation);
        Ok(incarnation)
    }

    /// Sends the state, as [`payload`] has laid it out, and makes the row live. Does not wait for the device: what is sent to the
    /// actor comes behind.
    pub(crate) fn spawn(self: &Arc<Self>, mut payload: Vec<u8>) {
        let head = payload.len().min(MAX_PAYLOAD);
        for (i, piece) in payload[head..].chunks(INIT_STATE_BYTES).enumerate() {
            let offset = self.state.offset + (SPAWN_STATE_BYTES + i * INIT_STATE_BYTES) as u64;
            self.control(OP_INIT, [&offset.to_le_bytes(), piece].concat(), None);
        }
        payload.truncate(head);
        payload[..4].copy_from_slice(&self.kind_index.to_le_bytes());
        payload[4..8].copy_from_slice(&self.kind.state_bytes.to_le_bytes());
        payload[8..16].copy_from_slice(&self.state.offset.to_le_bytes());
        self.control(OP_SPAWN, payload, Some(Waiting::Spawn(self.clone())));
    }

    fn control(&self, op: u16, payload: Vec<u8>, waiting: Option<Waiting>) -> bool {
        self.port.control(Control { op, row: self.row.row, generation: self.row.generation, payload, waiting })
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == OPEN
    }

    /// Called by the port under its lock; false if the actor was closed before.
    pub(crate) fn close(&self) -> bool {
        self.phase.swap(CLOSED, Ordering::Relaxed) != CLOSED
    }

    /// Sends a message, waiting for room in the ring.
    pub(crate) async fn send<A: Resident>(&self, path: Path, msg: A::Msg) -> Result<(), CastError<A::Msg>> {
        let mut msg = match self.port.send::<A>(self, path, msg) {
            Err(CastError::Full(msg)) => msg,
            done => return done,
        };
        let _thirst = self.port.thirst();
        loop {
            let room = self.port.credit.notified();
            tokio::pin!(room);
            // From here on no notice is missed; what came before, this try sees.
            room.as_mut().enable();
            match self.port.send::<A>(self, path, msg) {
                Err(CastError::Full(back)) => msg = back,
                done => return done,
            }
            room.await;
        }
    }

    /// A caller waits for a marker that it sends to the proxy's mailbox after this.
    pub(crate) fn fence(&self) -> oneshot::Receiver<()> {
        let (passed, wait) = oneshot::channel();
        self.fences.lock().push_back(passed);
        wait
    }

    /// A marker has passed the mailbox; false if nobody sent one.
    pub(crate) fn fence_passed(&self) -> bool {
        // One whose caller has gone counts too.
        let passed = self.fences.lock().pop_front();
        passed.map(|passed| passed.send(())).is_some()
    }

    /// No marker passes any more.
    pub(crate) fn end_fences(&self) {
        self.fences.lock().clear();
    }

    /// Why the actor failed, if it has.
    #[inline]
    pub(crate) fn fault(&self) -> Option<&GpuFault> {
        self.fault.get()
    }

    /// Records why the actor failed, the first time; its supervisor hears it when the proxy stops.
    pub(crate) fn fail(&self, class: FaultClass, message: Option<u32>, handled: u64, text: String) {
        let fault = GpuFault {
            class,
            kind: self.kind.name,
            actor: self.actor.get_id(),
            name: self.actor.get_name(),
            message: message.and_then(|index| self.kind.messages.get(index as usize)).map_or("", |info| info.name),
            handled,
            text,
            device: self.core.name.clone(),
            incarnation: self.core.device.launches(),
            state: None,
            fingerprint: self.kind.fingerprint,
        };
        if self.fault.set(fault).is_ok() {
            self.core.metrics.fault(class);
        }
        // `fetch_max`: a stop that is on its way stays so.
        self.phase.fetch_max(FAILED, Ordering::Relaxed);
        self.port.credit.notify_waiters();
    }

    /// Stops the proxy of an actor that has failed.
    pub(crate) fn stop_proxy(&self) {
        self.actor.stop(self.fault.get().map(|fault| fault.class.to_string()));
    }

    /// Stops the actor on the device, once everything accepted before is handled, and gives row and state back.
    pub(crate) async fn finish(self: &Arc<Self>) -> Result<(), GpuFault> {
        let limit = self.core.stop_timeout;
        let mut state = None;
        if self.fault.get().is_some_and(|fault| fault.class != FaultClass::DeviceLost) {
            state = timeout(limit, self.read_state()).await.ok().flatten();
        }
        let (done, acknowledged) = oneshot::channel();
        if self.port.stop(self, Some(done)) && timeout(limit, acknowledged).await.is_err() {
            self.fail(FaultClass::Hang, None, 0, format!("no answer within {limit:?}: a handler of its shard runs on"));
        }
        match self.fault.get() {
            None => Ok(()),
            Some(fault) => Err(GpuFault { state, ..fault.clone() }),
        }
    }

    async fn read_state(&self) -> Option<Arc<[u8]>> {
        let total = self.kind.state_bytes;
        let mut state = Vec::with_capacity(total as usize);
        while (state.len() as u32) < total {
            let offset = state.len() as u32;
            let bytes = (total - offset).min(MAX_PAYLOAD as u32);
            let (answer, piece) = oneshot::channel();
            if !self.control(OP_READ, [offset.to_le_bytes(), bytes.to_le_bytes()].concat(), Some(Waiting::Read(answer))) {
                return None;
            }
            let piece = piece.await.ok().flatten().filter(|piece| piece.len() == bytes as usize)?;
            state.extend_from_slice(&piece);
        }
        Some(state.into())
    }

    /// The proxy has gone without stopping the actor: it was killed, or it panicked. Does not wait.
    pub(crate) fn revoke(self: &Arc<Self>) {
        if self.phase.load(Ordering::Relaxed) == CLOSED {
            return;
        }
        self.core.device.kill(self.port.shard, self.row.row, self.row.generation);
        self.port.stop(self, None);
    }

    /// The device has no more to do with it: row and state are free. Once.
    pub(crate) fn release(&self) {
        if !self.released.swap(true, Ordering::AcqRel) {
            self.port.tenants().leave(self);
            self.core.arena.lock().free(self.state);
            self.core.leave(self);
        }
    }
}
