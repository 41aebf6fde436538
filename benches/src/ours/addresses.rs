//! A resident actor by its actix address, beside `call!` of a ractor handle on the same system, a plain actix actor, and one that hands its
//! messages on with a boxed future for each. A turn of each follows a turn of another, so that all have the same moments.

use std::time::Instant;

use actix::{Actor as _, Addr, Arbiter, Context, Handler};
use ractor::call;
use resident::{Config, GpuRef, Handle, ResidentAddr, Spawn, StartActix, System};
use resident_test_actors::{Add, AddAndGet, Counter, CounterMsg};

use super::Place;
use crate::peers::addresses::{Boxed, Plain};
use crate::rounds::{Contender, Error, Record};

/// Calls in a turn.
const TURN: usize = 200;
/// Calls ahead of those that count.
const WARM_UP: usize = 400;

/// Calls and casts by addresses.
pub struct Addresses {
    place: Place,
    calls: u32,
    casts: u64,
}

/// Whose address, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A resident actor's.
    Resident,
    /// A plain actix actor's.
    Plain,
    /// An actor's that hands on to a resident one.
    Boxed,
}

impl Addresses {
    /// So many calls, and casts, in each round.
    pub fn new(place: Place, calls: u32, casts: u64) -> Addresses {
        Addresses { place, calls, casts }
    }

    /// Calls by `send`; from the arbiter of the mailbox, or across.
    pub fn send_name(way: Way, across: bool) -> String {
        format!("{}, send{}", title(way), place(across))
    }

    /// Casts by `do_send`, until all are handled.
    pub fn do_send_name(way: Way, across: bool) -> String {
        format!("{}, do_send, handled{}", title(way), place(across))
    }

    /// `call!` of a resident actor of ractor's, on the same system and from the same arbiter.
    pub fn call_name() -> String {
        "resident, ractor's call!".into()
    }

    /// Casts by a handle, straight into the ring, until all are handled.
    pub fn ring_name() -> String {
        "resident, handle, try_cast, handled".into()
    }

    async fn run(&self, record: &mut Record) -> Result<(), Error> {
        let config = Config { devices: vec![self.place.choice.into()], shards: self.place.shards, ..Config::default() };
        let system = System::start(config).await?;
        let there = Arbiter::new();
        let mut ways = Vec::new();
        for across in [false, true] {
            let counter = if across {
                Counter::start_in(&there.handle(), &system, Counter::default())
            } else {
                Counter::start_actix(&system, Counter::default())
            }?;
            // The one that is handed on to is one of its own.
            let behind = Counter::start_actix(&system, Counter::default())?.detached().handle().await?;
            let (plain, boxed) = if across {
                let handle = there.handle();
                (Plain::start_in_arbiter(&handle, |_| Plain::default()), Boxed::start_in_arbiter(&handle, |_| Boxed(behind)))
            } else {
                (Plain::default().start(), Boxed(behind).start())
            };
            ways.push((across, Counting::new(counter), Counting::new(plain), Counting::new(boxed)));
        }
        let (framed, _) = Counter::spawn(None, Counter::default(), &system).await?;
        let mut framed = (framed, 0);

        for (_, ours, plain, boxed) in &mut ways {
            ours.sends(WARM_UP).await?;
            plain.sends(WARM_UP).await?;
            boxed.sends(WARM_UP).await?;
        }
        calls(&mut framed, WARM_UP).await?;
        for _ in 0..(self.calls as usize).div_ceil(TURN) {
            record.times(&Self::call_name(), &calls(&mut framed, TURN).await?);
            for (across, ours, plain, boxed) in &mut ways {
                record.times(&Self::send_name(Way::Resident, *across), &ours.sends(TURN).await?);
                record.times(&Self::send_name(Way::Plain, *across), &plain.sends(TURN).await?);
                record.times(&Self::send_name(Way::Boxed, *across), &boxed.sends(TURN).await?);
            }
        }
        let ring = Handle::spawn(None, Counter::default(), &system).await?;
        record.rate(&Self::ring_name(), into_the_ring(&ring, self.casts).await?);
        for (across, ours, plain, boxed) in &mut ways {
            record.rate(&Self::do_send_name(Way::Resident, *across), ours.casts(self.casts).await?);
            record.rate(&Self::do_send_name(Way::Plain, *across), plain.casts(self.casts).await?);
            record.rate(&Self::do_send_name(Way::Boxed, *across), boxed.casts(self.casts).await?);
        }
        record.checked(&self.name(), 7 * u64::from(self.calls) + 7 * self.casts);
        drop(ways);
        let report = system.stop().await;
        there.stop();
        Ok(report.device?)
    }
}

