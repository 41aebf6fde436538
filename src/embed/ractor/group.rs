//! The handle of a group, whose actor is ractor's.

mod actor;

use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ractor::concurrency::JoinHandle;
use ractor::rpc::CallResult;
use ractor::{Actor as _, ActorCell, ActorRef, ActorStatus, RpcReplyPort};
use resident_kernels::actor::{Handles, Message};
use resident_kernels::address::Address;
use resident_kernels::host::Resident;
use tracing::{Instrument, info_span};

pub use actor::GroupMsg;
use actor::{GroupActor, Start};

use crate::actor::handle::awaited;
use crate::embed::ractor::handle::{GpuRef, reply_port};
use crate::embed::ractor::proxy;
use crate::error::{AskError, CallError, CastError, MemberError, SpawnError};
use crate::fault::GpuFault;
use crate::group::Folded;
use crate::group::gather::Gathered;
use crate::group::members::Group;
use crate::group::table::Key;
use crate::shard::frames::encoded;
use crate::shard::link::Unsent;
use crate::system::System;

/// A group of actors of one kind, each with a key. Clones are the same group.
///
/// ```
/// # use resident_kernels::prelude::*;
/// # #[derive(State, Default)] #[repr(C)] pub struct Account { pub cents: i64 }
/// # #[derive(Message)] #[repr(C)] pub struct Deposit { pub cents: i64 }
/// # #[derive(Message)] #[reply(i64)] #[repr(C)] pub struct Balance;
/// # #[actor]
/// # impl Account {
/// #     fn deposit(&mut self, msg: &Deposit, _ctx: &mut Ctx) { self.cents += msg.cents; }
/// #     fn balance(&mut self, _: &Balance, _ctx: &mut Ctx) -> i64 { self.cents }
/// # }
/// # resident_kernels::export!(Account);
/// use ractor::rpc::CallResult;
/// use resident::prelude::*;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # let system = System::start(Config::cpu()).await?;
/// let accounts = (0..10_000u64).map(|number| (number, Account { cents: 100 }));
/// let (bank, join) = Account::spawn_many(Some("bank".into()), accounts, &system).await?;
///
/// bank.tell(&4711, AccountMsg::Deposit(Deposit { cents: 11 }))?;
/// let CallResult::Success(cents) = bank.call(&4711, AccountMsg::Balance, None).await? else { panic!() };
/// assert_eq!(cents, 111);
///
/// bank.tell_all(&Deposit { cents: 1 }).await?;
/// let all = bank.fold(&Balance, 0, |sum, _number, cents| sum + cents).await?;
/// assert_eq!((all.value, all.failed), (10_000 * 101 + 11, 0));
///
/// let account: GpuRef<Account> = bank.member(&4711).await?; // an actor of its own from here on
/// account.stop(None);
///
/// bank.actor().stop(None); // and with it all members
/// join.await?;
/// # system.stop().await;
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
/// ```
///
/// - **One actor stands for all.** Names, links, monitors and ractor's groups are [`actor`](Self::actor)'s. Its stop and its drain let
///   every member handle what it was sent; then rows and states are free. Its kill takes back what members were sent, but for some of
///   what is in the rings by then if they are many. A group goes on when its last handle is dropped, as any actor does.
/// - **Order.** Messages of one sender to one member are handled in the order in which they were sent, by whichever of the group's ways.
///   Once a member is an actor of its own, what it is sent through the handle's ring is in that order, too.
/// - **A member fails alone.** Its callers get the [`GpuFault`], which names the group's actor; later senders get it, too. The group keeps
///   it ([`fault`](Self::fault), [`failed`](Self::failed)) until the member is [restarted](Self::restart) or [removed](Self::remove). The
///   supervisor of the group does not hear of it. The failed state is not read: [`GpuFault::state`] has none.
/// - **With the device.** A takeover leaves members as it leaves actors: the one that is blamed fails. If a device is lost for good,
///   every member on it fails with [`FaultClass::DeviceLost`](crate::FaultClass::DeviceLost), and with the last of its devices the group. Until
///   then those members can be [restarted](Self::restart) on another device.
/// - **On several devices.** The [`Placement`](crate::Placement) of the group's system says which members are where, those that are inserted or
///   restarted later among them.
/// - **In checkpoints** members are actors without a name. [`System::restore`] brings them back as such, each with a proxy, and does not
///   know their keys. Where a state says its key, make a group of `checkpoint.actors()` and
///   [`StateOf`](crate::checkpoint::StateOf) instead.
pub struct GpuGroup<A: Resident, K = u64> {
    actor: ActorRef<GroupMsg>,
    group: Arc<Group<K>>,
    kind: PhantomData<fn() -> A>,
}

