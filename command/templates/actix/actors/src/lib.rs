//! The handlers: an [`Account`] lives on the device and has a balance.
//!
//! This crate is compiled twice, for the host and for the GPU, so it is `no_std`. States and messages are plain data.
#![no_std]

use resident_kernels::prelude::*;

/// Below this a balance is low.
pub const LOW: u64 = 5;

/// The state of an actor.
#[derive(State, Default, Debug, Clone)]
#[repr(C)]
pub struct Account {
    /// What there is.
    pub balance: u64,
}

/// Pays something in; nobody waits for it.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Deposit {
    /// How much.
    pub amount: u64,
}

/// Takes something out; the reply is the balance then.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
#[repr(C)]
pub struct Withdraw {
    /// How much.
    pub amount: u64,
}

/// Says that a balance is low, to whoever listens on the host.
#[derive(Emit, Debug, Clone, Copy)]
#[repr(C)]
pub struct Low {
    /// What is left.
    pub balance: u64,
}

#[actor]
impl Account {
    fn deposit(&mut self, msg: &Deposit, _ctx: &mut Ctx) {
        self.balance += msg.amount;
    }

    fn withdraw(&mut self, msg: &Withdraw, ctx: &mut Ctx) -> u64 {
        let Some(balance) = self.balance.checked_sub(msg.amount) else {
            // The actor fails and its caller hears why; no other actor is harmed.
            ctx.fail(format_args!(
                "{} of {} cannot be withdrawn",
                msg.amount, self.balance
            ));
            return 0;
        };
        self.balance = balance;
        if balance < LOW {
            ctx.emit(Low { balance });
        }
        balance
    }
}

resident_kernels::export!(Account);
