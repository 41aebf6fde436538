//! A device that is broken, again and again: when somebody who has nothing to do with it is answered, and when a supervisor hears.
//!
//! A breaker gets a message that no worker survives, or the worker is killed. Right behind, a counter of the same shard is asked: its
//! message waits in the ring behind the one that breaks, so its answer comes from the worker that takes over, and has to be the sum of
//! all that this counter was ever sent.

use super::Ours;
use super::round_trips::Counters;
use crate::rounds::{Contender, Error, Record};
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use resident::{FaultClass, GpuFault, Loss, Spawn, System};
use resident_test_actors::{Break, Breaker, BreakerMsg, Counter, EXPLICIT, Panic, Panicker, PanickerMsg, SPIN, TRAP, WILD_READ};
use rustix::process::{Pid, Signal, kill_process};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::yield_now;
use std::time::{Duration, Instant};

/// How long a worker may take to be noticed as lost, to take over, or to get ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// A way to break a device by a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A trap.
    Trap,
    /// A read of an address that is nobody's.
    IllegalAddress,
    /// A handler without end.
    Hang,
}

impl Way {
    /// Every way.
    pub const ALL: [Way; 3] = [Way::Trap, Way::IllegalAddress, Way::Hang];

    /// What the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Way::Trap => "trap",
            Way::IllegalAddress => "illegal address",
            Way::Hang => "hung handler",
        }
    }

    fn how(self) -> u32 {
        match self {
            Way::Trap => TRAP,
            Way::IllegalAddress => WILD_READ,
            Way::Hang => SPIN,
        }
    }

    fn class(self) -> FaultClass {
        match self {
            Way::Trap => FaultClass::Trap,
            Way::IllegalAddress => FaultClass::IllegalAddress,
            Way::Hang => FaultClass::Hang,
        }
    }
}

/// The names of the series of one kind of loss.
#[derive(Clone, Debug)]
pub struct Names {
    /// From the message that breaks, or the kill, to the answer.
    pub reply: String,
    /// From when the loss was noticed to the answer.
    pub noticed_to_reply: String,
    /// From when the loss was noticed until every shard ran again.
    pub noticed_to_running: String,
    /// From when the loss was noticed to the supervisor's event.
    pub event: String,
}

impl Names {
    /// Of `what`, under `title`.
    pub fn new(title: &str, what: &str) -> Names {
        let name = |which: &str| format!("{title}, {what}{which}");
        Names {
            reply: name(" to next reply"),
            noticed_to_reply: name(" noticed to next reply"),
            noticed_to_running: name(" noticed to shards running"),
            event: name(" noticed to supervisor's event"),
        }
    }

    /// Of messages that break.
    pub fn of(title: &str, way: Way) -> Names {
        Names::new(title, way.name())
    }

    /// Of kills of the worker.
    pub fn of_kill(title: &str, standby: bool) -> Names {
        Names::new(title, if standby { "worker killed" } else { "worker killed, no standby" })
    }
}

/// Faults of one class.
pub struct Faults<'r> {
    ours: Ours<'r>,
    way: Way,
    repeats: u32,
}

impl<'r> Faults<'r> {
    /// So many in each round.
    pub fn new(ours: Ours<'r>, way: Way, repeats: u32) -> Faults<'r> {
        Faults { ours: ours.with(|config| config.intensity = (u32::MAX, Duration::from_secs(1))), way, repeats }
    }
}

impl Contender for Faults<'_> {
    fn name(&self) -> String {
        format!("{}, {}", self.ours.title(), self.way.name())
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let names = Names::of(&self.ours.title(), self.way);
        self.ours.system(|system| {
            let mut counters = Counters::new(self.ours.on_every_shard(system, Counter::default)?);
            let (supervisor, heard) = self.ours.runtime.block_on(supervisor())?;
            for _ in 0..self.repeats {
                ready(system)?;
                let before = system.losses().0;
                let (breaker, _) =
                    self.ours.runtime.block_on(Breaker::spawn_linked(None, Breaker::default(), system, supervisor.clone()))?;
                let shard = breaker.info().address.shard() as usize;
                counters.ask(shard)?;
                let start = Instant::now();
                breaker.cast(BreakerMsg::Break(Break { how: self.way.how() }))?;
                counters.ask(shard)?;
                let reply = Instant::now();
                let loss = resumed(system, before)?;
                let event = heard.fault_of(breaker.get_id(), self.way.class(), "Break")?;
                record.times(&names.reply, &[nanos(reply - start)]);
                record.times(&names.noticed_to_reply, &[nanos(reply - loss.noticed)]);
                record.times(&names.noticed_to_running, &[nanos(took(&loss))]);
                record.times(&names.event, &[nanos(event - loss.noticed)]);
                record.checked(&self.name(), 2);
            }
            supervisor.stop(None);
            Ok(())
        })
    }
}

/// Kills of the worker while nothing is handled.
pub struct Kills<'r> {
    ours: Ours<'r>,
    standby: bool,
    repeats: u32,
}

