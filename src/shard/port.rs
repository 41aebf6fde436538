//! The way into one shard: its ring, and the table of what waits for the shard's answers.
//!
//! - **P-1 (order)** Frames enter the ring in the order in which they were accepted; no message overtakes a control frame.
//! - **P-2 (last)** A stop is the last frame of its actor: the actor is closed under the lock under which its stop is pushed.
//! - **P-3 (once)** What waits is taken out of the table once: by its answer, or by the device's end.
//! - **P-4 (one process)** A child that was forked pushes nothing, and takes none of the locks, which may be held for good there: to it the
//!   device no longer runs.
//! - **P-5 (passed)** Where the device's end ends a fence, it has ended everything that was sent before.
//!
//! Locks are taken in this order: a group's members, `waiting`, `link`, `tenants`.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use crossbeam_utils::CachePadded;
use parking_lot::{Mutex, MutexGuard};
use resident_gpu::cut::{Ends, Hold};
use resident_gpu::region::Owner;
use resident_gpu::ring::{Frame, Producer};
use resident_gpu::rows::RowId;
use resident_kernels::actor::{Handles, Message};
use resident_kernels::host::{Answer, End, Envelope, NoReply};
use resident_kernels::wire::{MAX_PAYLOAD, OP_CALL, OP_CALL_DIRECT, OP_CAST, OP_FENCE, OP_STOP, REFUSED_FAILED, REFUSED_STALE};
use tokio::sync::{Notify, oneshot};
use tracing::Span;

use crate::error::CastError;
use crate::fault::GpuFault;
use crate::shard::doorbell::Doorbell;
use crate::shard::link::{Batch, Control, Due, Flushed, Link, Path, Recipient, Sent, Unsent};
use crate::shard::occupant::Tenant;
use crate::shard::pending::Table;
use crate::shard::relay::{Relay, Relays};
use crate::shard::spinlock::SpinLock;
use crate::shard::tenants::Tenants;
use crate::shard::trace::{Traced, Tracer, within};
use crate::shard::waiting::{Call, Expects, Waiting};

/// Messages pushed under one lock.
pub(crate) const TURN: usize = 32;
/// Turns that what waits for room has before its pump looks after something else.
const TURNS: usize = 16;

/// The way into one shard.
pub(crate) struct Port {
    pub shard: u32,
    owner: Owner,
    bell: Arc<Doorbell>,
    waiting: Mutex<Table<Waiting>>,
    /// What senders write is off the lines that others read.
    link: CachePadded<SpinLock<Link>>,
    tenants: Mutex<Tenants>,
    /// Tasks that wait for room in the ring.
    pub credit: Notify,
    /// What the pump looks at in every sweep.
    watched: CachePadded<Watched>,
    /// Slots that the pump has taken from the shard.
    fetched: AtomicU64,
    pub tracer: Tracer,
    /// Traced messages that nobody waits for, each with the end of its frame in the ring.
    traced: Mutex<VecDeque<(u64, Traced)>>,
    unpassed: Arc<Mutex<Unpassed>>,
}

/// P-5: fences that the device's end has ended, which hear of it behind everything else. `None` once they have.
type Unpassed = Option<Vec<oneshot::Sender<()>>>;

struct Watched {
    /// How many tasks wait for room.
    thirsty: AtomicU32,
    /// `link.backlog` holds something.
    behind: AtomicBool,
    /// `link.relays` does.
    relays: AtomicBool,
    /// `traced` does.
    traced: AtomicBool,
}

thread_local! {
    /// Where this thread's messages become bytes, outside of any lock.
    static BUFFER: RefCell<[u8; MAX_PAYLOAD]> = const { RefCell::new([0; MAX_PAYLOAD]) };
}

impl Port {
    pub(crate) fn new(shard: u32, producer: Producer, rows: u32, nursery: u32, kinds: usize, bell: Arc<Doorbell>, tracer: Tracer) -> Port {
        Port {
            shard,
            owner: Owner::me(),
            bell,
            waiting: Mutex::new(Table::new()),
            link: CachePadded::new(SpinLock::new(Link::new(producer, kinds))),
            tenants: Mutex::new(Tenants::new(rows, nursery)),
            credit: Notify::new(),
            watched: CachePadded::new(Watched {
                thirsty: AtomicU32::new(0),
                behind: AtomicBool::new(false),
                relays: AtomicBool::new(false),
                traced: AtomicBool::new(false),
            }),
            fetched: AtomicU64::new(0),
            tracer,
            traced: Mutex::new(VecDeque::new()),
            unpassed: Arc::new(Mutex::new(Some(Vec::new()))),
        }
    }

