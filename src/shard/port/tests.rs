//! How what waits for a shard ends.

use std::sync::mpsc::channel;

use resident_gpu::device::{Choice, Device, Options};
use resident_kernels::actor::{Actor as _, Kind};
use resident_kernels::host::End;
use resident_kernels::prelude::{Ctx, Message, State, actor};
use resident_kernels::wire::{OP_ACK, OP_REPLY, REFUSED_MESSAGE};
use tokio::sync::oneshot::error::TryRecvError;

use super::*;
use crate::fault::FaultClass;
use crate::who::ActorKey;

#[derive(State)]
#[repr(C)]
struct Well {
    drawn: u64,
}

#[derive(Message)]
#[reply(u64)]
struct Draw;

#[actor]
impl Well {
    fn draw(&mut self, _: &Draw, _: &mut Ctx) -> u64 {
        self.drawn += 1;
        self.drawn
    }
}

/// Somebody whom the device does not know.
struct Nobody(RowId);

impl Recipient for Nobody {
    fn is_open(&self) -> bool {
        true
    }

    fn row(&self) -> RowId {
        self.0
    }

    fn kind(&self) -> &'static Kind {
        Well::KIND
    }

    fn kind_index(&self) -> u32 {
        0
    }
}

/// O-4, P-3.
#[test]
fn a_call_ends_once_by_what_is_known_of_its_actor() {
    let device = Device::start(Options { device: Choice::Cpu, shards: Some(1), ..Options::default() }).unwrap();
    let (producer, _consumer) = device.take_ports(0).unwrap();
    let port = Port::new(0, producer, 8, 0, 1, Arc::new(Doorbell::default()), Tracer::default());
    let [failed, gone] = [3, 4].map(|row| RowId { row, generation: 1 });
    port.tenants().remember(failed, GpuFault::new(FaultClass::Panic, Well::KIND, ActorKey::next(), "cpu:0".into(), 1));
    let (tell, heard) = channel();
    let mut calls = 0;
    let mut call = |id: RowId| {
        let answer = |_| {
            let tell = tell.clone();
            Answer::new(move |end: End<'_>| {
                let said = match end {
                    Ok(bytes) => format!("{bytes:?}"),
                    Err(NoReply::Failed(fault)) => format!("{:?}", fault.class),
                    Err(why) => format!("{why:?}"),
                };
                tell.send(said).unwrap();
            })
        };
        assert!(matches!(port.call_each(&[Nobody(id)], 0, &[], answer), (1, None)));
        calls += 1;
        calls - 1
    };
    // No correlation is used twice, since nothing is taken before all are there.
    let [replied, refused, stale, stale_of_failed, wrong] = [gone, gone, gone, failed, gone].map(&mut call);
    // These are left.
    call(gone);
    call(failed);
    let heard = || heard.try_iter().collect::<Vec<_>>();

    let reply = Frame { op: OP_REPLY, payload: &[7, 0, 0, 0, 0, 0, 0, 0], ..Frame::default() };
    let Waiting { answer, id, expects } = port.take(replied).unwrap();
    assert!(id == gone && expects.check(&reply).is_ok());
    answer.end(Ok(reply.payload));
    assert_eq!(heard(), ["[7, 0, 0, 0, 0, 0, 0, 0]"]);
    assert!(port.take(replied).is_none());

    for (correlation, reason) in [(refused, REFUSED_MESSAGE), (stale, REFUSED_STALE), (stale_of_failed, REFUSED_STALE)] {
        let Waiting { answer, id, .. } = port.take(correlation).unwrap();
        answer.end(Err(port.refused(id, reason)));
    }
    assert_eq!(heard(), ["Refused(3)", "Refused(1)", "Panic"]);

    let Waiting { answer, expects, .. } = port.take(wrong).unwrap();
    assert!(expects.check(&Frame { payload: &[7], ..reply }).unwrap_err().contains("1 bytes where 8 belong"));
    assert!(expects.check(&Frame { op: OP_ACK, ..Frame::default() }).unwrap_err().contains("where a reply belongs"));
    drop(answer);
    assert_eq!(heard(), ["Lost"]);

    port.lose();
    port.abandon();
    assert_eq!(heard(), ["Lost", "Panic"]);
    port.abandon();
    assert_eq!(heard().len(), 0);
}

/// P-5: whichever was sent first, and whether the device was lost already.
#[test]
fn a_fence_ends_behind_everything_that_the_devices_end_ends() {
    let device = Device::start(Options { device: Choice::Cpu, shards: Some(1), ..Options::default() }).unwrap();
    let (producer, _consumer) = device.take_ports(0).unwrap();
    let port = Port::new(0, producer, 8, 0, 1, Arc::new(Doorbell::default()), Tracer::default());
    let mut ahead = port.fence();
    let behind = Arc::new(Mutex::new(None::<oneshot::Receiver<()>>));
    let (tell, heard) = channel();
    let answer = |_| {
        let (tell, behind) = (tell.clone(), behind.clone());
        Answer::new(move |end: End<'_>| {
            let waits = behind.lock().as_mut().is_some_and(|fence| fence.try_recv() == Err(TryRecvError::Empty));
            tell.send((end.is_err(), waits)).unwrap();
        })
    };
    assert!(matches!(port.call_each(&[Nobody(RowId { row: 3, generation: 1 })], 0, &[], answer), (1, None)));

    port.lose();
    *behind.lock() = Some(port.fence());
    assert_eq!(ahead.try_recv(), Err(TryRecvError::Empty));
    port.abandon();
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [(true, true)]);
    assert_eq!(ahead.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(behind.lock().as_mut().unwrap().try_recv(), Err(TryRecvError::Closed));
    assert_eq!(port.fence().try_recv(), Err(TryRecvError::Closed));
}
