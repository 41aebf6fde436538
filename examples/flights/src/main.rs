//! A month of flights: one resident actor per aircraft, on the GPU if there is one, and CPU actors beside them.
//!
//! ```text
//!   input -> Reader --- Flight --> Aircraft (one per tail number) --- Late --> Alerts
//!               |                     |                                          |
//!               +---------------- Supervisor ------------------------------------+
//! ```
//!
//! With `--checkpoint DIR` a run that was killed goes on with `--resume DIR`, and comes to the same totals.

mod alerts;
mod inject;
mod reader;
mod save;
mod supervisor;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use clap::Parser;
use examples_common::{Device, exit_code};
use flights_actors::Late;
use flights_common::{Heard, Input, Report, Run, fold, progress_bar};
use ractor::{Actor, ActorProcessingErr, ActorRef, call};
use resident::prelude::*;
use tokio::sync::oneshot;

use crate::alerts::{AlertMsg, Alerts};
use crate::inject::{Inject, Injection};
use crate::reader::{Fleet, Reader, ReaderMsg, Work};
use crate::save::{Resumed, Saver};
use crate::supervisor::Supervisor;

/// Slots of each ring: the reader runs that far ahead of a shard before it waits, so that on few cores they take turns seldom.
const CAPACITY: u32 = 4096;
/// How long the supervisor may take to say who has failed.
const LAST_WORD: Duration = Duration::from_secs(10);

/// Sums up a file of flights with one resident actor per aircraft.
#[derive(Parser)]
struct Args {
    /// File of flights, plain or .gz; `-` is standard input [default: New York in January 2013, which the program carries]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Where the aircraft live
    #[arg(long, value_enum, default_value = "auto")]
    device: Device,
    /// How many such devices, over which the aircraft are spread
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with_all = ["checkpoint", "resume", "inject"])]
    devices: u32,
    /// Serve metrics for Prometheus at this address, as 127.0.0.1:9000, while the program runs
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// Keep aircraft and metrics up for so many seconds after the report
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    hold: u64,
    /// Break something after so many flights: panic, trap or hang an aircraft, or kill the worker process; may be given more than once
    #[arg(long, value_name = "panic|trap|hang|kill@N")]
    inject: Vec<Injection>,
    /// Save checkpoints there on the way, for --resume
    #[arg(long, value_name = "DIR", conflicts_with_all = ["resume", "inject"])]
    checkpoint: Option<PathBuf>,
    /// Rows between two checkpoints
    #[arg(long, value_name = "ROWS", default_value_t = 5000)]
    checkpoint_every: u64,
    /// Go on from the newest checkpoint there, and save further ones
    #[arg(long, value_name = "DIR", conflicts_with = "inject")]
    resume: Option<PathBuf>,
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

/// Whether the actors have counted as the fold has.
///
/// One thread runs all CPU actors: what is heavy is the aircraft, and the device has threads of its own.
#[tokio::main(flavor = "current_thread")]
async fn run(args: &Args) -> anyhow::Result<bool> {
    let input = Input::find(args.input.as_deref())?;
    if let Some(address) = args.metrics {
        resident::metrics::install(address).context("choose another address with --metrics")?;
    }
    let (archive, resumed) = match (&args.checkpoint, &args.resume) {
        (Some(path), _) => (Some(save::begin(path).await?), None),
        (None, Some(path)) => save::resume(path, &input).await.map(|(archive, resumed)| (Some(archive), Some(resumed)))?,
        (None, None) => (None, None),
    };
    let newest = resumed.as_ref().map(|resumed| resumed.checkpoint.clone());
    let saver = archive.map(|archive| Saver::start(archive, &input, args.checkpoint_every, newest));
    let system = System::start(Config { devices: args.device.several(args.devices)?, capacity: CAPACITY, ..Config::default() }).await?;
    for device in system.devices() {
        eprintln!("{input} on {}", device.info());
    }

    if let Some(resumed) = &resumed {
        eprintln!("going on after {} rows", resumed.rows);
    }
    let run = count(&system, &input, &args.inject, saver, resumed).await;
    let report = match run {
        Ok(run) => Report::new(system.device(), run, &fold(&input)?),
        Err(error) => {
            system.stop().await;
            return Err(error);
        }
    };
    println!("{report}");
    if args.devices > 1 {
        let on = |device: &resident::Device| format!("{} aircraft on {}", device.running(), device.label());
        println!("{}", system.devices().iter().map(on).collect::<Vec<_>>().join(", "));
    }
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    }
    tokio::time::sleep(Duration::from_secs(args.hold)).await;
    system.stop().await;
    Ok(report.is_equal())
}

