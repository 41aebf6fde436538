//! What its first message is to an actor that was restarted in place.

use std::time::Duration;

use resident_kernels::prelude::*;

use crate::config::Config;
use crate::embed::ractor::handle::GpuRef;
use crate::fault::{At, FaultClass, Returned};
use crate::guardian::{ChildSpec, InFlight, Supervisor, SupervisorRef};
use crate::system::System;

/// Keeps what it was sent, in its order.
#[derive(State, Default)]
#[repr(C)]
pub(crate) struct Log {
    digits: u64,
}

#[derive(Message)]
#[repr(C)]
struct Append {
    digit: u64,
}

#[derive(Message)]
#[reply(u64)]
struct Read;

#[actor]
impl Log {
    fn append(&mut self, msg: &Append, _ctx: &mut Ctx) {
        self.digits = self.digits * 10 + msg.digit;
    }

    fn read(&mut self, _: &Read, _ctx: &mut Ctx) -> u64 {
        self.digits
    }
}

resident_kernels::export!(Log);

fn append(digit: u64) -> Returned {
    Returned { message: <Log as resident_kernels::actor::Handles<Append>>::INDEX, payload: digit.to_le_bytes().into() }
}

/// What the pump does when it takes a device over, and `message` was being handled after `handled` others.
fn strike(log: &GpuRef<Log>, message: Returned, handled: u64) {
    let life = log.home().life().clone();
    life.give_back(message);
    life.fail(FaultClass::Hang, Some(At { message: 0, handled }), "the worker was killed".into());
    life.stop_proxy();
}

async fn digits(log: &GpuRef<Log>) -> u64 {
    ractor::call!(log, LogMsg::Read).unwrap()
}

async fn supervised(system: &System, in_flight: InFlight) -> (SupervisorRef, GpuRef<Log>) {
    let child = ChildSpec::gpu("log", Log::default).in_flight(in_flight).on(system);
    let supervisor = Supervisor::builder("replay").intensity(9, Duration::from_secs(60)).child(child).start().await.unwrap();
    let log = supervisor.child::<Log>("log").await.unwrap();
    (supervisor, log)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_being_handled_comes_first_and_at_most_twice() {
    let system = System::start(Config { shards: Some(1), ..Config::cpu() }).await.unwrap();
    let (supervisor, log) = supervised(&system, InFlight::Replay).await;
    log.send(LogMsg::Append(Append { digit: 1 })).await.unwrap();
    assert_eq!(digits(&log).await, 1);

    strike(&log, append(7), 2);
    log.send(LogMsg::Append(Append { digit: 8 })).await.unwrap();
    assert_eq!(digits(&log).await, 78, "a fresh state, then the message that was given back");

    // Another one of the same incarnation is not the one that came twice.
    strike(&log, append(7), 2);
    assert_eq!(digits(&log).await, 7);
    assert_eq!(system.dead_letters(), 0);

    strike(&log, append(7), 0);
    log.send(LogMsg::Append(Append { digit: 9 })).await.unwrap();
    assert_eq!(digits(&log).await, 9);
    assert_eq!(system.dead_letters(), 1);
    supervisor.stop().await.unwrap();
    assert_eq!(system.running(), 0);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_lost_unless_asked_for() {
    let system = System::start(Config { shards: Some(1), ..Config::cpu() }).await.unwrap();
    let (supervisor, log) = supervised(&system, InFlight::Fail).await;
    strike(&log, append(7), 0);
    log.send(LogMsg::Append(Append { digit: 8 })).await.unwrap();
    assert_eq!(digits(&log).await, 8);
    supervisor.stop().await.unwrap();
    system.stop().await;
}
