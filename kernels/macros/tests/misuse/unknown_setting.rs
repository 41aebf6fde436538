//! An actor's settings are few.
use resident_kernels::prelude::*;

#[derive(State)]
#[repr(C)]
pub struct Tower {
    pub planes: u64,
}

#[derive(Message)]
pub struct Count;

#[actor(budget_ms = 250, migrates = from_older)]
impl Tower {
    fn count(&mut self, _: &Count, _ctx: &mut Ctx) {
        self.planes += 1;
    }
}

fn main() {}
