//! A month of flights: one resident actor per aircraft, on the GPU if there is one, each an ordinary actor of actix's, and CPU actors of
//! actix's beside them. The job, the input and the report are those of the example `flights`.
//!
//! ```text
//!   input -> Reader --- Flight --> Aircraft (one per tail number) --- Late --> Alerts
//! ```

mod alerts;
mod reader;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use actix::Actor;
use anyhow::Context;
use clap::Parser;
use examples_common::{Device, exit_code};
use flights_actors::Late;
use flights_common::{Input, Report, Run, fold, progress_bar};
use resident::prelude::*;

use crate::alerts::{Alert, Alerts, Sum};
use crate::reader::{Read, Reader};

/// Slots of each ring: the reader runs that far ahead of a shard before it waits, so that on few cores they take turns seldom.
const CAPACITY: u32 = 4096;

/// Sums up a file of flights with one resident actor per aircraft.
#[derive(Parser)]
struct Args {
    /// File of flights, plain or .gz; `-` is standard input [default: New York in January 2013, which the program carries]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Where the aircraft live
    #[arg(long, value_enum, default_value = "auto")]
    device: Device,
    /// Serve metrics for Prometheus at this address, as 127.0.0.1:9000, while the program runs
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// Keep aircraft and metrics up for so many seconds after the report
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    hold: u64,
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    exit_code(actix::System::new().block_on(run(&Args::parse())))
}

/// Whether the actors have counted as the fold has.
async fn run(args: &Args) -> anyhow::Result<bool> {
    let input = Input::find(args.input.as_deref())?;
    if let Some(address) = args.metrics {
        resident::metrics::install(address).context("choose another address with --metrics")?;
    }
    let system = System::start(Config { devices: vec![args.device.into()], capacity: CAPACITY, ..Config::default() }).await?;
    eprintln!("{input} on {}", system.device());

    let report = match count(&system, &input).await {
        Ok(run) => Report::new(system.device(), run, &fold(&input)?),
        Err(error) => {
            system.stop().await;
            return Err(error);
        }
    };
    println!("{report}");
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    }
    tokio::time::sleep(Duration::from_secs(args.hold)).await;
    system.stop().await;
    Ok(report.is_equal())
}

/// What the actors count; ends with the first failure that a sender or a caller hears of. Every aircraft's answer comes behind the alerts
/// that it has emitted.
async fn count(system: &System, input: &Input) -> anyhow::Result<Run> {
    let bar = progress_bar(input);
    let alerts = Alerts::begin(bar.clone());
    system.route_to_recipient::<Late, Alert>(alerts.clone().recipient())?;
    let reader = Reader { input: input.clone(), system: system.clone(), bar: bar.clone() }.start();

    let begun = Instant::now();
    let fleet = reader.send(Read).await??;
    let read = begun.elapsed();
    let totals = fleet.totals().await?;
    let heard = alerts.send(Sum).await?;
    let all = begun.elapsed();
    bar.finish_and_clear();
    let (rows, skipped) = (fleet.rows, fleet.skipped);
    Ok(Run { rows, skipped, totals, heard, resumed: None, sent: rows - skipped, read, all, injected: Vec::new() })
}
