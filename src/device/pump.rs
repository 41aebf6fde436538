//! The way out of the device: a thread that takes replies, faults and emitted messages from the shards' rings and hands them
//! to who waits for them.
//!
//! - **U-1 (once)** What waits for an answer is completed once.
//! - **U-2 (fault first)** A failed actor's fault is recorded before the call that failed ends and before its proxy stops.
//! - **U-3 (distrust)** A frame that the device can not have sent ends the device, not this thread.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use resident_gpu::Class;
use resident_gpu::device::{DeviceFault, Health};
use resident_gpu::ring::{Consumer, Frame};
use resident_gpu::rows::RowId;
use resident_kernels::wire::{
    BlameInfo, FaultInfo, OP_ACK, OP_ASK_OUT, OP_BLAMED, OP_BORN, OP_EMIT, OP_ENDED, OP_FAULT, OP_REFUSED, OP_REPLY, OP_RETURN,
    OP_TELL_OUT, REFUSED_FAILED, REFUSED_STALE, slots_for,
};

use crate::clock;
use crate::config::{Pump as Settings, Wait};
use crate::device::core::Core;
use crate::device::outward::Outward;
use crate::device::takeover::Takeovers;
use crate::fault::{At, FaultClass, Returned};
use crate::metrics::REPORT_EVERY;
use crate::shard::doorbell::Doorbell;
use crate::shard::occupant::refused;
use crate::shard::port::Port;
use crate::shard::trace::{Traced, within};
use crate::shard::waiting::{Expects, Waiting};

/// Frames taken from one shard before the next has its turn.
const TURN: usize = 256;
/// How long a pump sleeps while the device is at work and brings nothing.
const NAP: Duration = Duration::from_micros(50);
/// How long it sleeps while nothing is to be done, before it looks after the device.
const PARK: Duration = Duration::from_millis(50);
/// How long its actors must have handled nothing before a device counts as having nothing to do: they may be sending to each other.
const STILL: Duration = Duration::from_millis(2);
/// Turns between looks at the system's time while nothing comes.
const CLOCK_EVERY: u64 = 8;
/// How often the device's health is looked at.
const HEALTH_EVERY: Duration = Duration::from_millis(10);

/// Lets some time pass; nobody rings meanwhile.
fn pass(time: fn()) -> bool {
    time();
    false
}

/// One shard's way out.
struct Lane {
    port: Arc<Port>,
    consumer: Consumer,
    outward: Outward,
    /// The shard's ingress head when waiting senders were last told of room.
    head: u64,
}

/// A pump.
pub(crate) struct Pump {
    core: Arc<Core>,
    bell: Arc<Doorbell>,
    lanes: Vec<Lane>,
    settings: Settings,
    /// Looks after the device and reports metrics.
    leader: bool,
    looked: Instant,
    reported: Instant,
    takeovers: Takeovers,
    /// Frames that the device had handled when that last was another number, and when that was.
    handled: (u64, Instant),
}

impl Pump {
    /// Starts the pump of `consumers`, whose ports ring `bell`.
    pub(crate) fn start(
        core: Arc<Core>,
        index: usize,
        consumers: Vec<(Arc<Port>, Consumer)>,
        settings: Settings,
    ) -> std::io::Result<thread::JoinHandle<()>> {
        let now = Instant::now();
        let mut pump = Pump {
            bell: core.bells[index].clone(),
            core,
            lanes: consumers.into_iter().map(|(port, consumer)| Lane { port, consumer, outward: Outward::default(), head: 0 }).collect(),
            settings,
            leader: index == 0,
            looked: now,
            reported: now,
            takeovers: Takeovers::default(),
            handled: (0, now),
        };
        thread::Builder::new().name(format!("resident-pump-{index}")).spawn(move || pump.run())
    }

    fn run(&mut self) {
        self.bell.attend();
        let mut idle_since: Option<Instant> = None;
        for turn in 0u64.. {
            let ending = self.core.has_ended();
            // Not each time: the clock's word is the senders' too.
            if turn.is_multiple_of(CLOCK_EVERY) || idle_since.is_none() {
                clock::refresh();
            }
            if self.sweep() > 0 {
                idle_since = None;
                self.look_after(Instant::now());
                continue;
            }
            if ending {
                break;
            }
            let now = Instant::now();
            self.look_after(now);
            let idle = now - *idle_since.get_or_insert(now);
            let quiet = self.is_quiet(now);
            let rung = match self.settings.wait {
                _ if idle < self.settings.spin => pass(std::hint::spin_loop),
                _ if idle < self.settings.spin + self.settings.yield_for => pass(thread::yield_now),
                Wait::Spin => pass(std::hint::spin_loop),
                Wait::Yield => pass(thread::yield_now),
                Wait::Park if quiet => self.park(),
                Wait::Park => self.bell.nap(NAP),
            };
            if rung {
                idle_since = None;
            }
        }
        self.core.close();
        if self.leader {
            self.core.report_the_end();
        }
    }

