//! What stays the same over an actor's restarts: its proxy, the handles to it, and the callers that wait for it.
//!
//! An actor on its own has one incarnation, and its proxy ends with it. One that a guardian keeps rests after a fault, until
//! the guardian starts its next incarnation or ends it for good; name, groups, links, mailbox and handles are not touched.
//!
//! - **H-1 (one life)** The next incarnation starts only after the one before was told to stop, and a handle sends to the last
//!   one that started: what is on its way to an older one is refused by the device.
//! - **H-2 (wait)** A sender that finds the actor resting waits for its next incarnation, or for its end.
//! - **H-3 (told once)** A fault of a kept actor reaches its guardian once; where the guardian has gone, the proxy ends.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use futures_util::future::BoxFuture;
use parking_lot::{Condvar, Mutex};
use resident_gpu::rows::RowId;
use resident_kernels::actor::{Handles, Kind, Message};
use resident_kernels::address::Address;
use resident_kernels::host::Envelope;
use tokio::sync::{Notify, oneshot};

use crate::actor::ends::{Ends, IncarnationEnds};
use crate::actor::incarnation::{Beginning, Ending, Incarnation, Place};
use crate::actor::life::{Action, Event, Life};
use crate::actor::recovery::Recovery;
use crate::actor::shell::Shell;
use crate::device::directory::Lodger;
use crate::error::{CastError, SpawnError};
use crate::fault::GpuFault;
use crate::shard::link::{Path, Recipient as _, Unsent};
use crate::who::ActorKey;

/// Hears of a kept actor's fault, on the thread that saw it; false if there is nobody any more.
pub(crate) type Keeper = Box<dyn Fn() -> bool + Send + Sync>;

/// What stays the same over an actor's restarts.
pub(crate) struct Home {
    pub shell: Arc<dyn Shell>,
    last: Last,
    keeper: Option<Keeper>,
    /// What it goes back to, where its specification says so.
    recovery: Option<Arc<Recovery>>,
    /// Who hears of its incarnations' ends.
    ends: Ends,
    life: Mutex<Life>,
    /// What the last incarnation's end still waits for, until somebody waits for that. Locked ahead of `life`, while the device is told what
    /// the life decides: in that order, and whoever ends the actor meanwhile waits.
    ending: Mutex<Option<Ending>>,
    /// Tell tasks and threads that another incarnation has begun, or the actor is over.
    changed: Notify,
    turned: Condvar,
    /// Callers that wait for a marker of theirs to pass the proxy's mailbox, the first one first. The k-th marker in the mailbox
    /// releases the k-th of them: among the first k markers is one sent after the k-th had come here, so what that one had sent
    /// before stands ahead of it.
    fences: Mutex<VecDeque<oneshot::Sender<()>>>,
}

/// The incarnation that handles send to. That of an actor which nobody keeps is read without an atomic operation.
enum Last {
    Only(Arc<Incarnation>),
    Kept(ArcSwap<Incarnation>),
}

/// The incarnation that was the last one when it was looked at.
pub(crate) enum LifeRef<'a> {
    Only(&'a Arc<Incarnation>),
    Last(Guard<Arc<Incarnation>>),
}

impl Deref for LifeRef<'_> {
    type Target = Arc<Incarnation>;

    #[inline]
    fn deref(&self) -> &Arc<Incarnation> {
        match self {
            LifeRef::Only(life) => life,
            LifeRef::Last(life) => life,
        }
    }
}

impl Home {
    /// The home of an actor whose first incarnation is at `place`. [`open`](Self::open) comes next.
    pub(crate) fn new(shell: Arc<dyn Shell>, place: Place, keeper: Option<Keeper>, recovery: Option<Recovery>) -> Arc<Home> {
        let recovery = recovery.map(Arc::new);
        let home = Arc::new_cyclic(|home| Home {
            last: {
                let life = Arc::new(Incarnation::new(1, place, shell.clone(), home.clone(), 0, recovery.clone()));
                if keeper.is_some() { Last::Kept(ArcSwap::new(life)) } else { Last::Only(life) }
            },
            shell,
            life: Mutex::new(Life::new(keeper.is_some())),
            ending: Mutex::new(None),
            keeper,
            recovery,
            ends: Ends::default(),
            changed: Notify::new(),
            turned: Condvar::new(),
            fences: Mutex::new(VecDeque::new()),
        });
        // Its faults find it from here on.
        home.life().enter();
        home
    }