fn title(way: Way) -> &'static str {
    match way {
        Way::Resident => "resident, actix address",
        Way::Plain => "actix CPU actor",
        Way::Boxed => "resident, behind boxed futures",
    }
}

fn place(across: bool) -> &'static str {
    if across { ", across arbiters" } else { "" }
}

impl Contender for Addresses {
    fn name(&self) -> String {
        format!("{}, by actix addresses", self.place.title())
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        actix::System::new().block_on(self.run(record))
    }
}

/// An address, and the sum that its actor has.
struct Counting<A: actix::Actor> {
    addr: Addr<A>,
    total: u64,
}

impl<A> Counting<A>
where
    A: actix::Actor<Context = Context<A>> + Handler<Add> + Handler<AddAndGet>,
{
    fn new(addr: Addr<A>) -> Counting<A> {
        Counting { addr, total: 0 }
    }

    async fn sends(&mut self, count: usize) -> Result<Vec<f64>, Error> {
        let mut nanos = Vec::with_capacity(count);
        for amount in 0..count as u64 {
            self.total += amount;
            let start = Instant::now();
            let total = self.addr.send(AddAndGet { amount }).await??;
            nanos.push(start.elapsed().as_nanos() as f64);
            if total != self.total {
                return Err(format!("{total} instead of {}", self.total).into());
            }
        }
        Ok(nanos)
    }

    /// How many a second were handled.
    async fn casts(&mut self, count: u64) -> Result<f64, Error> {
        let start = Instant::now();
        for amount in 0..count {
            self.addr.do_send(Add { amount });
        }
        self.total += count * count.saturating_sub(1) / 2;
        // A boxed future that sends may be overtaken by one that calls.
        while self.addr.send(AddAndGet { amount: 0 }).await?? != self.total {
            tokio::task::yield_now().await;
        }
        Ok(count as f64 / start.elapsed().as_secs_f64())
    }
}

async fn into_the_ring(counter: &Handle<Counter>, count: u64) -> Result<f64, Error> {
    let start = Instant::now();
    for amount in 0..count {
        let mut add = Add { amount };
        while let Err(full) = counter.try_cast(add) {
            if !full.is_full() {
                return Err(full.to_string().into());
            }
            add = full.into_message();
            tokio::task::yield_now().await;
        }
    }
    let total = counter.call(AddAndGet { amount: 0 }).await.map_err(|error| error.to_string())?;
    let took = start.elapsed().as_secs_f64();
    if total != count * count.saturating_sub(1) / 2 {
        return Err(format!("{count} casts come to {total}").into());
    }
    Ok(count as f64 / took)
}

async fn calls((counter, sum): &mut (GpuRef<Counter>, u64), count: usize) -> Result<Vec<f64>, Error> {
    let mut nanos = Vec::with_capacity(count);
    for amount in 0..count as u64 {
        *sum += amount;
        let start = Instant::now();
        let total = call!(counter, CounterMsg::AddAndGet, AddAndGet { amount })?;
        nanos.push(start.elapsed().as_nanos() as f64);
        if total != *sum {
            return Err(format!("{total} instead of {sum}").into());
        }
    }
    Ok(nanos)
}
