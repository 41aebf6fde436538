//! Many requests in flight from one thread, each reply on a line of the caller's own.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use resident_gpu::replies::ReplySlot;
use resident_gpu::rows::RowId;
use resident_kernels::actor::{Actor, Handles, Message};

use crate::actor::ask;
use crate::actor::destination::Destination;
use crate::actor::home::Home;
use crate::clock;
use crate::device::core::Core;
use crate::error::AskError;
use crate::shard::link::Unsent;
use crate::system::System;

/// Requests between two exchanges with the process's clock.
const CLOCK_EVERY: u64 = 32;
/// How long [`Pipeline::next`] waits unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A window of requests in flight, to any number of actors of one kind. Replies come in the order of the requests.
///
/// What is in flight is of one device; a pipeline with nothing in flight goes on with another of its system.
///
/// It belongs to one thread, allocates nothing per request and waits for nobody: a request is a slot of the actor's ring, its
/// reply a line that only this pipeline reads.
///
/// Its stamps are a clock of its own, merged with every reply and, every 32 requests, with the process's.
pub struct Pipeline<A: Actor, M: Message> {
    core: Arc<Core>,
    flights: Box<[Flight]>,
    /// The oldest place in flight.
    first: usize,
    /// Places in flight.
    count: usize,
    timeout: Duration,
    /// The last stamp given out or received.
    last: u64,
    /// Requests until the process's clock is asked again.
    fresh: u64,
    of: PhantomData<fn(A, M)>,
}

/// One place of the window.
struct Flight {
    /// `None` after its reply did not come: those lines rest, and the next request takes new ones.
    slot: Option<ReplySlot>,
    tag: u16,
    shard: u32,
    row: RowId,
}

impl<A: Handles<M>, M: Message> Pipeline<A, M> {
    /// A pipeline with at most `window` requests in flight on `system`.
    pub fn new(system: &System, window: usize) -> Result<Pipeline<A, M>, AskError> {
        let core = system.fleet().first().clone();
        if !core.is_mine() {
            return Err(AskError::Forked);
        }
        let flight = || {
            let slot = ask::claim::<M::Reply>(core.device.replies())?;
            Ok(Flight { slot: Some(slot), tag: 0, shard: 0, row: RowId { row: 0, generation: 0 } })
        };
        let flights = (0..window.max(1)).map(|_| flight()).collect::<Result<_, AskError>>()?;
        Ok(Pipeline { core, flights, first: 0, count: 0, timeout: TIMEOUT, last: 0, fresh: 0, of: PhantomData })
    }

    /// How long [`next`](Self::next) waits for a reply; 30 s unless set.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Requests whose reply was not taken yet.
    pub fn in_flight(&self) -> usize {
        self.count
    }

    /// Whether the window is full.
    pub fn is_full(&self) -> bool {
        self.count == self.flights.len()
    }

    /// Sends `request` to `to`. After an error nothing was sent.
    #[inline]
    pub fn submit(&mut self, to: &impl Destination<A>, request: &M) -> Result<(), AskError> {
        self.submit_many(to, std::slice::from_ref(request)).map(drop)
    }

    /// Sends `requests` to `to` in their order, as many as window and ring take: how many, at least one. Cheaper than one by one:
    /// the ring is locked once. After an error nothing was sent.
    #[inline]
    pub fn submit_many(&mut self, to: &impl Destination<A>, requests: &[M]) -> Result<usize, AskError> {
        self.submit_to(to.home(), to.is_taking(), requests)
    }