/// Starts the actor of a group, and its members.
pub(crate) async fn spawn<A: Resident, K: Key>(
    name: Option<String>,
    gathered: Result<Gathered<K>, SpawnError>,
    system: &System,
    supervisor: Option<ActorCell>,
) -> Result<(GpuGroup<A, K>, JoinHandle<()>), SpawnError> {
    system.fleet().check_proxies()?;
    let group = Arc::new(OnceLock::new());
    let proxy = GroupActor { group: group.clone() };
    let gathered = gathered?;
    let (begun, members, kind, system_name) = (Instant::now(), gathered.members.len(), A::KIND.name, system.name());
    let span = info_span!("spawn_many", system = system_name, kind, members);
    let start = Start { system: system.clone(), kind: A::KIND, gathered };
    let spawned = async {
        match supervisor {
            Some(supervisor) => GroupActor::spawn_linked(name, proxy, start, supervisor).await,
            None => GroupActor::spawn(name, proxy, start).await,
        }
    };
    let (actor, join) = spawned.instrument(span.clone()).await?;
    span.in_scope(|| tracing::info!(system = system_name, kind, members, took = ?begun.elapsed(), "a group is there"));
    let group = group.get().cloned().ok_or(SpawnError::Stopped)?;
    Ok((GpuGroup { actor, group, kind: PhantomData }, join))
}

