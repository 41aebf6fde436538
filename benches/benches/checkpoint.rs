//! What does a checkpoint cost: the actors that work meanwhile, and who waits for it?
//!
//! A gigabyte of states is cut whole while an actor is asked all the time, cut again and again with a hundredth of it changed, and
//! loaded; the same once more through a system, with a ractor actor in front of each state; then casts are counted with a cut every 100 ms and without, by turns. Beside it the bare copies and digests of as many
//! bytes, which are what any checkpoint takes, and what a plain one takes that stops the device, copies all of it to the host and goes
//! on: its pause is the bare copy to pinned memory.

use clap::Parser;
use resident::Choice;
use resident_benches::args::{Checkpoint, Device};
use resident_benches::machine::Machine;
use resident_benches::ours::cuts::{Cuts, names};
use resident_benches::ours::restores::Restores;
use resident_benches::ours::{Ours, Place};
use resident_benches::peers::copies::{self, Copies};
use resident_benches::peers::gpu::Gpu;
use resident_benches::report::{Claim, Report};
use resident_benches::rounds::{self, Contender, Record};
use std::process::{Command, ExitCode};
use std::time::Duration;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let args = Checkpoint::parse();
    let mut record = Record::default();
    let gpu = Gpu::find();
    let choice = match args.common.device {
        Device::Cpu => Choice::Cpu,
        Device::Cuda => Choice::Cuda(0),
        Device::Auto if gpu.is_ok() => Choice::Cuda(0),
        Device::Auto => Choice::Cpu,
    };
    let bytes = args.mib << 20;
    let window = Duration::from_secs(args.seconds);
    let runtime = Runtime::new().expect("the system gives threads");
    let place = Place::of(args.common.device, gpu.is_ok(), args.shards);
    let mut contenders: Vec<Box<dyn Contender + '_>> = vec![
        Box::new(Cuts { choice, shards: args.shards, bytes, repeats: args.repeats, window }),
        Box::new(Restores::new(Ours::new(&runtime, place), bytes, args.repeats.min(20))),
    ];
    match &gpu {
        Ok(gpu) => match Copies::new(gpu, bytes, args.repeats) {
            Ok(copies) => contenders.insert(0, Box::new(copies)),
            Err(error) => record.absent("bare copies and digests", &error.to_string()),
        },
        Err(why) => record.absent("bare copies and digests", why),
    }
    if Command::new("cuda-checkpoint").arg("--help").output().is_err() {
        record.absent("cuda-checkpoint", "this machine has no such program");
    } else {
        record
            .absent("cuda-checkpoint", "it suspends a whole process, workers included; nothing that answers meanwhile is left to measure");
    }
    rounds::run(contenders, args.common.rounds, args.common.only.as_deref(), &mut record);

    let machine = Machine::here(gpu.as_ref().map(|g| (g.name.as_str(), g.cuda)).map_err(String::as_str));
    let report = Report { bench: "checkpoint", arguments: format!("{args:?}"), machine, record: &record, claims: claims(&record) };
    report.finish(args.common.json())
}

/// What is to be reached with a gigabyte, as far as it was measured.
fn claims(record: &Record) -> Vec<Claim> {
    let find = |name: &str| record.find(name)?.summary();
    let ms = |nanos: f64| nanos / 1e6;
    let mut claims = Vec::new();
    if let Some(seen) = find(names::SEEN) {
        claims.push(Claim::at_most("p99 of the pause seen by an actor, ms", ms(seen.p99), 1.0));
        if let Some(bare) = find(copies::DEVICE_COPY) {
            claims.push(Claim::at_most("p50 of the pause seen, over the bare device copy", seen.p50 / bare.p50, 1.3));
        }
    }
    let mut at_least = |what: &str, bare: &str, ours: &str, limit: f64| {
        if let (Some(bare), Some(ours)) = (find(bare), find(ours)) {
            claims.push(Claim::at_least(what, bare.p50 / ours.p50, limit));
        }
    };
    at_least("everything in host memory, speed over the bare copy", copies::TO_HOST, names::WHOLE, 0.85);
    at_least("loaded, speed over the bare copy", copies::TO_DEVICE, names::LOAD, 0.8);
    at_least("digests compared, speed over the bare digests", copies::DIGEST, copies::COMPARISON, 0.8);
    for name in [names::FEW_ACTORS, names::MANY_ACTORS, names::ALL_BUSY] {
        if let Some(changed) = find(name) {
            claims.push(Claim::at_most(format!("p50, ms: {name}"), ms(changed.p50), 3.0));
        }
    }
    for (what, name) in [("a cut of changes", names::BESIDE), ("a whole cut", names::BESIDE_WHOLE)] {
        if let (Some(alone), Some(beside)) = (record.median_rate(names::ALONE), record.median_rate(name)) {
            claims.push(Claim::at_least(format!("casts handled with {what} every 100 ms, over without"), beside / alone, 0.9));
        }
    }
    claims
}
