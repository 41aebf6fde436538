//! Messages from actor to actor on the device: how long does one take, and how many are handled in a second?
//!
//! A ball between two actors of a shard and of two, balls between all, numbers from all to one; everything that was sent is counted at its
//! receiver. Peers: two bare blocks that pass a line to each other, and bare blocks that all send to all.

use clap::Parser;
use resident_benches::args::DeviceToDevice;
use resident_benches::machine::Machine;
use resident_benches::ours::messages::Messages;
use resident_benches::ours::{Ours, Place};
use resident_benches::peers::gpu::{Gpu, PeerError};
use resident_benches::peers::mailboxes::{self, AllToAll, Passing};
use resident_benches::report::{Claim, Report};
use resident_benches::rounds::{self, Contender, Record};
use std::process::ExitCode;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let args = DeviceToDevice::parse();
    let gpu = Gpu::find();
    let runtime = Runtime::new().expect("the system gives threads");
    let place = Place::of(args.common.device, gpu.is_ok(), args.shards);
    let mut record = Record::default();
    let mut contenders: Vec<Box<dyn Contender + '_>> = Vec::new();
    match &gpu {
        Ok(gpu) => match on_gpu(gpu, &args) {
            Ok(peers) => contenders = peers,
            Err(error) => record.absent("the bare blocks", &error.to_string()),
        },
        Err(why) => record.absent("the bare blocks", why),
    }
    contenders.push(Box::new(Messages::new(Ours::new(&runtime, place), args.hops, args.messages)));
    rounds::run(contenders, args.common.rounds, args.common.only.as_deref(), &mut record);

    let machine = Machine::here(gpu.as_ref().map(|g| (g.name.as_str(), g.cuda)).map_err(String::as_str));
    let claims = if place == Place::CPU { Vec::new() } else { claims(&record, &args, &place.title()) };
    let report = Report { bench: "device_to_device", arguments: format!("{args:?}"), machine, record: &record, claims };
    report.finish(args.common.json.as_deref())
}

fn on_gpu<'g>(gpu: &'g Gpu, args: &DeviceToDevice) -> Result<Vec<Box<dyn Contender + 'g>>, PeerError> {
    let all = AllToAll::new(gpu, args.shards, 100 * args.messages)?;
    Ok(vec![Box::new(Passing::new(gpu)?), Box::new(all)])
}

/// What is to be reached, as far as it was measured.
fn claims(record: &Record, args: &DeviceToDevice, title: &str) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (same, most) in [(true, 100.0), (false, 400.0)] {
        let name = Messages::pass_name(title, same);
        if let Some(pass) = record.find(&name).and_then(|series| series.summary()) {
            claims.push(Claim::at_most(format!("{name}, p50, ns"), pass.p50, most));
        }
    }
    if let Some(all) = record.median_rate(&Messages::all_name(title)) {
        claims.push(Claim::at_least("all to all, thousand millions a second", all / 1e9, 2.0));
        if let Some(bare) = record.median_rate(&mailboxes::all_name(args.shards)) {
            claims.push(Claim::at_least("all to all, over the bare blocks", all / bare, 0.4));
        }
    }
    if let Some(one) = record.median_rate(&Messages::one_name(title)) {
        claims.push(Claim::at_least("all to one, millions a second", one / 1e6, 100.0));
    }
    claims
}
