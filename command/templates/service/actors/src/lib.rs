//! The handlers: a [`Tally`] lives on the device and adds what it is sent.
//!
//! This crate is compiled twice, for the host and for the GPU, so it is `no_std`. States and messages are plain data.
#![no_std]

use resident_kernels::prelude::*;

/// The state of an actor.
#[derive(State, Default, Debug, Clone)]
#[repr(C)]
pub struct Tally {
    /// Numbers so far.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
}

/// Adds a number; its reply is the tally with it.
#[derive(Message, Debug, Clone)]
#[reply(Total)]
#[repr(C)]
pub struct Add {
    /// The number.
    pub number: u64,
}

/// What a [`Tally`] has added up to.
#[derive(Reply, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Total {
    /// Numbers so far.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
}

#[actor]
impl Tally {
    fn add(&mut self, msg: &Add, _ctx: &mut Ctx) -> Total {
        // A handler that panics fails its actor alone, and the supervisor starts it again.
        self.sum = self
            .sum
            .checked_add(msg.number)
            .expect("the sum is too large");
        self.count += 1;
        Total {
            count: self.count,
            sum: self.sum,
        }
    }
}

resident_kernels::export!(Tally);
