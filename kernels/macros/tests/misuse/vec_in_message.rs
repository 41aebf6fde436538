//! A message owns no memory of the host.
use resident_kernels::prelude::*;

#[derive(Message)]
#[repr(C)]
pub struct Route {
    pub legs: Vec<u32>,
    pub name: String,
    pub open: bool,
    pub next: Option<u32>,
    pub count: usize,
}

fn main() {}
