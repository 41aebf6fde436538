//! The actor that `resident doctor` calls. A handler crate is compiled for the GPU by itself, so it is no module of the command.
#![no_std]

use resident_kernels::prelude::*;

/// Counts its calls.
#[derive(State, Default, Debug, Clone)]
#[repr(C)]
pub struct Probe {
    /// So far.
    pub calls: u64,
}

/// A call; its reply is how many there were.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
pub struct Ping;

#[actor]
impl Probe {
    fn ping(&mut self, _: &Ping, _ctx: &mut Ctx) -> u64 {
        self.calls += 1;
        self.calls
    }
}

resident_kernels::export!(Probe);