    /// From here on the actor is found: what it was sent until now is ahead of everything else.
    pub(crate) fn open(self: &Arc<Self>) {
        self.life().core.directory.enter(self.clone());
    }

    /// What the actor goes back to after a failure, if its specification says so.
    pub(crate) fn recovery(&self) -> Option<&Arc<Recovery>> {
        self.recovery.as_ref()
    }

    /// The last incarnation that was started.
    #[inline]
    pub(crate) fn life(&self) -> LifeRef<'_> {
        match &self.last {
            Last::Only(life) => LifeRef::Only(life),
            Last::Kept(life) => LifeRef::Last(life.load()),
        }
    }

    /// Whether the actor is between two incarnations or may soon be: a guardian keeps it and has not ended it.
    #[inline]
    pub(crate) fn may_return(&self) -> bool {
        self.keeper.is_some() && !self.has_ended()
    }

    /// Whether the actor has ended for good.
    pub(crate) fn has_ended(&self) -> bool {
        self.life.lock().is_over()
    }

    /// Where other actors of the device reach its last incarnation, once that is there.
    pub(crate) async fn address<A>(&self) -> Address<A> {
        let life = self.life().clone();
        if self.life.lock().is_starting() {
            // An error says that the device no longer runs.
            let _ = life.port.fence().await;
        }
        life.address()
    }

    /// Whether messages are taken now, or once it is restarted, as far as the device is concerned.
    pub(crate) fn takes_messages(&self) -> bool {
        let life = self.life();
        life.is_open() && life.core.answers() || self.may_return()
    }

    /// Sends messages in their order, as many as the ring takes: how many those were. An error if the actor takes none any more.
    pub(crate) fn cast_many<A: Handles<M>, M: Message>(&self, messages: &[M]) -> Result<usize, CastError<()>> {
        let life = self.life();
        match life.port.cast_many::<A, M>(&**life, messages) {
            (sent, None | Some(Unsent::Full)) => Ok(sent),
            (sent, Some(_)) if self.may_return() => Ok(sent),
            (0, Some(unsent)) => Err(unsent.with(())),
            (sent, Some(_)) => Ok(sent),
        }
    }

    /// Sends a message, waiting for room in the ring and for the actor's next incarnation (H-2); the incarnation that has it.
    pub(crate) async fn send<E: Envelope>(&self, path: Path, mut msg: E) -> Result<Arc<Incarnation>, CastError<E>> {
        loop {
            let life = self.life().clone();
            msg = match life.send(path, msg).await {
                Ok(()) => return Ok(life),
                Err(CastError::Stopped(msg) | CastError::Lost(msg)) if self.may_return() => msg,
                Err(unsent) => return Err(unsent),
            };
            self.after(&life).await;
        }
    }

    /// Waits until `life` is not the last incarnation, or the actor has ended.
    pub(crate) async fn after(&self, life: &Arc<Incarnation>) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed; what came before, this look sees.
            changed.as_mut().enable();
            if !Arc::ptr_eq(&self.life(), life) || self.has_ended() {
                return;
            }
            changed.await;
        }
    }

    /// The same on a thread, until `deadline`; false if nothing has changed by then.
    pub(crate) fn after_blocking(&self, life: &Arc<Incarnation>, deadline: Instant) -> bool {
        let mut now = self.life.lock();
        while Arc::ptr_eq(&self.life(), life) && !now.is_over() {
            if self.turned.wait_until(&mut now, deadline).timed_out() {
                return false;
            }
        }
        true
    }

    /// Something has happened about which nothing is to be done now. Whoever says so may hold any lock of a home but its life's.
    pub(crate) fn note(&self, event: Event) {
        let actions = self.life.lock().on(event);
        debug_assert_eq!(actions, [], "{event:?}");
    }

    /// Something has happened: what the life decides is carried out.
    pub(crate) fn hear(&self, event: Event) {
        let actions = {
            let mut ending = self.ending.lock();
            let actions = self.life.lock().on(event);
            self.tell_device(&actions, &mut ending);
            actions
        };
        self.tell_others(&actions);
    }

    /// What the device is told of the last incarnation.
    fn tell_device(&self, actions: &[Action], ending: &mut Option<Ending>) {
        for action in actions {
            match action {
                Action::Kill => self.life().kill(),
                Action::Stop => *ending = Some(self.life().begin_end()),
                _ => {}
            }
        }
    }

    /// What everybody else is told, who may answer at once.
    fn tell_others(&self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Wake => {
                    self.changed.notify_waiters();
                    self.turned.notify_all();
                }
                Action::Tell if self.keeper.as_ref().is_some_and(|keeper| !keeper()) => self.hear(Event::Unheard),
                Action::StopProxy => self.life().stop_actor(),
                Action::KillProxy => self.shell.kill(),
                _ => {}
            }
        }
    }

    /// Ends the incarnation and keeps the proxy for the next one: it handles what its shard was sent, unless `abruptly`. False if
    /// the actor has ended.
    pub(crate) fn rest(&self, abruptly: bool) -> bool {
        self.hear(Event::Rest { abruptly });
        !self.has_ended()
    }

    /// Waits until the device has released the incarnation that ended; why it failed, if it did.
    pub(crate) async fn rested(&self) -> Result<(), GpuFault> {
        let ending = self.ending.lock().take();
        let life = self.life().clone();
        let end = life.end(ending.unwrap_or_default()).await;
        self.ends.tell(life.number, end.as_ref().err());
        end
    }

    /// Hears of the incarnations' ends, from that of the present one on.
    pub(crate) fn ends(&self) -> IncarnationEnds {
        self.ends.listen(|| self.life().number)
    }

    /// H-1: starts the next incarnation at `place`; `beginning` says with what.
    pub(crate) fn restart(self: &Arc<Self>, place: Place, beginning: impl FnOnce(&Incarnation) -> Beginning) -> Result<(), SpawnError> {
        // Without a keeper it does not rest.
        let Last::Kept(last) = &self.last else { return Err(SpawnError::Stopped) };
        let old = self.life().clone();
        let Beginning { state, before, replay } = beginning(&old);
        let life =
            Arc::new(Incarnation::new(old.number + 1, place, self.shell.clone(), Arc::downgrade(self), before, self.recovery.clone()));
        life.enter();
        life.spawn(&state);
        replay.into_iter().for_each(|returned| life.replay(returned));
        let actions = {
            let mut ending = self.ending.lock();
            let mut now = self.life.lock();
            let actions = now.on(Event::Begun);
            if !actions.contains(&Action::Open) {
                drop(now);
                life.revoke();
                return Err(SpawnError::Stopped);
            }
            last.store(life.clone());
            drop(now);
            if !Arc::ptr_eq(&old.core, &life.core) {
                old.core.directory.leave(self.key());
                life.core.directory.enter(self.clone());
            }
            *ending = None;
            self.tell_device(&actions, &mut ending);
            actions
        };
        self.tell_monitors(&old);
        self.tell_others(&actions);
        Ok(())
    }

    /// Whoever watches the actor by its framework's means hears that `old` has ended.
    fn tell_monitors(&self, old: &Incarnation) {
        let last = self.ends.last().filter(|last| last.incarnation == old.number);
        self.shell.restarted(last.and_then(|last| last.fault));
    }

    /// The proxy stops: nothing is started any more, and what was there ends.
    pub(crate) async fn finish(&self) -> Result<(), GpuFault> {
        self.hear(Event::Finish);
        self.rested().await
    }

    /// The proxy has gone. Where it did not stop the actor, as after a kill or a panic, the device still has it.
    pub(crate) fn abandon(&self) {
        self.hear(Event::Abandon);
        let life = self.life();
        life.core.directory.leave(self.key());
        self.ends.tell(life.number, life.fault());
        self.ends.close();
        self.recovery.iter().for_each(|recovery| recovery.end());
        self.fences.lock().clear();
    }

    /// Ends an actor that rests for good: its proxy stops, and says why if the actor had failed.
    pub(crate) fn retire(&self) {
        self.hear(Event::Retire);
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
}

impl Lodger for Home {
    fn key(&self) -> ActorKey {
        self.shell.who().key
    }

    fn actors(&self) -> usize {
        1
    }

    fn drained(&self, limit: Duration) -> BoxFuture<'_, bool> {
        self.shell.drained(limit)
    }

    fn is_live(&self) -> bool {
        self.life.lock().is_live()
    }

    fn is_recoverable(&self) -> bool {
        self.recovery.is_some()
    }

    fn rows(&self, is_wanted: &dyn Fn(&'static Kind) -> bool) -> Vec<(u32, RowId)> {
        let life = self.life();
        if is_wanted(life.kind) { vec![(life.port.shard, life.row)] } else { Vec::new() }
    }
}
