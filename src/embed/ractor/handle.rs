//! The handle of a resident actor: an ordinary `ActorRef` whose own `cast` and `call` go straight into the shard's ring.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use ractor::concurrency::oneshot;
use ractor::rpc::CallResult;
use ractor::{ActorCell, ActorRef, ActorStatus, MessagingErr, RpcReplyPort, registry};
use resident_kernels::actor::{Handles, Message};
use resident_kernels::address::Address;
use resident_kernels::host::{Cross, Resident};
use tokio::sync::oneshot::Receiver;

use crate::actor::ask;
use crate::actor::destination::{Destination, Sealed};
use crate::actor::ends::IncarnationEnds;
use crate::actor::handle::awaited;
use crate::actor::home::Home;
use crate::actor::incarnation::Incarnation;
use crate::actor::info::ActorInfo;
use crate::device::directory::Lodger as _;
use crate::embed::ractor::shell::{cell, key};
use crate::embed::ractor::watch::watch;
use crate::error::{AskError, CallError, CastError, FenceError};
use crate::fault::GpuFault;
use crate::shard::link::Path;
use crate::system::System;
use crate::who::ActorKey;

/// A handle of a resident actor.
///
/// It dereferences to the actor's `ActorRef`, so whatever takes one takes this, and ractor's `cast!`, `call!` and `call_t!` used
/// on it take the ring: they find the methods here first. Messages of one sender over one handle arrive in their order; those
/// sent through a plain `ActorRef` pass a mailbox first and have an order of their own.
pub struct GpuRef<A: Resident> {
    actor: ActorRef<A::Msg>,
    home: Arc<Home>,
}

impl<A: Resident> GpuRef<A> {
    /// `actor` is the proxy of an `A` whose home is `home`.
    pub(crate) fn new(actor: ActorRef<A::Msg>, home: Arc<Home>) -> GpuRef<A> {
        GpuRef { actor, home }
    }

    /// The handle of an actor, if it is an `A` and runs under ractor.
    pub(crate) fn at(home: Arc<Home>) -> Option<GpuRef<A>> {
        if home.life().kind.fingerprint != A::KIND.fingerprint {
            return None;
        }
        let actor = cell(&*home.shell)?.clone().into();
        Some(GpuRef { actor, home })
    }

    /// The living actor of this name, if it is an `A` on `system`.
    pub fn where_is(name: impl AsRef<str>, system: &System) -> Option<GpuRef<A>> {
        Self::of(registry::where_is(name)?, system)
    }

    /// The handle of a living actor, if it is an `A` on `system`.
    pub fn of(actor: impl Into<ActorCell>, system: &System) -> Option<GpuRef<A>> {
        let actor: ActorCell = actor.into();
        GpuRef::at(system.fleet().find(key(actor.get_id())?)?)
    }

