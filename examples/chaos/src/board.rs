//! What is written down while the program runs: lives, faults, sheets, and how often what happened.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use chaos_actors::Sheet;
use parking_lot::Mutex;
use resident::guardian::Directive;
use resident::{FaultClass, GpuFault};

use crate::book::Reading;
use crate::clerk::Clerk;

/// The board: everybody writes, the report reads.
#[derive(Default)]
pub struct Board {
    lives: AtomicU64,
    children: Vec<Mutex<Record>>,
    pub escalations: AtomicU64,
    pub failed_tellers: AtomicU64,
    /// Slips that arrived, by the courier's life.
    pub slips: Mutex<BTreeMap<u64, u64>>,
}

/// Of one child.
#[derive(Clone, Default)]
pub struct Record {
    /// In the order of their starts.
    pub lives: Vec<u64>,
    pub readings: BTreeMap<u64, Vec<Reading>>,
    pub faults: Vec<Fault>,
    /// Faults that came without the state.
    pub stateless: u64,
    pub wrong: Vec<String>,
}

/// A fault that a supervisor heard of.
#[derive(Clone, Debug)]
pub struct Fault {
    pub class: FaultClass,
    pub message: &'static str,
    pub resumed: bool,
}

impl Board {
    pub fn new(children: usize) -> Board {
        Board { children: (0..children).map(|_| Mutex::default()).collect(), ..Board::default() }
    }

    /// A child is started: the life that it begins.
    pub fn begin(&self, child: usize) -> u64 {
        let mut record = self.children[child].lock();
        let life = self.lives.fetch_add(1, Ordering::Relaxed) + 1;
        record.lives.push(life);
        life
    }

    /// A resident clerk has failed; what is to follow.
    pub fn failed<A: Clerk>(&self, child: usize, fault: &GpuFault) -> Directive {
        let resume = matches!(fault.class, FaultClass::Failed | FaultClass::Emit);
        let mut record = self.children[child].lock();
        record.faults.push(Fault { class: fault.class, message: fault.message, resumed: resume });
        match fault.state::<A>() {
            Some(clerk) => {
                let sheet = *clerk.sheet();
                // What a loss has interrupted can be half on the sheet; a message that breaks writes nothing.
                let by_loss = matches!(fault.class, FaultClass::Trap | FaultClass::IllegalAddress | FaultClass::Hang | FaultClass::Worker);
                let maybe = by_loss && matches!(fault.message, "Entry" | "Query");
                let before = record.readings.get(&sheet.life).and_then(|all| all.last()).map_or(0, |last| last.sheet.handled);
                // The device's own count of what this incarnation has handled.
                let more = sheet.handled.saturating_sub(before).checked_sub(fault.handled);
                if more.is_none_or(|more| more > u64::from(maybe)) {
                    let text =
                        format!("life {} has {} entries, {before} before; the device counts {}", sheet.life, sheet.handled, fault.handled);
                    record.wrong.push(text);
                }
                if let Some(amiss) = clerk.amiss().filter(|_| !maybe) {
                    record.wrong.push(format!("life {}: {amiss}", sheet.life));
                }
                record.readings.entry(sheet.life).or_default().push(Reading { sheet, resumed: resume, maybe });
            }
            // With its device the state has gone, too.
            None if fault.class == FaultClass::DeviceLost => {}
            // It failed over what it had been sent before it was stopped, and nobody asked for its state any more.
            None => record.stateless += 1,
        }
        if resume { Directive::Resume } else { Directive::Restart }
    }

    /// A teller's sheet, whenever it has changed.
    pub fn wrote(&self, child: usize, sheet: &Sheet) {
        let reading = Reading { sheet: *sheet, resumed: false, maybe: false };
        self.children[child].lock().readings.insert(sheet.life, vec![reading]);
    }

    /// The sheet of a clerk that lives to the end.
    pub fn last(&self, child: usize, sheet: Sheet) {
        let reading = Reading { sheet, resumed: false, maybe: false };
        self.children[child].lock().readings.entry(sheet.life).or_default().push(reading);
    }

    pub fn record(&self, child: usize) -> Record {
        self.children[child].lock().clone()
    }
}
