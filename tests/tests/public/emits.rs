//! Emitted messages reach the CPU actor of their route, also after it was restarted; the others are counted.

use ractor::{Actor, ActorProcessingErr, ActorRef, call, cast};
use resident::prelude::*;
use resident_test_actors::*;
use resident_tests::*;
use tokio::sync::mpsc;

/// A CPU actor that hands on what it gets.
struct Desk(mpsc::UnboundedSender<Alert>);

#[derive(Debug)]
enum Alert {
    Late(Late),
    Parcel(Box<Parcel>),
    /// Sent from another node.
    Lost,
}
resident_kernels::local_message!(Alert, Alert::Lost);

impl From<Late> for Alert {
    fn from(late: Late) -> Alert {
        assert!(late.minutes != i32::MIN, "a conversion that panics");
        Alert::Late(late)
    }
}

impl From<Parcel> for Alert {
    fn from(parcel: Parcel) -> Alert {
        Alert::Parcel(Box::new(parcel))
    }
}

#[ractor::actor(message = Alert, state = (), arguments = ())]
impl Desk {
    async fn pre_start(&self, _: ActorRef<Alert>, _: ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Alert>, alert: Alert, _: &mut ()) -> Result<(), ActorProcessingErr> {
        let _ = self.0.send(alert);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn emitted_messages_reach_their_actor_in_order() {
    let system = system().await;
    let (send, mut alerts) = mpsc::unbounded_channel();
    let name = unique("alerts");
    Desk::spawn(Some(name.clone()), Desk(send), ()).await.unwrap();
    system.route::<Late, Alert>(name.clone()).unwrap();
    system.route::<Parcel, Alert>(name).unwrap();
    let (emitter, _) = Emitter::spawn(None, Emitter::default(), &system).await.unwrap();
    cast!(emitter, EmitterMsg::EmitLate(EmitLate { count: 3000, minutes: 121 })).unwrap();
    for number in 0..3000 {
        match soon("an alert", alerts.recv()).await {
            Some(Alert::Late(late)) => assert_eq!((late.number, late.minutes, late.row), (number, 121, emitter.info().address.row())),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(call!(emitter, EmitterMsg::EmitParcel).unwrap(), 3000);
    match soon("the parcel", alerts.recv()).await {
        Some(Alert::Parcel(parcel)) => assert_eq!(*parcel, Parcel { number: 3000, words: words(3000) }),
        other => panic!("{other:?}"),
    }
    assert_eq!(system.stop().await.dead_letters, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_receiver_they_are_dead_letters() {
    let system = system().await;
    let name = unique("alerts");
    let (emitter, _) = Emitter::spawn(None, Emitter::default(), &system).await.unwrap();
    let late = |count, minutes| EmitterMsg::EmitLate(EmitLate { count, minutes });

    cast!(emitter, late(5, 1)).unwrap();
    until("no route: dead letters", || system.dead_letters() == 5).await;
    system.route::<Late, Alert>(name.clone()).unwrap();
    cast!(emitter, late(5, 1)).unwrap();
    until("no actor of that name: dead letters", || system.dead_letters() == 10).await;

    for _ in 0..3 {
        let (send, mut alerts) = mpsc::unbounded_channel();
        let (desk, join) = Desk::spawn(Some(name.clone()), Desk(send), ()).await.unwrap();
        cast!(emitter, late(1, 7)).unwrap();
        assert!(soon("an alert, also after a restart", alerts.recv()).await.is_some());
        desk.stop(None);
        join.await.unwrap();
    }

    let (send, mut alerts) = mpsc::unbounded_channel();
    Desk::spawn(Some(name.clone()), Desk(send), ()).await.unwrap();
    cast!(emitter, late(2, i32::MIN)).unwrap();
    until("a conversion that panics: dead letters", || system.dead_letters() == 12).await;
    cast!(emitter, late(1, 3)).unwrap();
    assert!(soon("an alert after that", alerts.recv()).await.is_some());

    // An actor of that name that takes other messages is not the receiver.
    system.route::<Late, Other>(name).unwrap();
    cast!(emitter, late(1, 3)).unwrap();
    until("another message type: dead letters", || system.dead_letters() == 13).await;
    assert_eq!(system.stop().await.dead_letters, 13);
}

struct Other;
resident_kernels::local_message!(Other, Other);

impl From<Late> for Other {
    fn from(_: Late) -> Other {
        Other
    }
}