    /// Its key, by which faults and [scopes](crate::Scope) of checkpoints call it.
    pub fn key(&self) -> ActorKey {
        self.home.key()
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
            watch(self.actor.get_cell()).await;
        }
        self.fault()
    }

    /// Hears of each incarnation's end, also of those that a guardian follows with the next one: from the end of the incarnation that
    /// [`info`](Self::info) tells of now, whose end comes at once if it was before.
    ///
    /// ```
    /// # use resident_kernels::prelude::*;
    /// # #[derive(State, Default)] #[repr(C)] pub struct Radar { pub seen: u64 }
    /// # #[derive(Message)] pub struct Fail;
    /// # #[derive(Message)] #[reply(u64)] pub struct Look;
    /// # #[actor]
    /// # impl Radar {
    /// #     fn fail(&mut self, _: &Fail, ctx: &mut Ctx) { ctx.fail("no echo"); }
    /// #     fn look(&mut self, _: &Look, _ctx: &mut Ctx) -> u64 { self.seen }
    /// # }
    /// # resident_kernels::export!(Radar);
    /// use ractor::cast;
    /// use resident::prelude::*;
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let system = System::start(Config::cpu()).await?;
    /// let tower = Supervisor::builder("tower").child(ChildSpec::gpu("radar", Radar::default).on(&system)).start().await?;
    /// let radar = tower.child::<Radar>("radar").await.unwrap();
    /// let mut ends = radar.ends();
    /// cast!(radar, RadarMsg::Fail)?;
    /// let end = ends.next().await.unwrap(); // the state is gone; `radar` goes on with the next incarnation
    /// assert_eq!((end.incarnation, end.fault.unwrap().class), (1, FaultClass::Failed));
    /// radar.call(RadarMsg::Look, None).await?; // waits until that is there
    /// tower.stop().await?;
    /// let end = ends.next().await.unwrap();
    /// assert!(end.incarnation == 2 && end.fault.is_none() && ends.next().await.is_none());
    /// # system.stop().await;
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
    /// ```
    pub fn ends(&self) -> IncarnationEnds {
        self.home.ends()
    }

    #[inline]
    pub(crate) fn is_taking(&self) -> bool {
        self.actor.get_status() < ActorStatus::Draining
    }

    /// Whether the actor takes messages, now or once it is restarted: what tells, behind a `SendErr`, a full ring from an actor that has
    /// stopped, has failed or has lost its device.
    pub fn takes_messages(&self) -> bool {
        self.is_taking() && self.home.takes_messages()
    }

    /// Sends a message **if its ring has room: a full one gives it back as `SendErr`**, which ractor's own actors say only when they are
    /// dead. `cast!` on a handle is this. [`takes_messages`](Self::takes_messages) tells the two apart, [`try_cast`](Self::try_cast) says
    /// which it was, [`send`](Self::send) waits for room.
    ///
    /// ```
    /// # use resident_kernels::prelude::*;
    /// # #[derive(State, Default)] #[repr(C)] pub struct Meter { pub read: u64 }
    /// # #[derive(Message)] pub struct Tick;
    /// # #[actor]
    /// # impl Meter { fn tick(&mut self, _: &Tick, _ctx: &mut Ctx) { self.read += 1; } }
    /// # resident_kernels::export!(Meter);
    /// use ractor::{MessagingErr, RactorErr, cast};
    /// use resident::prelude::*;
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let system = System::start(Config::cpu()).await?;
    /// # let (meter, _) = Meter::spawn(None, Meter::default(), &system).await?;
    /// match cast!(meter, MeterMsg::Tick) {
    ///     Err(RactorErr::Messaging(MessagingErr::SendErr(tick))) if meter.takes_messages() => meter.send(tick).await?, // it was full
    ///     sent => sent?,
    /// }
    /// # system.stop().await;
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
    /// ```
    #[inline]
    pub fn cast(&self, msg: A::Msg) -> Result<(), MessagingErr<A::Msg>> {
        self.try_cast(msg).map_err(MessagingErr::from)
    }

    /// Sends a message, or gives it back and says why. An actor that is being restarted gives it back as a full ring does.
    #[inline]
    pub fn try_cast(&self, msg: A::Msg) -> Result<(), CastError<A::Msg>> {
        if !self.is_taking() {
            return Err(CastError::Stopped(msg));
        }
        // Here, and not one call further down: measured, that costs a cast a nanosecond of thirty.
        let life = self.home.life();
        match life.port.send(&**life, Path::Ring, msg) {
            Err(CastError::Stopped(msg) | CastError::Lost(msg)) if self.home.may_return() => Err(CastError::Full(msg)),
            done => done,
        }
    }

    /// Sends `messages` in their order, as many as the ring takes: how many those were. The cheapest way to send: the ring is
    /// locked once for many messages. It is an error only if the actor takes none any more.
    pub fn cast_many<M: Message>(&self, messages: &[M]) -> Result<usize, CastError<()>>
    where
        A: Handles<M>,
    {
        if !self.is_taking() {
            return Err(CastError::Stopped(()));
        }
        self.home.cast_many::<A, M>(messages)
    }

    /// Sends a message, waiting while the ring is full or the actor is being restarted.
    pub async fn send(&self, msg: A::Msg) -> Result<(), CastError<A::Msg>> {
        self.sent(msg).await.map(drop)
    }

    /// Sends a message: the incarnation that has it.
    async fn sent(&self, msg: A::Msg) -> Result<Arc<Incarnation>, CastError<A::Msg>> {
        if !self.is_taking() {
            return Err(CastError::Stopped(msg));
        }
        self.home.send(Path::Ring, msg).await
    }

    /// Calls the actor, as ractor's `call` does: `build` gets the reply port and makes the message. Waits while the ring is
    /// full or the actor is being restarted; `timeout` covers that too.
    pub async fn call<R, B>(&self, build: B, timeout: Option<Duration>) -> Result<CallResult<R>, CallError<A::Msg>>
    where
        R: Send + 'static,
        B: FnOnce(RpcReplyPort<R>) -> A::Msg,
    {
        let (reply, answer) = reply_port(timeout);
        let msg = build(reply);
        let exchange = async {
            let life = self.sent(msg).await.map_err(CallError::Unsent)?;
            Ok((awaited(answer, life.core.call_yield).await, life))
        };
        let (answer, life) = match timeout {
            None => exchange.await?,
            Some(limit) => match ractor::concurrency::timeout(limit, exchange).await {
                Ok(answer) => answer?,
                Err(_) => return Ok(CallResult::Timeout),
            },
        };
        match (answer, life.fault()) {
            (Some(reply), _) => Ok(CallResult::Success(reply)),
            (None, Some(fault)) => Err(CallError::Failed(Box::new(fault.clone()))),
            (None, None) => Ok(CallResult::SenderError),
        }
    }

    /// Changes from the mailbox to the ring: what this caller sent through a plain `ActorRef` before is in the ring when it
    /// returns, so that what is sent through the handle comes behind.
    pub async fn sender(&self) -> Result<GpuRef<A>, FenceError>
    where
        A::Msg: Cross,
    {
        if !self.home.life().core.is_mine() {
            return Err(FenceError::Forked);
        }
        let passed = self.home.fence();
        self.actor.send_message(A::Msg::of_bytes(Vec::new())).map_err(|_| FenceError::Stopped)?;
        passed.await.map_err(|_| FenceError::Stopped)?;
        Ok(self.clone())
    }

    /// Sends `request` and waits on this thread for its reply, which the device writes to a line of the caller's own: the
    /// shortest way there and back. Not for a thread that runs other tasks; those use `call!`.
    ///
    /// Where the actor is being restarted it waits for that, too, within the same `timeout`.
    pub fn ask<M: Message>(&self, request: &M, timeout: Duration) -> Result<M::Reply, AskError>
    where
        A: Handles<M>,
    {
        if !self.is_taking() {
            return Err(ask::ended(&self.home.life()));
        }
        ask::ask::<A, M>(&self.home, request, timeout)
    }

    #[inline]
    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }
}

