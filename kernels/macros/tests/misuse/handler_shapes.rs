//! A handler has one shape.
use resident_kernels::prelude::*;

#[derive(State)]
#[repr(C)]
pub struct Aircraft {
    pub flights: u32,
}

#[derive(Message)]
pub struct TakeOff;

pub struct Of<T>(T);

#[actor]
impl Aircraft {
    async fn waits(&mut self, _: &TakeOff, _ctx: &mut Ctx<'_>) {}
    fn any<M>(&mut self, _: &M, _ctx: &mut Ctx) {}
    fn owned(self, _: &TakeOff, _ctx: &mut Ctx) {}
    fn nobodys() {}
    fn pair(&mut self, _: &(u32, u32), _ctx: &mut Ctx) {}
    fn changed(&mut self, _: &mut TakeOff, _ctx: &mut Ctx) {}
    fn of_some(&mut self, _: &Of<u32>, _ctx: &mut Ctx) {}
    fn alone(&mut self, _: &TakeOff) {}
    fn shared(&mut self, _: &TakeOff, _ctx: &Ctx) {}
    fn more(&mut self, _: &TakeOff, _ctx: &mut Ctx, _seats: u32) {}
}

fn main() {}
