//! The books: what each sender has sent to each child and what became of it, what the children's sheets say, and whether the two
//! agree.
//!
//! A sender numbers what a child has accepted from 1 on. A child handles its ring in order, so what one incarnation has handled of
//! one sender is a stretch without a hole; a sheet tells each stretch and folds its numbers together. What is in no stretch was
//! refused, or failed with its actor.
//!
//! The last sheet of an incarnation is read from its fault, or asked for at the end. Of one that was stopped or killed nobody reads
//! it; what is known of its stretches are the receipts, and entries behind the last receipt may have been handled or not.

use std::collections::BTreeMap;

use chaos_actors::{Receipt, SLIP_EVERY, Sheet, mix, proof};

/// What became of an accepted entry, as its sender knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A cast: its sheet says.
    Cast,
    /// A call that was answered.
    Replied,
    /// A call that ended with the fault of its actor.
    Failed,
    /// A call that ended since its actor had stopped.
    Refused,
    /// A call that did not end in time.
    Late,
}

/// One sender's page for one child.
#[derive(Debug, Default)]
pub struct Page {
    /// The fates of the entries in their order, and how many there are of each in a row.
    fates: Vec<(Fate, u32)>,
    sent: u32,
    /// Entries that came back and were not counted.
    pub returned: u64,
    /// Stretches known from receipts: where each begins, whose it is, and the last number answered.
    receipts: BTreeMap<(u64, u32), u32>,
    wrong: Vec<String>,
}

impl Page {
    /// The number of the next entry.
    pub fn next(&self) -> u32 {
        self.sent + 1
    }

    /// So many more entries were accepted.
    pub fn add(&mut self, fate: Fate, count: u32) {
        self.sent += count;
        match self.fates.last_mut() {
            Some((last, n)) if *last == fate => *n += count,
            _ if count == 0 => {}
            _ => self.fates.push((fate, count)),
        }
    }

    /// The next entry was a call, and this is its answer.
    pub fn replied(&mut self, receipt: &Receipt) {
        let number = self.next();
        let Receipt { life, since, .. } = *receipt;
        if receipt.number != number || receipt.proof != proof(life, number) || since == 0 || since > number {
            self.wrong.push(format!("entry {number} was answered with {receipt:?}"));
        }
        self.receipts.insert((life, since), number);
        self.add(Fate::Replied, 1);
    }
}

/// A sheet that was read, in the order in which a life's were.
#[derive(Clone, Debug)]
pub struct Reading {
    pub sheet: Sheet,
    /// Its incarnation may have a successor that goes on with this sheet.
    pub resumed: bool,
    /// The message that was being handled may be on it although it failed.
    pub maybe: bool,
}

/// What one child's pages and sheets come to.
#[derive(Clone, Debug, Default)]
pub struct Balance {
    /// Entries accepted.
    pub sent: u64,
    pub returned: u64,
    /// On a sheet that was read, or before an entry that was answered.
    pub handled: u64,
    /// Of those, entries of which a sheet has the number and the fold.
    pub on_sheets: u64,
    /// Calls that ended with a fault or a refusal.
    pub failed: u64,
    pub refused: u64,
    /// Casts that are certainly in no stretch: dead letters, or blamed for a fault.
    pub lost: u64,
    /// Casts to an incarnation whose sheet nobody read, behind its last receipt.
    pub unseen: u64,
    /// Calls that were handled and whose answer a kill took.
    pub unanswered: u64,
    /// Calls that did not end in time; they are among the handled or the refused, too.
    pub late: u64,
    /// Of the handled entries, those for which a courier sends a slip.
    pub slips: u64,
    pub wrong: Vec<String>,
}

/// A stretch of one sender's entries.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    life: u64,
    since: u32,
    last: u32,
    on_sheet: bool,
}

