//! Faults on demand, in the middle of the run: `--inject trap@5000`. The aircraft are a guardian's then, which has each go on with
//! the state that it failed with, so that the totals still equal the fold.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flights_actors::{Aircraft, AircraftMsg, Break, Flight, HANG, PANIC, TRAP};
use flights_common::{Injected, Tail, What};
use parking_lot::Mutex;
use ractor::{ActorCell, ActorProcessingErr};
use resident::CallError;
use resident::guardian::Directive;
use resident::prelude::*;
use rustix::process::{Pid, Signal, kill_process};

use crate::reader::Fleet;

/// How long a takeover may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What breaks, and after how many flights.
#[derive(Clone, Copy, Debug)]
pub struct Injection {
    what: What,
    after: u64,
}

/// Injects faults.
pub struct Inject {
    /// The last one first.
    plan: Mutex<Vec<Injection>>,
    guardian: SupervisorRef,
    interrupted: Arc<Mutex<Vec<Interrupted>>>,
}

/// An aircraft that failed although its message was none to break it: it had told of a late flight when the device was lost, and what
/// was seen outside can not be undone. What was queued for it is lost with it.
#[derive(Clone, Copy)]
pub struct Interrupted {
    pub tail: Tail,
    /// Flights that it had counted.
    pub counted: u32,
}

impl Inject {
    /// Starts the guardian, under `supervisor`.
    pub async fn start(plan: &[Injection], supervisor: ActorCell) -> anyhow::Result<Option<Arc<Inject>>> {
        if plan.is_empty() {
            return Ok(None);
        }
        let guardian = Supervisor::builder("fleet").start_linked(supervisor).await?;
        let mut plan = plan.to_vec();
        plan.sort_by_key(|injection| std::cmp::Reverse(injection.after));
        Ok(Some(Arc::new(Inject { plan: Mutex::new(plan), guardian, interrupted: Arc::default() })))
    }

    /// Starts an aircraft that goes on after each of its faults.
    pub async fn aircraft(&self, tail: Tail, system: &System) -> Result<GpuRef<Aircraft>, ActorProcessingErr> {
        let interrupted = self.interrupted.clone();
        let spec = ChildSpec::gpu(tail.to_string(), move || Aircraft::new(tail.0)).on(system).name(tail.to_string());
        let spec = spec.on_fault(move |fault| {
            if fault.message == "Flight"
                && let Some(aircraft) = fault.state::<Aircraft>()
            {
                interrupted.lock().push(Interrupted { tail, counted: aircraft.totals().flights });
            }
            Directive::Resume
        });
        self.guardian.start_child(spec).await?;
        self.guardian.child(&*tail.as_str()).await.ok_or_else(|| format!("`{tail}` does not run").into())
    }

    /// Carries out what is due, on the aircraft of the last flight.
    pub async fn strike(&self, fleet: &mut Fleet, tail: Tail, system: &System) -> Result<(), ActorProcessingErr> {
        let due = |flights: u64| self.plan.lock().pop_if(|next| next.after <= flights);
        while let Some(Injection { what, after }) = due(fleet.rows - fleet.skipped) {
            let before = system.losses().0;
            let how = match what {
                What::Panic => Some(PANIC),
                What::Trap => Some(TRAP),
                What::Hang => Some(HANG),
                What::Kill => None,
            };
            let mut fault = None;
            match how {
                // It is behind every flight that the aircraft was sent, and the next one waits until the aircraft goes on.
                Some(how) => match fleet.aircraft[&tail].call(|reply| AircraftMsg::Break(Break { how }, reply), None).await {
                    Err(CallError::Failed(failed)) => fault = Some(failed.to_string()),
                    other => return Err(format!("`{tail}` did not break: {other:?}").into()),
                },
                None => kill(system)?,
            }
            let takeover_ms = match what {
                What::Panic => None,
                _ => Some(taken_over(system, before).await?.as_secs_f64() * 1e3),
            };
            fleet.injected.push(Injected { what, after, takeover_ms, fault });
        }
        Ok(())
    }

    /// Aircraft to whom flights have to be sent again, once.
    pub fn interrupted(&self) -> Vec<Interrupted> {
        std::mem::take(&mut self.interrupted.lock())
    }

    /// Stops the aircraft.
    pub async fn stop(&self) -> anyhow::Result<()> {
        Ok(self.guardian.stop().await?)
    }
}

impl Interrupted {
    /// Of all of its flights those that were lost: the ones behind what it had counted, as many as it lacks in the end.
    pub fn lost<'a>(&self, flights: &'a [Flight], counted: u32) -> &'a [Flight] {
        let behind = flights.get(self.counted as usize..).unwrap_or_default();
        &behind[..behind.len().min(flights.len().saturating_sub(counted as usize))]
    }
}

fn kill(system: &System) -> Result<(), ActorProcessingErr> {
    let worker = system.worker().and_then(|worker| Pid::from_raw(worker as i32)).ok_or("there is no worker process to kill")?;
    Ok(kill_process(worker, Signal::KILL)?)
}

/// How long the takeover took after the first loss beyond `before`.
async fn taken_over(system: &System, before: u64) -> Result<Duration, ActorProcessingErr> {
    let begun = Instant::now();
    loop {
        if let (losses, Some(loss)) = system.losses()
            && let Some(resumed) = loss.resumed.filter(|_| losses > before)
        {
            return Ok(resumed - loss.noticed);
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("no worker took over within {PATIENCE:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

impl FromStr for Injection {
    type Err = String;

    fn from_str(text: &str) -> Result<Injection, String> {
        let wrong = || format!("`{text}` is not panic, trap, hang or kill, `@` and a number of flights, as trap@5000");
        let (what, after) = text.split_once('@').ok_or_else(wrong)?;
        let what = match what {
            "panic" => What::Panic,
            "trap" => What::Trap,
            "hang" => What::Hang,
            "kill" => What::Kill,
            _ => return Err(wrong()),
        };
        Ok(Injection { what, after: after.parse().map_err(|_| wrong())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_a_stretch_behind_what_was_counted() {
        let flights: Vec<_> = (0..9).map(|n| Flight { arr_delay: Some(n).into(), air_time: None.into(), distance: None.into() }).collect();
        let interrupted = Interrupted { tail: Tail(*b"N14228\0\0\0\0\0\0"), counted: 4 };
        assert_eq!(interrupted.lost(&flights, 9), []);
        assert_eq!(interrupted.lost(&flights, 7), &flights[4..6], "4 before the fault and 3 after it were counted");
        assert_eq!(interrupted.lost(&flights, 4), &flights[4..]);
    }

    #[test]
    fn an_injection_is_a_fault_and_a_number() {
        assert!("trap@5000".parse::<Injection>().is_ok_and(|injection| injection.after == 5000));
        for text in ["trap", "trap@", "trap@x", "@5", "burn@5"] {
            assert!(text.parse::<Injection>().is_err_and(|why| why.contains("as trap@5000")), "{text}");
        }
    }
}
