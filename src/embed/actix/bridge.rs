//! How a message comes from the mailbox into the ring, and what a bridge is told.

use std::marker::PhantomData;
use std::sync::Arc;

use actix::dev::{MessageResponse, OneshotSender};
use actix::fut::{self, ActorFutureExt, wrap_future};
use actix::{ActorContext, AsyncContext, Context, Handler};
use resident_kernels::actor::{Actor, Handles, Message};
use resident_kernels::host::{Caller, End, Envelope as _, NoReply};
use resident_kernels::plain::Plain;

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
        push(&home, Letter::new(self.msg, waits.map(Port)), ctx);
    }
}

/// Whoever waits by actix's means: hears a reply or a fault, and that its mailbox is closed where there is neither.
struct Port<R>(OneshotSender<Result<R, GpuFault>>);

/// A message that came by the mailbox.
type Mail<A, M> = Letter<A, M, Port<<M as Message>::Reply>>;

impl<R: Plain + Send> Caller for Port<R> {
    fn hear(self: Box<Self>, end: End<'_>) {
        let answer = match end {
            Ok(bytes) => Ok(R::decode(bytes)),
            Err(NoReply::Failed(fault)) => Err(*fault),
            Err(NoReply::Refused(_) | NoReply::Lost) => return,
        };
        // A caller that has gone is no error.
        let _ = self.0.send(answer);
    }
}

/// Pushes a message, or has the mailbox wait until there is room, AB-2.
#[inline]
fn push<A: Handles<M>, M: Message>(home: &Home, letter: Mail<A, M>, ctx: &mut Context<Gpu<A>>) {
    let life = home.life();
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
fn wait<A: Handles<M>, M: Message>(life: Arc<Incarnation>, letter: Mail<A, M>, ctx: &mut Context<Gpu<A>>) {
    let refuses = life.clone();
    let pushed = async move {
        let again = |letter: Mail<A, M>| {
            // Its caller has gone.
            if letter.caller().is_some_and(|port| port.0.is_closed()) {
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
    fn missed<M: Message>(&mut self, life: Arc<Incarnation>, letter: Mail<A, M>, ctx: &mut Context<Self>)
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
        if let Some(home) = self.home() {
            Box::new(letter).give_up(home);
        }
    }
}

/// A message that is to be pushed again.
pub(super) trait Unsent<A: Actor>: Send {
    fn resend(self: Box<Self>, home: Arc<Home>, ctx: &mut Context<Gpu<A>>);

    /// Nobody gets it any more: its caller hears why, and a cast is a dead letter.
    fn give_up(self: Box<Self>, home: &Home);
}

impl<A: Handles<M>, M: Message> Unsent<A> for Mail<A, M> {
    fn resend(self: Box<Self>, home: Arc<Home>, ctx: &mut Context<Gpu<A>>) {
        push(&home, *self, ctx);
    }

    fn give_up(self: Box<Self>, home: &Home) {
        let life = home.life();
        match (self.answer(), life.fault()) {
            (Some(answer), Some(fault)) => answer.end(Err(NoReply::Failed(Box::new(fault.clone())))),
            (Some(answer), None) => drop(answer),
            (None, _) => life.core.dead_letter(),
        }
    }
}
