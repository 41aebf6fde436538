//! The device's own actor, as actix's: its control plane. No message to a resident actor passes here.
//!
//! It answers also when the device is lost, and ends with its system.
//!
//! ```
//! use resident::control::{Drain, GetHealth, Loss, Stop};
//! use resident::{Config, Health, System};
//!
//! # fn main() { actix::System::new().block_on(run()).unwrap() }
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::start(Config::cpu()).await?;
//! let device = system.control_actix()?;
//! let loss = device.send(Loss); // answered when there is one, or at the end
//! assert_eq!(device.send(GetHealth).await?, Health::Running);
//! assert_eq!(device.send(Drain).await?, 0);
//! assert!(device.send(Stop).await?.device.is_ok());
//! assert_eq!(loss.await?, None);
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;
use std::time::Duration;

use actix::dev::channel::channel;
use actix::fut::{ActorFutureExt, wrap_future};
use actix::{ActorContext, Addr, AsyncContext, Context, Handler, MessageResult, ResponseFuture};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use resident_gpu::device::{DeviceFault, Health};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::actor::own::Over;
use crate::actor::shell::Shell;
use crate::embed::actix::error::ActixError;
use crate::embed::actix::free;
use crate::error::SpawnError;
use crate::system::System;
use crate::system::control::{Control, abandoned};
use crate::system::snapshot::Snapshot;
use crate::system::stop::{StopReport, Stopper};
use crate::who::{ActorKey, Who};

/// Messages that its mailbox holds before a sender waits.
const MAILBOX: usize = 16;

/// The device's actor: [`System::control_actix`].
pub struct DeviceActor {
    stopper: Arc<Stopper>,
    /// Why the device is lost, once it is.
    lost: watch::Sender<Option<DeviceFault>>,
    /// Dropped with the actor.
    _ends: watch::Sender<()>,
}

impl actix::Actor for DeviceActor {
    type Context = Context<Self>;
}

/// Asks how the device is: a [`Health`].
#[derive(Clone, Copy, Debug)]
pub struct GetHealth;

/// Asks for the system's numbers: a [`Snapshot`].
#[derive(Clone, Copy, Debug)]
pub struct GetSnapshot;

/// Drains every resident actor: each handles what it was sent, then stops. The device goes on. Answered with their number.
#[derive(Clone, Copy, Debug)]
pub struct Drain;

/// Stops the system as [`System::stop`] does: a [`StopReport`].
#[derive(Clone, Copy, Debug)]
pub struct Stop;

/// Answered when the device is lost, with the fault, at once if it is; when the system has been stopped, with `None`.
#[derive(Clone, Copy, Debug)]
pub struct Loss;

/// What its system tells it.
enum Order {
    Lost(DeviceFault),
    /// Stop the system in order, and end.
    End,
}

/// Names what a message is answered with.
macro_rules! answered {
    ($($message:ty: $answer:ty,)*) => {
        $(impl actix::Message for $message {
            type Result = $answer;
        })*
    };
}

answered! {
    GetHealth: Health,
    GetSnapshot: Snapshot,
    Drain: usize,
    Stop: StopReport,
    Loss: Option<DeviceFault>,
    Order: (),
}

/// The device's actor, as its system knows it.
pub(super) struct Attendant {
    who: Who,
    addr: Addr<DeviceActor>,
    stopper: Arc<Stopper>,
    over: Over,
}

impl Attendant {
    fn start(stopper: Arc<Stopper>) -> Result<Arc<Attendant>, SpawnError> {
        let (send, receive) = channel(MAILBOX);
        let (ends, over) = Over::new();
        let device = DeviceActor { stopper: stopper.clone(), lost: watch::Sender::new(None), _ends: ends };
        // There it outlives every arbiter.
        free::call(move || drop(spawn_local(Context::with_receiver(receive).into_future(device)))).map_err(ActixError::Thread)?;
        Ok(Arc::new(Attendant { who: Who { key: ActorKey::next(), name: None }, addr: Addr::new(send), stopper, over }))
    }

    /// Waits until the device is lost or the system stops, then until all of it has ended.
    pub(super) async fn device_ended(&self) {
        let _ = self.addr.send(Loss).await;
        self.stopper.stop().await;
    }
}

impl Control for Attendant {
    fn lost(&self, fault: DeviceFault) {
        self.addr.do_send(Order::Lost(fault));
    }

