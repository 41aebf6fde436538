//! Sets alarms, for itself and for others, and takes them back.

use core::time::Duration;

use resident_kernels::prelude::*;

/// Alarms that it remembers.
pub const ALARMS: usize = 8;

/// What is set, and what has come.
#[derive(State, Default, Debug, Clone)]
#[repr(C)]
pub struct Alarm {
    /// The last one that it has set in each place.
    pub set: [Timer; ALARMS],
    /// What has come of each.
    pub rung: [u64; ALARMS],
}

/// Sets some alarms, one after another, in one place; with `instead` each one in place of the last.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Set {
    /// Who is to hear them.
    pub whom: Address<Alarm>,
    /// How many.
    pub times: u64,
    /// The place.
    pub place: u64,
    /// Milliseconds from now.
    pub millis: u64,
    /// Not 0: the one that was set in this place before is taken back.
    pub instead: u64,
}

/// Takes back what was set last in a place, here or by whoever has handed it on.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Unset {
    /// The place.
    pub place: u64,
}

/// Has another one take back what was set last in a place.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct HandOn {
    /// Who.
    pub whom: Address<Alarm>,
    /// The place.
    pub place: u64,
}

/// Takes one back.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct TakeBack {
    /// Which one.
    pub timer: Timer,
}

/// An alarm.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Ring {
    /// Its place.
    pub place: u64,
}

/// Asks what it knows.
#[derive(Message, Debug, Clone)]
#[reply(Alarms)]
pub struct Listen;

/// What it knows.
#[derive(Reply, Debug, Clone)]
#[repr(C)]
pub struct Alarms {
    /// See [`Alarm`].
    pub set: [Timer; ALARMS],
    /// See [`Alarm`].
    pub rung: [u64; ALARMS],
}

#[actor]
impl Alarm {
    fn set(&mut self, msg: &Set, ctx: &mut Ctx) {
        for _ in 0..msg.times {
            let last = &mut self.set[msg.place as usize];
            if msg.instead != 0 {
                ctx.cancel(*last);
            }
            *last = ctx.send_after(Duration::from_millis(msg.millis), &msg.whom, Ring { place: msg.place });
        }
    }

    fn unset(&mut self, msg: &Unset, ctx: &mut Ctx) {
        ctx.cancel(self.set[msg.place as usize]);
    }

    fn hand_on(&mut self, msg: &HandOn, ctx: &mut Ctx) {
        ctx.send(&msg.whom, TakeBack { timer: self.set[msg.place as usize] });
    }

    fn take_back(&mut self, msg: &TakeBack, ctx: &mut Ctx) {
        ctx.cancel(msg.timer);
    }

    fn ring(&mut self, msg: &Ring, _ctx: &mut Ctx) {
        self.rung[msg.place as usize] += 1;
    }

    fn listen(&mut self, _: &Listen, _ctx: &mut Ctx) -> Alarms {
        Alarms { set: self.set, rung: self.rung }
    }
}
