//! One message at a time: how long until its answer is there?
//!
//! A 64-byte message to a handler that computes its answer from it, timed by the host from the moment it begins
//! to write the message to the moment it has the whole answer. Every answer is checked. Peers: the bare echo
//! kernel, which is the floor; a launch for each message; a ractor actor on the CPU.

use clap::Parser;
use resident_benches::args::RoundTrip;
use resident_benches::machine::Machine;
use resident_benches::ours::rows::Spawns;
use resident_benches::ours::{Ours, Place, round_trips};
use resident_benches::peers::echo::{self, Echo};
use resident_benches::peers::gpu::{Gpu, PeerError};
use resident_benches::peers::launches::{Launches, Way};
use resident_benches::peers::{actor, actor::RoundTrips};
use resident_benches::report::{Claim, Report};
use resident_benches::rounds::{self, Contender, Record};
use resident_benches::samples::Summary;
use std::process::ExitCode;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let args = RoundTrip::parse();
    let gpu = Gpu::find();
    let runtime = Runtime::new().expect("the system gives threads");
    let place = Place::of(args.common.device, gpu.is_ok(), args.shards);
    let mut record = Record::default();
    let mut contenders: Vec<Box<dyn Contender + '_>> = Vec::new();
    match &gpu {
        Ok(gpu) => match on_gpu(gpu, &args) {
            Ok(peers) => contenders = peers,
            Err(error) => record.absent("the bare kernels", &error.to_string()),
        },
        Err(why) => {
            record.absent("bare echo", why);
            Way::ALL.iter().for_each(|way| record.absent(way.name(), why));
        }
    }
    let ours = round_trips::RoundTrips::new(Ours::new(&runtime, place), args.samples, args.panics);
    contenders.push(Box::new(ours));
    contenders.push(Box::new(Spawns::new(place, args.samples.div_ceil(10), 0)));
    contenders.push(Box::new(RoundTrips { runtime: &runtime, samples: args.samples }));
    rounds::run(contenders, args.common.rounds, args.common.only.as_deref(), &mut record);

    let machine = Machine::here(gpu.as_ref().map(|g| (g.name.as_str(), g.cuda)).map_err(String::as_str));
    let claims = claims(&record, place, args.shards);
    let report = Report { bench: "round_trip", arguments: format!("{args:?}"), machine, record: &record, claims };
    report.finish(args.common.json())
}

fn on_gpu<'g>(gpu: &'g Gpu, args: &RoundTrip) -> Result<Vec<Box<dyn Contender + 'g>>, PeerError> {
    let mut peers: Vec<Box<dyn Contender + 'g>> = vec![Box::new(Echo::new(gpu, args.shards, args.samples)?)];
    for way in Way::ALL {
        peers.push(Box::new(Launches::new(gpu, way, args.samples)?));
    }
    Ok(peers)
}

/// What is to be reached, as far as both sides of it were measured.
fn claims(record: &Record, place: Place, shards: u32) -> Vec<Claim> {
    let find = |name: &str| record.find(name)?.summary();
    let names = round_trips::Names::new(&place.title());
    let mut claims = Vec::new();
    let mut both = |ours: &str, peer: &str, claim: &dyn Fn(Summary, Summary) -> Vec<Claim>| {
        if let (Some(ours), Some(peer)) = (find(ours), find(peer)) {
            claims.extend(claim(ours, peer));
        }
    };
    for (ours, floor, which) in [(&names.ask, echo::spread(shards), "in turn"), (&names.ask_one, echo::single(shards), "of one")] {
        both(ours, &floor, &|ours, floor| {
            vec![
                Claim::at_most(format!("p50 of an ask {which} over that of the bare echo"), ours.p50 / floor.p50, 1.3),
                Claim::at_most(format!("p99 of an ask {which} over that of the bare echo"), ours.p99 / floor.p99, 1.6),
            ]
        });
    }
    for way in [Way::Argument, Way::InPlace] {
        both(&names.ask, way.name(), &|ours, launch| {
            vec![Claim::at_least(format!("p50 of {} over that of an ask", way.name()), launch.p50 / ours.p50, 4.0)]
        });
    }
    both(&names.call, &echo::spread(shards), &|call, floor| {
        vec![Claim::at_most("p50 of call! less that of the bare echo, us", (call.p50 - floor.p50) / 1000.0, 6.0)]
    });
    both(&names.spawn, actor::SPAWN, &|ours, plain| {
        vec![Claim::at_most("p50 of a spawn with its proxy over that of a plain ractor spawn", ours.p50 / plain.p50, 2.0)]
    });
    // Microseconds are a promise of the GPU's: a shard of the CPU device waits for a core.
    if place != Place::CPU {
        if let Some(row) = find(&Spawns::one_name(&place.title())) {
            claims.push(Claim::at_most("p50 of a row's spawn acknowledged, us", row.p50 / 1000.0, 6.0));
        }
        if let Some(panic) = find(&names.panic) {
            claims.push(Claim::at_most("p50 from a panic to its typed fault, us", panic.p50 / 1000.0, 50.0));
        }
    }
    claims
}
