//! What the program says at the end: a line for each account, with its numbers and whether it balances.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use resident::{DeviceInfo, FaultClass, StopReport};
use serde::Serialize;

use crate::board::Board;
use crate::book::{Balance, Ledger, balance};
use crate::clerk::PATIENCE;
use crate::machine::{Holdings, SLACK_MIB};
use crate::senders::WAYS;
use crate::strikes::{Seen, Struck};
use crate::tree::{Child, Place};

/// Faults of a handler's own, which cost no worker.
const OWN: [FaultClass; 3] = [FaultClass::Panic, FaultClass::Failed, FaultClass::Emit];
/// Texts of one account that are shown.
const SHOWN: usize = 10;

/// What a run has left.
pub struct Run<'a> {
    pub info: DeviceInfo,
    pub children: &'a [Child],
    /// Entries accepted, by way.
    pub ways: [u64; WAYS.len()],
    pub board: &'a Board,
    /// By lane.
    pub ledgers: &'a [Ledger],
    pub struck: &'a Struck,
    pub seen: Seen,
    pub losses: u64,
    pub seconds: f64,
    pub seed: u64,
    /// Children whose sheet could not be had at the end.
    pub silent: Vec<String>,
    pub ended: Result<(), String>,
    pub stopped: StopReport,
    pub running: usize,
    pub room: (usize, usize),
    pub held: (Holdings, Holdings),
}

/// An account.
#[derive(Serialize)]
struct Account {
    what: &'static str,
    numbers: String,
    balances: bool,
}

/// The report.
#[derive(Serialize)]
pub struct Report {
    device: String,
    device_name: String,
    seed: u64,
    seconds: f64,
    balanced: bool,
    sent: u64,
    handled: u64,
    faults: BTreeMap<String, u64>,
    losses: u64,
    takeover_p50_ms: f64,
    takeover_p99_ms: f64,
    stood_still_ms: f64,
    restarts: u64,
    resumes: u64,
    escalations: u64,
    strikes: BTreeMap<&'static str, u64>,
    accounts: Vec<Account>,
    #[serde(skip)]
    ways: Vec<(&'static str, u64)>,
    #[serde(skip)]
    missed: u64,
    wrong: Vec<String>,
}

/// Sums over children.
#[derive(Default)]
struct Sums {
    all: Balance,
    /// Of those on the device.
    device: Balance,
    couriers: Balance,
    lives: u64,
    sheets: u64,
    read: u64,
    stateless: u64,
    wrong: Vec<String>,
    faults: BTreeMap<String, u64>,
    resumes: u64,
    /// Casts that were blamed for a fault; those that were sent to break something; couriers' and vaults' faults by a loss.
    blamed: u64,
    broken: u64,
    interrupted: u64,
    couriers_interrupted: u64,
}

impl Report {
    pub fn new(run: Run<'_>) -> Report {
        let sums = sums(&run);
        let accounts = accounts(&run, &sums);
        let mut wrong = sums.wrong;
        wrong.extend(run.silent);
        let mut took = run.seen.takeovers;
        took.sort_unstable();
        let ms = |share: usize| {
            took.get((took.len() * share / 100).min(took.len().saturating_sub(1))).map_or(0.0, |took| took.as_secs_f64() * 1e3)
        };
        let info = run.info;
        Report {
            device: info.kind.as_str().into(),
            device_name: info.name,
            seed: run.seed,
            seconds: run.seconds,
            balanced: wrong.is_empty() && accounts.iter().all(|account| account.balances),
            sent: sums.all.sent + sums.all.returned,
            handled: sums.all.handled,
            faults: sums.faults,
            losses: run.losses,
            takeover_p50_ms: ms(50),
            takeover_p99_ms: ms(99),
            stood_still_ms: run.seen.stood_still.as_secs_f64() * 1e3,
            restarts: sums.lives - run.children.len() as u64,
            resumes: sums.resumes,
            escalations: run.board.escalations.load(Ordering::Relaxed),
            strikes: run.struck.by_name.iter().map(|(name, (strikes, _))| (*name, *strikes)).collect(),
            missed: run.struck.by_name.values().map(|(_, missed)| missed).sum(),
            ways: WAYS.into_iter().zip(run.ways).collect(),
            accounts,
            wrong,
        }
    }

