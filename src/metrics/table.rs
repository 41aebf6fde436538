//! Every metric, once: its field, its constructor, its description and its line in `docs/metrics.md` are made of its row here.

use metrics::{KeyName, Label, Recorder};

use super::axis::Axis;
use super::family::{Counter, Gauge, Histogram, Metric};

/// A metric.
pub(crate) struct Row {
    pub name: &'static str,
    pub ty: Type,
    pub unit: Unit,
    /// Labels of its own.
    pub axes: &'static [Axis],
    pub meaning: &'static str,
    /// What an operator does about it.
    pub advice: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Count,
    Seconds,
    Bytes,
    Ratio,
}

impl Row {
    /// Says what it is.
    pub(crate) fn describe(&self, recorder: &dyn Recorder) {
        let unit = Some(match self.unit {
            Unit::Count | Unit::Ratio => metrics::Unit::Count,
            Unit::Seconds => metrics::Unit::Seconds,
            Unit::Bytes => metrics::Unit::Bytes,
        });
        let (name, meaning) = (KeyName::from_const_str(self.name), self.meaning.into());
        match self.ty {
            Type::Counter => recorder.describe_counter(name, unit, meaning),
            Type::Gauge => recorder.describe_gauge(name, unit, meaning),
            Type::Histogram => recorder.describe_histogram(name, unit, meaning),
        }
    }

    /// Upper bounds of a histogram's buckets: seconds from a microsecond to a minute in steps of 2, bytes from a KiB to a TiB in steps of 4,
    /// anything else from 1 to a million in steps of 2.
    pub(crate) fn buckets(&self) -> Vec<f64> {
        match self.unit {
            Unit::Seconds => (0..27).map(|n| (1000u64 << n) as f64 / 1e9).collect(),
            Unit::Bytes => (0..16).map(|n| (1024u64 << (2 * n)) as f64).collect(),
            Unit::Count | Unit::Ratio => (0..21).map(|n| (1u64 << n) as f64).collect(),
        }
    }
}

