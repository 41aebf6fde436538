//! A message is nothing but its bytes.
use resident_kernels::prelude::*;

#[derive(Message)]
#[repr(C)]
pub struct Named {
    pub name: &'static str,
}

#[derive(Message)]
#[repr(C)]
pub struct Borrowed<'a> {
    pub words: &'a [u64],
}

fn main() {}
