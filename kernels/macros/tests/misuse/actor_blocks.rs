//! An `#[actor]` block is the state's own `impl` block, and its settings are few.
use resident_kernels::prelude::*;

#[derive(State)]
#[repr(C)]
pub struct Aircraft {
    pub flights: u32,
}

#[derive(Message)]
pub struct TakeOff;

#[actor]
pub struct Gate;

#[actor]
impl Default for Aircraft {
    fn default() -> Self {
        Aircraft { flights: 0 }
    }
}

#[actor]
impl<'a> Aircraft {
    fn first(&mut self, _: &TakeOff, _ctx: &mut Ctx) {}
}

#[actor]
impl Aircraft {}

#[actor(width = row)]
impl Aircraft {
    fn second(&mut self, _: &TakeOff, _ctx: &mut Ctx) {}
}

#[actor(budget_ms = 0)]
impl Aircraft {
    fn third(&mut self, _: &TakeOff, _ctx: &mut Ctx) {}
}

fn main() {}