    fn is_quiet(&mut self, now: Instant) -> bool {
        let handled = self.core.handled();
        if handled != self.handled.0 {
            self.handled = (handled, now);
        }
        now - self.handled.1 >= STILL
            && self.lanes.iter().all(|lane| lane.port.is_quiet() && !lane.port.has_traced() && !lane.outward.waits())
    }

    /// Sleeps until something comes; false if nothing did.
    fn park(&mut self) -> bool {
        let Pump { bell, lanes, core, .. } = self;
        bell.park(PARK, || {
            // The device has handled everything, so what it said is in the rings by now; there must be nothing.
            lanes.iter().all(|lane| lane.port.is_quiet() && !lane.port.has_traced())
                && !core.has_ended()
                && lanes.iter_mut().all(|lane| lane.take(core) == 0)
        })
    }

    /// Takes what is there; the number of frames.
    fn sweep(&mut self) -> usize {
        let mut frames = 0;
        for lane in &mut self.lanes {
            frames += lane.take(&self.core);
            lane.port.flush();
            if lane.port.has_traced() {
                lane.port.handled(self.core.device.progress(lane.port.shard).ingress_head);
            }
            if lane.port.is_thirsty() {
                let head = self.core.device.progress(lane.port.shard).ingress_head;
                if head != lane.head || self.core.lost().is_some() {
                    lane.head = head;
                    lane.port.credit.notify_waiters();
                }
            }
        }
        frames
    }

    /// The device's health and the metrics, once in a while.
    fn look_after(&mut self, now: Instant) {
        if !self.leader {
            return;
        }
        if now - self.looked >= HEALTH_EVERY {
            self.looked = now;
            if let Health::Failed(fault) = self.core.device.health()
                && self.core.lost().is_none()
            {
                self.core.lose(fault);
            }
            // A takeover takes some milliseconds, and another may follow it.
            self.core.look_for_losses();
            self.takeovers.look(&self.core);
            self.core.nurseries.iter().for_each(|nursery| nursery.top_up_if_short());
        }
        if now - self.reported >= REPORT_EVERY {
            self.reported = now;
            self.core.report();
        }
    }
}

impl Lane {
    /// Takes up to a turn's frames; their number.
    fn take(&mut self, core: &Core) -> usize {
        if !self.outward.goes_on(core) || core.lost().is_some() {
            return 0;
        }
        for n in 0..TURN {
            let begin = self.consumer.position();
            let problem = match self.consumer.pop() {
                Ok(Some(frame)) => {
                    self.port.set_fetched(begin + slots_for(frame.payload.len()) as u64);
                    clock::observe(frame.hlc);
                    // These may have the stamp of something long before.
                    if n == 0 && !matches!(frame.op, OP_REFUSED | OP_BLAMED | OP_RETURN) {
                        core.metrics.taken(frame.hlc);
                    }
                    let done = match frame.op {
                        OP_TELL_OUT | OP_ASK_OUT => {
                            let Lane { port, outward, .. } = self;
                            port.tracer.outward("relay", port.shard, &frame, || outward.take(core, &frame))
                        }
                        _ => handle(core, &self.port, &frame),
                    };
                    match done {
                        Ok(()) if self.outward.waits() => return n + 1,
                        Ok(()) => continue,
                        Err(problem) => problem,
                    }
                }
                Ok(None) => return n,
                Err(corrupt) => corrupt.to_string(),
            };
            core.lose(DeviceFault { class: Class::Protocol, text: format!("shard {}: {problem}", self.port.shard) });
            return n;
        }
        TURN
    }
}

