//! A handler names its message.
use resident_kernels::prelude::*;

#[derive(State)]
#[repr(C)]
pub struct Aircraft {
    pub flights: u32,
}

#[actor]
impl Aircraft {
    fn take_off(&mut self) {
        self.flights += 1;
    }
}

fn main() {}
