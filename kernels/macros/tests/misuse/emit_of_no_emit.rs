//! What is emitted says so.
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
    fn take_off(&mut self, _: &TakeOff, ctx: &mut Ctx) {
        ctx.emit(self.flights);
    }
}

fn main() {}
