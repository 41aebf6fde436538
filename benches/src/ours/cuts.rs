//! A gigabyte of states, cut while its actors work, and loaded: what a checkpoint costs the device and the actors, and how long until
//! it is in host memory. Without the ractor actors in front, which have no part in it.

use super::PATIENCE;
use crate::rounds::{Contender, Error, Record};
use bytes::Bytes;
use resident_gpu::cut::{Cut, Ends, Hold, Load};
use resident_gpu::device::{Choice, Device, Options};
use resident_gpu::replies::ReplySlot;
use resident_gpu::ring::{Consumer, Frame, Producer, PushError};
use resident_gpu::rows::RowId;
use resident_kernels::actor::{Actor, Handles};
use resident_kernels::plain::Plain;
use resident_kernels::wire::{OP_CALL_DIRECT, OP_CAST, OP_REPLY, STATE_PAGE};
use resident_test_actors::{Add, AddAndGet, BIG_WORDS, Big, Counter, Put};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{scope, yield_now};
use std::time::{Duration, Instant};

const BIG: usize = size_of::<Big>();
/// Where each shard's counter lives, in front of the large states.
const COUNTER: u32 = 0;
const WORDS_IN_PAGE: usize = STATE_PAGE / 8;
/// Between two cuts while throughput is measured.
const EVERY: Duration = Duration::from_millis(100);

/// Names of series and rates.
pub mod names {
    /// The largest round trip of an actor while a cut was taken.
    pub const SEEN: &str = "resident, largest round trip of an actor during a cut";
    /// Round trips beside it.
    pub const ASK: &str = "resident, round trip of an actor between cuts";
    /// From the order to leave until every shard ran again.
    pub const PAUSE: &str = "resident, shards told to leave to shards running";
    /// The whole, in host memory.
    pub const WHOLE: &str = "resident, cut of everything in host memory";
    /// A hundredth of the pages changed, all pages of a hundredth of the actors.
    pub const FEW_ACTORS: &str = "resident, cut of 1 % changed, in few actors";
    /// One page of many actors.
    pub const MANY_ACTORS: &str = "resident, cut of 1 % changed, a page each";
    /// The same, and every other actor has handled a message too.
    pub const ALL_BUSY: &str = "resident, cut of 1 % changed, all actors busy";
    /// Loaded from where it lies.
    pub const LOAD: &str = "resident, load of everything";
    /// Loaded from other memory, which is copied first.
    pub const LOAD_COPIED: &str = "resident, load of everything from other memory";
    /// Messages handled.
    pub const ALONE: &str = "resident, casts handled without cuts";
    /// Messages handled, and ten times a second a cut of what has changed, a hundredth of the pages among it.
    pub const BESIDE: &str = "resident, casts handled, a cut of changes every 100 ms";
    /// Messages handled, and a cut of everything ten times a second.
    pub const BESIDE_WHOLE: &str = "resident, casts handled, a whole cut every 100 ms";
}

/// Cuts of a device.
pub struct Cuts {
    /// Which device, and its shards.
    pub choice: Choice,
    /// Shards of a GPU.
    pub shards: u32,
    /// Bytes of large states.
    pub bytes: usize,
    /// Cuts of each kind in each round.
    pub repeats: u32,
    /// How long casts are counted, with cuts and without.
    pub window: Duration,
}

/// A device full of actors, and the rings to it.
struct Fleet {
    device: Arc<Device>,
    into: Vec<Mutex<Producer>>,
    from: Mutex<Vec<Consumer>>,
    bigs: usize,
    pushed: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Word `word` of large state `which`, before anything is put there.
fn word_of(which: usize, word: usize) -> u64 {
    resident_test_actors::mix(which as u64, word as u64)
}

impl Fleet {
    fn start(cuts: &Cuts) -> Result<Fleet, Error> {
        let bigs = cuts.bytes / BIG;
        let options = Options {
            device: cuts.choice,
            shards: (cuts.choice != Choice::Cpu).then_some(cuts.shards),
            capacity: 4096,
            rows: 2 + bigs as u32,
            arena_bytes: ((bigs + 1) * BIG) as u64,
            standby: false,
            ..Options::default()
        };
        let shards = options.shards.unwrap_or(2);
        let device = Device::start(Options { shards: Some(shards), rows: 2 + (bigs as u32).div_ceil(shards), ..options })?;
        let ports = (0..shards).map(|shard| device.take_ports(shard).ok_or("the ports are there once"));
        let (into, from): (Vec<_>, Vec<_>) = ports.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        Ok(Fleet { device, into: into.into_iter().map(Mutex::new).collect(), from: Mutex::new(from), bigs, pushed: AtomicU64::new(0) })
    }

    fn shards(&self) -> usize {
        self.into.len()
    }