impl<A: Resident, K: Eq + Hash + Clone + Send + Sync + 'static> GpuGroup<A, K> {
    /// The actor that stands for the group: link it, watch it, stop it.
    pub fn actor(&self) -> &ActorRef<GroupMsg> {
        &self.actor
    }

    /// Members, those that have failed among them.
    pub fn len(&self) -> usize {
        self.group.table.read().len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a member has this key.
    pub fn contains(&self, key: &K) -> bool {
        self.group.table.read().find(key).is_some()
    }

    /// The keys of all members, in no order.
    pub fn keys(&self) -> Vec<K> {
        self.group.table.read().slots().map(|(_, member)| member.key.clone()).collect()
    }

    /// Why a member failed, if it has and was not restarted since.
    pub fn fault(&self, key: &K) -> Option<GpuFault> {
        let table = self.group.table.read();
        table.fault(table.find(key)?)
    }

    /// Those that have failed, and why.
    pub fn failed(&self) -> Vec<(K, GpuFault)> {
        let table = self.group.table.read();
        let lost = !table.lost.is_empty();
        let may_have = table.slots().filter(|(slot, _)| lost || table.faults.contains_key(slot) || table.own.contains_key(slot));
        may_have.filter_map(|(slot, member)| Some((member.key.clone(), table.fault(slot)?))).collect()
    }

    /// Whether messages are taken.
    #[inline]
    fn ready(&self) -> Result<(), Unsent> {
        match self.actor.get_status() {
            _ if !self.group.first().is_mine() => Err(Unsent::Forked),
            status if status < ActorStatus::Draining => Ok(()),
            _ => Err(Unsent::Stopped),
        }
    }

    /// Sends a message to a member, or gives it back and says why: the member is not there, has failed, or the ring is full.
    pub fn tell(&self, key: &K, msg: A::Msg) -> Result<(), CastError<A::Msg>> {
        if let Err(unsent) = self.ready() {
            return Err(unsent.with(msg));
        }
        self.group.push(key, msg).map(drop)
    }

    /// Sends each of these to its member, in their order: as [`tell`](Self::tell), but members are looked up several at a time, which is what a
    /// message to one of a million costs on the host.
    ///
    /// What could not be sent is left in `messages`, and first of it the message that was not, for the reason that comes back: where that
    /// [`is_full`](CastError::is_full), [`send`](Self::send) it, and go on with the others.
    ///
    /// ```
    /// # use resident_kernels::prelude::*;
    /// # #[derive(State, Default)] #[repr(C)] pub struct Meter { pub sum: u64 }
    /// # #[derive(Message)] #[repr(C)] pub struct Reading { pub value: u64 }
    /// # #[derive(Message)] #[reply(u64)] pub struct Sum;
    /// # #[actor]
    /// # impl Meter {
    /// #     fn reading(&mut self, msg: &Reading, _ctx: &mut Ctx) { self.sum += msg.value; }
    /// #     fn sum(&mut self, _: &Sum, _ctx: &mut Ctx) -> u64 { self.sum }
    /// # }
    /// # resident_kernels::export!(Meter);
    /// use resident::prelude::*;
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let system = System::start(Config::cpu()).await?;
    /// let (meters, _) = Meter::spawn_many(None, (0..1000).map(|key| (key, Meter::default())), &system).await?;
    /// let mut readings: Vec<_> = (0..5000).map(|n| (n % 1000, MeterMsg::Reading(Reading { value: 1 }))).collect();
    /// while let Err(unsent) = meters.tell_many(&mut readings) {
    ///     if !unsent.is_full() {
    ///         return Err(unsent.into());
    ///     }
    ///     let (key, reading) = readings.remove(0);
    ///     meters.send(&key, reading).await?;
    /// }
    /// assert_eq!(meters.ask(&7, &Sum, std::time::Duration::from_secs(1))?, 5);
    /// # system.stop().await;
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
    /// ```
    pub fn tell_many(&self, messages: &mut Vec<(K, A::Msg)>) -> Result<(), CastError<()>> {
        self.ready().map_err(|unsent| unsent.with(()))?;
        self.group.push_many(messages)
    }

    /// Sends a message to a member, waiting while the ring is full.
    pub async fn send(&self, key: &K, msg: A::Msg) -> Result<(), CastError<A::Msg>> {
        if let Err(unsent) = self.ready() {
            return Err(unsent.with(msg));
        }
        self.group.send(key, msg).await.map(drop)
    }

    /// Calls a member, as [`GpuRef::call`] does: `build` gets the reply port and makes the message. Waits while the ring is full;
    /// `timeout` covers that too.
    pub async fn call<R, B>(&self, key: &K, build: B, timeout: Option<Duration>) -> Result<CallResult<R>, CallError<A::Msg>>
    where
        R: Send + 'static,
        B: FnOnce(RpcReplyPort<R>) -> A::Msg,
    {
        let (reply, answer) = reply_port(timeout);
        let msg = build(reply);
        if let Err(unsent) = self.ready() {
            return Err(CallError::Unsent(unsent.with(msg)));
        }
        let exchange = async {
            let sent = self.group.send(key, msg).await.map_err(|unsent| match unsent {
                CastError::Failed(_, fault) => CallError::Failed(fault),
                unsent => CallError::Unsent(unsent),
            })?;
            Ok(match awaited(answer, self.group.first().call_yield).await {
                Some(reply) => Ok(reply),
                None => Err(self.group.why_gone(&sent)),
            })
        };
        let answer = match timeout {
            None => exchange.await?,
            Some(limit) => match ractor::concurrency::timeout(limit, exchange).await {
                Ok(answer) => answer?,
                Err(_) => return Ok(CallResult::Timeout),
            },
        };
        match answer {
            Ok(reply) => Ok(CallResult::Success(reply)),
            Err(Some(fault)) => Err(CallError::Failed(Box::new(fault))),
            Err(None) => Ok(CallResult::SenderError),
        }
    }

    /// Sends `request` to a member and waits on this thread for its reply, as [`GpuRef::ask`] does.
    pub fn ask<M: Message>(&self, key: &K, request: &M, timeout: Duration) -> Result<M::Reply, AskError>
    where
        A: Handles<M>,
    {
        match self.ready() {
            Ok(()) => {}
            Err(Unsent::Forked) => return Err(AskError::Forked),
            Err(_) => return Err(AskError::Stopped),
        }
        self.group.ask::<A, M>(key, request, timeout)
    }

    /// Sends `message` to every member, waiting while rings are full: how many took it. Those that have failed do not; one that is
    /// inserted meanwhile may not get it.
    pub async fn tell_all<M: Message>(&self, message: &M) -> Result<usize, CastError<()>>
    where
        A: Handles<M>,
    {
        self.ready().map_err(|unsent| unsent.with(()))?;
        self.group.tell_all::<A, M>(message).await
    }

    /// Calls every member and folds the replies, in the order in which they come. Some thousand calls are in flight at a time. One that
    /// is inserted meanwhile may not be called.
    pub async fn fold<M: Message, T>(&self, message: &M, init: T, f: impl FnMut(T, &K, M::Reply) -> T) -> Result<Folded<T>, CastError<()>>
    where
        A: Handles<M>,
        M::Reply: Send + 'static,
    {
        self.ready().map_err(|unsent| unsent.with(()))?;
        self.group.fold::<A, M, T>(message, init, f).await
    }

    /// Where other actors reach a member, as [`GpuRef::address`]; `None` if there is none that takes messages.
    pub async fn address(&self, key: &K) -> Option<Address<A>> {
        self.group.address(key).await
    }

    /// The same of every member that takes messages, in no order.
    pub async fn addresses(&self) -> Vec<(K, Address<A>)> {
        self.group.addresses().await
    }

    /// Adds a member. What it is sent from then on comes behind its state.
    pub fn insert(&self, key: K, state: A) -> impl Future<Output = Result<(), MemberError>> + Send {
        // Before it would move through the future, which a large one would not fit on a stack.
        self.group.insert(key, encoded(&state))
    }

    /// Takes a member out: it handles what it was sent before, then its row and its state are free. False if there is none.
    pub async fn remove(&self, key: &K) -> bool {
        self.group.remove(key).await
    }

    /// Puts a fresh state where a member has failed, in its row at the next generation; where that went with its device, in another one. Its
    /// fault is forgotten.
    pub fn restart(&self, key: &K, state: A) -> impl Future<Output = Result<(), MemberError>> + Send {
        self.group.restart(key, encoded(&state))
    }

    /// Makes a member an actor of its own, with a proxy, a mailbox and links, and without a supervisor; or finds the one that it is. It
    /// stays a member, ends with the group, and leaves it when it is stopped. If it fails it ends, and stays a member that has failed.
    pub async fn member(&self, key: &K) -> Result<GpuRef<A>, MemberError> {
        self.group.first().check_proxies()?;
        // In a task of its own: whoever gives up does not leave it half done.
        let detached = tokio::spawn(self.group.clone().detach(key.clone(), proxy::lend::<A>()));
        let home = detached.await.unwrap_or(Err(MemberError::Stopped))?;
        GpuRef::at(home).ok_or(MemberError::Unknown)
    }
}

