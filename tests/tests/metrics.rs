//! What a system reports through the `metrics` facade. One test, since the recorder is the process's.

use std::collections::HashMap;
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use ractor::{ActorRef, call, cast};
use resident::prelude::*;
use resident_test_actors::*;
use resident_tests::*;

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_happened() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    let system = system().await;
    let (supervisor, mut heard) = supervisor().await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let (_kept, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let (panicker, _) = Panicker::spawn_linked(None, Panicker::default(), &system, supervisor).await.unwrap();
    let (emitter, _) = Emitter::spawn(None, Emitter::default(), &system).await.unwrap();
    let group = Failer::spawn_many(None, (0..3u64).map(|key| (key, Failer::default())), &system).await.unwrap().0;
    group.tell_all(&FailWith { code: 0 }).await.unwrap();
    group.tell(&1, FailerMsg::Fail).unwrap();
    let plain: ActorRef<CounterMsg> = counter.clone().into();
    for _ in 0..5 {
        cast!(counter, CounterMsg::Tick).unwrap();
        cast!(plain, CounterMsg::Tick).unwrap();
    }
    call!(plain, CounterMsg::Get).unwrap();
    let asking = tokio::task::spawn_blocking({
        let counter = counter.clone();
        move || {
            for _ in 0..128 {
                counter.ask(&Get, Duration::from_secs(60)).unwrap();
            }
        }
    });
    soon("the asking", asking).await.unwrap();
    cast!(panicker, PanickerMsg::Panic(Panic { how: EXPLICIT, value: 1 })).unwrap();
    heard.fault().await;
    cast!(emitter, EmitterMsg::EmitLate(EmitLate { count: 7, minutes: 1 })).unwrap();
    until("the emitted messages were counted", || system.dead_letters() == 7).await;
    counter.stop_and_wait(None, None).await.unwrap();
    until("two actors and the group are left", || system.running() == 5).await;
    let device = format!("device={}:{}", system.device().kind.as_str(), system.device().ordinal);
    let here = |key: &str| key.replace("device=cpu:0", &device);
    // A snapshot takes counts and histograms out, so they are summed here.
    let mut seen: HashMap<String, f64> = HashMap::new();
    let mut look = || {
        for (key, _, _, value) in snapshotter.snapshot().into_vec() {
            let (_, key) = key.into_parts();
            let mut labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            labels.sort();
            let number = seen.entry(format!("{}{{{}}}", key.name(), labels.join(","))).or_default();
            match value {
                DebugValue::Counter(n) => *number += n as f64,
                DebugValue::Gauge(x) => *number = x.into_inner(),
                DebugValue::Histogram(all) => *number += all.len() as f64,
            }
        }
        let all = [
            ("gpu_actor_running{device=cpu:0,kind=Counter}", 1.0),
            ("gpu_actor_running{device=cpu:0,kind=Panicker}", 0.0),
            ("gpu_actor_running{device=cpu:0,kind=Failer}", 3.0),
            ("gpu_actor_messages_total{device=cpu:0,kind=Failer,path=ring}", 4.0),
            ("gpu_actor_faults_total{class=failed,device=cpu:0}", 1.0),
            ("gpu_actor_messages_total{device=cpu:0,kind=Counter,path=ring}", 5.0),
            ("gpu_actor_messages_total{device=cpu:0,kind=Counter,path=mailbox}", 6.0),
            ("gpu_actor_messages_total{device=cpu:0,kind=Counter,path=direct}", 128.0),
            ("gpu_actor_faults_total{class=panic,device=cpu:0}", 1.0),
            ("gpu_actor_dead_letters_total{device=cpu:0}", 7.0),
            ("gpu_device_incarnation{device=cpu:0}", 1.0),
            ("gpu_device_standby_failures_total{device=cpu:0}", 0.0),
            ("gpu_actor_queue_depth{device=cpu:0}", 0.0),
        ];
        all.iter().all(|(key, value)| seen.get(&here(key)) == Some(value))
            // One mailbox call, and of 128 direct ones two.
            && seen.get(&here("gpu_actor_call_seconds{device=cpu:0,kind=Counter}")) == Some(&3.0)
            && seen.contains_key(&here("gpu_poller_lag_seconds{device=cpu:0}"))
    };
    until("the report", &mut look).await;

    let checkpoint = system.checkpoint(resident::Scope::Device).await.unwrap();
    assert!(counter.checkpoint().await.is_err(), "it has stopped");
    let mut seen: HashMap<String, f64> = HashMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let number = match value {
            DebugValue::Counter(n) => n as f64,
            DebugValue::Gauge(x) => x.into_inner(),
            DebugValue::Histogram(all) => all.iter().map(|x| x.into_inner()).sum(),
        };
        seen.insert(key.into_parts().1.name().to_owned(), number);
    }
    assert_eq!(seen["resident_checkpoint_bytes"], checkpoint.state_bytes() as f64);
    assert_eq!(seen["resident_checkpoint_errors_total"], 1.0);
    let (took, pause) = (seen["resident_checkpoint_seconds"], seen["resident_checkpoint_pause_seconds"]);
    assert!(pause > 0.0 && pause <= took, "{pause} s of {took} s");
    system.stop().await;

    // One that has a name has it in each of its metrics.
    let named = start(Config { name: Some("flights".into()), ..Config::default() }).await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &named).await.unwrap();
    call!(counter, CounterMsg::Get).unwrap();
    named.stop().await;
    let mut of_it = Vec::new();
    for (key, _, _, _) in snapshotter.snapshot().into_vec() {
        let (_, key) = key.into_parts();
        let of = |label: &str| key.labels().find(|of| of.key() == label).map(|of| of.value().to_owned());
        assert!(of("device").is_some(), "{key}");
        if of("system").as_deref() == Some("flights") {
            of_it.push((key.name().to_owned(), of("kind"), of("path")));
        }
    }
    assert!(of_it.contains(&("gpu_actor_messages_total".into(), Some("Counter".into()), Some("ring".into()))), "{of_it:?}");
    assert!(of_it.iter().any(|(name, ..)| name == "gpu_device_losses_total"), "{of_it:?}");
}
