//! Resident actors as ordinary actors of actix's: accounts on the device, and a desk on the host that hears which run low.

use actix::{Actor, Addr, Context, Handler, Message};
use actors::{Account, Deposit, Low, Withdraw};
use resident::Gpu;
use resident::prelude::*;

/// Accounts.
const ACCOUNTS: u64 = 1000;

/// An actor of the host's, to which the accounts emit.
#[derive(Default)]
struct Desk {
    warnings: u64,
}

/// An account runs low.
#[derive(Message)]
#[rtype(result = "()")]
struct Warning(Low);

/// Asks how many warnings there were.
#[derive(Message)]
#[rtype(result = "u64")]
struct Warnings;

impl From<Low> for Warning {
    fn from(low: Low) -> Warning {
        Warning(low)
    }
}

impl Actor for Desk {
    type Context = Context<Self>;
}

impl Handler<Warning> for Desk {
    type Result = ();

    fn handle(&mut self, Warning(low): Warning, _: &mut Context<Self>) {
        println!("an account has only {} left", low.balance);
        self.warnings += 1;
    }
}

impl Handler<Warnings> for Desk {
    type Result = u64;

    fn handle(&mut self, _: Warnings, _: &mut Context<Self>) -> u64 {
        self.warnings
    }
}

/// What has come of all withdrawals.
#[derive(Debug, PartialEq)]
struct Day {
    /// What is left on the accounts.
    left: u64,
    /// Accounts that had too little.
    overdrawn: u64,
    /// Warnings that the desk has heard.
    warnings: u64,
}

#[actix::main]
async fn main() -> anyhow::Result<()> {
    // Every GPU, else the CPU device; RESIDENT_DEVICES=cpu chooses, and `resident config` lists
    // all such settings.
    let system = System::start(Config::load()?).await?;
    println!("running on {}", system.device());
    let day = trade(&system, ACCOUNTS).await?;
    println!(
        "{ACCOUNTS} accounts have {} left, {} were overdrawn, {} run low",
        day.left, day.overdrawn, day.warnings
    );
    system.stop().await;
    Ok(())
}

/// Opens `count` accounts, pays 0, 1, 2.. into them, and takes 10 from each.
async fn trade(system: &System, count: u64) -> anyhow::Result<Day> {
    let desk = Desk::default().start();
    system.route_to_recipient::<Low, Warning>(desk.clone().recipient())?;
    let mut accounts: Vec<Addr<Gpu<Account>>> = Vec::new();
    for amount in 0..count {
        let account = Account::start_actix(system, Account::default())?;
        account.do_send(Deposit { amount });
        accounts.push(account);
    }
    let (mut left, mut overdrawn) = (0, 0);
    for account in &accounts {
        // The first `?` is actix's: nobody is there to answer. What is behind it is the device's.
        match account.send(Withdraw { amount: 10 }).await? {
            Ok(balance) => left += balance,
            Err(fault) => {
                println!("{fault}");
                overdrawn += 1;
            }
        }
    }
    // An account's answer comes behind what it has emitted.
    let warnings = desk.send(Warnings).await?;
    Ok(Day {
        left,
        overdrawn,
        warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix::test]
    async fn who_has_too_little_fails_alone() {
        let system = System::start(Config::cpu()).await.unwrap();
        let day = Day {
            left: 45,
            overdrawn: 10,
            warnings: 5,
        };
        assert_eq!(trade(&system, 20).await.unwrap(), day);
        system.stop().await;
    }
}
