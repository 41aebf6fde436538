//! Host and GPU code may come from different compilers.
use resident_kernels::prelude::*;

#[derive(Message)]
pub struct Landed {
    pub delay: i32,
}

fn main() {}
