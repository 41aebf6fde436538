//! A state has 64 KiB at most.
use resident_kernels::prelude::*;

#[derive(State)]
#[repr(C)]
pub struct World {
    pub tiles: [u64; 8193],
}

fn main() {}
