//! The table of settings: a field of [`Config`] is a line here, with its name in files; [`variable`] makes that of the environment from it.

use crate::config::Config;
use crate::config::value::{Bytes, Value};

/// A setting.
pub(super) struct Knob {
    /// Its name in a file, with the table before the dot.
    pub key: &'static str,
    /// For people, in a line.
    pub what: &'static str,
    pub set: fn(&mut Config, &str) -> Result<(), String>,
    pub get: fn(&Config) -> String,
}

macro_rules! knob {
    ($key:literal, $($field:tt).+, $what:literal) => {
        Knob {
            key: $key,
            what: $what,
            set: |config, text| Value::read(text).map(|value| config.$($field).+ = value),
            get: |config| config.$($field).+.write(),
        }
    };
}

/// A size of fewer bits than sizes have.
macro_rules! size {
    ($key:literal, $field:ident, $what:literal) => {
        Knob {
            key: $key,
            what: $what,
            set: |config, text| {
                config.$field = Bytes::read(text)?.0.try_into().map_err(|_| "it has fewer bytes than 4 GiB".to_owned())?;
                Ok(())
            },
            get: |config| Bytes(config.$field.into()).write(),
        }
    };
}

/// All of them, in the order of the fields, which say more.
pub(super) const KNOBS: [Knob; 28] = [
    knob!("name", name, "a name for people, in logs and metrics; empty for none"),
    knob!(
        "devices",
        devices,
        "`all` (every GPU, else the CPU), `auto` (one GPU, else the CPU), or some: `cuda:0, cuda:1, cpu/4` with 4 shards"
    ),
    knob!("shards", shards, "blocks of a GPU, threads of the CPU device; `auto` for as many as suit it"),
    knob!("capacity", capacity, "slots of each ring, a power of two from 64 on: how much may be on its way to a shard"),
    knob!(
        "inboxes",
        inboxes,
        "slots for messages between the actors of a device, at least: how many may be on their way; 0: what rings hold"
    ),
    knob!("rows", rows, "actors that a shard can hold"),
    knob!("reply_lines", reply_lines, "replies that `ask` and pipelines can wait for at a time"),
    size!("arena_bytes", arena_bytes, "memory of the device for the states of all actors"),
    knob!("names", names, "names that handlers can look up"),
    knob!("nursery", nursery, "places of each shard that handlers spawn into without waiting; 0: they spawn nobody"),
    size!("nursery_bytes", nursery_bytes, "the largest state that a handler spawns"),
    size!("stack_bytes", stack_bytes, "stack of each GPU thread"),
    knob!("cache", cache, "the folder where linked GPU modules are kept between runs; empty: a start links anew"),
    knob!("cpu_threads", cpu_threads, "a thread more for each shard of the CPU device: for tests"),
    knob!("pump.threads", pump.threads, "threads that fetch replies"),
    knob!("pump.spin", pump.spin, "how long such a thread looks again at once when there was nothing"),
    knob!("pump.yield_for", pump.yield_for, "how long it then yields its core between looks"),
    knob!("pump.wait", pump.wait, "what it does then: `spin`, `yield` or `park`"),
    knob!("call_yield", call_yield, "how long a call looks for its reply before its task sleeps"),
    knob!("stop_timeout", stop_timeout, "how long a stop waits for the device"),
    knob!("start_timeout", start_timeout, "how long a start waits for the device"),
    knob!("isolation", isolation, "where the device's worker lives: in a `process` of its own, or a `thread`"),
    knob!("standby", standby, "a second worker stands by, to take over at once"),
    knob!("worker.program", worker, "the program that worker processes run; empty: this one"),
    knob!("journal", journal, "messages that are kept of an actor since its last checkpoint, to be handled again"),
    knob!("intensity.losses", intensity.0, "so many workers may be lost within `intensity.within` before the device is given up"),
    knob!("intensity.within", intensity.1, "see `intensity.losses`"),
    knob!("trace", trace, "one in so many messages has a span; 0: none has"),
];

