//! The system's own actor: its control plane. No message to a resident actor passes here.
//!
//! It fails when the last device does, so a supervisor that it is linked to hears `ActorFailed` with a [`DeviceFault`]; stopping it
//! stops the system in order, killing it fails the devices and their actors.

use std::any::Any;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ractor::{Actor as _, ActorProcessingErr, ActorRef, RpcReplyPort};
use resident_gpu::device::{DeviceFault, Health};

use crate::embed::ractor::watch::watch;
use crate::error::StartError;
use crate::system::System;
use crate::system::control::{Control, Guard, abandoned};
use crate::system::snapshot::Snapshot;
use crate::system::stop::{StopReport, Stopper};

/// What the system's actor takes; see [`System::control`](crate::System::control).
#[derive(Debug)]
pub enum DeviceMsg {
    /// How the system is: it runs while one of its [devices](crate::Device) does.
    Health(RpcReplyPort<Health>),
    /// The system's numbers, over all devices.
    Metrics(RpcReplyPort<Snapshot>),
    /// Drains every resident actor: each handles what it was sent, then stops. The devices go on. Answers their number.
    Drain(RpcReplyPort<usize>),
    /// Stops the system as [`System::stop`](crate::System::stop) does.
    Stop(RpcReplyPort<StopReport>),
    /// The pump's word that the last device is lost.
    #[doc(hidden)]
    Lost(DeviceFault),
    /// A message from another node, which this actor does not take.
    #[doc(hidden)]
    Undeliverable,
}

resident_kernels::local_message!(DeviceMsg, DeviceMsg::Undeliverable);

/// The device's actor.
struct DeviceActor(Guard);

/// Leaves a system to the device's actor.
pub(crate) async fn attend(stopper: Arc<Stopper>) -> Result<Arc<dyn Control>, StartError> {
    // If it can not start, dropping it stops the device.
    let started = DeviceActor::spawn(None, DeviceActor(Guard(stopper)), ()).await;
    let (control, _) = started.map_err(|error| StartError::Actor(error.into()))?;
    Ok(Arc::new(Attendant(control)))
}

/// The device's actor, as its system knows it.
struct Attendant(ActorRef<DeviceMsg>);

impl Control for Attendant {
    fn lost(&self, fault: DeviceFault) {
        // Gone already: then its supervisor has heard of it.
        let _ = self.0.cast(DeviceMsg::Lost(fault));
    }

    fn stop(&self) {
        self.0.stop(None);
    }

    fn stopped(&self) -> BoxFuture<'_, ()> {
        self.stop();
        // It may have been told before.
        watch(self.0.get_cell()).boxed()
    }
}

impl System {
    /// The system's own actor: link it to a supervisor, ask it for health and numbers, stop it.
    pub fn control(&self) -> &ActorRef<DeviceMsg> {
        let control: &dyn Any = self.controls().first();
        &control.downcast_ref::<Attendant>().expect("where ractor is, every system is left to it").0
    }

    /// Waits until the system's actor has ended, and then, however that came, the devices.
    pub(crate) async fn ended(&self) {
        watch(self.control().get_cell()).await;
        // ractor drops a killed actor only some time after it has told of its end.
        self.stopper().abandon(abandoned());
        self.stopper().stop().await;
    }
}

#[ractor::actor(message = DeviceMsg, state = (), arguments = ())]
impl DeviceActor {
    async fn pre_start(&self, _myself: ActorRef<DeviceMsg>, _: ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, _myself: ActorRef<DeviceMsg>, message: DeviceMsg, _: &mut ()) -> Result<(), ActorProcessingErr> {
        let stopper = &self.0.0;
        let fleet = &stopper.fleet;
        // A caller that has gone is no error.
        match message {
            DeviceMsg::Health(reply) => drop(reply.send(fleet.health())),
            DeviceMsg::Metrics(reply) => drop(reply.send(Snapshot::take(fleet))),
            // What takes long runs beside, so that the actor goes on answering.
            DeviceMsg::Drain(reply) => {
                let stopper = stopper.clone();
                ractor::concurrency::spawn(async move { reply.send(stopper.drain().await.0) });
            }
            DeviceMsg::Stop(reply) => {
                let stopper = stopper.clone();
                ractor::concurrency::spawn(async move { reply.send(stopper.stop().await) });
            }
            DeviceMsg::Lost(fault) => return Err(Box::new(fault)),
            DeviceMsg::Undeliverable => fleet.first().dead_letter(),
        }
        Ok(())
    }

    async fn post_stop(&self, _myself: ActorRef<DeviceMsg>, _: &mut ()) -> Result<(), ActorProcessingErr> {
        self.0.0.stop().await;
        Ok(())
    }
}
