//! The handle of a resident actor, whichever framework runs it, or none.

use std::fmt;
use std::marker::PhantomData;
use std::slice::from_ref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use resident_kernels::actor::{Actor, Handles, Message};
use resident_kernels::address::Address;
use resident_kernels::host::NoReply;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::oneshot::{self, Receiver};
use tracing::{Instrument, debug_span};

use crate::actor::ask;
use crate::actor::destination::{Destination, Sealed};
use crate::actor::ends::IncarnationEnds;
use crate::actor::home::Home;
use crate::actor::info::ActorInfo;
use crate::actor::letter::{Asker, Letter};
use crate::actor::own;
use crate::error::{AskError, CallError, CastError, SpawnError};
use crate::fault::GpuFault;
use crate::shard::frames::encoded;
use crate::shard::link::Path;
use crate::system::System;
use crate::who::ActorKey;

/// A handle of a resident actor that names no framework: messages go by their types, straight into the ring.
///
/// [`spawn`](Self::spawn) starts an actor without a framework. An actor of actix's has such a handle beside its address
/// (`ResidentAddr::handle`). Clones are handles of the same actor; it goes on when the last one is dropped.
///
/// Messages of one sender over one handle are handled in the order in which they were sent.
///
/// ```
/// # use resident_kernels::prelude::*;
/// # #[derive(State, Default)] #[repr(C)] pub struct Aircraft { pub flights: u32, pub delay: i64 }
/// # #[derive(Message)] #[repr(C)] pub struct Landed { pub delay: i32 }
/// # #[derive(Message)] #[reply(Totals)] #[repr(C)] pub struct Report;
/// # #[derive(Reply)] #[repr(C)] pub struct Totals { pub flights: u32, pub delay: i64 }
/// # #[actor]
/// # impl Aircraft {
/// #     fn landed(&mut self, msg: &Landed, _ctx: &mut Ctx) { self.flights += 1; self.delay += i64::from(msg.delay); }
/// #     fn report(&mut self, _: &Report, _ctx: &mut Ctx) -> Totals { Totals { flights: self.flights, delay: self.delay } }
/// # }
/// # resident_kernels::export!(Aircraft);
/// use resident::{Config, Handle, System};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let system = System::start(Config::cpu()).await?;
/// let plane = Handle::spawn(None, Aircraft::default(), &system).await?;
/// plane.try_cast(Landed { delay: 11 })?;
/// plane.call(Landed { delay: 31 }).await?; // names no reply: its answer says that it was handled
/// let totals = plane.call(Report).await?;
/// assert_eq!((totals.flights, totals.delay), (2, 42));
/// plane.stop();
/// assert!(plane.ended().await.is_none()); // no fault
/// # system.stop().await;
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
/// ```
pub struct Handle<A: Actor> {
    home: Arc<Home>,
    of: PhantomData<fn() -> A>,
}

impl<A: Actor> Handle<A> {
    /// Starts an actor with `state` on a device of `system`'s, without a framework. It ends when it is told to, when it fails, with its
    /// system, or, as by a kill, with the tokio runtime that this is called in.
    ///
    /// By its name, if it has one, handlers find it. Of the actors of a system that have no registry of their framework's, one living actor
    /// has a name.
    ///
    /// # Errors
    ///
    /// [`SpawnError`] says what there was no room for, or what else is missing; nothing was started then.
    pub async fn spawn(name: Option<String>, state: A, system: &System) -> Result<Handle<A>, SpawnError> {
        // Early: a large state that moved through futures would overflow a stack.
        let state = encoded(&state);
        let span = debug_span!("spawn", system = system.name(), kind = A::KIND.name, actor = name.as_deref());
        let home = own::start::<A>(name, state, system).instrument(span).await?;
        Ok(Handle { home, of: PhantomData })
    }

    /// Returns its key, by which faults and [scopes](crate::Scope) of checkpoints call it.
    pub fn key(&self) -> ActorKey {
        self.home.shell.who().key
    }

