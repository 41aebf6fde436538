//! What a system tells of itself through the `metrics` facade. Labels name the kind and the device, never an actor.
//!
//! | name | labels beside `device` | |
//! | --- | --- | --- |
//! | `gpu_actor_running` | `kind` | actors, members of groups and those that handlers have spawned, with a row |
//! | `gpu_actor_messages_total` | `kind`, `path` = `ring`, `mailbox`, `direct` | messages sent |
//! | `gpu_actor_call_seconds` | `kind` | from sending a call to its reply; of direct calls one in 64 |
//! | `gpu_actor_queue_depth` | | slots of the rings to the device that are in use |
//! | `gpu_actor_send_full_total` | | times a ring was full |
//! | `gpu_actor_faults_total` | `class` | actors and members of groups that failed |
//! | `gpu_actor_dead_letters_total` | | messages that nobody took |
//! | `gpu_device_incarnation` | | launches of the device's kernel |
//! | `gpu_device_losses_total` | | workers lost, each of which another took over from |
//! | `gpu_device_standby_failures_total` | | workers that were to stand by and did not open, or ended |
//! | `resident_checkpoint_seconds` | | from asking for a checkpoint to having it |
//! | `resident_checkpoint_pause_seconds` | | how long all shards stood still for it |
//! | `resident_checkpoint_bytes` | | bytes of states in it, or of pages that had changed |
//! | `resident_checkpoint_errors_total` | | checkpoints that were not taken, or not saved by [`every`](crate::checkpoint::every) |
//! | `resident_journal_lost_total` | | messages that a restart did not find, since a journal was full |
//! | `gpu_poller_lag_seconds` | | longest time since the last report that a frame lay in a ring before its pump took it |
//!
//! A system that has a [name](crate::Config::name) has it as another label, `system`.
//!
//! Supervisors count under the label `supervisor`: `gpu_supervisor_starts_total`, `.._restarts_total`, `.._stops_total`,
//! `.._zombies_total` (children that were killed and did not go in time) and `.._escalations_total` (supervisors that gave up).
//!
//! Handles are taken when a system starts, so install the recorder before that. Messages are counted under the lock that
//! sending takes anyway; counts and gauges are reported four times a second.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram, Label, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use parking_lot::Mutex;
use resident_kernels::actor::Kind;

use crate::clock;
use crate::fault::FaultClass;
use crate::shard::link::Sent;

/// How often counts are reported.
pub(crate) const REPORT_EVERY: Duration = Duration::from_millis(250);
const PATHS: [&str; 3] = ["ring", "mailbox", "direct"];

/// A system's metrics.
pub(crate) struct Metrics {
    kinds: Box<[OfKind]>,
    faults: [Counter; FaultClass::ALL.len()],
    depth: Gauge,
    full: Counter,
    dead_letters: Counter,
    incarnation: Gauge,
    losses: Counter,
    standby_failures: Counter,
    checkpoint_seconds: Histogram,
    checkpoint_pause: Histogram,
    checkpoint_bytes: Histogram,
    checkpoint_errors: Counter,
    journal_lost: Counter,
    lag: Gauge,
    /// Microseconds, the most since the last report.
    longest_lag: AtomicU64,
    told: Mutex<Told>,
}

struct OfKind {
    /// Actors that have a row.
    count: AtomicI64,
    running: Gauge,
    messages: [Counter; 3],
    call_seconds: Histogram,
}

/// What was reported, and room for the next report.
struct Told {
    dead_letters: u64,
    sent: Vec<Sent>,
    totals: Totals,
}

/// Sums since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub messages: u64,
    pub full: u64,
    pub depth: u64,
}

/// What others count, since the start.
pub(crate) struct Counts {
    pub dead_letters: u64,
    pub launches: u64,
    pub losses: u64,
    pub standby_failures: u64,
}

impl Metrics {
    pub(crate) fn new(device: &str, system: Option<&str>, kinds: &[&'static Kind]) -> Metrics {
        describe();
        let own: Vec<Label> = system.map(|system| ("system", system)).into_iter().chain([("device", device)]).map(label).collect();
        let with = |more: &[(&'static str, &'static str)]| own.iter().cloned().chain(more.iter().copied().map(label)).collect::<Vec<_>>();
        let of_kind = |kind: &&'static Kind| OfKind {
            count: AtomicI64::new(0),
            running: gauge!("gpu_actor_running", with(&[("kind", kind.name)])),
            messages: PATHS.map(|path| counter!("gpu_actor_messages_total", with(&[("kind", kind.name), ("path", path)]))),
            call_seconds: histogram!("gpu_actor_call_seconds", with(&[("kind", kind.name)])),
        };
        Metrics {
            kinds: kinds.iter().map(of_kind).collect(),
            faults: FaultClass::ALL.map(|class| counter!("gpu_actor_faults_total", with(&[("class", class.label())]))),
            depth: gauge!("gpu_actor_queue_depth", with(&[])),
            full: counter!("gpu_actor_send_full_total", with(&[])),
            dead_letters: counter!("gpu_actor_dead_letters_total", with(&[])),
            incarnation: gauge!("gpu_device_incarnation", with(&[])),
            losses: counter!("gpu_device_losses_total", with(&[])),
            standby_failures: counter!("gpu_device_standby_failures_total", with(&[])),
            checkpoint_seconds: histogram!("resident_checkpoint_seconds", with(&[])),
            checkpoint_pause: histogram!("resident_checkpoint_pause_seconds", with(&[])),
            checkpoint_bytes: histogram!("resident_checkpoint_bytes", with(&[])),
            checkpoint_errors: counter!("resident_checkpoint_errors_total", with(&[])),
            journal_lost: counter!("resident_journal_lost_total", with(&[])),
            lag: gauge!("gpu_poller_lag_seconds", with(&[])),
            longest_lag: AtomicU64::new(0),
            told: Mutex::new(Told { dead_letters: 0, sent: vec![Sent::default(); kinds.len()], totals: Totals::default() }),
        }
    }

