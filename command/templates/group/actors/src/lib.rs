//! The handlers: a [`Sensor`] lives on the device and remembers what it has measured.
//!
//! This crate is compiled twice, for the host and for the GPU, so it is `no_std`. States and messages are plain data.
#![no_std]

use resident_kernels::prelude::*;

/// The state of an actor.
#[derive(State, Default, Debug, Clone)]
#[repr(C)]
pub struct Sensor {
    /// The largest value so far.
    pub largest: u64,
    /// Values so far.
    pub values: u64,
}

/// A value; nobody waits for it.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Measured {
    /// The value.
    pub value: u64,
}

/// Asks for the largest value so far.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
pub struct Largest;

#[actor]
impl Sensor {
    fn measured(&mut self, msg: &Measured, _ctx: &mut Ctx) {
        self.largest = self.largest.max(msg.value);
        self.values += 1;
    }

    fn largest(&mut self, _: &Largest, _ctx: &mut Ctx) -> u64 {
        self.largest
    }
}

resident_kernels::export!(Sensor);
