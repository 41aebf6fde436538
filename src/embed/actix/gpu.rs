//! The actix actor that stands for one on the device: how it begins, is restarted and ends.
//!
//! It does no work of its own: what comes by its mailbox goes into the ring.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use actix::fut::{ActorFutureExt, wrap_future};
use actix::{Addr, AsyncContext, Context, Supervised, WeakAddr};
use resident_kernels::actor::Actor;
use tokio::runtime::Handle as Runtime;

use crate::actor::home::{Home, Keeper};
use crate::actor::incarnation::{Beginning, Place};
use crate::actor::own::{Over, Tended};
use crate::actor::recovery::Recovery;
use crate::device::claims::Claim;
use crate::embed::actix::bridge::{Order, Unsent};
use crate::embed::actix::error::ActixError;
use crate::embed::actix::shell::{Bridge, tell};
use crate::error::SpawnError;
use crate::shard::frames::encoded;
use crate::system::System;
use crate::who::{ActorKey, Who};

/// The actix actor that stands for a resident `A`: its address is `Addr<Gpu<A>>`.
///
/// [`StartActix`](crate::StartActix) starts one in a line. A value of this type is one that is not started: a place on the device is kept
/// for it, and it is given a name, or to `actix::Supervisor`, which restarts it after a fault:
///
/// ```
/// # use resident_kernels::prelude::*;
/// # #[derive(State, Default)] #[repr(C)] pub struct Radar { pub seen: u64 }
/// # #[derive(Message)] #[reply(u64)] pub struct Look;
/// # #[derive(Message)] pub struct Fail;
/// # #[actor]
/// # impl Radar {
/// #     fn look(&mut self, _: &Look, _ctx: &mut Ctx) -> u64 { self.seen += 1; self.seen }
/// #     fn fail(&mut self, _: &Fail, ctx: &mut Ctx) { ctx.fail("no echo"); }
/// # }
/// # resident_kernels::export!(Radar);
/// use actix::Supervisor;
/// use resident::{Config, Gpu, System};
///
/// # fn main() { actix::System::new().block_on(run()).unwrap() }
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let system = System::start(Config::cpu()).await?;
/// let radar = Gpu::new(&system, Radar::default())?.named("radar")?;
/// let radar = Supervisor::start(|_| radar);
/// assert_eq!(radar.send(Look).await??, 1);
/// assert!(radar.send(Fail).await?.is_err()); // the fault: it ends this incarnation
/// assert_eq!(radar.send(Look).await??, 1); // the same address, the next incarnation
/// # system.stop().await;
/// # Ok(())
/// # }
/// ```
pub struct Gpu<A: Actor> {
    /// Before it is started.
    seed: Option<Seed>,
    /// What each incarnation begins with.
    state: Arc<[u8]>,
    mailbox: usize,
    home: Option<Arc<Home>>,
    /// Until it ends for good.
    tended: Option<Tended>,
    /// The message that was to be pushed when its incarnation had ended; the next one gets it first.
    unsent: Option<Box<dyn Unsent<A>>>,
    /// Keeps it where nobody else has an address.
    kept: Option<Addr<Gpu<A>>>,
    /// Whether its next incarnations are a guardian's, not actix's.
    is_guarded: bool,
    kind: PhantomData<fn() -> A>,
}

/// Where an actor is to live.
struct Seed {
    place: Place,
    who: Who,
    claim: Option<Claim>,
    care: Option<Care>,
}

/// What a guardian keeps an actor by.
pub(super) struct Care {
    pub keeper: Keeper,
    pub recovery: Option<Recovery>,
}

impl<A: Actor> Gpu<A> {
    /// Takes a place on a device of `system`'s for an actor with `state`, which is also what it begins with after a restart.
    ///
    /// Its mailbox holds as many messages as the ring has slots.
    ///
    /// # Errors
    ///
    /// A [`SpawnError`] says why there is no place.
    pub fn new(system: &System, state: A) -> Result<Gpu<A>, SpawnError> {
        let place = Place::claim::<A>(system)?;
        let mut gpu = Gpu::nobody(encoded(&state));
        gpu.take(place, None);
        Ok(gpu)
    }

    /// One that a guardian keeps. It needs no address to live.
    pub(super) fn guarded(place: Place, state: Vec<u8>, care: Care) -> Gpu<A> {
        let mut gpu = Gpu::nobody(state);
        gpu.take(place, Some(care));
        gpu.is_guarded = true;
        gpu
    }

    /// One that has no place: whoever sends to it hears that it is closed.
    pub(super) fn nobody(state: Vec<u8>) -> Gpu<A> {
        Gpu {
            seed: None,
            state: state.into(),
            mailbox: 1,
            home: None,
            tended: None,
            unsent: None,
            kept: None,
            is_guarded: false,
            kind: PhantomData,
        }
    }

    fn take(&mut self, place: Place, care: Option<Care>) {
        self.mailbox = place.port.capacity() as usize;
        self.seed = Some(Seed { place, who: Who { key: ActorKey::next(), name: None }, claim: None, care });
    }

