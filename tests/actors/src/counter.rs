//! Counts: the smallest actor.

use resident_kernels::prelude::*;

/// A sum.
#[derive(State, Default, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Counter {
    /// All that was added.
    pub total: u64,
    /// Additions.
    pub added: u64,
}

/// Adds to the sum.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Add {
    /// How much.
    pub amount: u64,
}

/// Asks for the sum.
#[derive(Message, Debug, Clone)]
#[reply(Count)]
pub struct Get;

/// Adds to the sum and asks for it.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
#[repr(C)]
pub struct AddAndGet {
    /// How much.
    pub amount: u64,
}

/// Adds one to the sum.
#[derive(Message, Debug, Clone)]
pub struct Tick;

/// The sum.
#[derive(Reply, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Count {
    /// All that was added.
    pub total: u64,
    /// Additions.
    pub added: u64,
    /// The call's stamp by the shard's clock.
    pub hlc: u64,
}

#[actor]
impl Counter {
    /// Adds to the sum.
    fn add(&mut self, msg: &Add, _ctx: &mut Ctx) {
        self.total = self.total.wrapping_add(msg.amount);
        self.added += 1;
    }

    fn get(&mut self, _: &Get, ctx: &mut Ctx) -> Count {
        Count { total: self.total, added: self.added, hlc: ctx.hlc() }
    }

    fn add_and_get(&mut self, msg: &AddAndGet, ctx: &mut Ctx) -> u64 {
        self.add(&Add { amount: msg.amount }, ctx);
        self.total
    }

    fn tick(&mut self, _: &Tick, ctx: &mut Ctx) {
        self.add(&Add { amount: 1 }, ctx);
    }
}
