//! An `#[actor]` block holds handlers and nothing else.
use resident_kernels::prelude::*;

#[derive(State)]
#[repr(C)]
pub struct Aircraft {
    pub flights: u32,
}

#[derive(Message)]
pub struct TakeOff;

#[actor]
impl Aircraft {
    const SEATS: u32 = 180;

    fn take_off(&mut self, _: &TakeOff, _ctx: &mut Ctx) {
        self.flights += 1;
    }

    fn new(flights: u32) -> Self {
        Aircraft { flights }
    }
}

fn main() {}
