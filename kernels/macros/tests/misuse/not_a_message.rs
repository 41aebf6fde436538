//! What a handler takes has to be a message, and only by reference.
use resident_kernels::prelude::*;

#[derive(State)]
#[repr(C)]
pub struct Aircraft {
    pub flights: u32,
}

pub struct TakeOff;

#[actor]
impl Aircraft {
    fn take_off(&mut self, _: &TakeOff, _ctx: &mut Ctx) {
        self.flights += 1;
    }
}

#[derive(State)]
#[repr(C)]
pub struct Gate {
    pub open: u32,
}

#[derive(Message)]
pub struct Open;

#[actor]
impl Gate {
    fn open(&mut self, _: Open, _ctx: &mut Ctx) {
        self.open = 1;
    }
}

fn main() {}
