//! How a message comes from the mailbox into the ring, and what a bridge is told.

use std::marker::PhantomData;
use std::sync::Arc;

use actix::dev::{MessageResponse, OneshotSender};
use actix::fut::{self, ActorFutureExt, wrap_future};
use actix::{ActorContext, AsyncContext, Context, Handler};
use resident_kernels::actor::{Actor, Handles, Message};

use crate::actor::home::Home;
use crate::actor::incarnation::Incarnation;
use crate::actor::letter::Letter;
use crate::embed::actix::gpu::Gpu;
use crate::error::CastError;
use crate::fault::GpuFault;
use crate::shard::link::Path;

/// What a bridge is told by its actor.
pub(super) enum Order {
    /// The incarnation has failed.
    Failed,
    /// End for good.
    Stop,
}

impl actix::Message for Order {
    type Result = ();
}

impl<A: Actor> Handler<Order> for Gpu<A> {
    type Result = ();

    fn handle(&mut self, order: Order, ctx: &mut Context<Self>) {
        match order {
            // That of one that has been restarted since is no news.
            Order::Failed if self.home().is_none_or(|home| home.life().fault().is_none()) => {}
            Order::Failed if self.has_ended() => {}
            Order::Failed => ctx.stop(),
            Order::Stop => {
                self.end();
                ctx.stop();
            }
        }
    }
}

/// A message that goes into the ring once actix has said who waits for it.
pub struct Sent<A: Actor, M: Message> {
    home: Option<Arc<Home>>,
    msg: M,
    to: PhantomData<fn(A)>,
}

/// Any message that `A` handles: its result is the reply, or why the actor failed.
impl<A, M> Handler<M> for Gpu<A>
where
    A: Handles<M>,
    M: Message + actix::Message<Result = Result<<M as Message>::Reply, GpuFault>>,
{
    type Result = Sent<A, M>;

    #[inline]
    fn handle(&mut self, msg: M, _: &mut Context<Self>) -> Sent<A, M> {
        Sent { home: self.home().cloned(), msg, to: PhantomData }
    }
}

impl<A, M> MessageResponse<Gpu<A>, M> for Sent<A, M>
where
    A: Handles<M>,
    M: Message + actix::Message<Result = Result<<M as Message>::Reply, GpuFault>>,
{
    #[inline]
    fn handle(self, ctx: &mut Context<Gpu<A>>, waits: Option<OneshotSender<Result<M::Reply, GpuFault>>>) {
        // One that never had a place: the caller's port closes.
        let Some(home) = self.home else { return };
        push(&home, Letter::new(self.msg, waits), ctx);
    }
}

/// Pushes a message, or has the mailbox wait until there is room, AB-2.
#[inline]
fn push<A: Handles<M>, M: Message>(home: &Home, mut letter: Letter<A, M>, ctx: &mut Context<Gpu<A>>) {
    let life = home.life();
    letter.bind(&life);
    match life.port.send(&**life, Path::Mailbox, letter) {
        Ok(()) => {}
        Err(CastError::Full(letter)) => wait(life.clone(), letter, ctx),
        Err(unsent) => {
            let (life, letter) = (life.clone(), unsent.into_message());
            ctx.wait(fut::ready(()).map(|(), gpu: &mut Gpu<A>, ctx: &mut Context<Gpu<A>>| gpu.missed(life, letter, ctx)));
        }
    }
}

#[cold]
fn wait<A: Handles<M>, M: Message>(life: Arc<Incarnation>, letter: Letter<A, M>, ctx: &mut Context<Gpu<A>>) {
    let refuses = life.clone();
    let pushed = async move {
        let again = |letter: Letter<A, M>| {
            if letter.is_cancelled() {
                return Ok(None);
            }
            match life.port.send(&*life, Path::Mailbox, letter) {
                Ok(()) => Ok(None),
                Err(CastError::Full(letter)) => Err(letter),
                Err(unsent) => Ok(Some(unsent.into_message())),
            }
        };
        life.port.with_room(letter, again).await
    };
    ctx.wait(wrap_future::<_, Gpu<A>>(pushed).map(|unsent, gpu, ctx| {
        if let Some(letter) = unsent {
            gpu.missed(refuses, letter, ctx);
        }
    }));
}

impl<A: Actor> Gpu<A> {
    /// A message came when the incarnation had ended. It is the first that the next one gets, if actix or a guardian goes on with this actor.
    fn missed<M: Message>(&mut self, life: Arc<Incarnation>, letter: Letter<A, M>, ctx: &mut Context<Self>)
    where
        A: Handles<M>,
    {
        if self.is_guarded() {
            if let Some(home) = self.home().filter(|home| home.may_return()).cloned() {
                let next = home.clone();
                let begun = async move { next.after(&life).await };
                return ctx.wait(wrap_future::<_, Self>(begun).map(move |(), _, ctx| push(&home, letter, ctx)));
            }
        } else if !self.has_ended() {
            self.set_unsent(Box::new(letter));
            return ctx.stop();
        }
        if letter.is_cast()
            && let Some(home) = self.home()
        {
            home.life().core.dead_letter();
        }
    }
}

/// A message that is to be pushed again.
pub(super) trait Unsent<A: Actor>: Send {
    fn resend(self: Box<Self>, home: Arc<Home>, ctx: &mut Context<Gpu<A>>);
}

impl<A: Handles<M>, M: Message> Unsent<A> for Letter<A, M> {
    fn resend(self: Box<Self>, home: Arc<Home>, ctx: &mut Context<Gpu<A>>) {
        push(&home, *self, ctx);
    }
}
