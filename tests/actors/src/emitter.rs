//! Emits messages to CPU actors on demand.

use resident_kernels::prelude::*;

/// Numbers what it emits.
#[derive(State, Default, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Emitter {
    /// Emitted so far.
    pub emitted: u64,
}

/// Emits a number of [`Late`].
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct EmitLate {
    /// How many.
    pub count: u32,
    /// Their delay.
    pub minutes: i32,
}

/// Emits a [`Parcel`], and answers its number.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
pub struct EmitParcel;

/// An alert, in the size of one slot.
#[derive(Emit, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Late {
    /// Counts up from 0 with each emitted message of this actor.
    pub number: u64,
    /// As asked for.
    pub minutes: i32,
    /// The sender's row.
    pub row: u32,
}

/// The largest emitted message.
#[derive(Emit, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Parcel {
    /// Counts up from 0 with each emitted message of this actor.
    pub number: u64,
    /// [`words`](crate::words) of the number.
    pub words: [u64; crate::LARGE_WORDS],
}

impl Emitter {
    /// Out of line: a large value takes stack, and what is inlined takes it from every message of the crate.
    #[inline(never)]
    fn emit_parcel(number: u64, ctx: &mut Ctx) {
        ctx.emit(Parcel { number, words: crate::words(number) });
    }
}

#[actor]
impl Emitter {
    fn late(&mut self, msg: &EmitLate, ctx: &mut Ctx) {
        for _ in 0..msg.count {
            let row = ctx.address::<Self>().row();
            ctx.emit(Late { number: self.emitted, minutes: msg.minutes, row });
            self.emitted += 1;
        }
    }

    fn parcel(&mut self, _: &EmitParcel, ctx: &mut Ctx) -> u64 {
        let number = self.emitted;
        Self::emit_parcel(number, ctx);
        self.emitted += 1;
        number
    }
}