    fn stop(&self) {
        self.addr.do_send(Order::End);
    }

    fn stopped(&self) -> BoxFuture<'_, ()> {
        Control::stop(self);
        self.over.wait().boxed()
    }
}

/// To a supervisor that keeps the system: what is left of it goes with its actor.
impl Shell for Attendant {
    fn who(&self) -> &Who {
        &self.who
    }

    fn takes_messages(&self) -> bool {
        self.addr.connected()
    }

    fn stop(&self, _: Option<String>) {
        Control::stop(self);
    }

    fn drain(&self) {
        // Its actors are drained by every stop.
        Control::stop(self);
    }

    fn kill(&self) {
        self.stopper.abandon(abandoned());
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        self.over.wait().boxed()
    }

    fn stopped(&self, limit: Duration) -> BoxFuture<'_, ()> {
        async move { drop(timeout(limit, Control::stopped(self)).await) }.boxed()
    }

    fn drained(&self, limit: Duration) -> BoxFuture<'_, bool> {
        async move { timeout(limit, Control::stopped(self)).await.is_ok() }.boxed()
    }
}

impl System {
    /// The device's own actor of actix's: ask it for health and numbers, wait for a loss, have it drain or stop the system.
    ///
    /// It is started when it is first asked for, on the thread of [`start_free`](crate::StartActix::start_free), and is the same from then on.
    /// It ends with the system, which its address does not keep.
    ///
    /// # Errors
    ///
    /// [`SpawnError::Stopped`] if the system has stopped, [`ActixError::Thread`] if there is no thread, within [`SpawnError::Framework`].
    pub fn control_actix(&self) -> Result<Addr<DeviceActor>, SpawnError> {
        Ok(self.attendant()?.addr.clone())
    }

    pub(super) fn attendant(&self) -> Result<Arc<Attendant>, SpawnError> {
        let fleet = self.fleet();
        fleet.first().check_mine()?;
        if fleet.devices().iter().all(|core| core.has_ended()) {
            return Err(SpawnError::Stopped);
        }
        let attendant = self.controls().join(|| Attendant::start(self.stopper().clone()))?;
        // It may have come behind the news.
        if let Some(fault) = fleet.lost() {
            attendant.lost(fault.clone());
        }
        Ok(attendant)
    }
}

impl Handler<Order> for DeviceActor {
    type Result = ();

    fn handle(&mut self, order: Order, ctx: &mut Context<Self>) {
        match order {
            Order::Lost(fault) => drop(self.lost.send_replace(Some(fault))),
            Order::End => {
                let stopper = self.stopper.clone();
                let stopped = wrap_future::<_, Self>(async move { drop(stopper.stop().await) });
                // Beside the mailbox, so that it goes on answering.
                ctx.spawn(stopped.map(|(), _, ctx| ctx.stop()));
            }
        }
    }
}

impl Handler<GetHealth> for DeviceActor {
    type Result = MessageResult<GetHealth>;

    fn handle(&mut self, _: GetHealth, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.stopper.fleet.health())
    }
}

impl Handler<GetSnapshot> for DeviceActor {
    type Result = MessageResult<GetSnapshot>;

    fn handle(&mut self, _: GetSnapshot, _: &mut Context<Self>) -> Self::Result {
        MessageResult(Snapshot::take(&self.stopper.fleet))
    }
}

// What takes long is a task of its own, which the actor's end does not cut short.

impl Handler<Drain> for DeviceActor {
    type Result = ResponseFuture<usize>;

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) -> Self::Result {
        let stopper = self.stopper.clone();
        Box::pin(async move { stopper.drain().await.0 })
    }
}

impl Handler<Stop> for DeviceActor {
    type Result = ResponseFuture<StopReport>;

    fn handle(&mut self, _: Stop, _: &mut Context<Self>) -> Self::Result {
        let stopper = self.stopper.clone();
        Box::pin(async move { stopper.stop().await })
    }
}

impl Handler<Loss> for DeviceActor {
    type Result = ResponseFuture<Option<DeviceFault>>;

    fn handle(&mut self, _: Loss, _: &mut Context<Self>) -> Self::Result {
        let mut lost = self.lost.subscribe();
        Box::pin(async move { lost.wait_for(Option::is_some).await.ok()?.clone() })
    }
}
