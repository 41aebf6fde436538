//! Each call ends once, with its reason, whichever way it was made and whatever happens meanwhile.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use ractor::rpc::CallResult;
use resident::prelude::*;
use resident::{CallError, DeviceKind, Isolation};
use resident_test_actors::*;
use resident_tests::*;
use tokio::task::{JoinHandle, spawn_blocking};

/// Calls of each way.
const CALLS: u64 = 10_000;

/// What happens while they are outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Stop,
    Kill,
    /// In their middle.
    Panic,
    /// Another worker takes over.
    Worker,
    /// None does.
    Device,
}

/// How a call has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// The number of its message among those that were handled.
    Reply(u64),
    Failed(FaultClass),
    /// Its actor has gone, without a fault.
    Stopped,
    /// Its device has gone.
    Lost,
    /// It was not outstanding.
    Unsent,
}

impl From<Result<u64, CallError<CountUp>>> for End {
    fn from(answer: Result<u64, CallError<CountUp>>) -> End {
        match answer {
            Ok(number) => End::Reply(number),
            Err(CallError::Failed(fault)) => End::Failed(fault.class),
            Err(CallError::Stopped) => End::Stopped,
            Err(CallError::Lost) => End::Lost,
            Err(CallError::Unsent(_)) => End::Unsent,
            Err(other) => panic!("{other:?}"),
        }
    }
}

impl From<Result<CallResult<u64>, CallError<PanickerMsg>>> for End {
    fn from(answer: Result<CallResult<u64>, CallError<PanickerMsg>>) -> End {
        match answer {
            Ok(CallResult::Success(number)) => End::Reply(number),
            Ok(CallResult::SenderError) => End::Stopped,
            Err(CallError::Failed(fault)) => End::Failed(fault.class),
            Err(CallError::Unsent(_)) => End::Unsent,
            other => panic!("{other:?}"),
        }
    }
}

