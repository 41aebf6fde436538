//! What a kind migrates to is its own state.
use resident_kernels::prelude::*;

#[derive(State)]
#[repr(C)]
pub struct Tower {
    pub planes: u64,
}

#[derive(Message)]
pub struct Count;

fn from_older(_layout: u64, _old: &[u8]) -> Option<u64> {
    None
}

#[actor(migrate = from_older)]
impl Tower {
    fn count(&mut self, _: &Count, _ctx: &mut Ctx) {
        self.planes += 1;
    }
}

fn main() {}
