//! The resident actors of the flights example: one [`Aircraft`] per tail number.
#![no_std]
#![cfg_attr(resident_nightly, feature(core_intrinsics), allow(internal_features, reason = "a real trap"))]

mod inject;

pub use inject::*;
use resident_kernels::prelude::*;

/// Bytes of the longest tail number.
pub const TAIL_BYTES: usize = 12;
/// A flight that lands more minutes late than this is an alert.
pub const LATE_AFTER: i32 = 120;
/// No flight is longer than once around the Earth, in miles.
pub const LONGEST: i32 = 24_901;

/// A number that the input may not give: then it is no data, which is not zero.
#[derive(Plain, Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Field {
    value: i32,
    /// 1, or 0 if there is no data.
    given: u32,
}

impl From<Option<i32>> for Field {
    fn from(value: Option<i32>) -> Field {
        Field { value: value.unwrap_or(0), given: u32::from(value.is_some()) }
    }
}

impl Field {
    /// The number, if there is data.
    #[inline]
    pub fn get(self) -> Option<i32> {
        (self.given != 0).then_some(self.value)
    }
}

/// One row of the input: a flight that this aircraft made, or was to make.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Flight {
    /// Minutes late at the destination, negative if early; no data if it did not get there.
    pub arr_delay: Field,
    /// Minutes in the air.
    pub air_time: Field,
    /// Miles.
    pub distance: Field,
}

/// Asks for an aircraft's totals.
#[derive(Message, Clone, Copy, Debug)]
#[reply(Totals)]
pub struct Report;

/// What an aircraft's flights come to.
#[derive(Reply, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Totals {
    /// Flights.
    pub flights: u32,
    /// Those of them whose arrival delay is known.
    pub arrived: u32,
    /// Those whose air time is known.
    pub timed: u32,
    /// Those that were more than [`LATE_AFTER`] minutes late.
    pub late: u32,
    /// Sum of the known arrival delays, early ones negative, in minutes.
    pub arr_delay: i64,
    /// Sum of the known air times, in minutes.
    pub air_time: i64,
    /// Sum of the known distances, in miles.
    pub distance: i64,
}

/// A flight has landed more than [`LATE_AFTER`] minutes late.
#[derive(Emit, Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Late {
    /// The aircraft's tail number, filled up with zeros.
    pub tail: [u8; TAIL_BYTES],
    /// How late, in minutes.
    pub minutes: i32,
}

/// An aircraft.
#[derive(State, Clone, Copy, Debug)]
#[repr(C)]
pub struct Aircraft {
    tail: [u8; TAIL_BYTES],
    /// The latest that it has landed when that was an alert, in minutes; else 0.
    latest: i32,
    totals: Totals,
}

impl Aircraft {
    /// Its tail number, filled up with zeros.
    pub fn tail(&self) -> [u8; TAIL_BYTES] {
        self.tail
    }

    /// The latest that it has landed, in minutes, if that was an alert.
    pub fn latest(&self) -> Option<i32> {
        (self.latest > LATE_AFTER).then_some(self.latest)
    }

    /// What its flights so far come to.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// An aircraft that has not flown.
    pub fn new(tail: [u8; TAIL_BYTES]) -> Aircraft {
        Aircraft { tail, latest: 0, totals: Totals::default() }
    }
}

#[actor]
impl Aircraft {
    fn flight(&mut self, flight: &Flight, ctx: &mut Ctx) {
        let totals = &mut self.totals;
        if let Some(miles) = flight.distance.get() {
            if miles > LONGEST {
                return ctx.fail(format_args!("a flight of {miles} miles: once around the Earth is {LONGEST}"));
            }
            totals.distance += i64::from(miles);
        }
        if let Some(minutes) = flight.air_time.get() {
            totals.timed += 1;
            totals.air_time += i64::from(minutes);
        }
        if let Some(minutes) = flight.arr_delay.get() {
            totals.arrived += 1;
            totals.arr_delay += i64::from(minutes);
        }
        totals.flights += 1;
        // Last: should the device be lost while this is handled, what was seen outside is not handled again.
        if let Some(minutes) = flight.arr_delay.get().filter(|minutes| *minutes > LATE_AFTER) {
            totals.late += 1;
            self.latest = self.latest.max(minutes);
            ctx.emit(Late { tail: self.tail, minutes });
        }
    }

    fn report(&mut self, _: &Report, _ctx: &mut Ctx) -> Totals {
        self.totals
    }

    fn break_down(&mut self, how: &Break, _ctx: &mut Ctx) -> u32 {
        how.carry_out(self.totals.flights)
    }
}

resident_kernels::export!(Aircraft);
