//! What a struct is for is said once, in four words.
use resident_kernels::prelude::*;

#[derive(Message)]
#[also(Replies)]
pub struct Ask;

#[derive(Message)]
#[also(Message)]
pub struct Twice;

#[derive(State)]
#[reply(u64)]
#[repr(C)]
pub struct Answering {
    pub answers: u64,
}

#[derive(Message)]
#[reply()]
pub struct Nothing;

#[derive(Reply)]
#[repr(C)]
pub struct Report {
    pub rows: [u64; 121],
}

#[derive(Emit)]
#[repr(C)]
pub struct Alert {
    pub rows: [u64; 121],
}

fn main() {}
