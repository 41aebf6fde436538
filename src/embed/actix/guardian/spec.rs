//! Children that are actix's.

use std::error::Error;
use std::future::ready;
use std::sync::Arc;

use actix::{Actor, ArbiterHandle, Context};
use resident_supervisor::ChildSpec as Policy;

use super::start;
use crate::guardian::ChildSpec;

impl ChildSpec {
    /// An actor of actix's, made by `make` at every start, on the arbiter that its supervisor was started on.
    ///
    /// It needs no address to live. A panic of its is a failure, an [`ActixError::Panicked`](crate::ActixError::Panicked); a stop by itself is
    /// an end in order. Told to stop it does what `ctx.stop()` has it do; killed, it is dropped without a call of `stopping` or `stopped`.
    ///
    /// ```
    /// use actix::{Actor, Context, Handler, Message};
    /// # use resident_kernels::prelude::{self as kernels, Ctx, State, actor};
    /// # #[derive(State, Default)] #[repr(C)] pub struct Book { pub orders: u64 }
    /// # #[derive(kernels::Message)] #[reply(u64)] pub struct Insert;
    /// # #[actor]
    /// # impl Book { fn insert(&mut self, _: &Insert, _ctx: &mut Ctx) -> u64 { self.orders += 1; self.orders } }
    /// # resident_kernels::export!(Book);
    /// use resident::guardian::Strategy;
    /// use resident::prelude::*;
    ///
    /// struct Port;
    ///
    /// impl Message for Port {
    ///     type Result = u32;
    /// }
    ///
    /// #[derive(Default)]
    /// struct Feed;
    ///
    /// impl Actor for Feed {
    ///     type Context = Context<Self>;
    /// }
    ///
    /// impl Handler<Port> for Feed {
    ///     type Result = u32;
    ///
    ///     fn handle(&mut self, _: Port, _: &mut Context<Self>) -> u32 {
    ///         8080
    ///     }
    /// }
    ///
    /// # fn main() { actix::System::new().block_on(run()).unwrap() }
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let system = System::start(Config::cpu()).await?;
    /// let trading = Supervisor::builder("trading")
    ///     .strategy(Strategy::RestForOne)
    ///     .child(ChildSpec::actix("feed", Feed::default))
    ///     .child(ChildSpec::gpu("book", Book::default).on(&system))
    ///     .start_actix()
    ///     .await?;
    ///
    /// assert_eq!(trading.addr::<Feed>("feed").await.unwrap().send(Port).await?, 8080);
    /// let book = trading.handle::<Book>("book").await.unwrap().addr().unwrap(); // an `Addr<Gpu<Book>>`, good over restarts
    /// assert_eq!(book.send(Insert).await??, 1);
    /// trading.stop().await?;
    /// # system.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn actix<A>(id: impl Into<Arc<str>>, make: impl Fn() -> A + Send + Sync + 'static) -> ChildSpec
    where
        A: Actor<Context = Context<A>>,
    {
        ChildSpec::actix_with(id, move || ready(Ok(make())))
    }

    /// The same, where the actor takes its time to be made, or cannot be: then the start has failed, or with
    /// [`Ignore`](crate::guardian::Ignore) is left out. The future runs on the actor's arbiter.
    pub fn actix_with<A, F>(id: impl Into<Arc<str>>, make: impl Fn() -> F + Send + Sync + 'static) -> ChildSpec
    where
        A: Actor<Context = Context<A>>,
        F: Future<Output = Result<A, Box<dyn Error + Send + Sync>>> + 'static,
    {
        ChildSpec::new(Policy::worker(id), start::actor(None, make))
    }

    /// The same on `arbiter`. Once that has stopped, a start fails.
    pub fn actix_in<A, F>(id: impl Into<Arc<str>>, arbiter: &ArbiterHandle, make: impl Fn() -> F + Send + Sync + 'static) -> ChildSpec
    where
        A: Actor<Context = Context<A>>,
        F: Future<Output = Result<A, Box<dyn Error + Send + Sync>>> + 'static,
    {
        ChildSpec::new(Policy::worker(id), start::actor(Some(arbiter.clone()), make))
    }
}