    /// `by` actors more of this kind have a row.
    pub(crate) fn running(&self, kind: u32, by: i64) {
        self.kinds[kind as usize].count.fetch_add(by, Ordering::Relaxed);
    }

    /// So many actors failed.
    pub(crate) fn faults(&self, class: FaultClass, actors: u64) {
        let index = FaultClass::ALL.iter().position(|c| *c == class).unwrap_or(0);
        self.faults[index].increment(actors);
    }

    /// A call was answered.
    pub(crate) fn call(&self, kind: u32, since: Instant) {
        if let Some(of) = self.kinds.get(kind as usize) {
            of.call_seconds.record(since.elapsed().as_secs_f64());
        }
    }

    /// A checkpoint was taken.
    pub(crate) fn checkpoint(&self, took: Duration, pause: Duration, bytes: u64) {
        self.checkpoint_seconds.record(took.as_secs_f64());
        self.checkpoint_pause.record(pause.as_secs_f64());
        self.checkpoint_bytes.record(bytes as f64);
    }

    /// One was not taken, or not saved.
    pub(crate) fn checkpoint_failed(&self) {
        self.checkpoint_errors.increment(1);
    }

    /// A restart has missed messages that its journal could not keep.
    pub(crate) fn journal_lost(&self, messages: u64) {
        self.journal_lost.increment(messages);
    }

    /// A frame with this stamp was taken from its ring.
    pub(crate) fn taken(&self, hlc: u64) {
        let lag = clock::micros().saturating_sub(resident_kernels::clock::micros(hlc));
        self.longest_lag.fetch_max(lag, Ordering::Relaxed);
    }

    /// Reports what was counted since the last time. `tally` adds up what was sent since then: the times a ring was full, and slots in use.
    pub(crate) fn report(&self, tally: impl FnOnce(&mut [Sent]) -> (u64, u64), counts: Counts) -> Totals {
        let mut told = self.told.lock();
        let Told { sent, totals, dead_letters } = &mut *told;
        sent.fill(Sent::default());
        let (full, depth) = tally(sent);
        totals.depth = depth;
        for (of, sent) in self.kinds.iter().zip(sent) {
            of.running.set(of.count.load(Ordering::Relaxed) as f64);
            for (counter, n) in of.messages.iter().zip(sent.messages) {
                counter.increment(n);
                totals.messages += n;
            }
        }
        totals.full += full;
        self.full.increment(full);
        self.depth.set(totals.depth as f64);
        self.dead_letters.increment(counts.dead_letters.saturating_sub(*dead_letters));
        *dead_letters = counts.dead_letters.max(*dead_letters);
        self.incarnation.set(counts.launches as f64);
        self.losses.absolute(counts.losses);
        self.standby_failures.absolute(counts.standby_failures);
        self.lag.set(self.longest_lag.swap(0, Ordering::Relaxed) as f64 / 1e6);
        *totals
    }
}

fn label((key, value): (&'static str, &str)) -> Label {
    Label::new(key, value.to_owned())
}

fn describe() {
    describe_gauge!("gpu_actor_running", "Actors that have a row on the device");
    describe_counter!("gpu_actor_messages_total", "Messages sent to resident actors");
    describe_histogram!("gpu_actor_call_seconds", metrics::Unit::Seconds, "From sending a call to its reply");
    describe_gauge!("gpu_actor_queue_depth", "Slots of the rings to the device that are in use");
    describe_counter!("gpu_actor_send_full_total", "Times a ring to the device was full");
    describe_counter!("gpu_actor_faults_total", "Resident actors that failed");
    describe_counter!("gpu_actor_dead_letters_total", "Messages that nobody took");
    describe_gauge!("gpu_device_incarnation", "Launches of the device's resident kernel");
    describe_counter!("gpu_device_losses_total", "Workers lost, each of which another took over from");
    describe_counter!("gpu_device_standby_failures_total", "Workers that were to stand by and did not open, or ended");
    describe_histogram!("resident_checkpoint_seconds", metrics::Unit::Seconds, "From asking for a checkpoint to having it");
    describe_histogram!("resident_checkpoint_pause_seconds", metrics::Unit::Seconds, "How long all shards stood still for a checkpoint");
    describe_histogram!("resident_checkpoint_bytes", metrics::Unit::Bytes, "Bytes of states or changed pages in a checkpoint");
    describe_counter!("resident_checkpoint_errors_total", "Checkpoints that were not taken or not saved");
    describe_counter!("resident_journal_lost_total", "Messages that a restart did not find, since a journal was full");
    describe_gauge!("gpu_poller_lag_seconds", metrics::Unit::Seconds, "Longest time a frame lay in a ring before its pump took it");
}
