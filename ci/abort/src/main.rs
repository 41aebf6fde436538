//! Panics in handlers, in a program whose panics abort: each costs its actor and no other, nothing of the device's intensity, and says what
//! it would say in any other program.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent, call, cast};
use resident::prelude::*;
use resident_kernels::prelude::*;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

#[derive(State)]
#[repr(C)]
struct Gate {
    planes: u64,
    // More than is undone: it would be blamed if it were at a message when a worker is lost.
    log: [u64; 64],
}

#[derive(Message)]
#[reply(u64)]
#[repr(C)]
struct Enter {
    planes: u64,
}

#[derive(Message)]
#[repr(C)]
struct Leave {
    planes: u64,
}

#[actor]
impl Gate {
    fn enter(&mut self, msg: &Enter, _ctx: &mut Ctx) -> u64 {
        self.planes = self.planes.checked_add(msg.planes).expect("no room for so many planes");
        self.log[self.planes as usize % 64] = msg.planes;
        self.planes
    }

    fn leave(&mut self, msg: &Leave, _ctx: &mut Ctx) {
        self.planes = self.planes.checked_sub(msg.planes).expect("more planes leave than are there");
    }
}

resident_kernels::export!(Gate);

/// Hands on why its children failed.
struct Tower(UnboundedSender<GpuFault>);

impl Actor for Tower {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, _: ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(&self, _: ActorRef<()>, event: SupervisionEvent, _: &mut ()) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(_, error) = event {
            self.0.send(*error.downcast::<GpuFault>()?)?;
        }
        Ok(())
    }
}

/// Counts warnings about aborts.
struct Warnings;

static WARNED: AtomicUsize = AtomicUsize::new(0);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Text;
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                if field.name() == "message" && format!("{value:?}").contains(r#"`panic = "abort"`"#) {
                    WARNED.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        event.record(&mut Text);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

async fn next(failures: &mut UnboundedReceiver<GpuFault>) -> GpuFault {
    tokio::time::timeout(Duration::from_secs(60), failures.recv()).await.expect("a failure within a minute").expect("the tower is there")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing::subscriber::set_global_default(Warnings)?;
    let (send, mut failures) = unbounded_channel();
    let (tower, _) = Actor::spawn(None, Tower(send), ()).await?;
    // No worker may be lost.
    let intensity = (0, Duration::from_secs(60));
    let system = System::start(Config { shards: Some(2), intensity, ..Config::cpu() }).await?;
    assert!(system.device().panics_abort && system.device().to_string().contains("panics abort"), "{}", system.device());
    assert_eq!(WARNED.load(Ordering::Relaxed), 1);

    let (open, _) = Gate::spawn(None, Gate { planes: 0, log: [0; 64] }, &system).await?;
    for turn in 1..=3 {
        let (gate, _) = Gate::spawn_linked(None, Gate { planes: 5, log: [0; 64] }, &system, tower.get_cell()).await?;
        // Somebody is at work on both shards meanwhile.
        let others = tokio::spawn({
            let open = open.clone();
            async move {
                for _ in 0..1000 {
                    call!(open, GateMsg::Enter, Enter { planes: 1 }).expect("this gate has not failed");
                }
            }
        });
        assert_eq!(call!(gate, GateMsg::Enter, Enter { planes: 2 })?, 7);
        if turn == 2 {
            assert!(call!(gate, GateMsg::Enter, Enter { planes: u64::MAX }).is_err());
        } else {
            cast!(gate, GateMsg::Leave(Leave { planes: 8 }))?;
        }
        let fault = next(&mut failures).await;
        assert_eq!((fault.class, ActorId::from(fault.actor), fault.handled), (FaultClass::Panic, gate.get_id(), 1), "{fault}");
        let text = if turn == 2 { "no room for so many planes" } else { "more planes leave than are there" };
        assert!(fault.text.contains(text) && fault.text.contains("main.rs:"), "{fault}");
        assert_eq!(fault.state::<Gate>().map(|gate| gate.planes), Some(7));
        others.await?;
        assert_eq!(call!(open, GateMsg::Enter, Enter { planes: 0 })?, 1000 * turn);
    }
    let report = system.stop().await;
    assert!(report.device.is_ok(), "{report:?}");
    println!("abort: three panics, three faults, {} workers that ended", system.losses().0);
    Ok(())
}