    /// Gives it a name, by which handlers find it.
    ///
    /// # Errors
    ///
    /// [`SpawnError::Name`] if a living actor of the system has it, of those that have no registry of their framework's.
    pub fn named(mut self, name: impl Into<String>) -> Result<Gpu<A>, SpawnError> {
        if let Some(seed) = &mut self.seed {
            let name = name.into();
            seed.claim = Some(Claim::take(&seed.place.core().shared, &name)?);
            seed.who.name = Some(name);
        }
        Ok(self)
    }

    /// Has its mailbox hold so many messages. Beyond them each address puts one in, as actix has it.
    ///
    /// # Errors
    ///
    /// [`ActixError::NoMailbox`] for 0.
    pub fn mailbox(mut self, messages: usize) -> Result<Gpu<A>, SpawnError> {
        if messages == 0 {
            return Err(ActixError::NoMailbox.into());
        }
        self.mailbox = messages;
        Ok(self)
    }

    pub(super) fn capacity(&self) -> usize {
        self.mailbox
    }

    pub(super) fn home(&self) -> Option<&Arc<Home>> {
        self.home.as_ref()
    }

    /// Whether it has ended for good, though actix may still have it.
    pub(super) fn has_ended(&self) -> bool {
        self.tended.is_none()
    }

    pub(super) fn is_guarded(&self) -> bool {
        self.is_guarded
    }

    pub(super) fn keep(&mut self, addr: Addr<Gpu<A>>) {
        if !self.has_ended() {
            self.kept = Some(addr);
        }
    }

    pub(super) fn set_unsent(&mut self, unsent: Box<dyn Unsent<A>>) {
        self.unsent = Some(unsent);
    }

    /// Moves into its place, unless it has.
    pub(super) fn begin(&mut self, addr: WeakAddr<Gpu<A>>) {
        let Some(Seed { place, who, claim, care }) = self.seed.take() else { return };
        let core = place.core().clone();
        let (ends, over) = Over::new();
        let shell = Bridge::new(who, addr.clone(), over);
        // Without a guardian each is kept by itself, since nobody knows yet whether actix restarts it.
        let Care { keeper, recovery } = care.unwrap_or_else(|| {
            let addr = addr.clone();
            Care { keeper: Box::new(move || tell(&addr, Order::Failed)), recovery: None }
        });
        let home = Home::new(shell.clone(), place, Some(keeper), recovery);
        shell.lives_in(&home);
        home.life().spawn(&self.state);
        home.open();
        self.tended = Some(Tended::new(home.clone(), claim, ends));
        if self.is_guarded {
            self.kept = addr.upgrade();
        }
        if core.check_running().is_err() {
            // It may have come behind the look at who is to be stopped with the system.
            tell(shell.addr(), Order::Stop);
        }
        self.home = Some(home);
    }

    /// Has the incarnation handle what it was sent, and keeps everything for the next one.
    fn rest(&self) {
        if let Some(tended) = &self.tended {
            tended.home().rest(false);
        }
    }

    /// Ends for good, AB-3: behind what it was sent, in a task, since actix waits for nobody.
    pub(super) fn end(&mut self) {
        self.rest();
        self.kept = None;
        let tended = self.tended.take();
        // Behind the decision that there is no next incarnation.
        if let (Some(unsent), Some(home)) = (self.unsent.take(), &self.home) {
            unsent.give_up(home);
        }
        if let (Some(tended), Ok(runtime)) = (tended, Runtime::try_current()) {
            drop(runtime.spawn(tended.finish()));
        }
    }

    /// Begins the next incarnation, once the one before has gone.
    fn renew(&mut self, ctx: &mut Context<Self>) {
        let Some(home) = self.tended.as_ref().map(|tended| tended.home().clone()) else { return };
        let core = home.life().core.clone();
        let begun = Place::on::<A>(&core).and_then(|place| home.restart(place, |_| Beginning::fresh(self.state.to_vec())));
        if let Err(error) = begun {
            tracing::error!(system = core.system(), actor = %home.shell.who(), "not restarted: {error}");
            return self.end();
        }
        if let Some(unsent) = self.unsent.take() {
            unsent.resend(home, ctx);
        }
    }
}

impl<A: Actor> actix::Actor for Gpu<A> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(self.mailbox);
        // Where actix has started it, as under its supervisor.
        self.begin(ctx.address().downgrade());
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        // A supervisor may go on with it; else it is dropped.
        self.rest();
    }
}

impl<A: Actor> Supervised for Gpu<A> {
    fn restarting(&mut self, ctx: &mut Context<Self>) {
        let Some(home) = self.tended.as_ref().map(|tended| tended.home().clone()) else { return };
        let rested = async move {
            if let Err(fault) = home.rested().await {
                tracing::warn!(system = home.life().core.system(), "{fault}; it is restarted");
            }
        };
        // The mailbox holds still meanwhile.
        ctx.wait(wrap_future::<_, Self>(rested).map(|(), gpu, ctx| gpu.renew(ctx)));
    }
}

impl<A: Actor> Drop for Gpu<A> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<A: Actor> fmt::Debug for Gpu<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = self.home.as_ref().map(|home| home.shell.who()).or(self.seed.as_ref().map(|seed| &seed.who));
        f.debug_struct("Gpu").field("actor", &who).field("kind", &A::KIND.name).finish()
    }
}