    /// Returns its name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.home.shell.who().name.as_deref()
    }

    /// Where other actors of the device reach it, for their messages and states. After a restart it is another, and what is sent to this
    /// one is a dead letter.
    ///
    /// Waits until the actor is there: what another one sends comes by another way than its spawn.
    pub async fn address(&self) -> Address<A> {
        self.home.address().await
    }

    /// Where the actor lives. After a restart it is the next incarnation, at another address.
    pub fn info(&self) -> ActorInfo {
        self.home.info()
    }

    /// Why the actor failed, if it has and was not restarted since.
    pub fn fault(&self) -> Option<GpuFault> {
        self.home.life().fault().cloned()
    }

    /// Waits until the actor has ended for good, and says why if it had failed. Answers at once where that was before, and in a child
    /// that was forked, which has no such actor.
    pub async fn ended(&self) -> Option<GpuFault> {
        let is_mine = self.home.life().core.is_mine();
        if is_mine {
            self.home.shell.ended().await;
        }
        self.fault()
    }

    /// Hears of each incarnation's end, from that of the incarnation that [`info`](Self::info) tells of now.
    pub fn ends(&self) -> IncarnationEnds {
        self.home.ends()
    }

    /// Whether the actor takes messages, now or once it is restarted.
    pub fn takes_messages(&self) -> bool {
        self.home.takes_messages()
    }

    /// Sends a message, or gives it back and says why. An actor that is being restarted gives it back as a full ring does.
    ///
    /// # Errors
    ///
    /// [`CastError::Full`] if the ring has no room now, else that the actor, or its device, takes no messages any more.
    #[inline]
    pub fn try_cast<M: Message>(&self, msg: M) -> Result<(), CastError<M>>
    where
        A: Handles<M>,
    {
        match self.home.cast_many::<A, M>(from_ref(&msg)) {
            Ok(1) => Ok(()),
            Ok(_) => Err(CastError::Full(msg)),
            Err(error) => Err(error.map(|()| msg)),
        }
    }

    /// Sends `messages` in their order, as many as the ring takes: how many those were. The cheapest way to send: the ring is
    /// locked once for many messages. It is an error only if the actor takes none any more.
    pub fn cast_many<M: Message>(&self, messages: &[M]) -> Result<usize, CastError<()>>
    where
        A: Handles<M>,
    {
        self.home.cast_many::<A, M>(messages)
    }

    /// Sends a message, waiting while the ring is full or the actor is being restarted.
    pub async fn send<M: Message>(&self, msg: M) -> Result<(), CastError<M>>
    where
        A: Handles<M>,
    {
        let letter = Letter::<A, M>::new(msg, None);
        self.home.send(Path::Ring, letter).await.map(drop).map_err(|error| error.map(Letter::into_message))
    }

    /// Calls the actor and waits for its reply. A message that names no reply is answered once it is handled.
    ///
    /// Waits while the ring is full or the actor is being restarted. It has no limit of its own: `tokio::time::timeout` gives it one, and the
    /// message may be handled all the same.
    ///
    /// # Errors
    ///
    /// [`CallError::Unsent`] has the message in it, [`CallError::Failed`] the fault; [`CallError::Stopped`] says that the actor has ended, and
    /// [`CallError::Lost`] that its device has.
    pub async fn call<M: Message>(&self, msg: M) -> Result<M::Reply, CallError<M>>
    where
        A: Handles<M>,
    {
        let (asker, answer) = oneshot::channel();
        let letter = Letter::<A, M>::new(msg, Some(Asker(asker)));
        let sent = self.home.send(Path::Ring, letter).await;
        let life = sent.map_err(|error| CallError::Unsent(error.map(Letter::into_message)))?;
        awaited(answer, life.core.call_yield).await.unwrap_or(Err(NoReply::Lost)).map_err(CallError::of)
    }

    /// Sends `request` and waits on this thread for its reply, which the device writes to a line of the caller's own: the
    /// shortest way there and back. Not for a thread that runs other tasks; those use [`call`](Self::call).
    ///
    /// Where the actor is being restarted it waits for that, too, within the same `timeout`.
    pub fn ask<M: Message>(&self, request: &M, timeout: Duration) -> Result<M::Reply, AskError>
    where
        A: Handles<M>,
    {
        ask::ask::<A, M>(&self.home, request, timeout)
    }

    /// Tells the actor to stop. It handles what it was sent before, and gives its row back. Does not wait; [`ended`](Self::ended) does.
    pub fn stop(&self) {
        if self.home.life().core.is_mine() {
            self.home.shell.stop(None);
        }
    }

    /// Ends the actor at once: what it was sent and has not handled is left out. Does not wait.
    pub fn kill(&self) {
        if self.home.life().core.is_mine() {
            self.home.shell.kill();
        }
    }
}

impl<A: Actor> Handle<A> {
    /// The handle of an `A` whose home this is.
    pub(crate) fn at(home: Arc<Home>) -> Handle<A> {
        Handle { home, of: PhantomData }
    }

    /// What a framework asks whose actors have a handle beside its own.
    #[cfg(feature = "actix")]
    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }
}

impl<A: Actor> Sealed for Handle<A> {
    #[inline]
    fn home(&self) -> &Home {
        &self.home
    }

    #[inline]
    fn is_taking(&self) -> bool {
        // Its incarnation says so by itself, under the ring's lock.
        true
    }
}

impl<A: Actor> Destination<A> for Handle<A> {}

impl<A: Actor> Clone for Handle<A> {
    fn clone(&self) -> Self {
        Handle { home: self.home.clone(), of: PhantomData }
    }
}

impl<A: Actor> fmt::Debug for Handle<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("actor", self.home.shell.who()).field("kind", &self.home.life().kind.name).finish()
    }
}

/// Awaits a reply; `None` if its port is closed. For the time `looking` the task only yields.
pub(crate) async fn awaited<R>(mut answer: Receiver<R>, looking: Duration) -> Option<R> {
    let begun = Instant::now();
    while begun.elapsed() < looking {
        match answer.try_recv() {
            Ok(reply) => return Some(reply),
            Err(TryRecvError::Closed) => return None,
            Err(TryRecvError::Empty) => tokio::task::yield_now().await,
        }
    }
    answer.await.ok()
}
