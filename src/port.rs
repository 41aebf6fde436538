//! The way into one shard: its ring, and the table of what waits for the shard's answers.
//!
//! - **P-1 (order)** Frames enter the ring in the order in which they were accepted; no message overtakes a control frame.
//! - **P-2 (last)** A stop is the last frame of its actor: the actor is closed under the lock under which its stop is pushed.
//! - **P-3 (once)** What waits is taken out of the table once: by its answer, or by the device's end.
//!
//! Locks are taken in this order: `waiting`, `link`, `actors`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use resident_gpu::ring::{Frame, Producer, PushError};
use resident_gpu::rows::{RowId, Rows};
use resident_kernels::actor::{Handles, Message};
use resident_kernels::host::{Completion, Resident};
use resident_kernels::wire::{MAX_PAYLOAD, OP_CALL, OP_CALL_DIRECT, OP_CAST};
use tokio::sync::{Notify, oneshot};

use crate::clock;
use crate::doorbell::Doorbell;
use crate::error::CastError;
use crate::fault::GpuFault;
use crate::incarnation::Incarnation;
use crate::pending::Table;
use crate::spinlock::SpinLock;

/// Messages pushed under one lock.
const TURN: usize = 32;
/// Faults that a shard remembers after their actors have gone, for callers that come to ask late.
const REMEMBERED: usize = 128;

/// The way into one shard.
pub(crate) struct Port {
    pub shard: u32,
    bell: Arc<Doorbell>,
    waiting: Mutex<Table<Waiting>>,
    link: Line<SpinLock<Link>>,
    actors: Mutex<Actors>,
    /// Tasks that wait for room in the ring.
    pub credit: Notify,
    /// How many they are.
    thirsty: AtomicU32,
    /// `link.backlog` holds something.
    behind: AtomicBool,
}

/// Keeps what senders write off the lines that others read.
#[repr(align(128))]
struct Line<T>(T);

impl<T> Deref for Line<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

thread_local! {
    /// Where this thread's messages become bytes, outside of any lock.
    static BUFFER: RefCell<[u8; MAX_PAYLOAD]> = const { RefCell::new([0; MAX_PAYLOAD]) };
}

/// What waits for an answer.
pub(crate) enum Waiting {
    /// A call's reply of so many bytes.
    Call(Call),
    /// The acknowledgement of a spawn.
    Spawn(Arc<Incarnation>),
    /// The acknowledgement of a stop, after which the actor's row and state are free.
    Stop(Arc<Incarnation>, Option<oneshot::Sender<()>>),
    /// A piece of state.
    Read(oneshot::Sender<Option<Vec<u8>>>),
}

pub(crate) struct Call {
    pub complete: Completion,
    pub reply_bytes: u32,
    pub kind: u32,
    pub since: Instant,
}

/// How a message came to the ring.
#[derive(Clone, Copy)]
pub(crate) enum Path {
    /// A `GpuRef`.
    Ring = 0,
    /// An `ActorRef` and the proxy's mailbox.
    Mailbox = 1,
    /// `ask` or a pipeline.
    Direct = 2,
}

/// What was pushed since the last look, for the metrics.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sent {
    /// By [`Path`].
    pub messages: [u64; 3],
}

/// The ring's writing end and what belongs under its lock.
struct Link {
    producer: Producer,
    /// The last stamp pushed.
    hlc: u64,
    backlog: VecDeque<Control>,
    /// The device no longer runs.
    lost: bool,
    sent: Box<[Sent]>,
    full: u64,
}

/// A frame that is no message.
pub(crate) struct Control {
    pub op: u16,
    pub row: u32,
    pub generation: u32,
    pub payload: Vec<u8>,
    pub waiting: Option<Waiting>,
}

/// Rows of the shard, and who lives there.
struct Actors {
    rows: Rows,
    live: Vec<Option<Arc<Incarnation>>>,
    faults: VecDeque<(RowId, GpuFault)>,
}

/// Why a frame was not pushed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unsent {
    Full,
    Stopped,
    Lost,
}

impl Unsent {
    pub(crate) fn with<M>(self, msg: M) -> CastError<M> {
        match self {
            Unsent::Full => CastError::Full(msg),
            Unsent::Stopped => CastError::Stopped(msg),
            Unsent::Lost => CastError::Lost(msg),
        }
    }
}

impl From<PushError> for Unsent {
    fn from(error: PushError) -> Unsent {
        match error {
            PushError::Full => Unsent::Full,
            // `TooLarge` can not be: a message fits in a frame by its type, a frame in a ring by the least capacity.
            PushError::TooLarge { .. } | PushError::Corrupt(_) => Unsent::Lost,
        }
    }
}