    /// P-4.
    #[inline]
    fn is_mine(&self) -> bool {
        self.owner.is_me()
    }

    /// Pushes a cast or a call, or gives it back.
    #[inline]
    pub(crate) fn send<E: Envelope>(&self, to: &impl Recipient, path: Path, msg: E) -> Result<(), CastError<E>> {
        if !self.is_mine() {
            return Err(CastError::Forked(msg));
        }
        if msg.wants_reply() {
            return self.call(to, path, msg);
        }
        if self.tracer.takes() {
            return self.send_traced(to, path, msg);
        }
        match self.push(to, path, &msg) {
            Ok(_) => {
                self.bell.pushed();
                Ok(())
            }
            Err(unsent) => Err(unsent.with(msg)),
        }
    }

    /// The same for a cast that is traced.
    #[cold]
    fn send_traced<E: Envelope>(&self, to: &impl Recipient, path: Path, msg: E) -> Result<(), CastError<E>> {
        let span = self.tracer.message(self.shard, to, msg.index(), path);
        match self.push(to, path, &msg) {
            Ok((stamp, end)) => {
                self.follow(end, Traced::new(span, stamp));
                self.bell.waiting();
                Ok(())
            }
            Err(unsent) => {
                self.tracer.again();
                span.record("end", "unsent");
                Err(unsent.with(msg))
            }
        }
    }

    /// Pushes a cast; its stamp, and the end of its frame in the ring.
    #[inline]
    fn push<E: Envelope>(&self, to: &impl Recipient, path: Path, msg: &E) -> Result<(u64, u64), Unsent> {
        BUFFER.with_borrow_mut(|buffer| {
            let bytes = msg.encode(buffer);
            let payload = &buffer[..bytes];
            let frame = Frame { op: OP_CAST, message: msg.index(), correlation: u32::MAX, payload, ..Frame::default() };
            let mut link = self.link.lock();
            let stamp = link.message(to, path, frame)?;
            Ok((stamp, link.end()))
        })
    }

    fn call<E: Envelope>(&self, to: &impl Recipient, path: Path, msg: E) -> Result<(), CastError<E>> {
        let mut span = self.tracer.takes().then(|| self.tracer.message(self.shard, to, msg.index(), path));
        let sent = self.call_within(to, path, msg, &mut span);
        match sent {
            Ok(()) => self.bell.waiting(),
            Err(_) => {
                if let Some(span) = span {
                    self.tracer.again();
                    span.record("end", "unsent");
                }
            }
        }
        sent
    }

    /// The same, within a span that is taken if the call was sent.
    #[inline]
    fn call_within<E: Envelope>(&self, to: &impl Recipient, path: Path, msg: E, span: &mut Option<Span>) -> Result<(), CastError<E>> {
        let message = msg.index();
        let mut call = call(to, message, Instant::now());
        let mut waiting = self.waiting.lock();
        let Some(correlation) = waiting.next() else { return Err(CastError::Full(msg)) };
        let pushed = BUFFER.with_borrow_mut(|buffer| {
            let bytes = msg.encode(buffer);
            let frame = Frame { op: OP_CALL, message, correlation, payload: &buffer[..bytes], ..Frame::default() };
            self.link.lock().message(to, path, frame)
        });
        let stamp = match pushed {
            Ok(stamp) => stamp,
            Err(unsent) => return Err(unsent.with(msg)),
        };
        call.traced = span.take().map(|span| Box::new(Traced::new(span, stamp)));
        // The answer may be there already; it waits for this lock.
        if let Some(answer) = msg.answer() {
            waiting.insert(Waiting { answer, id: to.row(), expects: Expects::Reply(call) });
        }
        Ok(())
    }

