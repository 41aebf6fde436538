//! A frame carries 960 bytes.
use resident_kernels::prelude::*;

#[derive(Message)]
#[repr(C)]
pub struct Map {
    pub tiles: [u64; 121],
}

fn main() {}
