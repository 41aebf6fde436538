//! The device's own actor: its control plane. No message to a resident actor passes here.
//!
//! It fails when the device does, so a supervisor that it is linked to hears `ActorFailed` with a [`DeviceFault`]; stopping it
//! stops the system in order, killing it fails the device and its actors.

use std::sync::Arc;

use ractor::{ActorProcessingErr, ActorRef, RpcReplyPort};
use resident_gpu::Class;
use resident_gpu::device::{DeviceFault, Health};

use crate::system::stop::{StopReport, Stopper};

/// What the device's actor takes; see [`System::control`](crate::System::control).
#[derive(Debug)]
pub enum DeviceMsg {
    /// How the device is.
    Health(RpcReplyPort<Health>),
    /// The system's numbers.
    Metrics(RpcReplyPort<Snapshot>),
    /// Drains every resident actor: each handles what it was sent, then stops. The device goes on. Answers their number.
    Drain(RpcReplyPort<usize>),
    /// Stops the system as [`System::stop`](crate::System::stop) does.
    Stop(RpcReplyPort<StopReport>),
    /// The pump's word that the device is lost.
    #[doc(hidden)]
    Lost(DeviceFault),
    /// A message from another node, which this actor does not take.
    #[doc(hidden)]
    Undeliverable,
}

resident_kernels::local_message!(DeviceMsg, DeviceMsg::Undeliverable);

/// A system's numbers, the same that it reports as metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Actors, members of groups, and those that handlers have spawned, that have a row on the device.
    pub running: usize,
    /// Messages sent to them, by whichever path.
    pub messages: u64,
    /// Slots of the rings to the device that are in use.
    pub depth: u64,
    /// Times a ring was full.
    pub full: u64,
    /// Messages that nobody took.
    pub dead_letters: u64,
    /// Launches of the device's kernel.
    pub incarnation: u64,
    /// Workers lost, each of which another took over from.
    pub losses: u64,
    /// Workers that were to stand by and did not open, or ended.
    pub standby_failures: u64,
}

/// The device's actor.
pub(crate) struct DeviceActor(pub Arc<Stopper>);

impl Drop for DeviceActor {
    /// After a kill, or with its runtime, it goes without stopping the device.
    fn drop(&mut self) {
        self.0.abandon(abandoned());
    }
}

/// What becomes of a device whose actor ended without stopping it.
pub(crate) fn abandoned() -> DeviceFault {
    DeviceFault { class: Class::Worker, text: "the device's actor has ended without stopping it; start another system".into() }
}

#[ractor::actor(message = DeviceMsg, state = (), arguments = ())]
impl DeviceActor {
    async fn pre_start(&self, _myself: ActorRef<DeviceMsg>, _: ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, myself: ActorRef<DeviceMsg>, message: DeviceMsg, _: &mut ()) -> Result<(), ActorProcessingErr> {
        let core = &self.0.core;
        // A caller that has gone is no error.
        match message {
            DeviceMsg::Health(reply) => drop(reply.send(core.health())),
            DeviceMsg::Metrics(reply) => {
                let totals = core.report();
                let snapshot = Snapshot {
                    running: core.running(),
                    messages: totals.messages,
                    depth: totals.depth,
                    full: totals.full,
                    dead_letters: core.dead_letters(),
                    incarnation: core.device.launches(),
                    losses: core.device.losses().0,
                    standby_failures: core.device.standby_failures().0,
                };
                drop(reply.send(snapshot));
            }
            // What takes long runs beside, so that the actor goes on answering.
            DeviceMsg::Drain(reply) => {
                let stopper = self.0.clone();
                ractor::concurrency::spawn(async move { reply.send(stopper.drain().await.0) });
            }
            DeviceMsg::Stop(reply) => {
                let stopper = self.0.clone();
                ractor::concurrency::spawn(async move {
                    drop(reply.send(stopper.stop().await));
                    myself.stop(None);
                });
            }
            DeviceMsg::Lost(fault) => return Err(Box::new(fault)),
            DeviceMsg::Undeliverable => core.dead_letter(),
        }
        Ok(())
    }

    async fn post_stop(&self, _myself: ActorRef<DeviceMsg>, _: &mut ()) -> Result<(), ActorProcessingErr> {
        self.0.stop().await;
        Ok(())
    }
}
