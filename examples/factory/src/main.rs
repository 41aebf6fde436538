//! Resident actors behind ractor's factory.
//!
//! ```text
//!   jobs ──► factory (queue, routing) ──► worker ──► Sieve   on the device, one for each worker,
//!                                     ──► worker ──► Sieve   kept by a supervisor
//! ```
//!
//! The factory does what it is good at: it queues, routes, bounds and drains jobs. The resident actors do the jobs, and a supervisor of
//! `resident` restarts in place those that fail, so the workers keep their handles.

mod worker;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use clap::Parser;
use examples_common::{Device, exit_code};
use factory_actors::{Count, Sieve, SieveMsg, is_prime};
use futures_util::future::join_all;
use ractor::factory::queues::DefaultQueue;
use ractor::factory::routing::QueuerRouting;
use ractor::factory::{Factory, FactoryArguments, FactoryRef, worker_builder};
use ractor::{Actor, call};
use resident::prelude::*;

use crate::worker::{Counting, Key, Range};

/// Numbers of a range.
const LENGTH: u64 = 1000;

/// Counts primes with resident actors behind ractor's factory.
#[derive(Parser)]
struct Args {
    /// Where the actors live
    #[arg(long, value_enum, default_value = "auto")]
    device: Device,
    /// Workers, each with a resident actor of its own
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,
    /// Ranges of a thousand numbers
    #[arg(long, value_name = "N", default_value_t = 200)]
    ranges: u64,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

/// Whether the actors have counted as a plain loop does.
#[tokio::main(flavor = "current_thread")]
async fn run(args: &Args) -> anyhow::Result<bool> {
    let system = System::start(Config { devices: vec![args.device.into()], name: Some("factory".into()), ..Config::default() }).await?;
    println!("{}", system.device());
    let counted = count(args, &system).await;
    system.stop().await;
    let (found, expected) = (counted?, (0..args.ranges * LENGTH).filter(|n| is_prime(*n)).count() as u64);
    println!("{found} primes below {}, counted plainly {expected}", args.ranges * LENGTH);
    println!("{}", if found == expected { "equal" } else { "not equal" });
    Ok(found == expected)
}

async fn count(args: &Args, system: &System) -> anyhow::Result<u64> {
    let id = |worker: usize| format!("sieve-{worker}");
    let workers = usize::from(args.workers);
    let mut keeper = Supervisor::builder("sieves").intensity(3, Duration::from_secs(5));
    for worker in 0..workers {
        keeper = keeper.child(ChildSpec::gpu(id(worker), Sieve::default).on(system));
    }
    let keeper = keeper.start().await?;
    let mut sieves = Vec::new();
    for worker in 0..workers {
        sieves.push(keeper.child::<Sieve>(&*id(worker)).await.context("it has just started")?);
    }
    let sieves: Arc<[GpuRef<Sieve>]> = sieves.into();

    let of_worker = sieves.clone();
    let arguments = FactoryArguments::builder()
        .worker_builder(Box::new(worker_builder(move |worker: usize| (Counting, of_worker[worker].clone()))))
        .queue(DefaultQueue::default())
        .router(QueuerRouting::default())
        .num_initial_workers(workers)
        .build();
    let factory = Factory::<Key, Range, GpuRef<Sieve>, Counting, QueuerRouting<Key, Range>, DefaultQueue<Key, Range>>::default();
    let (factory, end) = Actor::spawn(None, factory, arguments).await?;

    // All at once: the factory keeps them until a worker is free. One in between is nonsense, and fails the actor that gets it.
    let half = args.ranges / 2;
    let good = |range: u64| job(&factory, range, Count { from: range * LENGTH, to: (range + 1) * LENGTH });
    let nonsense = job(&factory, Key::MAX, Count { from: 1, to: 0 });
    let (first, nonsense, second) = futures_util::join!(join_all((0..half).map(good)), nonsense, join_all((half..args.ranges).map(good)));
    let mut primes = 0;
    for range in first.into_iter().chain(second) {
        primes += range?;
    }
    let error = nonsense.err().context("a range that ends before it begins was counted")?;
    println!("one job failed: {error}");
    // Whoever calls an actor that is being restarted waits for it.
    for sieve in &*sieves {
        call!(sieve, SieveMsg::Count, Count { from: 0, to: 0 })?;
    }
    let restarts: u64 = sieves.iter().map(|sieve| sieve.info().incarnation - 1).sum();
    println!("{} ranges done by {workers} actors, {restarts} restarted in place", args.ranges);
    ensure!(restarts == 1, "one actor should have been restarted, {restarts} were");

    factory.drain_requests().map_err(|error| anyhow!("the factory has gone: {error}"))?;
    end.await?;
    keeper.stop().await?;
    Ok(primes)
}

/// Has the factory do a job.
async fn job(factory: &FactoryRef<Key, Range>, key: Key, count: Count) -> anyhow::Result<u64> {
    let answer = factory.call_job(key, |reply| Range { count, reply }, None).await;
    let answer = answer.map_err(|error| anyhow!("the factory has gone: {error}"))?;
    answer.success_or(anyhow!("the job was dropped"))?.map_err(|error| anyhow!(error))
}