    /// Where large state `which` lives.
    fn place(&self, which: usize) -> (u32, u32) {
        ((which % self.shards()) as u32, (1 + which / self.shards()) as u32)
    }

    fn kind<A: Actor>(&self) -> Result<u32, Error> {
        self.device.kind_index(A::KIND).ok_or_else(|| "the kind is not exported".into())
    }

    /// Every actor, with its state's place in what `states` makes.
    fn actors(&self) -> Result<Vec<Load>, Error> {
        let row = |row| RowId { row, generation: 1 };
        let (big, counter) = (self.kind::<Big>()?, self.kind::<Counter>()?);
        let bigs = (0..self.bigs).map(|which| {
            let (shard, at) = self.place(which);
            Load { shard, row: row(at), kind: big, at: (which * BIG) as u64, handled: 0, state: which * BIG..(which + 1) * BIG }
        });
        let begin = self.bigs * BIG;
        let counters = (0..self.shards()).map(|shard| {
            let at = begin + shard * size_of::<Counter>();
            let state = at..at + size_of::<Counter>();
            Load { shard: shard as u32, row: row(COUNTER), kind: counter, at: at as u64, handled: 0, state }
        });
        Ok(bigs.chain(counters).collect())
    }

    fn fill(&self, bytes: &mut [u8]) {
        let (states, rest) = bytes.split_at_mut(self.bigs * BIG);
        for (which, state) in states.chunks_exact_mut(BIG).enumerate() {
            for (at, word) in state.chunks_exact_mut(8).enumerate() {
                word.copy_from_slice(&word_of(which, at).to_le_bytes());
            }
        }
        rest.fill(0);
    }

    fn bytes(&self) -> usize {
        self.bigs * BIG + self.shards() * size_of::<Counter>()
    }

    fn cut(&self, base: Option<u64>) -> Result<(Cut, Duration), Error> {
        let begun = Instant::now();
        let cut = self.device.cut(None, base, self)?;
        Ok((cut, begun.elapsed()))
    }

    fn push(&self, shard: u32, frame: &Frame<'_>) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            match lock(&self.into[shard as usize]).push(frame) {
                Ok(()) => {
                    self.pushed.fetch_add(1, Relaxed);
                    return Ok(());
                }
                Err(PushError::Full) if begun.elapsed() < PATIENCE => {}
                Err(error) => return Err(error.into()),
            }
            yield_now();
        }
    }

    fn put(&self, which: usize, at: usize, word: u64) -> Result<(), Error> {
        let (shard, row) = self.place(which);
        let mut payload = [0; size_of::<Put>()];
        Put { at: at as u64, word }.encode(&mut payload);
        self.push(
            shard,
            &Frame {
                op: OP_CAST,
                message: <Big as Handles<Put>>::INDEX,
                row,
                generation: 1,
                hlc: 1,
                payload: &payload,
                ..Frame::default()
            },
        )
    }

    fn handled(&self) -> u64 {
        (0..self.shards() as u32).map(|shard| self.device.progress(shard).handled).sum()
    }

    /// Waits until the shards have said that they have handled all.
    fn settle(&self) -> Result<(), Error> {
        let begun = Instant::now();
        while self.handled() < self.pushed.load(Relaxed) {
            if begun.elapsed() > PATIENCE {
                return Err("the shards do not come to the end of what they were sent".into());
            }
            yield_now();
        }
        Ok(())
    }

    /// One round trip to a shard's counter.
    fn ask(&self, slot: &mut ReplySlot, shard: u32) -> Result<Duration, Error> {
        let tag = slot.next_tag().ok_or("an answer is outstanding")?;
        let payload = 1u64.to_le_bytes();
        let frame = Frame {
            op: OP_CALL_DIRECT,
            message: <Counter as Handles<AddAndGet>>::INDEX,
            row: COUNTER,
            generation: 1,
            correlation: slot.index(),
            reply_tag: tag,
            hlc: 1,
            payload: &payload,
        };
        let begun = Instant::now();
        self.push(shard, &frame)?;
        loop {
            if let Some(reply) = slot.poll(tag)? {
                return if reply.op == OP_REPLY { Ok(begun.elapsed()) } else { Err(format!("answered with op {}", reply.op).into()) };
            }
            if begun.elapsed() > PATIENCE {
                return Err("no answer".into());
            }
            std::hint::spin_loop();
        }
    }
}

impl Hold for Fleet {
    fn hold(&self, consumed: &[u64]) -> Vec<Ends> {
        let mut all: Vec<_> = self.into.iter().map(lock).collect();
        let fetched = lock(&self.from);
        let end = |((into, consumed), from): ((&mut MutexGuard<'_, Producer>, &u64), &Consumer)| {
            into.hold(*consumed);
            Ends { pushed: into.position(), fetched: from.position() }
        };
        all.iter_mut().zip(consumed).zip(fetched.iter()).map(end).collect()
    }

    fn release(&self, shard: u32) {
        lock(&self.into[shard as usize]).release();
    }
}

impl Cuts {
    /// What the table calls it.
    pub fn title(&self) -> String {
        "resident, cuts and loads".into()
    }

