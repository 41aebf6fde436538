//! A system that is started to see whether one can be: an actor is called, and its worker killed once.

use std::time::{Duration, Instant};

use ractor::rpc::CallResult;
use resident::prelude::*;
use resident::{DeviceStartError, StartError};
use resident_probe::{Probe, ProbeMsg};
use rustix::process::{Pid, Signal, kill_process};

use super::finding::Finding;

/// Calls in a row.
const CALLS: u32 = 1000;
/// How long an answer may take: a worker without a standby is started anew meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tries a device; `None` if the driver shows none of this ordinal.
pub(crate) async fn probe(device: Choice) -> Option<Finding> {
    let advice = "a program on this device would end with the same, see what is said above; the CPU device is `Config::cpu()`";
    let system = match System::start(Config { devices: vec![device.into()], ..Config::default() }).await {
        Ok(system) => system,
        Err(StartError::Device(DeviceStartError::NoDevice(_))) => return None,
        Err(error) => return Some(Finding::stops(error.to_string(), advice)),
    };
    let used = use_it(&system).await;
    let stopped = system.stop().await.device.map_err(|error| format!("the stop: {error}"));
    Some(match used.and_then(|found| stopped.map(|()| found)) {
        Ok(found) => Finding::good(found),
        Err(found) => Finding::stops(found, advice),
    })
}

async fn use_it(system: &System) -> Result<String, String> {
    let (actor, _) = Probe::spawn(None, Probe::default(), system).await.map_err(|error| format!("the spawn: {error}"))?;
    let begun = Instant::now();
    for n in 1..=CALLS {
        call(&actor, n.into()).await?;
    }
    let calls = begun.elapsed();
    let begun = Instant::now();
    let Some(worker) = system.worker().and_then(|worker| Pid::from_raw(worker as i32)) else {
        return Err("there is no worker process to be killed".into());
    };
    kill_process(worker, Signal::KILL).map_err(|error| format!("worker {} could not be killed: {error}", worker.as_raw_nonzero()))?;
    // Until its end is noticed the rings take messages, which the next worker handles.
    while system.losses().0 == 0 {
        if begun.elapsed() > PATIENCE {
            return Err("nobody has noticed that the worker was killed".into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    call(&actor, u64::from(CALLS) + 1).await?;
    Ok(format!("{}: {CALLS} calls took {calls:.1?}; a worker that was killed cost {:.1?}", system.device(), begun.elapsed()))
}

async fn call(actor: &GpuRef<Probe>, count: u64) -> Result<(), String> {
    let answer = actor.call(ProbeMsg::Ping, Some(PATIENCE)).await.map_err(|error| format!("call {count}: {error}"))?;
    match answer {
        CallResult::Success(got) if got == count => Ok(()),
        other => Err(format!("call {count}: {other:?}")),
    }
}