    /// Whether every account balances.
    pub fn is_balanced(&self) -> bool {
        self.balanced
    }
}

fn sums(run: &Run<'_>) -> Sums {
    let mut sums = Sums::default();
    for child in run.children {
        let record = run.board.record(child.index);
        let pages: Vec<_> = run.ledgers.iter().map(|ledger| &ledger[child.index]).collect();
        let books = balance(&pages, &record.lives, &record.readings);
        sums.wrong.extend(books.wrong.iter().chain(&record.wrong).map(|text| format!("{} ({}): {text}", child.name(), child.kind)));
        sums.lives += record.lives.len() as u64;
        sums.sheets += record.readings.values().flatten().count() as u64;
        sums.read += record
            .lives
            .iter()
            .filter(|life| record.readings.get(life).and_then(|all| all.last()).is_some_and(|last| !last.resumed))
            .count() as u64;
        sums.stateless += record.stateless;
        for fault in &record.faults {
            *sums.faults.entry(format!("{:?}", fault.class)).or_default() += 1;
            sums.resumes += u64::from(fault.resumed);
            if child.place == Place::Device {
                sums.blamed += u64::from(fault.message == "Entry");
                sums.broken += u64::from(fault.message == "Break");
                let interrupted = u64::from(!OWN.contains(&fault.class) && matches!(fault.message, "Entry" | "Query"));
                sums.interrupted += interrupted;
                sums.couriers_interrupted += if child.kind == "Courier" { interrupted } else { 0 };
            }
        }
        add(&mut sums.all, &books);
        if child.place == Place::Device {
            // A mailbox goes with its proxy, and what is in it is nobody's dead letter.
            let posts = balance_of(child, run, 4..6);
            let rings = balance_of(child, run, 0..4);
            add(&mut sums.device, &rings);
            sums.device.unseen += posts.lost + posts.unseen;
        }
        if child.kind == "Courier" {
            add(&mut sums.couriers, &books);
        }
    }
    sums
}

fn balance_of(child: &Child, run: &Run<'_>, lanes: std::ops::Range<usize>) -> Balance {
    let record = run.board.record(child.index);
    let empty = crate::book::Page::default();
    let pages: Vec<_> =
        (0..run.ledgers.len()).map(|lane| if lanes.contains(&lane) { &run.ledgers[lane][child.index] } else { &empty }).collect();
    // The sheets of the other lanes belong to other pages.
    let readings = record.readings.into_iter().map(|(life, readings)| {
        let only = |mut reading: crate::book::Reading| {
            for (lane, run) in reading.sheet.runs.iter_mut().enumerate() {
                if !lanes.contains(&lane) {
                    *run = Default::default();
                }
            }
            reading
        };
        (life, readings.into_iter().map(only).collect())
    });
    balance(&pages, &record.lives, &readings.collect())
}

fn add(sum: &mut Balance, more: &Balance) {
    let Balance { sent, returned, handled, on_sheets, failed, refused, lost, unseen, unanswered, late, slips, wrong: _ } = more;
    for (sum, more) in [
        (&mut sum.sent, sent),
        (&mut sum.returned, returned),
        (&mut sum.handled, handled),
        (&mut sum.on_sheets, on_sheets),
        (&mut sum.failed, failed),
        (&mut sum.refused, refused),
        (&mut sum.lost, lost),
        (&mut sum.unseen, unseen),
        (&mut sum.unanswered, unanswered),
        (&mut sum.late, late),
        (&mut sum.slips, slips),
    ] {
        *sum += more;
    }
}

fn accounts(run: &Run<'_>, sums: &Sums) -> Vec<Account> {
    let mut accounts = Vec::new();
    let mut account = |what, balances, numbers| accounts.push(Account { what, numbers, balances });
    let all = &sums.all;
    let found = all.handled + all.failed + all.refused + all.lost + all.unseen;
    account(
        "entries",
        all.sent == found,
        format!(
            "{} sent = {} handled + {} calls failed with their actor + {} calls refused + {} casts lost with an actor or refused + {} casts to incarnations \
             that were stopped or killed, behind their last receipt + {} given back",
            all.sent + all.returned,
            all.handled,
            all.failed,
            all.refused,
            all.lost,
            all.unseen,
            all.returned
        ),
    );
    account(
        "sheets",
        sums.wrong.is_empty(),
        format!(
            "{} of {} incarnations' sheets read to their end ({} readings): {} of the handled entries are on them, each once, every fold equal; \
             {} faults of actors that were being stopped came without; {} mismatches",
            sums.read,
            sums.lives,
            sums.sheets,
            all.on_sheets,
            sums.stateless,
            sums.wrong.len()
        ),
    );
    let device = &sums.device;
    let dead = run.stopped.dead_letters;
    // A shard that is lost between a refusal and its next frame refuses again, which takes some nanoseconds: no more than one a loss.
    let losses = run.losses;
    let breaks = run.struck.casts.saturating_sub(sums.broken);
    let told = dead + sums.blamed;
    account(
        "dead letters",
        told + sums.interrupted >= device.lost && told <= device.lost + device.unseen + breaks + sums.interrupted + losses,
        format!(
            "{dead} dead letters + {} casts blamed for a fault = {} casts that are on no sheet, and of {} that nobody knows of and {breaks} breaking \
             ones that found their actor gone {} (a refusal that a loss interrupts counts again: {losses} at most)",
            sums.blamed,
            device.lost,
            device.unseen,
            told as i64 - device.lost as i64,
        ),
    );
    let late = all.late + run.struck.late;
    // Then every clock that was running is over, whoever it belongs to.
    let paused = run.seen.stood_still + Duration::from_secs(2) > PATIENCE;
    account(
        "calls",
        late == 0 || paused,
        format!(
            "each ended once: {} failed, {} refused, {} handled and their answer lost with a worker, every other answered and checked; {late} timeouts{}",
            all.failed,
            all.refused,
            all.unanswered,
            if paused { ", after the machine had stood still for longer than a call may take" } else { "" }
        ),
    );
    let couriers = &sums.couriers;
    let slips = run.board.slips.lock().values().sum::<u64>();
    account(
        "slips",
        slips >= couriers.slips && slips <= couriers.slips + couriers.unseen + sums.couriers_interrupted,
        format!(
            "{slips} arrived, {} entries on sheets ask for one; the others belong to {} entries that nobody knows of and {} blamed ones",
            couriers.slips, couriers.unseen, sums.couriers_interrupted
        ),
    );
    account("rows", run.running == 0, format!("{} left when the tree had stopped", run.running));
    account("arena", run.room.0 == run.room.1, format!("room for {} more vaults before, {} after", run.room.0, run.room.1));
    account(
        "supervisors",
        run.ended.is_ok(),
        match &run.ended {
            Ok(()) => "stopped in order".into(),
            Err(why) => why.clone(),
        },
    );
    account(
        "device",
        run.stopped.device.is_ok() && run.stopped.killed == 0,
        match &run.stopped.device {
            Ok(()) => format!("stopped in order, {} actors killed", run.stopped.killed),
            Err(why) => why.to_string(),
        },
    );
    let (before, after) = &run.held;
    account("descriptors", before.descriptors == after.descriptors, format!("{} before, {} after", before.descriptors, after.descriptors));
    account("processes", before.processes == after.processes, format!("{} children before, {} after", before.processes, after.processes));
    if let (Some(was), Some(is)) = (before.gpu_mib, after.gpu_mib) {
        account("GPU memory", is <= was + SLACK_MIB, format!("{was} MiB in use before, {is} MiB after"));
    }
    accounts
}

impl fmt::Display for Report {
    /// As Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Chaos on {}:0 {}, seed {}, {:.0} s\n", self.device, self.device_name, self.seed, self.seconds)?;
        writeln!(f, "| account | | |\n| --- | --- | --- |")?;
        for Account { what, numbers, balances } in &self.accounts {
            writeln!(f, "| {what} | {} | {numbers} |", if *balances { "ok" } else { "**no**" })?;
        }
        let list = |f: &mut fmt::Formatter<'_>, all: &mut dyn Iterator<Item = (String, u64)>| {
            let all: Vec<_> = all.map(|(name, count)| format!("{count} {name}")).collect();
            f.write_str(&if all.is_empty() { "none".into() } else { all.join(", ") })
        };
        write!(f, "\nAccepted by way: ")?;
        list(f, &mut self.ways.iter().map(|(name, count)| (format!("by {name}"), *count)))?;
        write!(f, ".\nStrikes: ")?;
        list(f, &mut self.strikes.iter().map(|(name, count)| (format!("x {name}"), *count)))?;
        write!(f, "; {} of them found nobody there.\nFaults that supervisors heard of: ", self.missed)?;
        list(f, &mut self.faults.iter().map(|(name, count)| (name.clone(), *count)))?;
        writeln!(
            f,
            ".\nWorkers lost: {}; taken over within {:.1} ms (p50), {:.1} ms (p99).\nRestarts: {}, with the state kept: {}, supervisors that gave up: {}. \
             The machine stood still for {:.0} ms at most.",
            self.losses, self.takeover_p50_ms, self.takeover_p99_ms, self.restarts, self.resumes, self.escalations, self.stood_still_ms
        )?;
        for text in self.wrong.iter().take(SHOWN) {
            writeln!(f, "\n    {text}")?;
        }
        write!(f, "\n{}", if self.balanced { "The books balance." } else { "THE BOOKS DO NOT BALANCE." })
    }
}
