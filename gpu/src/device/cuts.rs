//! Takes a device's cuts and puts actors on it: the application's side of `cut.rs`.

use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use resident_kernels::wire::{CutPage, CutRow, ROW_INBOX, ROW_LIVE, ROW_OUTBOX};

use super::Device;
use crate::cut::buffer::{Buffer, Lease};
use crate::cut::mail::Mail;
use crate::cut::rings::{Noted, Rings};
use crate::cut::{Cut, CutError, Hold, Load, NOTE_LIMIT, Page};
use crate::fault::{Class, DeviceFault};
use crate::mailboxes::Mailboxes;
use crate::protocol::{Done, Job};
use crate::region::FORKED;
use crate::rows::RowId;

/// So many bytes are copied out of a buffer rather than holding all of it.
const FEW: u64 = 256 << 10;
/// How long an application looks for the moment to note the rings without a nap between.
const AWAKE: Duration = Duration::from_millis(20);
const NAP: Duration = Duration::from_micros(50);

impl Device {
    /// Takes a cut: of these rows, or of all; then, with `base`, only what has changed since that one. Blocks; one cut is taken at a time.
    ///
    /// What was pushed into `rings` before the moment at which their positions are told is in the cut, handled or queued.
    pub fn cut(&self, of: Option<&[(u32, RowId)]>, base: Option<u64>, rings: &dyn Hold) -> Result<Cut, CutError> {
        self.check_mine()?;
        let cuts = &self.cuts;
        let _turn = cuts.turn();
        let lease = cuts.lease()?;
        if let Some(of) = of {
            let wanted = bitmap(of, self.region.geometry().shards, self.rows());
            lease.buffer().write(cuts.pool.layout().wanted, &wanted);
        }
        let job = Job::Cut { some: of.is_some(), base: base.filter(|_| of.is_none()) };
        let (done, noted) = self.work(job, lease.buffer(), Some(rings))?;
        self.gather(lease, &done, noted.read()?)
    }

    /// Memory for `bytes` bytes from which [`load`](Self::load) takes states without a copy of its own, filled by `fill`.
    ///
    /// # Panics
    ///
    /// If they are more than the arena has.
    pub fn stage(&self, bytes: usize, fill: impl FnOnce(&mut [u8])) -> Result<Bytes, CutError> {
        self.check_mine()?;
        let cuts = &self.cuts;
        let lease = cuts.lease()?;
        let at = cuts.pool.layout().bytes;
        lease.buffer().fill(at..at + bytes as u64, fill);
        Ok(lease.into_bytes(at..at + bytes as u64))
    }

    /// Puts actors on the device, all at once, while no shard runs. Rows and cells are the caller's, as for a spawn; the actors are live
    /// when this returns. Blocks. States that lie in a cut of this device, or in what [`stage`](Self::stage) gave, at places that are
    /// multiples of 16, are taken from there; others are copied first.
    ///
    /// # Panics
    ///
    /// If a state's place is not within `bytes`.
    pub fn load(&self, actors: &[Load], bytes: &Bytes) -> Result<(), CutError> {
        self.check_mine()?;
        let cuts = &self.cuts;
        let _turn = cuts.turn();
        let layout = cuts.pool.layout();
        let held =
            cuts.pool.holding(bytes).filter(|(_, begin)| actors.iter().all(|actor| (begin + actor.state.start as u64).is_multiple_of(16)));
        let lease = if held.is_none() { Some(cuts.lease()?) } else { None };
        let mut end = 0;
        let mut rows = Vec::with_capacity(actors.len());
        for actor in actors {
            self.check(actor)?;
            let state = &bytes[actor.state.clone()];
            let offset = match (&held, &lease) {
                (Some((_, begin)), _) => begin + actor.state.start as u64,
                (None, lease) => {
                    lease.iter().for_each(|lease| lease.buffer().write(layout.bytes + end, state));
                    end
                }
            };
            end = end.max(offset + (state.len() as u64).next_multiple_of(16));
            rows.push(CutRow {
                shard: actor.shard,
                row: actor.row.row,
                generation: actor.row.generation,
                kind: actor.kind,
                status: ROW_LIVE.into(),
                bytes: state.len() as u32,
                known: 0,
                gone: 0,
                handled: actor.handled,
                at: actor.at,
                offset,
            });
        }
        let buffer = match (&held, &lease) {
            (Some((buffer, _)), _) => buffer,
            (None, Some(lease)) => lease.buffer(),
            (None, None) => return Ok(()),
        };
        buffer.write_list(layout.rows, &rows);
        self.work(Job::Load { rows: rows.len() as u64, bytes: end }, buffer, None).map(drop)
    }

    /// A child that was forked writes into no buffer: its parent may be using it.
    fn check_mine(&self) -> Result<(), CutError> {
        match self.keeper.is_mine() {
            true => Ok(()),
            false => Err(CutError::Ended(DeviceFault { class: Class::Worker, text: FORKED.into() })),
        }
    }