/// Hands one frame to who waits for it; an error says what the device can not have meant.
fn handle(core: &Core, port: &Port, frame: &Frame<'_>) -> Result<(), String> {
    let id = RowId { row: frame.row, generation: frame.generation };
    match frame.op {
        // One of a batch, whose fence somebody waits for.
        OP_ACK if frame.correlation == u32::MAX => Ok(()),
        OP_REFUSED if frame.correlation == u32::MAX => {
            core.answered_refusal();
            if core.nurseries.get(port.shard as usize).is_some_and(|nursery| nursery.refused(id)) {
                tracing::error!(shard = port.shard, "the device has refused a grant; this is an error of resident, please report it");
                return Ok(());
            }
            // The stop behind a spawn that was refused finds nobody there any more.
            if let Some(tenant) = port.tenant(id) {
                tenant.fail(id, FaultClass::Refused, None, refused(frame.message));
                tenant.who.failed();
            }
            Ok(())
        }
        OP_RETURN => {
            if let Some(tenant) = port.tenant(id) {
                tenant.who.give_back(Returned { message: frame.message, payload: frame.payload.to_vec() });
            }
            Ok(())
        }
        OP_BLAMED => blamed(core, port, frame),
        OP_EMIT => {
            let emitted = || core.emitted(frame.correlation, frame.payload);
            if !port.tracer.outward("emit", port.shard, frame, emitted) {
                core.dead_letter();
            }
            Ok(())
        }
        OP_FAULT => fault(core, port, frame),
        OP_BORN => core.nurseries.get(port.shard as usize).map_or(Ok(()), |nursery| nursery.born(frame.payload)),
        OP_ENDED => {
            core.links.ended((port.shard, id));
            if let Some(tenant) = port.tenant(id) {
                tenant.ended(id);
            }
            Ok(())
        }
        OP_REPLY | OP_ACK => {
            let Waiting { answer, expects, .. } = awaited(port, frame)?;
            expects.check(frame)?;
            let traced = called(core, expects);
            within(traced, "replied", Some(frame.hlc), || answer.end(Ok(frame.payload)));
            Ok(())
        }
        OP_REFUSED => {
            core.answered_refusal();
            let Waiting { answer, id, expects } = awaited(port, frame)?;
            let traced = match expects {
                Expects::Reply(call) => call.traced,
                _ => None,
            };
            within(traced, "refused", None, || answer.end(Err(port.refused(id, frame.message))));
            Ok(())
        }
        other => Err(format!("op {other} is not sent in this direction")),
    }
}

/// A wait for a reply is over: the call is timed, and handed out if it is traced.
#[inline]
fn called(core: &Core, expects: Expects) -> Option<Box<Traced>> {
    let Expects::Reply(call) = expects else { return None };
    core.metrics.call(call.kind, call.since);
    call.traced
}

fn awaited(port: &Port, frame: &Frame<'_>) -> Result<Waiting, String> {
    port.take(frame.correlation).ok_or_else(|| format!("an answer (op {}) that nobody waits for", frame.op))
}

/// U-2.
fn fault(core: &Core, port: &Port, frame: &Frame<'_>) -> Result<(), String> {
    let class = FaultClass::from_wire(frame.message).ok_or_else(|| format!("a fault of class {}", frame.message))?;
    let Some((info, text)) = frame.payload.split_first_chunk() else {
        return Err(format!("a fault of {} bytes", frame.payload.len()));
    };
    let FaultInfo { handled, message, .. } = FaultInfo::from_bytes(info);
    let text = String::from_utf8_lossy(text).into_owned();
    let id = RowId { row: frame.row, generation: frame.generation };
    let tenant = port.tenant(id);
    if let Some(tenant) = &tenant {
        tenant.fail(id, class, Some(At { message, handled }), text);
    }
    if frame.correlation != u32::MAX {
        let Waiting { answer, expects: Expects::Reply(call), .. } = awaited(port, frame)? else {
            return Err("a fault where an acknowledgement belongs".into());
        };
        core.metrics.call(call.kind, call.since);
        within(call.traced, "failed", Some(frame.hlc), || answer.end(Err(port.refused(id, REFUSED_FAILED))));
    }
    if let Some(tenant) = tenant {
        tenant.who.failed();
    }
    Ok(())
}

