//! A crate without actors exports none.
use resident_kernels::prelude::*;

#[derive(State)]
#[repr(C)]
pub struct Aircraft {
    pub flights: u32,
}

resident_kernels::export!();
resident_kernels::export!(Aircraft Aircraft);

fn main() {}
