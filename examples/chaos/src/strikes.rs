//! What breaks, at random: handlers, actors, proxies, worker processes, a whole device; and the orders of an administrator.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chaos_actors::{FAIL, OVERSIZED, PANIC, SPIN, TRAP, WILD_READ};
use resident::System;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::{sleep, sleep_until, timeout};

use crate::clerk::{Answer, PATIENCE};
use crate::random::Random;
use crate::senders::Scene;
use crate::tree::{Child, Place};

/// The longest pause between two strikes, in milliseconds.
const PAUSE: u64 = 160;
/// A takeover that takes longer is told at once.
const LONG: Duration = Duration::from_secs(5);
/// How long a strike that costs a worker may wait until another stands by.
const STANDBY: Duration = Duration::from_secs(2);

/// A way to break something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strike {
    /// A message that breaks its handler.
    Break(u32),
    /// An actor of ractor's panics, or fails.
    Teller,
    KillWorker,
    KillStandby,
    /// Then a takeover takes as long as a start.
    KillBoth,
    KillProxy,
    KillTeller,
    /// A child is stopped and started again by an administrator.
    Readmit,
    /// The branch's device is lost for good.
    LoseBranch,
}

const STRIKES: [(Strike, &str); 14] = [
    (Strike::Break(PANIC), "panic in a handler"),
    (Strike::Break(FAIL), "ctx.fail"),
    (Strike::Break(OVERSIZED), "oversized emit"),
    (Strike::Break(TRAP), "trap"),
    (Strike::Break(WILD_READ), "illegal address"),
    (Strike::Break(SPIN), "endless loop"),
    (Strike::Teller, "failure of a CPU actor"),
    (Strike::KillWorker, "kill -9 of the worker"),
    (Strike::KillStandby, "kill -9 of the standby"),
    (Strike::KillBoth, "kill -9 of both"),
    (Strike::KillProxy, "kill of a proxy"),
    (Strike::KillTeller, "kill of a CPU actor"),
    (Strike::Readmit, "terminate_child, restart_child"),
    (Strike::LoseBranch, "loss of a device"),
];

/// What was struck.
#[derive(Debug, Default)]
pub struct Struck {
    /// By name: strikes, and those of them that found nobody to strike.
    pub by_name: BTreeMap<&'static str, (u64, u64)>,
    /// Breaking casts that the device's actors accepted.
    pub casts: u64,
    /// Breaking calls to anybody, and those that did not end in time.
    pub calls: u64,
    pub late: u64,
}

/// Strikes until `end`.
pub async fn strike(scene: Arc<Scene>, seed: u64, end: Instant) -> Struck {
    let mut random = Random::new(seed);
    let mut struck = Struck::default();
    let mut turn: Vec<(Strike, &str)> = Vec::new();
    loop {
        let pause = Instant::now() + Duration::from_millis(random.below(PAUSE));
        if pause >= end {
            sleep_until(end.into()).await;
            return struck;
        }
        sleep_until(pause.into()).await;
        if turn.is_empty() {
            // Each once in a turn, so that a short run has them all.
            turn = STRIKES.to_vec();
            random.shuffle(&mut turn);
        }
        let Some((strike, name)) = turn.pop() else { continue };
        let done = one(&scene, strike, &mut random, &mut struck).await;
        let (strikes, missed) = struck.by_name.entry(name).or_default();
        *strikes += 1;
        *missed += u64::from(!done);
    }
}

/// Whether there was somebody to strike.
async fn one(scene: &Scene, strike: Strike, random: &mut Random, struck: &mut Struck) -> bool {
    let costs_a_worker = matches!(strike, Strike::Break(TRAP | WILD_READ | SPIN) | Strike::KillWorker | Strike::KillBoth);
    if costs_a_worker && random.below(4) > 0 {
        stands_by(&scene.system).await;
    }
    match strike {
        Strike::Break(how) => {
            let child = pick(scene, random, |child| child.place == Place::Device);
            if random.below(2) == 0 {
                let accepted = child.hand.break_now(how).is_ok();
                struck.casts += u64::from(accepted);
                accepted
            } else {
                let answer = child.hand.break_in_call(how).await;
                struck.calls += 1;
                struck.late += u64::from(matches!(answer, Answer::Late));
                matches!(answer, Answer::Failed)
            }
        }
        Strike::Teller => {
            let child = pick(scene, random, |child| child.place == Place::Here);
            child.hand.break_now([PANIC, FAIL][random.below(2) as usize]).is_ok()
        }
        Strike::KillWorker => kill(scene.system.worker()),
        Strike::KillStandby => kill(scene.system.standby()),
        Strike::KillBoth => kill(scene.system.standby()) & kill(scene.system.worker()),
        Strike::KillProxy => killed(scene, pick(scene, random, |child| child.place == Place::Device)).await,
        Strike::KillTeller => killed(scene, pick(scene, random, |child| child.place == Place::Here)).await,
        Strike::Readmit => {
            let child = pick(scene, random, |_| true);
            let again = async {
                let Some(team) = scene.tree.root.supervisor(child.team).await else { return false };
                team.terminate_child(child.id).await.is_ok() & team.restart_child(child.id).await.is_ok()
            };
            timeout(PATIENCE, again).await.unwrap_or_else(|_| {
                struck.late += 1;
                false
            })
        }
        Strike::LoseBranch => kill(scene.tree.branch.system().and_then(|system| system.worker())),
    }
}

async fn killed(scene: &Scene, child: &Child) -> bool {
    let found = child.look(&scene.tree.root).await;
    child.hand.kill();
    found
}

fn pick<'a>(scene: &'a Scene, random: &mut Random, which: impl Fn(&Child) -> bool) -> &'a Child {
    let all: Vec<_> = scene.tree.children.iter().filter(|child| which(child)).collect();
    all[random.below(all.len() as u64) as usize]
}

fn kill(process: Option<u32>) -> bool {
    let process = process.and_then(|process| Pid::from_raw(process as i32));
    process.is_some_and(|process| kill_process(process, Signal::KILL).is_ok())
}

async fn stands_by(system: &System) {
    let _ = timeout(STANDBY, async {
        while system.standby().is_none() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// What was seen of the machine meanwhile.
#[derive(Debug, Default)]
pub struct Seen {
    /// How long each takeover took, from the loss being noticed until every shard ran again.
    pub takeovers: Vec<Duration>,
    /// The longest time that this machine ran nothing of us, as where it is a virtual one that was paused.
    pub stood_still: Duration,
}

/// Watches losses and the machine until told to stop.
pub async fn watch(system: System, mut stop: oneshot::Receiver<()>) -> Seen {
    let mut took: BTreeMap<Instant, Duration> = BTreeMap::new();
    let (mut told, mut before, mut stood_still) = (None, Instant::now(), Duration::ZERO);
    while stop.try_recv() == Err(TryRecvError::Empty) {
        let gap = before.elapsed();
        before = Instant::now();
        stood_still = stood_still.max(gap);
        if let Some(loss) = system.losses().1 {
            match loss.resumed {
                Some(resumed) => drop(took.insert(loss.noticed, resumed - loss.noticed)),
                None if loss.noticed.elapsed() > LONG + gap && told != Some(loss.noticed) => {
                    told = Some(loss.noticed);
                    eprintln!(
                        "no worker has taken over within {LONG:?}: {}; now {:?}, {:?}",
                        loss.fault,
                        system.worker(),
                        system.standby()
                    );
                }
                None => {}
            }
        }
        sleep(Duration::from_millis(1)).await;
    }
    Seen { takeovers: took.into_values().collect(), stood_still }
}
