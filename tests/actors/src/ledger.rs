//! Keeps an account of all that it was sent, in the order in which it came, and can be spoiled in the middle of it.

use core::hint::black_box;

use resident_kernels::prelude::*;

use crate::mix;

/// Panics.
pub const SPOIL_BY_PANIC: u32 = 0;
/// Says that it has failed.
pub const SPOIL_BY_WORD: u32 = 1;
/// Traps: the worker is lost.
pub const SPOIL_BY_TRAP: u32 = 2;
/// Never comes to an end: the worker is lost.
pub const SPOIL_BY_SPINNING: u32 = 3;

/// An account.
#[derive(State, Default, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Ledger {
    /// Entries.
    pub entries: u64,
    /// All entries folded together in their order, see [`enter`](Ledger::enter).
    pub digest: u64,
    /// The sum of what was moved.
    pub balance: i64,
}

/// What a [`Ledger`] once was.
#[derive(Plain, Default, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct LedgerOfOld {
    /// The sum of what was moved.
    pub balance: i32,
    /// Entries.
    pub entries: u32,
}

/// Enters a number.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Append {
    /// The number.
    pub n: u64,
}

/// Enters a number, and answers the digest.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
#[repr(C)]
pub struct Sign {
    /// The number.
    pub n: u64,
}

/// Moves money, here or, if it is negative, away.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Move {
    /// How much.
    pub cents: i64,
}

/// Asks for the whole account.
#[derive(Message, Debug, Clone)]
#[reply(Page)]
pub struct Look;

/// The whole account.
#[derive(Reply, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Page {
    /// Entries.
    pub entries: u64,
    /// All entries folded together.
    pub digest: u64,
    /// The sum of what was moved.
    pub balance: i64,
}

/// Scribbles on the account, then fails.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Spoil {
    /// How: [`SPOIL_BY_PANIC`] and the others.
    pub how: u32,
}

impl Ledger {
    /// Enters a number.
    pub fn enter(&mut self, n: u64) {
        self.entries += 1;
        self.digest = mix(self.digest, n);
    }

    /// A ledger with these entries.
    pub fn of(numbers: impl IntoIterator<Item = u64>) -> Ledger {
        let mut ledger = Ledger::default();
        numbers.into_iter().for_each(|n| ledger.enter(n));
        ledger
    }
}

fn from_older(layout: u64, old: &[u8]) -> Option<Ledger> {
    if layout != LedgerOfOld::LAYOUT {
        return None;
    }
    let old = LedgerOfOld::decode(old);
    Some(Ledger { entries: old.entries.into(), digest: 0, balance: old.balance.into() })
}

#[actor(budget_ms = 400, migrate = from_older)]
impl Ledger {
    fn append(&mut self, msg: &Append, _ctx: &mut Ctx) {
        self.enter(msg.n);
    }

    fn sign(&mut self, msg: &Sign, _ctx: &mut Ctx) -> u64 {
        self.enter(msg.n);
        self.digest
    }

    fn move_money(&mut self, msg: &Move, _ctx: &mut Ctx) {
        self.balance += msg.cents;
    }

    fn look(&mut self, _: &Look, _ctx: &mut Ctx) -> Page {
        Page { entries: self.entries, digest: self.digest, balance: self.balance }
    }

    fn spoil(&mut self, msg: &Spoil, ctx: &mut Ctx) {
        self.enter(u64::MAX);
        match msg.how {
            SPOIL_BY_PANIC => panic!("asked to panic after {} entries", self.entries),
            SPOIL_BY_WORD => ctx.fail("asked to fail"),
            SPOIL_BY_TRAP => crate::breaker::trap(),
            SPOIL_BY_SPINNING => while black_box(self.entries) == self.entries {},
            _ => {}
        }
    }
}