macro_rules! table {
    ($($(#[$meta:meta])* $board:ident { $($ty:ident $name:ident [$($axis:ident),*] $unit:ident: $meaning:literal, $advice:literal;)* })*) => {$(
        $(#[$meta])*
        pub(crate) struct $board {
            $(pub $name: $ty<{ let axes: &[Axis] = &[$(Axis::$axis),*]; axes.len() }>,)*
        }

        impl $board {
            pub(crate) const ROWS: &[Row] = &[$(Row {
                name: concat!("resident_", stringify!($name)),
                ty: Type::$ty,
                unit: Unit::$unit,
                axes: &[$(Axis::$axis),*],
                meaning: $meaning,
                advice: $advice,
            }),*];

            /// All series, with the labels `own`.
            pub(crate) fn new(own: &[Label]) -> $board {
                let mut rows = Self::ROWS.iter();
                let mut row = || rows.next().expect("there is a row for each field");
                $board { $($name: $ty::new(row(), own),)* }
            }

            /// Each of them.
            pub(crate) fn all(&self) -> impl Iterator<Item = &dyn Metric> {
                let all: [&dyn Metric; Self::ROWS.len()] = [$(&self.$name),*];
                all.into_iter()
            }
        }
    )*};
}

table! {
    /// What a system tells. Its labels beside those here are `system` and `device`.
    Board {
        Gauge actors_running [Kind] Count:
            "Actors, members of groups and those that handlers have spawned, that have a row on the device",
            "What grows without bound is never stopped: look for who spawns this kind.";
        Counter messages_sent_total [Kind, Path] Count:
            "Messages sent from the application, over a handle (ring), an ActorRef (mailbox), or ask and pipelines (direct)",
            "Much over mailbox costs a task's turn each: send over the GpuRef.";
        Counter messages_relayed_total [] Count:
            "Messages from the device's actors that went to actors of other devices by the host",
            "Each passes two rings and a pump: place actors that send to each other much on one device.";
        Histogram call_seconds [Kind] Seconds:
            "From sending a call to its reply; of direct calls one in 64",
            "Compare kinds: one alone has slow handlers, all together a full device or a late pump.";
        Gauge ring_slots_used [] Count:
            "Slots of the rings to the device that are in use",
            "Near shards times Config::capacity: senders outrun the device; see resident_ring_full_total.";
        Histogram ring_depth_slots [] Count:
            "Slots of each shard's ring that are in use, one value a shard for each report",
            "A few shards far above the others have the busy actors: spread these.";
        Counter ring_full_total [] Count:
            "Messages that a full ring has refused",
            "Send slower, or raise Config::capacity; if it goes on, spread the actors over more shards.";
        Counter frames_handled_total [] Count:
            "Frames that shards have handled: messages, those from actor to actor too, and what starts, stops and fences actors",
            "Far below what is sent: see resident_ring_slots_used and resident_busy_shards.";
        Counter frames_refused_total [] Count:
            "Frames that shards have refused, for actors that had stopped or failed",
            "Those that were casts are among the dead letters, the others have told their callers.";
        Histogram shard_handled_frames [] Count:
            "Frames that each shard has handled since the last report, one value a shard for each report",
            "If few shards do all the work, spread the busy actors, or spawn them later than the quiet ones.";
        Gauge busy_shards [] Count:
            "Shards that are at a message; on a GPU one that has taken a millisecond",
            "All of them for long: the device is full, or handlers wait for something.";
        Gauge busy_seconds [] Seconds:
            "The longest that a shard has been seen at the same message",
            "Towards the kind's budget the handler is about to be ended as hanging: split its work.";
        Gauge rows_used [] Count:
            "Rows that are taken, with those that nurseries hold ready",
            "See resident_rows_free.";
        Gauge rows_free [] Count:
            "Rows that are free",
            "Near 0 nobody can be spawned: raise Config::rows or stop actors.";
        Gauge arena_used_bytes [] Bytes:
            "Bytes of the state arena in use, as its size classes round them",
            "See resident_arena_largest_free_bytes.";
        Gauge arena_free_bytes [] Bytes:
            "Bytes of the state arena that are free",
            "Near 0 nobody can be spawned: raise Config::arena_bytes or stop actors.";
        Gauge arena_largest_free_bytes [] Bytes:
            "The largest state that there is room for",
            "Small while much is free: states of other sizes hold the slabs; raise Config::arena_bytes.";
        Gauge timers_waiting [] Count:
            "Messages that actors send later and that are not due",
            "What grows without bound is set and never cancelled.";
        Counter faults_total [Fault] Count:
            "Actors and members of groups that failed",
            "The tracing event of each has actor, message and text.";
        Counter dead_letters_total [] Count:
            "Messages that nobody took",
            "Look for handles kept after their actor's end, and for emitted types without a route.";
        Gauge device_up [] Count:
            "1 while the device runs, also while one worker takes over from another; 0 once it is lost or stopped",
            "0 without a stop: the device is lost, see resident_devices_lost_total; a supervisor starts it again.";
        Gauge device_launches [] Count:
            "Launches of the device's kernel by this system; 1 after its start",
            "Rises with each takeover; see resident_worker_losses_total.";
        Counter worker_losses_total [Loss] Count:
            "Workers lost, each of which another took over from",
            "The tracing event of each says why; one message that does it again and again is a handler's error.";
        Histogram takeover_seconds [] Seconds:
            "From noticing the loss of a worker until every shard ran again, unless that worker was lost before",
            "Seconds mean that no standby was ready: see resident_standby_ready.";
        Counter devices_lost_total [Loss] Count:
            "Devices lost for good, and all their actors with them",
            "The tracing event says why; look at the driver's log, and whether Config::intensity suits.";
        Gauge standby_ready [] Count:
            "1 while a worker stands by to take over, 0 while none does; absent where none is asked for",
            "0 for long: see resident_standby_failures_total; a takeover now takes as long as a start.";
        Counter standby_failures_total [] Count:
            "Workers that were to stand by and did not open, or ended",
            "System::standby_failures says why the last one did; mostly memory or processes are short.";
        Histogram checkpoint_seconds [] Seconds:
            "From asking for a checkpoint to having it",
            "Take deltas (since), or checkpoints of fewer actors.";
        Histogram checkpoint_pause_seconds [] Seconds:
            "How long all shards stood still for a checkpoint",
            "It grows with the states that have changed: take deltas more often.";
        Histogram checkpoint_bytes [] Bytes:
            "Bytes of states, or of pages that had changed, in a checkpoint",
            "Plan the archive's room and retention by it.";
        Gauge checkpoint_age_seconds [] Seconds:
            "Since the last checkpoint of the whole device was taken; absent before the first",
            "More than twice the interval: see resident_checkpoint_errors_total; what came since is lost with the device.";
        Counter checkpoint_errors_total [] Count:
            "Checkpoints that were not taken, or not saved in the background",
            "The tracing event says why; until one succeeds a restart goes back further.";
        Gauge journal_fill_ratio [] Ratio:
            "How full the fullest journal was when the last checkpoint was taken, 1 for full; absent while none was",
            "Near 1 a restart misses messages: take checkpoints more often, or raise Config::journal.";
        Counter journal_lost_total [] Count:
            "Messages that a restart did not find, because a journal was full",
            "Take checkpoints more often, or raise Config::journal.";
        Histogram pump_lag_seconds [] Seconds:
            "The longest from taking up a message until the pump took what it was answered, one value for each quarter second in which frames came",
            "Handlers that take long are in it. Else give the pump a core, or raise Config::pump.threads.";
    }

    /// What supervisors tell. Which supervisor and which child it was is in the `tracing` event.
    Supervisors {
        Counter supervisor_starts_total [] Count:
            "First starts of children",
            "None.";
        Counter supervisor_restarts_total [Strategy, Reason] Count:
            "Further starts of children",
            "The tracing event names supervisor and child; the reason tells a failing child from siblings restarted with it (stopped).";
        Counter supervisor_stops_total [] Count:
            "Children that were told to stop, or killed",
            "None.";
        Counter supervisor_zombies_total [] Count:
            "Children that were killed and did not go in time",
            "The child holds on to something that blocks: the tracing event names it.";
        Counter supervisor_escalations_total [] Count:
            "Supervisors that gave up",
            "More restarts came than their intensity allows: mend the child, or raise the intensity.";
    }
}
