//! Messages from actor to actor on the device: how long does one take, and how many are handled in a second? And what becomes of it with
//! many actors, with a few that get almost all, with a stencil, with nothing to do?
//!
//! A ball between two actors of a shard and of two, balls between all, numbers from all to one, balls of which one actor in a hundred gets
//! almost all; a million actors started at once, and messages to them; actors that a handler spawns; the tiles of a wave; one actor's items,
//! by one lane and by many.
//! Everything that was sent is counted at its receiver. Peers: two bare blocks that pass a line to each other, bare blocks that all send to all, a bare kernel that takes the wave's
//! steps, spawns of ractor actors.

use clap::Parser;
use resident_benches::args::DeviceToDevice;
use resident_benches::machine::Machine;
use resident_benches::ours::births::Births;
use resident_benches::ours::crowd::{Crowd, Sent};
use resident_benches::ours::idle::Idle;
use resident_benches::ours::lanes::{Lanes, Who};
use resident_benches::ours::messages::Messages;
use resident_benches::ours::mix::Mixing;
use resident_benches::ours::skew::Skew;
use resident_benches::ours::tiles::Tiles;
use resident_benches::ours::{Ours, Place};
use resident_benches::peers::actor;
use resident_benches::peers::gpu::{Gpu, PeerError};
use resident_benches::peers::mailboxes::{self, AllToAll, Passing};
use resident_benches::peers::stencil::{self, Stencil};
use resident_benches::report::{Claim, Report};
use resident_benches::rounds::{self, Contender, Record};
use resident_benches::wave::Wave;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Actors of ours to one of ractor's, whose spawns are compared.
const FEWER: u64 = 100;
/// So many messages go between all on a GPU to one on a CPU.
const ON_A_GPU: u64 = 10;
/// From the last message to where a device counts as idle.
const SETTLE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let args = DeviceToDevice::parse();
    let gpu = Gpu::find();
    let runtime = Runtime::new().expect("the system gives threads");
    let place = Place::of(args.common.device, gpu.is_ok(), args.shards);
    let wave = Wave::new(args.tiles.into(), args.steps);
    let mut record = Record::default();
    let mut contenders: Vec<Box<dyn Contender + '_>> = Vec::new();
    match &gpu {
        Ok(gpu) => match on_gpu(gpu, &args, &wave) {
            Ok(peers) => contenders = peers,
            Err(error) => record.absent("the bare kernels", &error.to_string()),
        },
        Err(why) => record.absent("the bare kernels", why),
    }
    let ours = || Ours::new(&runtime, place);
    contenders.push(Box::new(Tiles::new(ours(), &wave)));
    contenders.push(Box::new(Lanes::new(ours())));
    contenders.push(Box::new(Messages::new(ours(), args.hops, args.messages)));
    let many = if place == Place::CPU { args.messages } else { ON_A_GPU * args.messages };
    contenders.push(Box::new(Mixing::new(ours(), many)));
    contenders.push(Box::new(Skew::new(ours(), many)));
    contenders.push(Box::new(Births::new(ours())));
    contenders.push(Box::new(Crowd::new(ours(), args.actors, args.messages)));
    contenders.push(Box::new(actor::Crowd { runtime: &runtime, actors: args.actors.div_ceil(FEWER) }));
    contenders.push(Box::new(Idle::new(ours(), SETTLE, Duration::from_secs(args.idle))));
    rounds::run(contenders, args.common.rounds, args.common.only.as_deref(), &mut record);

    let title = place.title();
    compare(&mut record, &args, &title, &wave);
    let machine = Machine::here(gpu.as_ref().map(|g| (g.name.as_str(), g.cuda)).map_err(String::as_str));
    let claims = if place == Place::CPU { Vec::new() } else { claims(&record, &args, &title) };
    let report = Report { bench: "device_to_device", arguments: format!("{args:?}"), machine, record: &record, claims };
    report.finish(args.common.json())
}

fn on_gpu<'g>(gpu: &'g Gpu, args: &DeviceToDevice, wave: &'g Wave) -> Result<Vec<Box<dyn Contender + 'g>>, PeerError> {
    let all = AllToAll::new(gpu, args.shards, 100 * args.messages)?;
    Ok(vec![Box::new(Passing::new(gpu)?), Box::new(all), Box::new(Stencil::new(gpu, wave, args.shards)?)])
}

/// What two contenders come to beside each other, as far as both have run.
fn compare(record: &mut Record, args: &DeviceToDevice, title: &str, wave: &Wave) {
    let (tiles, bare) = (Tiles::title(title, wave), stencil::name(wave));
    if let (Some(ours), Some(theirs)) = (record.median_rate(&tiles), record.median_rate(&bare)) {
        record.ratio(&format!("{tiles}, over the bare kernel"), ours / theirs);
    }
    let fewer = args.actors.div_ceil(FEWER);
    let crowd = Crowd::spawn_name(title, args.actors);
    let each = |name: &str, actors| Some(record.find(name)?.summary()?.p50 / actors as f64);
    if let (Some(ours), Some(theirs)) = (each(&crowd, args.actors), each(&actor::crowd_name(fewer), fewer)) {
        record.ratio(&format!("{crowd}, each, over a ractor CPU actor's spawn"), ours / theirs);
    }
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
    if let Some(all) = record.median_rate(&Mixing::name(title)) {
        claims.push(Claim::at_least("all to all, thousand millions a second", all / 1e9, 2.0));
        if let Some(bare) = record.median_rate(&mailboxes::all_name(args.shards)) {
            claims.push(Claim::at_least("all to all, over the bare blocks", all / bare, 0.4));
        }
    }
    if let Some(one) = record.median_rate(&Messages::one_name(title)) {
        claims.push(Claim::at_least("all to one, millions a second", one / 1e6, 100.0));
    }
    for (who, least) in [(Who::Warp, 8.0), (Who::Block, 16.0)] {
        let name = Lanes::ratio_name(title, who);
        if let Some(ratio) = record.median_ratio(&name) {
            claims.push(Claim::at_least(name, ratio, least));
        }
    }
    let name = Births::each_name(title);
    if let Some(birth) = record.find(&name).and_then(|series| series.summary()) {
        claims.push(Claim::at_most(format!("{name}, p50, us"), birth.p50 / 1e3, 2.0));
    }
    let name = Crowd::spawn_name(title, args.actors);
    if let Some(spawn) = record.find(&name).and_then(|series| series.summary()) {
        claims.push(Claim::at_most(format!("{name}, p50, ms"), spawn.p50 / 1e6, 100.0));
    }
    for whose in ["this process", "the worker"] {
        let name = Idle::share_name(title, whose);
        if let Some(share) = record.median_ratio(&name) {
            claims.push(Claim::at_most(name, share, 0.01));
        }
    }
    if let Some(bus) = record.median_rate(&Idle::bus_name(title)) {
        claims.push(Claim::at_most(format!("{}, thousand millions a second", Idle::bus_name(title)), bus / 1e9, 1.0));
    }
    for way in Sent::ALL {
        let name = Crowd::ratio_name(title, args.actors, way);
        if let Some(ratio) = record.median_ratio(&name) {
            claims.push(Claim::at_least(name, ratio, 0.8));
        }
    }
    claims
}
