//! Many messages at a time: how many are done in a second?
//!
//! 64-byte messages, each computed on by a handler; every answer, or the sum of what was handled, is checked.
//! Peers: bare rings with answers and without, which are the floor, and the mailbox of a ractor actor on the CPU.

use clap::Parser;
use resident_benches::args::Throughput;
use resident_benches::machine::Machine;
use resident_benches::ours::rows::Spawns;
use resident_benches::ours::streams::{Asks, Casts};
use resident_benches::ours::verify::Verify;
use resident_benches::ours::{Ours, Place};
use resident_benches::peers::actor;
use resident_benches::peers::gpu::{Gpu, PeerError};
use resident_benches::peers::rings::{self, Rings, Service};
use resident_benches::report::{Claim, Report};
use resident_benches::rounds::{self, Contender, Record};
use std::process::ExitCode;
use tokio::runtime::Runtime;

/// Casts in each round where a core handles them: into a mailbox, or to the CPU device.
const CPU_CASTS: u64 = 1_000_000;

fn main() -> ExitCode {
    let args = Throughput::parse();
    let gpu = Gpu::find();
    let runtime = Runtime::new().expect("the system gives threads");
    let mut places: Vec<Place> = args.shards.iter().map(|&shards| Place::of(args.common.device, gpu.is_ok(), shards)).collect();
    places.dedup();
    let mut record = Record::default();
    let mut contenders: Vec<Box<dyn Contender + '_>> = Vec::new();
    match &gpu {
        Ok(gpu) => match on_gpu(gpu, &args) {
            Ok(peers) => contenders = peers,
            Err(error) => record.absent("the bare rings", &error.to_string()),
        },
        Err(why) => record.absent("the bare rings", why),
    }
    contenders.extend(ours(&args, &places, &runtime));
    contenders.push(Box::new(actor::Casts { runtime: &runtime, messages: CPU_CASTS }));
    rounds::run(contenders, args.common.rounds, args.common.only.as_deref(), &mut record);

    let machine = Machine::here(gpu.as_ref().map(|g| (g.name.as_str(), g.cuda)).map_err(String::as_str));
    let claims = claims(&record, &args, &places);
    let report = Report { bench: "throughput", arguments: format!("{args:?}"), machine, record: &record, claims };
    report.finish(args.common.json())
}

fn on_gpu<'g>(gpu: &'g Gpu, args: &Throughput) -> Result<Vec<Box<dyn Contender + 'g>>, PeerError> {
    let mut peers: Vec<Box<dyn Contender + 'g>> = Vec::new();
    for &shards in &args.shards {
        for service in [Service::ByChunk, Service::BySlot] {
            peers.push(Box::new(Rings::new(gpu, service, shards, &args.threads, args.stream)?));
        }
        peers.push(Box::new(Rings::new(gpu, Service::Sink, shards, &[1], args.stream)?));
    }
    Ok(peers)
}

/// Threads that a place is served by: on the CPU device they would take the shards' own cores.
fn threads(place: Place, args: &Throughput) -> &[u32] {
    if place == Place::CPU { &[1] } else { &args.threads }
}

fn ours<'r>(args: &Throughput, places: &[Place], runtime: &'r Runtime) -> Vec<Box<dyn Contender + 'r>> {
    let mut contenders: Vec<Box<dyn Contender + 'r>> = Vec::new();
    let stream = |place: Place| if place == Place::CPU { args.stream.min(CPU_CASTS) } else { args.stream };
    for &place in places {
        let (ours, threads) = (Ours::new(runtime, place), threads(place, args));
        contenders.push(Box::new(Asks::new(ours.clone(), threads, args.window, stream(place))));
        contenders.push(Box::new(Casts::new(ours, stream(place))));
    }
    if !places.contains(&Place::CPU) {
        contenders.push(Box::new(Casts::new(Ours::new(runtime, Place::CPU), stream(Place::CPU))));
    }
    let place = places[0];
    contenders.push(Box::new(Spawns::new(place, 0, args.spawns)));
    let most = threads(place, args).iter().copied().filter(|&t| t <= 4).max().unwrap_or(1);
    let messages = args.messages.div_ceil(u64::from(args.common.rounds.max(1)));
    contenders.push(Box::new(Verify::new(Ours::new(runtime, place), most, messages)));
    contenders
}

/// What is to be reached, as far as both sides of it were measured.
fn claims(record: &Record, args: &Throughput, places: &[Place]) -> Vec<Claim> {
    let rate = |name: &str| record.median_rate(name);
    let mut claims = Vec::new();
    for (place, &shards) in places.iter().zip(&args.shards).filter(|(place, shards)| place.shards == Some(**shards)) {
        for &threads in args.threads.iter().filter(|&&threads| threads >= 4) {
            let Some(ours) = rate(&Asks::rate_name(&place.title(), threads)) else { continue };
            let which = format!("pipelined asks, {shards} shards, {threads} threads");
            let floor = |service| rate(&rings::name(service, shards, threads)).unwrap_or(0.0);
            let best = floor(Service::ByChunk).max(floor(Service::BySlot));
            if best > 0.0 {
                claims.push(Claim::at_least(format!("{which}, over the better bare rings"), ours / best, 0.4));
            }
            claims.push(Claim::at_least(format!("{which}, millions a second"), ours / 1e6, 60.0));
        }
        if let Some(casts) = rate(&Casts::rate_name(&place.title(), true)) {
            claims.push(Claim::at_least(format!("casts many at once handled, {shards} shards, millions a second"), casts / 1e6, 30.0));
        }
    }
    let cpu = [Place::CPU];
    for place in places.iter().chain(cpu.iter().filter(|cpu| !places.contains(cpu))) {
        let title = place.title();
        if let Some(enqueue) = record.find(&Casts::enqueue_name(&title)).and_then(|s| s.summary()) {
            claims.push(Claim::at_most(format!("{title}, p50 of a cast's enqueue, ns"), enqueue.p50, 100.0));
        }
        if let (Some(ours), Some(mailbox)) = (rate(&Casts::rate_name(&title, false)), rate(actor::CAST)) {
            claims.push(Claim::at_least(format!("{title}, casts handled over a ractor mailbox's"), ours / mailbox, 4.0));
        }
    }
    let spawned = record.find(&Spawns::many_name(&places[0].title(), args.spawns)).and_then(|s| s.summary());
    if let Some(spawned) = spawned {
        claims.push(Claim::at_most(format!("{} rows spawned, ms", args.spawns), spawned.p50 / 1e6, 200.0));
    }
    claims
}
