#![doc = include_str!("../docs/metrics.md")]

mod axis;
mod boards;
mod family;
mod page;
#[cfg(feature = "prometheus")]
mod serve;
mod table;

use std::ptr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicPtr, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics::with_recorder;
use parking_lot::Mutex;
use resident_gpu::Class;

use self::axis::{Axis, of_fault, of_kind, of_loss};
pub(crate) use self::axis::{Reason, of_strategy};
pub(crate) use self::boards::Lease;
use self::family::Metric;
pub use self::page::page;
#[cfg(feature = "prometheus")]
pub use self::serve::{InstallError, install};
pub(crate) use self::table::Supervisors;
use self::table::{Board, Row};
use crate::clock;
use crate::fault::FaultClass;
use crate::shard::link::Sent;

/// How often counts are reported.
pub(crate) const REPORT_EVERY: Duration = Duration::from_millis(250);

/// Labels that each series of a system has.
const OF_A_SYSTEM: &[&str] = &["system", "device"];

/// What all supervisors of the process have counted.
static SUPERVISORS: LazyLock<Supervisors> = LazyLock::new(|| Supervisors::new(&[]));

/// Upper bounds of the buckets of each histogram, by its name: seconds from 1 us up in steps of 2, for instance.
pub fn buckets() -> impl Iterator<Item = (&'static str, Vec<f64>)> {
    rows().filter(|(_, row)| row.ty == table::Type::Histogram).map(|(_, row)| (row.name, row.buckets()))
}

/// Every metric, with the labels that it has beside its own.
fn rows() -> impl Iterator<Item = (&'static [&'static str], &'static Row)> {
    let of_systems = Board::ROWS.iter().map(|row| (OF_A_SYSTEM, row));
    of_systems.chain(Supervisors::ROWS.iter().map(|row| (&[][..], row)))
}

/// The metrics of a system's device.
pub(crate) struct Metrics {
    series: Lease,
    /// By the places of their kinds, actors that have a row.
    running: Box<[AtomicI64]>,
    /// Microseconds, the most since the last report; 0 if nothing came.
    longest_lag: AtomicU64,
    /// When the last checkpoint of the whole device was taken.
    checkpoint: Mutex<Option<Instant>>,
    told: Mutex<Told>,
}

/// What was counted already, and room for the next count.
struct Told {
    sent: Vec<Sent>,
    totals: Totals,
    dead_letters: u64,
    losses: u64,
    /// The last loss whose takeover is done.
    taken_over: u64,
    standby_failures: u64,
    shards: Vec<Seen>,
}

/// How a shard was at the last report.
#[derive(Clone, Copy)]
struct Seen {
    handled: u64,
    refused: u64,
    /// What it was at, and since when.
    busy: (u64, Instant),
}

/// Sums since the system's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub messages: u64,
    pub full: u64,
    pub depth: u64,
}

/// How a system stands; counts are since its start.
pub(crate) struct Now {
    pub shards: Vec<Shard>,
    pub arena: Option<Space>,
    pub timers: usize,
    pub dead_letters: u64,
    /// The device runs.
    pub up: bool,
    pub launches: u64,
    /// Whether a worker stands by, if one is asked for.
    pub standby: Option<bool>,
    pub standby_failures: u64,
}

/// How a shard stands.
#[derive(Clone, Copy)]
pub(crate) struct Shard {
    /// Slots of its ring in use.
    pub depth: u64,
    pub handled: u64,
    pub refused: u64,
    /// What it is at, a number of its own; 0 if nothing.
    pub busy: u64,
    /// Rows that are taken, and free ones.
    pub rows: (u32, u32),
}

/// Bytes of the arena.
pub(crate) struct Space {
    pub used: u64,
    pub free: u64,
    /// Of the largest state that there is room for.
    pub largest: u64,
}