    /// Pushes a request whose reply goes to the caller's own line; its stamp, which is `hlc`, or the thread's next if that is 0.
    #[inline]
    pub(crate) fn direct<A: Handles<M>, M: Message>(
        &self,
        to: &impl Recipient,
        request: &M,
        line: u32,
        reply_tag: u16,
        hlc: u64,
    ) -> Result<u64, Unsent> {
        if !self.is_mine() {
            return Err(Unsent::Forked);
        }
        let stamp = BUFFER.with_borrow_mut(|buffer| {
            request.encode(buffer);
            let payload = &buffer[..size_of::<M>()];
            let frame = Frame { op: OP_CALL_DIRECT, message: A::INDEX, correlation: line, reply_tag, hlc, payload, ..Frame::default() };
            self.link.lock().message(to, Path::Direct, frame)
        })?;
        self.bell.pushed();
        Ok(stamp)
    }

    /// Pushes requests to one actor under one lock, stamped from `hlc` on. For each, `place` is given what pushes it to a reply line
    /// with a tag, and says whether to go on. Why it ended early, if the ring was the reason.
    #[inline]
    pub(crate) fn direct_many<A: Handles<M>, M: Message>(
        &self,
        to: &impl Recipient,
        requests: &[M],
        hlc: u64,
        mut place: impl FnMut(&mut dyn FnMut(u32, u16) -> Result<(), Unsent>) -> Result<bool, Unsent>,
    ) -> Option<Unsent> {
        if !self.is_mine() {
            return Some(Unsent::Forked);
        }
        let mut traced = Vec::new();
        let why = BUFFER.with_borrow_mut(|buffer| {
            let mut link = None;
            for (request, hlc) in requests.iter().zip(hlc..) {
                request.encode(buffer);
                let payload = &buffer[..size_of::<M>()];
                let link = link.get_or_insert_with(|| self.link.lock());
                let pushed = place(&mut |correlation, reply_tag| {
                    let frame = Frame { op: OP_CALL_DIRECT, message: A::INDEX, correlation, reply_tag, hlc, payload, ..Frame::default() };
                    let stamp = link.message(to, Path::Direct, frame)?;
                    if self.tracer.takes() {
                        traced.push((link.end(), stamp));
                    }
                    Ok(())
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
        self.follow_all(to, A::INDEX, Path::Direct, &traced);
        why
    }

    /// Pushes casts to one actor, a turn's worth under one lock; how many, and why not the next one.
    pub(crate) fn cast_many<A: Handles<M>, M: Message>(&self, to: &impl Recipient, messages: &[M]) -> (usize, Option<Unsent>) {
        if !self.is_mine() {
            return (0, Some(Unsent::Forked));
        }
        let (mut pushed, mut traced) = (0, Vec::new());
        let why = BUFFER.with_borrow_mut(|buffer| {
            for turn in messages.chunks(TURN) {
                let mut link = self.link.lock();
                for message in turn {
                    message.encode(buffer);
                    let payload = &buffer[..size_of::<M>()];
                    let frame = Frame { op: OP_CAST, message: A::INDEX, correlation: u32::MAX, payload, ..Frame::default() };
                    match link.message(to, Path::Ring, frame) {
                        Ok(stamp) if self.tracer.takes() => traced.push((link.end(), stamp)),
                        Ok(_) => {}
                        Err(unsent) => return Some(unsent),
                    }
                    pushed += 1;
                }
            }
            None
        });
        self.bell.pushed();
        self.follow_all(to, A::INDEX, Path::Ring, &traced);
        (pushed, why)
    }

    /// Pushes one message to each of these, under one lock; how many, and why not the next one.
    pub(crate) fn cast_each<R: Recipient>(&self, to: &[R], message: u16, payload: &[u8]) -> (usize, Option<Unsent>) {
        if !self.is_mine() {
            return (0, Some(Unsent::Forked));
        }
        let mut pushed = 0;
        let why = {
            let mut link = self.link.lock();
            let frame = Frame { op: OP_CAST, message, correlation: u32::MAX, payload, ..Frame::default() };
            to.iter().find_map(|to| link.message(to, Path::Ring, frame).map(|_| pushed += 1).err())
        };
        self.bell.pushed();
        (pushed, why)
    }

    /// The same, for calls: `answer` is given who was called, and makes the answer that is waited for.
    pub(crate) fn call_each<R: Recipient>(
        &self,
        to: &[R],
        message: u16,
        payload: &[u8],
        mut answer: impl FnMut(usize) -> Answer,
    ) -> (usize, Option<Unsent>) {
        if !self.is_mine() {
            return (0, Some(Unsent::Forked));
        }
        let since = Instant::now();
        let mut pushed = 0;
        let why = {
            let mut waiting = self.waiting.lock();
            let mut link = self.link.lock();
            to.iter().enumerate().find_map(|(at, to)| {
                let Some(correlation) = waiting.next() else { return Some(Unsent::Full) };
                let frame = Frame { op: OP_CALL, message, correlation, payload, ..Frame::default() };
                if let Err(unsent) = link.message(to, Path::Ring, frame) {
                    return Some(unsent);
                }
                let expects = Expects::Reply(call(to, message, since));
                waiting.insert(Waiting { answer: answer(at), id: to.row(), expects });
                pushed += 1;
                None
            })
        };
        self.bell.waiting();
        (pushed, why)
    }

    /// Pushes a control frame, at once or as soon as there is room; false if the device no longer runs.
    pub(crate) fn control(&self, control: Control) -> bool {
        if !self.is_mine() {
            return false;
        }
        let unsent = {
            let mut waiting = self.waiting.lock();
            let mut link = self.link.lock();
            self.control_locked(&mut waiting, &mut link, control)
        };
        unsent.is_none()
    }

    /// P-2: has `close` close the actor at `id` and pushes its stop, to which `gone` is the answer.
    pub(crate) fn stop(&self, id: RowId, close: impl FnOnce(), gone: Answer) {
        if !self.is_mine() {
            return close();
        }
        let unsent = {
            let mut waiting = self.waiting.lock();
            let mut link = self.link.lock();
            close();
            let RowId { row, generation } = id;
            let control = Control { op: OP_STOP, message: 0, row, generation, payload: Vec::new(), answer: Some(gone) };
            self.control_locked(&mut waiting, &mut link, control)
        };
        drop(unsent);
    }

    /// Gives the frame back if the device no longer runs: what waits for its answer may lock something itself as it is dropped.
    fn control_locked(&self, waiting: &mut Table<Waiting>, link: &mut Link, control: Control) -> Option<Control> {
        if link.lost {
            return Some(control);
        }
        let rest = if link.backlog.is_empty() { link.control(waiting, control) } else { Some(control) };
        if let Some(control) = rest {
            link.backlog.push_back(Due::One(control));
            self.watched.behind.store(true, Ordering::Relaxed);
        }
        self.bell.waiting();
        None
    }

    /// Pushes a message from an actor of another device, at once or as soon as there is room.
    pub(crate) fn relay(&self, frame: &Frame<'_>) -> Relay {
        let (relay, waits) = {
            let mut link = self.link.lock();
            let relay = link.relay(frame);
            let waits = !link.relays.is_empty();
            if waits {
                self.watched.relays.store(true, Ordering::Relaxed);
            }
            (relay, waits)
        };
        if waits {
            self.bell.waiting()
        } else {
            self.bell.pushed()
        }
        relay
    }

    /// Pushes what had no room before.
    pub(crate) fn flush(&self) {
        let Watched { behind, relays, .. } = &*self.watched;
        if behind.load(Ordering::Relaxed) && !self.flush_by(behind, |waiting, link| link.flush(waiting)) {
            return;
        }
        if relays.load(Ordering::Relaxed) {
            self.flush_by(relays, |_, link| link.flush_relays());
        }
    }

    /// Some turns of `flush`; whether all was pushed, which is noted.
    fn flush_by(&self, behind: &AtomicBool, flush: impl Fn(&mut Table<Waiting>, &mut Link) -> Flushed) -> bool {
        for _ in 0..TURNS {
            let mut waiting = self.waiting.lock();
            let mut link = self.link.lock();
            match flush(&mut waiting, &mut link) {
                Flushed::Turn => {}
                Flushed::Full => return false,
                Flushed::All => {
                    behind.store(false, Ordering::Relaxed);
                    return true;
                }
            }
        }
        false
    }

    /// Pushes a batch of control frames and a fence behind them, as soon as there is room. Where the device no longer runs it is
    /// dropped.
    pub(crate) fn batch(&self, batch: Box<dyn Batch>) {
        if !self.is_mine() {
            return drop(batch);
        }
        {
            let mut link = self.link.lock();
            if link.lost {
                // It may lock something itself as it is dropped.
                drop(link);
                return drop(batch);
            }
            link.backlog.push_back(Due::Many(batch));
            self.watched.behind.store(true, Ordering::Relaxed);
        }
        self.bell.waiting();
        self.flush();
    }

    /// Has the shard say when it has handled everything that was sent before. The answer is dropped if the device no longer runs, once
    /// nothing is left of that (P-5).
    pub(crate) fn fence(&self) -> oneshot::Receiver<()> {
        let (done, passed) = oneshot::channel();
        if !self.is_mine() {
            return passed;
        }
        let unpassed = self.unpassed.clone();
        let answer = Some(Answer::new(move |end: End<'_>| match end {
            // Who waited may have given up.
            Ok(_) => drop(done.send(())),
            Err(NoReply::Lost) => {
                if let Some(unpassed) = &mut *unpassed.lock() {
                    unpassed.push(done);
                }
            }
            Err(_) => drop(done),
        }));
        self.control(Control { op: OP_FENCE, message: 0, row: 0, generation: 0, payload: Vec::new(), answer });
        passed
    }

    /// The pump has taken so many slots, in all. Said before it hands on what was in the last of them.
    #[inline]
    pub(crate) fn set_fetched(&self, slots: u64) {
        self.fetched.store(slots, Ordering::Relaxed);
    }

    /// Waits until no control frame waits for room.
    pub(crate) async fn caught_up(&self) {
        if !self.watched.behind.load(Ordering::Relaxed) {
            return;
        }
        self.with_room((), |()| if self.watched.behind.load(Ordering::Relaxed) { Err(()) } else { Ok(()) }).await;
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
        self.watched.thirsty.fetch_add(1, Ordering::SeqCst);
        self.bell.waiting();
        Thirst(self)
    }

    /// Whether a task waits for room.
    #[inline]
    pub(crate) fn is_thirsty(&self) -> bool {
        self.watched.thirsty.load(Ordering::Relaxed) != 0
    }

    /// Watches a traced message that nobody waits for here until its shard has handled it.
    fn follow(&self, end: u64, traced: Traced) {
        let traced = traced.sent();
        let mut all = self.traced.lock();
        all.push_back((end, traced));
        self.watched.traced.store(true, Ordering::Relaxed);
    }

    /// The same for messages to one actor, each with the end of its frame and its stamp. Most often there are none.
    #[inline]
    fn follow_all(&self, to: &impl Recipient, message: u16, path: Path, sent: &[(u64, u64)]) {
        for (end, stamp) in sent {
            self.follow(*end, Traced::new(self.tracer.message(self.shard, to, message, path), *stamp));
        }
        if !sent.is_empty() {
            self.bell.waiting();
        }
    }

    /// Whether a traced message is followed.
    #[inline]
    pub(crate) fn has_traced(&self) -> bool {
        self.watched.traced.load(Ordering::Relaxed)
    }

    /// The shard has handled what stands before `head` in its ring: spans of such messages end.
    pub(crate) fn handled(&self, head: u64) {
        self.end_traced("handled", |end| end <= head);
    }

    fn end_traced(&self, how: &'static str, is_over: impl Fn(u64) -> bool) {
        let over = {
            let mut all = self.traced.lock();
            let (over, on): (VecDeque<_>, _) = std::mem::take(&mut *all).into_iter().partition(|(end, _)| is_over(*end));
            *all = on;
            self.watched.traced.store(!all.is_empty(), Ordering::Relaxed);
            over
        };
        over.into_iter().for_each(|(_, traced)| traced.ends(how));
    }

    /// Whether nothing is on its way in or awaited from the device.
    pub(crate) fn is_quiet(&self) -> bool {
        let waiting = self.waiting.lock();
        let mut link = self.link.lock();
        link.lost
            || waiting.is_empty() && link.backlog.is_empty() && link.relays.is_empty() && link.producer.is_empty() && !self.is_thirsty()
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

    /// Slots that the ring has.
    #[cfg(feature = "actix")]
    pub(crate) fn capacity(&self) -> u64 {
        self.link.lock().producer.capacity()
    }

    /// Slots in use.
    pub(crate) fn depth(&self) -> u64 {
        self.link.lock().producer.depth().unwrap_or(0)
    }

    /// The rows of the shard, and who lives there.
    pub(crate) fn tenants(&self) -> MutexGuard<'_, Tenants> {
        self.tenants.lock()
    }

    /// Who lives in the row `id`.
    pub(crate) fn tenant(&self, id: RowId) -> Option<Tenant> {
        self.tenants().tenant(id).cloned()
    }

    /// Why the actor or member at `id` failed, also shortly after it has gone.
    pub(crate) fn fault(&self, id: RowId) -> Option<GpuFault> {
        // The lock is not held meanwhile: a group locks its members first, then this.
        match self.tenant(id) {
            Some(tenant) => tenant.fault(id),
            None => self.tenants().remembered(id),
        }
    }

    /// Why there is no reply from whoever was at `id`, where the device says no more than `reason`. An actor that has failed or gone may have
    /// done so by a fault, which is recorded ahead of that.
    pub(crate) fn refused(&self, id: RowId, reason: u16) -> NoReply {
        let fault = match reason {
            REFUSED_STALE | REFUSED_FAILED => self.fault(id),
            _ => None,
        };
        fault.map_or(NoReply::Refused(reason), |fault| NoReply::Failed(Box::new(fault)))
    }

    /// The device no longer runs: nothing is pushed any more. Hands out the actors of their own that lived on it.
    pub(crate) fn lose(&self) -> Vec<Tenant> {
        self.link.lock().lost = true;
        self.tenants().alone()
    }

    /// Ends everything that waits, after [`lose`](Self::lose): callers hear why their actors failed, or of the device's end. How many messages
    /// from other devices that were.
    pub(crate) fn abandon(&self) -> u64 {
        let waiting = self.waiting.lock().drain();
        let (backlog, relays) = {
            let mut link = self.link.lock();
            (std::mem::take(&mut link.backlog), std::mem::replace(&mut link.relays, Relays::new()))
        };
        self.watched.behind.store(false, Ordering::Relaxed);
        self.watched.relays.store(false, Ordering::Relaxed);
        let messages = relays.len() as u64;
        // Outside of any lock.
        for Waiting { answer, id, expects } in waiting {
            let (fault, traced) = match expects {
                Expects::Reply(call) => (self.fault(id), call.traced),
                _ => (None, None),
            };
            let why = fault.map_or(NoReply::Lost, |fault| NoReply::Failed(Box::new(fault)));
            within(traced, "lost", None, || answer.end(Err(why)));
        }
        self.end_traced("lost", |_| true);
        drop((backlog, relays));
        let unpassed = self.unpassed.lock().take();
        drop(unpassed);
        self.credit.notify_waiters();
        messages
    }

    /// Gives its tables back, after [`abandon`](Self::abandon).
    pub(crate) fn release(&self) {
        let waiting = std::mem::replace(&mut *self.waiting.lock(), Table::new());
        drop(waiting);
        self.tenants().release();
    }
}

/// A call to somebody, by this message.
fn call(to: &impl Recipient, message: u16, since: Instant) -> Call {
    let bytes = to.kind().messages.get(message as usize).map_or(0, |info| info.reply_bytes);
    Call { bytes, kind: to.kind_index(), since, traced: None }
}

/// A task that waits for room.
pub(crate) struct Thirst<'a>(&'a Port);

impl Drop for Thirst<'_> {
    fn drop(&mut self) {
        self.0.watched.thirsty.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All ports of a device, which hold what is to be noted of a cut.
pub(crate) struct Ports<'p>(pub &'p [Arc<Port>]);

impl Hold for Ports<'_> {
    /// The positions are of one moment: whoever has sent to two rings, one after the other, has sent to neither or to the first if
    /// not to both.
    fn hold(&self, consumed: &[u64]) -> Vec<Ends> {
        // Nobody else locks two of them.
        let mut links: Vec<_> = self.0.iter().map(|port| port.link.lock()).collect();
        let end = |((port, link), consumed): ((&Arc<Port>, &mut Link), &u64)| {
            link.producer.hold(*consumed);
            Ends { pushed: link.producer.position(), fetched: port.fetched.load(Ordering::Relaxed) }
        };
        self.0.iter().zip(links.iter_mut().map(|link| &mut **link)).zip(consumed).map(end).collect()
    }

    fn release(&self, shard: u32) {
        let Some(port) = self.0.get(shard as usize) else { return };
        port.link.lock().producer.release();
        // The pump tells of room when a shard has come further, which was before.
        port.credit.notify_waiters();
    }
}
