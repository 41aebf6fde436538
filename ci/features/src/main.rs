//! Spawns resident actors, sends to them by ring and by mailbox, under a supervisor of the application's own, and checks what
//! comes back. It compiles and does the same whichever of ractor's features are on.

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent, call, cast};
use resident::prelude::*;
use resident_kernels::prelude::*;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

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

/// Hands on why its children failed.
struct Tower(UnboundedSender<String>);

#[cfg_attr(feature = "async-trait", async_trait::async_trait)]
impl Actor for Tower {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, _: ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(&self, _: ActorRef<()>, event: SupervisionEvent, _: &mut ()) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(_, error) = event {
            let fault = error.downcast::<GpuFault>().map_err(|other| format!("no fault of a handler's: {other}"))?;
            self.0.send(fault.to_string())?;
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (send, mut failures) = unbounded_channel();
    let (tower, tower_ended) = Actor::spawn(None, Tower(send), ()).await?;
    let system = System::start(Config::cpu()).await?;

    let (plane, ended) = Aircraft::spawn_linked(Some("N14228".into()), Aircraft::default(), &system, tower.get_cell()).await?;
    cast!(plane, AircraftMsg::Landed(Landed { delay: 11 }))?;
    let totals = call!(plane, AircraftMsg::Report)?;
    assert_eq!((totals.flights, totals.delay), (1, 11));

    let same: ActorRef<AircraftMsg> = ActorRef::where_is("N14228").ok_or("N14228 has no actor")?;
    cast!(same, AircraftMsg::Landed(Landed { delay: 31 }))?;
    let totals = call!(same, AircraftMsg::Report)?;
    assert_eq!((totals.flights, totals.delay), (2, 42));

    cast!(plane, AircraftMsg::Landed(Landed { delay: -1440 }))?;
    let failure = failures.recv().await.ok_or("the tower has gone")?;
    assert!(failure.contains("landed a day early"), "{failure}");
    ended.await?;

    system.stop().await;
    tower.stop(None);
    tower_ended.await?;
    println!("features: two flights, 42 minutes, one failure");
    Ok(())
}