    /// Puts everything on the device, from where it lies and from other memory; the states.
    fn load(&self, fleet: &Fleet, record: &mut Record) -> Result<(), Error> {
        let actors = fleet.actors()?;
        let staged = fleet.device.stage(fleet.bytes(), |bytes| fleet.fill(bytes))?;
        let other = Bytes::copy_from_slice(&staged);
        for (name, bytes, repeats) in [(names::LOAD, &staged, self.repeats.min(20)), (names::LOAD_COPIED, &other, 2)] {
            let mut nanos = Vec::new();
            for turn in 0..=repeats {
                let begun = Instant::now();
                fleet.device.load(&actors, bytes)?;
                // The first one pins memory.
                if turn > 0 {
                    nanos.push(begun.elapsed().as_nanos() as f64);
                }
            }
            record.times(name, &nanos);
        }
        Ok(())
    }

    /// Whole cuts, while somebody asks all the time.
    fn whole(&self, fleet: &Fleet, record: &mut Record) -> Result<(), Error> {
        let (largest, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let mut slot = fleet.device.replies().claim(1).ok_or("no reply line")?;
        scope(|scope| {
            let asker = scope.spawn(|| -> Result<Vec<f64>, Error> {
                let mut between = Vec::new();
                for turn in 0u32.. {
                    if over.load(Relaxed) {
                        break;
                    }
                    let trip = fleet.ask(&mut slot, turn % fleet.shards() as u32)?.as_nanos() as u64;
                    largest.fetch_max(trip, Relaxed);
                    if turn.is_multiple_of(64) && between.len() < 100_000 {
                        between.push(trip as f64);
                    }
                }
                Ok(between)
            });
            let mut cuts = || -> Result<(), Error> {
                let (mut seen, mut pause, mut whole) = (Vec::new(), Vec::new(), Vec::new());
                for turn in 0..self.repeats + 2 {
                    largest.store(0, Relaxed);
                    let (cut, took) = fleet.cut(None)?;
                    if asker.is_finished() {
                        return Err("who asks has ended".into());
                    }
                    if cut.rows.len() != fleet.bigs + fleet.shards() || cut.bytes.len() < fleet.bytes() {
                        return Err(format!("{} actors in a cut, {} bytes", cut.rows.len(), cut.bytes.len()).into());
                    }
                    // The first two pin the memory of two buffers and make room on the device.
                    if turn >= 2 {
                        seen.push(largest.load(Relaxed) as f64);
                        pause.push(cut.pause.as_nanos() as f64);
                        whole.push(took.as_nanos() as f64);
                    }
                }
                record.times(names::SEEN, &seen);
                record.times(names::PAUSE, &pause);
                record.times(names::WHOLE, &whole);
                Ok(())
            };
            let done = cuts();
            over.store(true, Relaxed);
            let between = asker.join().map_err(|_| "who asks has panicked")??;
            done?;
            record.times(names::ASK, &between);
            Ok(())
        })
    }

    /// Every word of every state in a cut.
    fn check(&self, fleet: &Fleet, record: &mut Record) -> Result<(), Error> {
        let (cut, _) = fleet.cut(None)?;
        let mut words = 0;
        for row in cut.rows.iter().filter(|row| row.bytes as usize == BIG) {
            let which = (row.row as usize - 1) * fleet.shards() + row.shard as usize;
            let state = &cut.bytes[row.offset as usize..][..BIG];
            if (0..BIG_WORDS).any(|at| u64::decode(&state[8 * at..]) != word_of(which, at)) {
                return Err(format!("state {which} in the cut is not what was loaded").into());
            }
            words += BIG_WORDS as u64;
        }
        record.checked(names::WHOLE, words);
        Ok(())
    }

    /// Cuts of what has changed since the last one.
    fn changed(&self, fleet: &Fleet, record: &mut Record) -> Result<(), Error> {
        let pages = fleet.bigs * BIG / STATE_PAGE;
        let few = pages.div_ceil(100);
        let each = BIG / STATE_PAGE;
        let mut base = fleet.cut(None)?.0.number;
        let mut value = 0;
        for (name, spread, busy) in [(names::FEW_ACTORS, false, false), (names::MANY_ACTORS, true, false), (names::ALL_BUSY, true, true)] {
            let mut nanos = Vec::new();
            for turn in 0..self.repeats + 1 {
                let first = turn as usize * 37;
                // No word is what it was before.
                value += 1;
                let target = |i: usize| {
                    let (which, page) = if spread { (first + i * 3, (first + i) % each) } else { (first + i / each, i % each) };
                    (which % fleet.bigs, page)
                };
                let changed: std::collections::BTreeSet<_> = (0..few).map(target).collect();
                for (which, page) in &changed {
                    fleet.put(*which, page * WORDS_IN_PAGE + 5, value ^ word_of(*which, 1))?;
                }
                if busy {
                    // What is written stands there already.
                    (0..fleet.bigs).try_for_each(|which| fleet.put(which, 0, word_of(which, 0)))?;
                }
                fleet.settle()?;
                let (cut, took) = fleet.cut(base)?;
                if cut.base != base || cut.pages.len() != changed.len() {
                    return Err(format!("{} pages in a cut, {} have changed", cut.pages.len(), changed.len()).into());
                }
                for page in &cut.pages {
                    let row = cut.rows[page.row as usize];
                    let which = (row.row as usize - 1) * fleet.shards() + row.shard as usize;
                    let word = u64::decode(&cut.bytes[page.bytes.start + 8 * 5..]);
                    if !changed.contains(&(which, page.page as usize)) || word != value ^ word_of(which, 1) {
                        return Err(format!("page {} of state {which} is not what was put there", page.page).into());
                    }
                }
                record.checked(name, cut.pages.len() as u64);
                base = cut.number;
                if turn > 0 {
                    nanos.push(took.as_nanos() as f64);
                }
            }
            record.times(name, &nanos);
        }
        Ok(())
    }

    /// Casts to all shards, with a cut of everything every now and then and without, by turns.
    fn throughput(&self, fleet: &Fleet, record: &mut Record) -> Result<(), Error> {
        let over = AtomicBool::new(false);
        let senders = if self.choice == Choice::Cpu { 1 } else { 4 };
        scope(|scope| {
            let threads: Vec<_> = (0..senders)
                .map(|sender| {
                    let over = &over;
                    scope.spawn(move || -> Result<(), Error> {
                        let mut payload = [0; size_of::<Add>()];
                        Add { amount: 1 }.encode(&mut payload);
                        let message = <Counter as Handles<Add>>::INDEX;
                        let frame =
                            Frame { op: OP_CAST, message, row: COUNTER, generation: 1, hlc: 1, payload: &payload, ..Frame::default() };
                        while !over.load(Relaxed) {
                            for shard in (sender..fleet.shards()).step_by(senders) {
                                // As many as there is room for, then the next ring.
                                let mut into = lock(&fleet.into[shard]);
                                for _ in 0..256 {
                                    match into.push(&frame) {
                                        Ok(()) => {}
                                        Err(PushError::Full) => break,
                                        Err(error) => return Err(error.into()),
                                    }
                                }
                            }
                        }
                        Ok(())
                    })
                })
                .collect();
            let mut windows = || -> Result<(), Error> {
                let mut value = u64::MAX;
                for name in [names::ALONE, names::BESIDE, names::BESIDE_WHOLE, names::BESIDE_WHOLE, names::BESIDE, names::ALONE] {
                    let mut base = if name == names::BESIDE { fleet.cut(None)?.0.number } else { None };
                    let (begun, before) = (Instant::now(), fleet.handled());
                    let mut next = begun;
                    while begun.elapsed() < self.window {
                        if name != names::ALONE && Instant::now() >= next {
                            next += EVERY;
                            if name == names::BESIDE {
                                value -= 1;
                                let pages = fleet.bigs * BIG / STATE_PAGE;
                                (0..pages.div_ceil(100)).try_for_each(|which| fleet.put(which % fleet.bigs, 5, value))?;
                            }
                            let cut = fleet.cut(base)?.0;
                            base = base.and(cut.number);
                        }
                        // Until the next cut is due, or the window is over.
                        let over = begun + self.window;
                        let due = if name == names::ALONE { over } else { next.min(over) };
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    }
                    let rate = (fleet.handled() - before) as f64 / begun.elapsed().as_secs_f64();
                    record.rate(name, rate);
                }
                Ok(())
            };
            let done = windows();
            over.store(true, Relaxed);
            for thread in threads {
                thread.join().map_err(|_| "a sender has panicked")??;
            }
            done
        })
    }
}

impl Contender for Cuts {
    fn name(&self) -> String {
        self.title()
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let fleet = Fleet::start(self)?;
        let work = |fleet: &Fleet, record: &mut Record| -> Result<(), Error> {
            self.load(fleet, record)?;
            self.check(fleet, record)?;
            self.whole(fleet, record)?;
            self.changed(fleet, record)?;
            self.throughput(fleet, record)
        };
        let done = work(&fleet, record);
        fleet.device.stop(Duration::from_secs(10))?;
        done
    }
}
