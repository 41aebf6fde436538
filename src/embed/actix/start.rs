//! Starting: `Aircraft::start_actix(..)`, and where else an actor's mailbox can be.

use actix::dev::ContextFut;
use actix::dev::channel::{AddressReceiver, channel};
use actix::{Addr, Arbiter, ArbiterHandle, Context};
use resident_kernels::actor::Actor;

use crate::embed::actix::error::ActixError;
use crate::embed::actix::free;
use crate::embed::actix::gpu::Gpu;
use crate::error::SpawnError;
use crate::system::System;

/// Starts resident actors as actix's; implemented for every kind.
///
/// ```
/// # use resident_kernels::prelude::*;
/// # #[derive(State, Default)] #[repr(C)] pub struct Aircraft { pub flights: u32, pub delay: i64 }
/// # #[derive(Message)] #[repr(C)] pub struct Landed { pub delay: i32 }
/// # #[derive(Message)] #[reply(Totals)] #[repr(C)] pub struct Report;
/// # #[derive(Reply)] #[repr(C)] pub struct Totals { pub flights: u32, pub delay: i64 }
/// # #[actor]
/// # impl Aircraft {
/// #     fn landed(&mut self, msg: &Landed, _ctx: &mut Ctx) { self.flights += 1; self.delay += i64::from(msg.delay); }
/// #     fn report(&mut self, _: &Report, _ctx: &mut Ctx) -> Totals { Totals { flights: self.flights, delay: self.delay } }
/// # }
/// # resident_kernels::export!(Aircraft);
/// use actix::Addr;
/// use resident::{Config, Gpu, StartActix, System};
///
/// # fn main() { actix::System::new().block_on(run()).unwrap() }
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let system = System::start(Config::cpu()).await?;
/// let plane: Addr<Gpu<Aircraft>> = Aircraft::start_actix(&system, Aircraft::default())?;
/// plane.do_send(Landed { delay: 11 });
/// plane.send(Landed { delay: 31 }).await??; // answered once it is handled
/// let totals = plane.send(Report).await??;
/// assert_eq!((totals.flights, totals.delay), (2, 42));
/// # system.stop().await;
/// # Ok(())
/// # }
/// ```
pub trait StartActix: Actor {
    /// Starts an actor with `state` on a device of `system`'s, its mailbox on the current arbiter.
    ///
    /// It ends as an actix actor does: when it is told to stop, with its last address unless it is
    /// [`detached`](crate::ResidentAddr::detached), with its arbiter, when it fails; and with `system`. What it was sent before is handled.
    ///
    /// # Errors
    ///
    /// A [`SpawnError`] says why there is no place for it; [`SpawnError::Framework`] holds an [`ActixError`], such as
    /// [`ActixError::NoArbiter`].
    fn start_actix(system: &System, state: Self) -> Result<Addr<Gpu<Self>>, SpawnError> {
        Gpu::new(system, state)?.start_here()
    }

    /// The same, on `arbiter`.
    ///
    /// # Errors
    ///
    /// As [`start_actix`](Self::start_actix); [`ActixError::ArbiterStopped`] if the arbiter takes nothing any more.
    fn start_in(arbiter: &ArbiterHandle, system: &System, state: Self) -> Result<Addr<Gpu<Self>>, SpawnError> {
        Gpu::new(system, state)?.start_on(arbiter)
    }

    /// The same, without an arbiter: on a thread of this process that such actors share. It needs no actix `System`.
    ///
    /// # Errors
    ///
    /// As [`start_actix`](Self::start_actix); [`ActixError::Thread`] if there is no thread.
    fn start_free(system: &System, state: Self) -> Result<Addr<Gpu<Self>>, SpawnError> {
        Gpu::new(system, state)?.start_freely()
    }
}

impl<A: Actor> StartActix for A {}

/// What a thread runs of an actor.
type Running<A> = ContextFut<Gpu<A>, Context<Gpu<A>>>;

impl<A: Actor> Gpu<A> {
    /// Starts it on the current arbiter; see [`StartActix::start_actix`](crate::StartActix::start_actix).
    ///
    /// # Errors
    ///
    /// [`ActixError::NoArbiter`] on a thread that has none, or as [`start_on`](Self::start_on).
    pub fn start_here(self) -> Result<Addr<Gpu<A>>, SpawnError> {
        let here = Arbiter::try_current().ok_or(ActixError::NoArbiter)?;
        self.start_on(&here)
    }

    /// Starts it on an arbiter.
    ///
    /// # Errors
    ///
    /// [`ActixError::ArbiterStopped`] if that takes nothing any more. One that stops in this moment gives an address that is closed, as with
    /// any actix actor.
    pub fn start_on(self, arbiter: &ArbiterHandle) -> Result<Addr<Gpu<A>>, SpawnError> {
        let (addr, starts) = self.starts(|context| drop(actix::spawn(context)));
        if arbiter.spawn_fn(starts) { Ok(addr) } else { Err(ActixError::ArbiterStopped.into()) }
    }

    /// Starts it without an arbiter; see [`StartActix::start_free`](crate::StartActix::start_free).
    ///
    /// # Errors
    ///
    /// [`ActixError::Thread`] if there is no thread.
    pub fn start_freely(self) -> Result<Addr<Gpu<A>>, SpawnError> {
        let (addr, starts) = self.starts(|context| drop(tokio::task::spawn_local(context)));
        free::call(starts).map_err(ActixError::Thread)?;
        Ok(addr)
    }

    /// Its address, and what starts it on the thread that is to run it. It is on the device from here on, and is stopped with its system.
    fn starts(mut self, run: fn(Running<A>)) -> (Addr<Gpu<A>>, impl FnOnce() + Send + 'static) {
        let (addr, mailbox) = self.enter();
        (addr, move || run(Context::with_receiver(mailbox).into_future(self)))
    }

    /// Moves into its place: its address, and the mailbox behind that.
    pub(super) fn enter(&mut self) -> (Addr<Gpu<A>>, AddressReceiver<Gpu<A>>) {
        let (send, mailbox) = channel(self.capacity());
        let addr = Addr::new(send);
        self.begin(addr.downgrade());
        (addr, mailbox)
    }
}