    /// Whether an actor can be where it is to be.
    fn check(&self, actor: &Load) -> Result<(), CutError> {
        let bytes = actor.state.len() as u64;
        let kind = self.kinds().get(actor.kind as usize).filter(|kind| u64::from(kind.state_bytes) == bytes);
        let fits = actor.at.is_multiple_of(16) && actor.at.checked_add(bytes).is_some_and(|end| end <= self.arena_bytes());
        if kind.is_some() && fits && actor.shard < self.info().shards && actor.row.row < self.rows() {
            return Ok(());
        }
        let text = format!("{actor:?} names no kind of this program, or another size than its kind's, or a place that the device has not");
        Err(CutError::Refused { class: Class::Protocol, text })
    }

    /// Has the worker do a job, and notes the rings while the shards stand still.
    fn work(&self, job: Job, buffer: &Buffer, rings: Option<&dyn Hold>) -> Result<(Done, Noted), CutError> {
        let header = self.region.header();
        let mut seen = header.stood();
        let mut noted = Noted::default();
        self.keeper.ask(job, buffer);
        let begun = Instant::now();
        loop {
            let stood = header.stood();
            if stood != seen {
                seen = stood;
                noted = rings.map_or_else(Noted::default, |rings| Noted::take(&self.region, rings, || header.set_noted(stood)));
                header.set_noted(stood);
            }
            // The shards wait for the note, so who looks for it looks often.
            let patience = if begun.elapsed() < AWAKE { Duration::ZERO } else { NAP };
            if let Some(answer) = self.keeper.answer(patience) {
                let done = answer?;
                return if done.noted { Ok((done, noted)) } else { Err(CutError::Late(NOTE_LIMIT)) };
            }
            thread::yield_now();
        }
    }

    fn gather(&self, lease: Lease, done: &Done, mut rings: Rings) -> Result<Cut, CutError> {
        let layout = *self.cuts.pool.layout();
        let mut places: Vec<(u32, &CutRow)> = (0..).zip(lease.buffer().list::<CutRow>(layout.rows, done.rows)).collect();
        places.sort_unstable_by_key(|(_, row)| (row.shard, row.row));
        let mut place = vec![0u32; places.len()];
        for ((was, _), is) in places.iter().zip(0..) {
            place[*was as usize] = is;
        }
        let mut rows: Vec<CutRow> = places.into_iter().map(|(_, row)| *row).collect();
        let page = |page: &CutPage| {
            let at = page.offset as usize;
            Page { row: place[page.row as usize], page: page.page, bytes: at..at + page.bytes as usize }
        };
        let mut pages: Vec<Page> = lease.buffer().list::<CutPage>(layout.pages, done.pages).iter().map(page).collect();
        pages.sort_unstable_by_key(|page| (page.row, page.page));
        // Mailboxes stand behind the rows of their shard; taken out from behind, they leave the places of the others to be mended.
        let bytes = |range: Range<usize>| lease.buffer().slice(layout.bytes + range.start as u64..layout.bytes + range.end as u64);
        let is_mail = |row: &CutRow| row.status == u32::from(ROW_INBOX) || row.status == u32::from(ROW_OUTBOX);
        let mailboxes = Mailboxes::of(&self.region.geometry());
        let mut mail: Vec<_> = rows.iter().enumerate().filter(|(_, row)| is_mail(row)).collect();
        // What is in an inbox was sent before what still waits to go there.
        mail.sort_by_key(|(_, row)| row.status);
        for (at, row) in mail {
            let bytes = match done.base {
                None => bytes(row.offset as usize..row.offset as usize + row.bytes as usize).to_vec(),
                Some(_) => pages.iter().filter(|page| page.row == at as u32).flat_map(|page| bytes(page.bytes.clone())).copied().collect(),
            };
            Mail { shard: row.shard, status: row.status, first: row.handled, bytes }.read(&mailboxes, &mut rings.queued)?;
        }
        let mut place = 0;
        let places: Vec<Option<u32>> = rows.iter().map(|row| (!is_mail(row)).then(|| (place, place += 1).0)).collect();
        pages.retain_mut(|page| places[page.row as usize].map(|place| page.row = place).is_some());
        rows.retain(|row| !is_mail(row));
        Ok(Cut {
            number: done.number,
            base: done.base,
            micros: done.micros,
            pause: done.pause,
            shards: rings.shards,
            rows,
            pages,
            bytes: match layout.bytes..layout.bytes + done.bytes {
                few if done.bytes <= FEW => Bytes::copy_from_slice(lease.buffer().slice(few)),
                many => lease.into_bytes(many),
            },
            queued: rings.queued,
            emitted: rings.emitted,
        })
    }
}

/// One bit for each row of the device.
fn bitmap(of: &[(u32, RowId)], shards: u32, rows: u32) -> Vec<u8> {
    let mut bits = vec![0; (u64::from(shards) * u64::from(rows)).div_ceil(8) as usize];
    for (shard, row) in of {
        if *shard < shards && row.row < rows {
            let at = u64::from(*shard) * u64::from(rows) + u64::from(row.row);
            bits[at as usize / 8] |= 1 << (at % 8);
        }
    }
    bits
}