impl Link {
    /// Pushes a message; the frame's stamp is filled in if it is 0.
    #[inline]
    fn message(&mut self, to: &Incarnation, path: Path, frame: Frame<'_>) -> Result<(), Unsent> {
        if !to.is_open() {
            return Err(if self.lost { Unsent::Lost } else { Unsent::Stopped });
        }
        if self.lost {
            return Err(Unsent::Lost);
        }
        if !self.backlog.is_empty() {
            // P-1: the spawn of this very actor may be among what waits.
            self.full += 1;
            return Err(Unsent::Full);
        }
        if frame.hlc == 0 {
            self.hlc = clock::tick(self.hlc);
        }
        let hlc = if frame.hlc == 0 { self.hlc } else { frame.hlc };
        match self.producer.push(&Frame { row: to.row.row, generation: to.row.generation, hlc, ..frame }) {
            Ok(()) => {
                self.sent[to.kind_index as usize].messages[path as usize] += 1;
                Ok(())
            }
            Err(error) => {
                self.full += u64::from(error == PushError::Full);
                Err(error.into())
            }
        }
    }
}

impl Port {
    pub(crate) fn new(shard: u32, producer: Producer, rows: u32, kinds: usize, bell: Arc<Doorbell>) -> Port {
        let link = Link { producer, hlc: 0, backlog: VecDeque::new(), lost: false, sent: vec![Sent::default(); kinds].into(), full: 0 };
        Port {
            shard,
            bell,
            waiting: Mutex::new(Table::new()),
            link: Line(SpinLock::new(link)),
            actors: Mutex::new(Actors { rows: Rows::new(rows), live: Vec::new(), faults: VecDeque::new() }),
            credit: Notify::new(),
            thirsty: AtomicU32::new(0),
            behind: AtomicBool::new(false),
        }
    }

    /// Pushes a cast or a call, or gives it back.
    #[inline]
    pub(crate) fn send<A: Resident>(&self, to: &Incarnation, path: Path, msg: A::Msg) -> Result<(), CastError<A::Msg>> {
        if A::wants_reply(&msg) {
            return self.call::<A>(to, path, msg);
        }
        let pushed = BUFFER.with_borrow_mut(|buffer| {
            let bytes = <A as Resident>::encode(&msg, buffer);
            let payload = &buffer[..bytes];
            let frame = Frame { op: OP_CAST, message: A::index(&msg), correlation: u32::MAX, payload, ..Frame::default() };
            self.link.lock().message(to, path, frame)
        });
        match pushed {
            Ok(()) => {
                self.bell.pushed();
                Ok(())
            }
            Err(unsent) => Err(unsent.with(msg)),
        }
    }

    fn call<A: Resident>(&self, to: &Incarnation, path: Path, msg: A::Msg) -> Result<(), CastError<A::Msg>> {
        let since = Instant::now();
        let message = A::index(&msg);
        let reply_bytes = to.kind.messages.get(message as usize).map_or(0, |info| info.reply_bytes);
        {
            let mut waiting = self.waiting.lock();
            let Some(correlation) = waiting.next() else { return Err(CastError::Full(msg)) };
            let pushed = BUFFER.with_borrow_mut(|buffer| {
                let bytes = <A as Resident>::encode(&msg, buffer);
                let frame = Frame { op: OP_CALL, message, correlation, payload: &buffer[..bytes], ..Frame::default() };
                self.link.lock().message(to, path, frame)
            });
            if let Err(unsent) = pushed {
                return Err(unsent.with(msg));
            }
            // The answer may be there already; it waits for this lock.
            if let Some(complete) = A::completion(msg) {
                waiting.insert(Waiting::Call(Call { complete, reply_bytes, kind: to.kind_index, since }));
            }
        }
        self.bell.waiting();
        Ok(())
    }

    /// Pushes a request whose reply goes to the caller's own line; its stamp is `hlc`, or the thread's next if that is 0.
    #[inline]
    pub(crate) fn direct<A: Handles<M>, M: Message>(
        &self,
        to: &Incarnation,
        request: &M,
        line: u32,
        reply_tag: u16,
        hlc: u64,
    ) -> Result<(), Unsent> {
        BUFFER.with_borrow_mut(|buffer| {
            request.encode(buffer);
            let payload = &buffer[..size_of::<M>()];
            let frame = Frame { op: OP_CALL_DIRECT, message: A::INDEX, correlation: line, reply_tag, hlc, payload, ..Frame::default() };
            self.link.lock().message(to, Path::Direct, frame)
        })?;
        self.bell.pushed();
        Ok(())
    }

