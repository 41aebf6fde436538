//! Serves flights over HTTP: `curl -i http://127.0.0.1:8080/aircraft/N14228 ...`; the library says which requests there are.

use std::net::{SocketAddr, TcpListener};
use std::thread::available_parallelism;

use actix::Arbiter;
use actix_web::web::Data;
use anyhow::Context;
use clap::Parser;
use examples_common::Device;
use flights_web::{Fleet, serve};
use resident::{Config, System};

/// Answers requests by one resident actor per aircraft.
#[derive(Parser)]
struct Args {
    /// Where it listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the aircraft live
    #[arg(long, value_enum, default_value = "auto")]
    device: Device,
}

fn main() -> anyhow::Result<()> {
    actix::System::new().block_on(run(&Args::parse()))
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let listener = TcpListener::bind(args.listen).with_context(|| format!("{}: choose another address with --listen", args.listen))?;
    let system = System::start(Config { devices: vec![args.device.into()], ..Config::default() }).await?;
    let fleet = Data::new(Fleet::new(system.clone(), Arbiter::current()));
    println!("http://{} on {}", listener.local_addr()?, system.device());
    let served = serve(listener, fleet, available_parallelism()?.get())?.await;
    // Behind the server: nobody asks any more, and what was accepted is handled.
    let report = system.stop().await;
    println!("stopped: {} aircraft", report.drained);
    Ok(served?)
}
