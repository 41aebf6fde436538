//! What crosses is a struct of plain data with one layout.
use resident_kernels::prelude::*;

#[derive(Message)]
#[repr(C)]
pub union Either {
    pub whole: u64,
    pub half: u32,
}

#[derive(Message)]
#[repr(C, packed)]
pub struct Tight {
    pub small: u8,
    pub large: u64,
}

#[derive(State)]
#[repr(C)]
pub struct Mixed {
    pub pair: (u32, u32),
    pub calls: fn(u32) -> u32,
    pub owned: Box<u32>,
    pub letter: char,
    pub names: [String; 2],
}

#[derive(State)]
#[repr(C)]
pub struct Table<const N: usize> {
    pub cells: [u32; N],
}

fn main() {}