impl<'r> Kills<'r> {
    /// So many in each round, with another worker that stands by or not.
    pub fn new(ours: Ours<'r>, standby: bool, repeats: u32) -> Kills<'r> {
        let ours = ours.with(|config| {
            config.standby = standby;
            config.intensity = (u32::MAX, Duration::from_secs(1));
        });
        Kills { ours, standby, repeats }
    }
}

impl Contender for Kills<'_> {
    fn name(&self) -> String {
        format!("{}, worker killed{}", self.ours.title(), if self.standby { "" } else { ", no standby" })
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let names = Names::of_kill(&self.ours.title(), self.standby);
        self.ours.system(|system| {
            let mut counters = Counters::new(self.ours.on_every_shard(system, Counter::default)?);
            for turn in 0..u64::from(self.repeats) {
                if self.standby {
                    ready(system)?;
                }
                counters.ask(0)?;
                let start = Instant::now();
                kill_worker(system)?;
                // Asked before, it could be answered by who was killed, or be what is blamed.
                noticed(system, turn)?;
                counters.ask(0)?;
                let reply = Instant::now();
                let loss = resumed(system, turn)?;
                record.times(&names.reply, &[nanos(reply - start)]);
                record.times(&names.noticed_to_reply, &[nanos(reply - loss.noticed)]);
                record.times(&names.noticed_to_running, &[nanos(took(&loss))]);
                record.checked(&self.name(), 2);
            }
            Ok(())
        })
    }
}

/// Panics, which cost their actor and no worker.
pub struct Panics<'r> {
    ours: Ours<'r>,
    repeats: u32,
}

impl<'r> Panics<'r> {
    /// So many in each round.
    pub fn new(ours: Ours<'r>, repeats: u32) -> Panics<'r> {
        Panics { ours, repeats }
    }

    /// What the table calls them.
    pub fn series(title: &str) -> String {
        format!("{title}, panic cast to supervisor's event")
    }
}

impl Contender for Panics<'_> {
    fn name(&self) -> String {
        Panics::series(&self.ours.title())
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        self.ours.system(|system| {
            let (supervisor, heard) = self.ours.runtime.block_on(supervisor())?;
            for value in 0..self.repeats {
                let spawned = Panicker::spawn_linked(None, Panicker::default(), system, supervisor.clone());
                let (panicker, _) = self.ours.runtime.block_on(spawned)?;
                let start = Instant::now();
                panicker.cast(PanickerMsg::Panic(Panic { how: EXPLICIT, value }))?;
                let event = heard.fault_of(panicker.get_id(), FaultClass::Panic, "Panic")?;
                record.times(&self.name(), &[nanos(event - start)]);
            }
            record.checked(&self.name(), u64::from(self.repeats));
            supervisor.stop(None);
            match system.losses().0 {
                0 => Ok(()),
                lost => Err(format!("{lost} workers were lost by panics").into()),
            }
        })
    }
}

fn nanos(time: Duration) -> f64 {
    time.as_nanos() as f64
}

/// From the notice of a loss that is over until every shard ran again.
fn took(loss: &Loss) -> Duration {
    loss.resumed.unwrap_or(loss.noticed) - loss.noticed
}

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> Result<T, Error> {
    let start = Instant::now();
    loop {
        match found() {
            Some(found) => return Ok(found),
            None if start.elapsed() > PATIENCE => return Err(format!("{what}: not within {PATIENCE:?}").into()),
            None => yield_now(),
        }
    }
}

/// Waits until another worker can take over at once.
pub(super) fn ready(system: &System) -> Result<u32, Error> {
    until("a worker stands by", || system.standby())
}

/// Waits until one more worker than `before` is counted as lost.
pub(super) fn noticed(system: &System, before: u64) -> Result<(), Error> {
    until("the loss is noticed", || (system.losses().0 > before).then_some(()))
}

/// Waits until the worker lost after so many `before` was taken over from. Where other messages were being handled beside the one that did
/// it, it takes a second loss to know which one that was.
pub(super) fn resumed(system: &System, before: u64) -> Result<Loss, Error> {
    let loss = until("the shards run again", || {
        let (losses, last) = system.losses();
        let last = last.filter(|loss| loss.resumed.is_some() && losses > before)?;
        Some((losses, last))
    })?;
    match loss {
        (losses, loss) if losses <= before + 2 => Ok(loss),
        (losses, loss) => Err(format!("{} workers were lost by one fault, the last: {}", losses - before, loss.fault).into()),
    }
}

/// Kills the worker process.
pub(super) fn kill_worker(system: &System) -> Result<(), Error> {
    let worker = system.worker().and_then(|worker| Pid::from_raw(worker as i32)).ok_or("the worker is no process")?;
    Ok(kill_process(worker, Signal::KILL)?)
}

/// A supervisor that notes what it hears, and when.
struct Supervisor(Sender<(Instant, ActorId, ActorProcessingErr)>);

#[ractor::actor(message = (), state = (), arguments = ())]
impl Supervisor {
    async fn pre_start(&self, _: ActorRef<()>, _: ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(&self, _: ActorRef<()>, event: SupervisionEvent, _: &mut ()) -> Result<(), ActorProcessingErr> {
        let now = Instant::now();
        if let SupervisionEvent::ActorFailed(who, error) = event {
            let _ = self.0.send((now, who.get_id(), error));
        }
        Ok(())
    }
}

/// What a [`Supervisor`] has heard.
struct Heard(Receiver<(Instant, ActorId, ActorProcessingErr)>);

impl Heard {
    /// When the supervisor heard of the next failure, which has to be this one.
    fn fault_of(&self, actor: ActorId, class: FaultClass, message: &str) -> Result<Instant, Error> {
        let (when, who, error) = self.0.recv_timeout(PATIENCE)?;
        match error.downcast_ref::<GpuFault>() {
            Some(fault) if who == actor && fault.class == class && fault.message == message => Ok(when),
            _ => Err(format!("instead of the fault of {actor} the supervisor heard of {who}: {error}").into()),
        }
    }
}

async fn supervisor() -> Result<(ActorCell, Heard), Error> {
    let (send, heard) = channel();
    let (supervisor, _) = Supervisor::spawn(None, Supervisor(send), ()).await?;
    Ok((supervisor.get_cell(), Heard(heard)))
}