    #[inline]
    fn submit_to(&mut self, to: &Home, is_taking: bool, requests: &[M]) -> Result<usize, AskError> {
        let window = self.flights.len();
        if !self.core.is_mine() {
            return Err(AskError::Forked);
        }
        if self.is_full() && !requests.is_empty() {
            return Err(AskError::Window(window));
        }
        let life = to.life();
        if !Arc::ptr_eq(&life.core, &self.core) {
            self.move_to(&life.core)?;
        }
        if !is_taking {
            return Err(ask::ended(&life));
        }
        let hlc = self.stamps(requests.len() as u64);
        let (mut place, mut count) = (self.first + self.count, self.count);
        let mut why = None;
        let unsent = life.port.direct_many::<A, M>(&**life, requests, hlc, |push| {
            if count == window {
                return Ok(false);
            }
            if place >= window {
                place -= window;
            }
            let flight = &mut self.flights[place];
            let slot = match &mut flight.slot {
                Some(slot) => slot,
                none => match ask::claim::<M::Reply>(self.core.device.replies()) {
                    Ok(slot) => none.insert(slot),
                    Err(error) => {
                        why = Some(error);
                        return Ok(false);
                    }
                },
            };
            let Some(tag) = slot.next_tag() else {
                why = Some(AskError::NoReplyLine);
                return Ok(false);
            };
            if let Err(unsent) = push(slot.index(), tag) {
                slot.retract();
                return Err(unsent);
            }
            (flight.tag, flight.shard, flight.row) = (tag, life.port.shard, life.row);
            place += 1;
            count += 1;
            Ok(true)
        });
        let sent = count - self.count;
        self.count = count;
        match (sent, why, unsent) {
            (0, Some(error), _) => Err(error),
            (0, None, Some(Unsent::Full)) => Err(AskError::Full),
            // As a full ring does: it takes them later.
            (0, None, Some(Unsent::Stopped | Unsent::Lost)) if to.may_return() => Err(AskError::Full),
            (0, None, Some(Unsent::Stopped | Unsent::Lost)) => Err(ask::ended(&life)),
            (0, None, Some(Unsent::Forked)) => Err(AskError::Forked),
            _ => Ok(sent),
        }
    }
}

impl<A: Actor, M: Message> Pipeline<A, M> {
    /// Goes on with another device of the system, whose reply lines it takes as it needs them.
    #[cold]
    fn move_to(&mut self, core: &Arc<Core>) -> Result<(), AskError> {
        if !Arc::ptr_eq(&core.shared, &self.core.shared) {
            return Err(AskError::OtherSystem);
        }
        if self.count > 0 {
            return Err(AskError::OtherDevice);
        }
        self.flights.iter_mut().for_each(|flight| flight.slot = None);
        self.core = core.clone();
        Ok(())
    }

    /// The reply of the oldest request in flight; waits for it.
    ///
    /// An error is that request's answer; the next call is about the request after it.
    #[inline]
    #[allow(clippy::should_implement_trait)] // an iterator would end, this one waits
    pub fn next(&mut self) -> Result<M::Reply, AskError> {
        match self.oldest(Some(self.timeout)) {
            Some(reply) => reply,
            None => Err(AskError::Idle),
        }
    }

    /// The reply of the oldest request in flight if it is there; does not wait.
    #[inline]
    pub fn try_next(&mut self) -> Option<Result<M::Reply, AskError>> {
        self.oldest(None)
    }

    #[inline]
    fn oldest(&mut self, timeout: Option<Duration>) -> Option<Result<M::Reply, AskError>> {
        if !self.core.is_mine() {
            return Some(Err(AskError::Forked));
        }
        if self.count == 0 {
            return None;
        }
        let Flight { slot, tag, shard, row } = &mut self.flights[self.first];
        let (Some(line), Some(port)) = (slot.as_mut(), self.core.ports.get(*shard as usize)) else { return Some(Err(AskError::Stopped)) };
        let reply = match (ask::look(&self.core, port, *row, line, *tag), timeout) {
            (Ok(Some(reply)), _) => Ok(reply),
            (Ok(None), _) if !self.core.answers() => ask::last_look(&self.core, port, *row, line, *tag),
            (Ok(None), None) => return None,
            (Ok(None), Some(timeout)) => ask::wait(&self.core, port, *row, line, *tag, timeout),
            (Err(error), _) => Err(error),
        };
        if line.is_outstanding() {
            *slot = None;
        }
        self.count -= 1;
        self.first = if self.first + 1 < self.flights.len() { self.first + 1 } else { 0 };
        Some(reply.map(|(reply, hlc)| {
            self.last = self.last.max(hlc);
            reply
        }))
    }

    /// The first of so many stamps.
    #[inline]
    fn stamps(&mut self, count: u64) -> u64 {
        if self.fresh < count {
            self.fresh = CLOCK_EVERY.max(count);
            self.last = clock::tick(self.last) - 1;
        }
        self.fresh -= count;
        self.last += count;
        self.last - count + 1
    }
}
