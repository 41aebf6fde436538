//! An actix actor whose end is heard, AG-1.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as Task, Poll};

use actix::dev::ContextFut;
use actix::dev::channel::{AddressReceiver, channel};
use actix::fut::ActorFuture;
use actix::{Actor, ActorContext, Addr, ArbiterHandle, AsyncContext, Context};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use resident_supervisor::Exit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};

use crate::actor::own::Over;
use crate::actor::shell::Shell;
use crate::embed::actix::error::ActixError;
use crate::guardian::error::{AnyError, Cause, Ended, said};
use crate::guardian::event::Heard;
use crate::guardian::front::SHUTDOWN;
use crate::who::{ActorKey, Who};

/// Messages that a mailbox holds unless its actor says otherwise, as with any actor of actix's.
const MAILBOX: usize = 16;

/// What a kept actor is told.
pub(super) enum Order {
    /// Stop, as by `ctx.stop()`.
    Stop,
    /// Handle what is in the mailbox, then stop.
    Drain,
    /// Be gone: nothing of the actor's own is called any more but its drop.
    Kill,
}

/// An actor, as its supervisor knows it.
pub(super) struct Kept<A: Actor> {
    who: Who,
    addr: Addr<A>,
    arbiter: ArbiterHandle,
    orders: UnboundedSender<Order>,
    /// Whether it was told to end.
    is_told: AtomicBool,
    over: Over,
}

/// A kept actor that is being started.
pub(super) struct Beginning<A: Actor> {
    pub kept: Arc<Kept<A>>,
    /// Says that the actor runs, or why it was not made. Dropped, it gives the start up.
    pub begun: oneshot::Receiver<Result<(), AnyError>>,
    /// Says how the actor has ended, once its state is dropped; closed where that went with its arbiter.
    pub end: oneshot::Receiver<Heard>,
}

impl<A: Actor<Context = Context<A>>> Kept<A> {
    /// Starts on `arbiter` the actor that `make` makes there.
    pub(super) fn start<F>(arbiter: &ArbiterHandle, make: impl FnOnce() -> F + Send + 'static) -> Result<Beginning<A>, ActixError>
    where
        F: Future<Output = Result<A, AnyError>> + 'static,
    {
        let (send, receive) = channel(MAILBOX);
        let (orders, ordered) = unbounded_channel();
        let (ends, over) = Over::new();
        let (begins, begun) = oneshot::channel();
        let (tell, end) = oneshot::channel();
        // Made there, since the future of `make` stays on its thread.
        let starts = move || drop(actix::spawn(live(make, receive, ordered, begins, tell, ends)));
        if !arbiter.spawn_fn(starts) {
            return Err(ActixError::ArbiterStopped);
        }
        let who = Who { key: ActorKey::next(), name: None };
        let arbiter = arbiter.clone();
        let kept = Arc::new(Kept { who, addr: Addr::new(send), arbiter, orders, is_told: AtomicBool::new(false), over });
        Ok(Beginning { kept, begun, end })
    }

    pub(super) fn addr(&self) -> &Addr<A> {
        &self.addr
    }

    pub(super) fn arbiter(&self) -> &ArbiterHandle {
        &self.arbiter
    }
}

/// Makes an actor and runs it; `_ends` is dropped last.
async fn live<A, F>(
    make: impl FnOnce() -> F,
    mailbox: AddressReceiver<A>,
    orders: UnboundedReceiver<Order>,
    mut begins: oneshot::Sender<Result<(), AnyError>>,
    tell: oneshot::Sender<Heard>,
    _ends: watch::Sender<()>,
) where
    A: Actor<Context = Context<A>>,
    F: Future<Output = Result<A, AnyError>>,
{
    let made = tokio::select! {
        made = AssertUnwindSafe(async { make().await }).catch_unwind() => made.unwrap_or_else(|panic| Err(panicked(&*panic).into())),
        () = begins.closed() => return,
    };
    match made {
        Ok(actor) => {
            let context = Context::with_receiver(mailbox).into_future(actor);
            let _ = begins.send(Ok(()));
            let _ = tell.send(run(context, orders).await);
        }
        Err(error) => drop(begins.send(Err(error))),
    }
}

/// Runs an actor until it has ended and is dropped: how that came.
pub(super) async fn run<A>(mut context: ContextFut<A, Context<A>>, mut orders: UnboundedReceiver<Order>) -> Heard
where
    A: Actor<Context = Context<A>>,
{
    let life = async {
        let mut is_asked = false;
        loop {
            tokio::select! {
                biased;
                Some(order) = orders.recv() => {
                    is_asked = true;
                    match order {
                        Order::Stop => context.ctx().stop(),
                        Order::Drain => drop(context.ctx().spawn(Emptied)),
                        Order::Kill => {
                            context.ctx().terminate();
                            return killed();
                        }
                    }
                }
                () = &mut context => return if is_asked { shut_down() } else { stopped() },
            }
        }
    };
    let heard = AssertUnwindSafe(life).catch_unwind().await;
    // Where it has panicked, actix stops it now, as it does with any actor.
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(context)));
    match (heard, dropped) {
        (Ok(heard), Ok(())) => heard,
        (Err(panic), _) | (Ok(_), Err(panic)) => Heard::Failed(panicked(&*panic).into()),
    }
}

/// Stops its actor once the mailbox is empty.
struct Emptied;

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for Emptied {
    type Output = ();

    /// Polled behind the mailbox, which was emptied then, unless the actor waits for something first.
    fn poll(self: Pin<&mut Self>, _: &mut A, ctx: &mut Context<A>, _: &mut Task<'_>) -> Poll<()> {
        if ctx.waiting() {
            return Poll::Pending;
        }
        ctx.stop();
        Poll::Ready(())
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> ActixError {
    ActixError::Panicked(said(panic).to_owned())
}

fn ended(exit: Exit, end: Ended) -> Heard {
    Heard::Ended { exit, cause: Cause::new(end), state: None }
}

pub(super) fn stopped() -> Heard {
    ended(Exit::Normal, Ended::Stopped)
}

pub(super) fn shut_down() -> Heard {
    ended(Exit::Shutdown, Ended::Because(SHUTDOWN.into()))
}

pub(super) fn killed() -> Heard {
    ended(Exit::Killed, Ended::Killed)
}

impl<A: Actor<Context = Context<A>>> Kept<A> {
    fn tell(&self, order: Order) {
        self.is_told.store(true, Ordering::Relaxed);
        // Nobody hears it who has ended.
        let _ = self.orders.send(order);
    }
}

impl<A: Actor<Context = Context<A>>> Shell for Kept<A> {
    fn who(&self) -> &Who {
        &self.who
    }

    fn takes_messages(&self) -> bool {
        !self.is_told.load(Ordering::Relaxed) && self.addr.connected()
    }

    fn stop(&self, _: Option<String>) {
        self.tell(Order::Stop);
    }

    fn drain(&self) {
        self.tell(Order::Drain);
    }

    fn kill(&self) {
        self.tell(Order::Kill);
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        self.over.wait().boxed()
    }
}