impl<A: Resident> Sealed for GpuRef<A> {
    #[inline]
    fn home(&self) -> &Home {
        &self.home
    }

    #[inline]
    fn is_taking(&self) -> bool {
        self.is_taking()
    }
}

impl<A: Resident> Destination<A> for GpuRef<A> {}

/// A call's reply port, and where its reply comes.
pub(crate) fn reply_port<R: Send + 'static>(timeout: Option<Duration>) -> (RpcReplyPort<R>, Receiver<R>) {
    let (reply, answer) = oneshot();
    let port = match timeout {
        Some(limit) => (reply, limit).into(),
        None => reply.into(),
    };
    (port, answer)
}

impl<A: Resident> Deref for GpuRef<A> {
    type Target = ActorRef<A::Msg>;

    #[inline]
    fn deref(&self) -> &ActorRef<A::Msg> {
        &self.actor
    }
}

impl<A: Resident> Clone for GpuRef<A> {
    fn clone(&self) -> Self {
        GpuRef { actor: self.actor.clone(), home: self.home.clone() }
    }
}

impl<A: Resident> fmt::Debug for GpuRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GpuRef").field("actor", &self.actor).field("kind", &self.home.life().kind.name).finish()
    }
}

impl<A: Resident> From<GpuRef<A>> for ActorRef<A::Msg> {
    fn from(handle: GpuRef<A>) -> Self {
        handle.actor
    }
}

impl<A: Resident> From<GpuRef<A>> for ActorCell {
    fn from(handle: GpuRef<A>) -> Self {
        handle.actor.get_cell()
    }
}
