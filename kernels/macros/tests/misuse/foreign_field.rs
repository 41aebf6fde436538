//! A field that no name gives away: the compiler finds it.
use resident_kernels::prelude::*;

#[derive(Clone, Copy)]
pub struct Place(f64, f64);

#[derive(State)]
#[repr(C)]
pub struct Aircraft {
    pub flights: u32,
    pub place: Place,
}

fn main() {}
