//! A supervised tree under load while everything that can break breaks; at the end its books balance, or the program fails.
//!
//! ```text
//!   senders (threads, tasks) --- entries --> clerks (GPU), tellers (CPU) --- slips --> archive
//!                                              |      ^
//!                        supervisors ----------+      +------- strikes: faults, kills, an administrator
//! ```
//!
//! [`book`] says what is counted and compared, [`tree`] who supervises whom, [`strikes`] what breaks.

mod board;
mod book;
mod clerk;
mod machine;
mod random;
mod report;
mod senders;
mod strikes;
mod tree;

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use examples_common::Device;
use resident::checkpoint::every;
use resident::prelude::*;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::board::Board;
use crate::machine::{Holdings, room};
use crate::random::Random;
use crate::report::{Report, Run};
use crate::senders::{POSTS, Scene, TASKS, THREADS};
use crate::tree::{CHILDREN_COUNT, Child, Place};

/// How much longer than asked for it may take: what waits is waited for, but not for ever.
const BOUND: Duration = Duration::from_secs(420);
/// How long the tree may take to be whole again after the last strike.
const SETTLE: Duration = Duration::from_secs(150);
/// Room for the states, little enough that what is not given back is missed.
const ARENA: u64 = 128 << 10;
/// Messages that are kept of an actor until the next checkpoint.
const JOURNAL: usize = 64;

/// Breaks a supervised tree of actors in every way for a while, and checks its books.
#[derive(Parser)]
struct Args {
    /// For how long
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Decides what breaks
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the resident actors live
    #[arg(long, value_enum, default_value = "auto")]
    device: Device,
    /// Write the report to this file, too
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Serve metrics for Prometheus at this address, as 127.0.0.1:9464, while the program runs
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// Take checkpoints meanwhile, so many milliseconds apart, and have one actor more restart from them
    #[arg(long, value_name = "MILLIS")]
    checkpoint_every: Option<NonZeroU64>,
    /// Keep the metrics up for so many seconds after the report
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    hold: u64,
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let bound = Duration::from_secs(args.seconds + args.hold) + BOUND;
    std::thread::spawn(move || {
        std::thread::sleep(bound);
        eprintln!("error: not at its end after {bound:?}: something hangs");
        std::process::exit(1);
    });
    match run(&args) {
        Ok(report) => match finish(&args, &report) {
            Ok(()) if report.is_balanced() => return ExitCode::SUCCESS,
            Ok(()) => {}
            Err(error) => eprintln!("error: {error:#}"),
        },
        Err(error) => eprintln!("error: {error:#}"),
    }
    ExitCode::FAILURE
}