/// Compares a child's pages, by sender, with its sheets, by life. `lives` are all that were begun.
pub fn balance(pages: &[&Page], lives: &[u64], readings: &BTreeMap<u64, Vec<Reading>>) -> Balance {
    let mut sum = Balance::default();
    for readings in readings.values() {
        whole(readings, &mut sum.wrong);
    }
    // Their sheets are read to the end.
    let closed = |life: u64| readings.get(&life).and_then(|all| all.last()).is_some_and(|last| !last.resumed);
    let maybe = readings.values().flatten().filter(|reading| reading.maybe).count() as u64;
    let mut half = 0;
    for (lane, page) in pages.iter().enumerate() {
        sum.sent += u64::from(page.sent);
        sum.returned += page.returned;
        sum.wrong.extend(page.wrong.iter().cloned());
        let stretches = stretches(lane, page, readings, &mut sum);
        let mut fates = Fates { page, at: 1, row: 0, used: 0 };
        let mut before: Option<Stretch> = None;
        for stretch in stretches.iter().map(Some).chain([None]) {
            let end = stretch.map_or(page.sent + 1, |stretch| stretch.since);
            let from = before.map_or(0, |before| before.life);
            let to = stretch.map_or(u64::MAX, |stretch| stretch.life);
            // Somebody whose sheet is not known to its end may have handled what is in between.
            let open = lives.iter().any(|life| (from..to).contains(life) && !closed(*life));
            fates.until(end, |fate, n| match fate {
                Fate::Cast if open => sum.unseen += n,
                Fate::Cast => sum.lost += n,
                Fate::Failed => sum.failed += n,
                Fate::Refused => sum.refused += n,
                Fate::Late => (sum.refused, sum.late) = (sum.refused + n, sum.late + n),
                Fate::Replied => sum.wrong.push(format!("lane {lane}: {n} calls before entry {end} were answered and are on no sheet")),
            });
            let Some(stretch) = stretch else { break };
            if stretch.since < fates.at || stretch.last > page.sent {
                let text = format!("lane {lane}: {stretch:?} was handled twice, or never sent: it begins at {}", fates.at);
                sum.wrong.push(text);
                break;
            }
            sum.slips += u64::from(stretch.last / SLIP_EVERY - (stretch.since - 1) / SLIP_EVERY);
            fates.until(stretch.last + 1, |fate, n| {
                sum.handled += n;
                sum.on_sheets += if stretch.on_sheet { n } else { 0 };
                match fate {
                    Fate::Failed => half += n,
                    Fate::Refused => sum.unanswered += n,
                    Fate::Late => sum.late += n,
                    Fate::Cast | Fate::Replied => {}
                }
            });
            before = Some(*stretch);
        }
    }
    if half > maybe {
        sum.wrong.push(format!("{half} calls ended with a fault and are on a sheet, where {maybe} may be"));
    }
    sum
}

/// Walks along a page.
struct Fates<'a> {
    page: &'a Page,
    /// The next number.
    at: u32,
    row: usize,
    used: u32,
}

impl Fates<'_> {
    fn until(&mut self, end: u32, mut each: impl FnMut(Fate, u64)) {
        while self.at < end
            && let Some((fate, count)) = self.page.fates.get(self.row)
        {
            let n = (count - self.used).min(end - self.at);
            each(*fate, u64::from(n));
            self.at += n;
            self.used += n;
            if self.used == *count {
                (self.row, self.used) = (self.row + 1, 0);
            }
        }
    }
}

/// What the readings of one life say of themselves.
fn whole(readings: &[Reading], wrong: &mut Vec<String>) {
    let mut torn = 0;
    for Reading { sheet, maybe, .. } in readings {
        // Torn once, a sheet that is gone on with stays so.
        torn += u64::from(*maybe);
        if sheet.begun - sheet.ended > torn || sheet.handled.abs_diff(sheet.ended) > torn {
            wrong.push(format!("life {} has begun {}, handled {}, ended {}", sheet.life, sheet.begun, sheet.handled, sheet.ended));
        }
    }
}

/// The stretches of a lane, in the order of their numbers; sheets are folded again.
fn stretches(lane: usize, page: &Page, readings: &BTreeMap<u64, Vec<Reading>>, sum: &mut Balance) -> Vec<Stretch> {
    let key = |(&(life, since), &last): (&(u64, u32), &u32)| ((life, since), Stretch { life, since, last, on_sheet: false });
    let mut all: BTreeMap<_, _> = page.receipts.iter().map(key).collect();
    for (&life, readings) in readings {
        let mut before = chaos_actors::Run::default();
        for Reading { sheet, maybe, .. } in readings {
            let run = sheet.runs[lane];
            if run == before {
                continue;
            }
            // One hole is left by the failure that the sheet has survived.
            let holes = run.gaps.wrapping_sub(before.gaps);
            let from = if holes == 0 && before.since != 0 { before.last + 1 } else { run.since };
            if holes > u32::from(before.since != 0) || run.since == 0 || run.last > page.sent {
                sum.wrong.push(format!("lane {lane}: life {life} has {run:?} after {before:?}, of {} sent", page.sent));
                break;
            }
            let fold = (from..=run.last).fold(before.fold, |fold, number| mix(fold, u64::from(number)));
            if fold != run.fold && !*maybe {
                sum.wrong.push(format!("lane {lane}: life {life} has {run:?}, whose fold is {fold:#x}"));
            }
            all.insert((life, run.since), Stretch { life, since: run.since, last: run.last, on_sheet: true });
            before = run;
        }
    }
    for (&(life, since), last) in &page.receipts {
        let known = all.get(&(life, since)).map_or(0, |stretch| stretch.last);
        // A sheet read while the next incarnation goes on with it knows less than a receipt.
        let open = readings.get(&life).and_then(|all| all.last()).is_none_or(|last| last.resumed);
        if known < *last && !open {
            sum.wrong.push(format!("lane {lane}: life {life} has answered {last} and its sheet ends at {known}"));
        } else if known < *last
            && let Some(stretch) = all.get_mut(&(life, since))
        {
            stretch.last = *last;
        }
    }
    let mut all: Vec<_> = all.into_values().collect();
    all.sort_unstable_by_key(|stretch| stretch.since);
    if all.windows(2).any(|pair| pair[0].life > pair[1].life) {
        sum.wrong.push(format!("lane {lane}: an older incarnation has handled later entries: {all:?}"));
    }
    all
}