    /// Pushes requests to one actor under one lock, stamped from `hlc` on. For each, `place` is given what pushes it to a reply line
    /// with a tag, and says whether to go on. Why it ended early, if the ring was the reason.
    #[inline]
    pub(crate) fn direct_many<A: Handles<M>, M: Message>(
        &self,
        to: &Incarnation,
        requests: &[M],
        hlc: u64,
        mut place: impl FnMut(&mut dyn FnMut(u32, u16) -> Result<(), Unsent>) -> Result<bool, Unsent>,
    ) -> Option<Unsent> {
        let why = BUFFER.with_borrow_mut(|buffer| {
            let mut link = None;
            for (request, hlc) in requests.iter().zip(hlc..) {
                request.encode(buffer);
                let payload = &buffer[..size_of::<M>()];
                let link = link.get_or_insert_with(|| self.link.lock());
                let pushed = place(&mut |correlation, reply_tag| {
                    let frame = Frame { op: OP_CALL_DIRECT, message: A::INDEX, correlation, reply_tag, hlc, payload, ..Frame::default() };
                    link.message(to, Path::Direct, frame)
                });
                match pushed {
                    Ok(true) => {}
                    Ok(false) => return None,
                    Err(unsent) => return Some(unsent),
                }
            }
            None
        });
        self.bell.pushed();
        why
    }

    /// Pushes casts to one actor, a turn's worth under one lock; how many, and why not the next one.
    pub(crate) fn cast_many<A: Handles<M>, M: Message>(&self, to: &Incarnation, messages: &[M]) -> (usize, Option<Unsent>) {
        let mut pushed = 0;
        let why = BUFFER.with_borrow_mut(|buffer| {
            for turn in messages.chunks(TURN) {
                let mut link = self.link.lock();
                for message in turn {
                    message.encode(buffer);
                    let payload = &buffer[..size_of::<M>()];
                    let frame = Frame { op: OP_CAST, message: A::INDEX, correlation: u32::MAX, payload, ..Frame::default() };
                    if let Err(unsent) = link.message(to, Path::Ring, frame) {
                        return Some(unsent);
                    }
                    pushed += 1;
                }
            }
            None
        });
        self.bell.pushed();
        (pushed, why)
    }

    /// Pushes a control frame, at once or as soon as there is room; false if the device no longer runs.
    pub(crate) fn control(&self, control: Control) -> bool {
        let mut waiting = self.waiting.lock();
        let mut link = self.link.lock();
        self.control_locked(&mut waiting, &mut link, control)
    }

    /// P-2: closes the actor and pushes its stop; false if that was done before.
    pub(crate) fn stop(&self, actor: &Arc<Incarnation>, done: Option<oneshot::Sender<()>>) -> bool {
        let mut waiting = self.waiting.lock();
        let mut link = self.link.lock();
        if !actor.close() {
            return false;
        }
        let control = Control {
            op: resident_kernels::wire::OP_STOP,
            row: actor.row.row,
            generation: actor.row.generation,
            payload: Vec::new(),
            waiting: Some(Waiting::Stop(actor.clone(), done)),
        };
        let pushed = self.control_locked(&mut waiting, &mut link, control);
        drop((link, waiting));
        if !pushed {
            actor.release();
        }
        true
    }

    fn control_locked(&self, waiting: &mut Table<Waiting>, link: &mut Link, control: Control) -> bool {
        if link.lost {
            return false;
        }
        let rest = if link.backlog.is_empty() { link.control(waiting, control) } else { Some(control) };
        if let Some(control) = rest {
            link.backlog.push_back(control);
            self.behind.store(true, Ordering::Relaxed);
        }
        self.bell.waiting();
        true
    }

    /// Pushes what had no room before.
    pub(crate) fn flush(&self) {
        if !self.behind.load(Ordering::Relaxed) {
            return;
        }
        let mut waiting = self.waiting.lock();
        let mut link = self.link.lock();
        while let Some(control) = link.backlog.pop_front() {
            if let Some(control) = link.control(&mut waiting, control) {
                link.backlog.push_front(control);
                return;
            }
        }
        self.behind.store(false, Ordering::Relaxed);
    }

    /// Waits until no control frame waits for room.
    pub(crate) async fn caught_up(&self) {
        if !self.behind.load(Ordering::Relaxed) {
            return;
        }
        let _thirst = self.thirst();
        loop {
            let room = self.credit.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if !self.behind.load(Ordering::Relaxed) {
                return;
            }
            room.await;
        }
    }

    /// Takes out what waits for `correlation`.
    #[inline]
    pub(crate) fn take(&self, correlation: u32) -> Option<Waiting> {
        self.waiting.lock().take(correlation)
    }

    /// Has the pump look now.
    pub(crate) fn wake_pump(&self) {
        self.bell.waiting();
    }

