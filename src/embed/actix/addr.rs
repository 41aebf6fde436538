//! What an address has that is of a resident actor.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;

use actix::{Addr, AsyncContext, Context, Handler, MailboxError, MessageResult};
use futures_util::FutureExt;
use resident_kernels::actor::Actor;

use crate::actor::handle::Handle;
use crate::embed::actix::gpu::Gpu;
use crate::embed::actix::shell::Bridge;

/// What an `Addr<Gpu<A>>` has beside what every address has.
///
/// ```
/// # use resident_kernels::prelude::*;
/// # #[derive(State, Default)] #[repr(C)] pub struct Meter { pub read: u64 }
/// # #[derive(Message)] #[reply(u64)] pub struct Read;
/// # #[actor]
/// # impl Meter { fn read(&mut self, _: &Read, _ctx: &mut Ctx) -> u64 { self.read += 1; self.read } }
/// # resident_kernels::export!(Meter);
/// use std::time::Duration;
///
/// use resident::{Config, Handle, ResidentAddr, StartActix, System};
///
/// # fn main() { actix::System::new().block_on(run()).unwrap() }
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let system = System::start(Config::cpu()).await?;
/// let meter = Meter::start_actix(&system, Meter::default())?.detached(); // it needs no address to live
/// let handle: Handle<Meter> = meter.handle().await?;
/// assert_eq!(meter.send(Read).await??, 1); // by the mailbox
/// assert_eq!(handle.ask(&Read, Duration::from_secs(1))?, 2); // straight into the ring
/// assert_eq!(handle.addr(), Some(meter));
/// # system.stop().await;
/// # Ok(())
/// # }
/// ```
pub trait ResidentAddr<A: Actor>: Sized {
    /// The actor's handle, whose messages go straight into the ring. What this caller has sent by the address before is in the ring when it
    /// returns, so what is sent by the handle comes behind.
    ///
    /// # Errors
    ///
    /// [`MailboxError::Closed`] if the actor has ended.
    fn handle(&self) -> impl Future<Output = Result<Handle<A>, MailboxError>> + Send;

    /// Keeps the actor, also where nobody has an address any more: until it is told to stop, fails, or its arbiter or its system ends.
    #[must_use = "the address, as it was given"]
    fn detached(self) -> Self;
}

impl<A: Actor> ResidentAddr<A> for Addr<Gpu<A>> {
    fn handle(&self) -> impl Future<Output = Result<Handle<A>, MailboxError>> + Send {
        self.send(AskHandle(PhantomData)).map(|answer| answer.and_then(|handle| handle.ok_or(MailboxError::Closed)))
    }

    fn detached(self) -> Self {
        self.do_send(Keep);
        self
    }
}

impl<A: Actor> Handle<A> {
    /// The actor's address, if it is one of actix's that has not ended.
    pub fn addr(&self) -> Option<Addr<Gpu<A>>> {
        let shell: &dyn Any = &*self.home().shell;
        shell.downcast_ref::<Bridge<A>>()?.addr().upgrade()
    }
}

struct AskHandle<A>(PhantomData<fn(A)>);

impl<A: Actor> actix::Message for AskHandle<A> {
    type Result = Option<Handle<A>>;
}

impl<A: Actor> Handler<AskHandle<A>> for Gpu<A> {
    type Result = MessageResult<AskHandle<A>>;

    fn handle(&mut self, _: AskHandle<A>, _: &mut Context<Self>) -> MessageResult<AskHandle<A>> {
        let home = self.home().filter(|_| !self.has_ended());
        MessageResult(home.cloned().map(Handle::at))
    }
}

struct Keep;

impl actix::Message for Keep {
    type Result = ();
}

impl<A: Actor> Handler<Keep> for Gpu<A> {
    type Result = ();

    fn handle(&mut self, _: Keep, ctx: &mut Context<Self>) {
        self.keep(ctx.address());
    }
}
