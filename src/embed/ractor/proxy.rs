//! The ractor actor that stands for an actor on the device: it owns name, groups, links and mailbox.
//!
//! It does no work of its own. What comes by the mailbox goes into the ring; what its `GpuRef`s send does not pass here.

use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ractor::concurrency::JoinHandle;
use ractor::{Actor as _, ActorCell, ActorProcessingErr, ActorRef};
use resident_kernels::host::{Envelope as _, Resident};

use crate::actor::home::{Home, Keeper};
use crate::actor::incarnation::{Loaded, Place};
use crate::actor::recovery::Recovery;
use crate::actor::shell::Lent;
use crate::embed::ractor::handle::GpuRef;
use crate::embed::ractor::shell::shell;
use crate::error::SpawnError;
use crate::fault::Returned;
use crate::shard::link::Path;

/// The proxy of an `A`.
pub(crate) struct Proxy<A> {
    /// Filled in by `pre_start`; who spawns reads it too. ractor drops this value when the actor has ended, however that came.
    pub home: Arc<OnceLock<Arc<Home>>>,
    pub kind: PhantomData<fn() -> A>,
}

/// What an actor is started with.
pub(crate) struct Start {
    pub origin: Origin,
    /// Who hears of its faults, if not its supervisor.
    pub keeper: Option<Keeper>,
    /// What it goes back to, if that is not a fresh state.
    pub recovery: Option<Recovery>,
}

/// Where an actor's state comes from.
pub(crate) enum Origin {
    /// From here, to a place of its own: encoded early, since a large state that moved through the futures of a spawn would overflow a stack.
    State(Vec<u8>, Place),
    /// The device has it; what was sent to the actor before goes ahead of everything else.
    Loaded(Loaded, Vec<Returned>),
}

impl<A> Drop for Proxy<A> {
    fn drop(&mut self) {
        if let Some(home) = self.home.get() {
            home.abandon();
        }
    }
}

#[ractor::actor(message = A::Msg, state = Arc<Home>, arguments = Start)]
impl<A: Resident> Proxy<A> {
    async fn pre_start(&self, myself: ActorRef<A::Msg>, start: Start) -> Result<Arc<Home>, ActorProcessingErr> {
        let Start { origin, keeper, recovery } = start;
        let (home, life);
        match origin {
            Origin::State(state, place) => {
                home = Home::new(shell(myself.get_cell()), place, keeper, recovery);
                let _ = self.home.set(home.clone());
                life = home.life().clone();
                life.spawn(&state);
            }
            Origin::Loaded(loaded, sent_before) => {
                home = Home::new(shell(myself.get_cell()), loaded.take().ok_or(SpawnError::Stopped)?, keeper, recovery);
                let _ = self.home.set(home.clone());
                life = home.life().clone();
                sent_before.into_iter().for_each(|message| life.replay(message));
                life.arrive();
            }
        }
        home.open();
        life.port.caught_up().await;
        Ok(home)
    }

    async fn handle(&self, _myself: ActorRef<A::Msg>, message: A::Msg, home: &mut Arc<Home>) -> Result<(), ActorProcessingErr> {
        if message.index() == u16::MAX {
            // A marker of `GpuRef::sender`, or something that another node sent.
            if !home.fence_passed() {
                home.life().core.dead_letter();
            }
            return Ok(());
        }
        match home.send(Path::Mailbox, message).await {
            Ok(_) => {}
            // Failed or lost: the stop that follows is on its way. A call's port closes with the message.
            Err(_) => home.life().core.dead_letter(),
        }
        Ok(())
    }

    async fn post_stop(&self, _myself: ActorRef<A::Msg>, home: &mut Arc<Home>) -> Result<(), ActorProcessingErr> {
        Ok(home.finish().await?)
    }
}

/// What gives a proxy, without a name and a supervisor, to an actor that the device has: its home, and what ends when it has.
pub(crate) fn lend<A: Resident>() -> impl FnOnce(Loaded) -> BoxFuture<'static, Lent> + Send {
    move |loaded| {
        let start = Start { origin: Origin::Loaded(loaded, Vec::new()), keeper: None, recovery: None };
        async move {
            let (actor, join) = self::start::<A>(None, start, None).await?;
            Ok((actor.home().clone(), join))
        }
        .boxed()
    }
}

/// Starts a proxy and its actor.
pub(crate) async fn start<A: Resident>(
    name: Option<String>,
    start: Start,
    supervisor: Option<ActorCell>,
) -> Result<(GpuRef<A>, JoinHandle<()>), SpawnError> {
    let home = Arc::new(OnceLock::new());
    let proxy = Proxy::<A> { home: home.clone(), kind: PhantomData };
    let (actor, join) = match supervisor {
        Some(supervisor) => Proxy::spawn_linked(name, proxy, start, supervisor).await?,
        None => Proxy::spawn(name, proxy, start).await?,
    };
    let home = home.get().cloned().ok_or(SpawnError::Stopped)?;
    Ok((GpuRef::new(actor, home), join))
}