fn finish(args: &Args, report: &Report) -> anyhow::Result<()> {
    println!("{report}");
    if let Some(path) = &args.report {
        std::fs::write(path, format!("{report}\n")).with_context(|| format!("can not write `{}`", path.display()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string(report)?);
    }
    std::thread::sleep(Duration::from_secs(args.hold));
    Ok(())
}

#[tokio::main]
async fn run(args: &Args) -> anyhow::Result<Report> {
    quiet();
    if let Some(address) = args.metrics {
        resident::metrics::install(address).context("choose another address with --metrics")?;
    }
    let config = Config {
        devices: vec![args.device.into()],
        arena_bytes: ARENA,
        intensity: (u32::MAX, Duration::from_secs(1)),
        journal: if args.checkpoint_every.is_some() { JOURNAL } else { 0 },
        ..Config::default()
    };
    // What the driver's library opens once for a process is open after its first system.
    System::start(config.clone()).await?.stop().await;
    let before = Holdings::now();
    let system = System::start(config).await?;
    eprintln!("{} s of chaos on {}", args.seconds, system.device());
    let room_before = room(&system).await;
    let board = Arc::new(Board::new(CHILDREN_COUNT));
    let tree = tree::start(&system, &board, args.checkpoint_every.is_some()).await?;
    let checkpoints = args.checkpoint_every.map(|millis| every(Duration::from_millis(millis.get())).deltas(9).start(&system));
    let scene = Arc::new(Scene { tree, system: system.clone(), stop: AtomicBool::new(false), ways: Default::default() });

    let begun = Instant::now();
    let mut random = Random::new(args.seed);
    let (over, watched) = oneshot::channel();
    let watch = tokio::spawn(strikes::watch(system.clone(), watched));
    let threads: Vec<_> = (0..THREADS)
        .map(|lane| {
            let (scene, seed, runtime) = (scene.clone(), random.next(), Handle::current());
            std::thread::spawn(move || senders::on_a_thread(scene, lane, seed, runtime))
        })
        .collect();
    let tasks: Vec<_> = (THREADS..THREADS + TASKS + POSTS)
        .map(|lane| tokio::spawn(senders::in_a_task(scene.clone(), lane, random.next(), lane >= THREADS + TASKS)))
        .collect();
    let struck = tokio::spawn(strikes::strike(scene.clone(), random.next(), begun + Duration::from_secs(args.seconds))).await?;
    scene.stop.store(true, Ordering::Relaxed);
    let mut ledgers = Vec::new();
    for thread in threads {
        let joined = tokio::task::spawn_blocking(move || thread.join()).await?;
        ledgers.push(joined.map_err(|_| anyhow::anyhow!("a sending thread has panicked"))?);
    }
    for task in tasks {
        ledgers.push(task.await?);
    }
    let silent = last_sheets(&scene, &board).await;
    let seconds = begun.elapsed().as_secs_f64();
    let _ = over.send(());
    let seen = watch.await?;
    if let Some(checkpoints) = checkpoints {
        eprintln!("{} checkpoints were taken, {} were not", checkpoints.taken(), checkpoints.errors());
        checkpoints.stop().await;
    }

    scene.tree.children.iter().for_each(|child| child.hand.let_go());
    let ended = scene.tree.root.stop().await.map_err(|error| error.to_string());
    let running = system.running();
    let room = (room_before, room(&system).await);
    let losses = system.losses().0;
    let stopped = system.stop().await;
    let info = system.device().clone();
    // Whoever has a system still holds its memory.
    let scene = Arc::into_inner(scene).context("a sender has not ended")?;
    let (children, ways) = (scene.tree.children, scene.ways.map(AtomicU64::into_inner));
    drop((system, scene.system, scene.tree.branch, scene.tree.root));
    let after = {
        let before = before.clone();
        tokio::task::spawn_blocking(move || Holdings::after(&before)).await?
    };
    let held = (before, after);
    let run = Run {
        info,
        children: &children,
        ways,
        board: &board,
        ledgers: &ledgers,
        struck: &struck,
        seen,
        losses,
        seconds,
        seed: args.seed,
        silent,
        ended,
        stopped,
        running,
        room,
        held,
    };
    Ok(Report::new(run))
}

/// Asks every clerk for its sheet, once it runs again; who did not answer.
async fn last_sheets(scene: &Scene, board: &Board) -> Vec<String> {
    let mut silent = Vec::new();
    for child in &scene.tree.children {
        match tokio::time::timeout(SETTLE, last_sheet(scene, child)).await {
            Ok(sheet) if child.place != Place::Here => board.last(child.index, sheet),
            Ok(_) => {}
            Err(_) => silent.push(format!("{} did not come back within {SETTLE:?}", child.name())),
        }
    }
    silent
}

async fn last_sheet(scene: &Scene, child: &Child) -> chaos_actors::Sheet {
    loop {
        if child.look(&scene.tree.root).await
            && let Some(sheet) = child.hand.sheet().await
        {
            return sheet;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Panics that were asked for are no news.
fn quiet() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or_default();
        if !text.starts_with("asked to") {
            tell(info);
        }
    }));
}
