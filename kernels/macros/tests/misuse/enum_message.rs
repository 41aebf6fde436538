//! Not every byte is a variant.
use resident_kernels::prelude::*;

#[derive(Message)]
#[repr(u32)]
pub enum Order {
    Start,
    Land,
}

fn main() {}
