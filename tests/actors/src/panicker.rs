//! Panics on demand, in the ways that Rust panics.

use core::hint::black_box;

use resident_kernels::prelude::*;

/// Index outside of a table.
pub const OUT_OF_BOUNDS: u32 = 0;
/// `panic!` with arguments.
pub const EXPLICIT: u32 = 1;
/// A division that overflows, checked in every build.
pub const OVERFLOW: u32 = 2;
/// `unwrap` of nothing.
pub const UNWRAP: u32 = 3;
/// `panic!` with a text longer than a fault carries.
pub const LONG: u32 = 4;

/// Counts, until it panics.
#[derive(State, Default, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Panicker {
    /// Messages counted.
    pub counted: u64,
    /// Read outside of its bounds on demand.
    pub table: [u32; 8],
}

/// Counts one, and answers how many so far.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
pub struct CountUp;

/// Panics.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Panic {
    /// How: [`OUT_OF_BOUNDS`] and the others.
    pub how: u32,
    /// The index, or the number that stands in the text.
    pub value: u32,
}

/// Panics instead of an answer.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
#[repr(C)]
pub struct PanicInCall {
    /// How: [`OUT_OF_BOUNDS`] and the others.
    pub how: u32,
    /// The index, or the number that stands in the text.
    pub value: u32,
}

impl Panicker {
    fn panic(&self, how: u32, value: u32) -> u64 {
        match how {
            OUT_OF_BOUNDS => u64::from(self.table[value as usize]),
            EXPLICIT => panic!("asked to panic with {value}"),
            OVERFLOW => (black_box(i64::MIN) / black_box(-1)) as u64,
            UNWRAP => black_box(None::<u64>).unwrap(),
            LONG => panic!("{:>400}", value),
            _ => self.counted,
        }
    }
}

#[actor]
impl Panicker {
    fn count_up(&mut self, _: &CountUp, _ctx: &mut Ctx) -> u64 {
        self.counted += 1;
        self.counted
    }

    fn panic_now(&mut self, msg: &Panic, _ctx: &mut Ctx) {
        self.counted = self.panic(msg.how, msg.value);
    }

    fn panic_in_call(&mut self, msg: &PanicInCall, _ctx: &mut Ctx) -> u64 {
        self.panic(msg.how, msg.value)
    }
}
