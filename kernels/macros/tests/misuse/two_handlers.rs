//! A message has one handler.
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
    fn take_off(&mut self, _: &TakeOff, _ctx: &mut Ctx) {
        self.flights += 1;
    }

    fn start(&mut self, _: &TakeOff, _ctx: &mut Ctx) {
        self.flights += 1;
    }
}

fn main() {}