impl<A: Resident, K> Clone for GpuGroup<A, K> {
    fn clone(&self) -> Self {
        GpuGroup { actor: self.actor.clone(), group: self.group.clone(), kind: PhantomData }
    }
}

impl<A: Resident, K> fmt::Debug for GpuGroup<A, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.group.table.read().len();
        f.debug_struct("GpuGroup").field("actor", &self.actor).field("kind", &A::KIND.name).field("members", &members).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ractor::ActorCell;

    use crate::config::Config;
    use crate::embed::ractor::spawn::Spawn;
    use crate::embed::ractor::tests::Log;
    use crate::embed::ractor::watch::watch;
    use crate::fault::FaultClass;
    use crate::system::System;

    async fn ended(cell: ActorCell) {
        tokio::time::timeout(Duration::from_secs(60), watch(cell)).await.expect("it ends");
    }

    /// A pump that has looked up whose row it is, and is late: the member is an actor of its own by then.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_comes_late_is_the_actors() {
        let system = System::start(Config { shards: Some(1), ..Config::cpu() }).await.unwrap();
        let (group, _) = Log::spawn_many(None, [("fails", Log::default()), ("ends", Log::default())], &system).await.unwrap();
        let crew = group.group.crew_of(0).unwrap().clone();
        let seat = |key| {
            let table = group.group.table.read();
            let slot = table.find(&key).unwrap();
            (slot, table.seat(slot).unwrap().id)
        };
        let (fails, ends) = (seat("fails"), seat("ends"));
        let (failing, ending) = (group.member(&"fails").await.unwrap(), group.member(&"ends").await.unwrap());

        crew.fail(fails.0, fails.1, FaultClass::Panic, None, "late".into());
        ended(failing.get_cell()).await;
        let fault = failing.fault().expect("a fault");
        assert_eq!((fault.class, fault.text.as_str()), (FaultClass::Panic, "late"));

        crew.ended(ends.0, ends.1);
        ended(ending.get_cell()).await;
        assert!(ending.fault().is_none());
        group.actor().stop(None);
        system.stop().await;
    }
}