/// Has the actors count `input`; ends with the first of them that fails.
async fn count(
    system: &System,
    input: &Input,
    inject: &[Injection],
    saver: Option<Saver>,
    resumed: Option<Resumed>,
) -> anyhow::Result<Run> {
    let bar = progress_bar(input);
    let (end, mut failure) = oneshot::channel();
    let (supervisor, _) = Supervisor::spawn(None, Supervisor, end).await?;
    system.control().link(supervisor.get_cell());
    let heard = resumed.as_ref().map_or(Ok(Heard::default()), Resumed::heard)?;
    let (alerts, _) = Alerts::spawn_linked(Some(alerts::NAME.into()), Alerts { bar: bar.clone() }, heard, supervisor.get_cell()).await?;
    system.route::<Late, AlertMsg>(alerts::NAME)?;
    let begin = match &resumed {
        None => Fleet::default(),
        Some(resumed) => {
            let fleet = resumed.fleet(system, supervisor.get_cell()).await?;
            system.redeliver(&resumed.checkpoint);
            fleet
        }
    };
    let before = resumed.map(|resumed| (resumed.rows, resumed.skipped));
    let inject = Inject::start(inject, supervisor.get_cell()).await?;
    let reader = Reader {
        input: input.clone(),
        system: system.clone(),
        supervisor: supervisor.get_cell(),
        inject: inject.clone(),
        bar: bar.clone(),
    };
    let (reader, _) =
        Reader::spawn_linked(Some("flights/reader".into()), reader, Work { fleet: begin, saver }, supervisor.get_cell()).await?;

    let run = tokio::select! {
        biased;
        why = &mut failure => Err(anyhow!(why?)),
        run = work(&reader, &alerts, before) => match run {
            Ok(run) => Ok(run),
            // Somebody has gone, and the supervisor hears who and why.
            Err(error) => Err(match tokio::time::timeout(LAST_WORD, failure).await {
                Ok(Ok(why)) => anyhow!(why),
                _ => anyhow!(error),
            }),
        },
    };
    bar.finish_and_clear();
    if let Some(inject) = inject {
        inject.stop().await?;
    }
    run
}

/// What the actors count; `before` are the rows of an earlier run, and those of them that were skipped. Every aircraft's answer comes behind the alerts that it has emitted.
async fn work(reader: &ActorRef<ReaderMsg>, alerts: &ActorRef<AlertMsg>, before: Option<(u64, u64)>) -> Result<Run, ActorProcessingErr> {
    let begun = Instant::now();
    let fleet = call!(reader, ReaderMsg::Read)?;
    let read = begun.elapsed();
    let totals = fleet.totals().await?;
    let heard = call!(alerts, AlertMsg::Heard)?;
    let earlier = before.map_or(0, |(rows, skipped)| rows - skipped);
    Ok(Run {
        rows: fleet.rows,
        skipped: fleet.skipped,
        totals,
        heard,
        resumed: before.map(|(rows, _)| rows),
        sent: fleet.rows - fleet.skipped - earlier,
        read,
        all: begun.elapsed(),
        injected: fleet.injected,
    })
}