/// U-2, for the message that was being handled when the device was lost: its actor fails, its call ends if it has not.
fn blamed(core: &Core, port: &Port, frame: &Frame<'_>) -> Result<(), String> {
    let class = FaultClass::from_wire(frame.message).ok_or_else(|| format!("a fault of class {}", frame.message))?;
    let info = frame.payload.try_into().map_err(|_| format!("a blame of {} bytes", frame.payload.len()))?;
    let BlameInfo { handled, message, failed, line, reply_tag } = BlameInfo::from_bytes(info);
    let id = RowId { row: frame.row, generation: frame.generation };
    let tenant = port.tenant(id).filter(|_| failed != 0);
    if let Some(tenant) = &tenant {
        let why = core.device.losses().1.map_or_else(String::new, |loss| loss.fault.text);
        tenant.fail(id, class, Some(At { message, handled }), why);
    }
    if line != u32::MAX {
        core.device.replies().end(line, reply_tag as u16);
    }
    if frame.correlation != u32::MAX
        && let Some(Waiting { answer, expects: Expects::Reply(call), .. }) = port.take(frame.correlation)
    {
        core.metrics.call(call.kind, call.since);
        within(call.traced, "failed", None, || answer.end(Err(port.refused(id, REFUSED_STALE))));
    }
    if let Some(tenant) = tenant {
        tenant.who.failed();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::device::later::Timers;
    use crate::device::links::Links;
    use crate::device::shared::Shared;
    use crate::metrics::Lease;
    use crate::shard::trace::Tracer;
    use resident_gpu::device::{Choice, Device, Options};
    use resident_kernels::wire::OP_CALL;

    fn core(device: Arc<Device>, port: Arc<Port>, bell: Arc<Doorbell>) -> Core {
        let series = Lease::take(None, &["cpu:0"]).remove(0);
        let kept = (Timers::new().0, Links::new().0);
        Core::new(device, Box::new([port]), Box::new([bell]), kept, series, Arc::new(Shared::new(None, 0, 1)), &Config::default())
    }

    /// U-3.
    #[test]
    fn frames_that_no_device_sends_are_told() {
        let device = Device::start(Options { device: Choice::Cpu, shards: Some(1), ..Options::default() }).unwrap();
        let (producer, _consumer) = device.take_ports(0).unwrap();
        let bell = Arc::new(Doorbell::default());
        let port = Arc::new(Port::new(0, producer, 1, 0, 0, bell.clone(), Tracer::default()));
        let core = core(device, port.clone(), bell);
        let told = |frame: Frame<'_>| handle(&core, &port, &frame).unwrap_err();
        for op in [OP_REPLY, OP_ACK, OP_REFUSED] {
            assert!(told(Frame { op, correlation: 7, ..Frame::default() }).contains("nobody waits for"));
        }
        assert!(told(Frame { op: OP_BORN, payload: &[0; 23], ..Frame::default() }).contains("23 bytes"));
        assert!(told(Frame { op: OP_BORN, payload: &[255; 24], ..Frame::default() }).contains("kind 4294967295"));
        assert!(told(Frame { op: 99, ..Frame::default() }).contains("not sent in this direction"));
        assert!(told(Frame { op: OP_FAULT, message: 1, payload: &[0; 15], ..Frame::default() }).contains("15 bytes"));
        assert!(told(Frame { op: OP_FAULT, message: 99, payload: &[0; 16], ..Frame::default() }).contains("class 99"));
        let stray = Frame { op: OP_FAULT, message: 1, correlation: 3, payload: &[0; 16], ..Frame::default() };
        assert!(told(stray).contains("nobody waits for"));
        assert!(handle(&core, &port, &Frame { op: OP_EMIT, ..Frame::default() }).is_ok());
        assert_eq!(core.dead_letters(), 1);
    }

    /// MT-5.
    #[test]
    fn a_refusal_says_nothing_of_the_pumps_lag() {
        let device = Device::start(Options { device: Choice::Cpu, shards: Some(1), ..Options::default() }).unwrap();
        let (mut producer, consumer) = device.take_ports(0).unwrap();
        // Nobody lives there, and the shard has done nothing since its start: so old is the stamp of the refusal.
        producer.push(&Frame { op: OP_CALL, generation: 1, correlation: u32::MAX, hlc: 1, ..Frame::default() }).unwrap();
        let bell = Arc::new(Doorbell::default());
        let port = Arc::new(Port::new(0, producer, 1, 0, 0, bell.clone(), Tracer::default()));
        let core = core(device, port.clone(), bell);
        let mut lane = Lane { port, consumer, outward: Outward::default(), head: 0 };
        while lane.take(&core) == 0 {
            assert_eq!(core.device.health(), Health::Running);
            thread::yield_now();
        }
        assert!(core.lost().is_none() && core.device.progress(0).refused == 1);
        assert!(!core.metrics.has_lag());
    }
}