impl Metrics {
    /// Of a device with so many kinds of actor and shards, which has these series.
    pub(crate) fn new(series: Lease, kinds: usize, shards: usize) -> Metrics {
        // Histograms take values from here on.
        publish(series.board().all());
        Metrics {
            series,
            running: Axis::Kind.values().iter().map(|_| AtomicI64::new(0)).collect(),
            longest_lag: AtomicU64::new(0),
            checkpoint: Mutex::new(None),
            told: Mutex::new(Told {
                sent: vec![Sent::default(); kinds],
                totals: Totals::default(),
                dead_letters: 0,
                losses: 0,
                taken_over: 0,
                standby_failures: 0,
                shards: vec![Seen { handled: 0, refused: 0, busy: (0, Instant::now()) }; shards],
            }),
        }
    }

    /// The label `system`.
    pub(crate) fn label(&self) -> &str {
        self.series.label()
    }

    fn board(&self) -> &Board {
        self.series.board()
    }

    /// `by` actors more of this kind have a row.
    pub(crate) fn running(&self, kind: u32, by: i64) {
        if let Some(running) = self.running.get(of_kind(kind)) {
            running.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// So many actors failed.
    pub(crate) fn faults(&self, class: FaultClass, actors: u64) {
        self.board().faults_total.add([of_fault(class)], actors);
    }

    /// A call was answered.
    pub(crate) fn call(&self, kind: u32, since: Instant) {
        self.board().call_seconds.record([of_kind(kind)], since.elapsed().as_secs_f64());
    }

    /// A checkpoint was taken; of the whole device, or of some of its actors.
    pub(crate) fn checkpoint(&self, took: Duration, pause: Duration, bytes: u64, is_whole: bool) {
        if is_whole {
            *self.checkpoint.lock() = Some(Instant::now());
        }
        self.board().checkpoint_seconds.record([], took.as_secs_f64());
        self.board().checkpoint_pause_seconds.record([], pause.as_secs_f64());
        self.board().checkpoint_bytes.record([], bytes as f64);
    }

    /// One was not taken, or not saved.
    pub(crate) fn checkpoint_failed(&self) {
        self.board().checkpoint_errors_total.add([], 1);
    }

    /// A checkpoint found the fullest journal as full as this.
    pub(crate) fn journal_fill(&self, ratio: f64) {
        self.board().journal_fill_ratio.set([], ratio);
    }

    /// A restart has missed messages that its journal could not keep.
    pub(crate) fn journal_lost(&self, messages: u64) {
        self.board().journal_lost_total.add([], messages);
    }

    /// A frame with this stamp was taken from its ring.
    pub(crate) fn taken(&self, hlc: u64) {
        let lag = clock::micros().saturating_sub(resident_kernels::clock::micros(hlc));
        self.longest_lag.fetch_max(lag, Ordering::Relaxed);
    }

    /// A message went to another device by the host.
    pub(crate) fn relayed(&self) {
        self.board().messages_relayed_total.add([], 1);
    }

    /// Whether a frame was taken late since the last report.
    #[cfg(test)]
    pub(crate) fn has_lag(&self) -> bool {
        self.longest_lag.load(Ordering::Relaxed) > 0
    }

    /// How many workers were lost since the start, by what the last of them was, and how long it took until another had taken over, if one
    /// has.
    pub(crate) fn losses(&self, losses: u64, class: Class, takeover: Option<Duration>) {
        let mut told = self.told.lock();
        self.board().worker_losses_total.add([of_loss(class)], more(&mut told.losses, losses));
        if let Some(took) = takeover
            && more(&mut told.taken_over, losses) > 0
        {
            self.board().takeover_seconds.record([], took.as_secs_f64());
        }
    }

    /// The device is lost for good.
    pub(crate) fn device_lost(&self, class: Class) {
        self.board().devices_lost_total.add([of_loss(class)], 1);
    }

    /// Counts what was sent since the last time. `tally` adds that up: the times a ring was full, and slots in use.
    pub(crate) fn count(&self, tally: impl FnOnce(&mut [Sent]) -> (u64, u64)) -> Totals {
        let mut told = self.told.lock();
        let Told { sent, totals, .. } = &mut *told;
        sent.fill(Sent::default());
        let (full, depth) = tally(sent);
        for (kind, sent) in sent.iter().enumerate() {
            for (path, n) in sent.messages.into_iter().enumerate() {
                self.board().messages_sent_total.add([of_kind(kind as u32), path], n);
                totals.messages += n;
            }
        }
        totals.full += full;
        totals.depth = depth;
        self.board().ring_full_total.add([], full);
        *totals
    }

    /// Reports how the system stands, and everything that was counted. Only one does so, or what is of one report would be of two.
    pub(crate) fn report(&self, now: Now) {
        let board = self.board();
        {
            let mut told = self.told.lock();
            board.ring_slots_used.set([], told.totals.depth as f64);
            board.dead_letters_total.add([], more(&mut told.dead_letters, now.dead_letters));
            board.standby_failures_total.add([], more(&mut told.standby_failures, now.standby_failures));
        }
        for (kind, running) in self.running.iter().enumerate() {
            board.actors_running.set([kind], running.load(Ordering::Relaxed) as f64);
        }
        self.shards(&now.shards);
        if let Some(Space { used, free, largest }) = now.arena {
            board.arena_used_bytes.set([], used as f64);
            board.arena_free_bytes.set([], free as f64);
            board.arena_largest_free_bytes.set([], largest as f64);
        }
        board.timers_waiting.set([], now.timers as f64);
        board.device_up.set([], f64::from(u8::from(now.up)));
        board.device_launches.set([], now.launches as f64);
        if let Some(ready) = now.standby {
            board.standby_ready.set([], f64::from(u8::from(ready)));
        }
        if let Some(taken) = *self.checkpoint.lock() {
            board.checkpoint_age_seconds.set([], taken.elapsed().as_secs_f64());
        }
        match self.longest_lag.swap(0, Ordering::Relaxed) {
            0 => {}
            micros => board.pump_lag_seconds.record([], micros as f64 / 1e6),
        }
        publish(board.all());
    }

    fn shards(&self, shards: &[Shard]) {
        let (board, now) = (self.board(), Instant::now());
        let (mut busy, mut longest) = (0, Duration::ZERO);
        for (seen, shard) in self.told.lock().shards.iter_mut().zip(shards) {
            board.ring_depth_slots.record([], shard.depth as f64);
            let handled = more(&mut seen.handled, shard.handled);
            board.shard_handled_frames.record([], handled as f64);
            board.frames_handled_total.add([], handled);
            board.frames_refused_total.add([], more(&mut seen.refused, shard.refused));
            if seen.busy.0 != shard.busy {
                seen.busy = (shard.busy, now);
            }
            if shard.busy != 0 {
                busy += 1;
                longest = longest.max(now - seen.busy.1);
            }
        }
        board.busy_shards.set([], f64::from(busy));
        board.busy_seconds.set([], longest.as_secs_f64());
        let rows = |rows: fn(&Shard) -> u32| shards.iter().map(rows).map(f64::from).sum();
        board.rows_used.set([], rows(|shard| shard.rows.0));
        board.rows_free.set([], rows(|shard| shard.rows.1));
    }

    /// The system has ended: its last report, after which another system may have its series.
    pub(crate) fn end(&self, now: Now) {
        self.report(now);
        self.board().all().for_each(|metric| metric.rest());
        publish(self.board().all());
        self.series.give_back();
    }
}

/// Something of supervisors is counted, and told at once, since there need not be a system.
pub(crate) fn supervisors(count: impl FnOnce(&Supervisors)) {
    count(&SUPERVISORS);
    publish(std::iter::empty());
}

/// Tells the recorder that there is now what everything means, if it was not told that yet, and how these and the supervisors' metrics stand.
fn publish<'m>(some: impl Iterator<Item = &'m dyn Metric>) {
    static DESCRIBED: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
    with_recorder(|recorder| {
        let address = ptr::from_ref(recorder).cast_mut().cast();
        if DESCRIBED.swap(address, Ordering::Relaxed) != address {
            rows().for_each(|(_, row)| row.describe(recorder));
        }
        some.chain(SUPERVISORS.all()).for_each(|metric| metric.publish(recorder));
    });
}

/// How much a count has grown.
fn more(told: &mut u64, now: u64) -> u64 {
    let more = now.saturating_sub(*told);
    *told += more;
    more
}

#[cfg(test)]
mod tests;