/// What variables begin with.
pub(super) const PREFIX: &str = "RESIDENT_";

/// The variable of a setting.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// The name that is most like a wrong one, if one is: it goes on where that ends, or few of its letters are others.
pub(super) fn nearest(wrong: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let changed = |name: &str| if name.starts_with(wrong) { 0 } else { changes(wrong, name) };
    let near = names.map(|name| (changed(&name), name)).min_by_key(|(changes, _)| *changes);
    near.filter(|(changes, name)| changes * 2 < name.len()).map(|(_, name)| name)
}

/// How many letters are to be changed, left out or put in (Levenshtein's distance).
fn changes(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.bytes().enumerate() {
        let mut before = row[0];
        row[0] = at + 1;
        for (to, wanted) in other.bytes().enumerate() {
            let same = before + usize::from(letter != wanted);
            before = row[to + 1];
            row[to + 1] = same.min(before + 1).min(row[to] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::Pump;

    #[test]
    fn every_field_is_a_setting() {
        // A field more does not compile here before it is in the table.
        let Config {
            name: _,
            devices: _,
            shards: _,
            capacity: _,
            inboxes: _,
            rows: _,
            reply_lines: _,
            arena_bytes: _,
            names: _,
            nursery: _,
            nursery_bytes: _,
            stack_bytes: _,
            cache: _,
            cpu_threads: _,
            pump: Pump { threads: _, spin: _, yield_for: _, wait: _ },
            call_yield: _,
            stop_timeout: _,
            start_timeout: _,
            isolation: _,
            standby: _,
            worker: _,
            journal: _,
            intensity: (_, _),
            trace: _,
        } = Config::default();
        assert_eq!(KNOBS.len(), 28);
        let variables: BTreeSet<String> = KNOBS.iter().map(|knob| variable(knob.key)).collect();
        assert_eq!(variables.len(), KNOBS.len(), "each has a variable of its own");
        // These two begin a worker process.
        assert!(!variables.contains("RESIDENT_WORKER") && !variables.contains("RESIDENT_WORKER_ALONE"));
    }

    #[test]
    fn each_sets_its_own_field_and_no_other() {
        let other = |key: &str| match key {
            "name" => "orders",
            "devices" => "cuda:3, cpu/2",
            "cache" | "worker.program" => "/some/where",
            "cpu_threads" => "true",
            "standby" => "false",
            "pump.wait" => "spin",
            "isolation" => "thread",
            "arena_bytes" | "nursery_bytes" | "stack_bytes" => "48 KiB",
            key if key.contains("timeout") || key.contains("within") || key.contains("yield") || key.contains("spin") => "17 ms",
            _ => "77",
        };
        for knob in &KNOBS {
            let mut config = Config::default();
            (knob.set)(&mut config, other(knob.key)).unwrap();
            let changed = KNOBS.iter().filter(|knob| (knob.get)(&config) != (knob.get)(&Config::default()));
            assert_eq!(changed.map(|knob| knob.key).collect::<Vec<_>>(), [knob.key]);
            assert_eq!((knob.get)(&config), other(knob.key));
            let default = (knob.get)(&Config::default());
            (knob.set)(&mut config, &default).unwrap();
            assert_eq!((knob.get)(&config), default, "{}: what is printed is read", knob.key);
        }
    }

    #[test]
    fn a_name_that_is_nearly_one_is_known() {
        let nearest = |wrong: &str| nearest(wrong, KNOBS.iter().map(|knob| knob.key.to_owned()));
        for (wrong, right) in [
            ("shard", "shards"),
            ("arena_size", "arena_bytes"),
            ("pmp.threads", "pump.threads"),
            ("worker", "worker.program"),
            ("intensity", "intensity.losses"),
        ] {
            assert_eq!(nearest(wrong).as_deref(), Some(right), "{wrong}");
        }
        assert_eq!(nearest("something.else.entirely"), None);
        assert_eq!([changes("", "abc"), changes("abc", "abc"), changes("kitten", "sitting")], [3, 0, 3]);
    }
}
