//! The device is broken: how long until everybody else goes on, and as they were?
//!
//! A trap, a read of nobody's memory, a handler without end, a worker that is killed: timed from there, or from when it was noticed,
//! to the answer of an actor on the same shard that has nothing to do with it, and to the supervisor's event. Then random faults while
//! messages flow to 64 actors, whose states have to be those of their models on the host. And what the worker's process costs while
//! nothing is wrong: asks with the worker a process and a thread, in turn.

use clap::Parser;
use resident::{Config, DeviceKind, DeviceOptions, Isolation, System};
use resident_benches::args::Takeover;
use resident_benches::machine::Machine;
use resident_benches::ours::isolation::Asks;
use resident_benches::ours::takeover::{Faults, Kills, Names, Panics, Way};
use resident_benches::ours::untouched::Untouched;
use resident_benches::ours::{Ours, Place};
use resident_benches::peers::gpu::Gpu;
use resident_benches::report::{Claim, Report};
use resident_benches::rounds::{self, Contender, Record};
use std::process::ExitCode;
use tokio::runtime::Runtime;

/// Panics for each fault of a class: they cost little.
const PANICS: u32 = 50;

fn main() -> ExitCode {
    let args = Takeover::parse();
    let runtime = Runtime::new().expect("the system gives threads");
    let place = Place::of(args.common.device, has_gpu(&runtime), args.shards);
    let ours = || Ours::new(&runtime, place);
    let mut record = Record::default();

    let mut contenders: Vec<Box<dyn Contender + '_>> = Vec::new();
    for way in Way::ALL {
        contenders.push(Box::new(Faults::new(ours(), way, args.repeats)));
    }
    for standby in [true, false] {
        contenders.push(Box::new(Kills::new(ours(), standby, args.repeats)));
    }
    contenders.push(Box::new(Panics::new(ours(), PANICS * args.repeats)));
    contenders.push(Box::new(Untouched::new(ours(), args.faults, args.seed)));
    rounds::run(contenders, 1, args.common.only.as_deref(), &mut record);
    // A worker that is a thread opens the device in this process: only from here on.
    let isolated = |isolation| Box::new(Asks::new(ours(), isolation, args.samples)) as Box<dyn Contender + '_>;
    let contenders = vec![isolated(Isolation::Process), isolated(Isolation::Thread)];
    rounds::run(contenders, args.common.rounds, args.common.only.as_deref(), &mut record);

    let gpu = Gpu::find();
    let machine = Machine::here(gpu.as_ref().map(|g| (g.name.as_str(), g.cuda)).map_err(String::as_str));
    let report = Report { bench: "takeover", arguments: format!("{args:?}"), machine, record: &record, claims: claims(&record, place) };
    report.finish(args.common.json())
}

/// Asked of a worker: this process opens no GPU before it has to.
fn has_gpu(runtime: &Runtime) -> bool {
    runtime.block_on(async {
        let Ok(system) = System::start(Config { devices: vec![DeviceOptions::auto()], standby: false, ..Config::default() }).await else {
            return false;
        };
        let found = system.device().kind == DeviceKind::Cuda;
        system.stop().await;
        found
    })
}

/// What is to be reached, as far as it was measured.
fn claims(record: &Record, place: Place) -> Vec<Claim> {
    let title = place.title();
    let find = |name: &str| record.find(name)?.summary();
    let mut claims = Vec::new();
    let ms = |nanos: f64| nanos / 1e6;
    let mut p50 = |what: &str, name: &str, limit: f64| {
        if let Some(summary) = find(name) {
            claims.push(Claim::at_most(format!("p50 {what}, ms"), ms(summary.p50), limit));
        }
    };
    p50("from a hang noticed to the next reply", &Names::of(&title, Way::Hang).noticed_to_reply, 2.0);
    p50("from a trap to the next reply", &Names::of(&title, Way::Trap).reply, 20.0);
    p50("from an illegal address to the next reply", &Names::of(&title, Way::IllegalAddress).reply, 250.0);
    p50("from a kill with no standby to the next reply", &Names::of_kill(&title, false).reply, 400.0);
    if let Some(panics) = find(&Panics::series(&title)) {
        claims.push(Claim::at_most("p99 from a panic's cast to the supervisor's event, ms", ms(panics.p99), 1.0));
    }
    for way in Way::ALL {
        if let Some(event) = find(&Names::of(&title, way).event) {
            claims.push(Claim::at_most(
                format!("p99 from the notice of a fault ({}) to the supervisor's event, ms", way.name()),
                ms(event.p99),
                1.0,
            ));
        }
    }
    if let Some(differing) = record.counted(&Untouched::differing(&title)) {
        claims.push(Claim::at_most("actors not blamed whose state differs from its model", differing as f64, 0.0));
    }
    let asks = |isolation| find(&Asks::series(&title, isolation));
    if let (Some(process), Some(thread)) = (asks(Isolation::Process), asks(Isolation::Thread)) {
        claims.push(Claim::at_most("p50 of an ask, worker a process over worker a thread", process.p50 / thread.p50, 1.1));
    }
    claims
}