/// Pages by child; a sender's own.
pub type Ledger = Vec<Page>;

/// A ledger of so many children.
pub fn ledger(children: usize) -> Ledger {
    (0..children).map(|_| Page::default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(sheet: Sheet) -> Reading {
        Reading { sheet, resumed: false, maybe: false }
    }

    fn sheet(life: u64, numbers: impl IntoIterator<Item = u32>) -> Sheet {
        let mut sheet = Sheet::new(life);
        numbers.into_iter().for_each(|number| sheet.enter(0, number));
        sheet
    }

    fn books(page: &Page, readings: Vec<Reading>, lives: &[u64]) -> Balance {
        let mut by_life: BTreeMap<u64, Vec<Reading>> = BTreeMap::new();
        for reading in readings {
            by_life.entry(reading.sheet.life).or_default().push(reading);
        }
        balance(&[page], lives, &by_life)
    }

    fn casts(count: u32) -> Page {
        let mut page = Page::default();
        page.add(Fate::Cast, count);
        page
    }

    #[test]
    fn what_two_incarnations_have_handled_and_what_was_lost_between() {
        let sum = books(&casts(10), vec![reading(sheet(1, 1..=4)), reading(sheet(2, 7..=10))], &[1, 2]);
        assert_eq!((sum.handled, sum.on_sheets, sum.lost, sum.unseen), (8, 8, 2, 0));
        assert!(sum.wrong.is_empty(), "{:?}", sum.wrong);
    }

    #[test]
    fn an_incarnation_that_nobody_read_leaves_what_is_behind_its_receipts_open() {
        let mut page = casts(3);
        let mut unread = sheet(1, 1..=4);
        page.replied(&unread.receipt(0, 4));
        unread.enter(0, 5);
        page.add(Fate::Cast, 4);
        let sum = books(&page, vec![reading(sheet(2, 7..=8))], &[1, 2]);
        assert_eq!((sum.handled, sum.on_sheets, sum.lost, sum.unseen), (6, 2, 0, 2));
        assert!(sum.wrong.is_empty(), "{:?}", sum.wrong);
    }

    #[test]
    fn a_sheet_that_is_gone_on_with_has_one_hole() {
        let (first, both) = (sheet(1, 1..=4), sheet(1, (1..=4).chain(7..=9)));
        let sum = books(&casts(9), vec![Reading { resumed: true, ..reading(first) }, reading(both)], &[1]);
        assert_eq!((sum.handled, sum.lost, sum.unseen), (7, 2, 0));
        assert!(sum.wrong.is_empty(), "{:?}", sum.wrong);
        let twice = sheet(1, [1, 2, 4, 5, 7]);
        assert!(!books(&casts(7), vec![reading(twice)], &[1]).wrong.is_empty(), "an entry is missing");
    }

    #[test]
    fn an_entry_handled_twice_is_told() {
        let sum = books(&casts(6), vec![reading(sheet(1, 1..=4)), reading(sheet(2, 4..=6))], &[1, 2]);
        assert!(sum.wrong[0].contains("twice"), "{:?}", sum.wrong);
        assert!(!books(&casts(6), vec![reading(sheet(1, [1, 2, 2, 3]))], &[1]).wrong.is_empty());
    }

    #[test]
    fn an_answer_that_is_on_no_sheet_is_told() {
        let mut page = casts(3);
        page.replied(&sheet(1, 1..=4).receipt(0, 4));
        let sum = books(&page, vec![reading(sheet(1, 1..=3))], &[1]);
        assert!(sum.wrong.iter().any(|text| text.contains("answered 4")), "{:?}", sum.wrong);
    }

    #[test]
    fn a_fold_that_is_not_its_numbers_is_told() {
        let mut wrong = sheet(1, 1..=4);
        wrong.runs[0].fold ^= 1;
        assert!(!books(&casts(4), vec![reading(wrong)], &[1]).wrong.is_empty());
    }
}