impl From<Result<u64, AskError>> for End {
    fn from(answer: Result<u64, AskError>) -> End {
        match answer {
            Ok(number) => End::Reply(number),
            Err(AskError::Failed(fault)) => End::Failed(fault.class),
            Err(AskError::Stopped) => End::Stopped,
            Err(AskError::Lost(_)) => End::Lost,
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Makes a call as far as that goes without an answer.
async fn begin<T: Send + 'static>(call: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let mut call = Box::pin(call);
    match poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await {
        Poll::Ready(answer) => tokio::spawn(async { answer }),
        Poll::Pending => tokio::spawn(call),
    }
}

/// Checks the ends of one way: each message that was handled has answered its own call, and every other call has ended as in `others`. How
/// many were answered.
fn answered(what: &str, ends: &[End], others: &[End]) -> u64 {
    assert_eq!(ends.len() as u64, CALLS);
    let mut replies: Vec<_> = ends.iter().filter_map(|end| if let End::Reply(number) = end { Some(*number) } else { None }).collect();
    replies.sort_unstable();
    assert!(replies.iter().copied().eq(1..=replies.len() as u64), "{what}: a reply is missing, or came twice");
    let other = ends.iter().find(|end| !matches!(end, End::Reply(_)) && !others.contains(end));
    assert_eq!(other, None, "{what}");
    replies.len() as u64
}

/// O-4.
#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_calls_ends_once_with_its_reason() {
    let bang = || Panic { how: EXPLICIT, value: 7 };
    for blow in [Blow::Stop, Blow::Kill, Blow::Panic, Blow::Worker, Blow::Device] {
        let intensity = if blow == Blow::Device { (0, Duration::from_secs(3600)) } else { Config::default().intensity };
        // A shard for each way, since one that stands still takes one kill.
        let room = Config { shards: Some(3), capacity: 1 << 14, reply_lines: 1 << 14, ..Config::default() };
        let system = start(Config { intensity, isolation: Isolation::Process, ..room }).await;
        // While it stands still, all calls are outstanding. The kernel of a process that does runs on.
        let worker = system.worker().filter(|_| system.device().kind == DeviceKind::Cpu);
        let is_held = worker.is_some();
        if !is_held && matches!(blow, Blow::Worker | Blow::Device) {
            soon("the stop", system.stop()).await;
            continue;
        }
        let own = Handle::spawn(None, Panicker::default(), &system).await.unwrap();
        let (framed, _) = Panicker::spawn(None, Panicker::default(), &system).await.unwrap();
        let direct = Handle::spawn(None, Panicker::default(), &system).await.unwrap();
        let mut pipeline = Pipeline::new(&system, CALLS as usize).unwrap();
        soon("their spawns", async { (own.address().await, framed.address().await, direct.address().await) }).await;
        if let Some(worker) = worker {
            freeze(worker);
            until("it stands still", || is_frozen(worker)).await;
        }

        let (mut calls, mut framed_calls, mut submitted) = (Vec::new(), Vec::new(), 0);
        for n in 0..CALLS {
            if blow == Blow::Panic && n == CALLS / 2 {
                own.send(bang()).await.unwrap();
                framed.send(PanickerMsg::Panic(bang())).await.unwrap();
                direct.send(bang()).await.unwrap();
            }
            let (own, framed) = (own.clone(), framed.clone());
            calls.push(begin(async move { own.call(CountUp).await }).await);
            framed_calls.push(begin(async move { framed.call(PanickerMsg::CountUp, None).await }).await);
            submitted += usize::from(pipeline.submit(&direct, &CountUp).is_ok());
        }
        match blow {
            Blow::Stop => {
                own.stop();
                framed.stop(None);
                direct.stop();
            }
            Blow::Kill => {
                let ends = [own.ends(), framed.ends(), direct.ends()];
                own.kill();
                framed.kill();
                direct.kill();
                // Told once it has been taken back what they were sent.
                for mut ends in ends {
                    assert!(soon("an end", ends.next()).await.is_some());
                }
            }
            Blow::Panic => {}
            Blow::Worker | Blow::Device => worker.into_iter().for_each(kill),
        }
        worker.into_iter().for_each(thaw);

        let (mut ends, mut framed_ends) = (Vec::new(), Vec::new());
        for (call, framed_call) in calls.into_iter().zip(framed_calls) {
            ends.push(End::from(soon("a call", call).await.unwrap()));
            framed_ends.push(End::from(soon("a call of ractor's", framed_call).await.unwrap()));
        }
        let asked = spawn_blocking(move || {
            let first = if blow == Blow::Device { pipeline.try_next().expect("an end, and no wait") } else { pipeline.next() };
            let others = (1..submitted).map(|_| pipeline.next());
            std::iter::once(first).chain(others).map(End::from).collect::<Vec<_>>()
        });
        let mut direct_ends = soon("the pipeline", asked).await.unwrap();
        direct_ends.resize(CALLS as usize, End::Unsent);

        let (count, reason, reason_of_direct) = match blow {
            Blow::Stop | Blow::Worker => (CALLS, None, None),
            Blow::Kill => (0, Some(End::Stopped), Some(End::Stopped)),
            Blow::Panic => (CALLS / 2, Some(End::Failed(FaultClass::Panic)), Some(End::Failed(FaultClass::Panic))),
            Blow::Device => (0, Some(End::Failed(FaultClass::DeviceLost)), Some(End::Lost)),
        };
        // One that is not held may be hit before the last of them is sent.
        let unsent = (!is_held).then_some(End::Unsent);
        for (way, ends, reason) in
            [("a handle", ends, &reason), ("ractor's", framed_ends, &reason), ("direct", direct_ends, &reason_of_direct)]
        {
            let others: Vec<_> = reason.iter().chain(&unsent).cloned().collect();
            let answered = answered(&format!("{blow:?}, {way}"), &ends, &others);
            assert!(answered == count || !is_held && blow == Blow::Kill, "{blow:?}, {way}: {answered} of {count}");
        }
        soon("the stop", system.stop()).await;
        assert_eq!(system.running(), 0);
    }
}
