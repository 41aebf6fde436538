//! What does an actix address cost a resident actor?
//!
//! A call that the handler answers from its state, from the arbiter of the mailbox and across arbiters, one at a time; and casts, until all are
//! handled. Every answer is checked. Peers: `call!` of a handle of ractor's on the same system, a cast straight into the ring, a plain actix actor, and an actix actor that
//! hands its messages on to a resident one with a boxed future for each, which is the usual way.

use clap::Parser;
use resident_benches::args::Addresses as Args;
use resident_benches::machine::Machine;
use resident_benches::ours::Place;
use resident_benches::ours::addresses::{Addresses, Way};
use resident_benches::peers::gpu::Gpu;
use resident_benches::report::{Claim, Report};
use resident_benches::rounds::{self, Record};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    let gpu = Gpu::find();
    let place = Place::of(args.common.device, gpu.is_ok(), args.shards);
    let mut record = Record::default();
    let contender = Addresses::new(place, args.calls, args.casts);
    rounds::run(vec![Box::new(contender)], args.common.rounds, args.common.only.as_deref(), &mut record);
    let machine = Machine::here(gpu.as_ref().map(|g| (g.name.as_str(), g.cuda)).map_err(String::as_str));
    let claims = claims(&record);
    let report = Report { bench: "actix", arguments: format!("{args:?}"), machine, record: &record, claims };
    report.finish(args.common.json())
}

/// What is to be reached, as far as it was measured.
fn claims(record: &Record) -> Vec<Claim> {
    let p50 = |name: &str| record.find(name)?.summary().map(|summary| summary.p50);
    let send = |way, across| p50(&Addresses::send_name(way, across));
    let mut claims = Vec::new();
    if let (Some(ours), Some(call)) = (send(Way::Resident, false), p50(&Addresses::call_name())) {
        claims.push(Claim::at_most("p50 of a send over that of call! on the same system", ours / call, 1.1));
        if let (Some(across), Some(hop)) = (send(Way::Resident, true), send(Way::Plain, true)) {
            claims.push(Claim::at_most(
                "p50 of a send across arbiters less 1.2 times a plain actor's, over that of call!",
                (across - 1.2 * hop) / call,
                1.0,
            ));
        }
    }
    for across in [false, true] {
        let rate = |way| record.median_rate(&Addresses::do_send_name(way, across));
        if let (Some(ours), Some(plain)) = (rate(Way::Resident), rate(Way::Plain)) {
            let where_from = if across { " across arbiters" } else { "" };
            claims.push(Claim::at_most(format!("time of a do_send{where_from}, handled, over that to a plain actor"), plain / ours, 1.3));
        }
    }
    claims
}
