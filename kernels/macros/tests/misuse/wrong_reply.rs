//! A handler returns what its message names.
use resident_kernels::prelude::*;

#[derive(State)]
#[repr(C)]
pub struct Aircraft {
    pub flights: u32,
}

#[derive(Message)]
#[reply(u64)]
pub struct Report;

#[derive(Message)]
#[reply(u64)]
pub struct Count;

#[actor]
impl Aircraft {
    fn report(&mut self, _: &Report, _ctx: &mut Ctx) -> u32 {
        self.flights
    }

    fn count(&mut self, _: &Count, _ctx: &mut Ctx) {}
}

fn main() {}
