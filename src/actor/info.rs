//! What a handle tells of where its actor lives.

use std::sync::Arc;

use resident_kernels::address::Address;

use crate::actor::home::Home;

/// Where an actor lives, and in which of its incarnations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActorInfo {
    /// Its kind.
    pub kind: &'static str,
    /// Which of the actor's incarnations it is: 1 at first, and one more with each restart in place. Of two actors the ids differ. It is
    /// not the [`GpuFault::incarnation`](crate::GpuFault::incarnation) of a device, nor the [generation](Address::generation) of a row.
    pub incarnation: u64,
    /// The name of its system, if that has one: [`Config::name`](crate::Config::name).
    pub system: Option<Arc<str>>,
    /// Its device.
    pub device: Arc<str>,
    /// Its place on the device. No two incarnations have the same, though row, shard or generation may be.
    pub address: Address,
}

impl Home {
    /// Where the actor lives now.
    pub(crate) fn info(&self) -> ActorInfo {
        let life = self.life();
        ActorInfo {
            kind: life.kind.name,
            incarnation: life.number,
            system: life.core.shared.system.clone(),
            device: life.core.name.clone(),
            address: life.address(),
        }
    }
}
