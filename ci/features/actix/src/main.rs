//! Starts resident actors as actix's, on an arbiter, under actix's supervisor and without an arbiter, keeps them and an actor of actix's under
//! a supervisor with OTP's meaning, and checks what comes back. Nothing of it knows another framework.

use std::time::Duration;

use actix::{Actor, Addr, Arbiter, Context, Handler, MailboxError, Supervisor};
use resident::control::{GetHealth, Stop};
use resident::guardian::{self, DeviceSlot, Strategy};
use resident::prelude::*;
use resident::{Gpu, Health};
use resident_kernels::prelude::*;

#[derive(State, Default)]
#[repr(C)]
struct Aircraft {
    flights: u32,
    delay: i64,
}

#[derive(Message)]
#[repr(C)]
struct Landed {
    delay: i32,
}

#[derive(Message)]
#[reply(Totals)]
#[repr(C)]
struct Report;

#[derive(Reply)]
#[repr(C)]
struct Totals {
    flights: u32,
    delay: i64,
}

#[actor]
impl Aircraft {
    fn landed(&mut self, msg: &Landed, ctx: &mut Ctx) {
        if msg.delay < -1000 {
            return ctx.fail("landed a day early");
        }
        self.flights += 1;
        self.delay += i64::from(msg.delay);
    }

    fn report(&mut self, _: &Report, _ctx: &mut Ctx) -> Totals {
        Totals { flights: self.flights, delay: self.delay }
    }
}

resident_kernels::export!(Aircraft);

/// An actor of actix's, which panics when it is told to.
struct Tower;

struct Panic;

impl Actor for Tower {
    type Context = Context<Self>;
}

impl actix::Message for Panic {
    type Result = ();
}

impl Handler<Panic> for Tower {
    type Result = ();

    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("the tower is dark");
    }
}

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    actix::System::new().block_on(run())
}

async fn run() -> Result<(), Error> {
    let system = System::start(Config::cpu()).await?;

    let plane: Addr<Gpu<Aircraft>> = Aircraft::start_actix(&system, Aircraft::default())?;
    plane.do_send(Landed { delay: 11 });
    plane.send(Landed { delay: 31 }).await??;
    let totals = plane.send(Report).await??;
    assert_eq!((totals.flights, totals.delay), (2, 42));

    let handle = plane.handle().await?;
    handle.try_cast(Landed { delay: 8 })?;
    assert_eq!(handle.ask(&Report, Duration::from_secs(60))?.delay, 50);

    let failure = plane.send(Landed { delay: -1440 }).await?.unwrap_err();
    assert!(failure.to_string().contains("landed a day early"), "{failure}");
    assert!(handle.ended().await.is_some());
    assert!(matches!(plane.send(Report).await, Err(MailboxError::Closed)));

    let kept = Gpu::new(&system, Aircraft::default())?.named("N14228")?;
    let kept = Supervisor::start_in_arbiter(&Arbiter::current(), |_| kept);
    assert!(kept.send(Landed { delay: -1440 }).await?.is_err());
    kept.send(Landed { delay: 1 }).await??;
    assert_eq!(kept.send(Report).await??.flights, 1);

    let free = Aircraft::start_free(&system, Aircraft::default())?;
    assert_eq!(free.send(Report).await??.flights, 0);

    let device = system.control_actix()?;
    assert_eq!(device.send(GetHealth).await?, Health::Running);
    let report = device.send(Stop).await?;
    assert_eq!((report.drained, report.killed), (2, 0));
    supervise().await?;
    println!("features: three flights, 50 minutes, two failures");
    Ok(())
}

/// A device, an aircraft on it and a tower beside it: when the tower panics, the aircraft is restarted with it.
async fn supervise() -> Result<(), Error> {
    let gpu = DeviceSlot::new("gpu");
    let airport = guardian::Supervisor::builder("airport")
        .strategy(Strategy::OneForAll)
        .child(ChildSpec::device(&gpu, Config::cpu()))
        .child(ChildSpec::gpu("plane", Aircraft::default).on(&gpu))
        .child(ChildSpec::actix("tower", || Tower))
        .start_actix()
        .await?;
    let plane = airport.handle::<Aircraft>("plane").await.ok_or("no plane")?;
    let mut ends = plane.ends();
    plane.call(Landed { delay: 1 }).await?;
    airport.addr::<Tower>("tower").await.ok_or("no tower")?.do_send(Panic);
    assert_eq!(ends.next().await.ok_or("it goes on")?.incarnation, 1);
    assert_eq!(plane.call(Report).await?.flights, 0);
    airport.stop().await?;
    Ok(())
}