    /// Says that a task waits for room, as long as the value lives.
    pub(crate) fn thirst(&self) -> Thirst<'_> {
        self.thirsty.fetch_add(1, Ordering::SeqCst);
        self.bell.waiting();
        Thirst(self)
    }

    /// Whether a task waits for room.
    #[inline]
    pub(crate) fn is_thirsty(&self) -> bool {
        self.thirsty.load(Ordering::Relaxed) != 0
    }

    /// Whether nothing is on its way in or awaited from the device.
    pub(crate) fn is_quiet(&self) -> bool {
        let waiting = self.waiting.lock();
        let mut link = self.link.lock();
        link.lost || waiting.is_empty() && link.backlog.is_empty() && link.producer.is_empty() && !self.is_thirsty()
    }

    /// What was sent since the last call, the times the ring was full, and the slots in use.
    pub(crate) fn tally(&self, into: &mut [Sent]) -> (u64, u64) {
        let mut link = self.link.lock();
        for (sum, sent) in into.iter_mut().zip(&mut link.sent) {
            let sent = std::mem::take(sent);
            for (sum, n) in sum.messages.iter_mut().zip(sent.messages) {
                *sum += n;
            }
        }
        (std::mem::take(&mut link.full), link.producer.depth().unwrap_or(0))
    }

    /// Takes a row; `None` while there is none.
    pub(crate) fn claim(&self) -> Option<RowId> {
        self.actors.lock().rows.claim()
    }

    /// An actor moves into its row.
    pub(crate) fn enter(&self, actor: &Arc<Incarnation>) {
        let mut actors = self.actors.lock();
        let row = actor.row.row as usize;
        if actors.live.len() <= row {
            actors.live.resize(row + 1, None);
        }
        actors.live[row] = Some(actor.clone());
    }

    /// An actor has left its row.
    pub(crate) fn leave(&self, actor: &Incarnation) {
        let mut actors = self.actors.lock();
        if let Some(place) = actors.live.get_mut(actor.row.row as usize) {
            *place = None;
        }
        actors.rows.release(actor.row);
        if let Some(fault) = actor.fault() {
            if actors.faults.len() == REMEMBERED {
                actors.faults.pop_front();
            }
            actors.faults.push_back((actor.row, fault.clone()));
        }
    }

    /// The actor at `row` and `generation`.
    pub(crate) fn actor(&self, row: u32, generation: u32) -> Option<Arc<Incarnation>> {
        let actors = self.actors.lock();
        actors.live.get(row as usize)?.as_ref().filter(|actor| actor.row.generation == generation).cloned()
    }

    /// Why the actor at `id` failed, also shortly after it has gone.
    pub(crate) fn fault(&self, id: RowId) -> Option<GpuFault> {
        let actors = self.actors.lock();
        let live = actors.live.get(id.row as usize).and_then(|actor| actor.as_ref()).filter(|actor| actor.row == id);
        if let Some(actor) = live {
            return actor.fault().cloned();
        }
        actors.faults.iter().rev().find(|(row, _)| *row == id).map(|(_, fault)| fault.clone())
    }

    /// The device no longer runs: nothing is pushed any more. Hands out the actors that lived on it.
    pub(crate) fn lose(&self) -> Vec<Arc<Incarnation>> {
        self.link.lock().lost = true;
        self.actors.lock().live.iter().flatten().cloned().collect()
    }

    /// Ends everything that waits, after [`lose`](Self::lose): callers see their ports closed.
    pub(crate) fn abandon(&self) {
        let waiting = self.waiting.lock().drain();
        let backlog = std::mem::take(&mut self.link.lock().backlog);
        self.behind.store(false, Ordering::Relaxed);
        for waiting in waiting.into_iter().chain(backlog.into_iter().filter_map(|control| control.waiting)) {
            if let Waiting::Stop(actor, _) = waiting {
                actor.release();
            }
        }
        self.credit.notify_waiters();
    }
}

impl Link {
    /// Pushes a control frame; gives it back if the ring is full.
    fn control(&mut self, waiting: &mut Table<Waiting>, mut control: Control) -> Option<Control> {
        let correlation = match &control.waiting {
            Some(_) => match waiting.next() {
                Some(correlation) => correlation,
                None => return Some(control),
            },
            None => u32::MAX,
        };
        self.hlc = clock::tick(self.hlc);
        let frame = Frame {
            op: control.op,
            row: control.row,
            generation: control.generation,
            correlation,
            hlc: self.hlc,
            payload: &control.payload,
            ..Frame::default()
        };
        match self.producer.push(&frame) {
            Ok(()) => {
                if let Some(waits) = control.waiting.take() {
                    waiting.insert(waits);
                }
                None
            }
            Err(_) => Some(control),
        }
    }
}

/// A task that waits for room.
pub(crate) struct Thirst<'a>(&'a Port);

impl Drop for Thirst<'_> {
    fn drop(&mut self) {
        self.0.thirsty.fetch_sub(1, Ordering::Relaxed);
    }
}
